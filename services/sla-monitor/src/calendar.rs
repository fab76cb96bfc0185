//! Calendars that offices load: put in force at once, then the open deadlines in working days are moved in batches. A moving that was
//! interrupted goes on where it was. Nothing is announced of a deadline that is still to be moved: firing waits for it.

mod gauges;
pub(crate) mod load;
mod moving;

use std::sync::Arc;

use dafei_kernel::{clock::SharedClock, workdays::Calendar};
use dafei_messaging::{batch::BatchFailure, log::AppendError};
use sqlx::PgPool;

use crate::terms::TermsView;

pub(crate) use gauges::Gauges;
pub(crate) use load::Ask;

/// Why open deadlines could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// PostgreSQL refused or is away.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The commit failed, or its outcome is not known; the next round finds out by the state.
    #[error("commit: {0}")]
    Commit(#[from] BatchFailure),
    /// An obligation cannot be told as the catalogue says.
    #[error("obligation {id}: {source}")]
    Event {
        /// The obligation.
        id: uuid::Uuid,
        /// What is wrong.
        source: dafei_contracts::catalogue::EventError,
    },
    /// The log refused an event.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Loads calendars and moves what they move.
#[derive(Clone)]
pub struct Calendars {
    pool: PgPool,
    clock: SharedClock,
    terms: TermsView,
}

impl Calendars {
    /// By these terms and this clock.
    #[must_use]
    pub const fn new(pool: PgPool, clock: SharedClock, terms: TermsView) -> Self {
        Self { pool, clock, terms }
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The calendar in force.
    async fn in_force(&self, conn: &mut sqlx::PgConnection) -> sqlx::Result<Arc<crate::terms::InForce>> {
        self.terms.refresh(conn).await
    }
}

/// The last day that a kept text covers.
pub(crate) fn covered_through(text: &str) -> String {
    Calendar::parse(text).map(|calendar| calendar.covered_through().to_string()).unwrap_or_default()
}
