//! Opens entries for breaches, for what cases have recorded and for evaluations, withdraws or reopens those whose breach was disproved, and brings
//! those of an accident or order in line with its last record.

use std::{collections::HashMap, time::Duration};

use dafei_contracts::subject::Subject;
use dafei_kernel::{sector::Sector, time::Instant};
use dafei_messaging::{event::NewEvent, sessions, tx};
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::failed,
    timer::{Due, Round},
};
use dafei_sla_core::accountability::{Command, opens_by_itself};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Ledger, work};
use crate::{
    firing::Precedence,
    store::{
        NOTED,
        accountability::{
            entries::{self, Kept},
            queue,
        },
    },
};

/// Obligations, or reports, of one transaction.
const BATCH: i64 = 500;
/// Pause before the listener is opened again.
const PAUSE: Duration = Duration::from_millis(500);

/// What waits to become an entry.
pub struct EntryTimer {
    ledger: Ledger,
    precedence: Precedence,
}

impl EntryTimer {
    /// Opens entries in this ledger.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, precedence: Precedence::none() }
    }

    /// Stands back while firing is behind.
    #[must_use]
    pub fn after(self, precedence: Precedence) -> Self {
        Self { precedence, ..self }
    }
}

impl Due for EntryTimer {
    type Error = Fault;

    fn name(&self) -> &'static str {
        "accountability entries"
    }

    async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        queue::next(&self.ledger.pool).await
    }

    async fn round(&self, _: Instant) -> Result<Round, Fault> {
        self.precedence.give().await;
        let ledger = &self.ledger;
        let mut tx = tx::begin_write(&ledger.pool).await.map_err(faults::database)?;
        let now = ledger.clock.now();
        let taken = queue::take(&mut tx, now, BATCH).await.map_err(faults::database)?;
        let reports = queue::take_reports(&mut tx, now, BATCH).await.map_err(faults::database)?;
        if taken.is_empty() && reports.is_empty() {
            return Ok(Round::Waits);
        }
        // The process may not have heard yet of what intake's consumer has taken in another.
        ledger.roster.refresh(&mut tx).await.map_err(faults::roster)?;
        let mut rows = ledger.settle(&mut tx, &taken, now).await?;
        rows.extend(ledger.open_reported(&mut tx, &reports, now).await?);
        work::append(&mut tx, &rows).await?;
        tx::commit(tx).await.map_err(failed)?;
        Ok(Round::More)
    }
}

impl Ledger {
    /// Brings the entries of obligations in line with what was announced of them.
    async fn settle(&self, conn: &mut PgConnection, taken: &[Uuid], now: Instant) -> Result<Vec<NewEvent>, Fault> {
        let breaches = queue::breaches(conn, taken).await.map_err(faults::database)?;
        let disproved: Vec<Uuid> =
            breaches.iter().filter(|breach| breach.annulled).map(|breach| work::entry_of(breach.id)).collect();
        let mut rows = Vec::new();
        for kept in entries::lock(conn, &disproved).await.map_err(faults::database)? {
            if kept.entry.basis_annulled_at.is_none() {
                rows.push(self.change(conn, Some(kept), &Command::AnnulBasis, None, now).await?.1);
            }
        }
        let roster = self.roster.current();
        let standing = breaches.iter().filter(|breach| breach.stands && opens(&breach.clock));
        let drafts = standing.filter_map(|breach| work::of_breach(breach, &roster)).collect();
        rows.extend(self.open(conn, drafts, now).await?);
        Ok(rows)
    }

    /// Opens the entries of reports, and brings those that their cases have already in line with them.
    async fn open_reported(
        &self,
        conn: &mut PgConnection,
        reports: &[super::reports::Report],
        now: Instant,
    ) -> Result<Vec<NewEvent>, Fault> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        let cases: Vec<Uuid> = reports.iter().filter_map(|report| report.case_id).collect();
        let sectors = queue::sectors(conn, &cases).await.map_err(faults::database)?;
        let sectors: HashMap<Uuid, Sector> =
            sectors.into_iter().filter_map(|(case, sector)| Some((case, sector.parse().ok()?))).collect();
        let sector_of = |case: Option<Uuid>| case.and_then(|case| sectors.get(&case).copied());
        let mut entries_of: HashMap<Uuid, Vec<Kept>> = HashMap::new();
        for kept in entries::lock_of_cases(conn, &cases).await.map_err(faults::database)? {
            if let Some(case) = kept.entry.case_id {
                entries_of.entry(case).or_default().push(kept);
            }
        }
        let roster = self.roster.current();
        let (mut rows, mut drafts, mut amended) = (Vec::new(), Vec::new(), Vec::new());
        for report in reports {
            // A case has one report among these.
            let of_case = report.case_id.and_then(|case| entries_of.remove(&case)).unwrap_or_default();
            let settled = report.settle(report.drafts(sector_of(report.case_id), &roster), of_case);
            drafts.extend(settled.opened);
            amended.extend(settled.amended);
            for kept in settled.withdrawn {
                rows.push(self.change(conn, Some(kept), &Command::AnnulCharge, None, now).await?.1);
            }
        }
        if !amended.is_empty() {
            entries::update(conn, &amended).await.map_err(faults::database)?;
        }
        rows.extend(self.open(conn, drafts, now).await?);
        Ok(rows)
    }

    async fn open(
        &self,
        conn: &mut PgConnection,
        drafts: Vec<dafei_sla_core::accountability::Draft>,
        now: Instant,
    ) -> Result<Vec<NewEvent>, Fault> {
        let opening = self.draw_up(conn, drafts, None, now).await?;
        for (entry, rejection) in &opening.refused {
            tracing::warn!(%entry, %rejection, "an entry cannot be opened");
        }
        let opened = self.write_opened(conn, opening.kept).await?;
        Ok(opened.into_iter().map(|(_, row)| row).collect())
    }
}

fn opens(clock: &str) -> bool {
    clock.parse().is_ok_and(opens_by_itself)
}

/// Does something each time that something was noted, by whichever replica, for ever. While the database is away the timer looks by itself.
pub async fn each_note(pool: PgPool, act: impl Fn()) {
    loop {
        if let Err(error) = listen(&pool, &act).await {
            tracing::warn!(%error, "what waits to become an entry cannot be followed, trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(pool: &PgPool, act: &impl Fn()) -> sqlx::Result<()> {
    let mut listener = sessions::listener(pool, NOTED).await?;
    loop {
        // What was noted before the listener was open counts, too.
        act();
        listener.recv().await?;
        while listener.next_buffered().is_some() {}
    }
}

/// Notes the breaches and annulments among announcements, in their transaction. Breaches that open nothing by themselves are left out.
pub(crate) async fn note(conn: &mut PgConnection, announced: &[NewEvent], now: Instant) -> sqlx::Result<()> {
    let concerned = announced.iter().filter(|event| match event.event_type.as_str() {
        "dafei.events.v1.Annulled" => true,
        "dafei.events.v1.Breached" => match event.subject.parse::<Subject>() {
            Ok(Subject::Sla { clock, .. }) => opens(&clock),
            _ => false,
        },
        _ => false,
    });
    let obligations: Vec<Uuid> = concerned.map(|event| event.aggregate_id).collect();
    if obligations.is_empty() { Ok(()) } else { queue::add(conn, &obligations, now).await }
}
