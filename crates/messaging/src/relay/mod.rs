//! The relay: one per service, it publishes what stands in the outbox, in order, in atomic batches behind a fence, and says by a
//! watermark how far the stream is complete.
//!
//! - Of several replicas one holds a session advisory lock; the others stand by. Should two believe that they hold it, the fence (the
//!   stream's expected last sequence) refuses one of them.
//! - A batch is published, then its outbox rows are deleted and the fence is moved in one statement. After an unknown outcome the stream
//!   is read behind the stored fence and what is there is removed from the outbox: nothing is published twice.
//! - A stream that ends before what was published to it lost its end. What stood there is known (`sent.rs`), goes into the outbox again, and is
//!   published behind all numbers that anybody can have read (`regain.rs`).
//! - A stream that vanished, was made anew or lost more than is known was wiped: nothing more goes into it until [`crate::refill`] filled it. One
//!   that has events behind the stored fence which the log does not have is treated alike: the database lost history, and would number anew.

mod floor;
mod published;
mod reconcile;
mod regain;
pub(crate) mod sent;
mod session;
pub(crate) mod store;
mod watermark;

pub use floor::Outside;
pub use published::Published;
pub use reconcile::created;
pub(crate) use reconcile::instant;
pub(crate) use watermark::{SUBJECT_PREFIX, WatermarkMessage};

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_nats::jetstream::Context;
use dafei_kernel::{clock::SharedClock, time::Instant};
use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    lock,
    log::{CHANNEL, LoggedEvent},
    sessions,
    silence::{self, Loan},
    streams::StreamSpec,
};

/// Begins the span of an event's publication; none for an event without a trace.
pub type PublicationSpan = fn(&LoggedEvent) -> Option<tracing::Span>;

/// What a relay publishes and how.
#[derive(Clone)]
pub struct RelayConfig {
    /// Name of the service; its watermark's subject is `dafei.v1.watermark.<service>`.
    pub service: String,
    /// The streams that this service fills.
    pub streams: Vec<StreamSpec>,
    /// The one of them that carries the watermark; none for a service without one.
    pub watermark_stream: Option<&'static str>,
    /// Streams of outsiders from which events of this service follow: its watermark does not pass what of them has not taken effect.
    pub outside: Vec<Outside>,
    /// What traces publications, if anything does.
    pub span: Option<PublicationSpan>,
    /// At most one watermark per this time while events are published.
    pub watermark_interval: Duration,
    /// At most one watermark per this time while none are.
    pub idle_watermark_interval: Duration,
    /// How often the outbox is looked at without being woken.
    pub poll_interval: Duration,
    /// How often the streams are looked at, so that a wiped one is noticed also while nothing happens.
    pub check_interval: Duration,
    /// How long the database's answer is waited for before a new session with it is begun.
    pub answer: Duration,
}

impl RelayConfig {
    /// The usual times, the watermark in the first stream.
    #[must_use]
    pub fn new(service: impl Into<String>, streams: Vec<StreamSpec>) -> Self {
        Self {
            service: service.into(),
            watermark_stream: streams.first().map(|stream| stream.name),
            streams,
            outside: Vec::new(),
            span: None,
            watermark_interval: Duration::from_millis(250),
            idle_watermark_interval: Duration::from_millis(500),
            poll_interval: Duration::from_millis(500),
            check_interval: Duration::from_secs(5),
            answer: silence::ANSWER,
        }
    }
}

impl std::fmt::Debug for RelayConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RelayConfig").field("service", &self.service).finish_non_exhaustive()
    }
}

/// How the relay of this process fares; one that stands by knows little. What all replicas are to say alike is asked for by
/// [`RelayHandle::published`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayStatus {
    /// This replica holds the lock.
    pub active: bool,
    /// Events seen waiting at the last look; at least so many.
    pub pending: u64,
    /// Age of the oldest of them by the service's clock.
    pub outbox_age: Duration,
    /// Events published since the start.
    pub published: u64,
    /// The last watermark: every commit recorded strictly before it is in the stream before it.
    pub through: Option<Instant>,
    /// Streams that were wiped, lost more than is known, or hold what the log does not have, and wait to be refilled.
    pub wiped: Vec<String>,
    /// Messages since the start that NATS had acknowledged and lost, watermarks among them; a server that had yet to hear of some may have said so. Those
    /// in whose place something else stands are lost, too.
    pub lost: u64,
    /// When that was noticed last.
    pub lost_at: Option<std::time::Instant>,
    /// The events among them and those that stand in their place, which were published again.
    pub regained: u64,
    /// The last error, until the next success.
    pub last_error: Option<String>,
}

/// A relay that is not yet running.
pub struct Relay {
    pool: PgPool,
    js: Context,
    clock: SharedClock,
    config: RelayConfig,
    status: watch::Sender<RelayStatus>,
    prod: Arc<Prod>,
    unheard: Unheard,
}

