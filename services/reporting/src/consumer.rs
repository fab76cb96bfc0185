//! What reporting takes from the bus: facts from dispatch, intake and sla-monitor, and the roster from intake. Everything else only advances the marks.
//! What counts is kept as it was received, in the same transaction.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use dafei_contracts::{
    Event, Stream,
    convert::{self, Field as _},
    events::v1::RosterSnapshot,
};
use dafei_kernel::{agency::Agency, clock::SharedClock, role::Role};
use dafei_messaging::{
    consumer::{ConsumerConfig, Delivered, Handler, HandlerError},
    rebuild,
};
use dafei_reporting_core::Fact;
use dafei_shell::roster::{RosterError, RosterPart, RosterView};
use sqlx::{PgConnection, PgPool};

use crate::{
    activity,
    counting::{counts, facts_in, replacement_in},
    exposure,
    store::{self, stays::Named},
    work,
};

/// CloudEvents type of the roster's snapshots.
const SNAPSHOT: &str = "dafei.events.v1.RosterSnapshot";

/// What the projection is made from.
pub const STREAMS: [Stream; 3] = [Stream::Dispatch, Stream::Intake, Stream::Sla];

/// Facts from dispatch's events.
#[derive(Debug, Clone, Copy, Default)]
pub struct DispatchFacts;

impl DispatchFacts {
    /// Name of the consumer.
    pub const NAME: &'static str = "reporting-dispatch";

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::unhurried(Stream::Dispatch.name())
    }
}

impl Handler for DispatchFacts {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let facts = all_facts(events)?;
        let activity = activity::of_events(Stream::Dispatch, events)?;
        store::disclosure::take(conn, exposure::words_of(events)?).await?;
        keep(conn, Stream::Dispatch, events).await?;
        store::take(conn, facts).await?;
        store::take_activity(conn, activity).await?;
        Ok(())
    }
}

/// Columns 9 and 10 from the SLA monitor's accountability ledger.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlaFacts;

impl SlaFacts {
    /// Name of the consumer.
    pub const NAME: &'static str = "reporting-sla";

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::unhurried(Stream::Sla.name())
    }
}

impl Handler for SlaFacts {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let mut told = Vec::new();
        for (index, delivered) in events.iter().enumerate() {
            told.extend(replacement_in(delivered.into()).map_err(|reason| HandlerError::Reject { index, reason })?);
        }
        let activity = activity::of_events(Stream::Sla, events)?;
        keep(conn, Stream::Sla, events).await?;
        store::replace(conn, told).await?;
        store::take_activity(conn, activity).await?;
        Ok(())
    }
}

/// The facts of all events.
fn all_facts(events: &[Delivered]) -> Result<Vec<Fact>, HandlerError> {
    let mut facts = Vec::new();
    for (index, delivered) in events.iter().enumerate() {
        facts.extend(facts_in(delivered.into()).map_err(|reason| HandlerError::Reject { index, reason })?);
    }
    Ok(facts)
}

/// Keeps what counts as it was received, in the transaction that counts it.
async fn keep(conn: &mut PgConnection, stream: Stream, events: &[Delivered]) -> sqlx::Result<()> {
    let counted: Vec<&Delivered> = events.iter().filter(|event| counts(&event.event_type)).collect();
    store::keep(conn, stream.name(), &counted).await
}

/// The roster from intake's snapshots, and facts from its other events.
#[derive(Clone)]
pub struct IntakeEvents {
    roster: RosterView,
    clock: SharedClock,
    /// Whether who is in the roster since when fits the roster, as this process knows.
    fits: Arc<AtomicBool>,
}

impl IntakeEvents {
    /// Name of the consumer.
    pub const NAME: &'static str = "reporting-intake";

    /// Keeps this view of the roster up to date; the clock says since when one is there who came unseen.
    #[must_use]
    pub fn new(roster: RosterView, clock: SharedClock) -> Self {
        Self { roster, clock, fits: Arc::default() }
    }

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::unhurried(Stream::Intake.name())
    }
}

