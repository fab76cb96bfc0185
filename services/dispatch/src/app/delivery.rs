//! An instruction counts as delivered some time after its issue at the latest (30 minutes, local default), so that no clock waits for
//! an agency that does not look.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream;
use dafei_contracts::Stream;
use dafei_dispatch_core::case::{Command, Means, Step};
use dafei_kernel::time::Instant;
use dafei_messaging::{batch::BatchFailure, tx};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    consumers::ACKS_STREAM,
    store::{
        consumers,
        instructions::{self, Due},
    },
    work::{Order, Refusal, Work},
};

/// Instructions of one transaction.
const BATCH: i64 = 256;
/// The longest pause between two looks: instructions of other replicas fall due, too.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause after a server was away, the bus had not run dry, or other transactions had all the cases.
const RETRY: Duration = Duration::from_millis(500);

/// The timer of assumed deliveries.
pub struct AssumedDelivery {
    app: Arc<App>,
    js: jetstream::Context,
    wake: Arc<Notify>,
}

impl AssumedDelivery {
    /// The timer of the service.
    #[must_use]
    pub fn new(app: Arc<App>, js: jetstream::Context) -> Self {
        Self { app, js, wake: Arc::default() }
    }

    /// To be called when the clock was moved.
    #[must_use]
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// When the next instruction will count as delivered.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_due(app: &App) -> sqlx::Result<Option<Instant>> {
        instructions::next_due(&mut *app.pool.acquire().await?).await
    }

    /// Up to which instant all that was due is done: the clock's, or just before the oldest that waits.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn done_through(app: &App) -> sqlx::Result<Option<Instant>> {
        let now = app.clock.now();
        let waiting = Self::next_due(app).await?.filter(|due| *due <= now);
        Ok(Some(waiting.map_or(now, |due| due.saturating_sub(jiff::SignedDuration::from_micros(1)).unwrap_or(due))))
    }

    /// Delivers what falls due until `shutdown`. A database that is away is waited for.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let pause = match self.round().await {
                Ok(Round { found, delivered }) if found == usize::try_from(BATCH).unwrap_or(0) && delivered > 0 => {
                    continue;
                }
                Ok(Round { found: 0, .. }) => self.until_next().await,
                Ok(_) => RETRY,
                Err(RoundError::Behind { .. }) => RETRY,
                Err(error) => {
                    tracing::warn!(%error, "assumed deliveries wait");
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

    /// One batch of what is due. Cases that another transaction has are left to the next round: it may be delivering them.
    async fn round(&self) -> Result<Round, RoundError> {
        let now = self.app.clock.now();
        if Self::next_due(&self.app).await?.is_none_or(|due| due > now) {
            return Ok(Round { found: 0, delivered: 0 });
        }
        self.bus_has_run_dry().await?;
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let due = instructions::due(&mut tx, now, BATCH).await?;
        let ids: Vec<_> = due.iter().map(|due| due.case).collect();
        let mut work = Work::load_free(&self.app, &mut tx, self.app.clock.now(), &ids).await?;
        let mut delivered = 0;
        for due in &due {
            // A refusal is not to be had: what is no longer open or undelivered answers nothing.
            if work.case(due.case).is_some() && report(work.carry_out(&order(due))) {
                delivered += 1;
            }
        }
        work.save(&mut tx).await?;
        tx::commit(tx).await?;
        Ok(Round { found: due.len(), delivered })
    }

    /// What the agencies did before now and the bus holds has taken effect. Else, after an outage, an instruction that was
    /// acknowledged in time would be taken for delivered later than it was.
    async fn bus_has_run_dry(&self) -> Result<(), RoundError> {
        for stream in [Stream::Feedback.name(), ACKS_STREAM] {
            let info = self.js.get_stream(stream).await.map_err(|error| RoundError::Nats(error.to_string()))?;
            let last = info.cached_info().state.last_sequence;
            let read = consumers::position(&mut *self.app.pool.acquire().await?, stream).await?;
            if read < last {
                return Err(RoundError::Behind { stream, messages: last - read });
            }
        }
        Ok(())
    }

    /// How long until the next falls due, by the machine's time; an exercise's clock wakes the timer when it is moved.
    async fn until_next(&self) -> Duration {
        let next = Self::next_due(&self.app).await.ok().flatten();
        let wait = next.map(|next| next.duration_since(self.app.clock.now()));
        wait.and_then(|wait| Duration::try_from(wait).ok())
            .unwrap_or(LONGEST_PAUSE)
            .clamp(Duration::from_millis(50), LONGEST_PAUSE)
    }
}

struct Round {
    found: usize,
    delivered: usize,
}

/// Why a round was not done; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] BatchFailure),
    #[error("NATS: {0}")]
    Nats(String),
    #[error("{messages} messages of {stream} have not taken effect yet")]
    Behind { stream: &'static str, messages: u64 },
}

fn report<T>(result: Result<T, Refusal>) -> bool {
    if let Err(refusal) = &result {
        tracing::error!(%refusal, "an instruction could not be assumed delivered");
    }
    result.is_ok()
}

fn order(due: &Due) -> Order {
    Order {
        case: Some(due.case),
        command: Command::Instruction { id: due.id, step: Step::Deliver(Means::Assumed) },
        actor: None,
        guarded: false,
        at: Some(due.assumed_at),
        means: Means::Assumed,
        traceparent: None,
    }
}
