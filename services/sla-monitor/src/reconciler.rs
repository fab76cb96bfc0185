//! The reconciler: proof that every open step of intake and dispatch has exactly one armed obligation, and the reverse.
//!
//! Digests of buckets of cases are compared first; what agrees need not be listed. A bucket that differs is listed page by page and compared step
//! by step. A case whose events are on the way is left alone, and a difference counts only when it is seen twice with a watermark of its
//! publisher between: by then all is in effect that was published before the first look. A hole is repaired from the facts, or by a fact of the
//! reconciler's own, which gives way to the true one when it comes.

mod compare;
mod peers;
mod repair;
mod restore;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use dafei_kernel::{clock::SharedClock, time::Instant};
use dafei_messaging::{pg::PgInstant, silence};
use dafei_runtime::telemetry::metrics;
use dafei_shell::roster::RosterView;
use jiff::SignedDuration;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    SERVICE,
    store::reconcile::{self as store, Run},
    terms::TermsView,
};

pub use peers::{PeerError, Peers};
pub(crate) use repair::{repair, side};

/// How long after the start of a run the next begins, by the suite's clock.
const EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How often is looked whether it is time.
const LOOK: Duration = Duration::from_secs(5);
/// How long after a run that failed the next begins.
const RETRY: Duration = Duration::from_secs(300);

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// PostgreSQL refused or is away.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// A commit failed, or its outcome is not known.
    #[error("commit: {0}")]
    Commit(#[from] dafei_messaging::batch::BatchFailure),
    /// A service's open steps are not known.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A hole cannot be told as the catalogue says.
    #[error("hole: {0}")]
    Event(#[from] dafei_contracts::catalogue::EventError),
    /// The log refused an event.
    #[error(transparent)]
    Append(#[from] dafei_messaging::log::AppendError),
}

/// Why no run was begun.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Another one goes on.
    #[error("another run goes on")]
    Busy,
    /// PostgreSQL refused or is away.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
}

/// What dashboards read.
#[derive(Debug, Default)]
struct Figures {
    /// Holes of the last run.
    holes: AtomicI64,
    /// What the last run compared.
    compared: AtomicI64,
    /// Start of the last run that came to its end.
    success: Mutex<Option<Instant>>,
}

/// Compares and repairs.
#[derive(Clone)]
pub struct Reconciler {
    pool: PgPool,
    clock: SharedClock,
    roster: RosterView,
    terms: TermsView,
    peers: Peers,
    figures: Arc<Figures>,
    /// When this process began.
    began: Instant,
}

impl Figures {
    /// Time since the start of the last run that came to its end; since the process began as long as none ever has, so
    /// that an alert does not wait for a first success.
    fn since_success(&self, now: Instant, began: Instant) -> SignedDuration {
        let last = *self.success.lock().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(last.unwrap_or(began))
    }
}

impl Reconciler {
    /// Asks `peers`, and repairs by these terms.
    #[must_use]
    pub fn new(pool: PgPool, clock: SharedClock, roster: RosterView, terms: TermsView, peers: Peers) -> Self {
        let began = clock.now();
        Self { pool, clock, roster, terms, peers, figures: Arc::default(), began }
    }

    /// Runs at once, and every hour of the suite's clock until `shutdown`. Nobody waits for it: an exercise's clock goes on while it runs.
    pub async fn follow(self, shutdown: CancellationToken) {
        let mut next = self.clock.now();
        while !shutdown.is_cancelled() {
            let now = self.clock.now();
            let pause = if now >= next {
                // Broken off it leaves a run without an end, and nothing half-done.
                tokio::select! {
                    pause = self.turn(now, &mut next) => pause,
                    () = shutdown.cancelled() => return,
                }
            } else {
                // Of a run of another replica; one that goes on tells nothing yet.
                tokio::select! {
                    looked = silence::answer(silence::ANSWER, self.read_figures()) => {
                        if let Err(error) = looked {
                            tracing::warn!(%error, "the reconciler's figures are those of before");
                        }
                    }
                    () = shutdown.cancelled() => return,
                }
                LOOK
            };
            let _ = tokio::time::timeout(pause, shutdown.cancelled()).await;
        }
    }

    /// One run, when it is time for one; says how long to wait before it is looked again.
    async fn turn(&self, now: Instant, next: &mut Instant) -> Duration {
        match self.run().await {
            Ok(run) if run.error.is_empty() => {
                *next = now.checked_add(EVERY).unwrap_or(Instant::MAX);
                LOOK
            }
            Ok(run) => {
                tracing::warn!(run = run.number, error = run.error, "the reconciler's run failed");
                RETRY
            }
            // Another replica's run is as good.
            Err(Refusal::Busy) => {
                *next = now.checked_add(EVERY).unwrap_or(Instant::MAX);
                LOOK
            }
            Err(Refusal::Sql(error)) => {
                tracing::warn!(%error, "the reconciler waits for PostgreSQL");
                LOOK
            }
        }
    }

    /// Runs now. A run that fails is recorded as failed; what it had repaired until then stays.
    ///
    /// # Errors
    /// [`Refusal::Busy`] while another goes on, of whatever replica; [`Refusal::Sql`] when it cannot be recorded.
    pub(crate) async fn run(&self) -> Result<Run, Refusal> {
        let lock = store::lock(&self.pool).await?.ok_or(Refusal::Busy)?;
        let mut run = {
            let mut conn = self.pool.acquire().await?;
            store::begin(&mut conn, self.clock.now()).await?
        };
        let outcome = self.compare(&mut run).await;
        let now = self.clock.now();
        run.ended_at = Some(PgInstant(now));
        run.error = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        let mut conn = self.pool.acquire().await?;
        store::finish(&mut conn, &run).await?;
        self.figures.holes.store(run.holes, Ordering::Relaxed);
        self.figures.compared.store(run.compared, Ordering::Relaxed);
        if run.error.is_empty() {
            self.succeeded(run.started_at.0);
        }
        tracing::info!(
            run = run.number,
            compared = run.compared,
            holes = run.holes,
            repaired = run.repaired,
            error = run.error,
            "reconciled"
        );
        store::unlock(lock).await;
        Ok(run)
    }

    fn succeeded(&self, at: Instant) {
        *self.figures.success.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Reads what the last runs have found, of whatever replica: an alert must not go on ringing in one whose turn does not come again.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn read_figures(&self) -> sqlx::Result<()> {
        let mut conn = self.pool.acquire().await?;
        let (last, good) = store::last(&mut conn).await?;
        if let Some(last) = last {
            self.figures.holes.store(last.holes, Ordering::Relaxed);
            self.figures.compared.store(last.compared, Ordering::Relaxed);
        }
        if let Some(good) = good {
            self.succeeded(good.started_at.0);
        }
        Ok(())
    }

    /// The holes of the last run, as it was last read.
    #[must_use]
    pub fn holes(&self) -> i64 {
        self.figures.holes.load(Ordering::Relaxed)
    }

    /// Time since the start of the last run that came to its end, as it was last read; since this process began when
    /// there was none.
    #[must_use]
    pub fn since_success(&self) -> SignedDuration {
        self.figures.since_success(self.clock.now(), self.began)
    }

    /// What dashboards and alerts read, with what the database knows from before this start.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn watch(&self) -> sqlx::Result<()> {
        self.read_figures().await?;
        let labels = [("service", SERVICE)];
        let figures = Arc::clone(&self.figures);
        let help = "Open steps without their obligation, and the reverse, that the last run counted";
        metrics::gauge_callback("dafei.reconciler.holes", "{hole}", help, &labels, move || {
            Some(figures.holes.load(Ordering::Relaxed) as f64)
        });
        let figures = Arc::clone(&self.figures);
        let help = "Steps and obligations that the last run compared";
        metrics::gauge_callback("dafei.reconciler.compared", "{step}", help, &labels, move || {
            Some(figures.compared.load(Ordering::Relaxed) as f64)
        });
        let (figures, clock, began) = (Arc::clone(&self.figures), self.clock.clone(), self.began);
        let help = "Time since the start of the last run that came to its end, or of the process when none ever did";
        metrics::gauge_callback("dafei.reconciler.last_success", "s", help, &labels, move || {
            Some(figures.since_success(clock.now(), began).as_secs_f64())
        });
        Ok(())
    }
}

/// Whether the reconciler runs at all, as dashboards and alerts read it; a warning when it does not.
pub fn watch_configured(configured: bool) {
    let help = "1 when the reconciler runs, 0 when it was not told whom to ask";
    metrics::gauge_callback("dafei.reconciler.configured", "1", help, &[("service", SERVICE)], move || {
        Some(f64::from(u8::from(configured)))
    });
    if !configured {
        tracing::warn!(
            "the reconciler does not run: it needs DAFEI_INTAKE_ADDR, DAFEI_DISPATCH_ADDR and DAFEI_SLA_MONITOR_TOKEN_FILE"
        );
    }
}
