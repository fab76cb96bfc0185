//! Tips leave after a random delay (clause D2): the timer that announces what is due, several at once and in no order.

use std::{sync::Arc, time::Duration};

use dafei_kernel::time::Instant;
use dafei_messaging::{
    batch::BatchFailure,
    log::{self, AppendError},
    tx,
};
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    publisher::{self, tips::EventFailure},
    store::tips,
};
use dafei_intake_core::tip::State;

/// Tips of one transaction.
const BATCH: i64 = 64;
/// The longest pause between two looks: tips of other replicas fall due, too.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause after the database was away, or other replicas had all that is due.
const RETRY: Duration = Duration::from_millis(500);

/// The timer of tips that wait.
pub struct TipRelease {
    app: Arc<App>,
    wake: Arc<Notify>,
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
    /// The timer of the service.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app, wake: Arc::default() }
    }

    /// To be called when the clock was moved.
    #[must_use]
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// When the next tip is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_due(app: &App) -> sqlx::Result<Option<Instant>> {
        tips::next_due(&mut *app.pool.acquire().await?).await
    }

    /// Up to which instant all that was due is released: the clock's, or just before the oldest that waits.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn done_through(app: &App) -> sqlx::Result<Option<Instant>> {
        let now = app.clock.now();
        let waiting = Self::next_due(app).await?.filter(|due| *due <= now);
        Ok(Some(waiting.map_or(now, |due| due.saturating_sub(SignedDuration::from_micros(1)).unwrap_or(due))))
    }

    /// Releases what falls due until `shutdown`. A database that is away is waited for.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let pause = match Self::round(&self.app).await {
                Ok(released) if released > 0 => continue,
                Ok(_) => self.until_next().await,
                Err(error) => {
                    tracing::warn!(%error, "tips wait");
                    RETRY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Releases some of what is due now; says how many.
    ///
    /// # Errors
    /// When the database does not answer; nothing was released.
    pub async fn round(app: &App) -> Result<usize, RoundError> {
        let now = app.clock.now();
        if Self::next_due(app).await?.is_none_or(|due| due > now) {
            return Ok(0);
        }
        let mut tx = tx::begin_write(&app.pool).await?;
        let now = app.clock.now();
        let due = tips::take_due(&mut tx, now, BATCH).await?;
        let mut rows = tips::lock(&mut tx, &due).await?;
        // Their order in the log is a random one, like their ids.
        rows.sort_by_key(|row| due.iter().position(|id| *id == row.tip.facts.id));
        let mut events = Vec::with_capacity(rows.len());
        for row in &mut rows {
            row.tip.state = State::Received;
            events.push(publisher::tips::received(app, row, now)?);
        }
        tips::update(&mut tx, &rows).await?;
        log::append(&mut tx, &events).await?;
        tx::commit(tx).await?;
        Ok(rows.len())
    }

    /// How long until the next falls due, by the machine's time; an exercise's clock wakes the timer when it is moved.
    async fn until_next(&self) -> Duration {
        let now = self.app.clock.now();
        match Self::next_due(&self.app).await {
            Ok(Some(due)) if due <= now => RETRY,
            Ok(Some(due)) => Duration::try_from(due.duration_since(now)).unwrap_or(RETRY).clamp(RETRY, LONGEST_PAUSE),
            Ok(None) | Err(_) => LONGEST_PAUSE,
        }
    }
}
