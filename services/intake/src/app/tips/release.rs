//! Tips leave after a random delay (clause D2): the timer that announces what is due, several at once and in no order.

use std::sync::Arc;

use dafei_kernel::time::Instant;
use dafei_messaging::{
    batch::BatchFailure,
    log::{self, AppendError},
    tx,
};
use dafei_shell::timer::{Due, Round};

use crate::{
    app::App,
    publisher::{self, tips::EventFailure},
    store::tips,
};
use dafei_intake_core::tip::State;

/// Tips of one transaction.
const BATCH: i64 = 64;

/// The tips that wait.
pub struct TipRelease {
    app: Arc<App>,
}

/// Why a round was not done; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The database does not answer.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The commit failed.
    #[error(transparent)]
    Write(#[from] BatchFailure),
    /// The events could not be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// An event could not be made: a bug.
    #[error(transparent)]
    Event(#[from] EventFailure),
}

impl TipRelease {
    /// Those of the service.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl Due for TipRelease {
    type Error = RoundError;

    fn name(&self) -> &'static str {
        "tips that wait"
    }

    async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        tips::next_due(&mut *self.app.pool.acquire().await?).await
    }

    async fn round(&self, _: Instant) -> Result<Round, RoundError> {
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let now = self.app.clock.now();
        let due = tips::take_due(&mut tx, now, BATCH).await?;
        let mut rows = tips::lock(&mut tx, &due).await?;
        // Their order in the log is a random one, like their ids.
        rows.sort_by_key(|row| due.iter().position(|id| *id == row.tip.facts.id));
        let mut events = Vec::with_capacity(rows.len());
        let turns = tips::turns(&mut tx, rows.len()).await?;
        for (row, turn) in rows.iter_mut().zip(turns) {
            row.tip.state = State::Received;
            row.tip.body.turn = Some(turn);
            events.push(publisher::tips::received(&self.app, row, now)?);
        }
        tips::update(&mut tx, &rows).await?;
        log::append(&mut tx, &events).await?;
        tx::commit(tx).await?;
        Ok(if rows.is_empty() { Round::Waits } else { Round::More })
    }
}