impl Handler for IntakeEvents {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let facts = all_facts(events)?;
        let activity = activity::of_events(Stream::Intake, events)?;
        let (mut snapshots, mut told) = (Vec::new(), Vec::new());
        for (index, delivered) in events.iter().enumerate().filter(|(_, delivered)| delivered.event_type == SNAPSHOT) {
            let reject = |reason: String| HandlerError::Reject { index, reason };
            if let Some(Event::RosterSnapshot(snapshot)) = Event::from_json(&delivered.event_type, &delivered.payload)
                .map_err(|error| reject(error.to_string()))?
            {
                told.push(of_snapshot(&snapshot).map_err(|error| reject(error.to_string()))?);
                snapshots.push(snapshot);
            }
        }
        // Before this process, one of a release that kept no stays may have taken snapshots.
        if !self.fits.load(Ordering::Relaxed) {
            store::stays::fit(conn, self.clock.now()).await?;
        }
        let snapshots: Vec<_> = snapshots.iter().collect();
        self.roster.apply(conn, &snapshots).await.map_err(|error| match error {
            RosterError::Sql(error) => error.into(),
            other => HandlerError::Retry(Box::new(other)),
        })?;
        take_stays(conn, told).await?;
        store::work::add(conn, work::entries_of(events, &self.roster.current())?).await?;
        keep(conn, Stream::Intake, events).await?;
        store::take(conn, facts).await?;
        store::take_activity(conn, activity).await?;
        Ok(())
    }

    fn committed(&self, events: &[Delivered]) {
        // Of a batch of which nothing took effect, neither did that.
        if !events.is_empty() {
            self.fits.store(true, Ordering::Relaxed);
        }
    }
}

/// What a snapshot names, and of when it is.
fn of_snapshot(snapshot: &RosterSnapshot) -> Result<Named, convert::ConvertError> {
    let part = RosterPart::try_from(snapshot)?;
    let at = convert::instant("meta.received_at", snapshot.meta.as_ref().required("meta")?.received_at)?;
    Ok(Named { units: units_of(&part), region: part.region, at })
}

/// The region itself, and the departments whose post is or was held; none when it is gone.
fn units_of(part: &RosterPart) -> Vec<Option<Agency>> {
    if part.regions.iter().all(|entry| entry.region != part.region) {
        return Vec::new();
    }
    let departments = part.holders.iter().filter(|holder| {
        holder.region == part.region && matches!(holder.role, Role::CountyDepartment | Role::CityDepartment)
    });
    let agencies: BTreeSet<Agency> = departments.filter_map(|holder| holder.agency).collect();
    std::iter::once(None).chain(agencies.into_iter().map(Some)).collect()
}

/// Keeps who is in the roster since when, in the order of the snapshots: who left and came back within a batch did not stay.
async fn take_stays(conn: &mut PgConnection, told: Vec<Named>) -> sqlx::Result<()> {
    let mut round: Vec<Named> = Vec::new();
    for one in told {
        if round.iter().any(|other| other.region == one.region) {
            store::stays::take(conn, &std::mem::take(&mut round)).await?;
        }
        round.push(one);
    }
    if round.is_empty() { Ok(()) } else { store::stays::take(conn, &round).await }
}

/// Forgets the projection and its marks in one transaction: with the next message (a publisher's watermark is enough) or at their next
/// start the consumers begin again at the start of their streams. Until they are through, tables show less. What the streams no longer
/// hold is lost: the caller sees first that each of [`STREAMS`] still begins at its first message. What was received
/// stays, and what comes again adds nothing to it.
///
/// # Errors
/// When PostgreSQL refuses or is away; then nothing is forgotten.
pub async fn rebuild(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    // The consumers' positions first: a running batch ends before the tables are touched, and none begins.
    rebuild::reset_consumer(&mut tx, DispatchFacts::NAME, Stream::Dispatch.name()).await?;
    rebuild::reset_consumer(&mut tx, IntakeEvents::NAME, Stream::Intake.name()).await?;
    rebuild::reset_consumer(&mut tx, SlaFacts::NAME, Stream::Sla.name()).await?;
    store::clear(&mut tx).await?;
    tx.commit().await
}