/// Up to which numbers of each stream, made at an instant, was published without its having been settled: it outlives a session with the database.
#[derive(Debug, Default)]
struct Unheard(std::sync::Mutex<HashMap<&'static str, (Instant, u64)>>);

impl Unheard {
    fn set(&self, stream: &'static str, created: Instant, end: u64) {
        self.lock().insert(stream, (created, end));
    }

    fn clear(&self, stream: &str) {
        self.lock().remove(stream);
    }

    fn of(&self, stream: &str, made: Instant) -> Option<u64> {
        self.lock().get(stream).filter(|(created, _)| *created == made).map(|(_, end)| *end)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, (Instant, u64)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What wakes a relay.
#[derive(Debug, Default)]
struct Prod {
    /// There may be something in the outbox.
    work: Notify,
    /// The clock was moved: a watermark is wanted at once.
    watermark: std::sync::atomic::AtomicBool,
}

/// What the rest of the service sees of its relay; cheap to clone.
#[derive(Debug, Clone)]
pub struct RelayHandle {
    status: watch::Receiver<RelayStatus>,
    prod: Arc<Prod>,
    asked: published::Asked,
}

impl RelayHandle {
    /// Has the outbox looked at and the watermark published at once, for example after an exercise's clock was moved.
    pub fn prod(&self) {
        self.prod.watermark.store(true, std::sync::atomic::Ordering::Release);
        self.prod.work.notify_one();
    }

    /// How the relay fares now.
    #[must_use]
    pub fn status(&self) -> RelayStatus {
        self.status.borrow().clone()
    }

    /// How far the service has published, whichever replica relays. What is not answered `within` that time is unknown.
    pub async fn published(&self, within: Duration) -> Published {
        self.asked.look(within).await
    }

    /// To wait for a change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<RelayStatus> {
        self.status.clone()
    }
}

/// How far a stream was filled, as the database knows: the stream has at least so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// When the stream was made.
    pub created: Instant,
    /// The last message that is known to be in it.
    pub sequence: u64,
}

/// How far a stream was filled; none before it was made, and while it is filled again. What is committed after this is read is published
/// behind it.
///
/// # Errors
/// When the database does not answer.
pub async fn filled(connection: &mut sqlx::PgConnection, stream: &str) -> sqlx::Result<Option<Filled>> {
    let state = store::state(connection, stream).await?;
    let whole = state.filter(|state| !state.refilling);
    Ok(whole.map(|state| Filled { created: state.created, sequence: state.last_sequence }))
}

/// Why a session or a cycle of the relay ended.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    /// The database: the lock may be lost, a new session has to be begun.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// NATS: the streams have to be read before the next batch.
    #[error("NATS: {0}")]
    Nats(String),
}

impl Relay {
    /// A relay over these servers.
    #[must_use]
    pub fn new(pool: PgPool, js: Context, clock: SharedClock, config: RelayConfig) -> Self {
        Self {
            pool,
            js,
            clock,
            config,
            status: watch::Sender::new(RelayStatus::default()),
            prod: Arc::default(),
            unheard: Unheard::default(),
        }
    }

    /// To prod it and to see how it fares.
    #[must_use]
    pub fn handle(&self) -> RelayHandle {
        let asked = published::Asked { pool: self.pool.clone(), js: self.js.clone(), config: self.config.clone() };
        RelayHandle { status: self.status.subscribe(), prod: Arc::clone(&self.prod), asked }
    }

    /// Publishes until `shutdown`. Servers that are away are waited for, as long as it takes.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut backoff = Backoff::up_to(Duration::from_secs(5));
        while !shutdown.is_cancelled() {
            let listener = tokio::spawn(listen(self.pool.clone(), Arc::clone(&self.prod)));
            let ended = self.session(&shutdown, &mut backoff).await;
            listener.abort();
            self.status.send_modify(|status| status.active = false);
            if let Err(error) = ended {
                self.failed(&error, &shutdown).await;
                let pause = backoff.next_pause();
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    /// Waits for the lock and publishes as long as the database answers.
    async fn session(&self, shutdown: &CancellationToken, backoff: &mut Backoff) -> Result<(), RelayError> {
        let name = format!("dafei relay {}", self.config.service);
        let acquired = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            acquired = lock::acquire(&self.pool, &name, shutdown) => acquired?,
        };
        let Some(connection) = acquired else { return Ok(()) };
        self.status.send_modify(|status| status.active = true);
        tracing::info!(service = %self.config.service, "relay active");
        session::Session::new(self, connection).run(shutdown, backoff).await
    }

    async fn backlog(&self) -> sqlx::Result<(u64, Option<Instant>)> {
        let mut connection = Loan::of(&self.pool).await?;
        let backlog = silence::answer(self.config.answer, store::backlog(&mut connection)).await?;
        connection.give_back();
        Ok(backlog)
    }

    async fn failed(&self, error: &RelayError, shutdown: &CancellationToken) {
        let text = error.to_string();
        if self.status.borrow().last_error.as_ref() != Some(&text) {
            tracing::warn!(service = %self.config.service, error = %text, "relay interrupted");
        }
        let backlog = tokio::select! {
            biased;
            () = shutdown.cancelled() => None,
            backlog = self.backlog() => backlog.ok(),
        };
        let now = self.clock.now();
        self.status.send_modify(|status| {
            status.last_error = Some(text);
            if let Some((pending, oldest)) = backlog {
                status.pending = pending;
                status.outbox_age = oldest.map_or(Duration::ZERO, |oldest| age(now, oldest));
            }
        });
    }
}

/// How long ago, never negative.
fn age(now: Instant, then: Instant) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Relay").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Turns PostgreSQL's notifications into wake-ups, on a connection of its own. While it is away the relay polls.
async fn listen(pool: PgPool, prod: Arc<Prod>) {
    let mut backoff = Backoff::up_to(Duration::from_secs(5));
    loop {
        if let Ok(mut listener) = sessions::listener(&pool, CHANNEL).await {
            // What was committed before the LISTEN took effect.
            prod.work.notify_one();
            while listener.recv().await.is_ok() {
                backoff.reset();
                prod.work.notify_one();
            }
        }
        tokio::time::sleep(backoff.next_pause()).await;
    }
}
