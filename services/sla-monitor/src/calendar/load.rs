//! Putting a calendar in force.

use std::time::{Duration, Instant as Monotonic};

use dafei_contracts::sla::v1 as pb;
use dafei_kernel::{owner::Post, time::civil_date, workdays::Calendar};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::{Fault, Violation};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    timer::Round,
};
use dafei_sla_core::calendar::{self as core, Problem};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Calendars, covered_through, moving::first_moved};
use crate::store::{
    calendars::{self, Move, Stored},
    facts,
};

/// Moves that an answer tells at most.
const TOLD: usize = 500;
/// Open deadlines that a dry run looks at, at most, and at a time.
const LOOKED_AT: usize = 100_000;
const PAGE: usize = 1_000;
/// How long an answer waits for the moving; the rest is moved behind it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Faults that a refusal tells at most.
const FAULTS: usize = 200;

/// A calendar on its way.
pub(crate) struct Ask {
    pub(crate) request: (RequestKey, [u8; 32]),
    pub(crate) text: String,
    pub(crate) by: Post,
    pub(crate) account: String,
}

impl Calendars {
    /// Puts a calendar in force and moves what it moves; waits for that a while.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with all that is wrong with the text, or `VERSION_USED`; `UNAVAILABLE` without the database.
    pub(crate) async fn load(&self, ask: Ask) -> Result<pb::LoadCalendarResponse, Fault> {
        let (key, hash) = ask.request;
        let version = match Once::begin::<pb::LoadCalendarResponse>(&self.pool, &*self.clock, key, &hash).await? {
            Begun::Answered(first) => first.calendar.unwrap_or_default().version,
            Begun::New(mut once) => {
                let new = self.put(once.conn(), ask.text, (ask.by, ask.account)).await?;
                // What moves is told from what is kept, at every repetition.
                let answer = pb::LoadCalendarResponse { calendar: Some(told(&new)), ..Default::default() };
                once.finish(answer).await?;
                new.version
            }
        };
        let until = Monotonic::now() + PATIENCE;
        while Monotonic::now() < until {
            match self.batch().await {
                Ok(Some(Round::More)) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "the calendar is in force, deadlines are moved later");
                    break;
                }
            }
        }
        self.answer(&version).await.map_err(faults::database)
    }

    async fn put(&self, conn: &mut PgConnection, text: String, by: (Post, String)) -> Result<Stored, Fault> {
        // What facts start afterwards goes by the new calendar; what they started before is there to be moved.
        facts::lock(conn).await.map_err(faults::database)?;
        let now = self.clock.now();
        let calendar = self.read(conn, &text).await?;
        let in_force = calendars::find(conn, None).await.map_err(faults::database)?;
        let revision = in_force.map_or(1, |in_force| in_force.revision + 1);
        let version = calendar.version().to_owned();
        let new = Stored { revision, version, text, loaded: now, by: Some(by), moving: true, moved: 0 };
        calendars::append(conn, &new).await.map_err(faults::database)?;
        calendars::begin_moving(conn, revision, now).await.map_err(faults::database)?;
        Ok(new)
    }

    /// A text that may follow the calendar in force.
    async fn read(&self, conn: &mut PgConnection, text: &str) -> Result<Calendar, Fault> {
        let in_force = self.in_force(conn).await.map_err(faults::database)?;
        let calendar = core::read(text, &in_force.calendar, civil_date(self.clock.now()))
            .map_err(|problems| refused(&problems))?;
        if calendars::find(conn, Some(calendar.version())).await.map_err(faults::database)?.is_some() {
            let detail = format!("{} was in force before", calendar.version());
            return Err(Fault::field("text/version", "VERSION_USED", detail, "这个版本号已经用过，请换一个"));
        }
        Ok(calendar)
    }

    async fn answer(&self, version: &str) -> sqlx::Result<pb::LoadCalendarResponse> {
        let mut conn = self.pool.acquire().await?;
        let stored = calendars::find(&mut conn, Some(version)).await?.ok_or(sqlx::Error::RowNotFound)?;
        let limit = i64::try_from(TOLD).unwrap_or(i64::MAX);
        let first = (dafei_kernel::time::Instant::UNIX_EPOCH, Uuid::nil());
        let moves = calendars::moves(&mut conn, stored.revision, first, limit).await?;
        Ok(pb::LoadCalendarResponse {
            moved: u64::try_from(stored.moved).unwrap_or(0),
            complete: !stored.moving,
            moves: moves.iter().map(wire).collect(),
            calendar: Some(told(&stored)),
        })
    }

    /// What a calendar would move.
    ///
    /// # Errors
    /// As [`Calendars::load`]; nothing is changed.
    pub(crate) async fn dry_run(&self, text: &str) -> Result<pb::LoadCalendarResponse, Fault> {
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let calendar = self.read(&mut conn, text).await?;
        let in_force = self.in_force(&mut conn).await.map_err(faults::database)?;
        let mut after = first_moved(&calendar, &in_force.calendar, self.clock.now()).map(|first| (first, Uuid::max()));
        let (mut moves, mut found, mut looked_at) = (Vec::new(), 0, 0);
        while let Some(from) = after.filter(|_| looked_at < LOOKED_AT) {
            let page = self.would_move(&mut conn, &calendar, from, PAGE).await.map_err(faults::database)?;
            found += page.0.len();
            looked_at += PAGE;
            let room = TOLD.saturating_sub(moves.len());
            moves.extend(page.0.iter().take(room).map(wire));
            after = page.1;
        }
        let calendar = pb::CalendarText {
            version: calendar.version().to_owned(),
            covered_through: calendar.covered_through().to_string(),
            ..Default::default()
        };
        let moved = u64::try_from(found).unwrap_or(u64::MAX);
        Ok(pb::LoadCalendarResponse { calendar: Some(calendar), moves, moved, complete: after.is_none() })
    }
}

/// A kept calendar as lists tell it.
pub(crate) fn told(stored: &Stored) -> pb::CalendarText {
    pb::CalendarText {
        version: stored.version.clone(),
        revision: stored.revision,
        covered_through: covered_through(&stored.text),
        text: String::new(),
        loaded_at: Some(stored.loaded.into()),
        loaded_by: stored.by.as_ref().map(|(post, _)| post.into()),
        account: stored.by.as_ref().map(|(_, account)| account.clone()).unwrap_or_default(),
        moving: stored.moving,
        moved: u64::try_from(stored.moved).unwrap_or(0),
    }
}

/// A move as it is told.
pub(crate) fn wire(one: &Move) -> pb::DeadlineMove {
    pb::DeadlineMove {
        obligation_id: one.obligation.to_string(),
        clock: one.clock.clone(),
        case_id: one.case_id.map(|case| case.to_string()).unwrap_or_default(),
        region_path: one.region_path.clone(),
        previous_due: Some(one.previous_due.into()),
        due: Some(one.due.into()),
        previous_calendar_version: one.previous_version.clone(),
    }
}

fn refused(problems: &[Problem]) -> Fault {
    let violation = |problem: &Problem| {
        let words = format!("第{}行：{}（{}）", problem.line, problem.flaw.zh(), problem.detail);
        Violation::new(format!("text/{}", problem.line), problem.flaw.code(), problem.detail.clone(), words)
    };
    Fault::InvalidArgument { violations: problems.iter().take(FAULTS).map(violation).collect() }
}
