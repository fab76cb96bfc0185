//! An instruction counts as delivered some time after its issue at the latest (30 minutes, local default), so that no clock waits for
//! an agency that does not look.

use std::{sync::Arc, time::Duration};

use dafei_dispatch_core::case::{Command, Means, Step};
use dafei_kernel::time::Instant;
use dafei_messaging::{batch::BatchFailure, tx};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    store::instructions::{self, Due},
    work::{Order, Refusal, Work},
};

/// Instructions of one transaction.
const BATCH: i64 = 256;
/// The longest pause between two looks: instructions of other replicas fall due, too.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause after the database was away, or other transactions had all the cases.
const RETRY: Duration = Duration::from_millis(500);

/// Up to which instant deliveries by the bus are known; an instruction is assumed delivered only when none can have come before.
pub type KnownThrough = Arc<dyn Fn() -> Option<Instant> + Send + Sync>;

/// The timer of assumed deliveries.
pub struct AssumedDelivery {
    app: Arc<App>,
    wake: Arc<Notify>,
    known_through: Option<KnownThrough>,
}

impl AssumedDelivery {
    /// The timer of the service. Where deliveries by the bus are followed, `known_through` says how far.
    #[must_use]
    pub fn new(app: Arc<App>, known_through: Option<KnownThrough>) -> Self {
        Self { app, wake: Arc::default(), known_through }
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
                Err(error) => {
                    tracing::warn!(%error, "assumed deliveries wait for the database");
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
    ///
    /// # Errors
    /// When the database does not answer or refuses.
    async fn round(&self) -> Result<Round, BatchFailure> {
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let now = self.app.clock.now();
        let horizon = match &self.known_through {
            Some(known) => known().map_or(Instant::UNIX_EPOCH, |through| through.min(now)),
            None => now,
        };
        let due = instructions::due(&mut tx, horizon, BATCH).await?;
        if due.is_empty() {
            return Ok(Round { found: 0, delivered: 0 });
        }
        let ids: Vec<_> = due.iter().map(|due| due.case).collect();
        let mut work = Work::load_free(&self.app, &mut tx, now, &ids).await?;
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
