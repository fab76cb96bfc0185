//! The consumer loop: one piece for all services.
//!
//! A consumer reads one publisher's whole stream, strictly in its order, and lets a [`Handler`] give the effects of a batch in one
//! transaction, together with how far the stream was read and the high-water mark of each aggregate. So an effect happens exactly once,
//! whatever is delivered again:
//!
//! - **Position.** The database, not the server, knows how far the stream was read; every batch locks that row, so a replica that lost its
//!   lock cannot commit. The server keeps nothing of a consumer: each session has one made that begins at the database's position and
//!   acknowledges nothing, on one server and in its memory, so that none has to choose a leader after a failure. What got lost on the way is
//!   noticed by the gap that it leaves, or by the end of the stream.
//! - **Outsiders.** What they write ([`Mode::Raw`]) is not delivered at all: it is asked for by its sequence, because the client library would
//!   break at headers that are none (`by_sequence.rs`).
//! - **Marks.** What is at or below an aggregate's mark is skipped (a stream that was wiped and refilled is read from its start). What
//!   follows a gap is parked until the gap is filled.
//! - **Dead letters.** A batch that fails for its content is done again singly under savepoints; the event at fault falls out alone and its
//!   aggregate's successors are parked until it was replayed ([`crate::dead_letters`]).

mod apply;
mod beginning;
mod by_sequence;
mod feed;
mod item;
mod progress;
mod run;
mod singly;
mod source;
pub(crate) mod store;
mod untaken;

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use async_nats::jetstream::Context;
use bytes::Bytes;
use dafei_kernel::{clock::SharedClock, time::Instant};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::silence;

pub(crate) use apply::{Applier, ApplyError, Batch};
pub(crate) use item::{Item, Parts, from_logged, read};
pub(crate) use progress::Verdict;
pub(crate) use run::lock_name;
pub(crate) use singly::Singly;
pub use untaken::{Extent, TakenThrough, UntakenError, untaken};

/// A message as a handler gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its subject.
    pub subject: String,
    /// Its headers; CloudEvents names in lower case.
    pub headers: BTreeMap<String, String>,
    /// CloudEvents `id`; nil in [`Mode::Raw`].
    pub event_id: Uuid,
    /// CloudEvents `type`; empty in [`Mode::Raw`].
    pub event_type: String,
    /// CloudEvents `source`; empty in [`Mode::Raw`].
    pub source: String,
    /// CloudEvents `subject`; nil in [`Mode::Raw`].
    pub aggregate_id: Uuid,
    /// From 1 per (source, aggregate); 0 in [`Mode::Raw`].
    pub sequence: i64,
    /// CloudEvents `time`; in [`Mode::Raw`] as `stored_at`.
    pub recorded_at: Instant,
    /// W3C trace context of the command behind it.
    pub traceparent: Option<String>,
    /// Its content.
    pub payload: Bytes,
    /// Its place in the stream; 0 when it comes from a log.
    pub stream_sequence: u64,
    /// When JetStream stored it, by the server's clock; from a log, as `recorded_at`.
    pub stored_at: Instant,
}

/// What a handler could not do.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Not now: the batch is done again, after a pause that grows. When the cause is the database refusing the data, or after
    /// [`ConsumerConfig::max_attempts`], the event at fault becomes a dead letter.
    #[error("{0}")]
    Retry(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something that the handler needs is away: the batch is done again for as long as it takes, and no event is at fault for it.
    #[error("{0}")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Never: this event becomes a dead letter at once.
    #[error("event {index} of the batch is rejected: {reason}")]
    Reject {
        /// Index into the slice given to [`Handler::apply`].
        index: usize,
        /// Why, for the operator.
        reason: String,
    },
}

impl From<sqlx::Error> for HandlerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Retry(Box::new(error))
    }
}

/// Gives the effects of a stream's messages.
pub trait Handler: Send + Sync + 'static {
    /// With the stream the key of the consumer's marks: never change it.
    fn name(&self) -> &'static str;

    /// Gives the effects of `events`, in their order, on this connection, which is in the batch's transaction. May be called several times
    /// for one transaction, and again after a rollback. Events of no interest are passed over.
    fn apply(
        &self,
        connection: &mut PgConnection,
        events: &[Delivered],
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// The publisher `service` says that its stream is complete up to (strictly before) `through`; in the same transaction and order.
    fn on_watermark(
        &self,
        _connection: &mut PgConnection,
        _service: &str,
        _through: Instant,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send {
        async { Ok(()) }
    }

    /// `events` took effect and are committed: for indexes in memory and screens that follow. Parked and replayed ones come here too.
    fn committed(&self, _events: &[Delivered]) {}
}

/// How messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Events of one of the suite's services: headers decoded, marks kept, watermarks told.
    Ordered,
    /// Messages of outsiders, as they are: no marks; a message comes once per stream, and again where the stream lost its end, and its sender may
    /// have sent it twice. Of its headers only a part is there, as a text.
    Raw,
}

/// What a consumer reads and how.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// The stream.
    pub stream: String,
    /// How its messages are taken.
    pub mode: Mode,
    /// The most messages per transaction.
    pub batch: usize,
    /// How long a busy consumer gathers messages for a transaction, at the most; an idle one takes each as it comes.
    pub gather: Duration,
    /// How long a busy consumer gathers at the least, however fast its transactions are.
    pub gather_least: Duration,
    /// How often a batch is tried when the handler asks for it and the database is not the reason.
    pub max_attempts: u32,
    /// The longest pause between two tries.
    pub max_pause: Duration,
    /// After how long without a message it is asked whether the stream has one.
    pub look: Duration,
    /// For how long a stream has to say that it ends before the position until that is believed.
    pub doubt: Duration,
    /// How long the database's answer is waited for, at first; a batch that gets none is done again on another connection.
    pub answer: Duration,
}

/// A server that was the stream's leader and hears nothing of the others steps down after ten seconds; until then it may name an earlier end.
const DOUBT: Duration = Duration::from_secs(12);

/// Under load a transaction's fixed cost is shared by more; who waits for what a consumer does notices no more than this.
const GATHER: Duration = Duration::from_millis(10);
/// The same, where nobody waits for a single event: clocks count by the instants in the events, and a table may be a second old.
const GATHER_UNHURRIED: Duration = Duration::from_millis(100);

impl ConsumerConfig {
    /// A service's stream.
    #[must_use]
    pub fn ordered(stream: impl Into<String>) -> Self {
        Self {
            stream: stream.into(),
            mode: Mode::Ordered,
            batch: 500,
            gather: GATHER,
            gather_least: Duration::ZERO,
            max_attempts: 12,
            max_pause: Duration::from_secs(30),
            look: Duration::from_secs(2),
            doubt: DOUBT,
            answer: silence::ANSWER,
        }
    }

    /// A service's stream, where nobody waits for what becomes of a single event.
    #[must_use]
    pub fn unhurried(stream: impl Into<String>) -> Self {
        Self { gather: GATHER_UNHURRIED, ..Self::ordered(stream) }
    }

    /// As [`ConsumerConfig::unhurried`], where what is done for one event is done for all that its aggregate has: a busy consumer gathers its
    /// whole time, so that it is done once for several.
    #[must_use]
    pub fn gathering(stream: impl Into<String>) -> Self {
        Self { gather_least: GATHER_UNHURRIED, ..Self::unhurried(stream) }
    }

    /// A stream that outsiders write to.
    #[must_use]
    pub fn raw(stream: impl Into<String>) -> Self {
        Self { mode: Mode::Raw, ..Self::ordered(stream) }
    }

    /// The key under which the database keeps what this consumer has read.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        key(name, &self.stream)
    }
}

/// The key of a consumer in the database: a service reads several streams under one name.
#[must_use]
pub fn key(name: &str, stream: &str) -> String {
    format!("{name}/{stream}")
}

/// How a consumer fares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// This replica holds the lock and reads.
    pub active: bool,
    /// Messages known to be in the stream that have not taken effect.
    pub lag: u64,
    /// The last sequence of the stream that took effect.
    pub last_sequence: u64,
    /// All that the publisher committed strictly before it has taken effect here.
    pub caught_up_through: Option<Instant>,
    /// Aggregates of which events are parked.
    pub parked: u64,
    /// Dead letters since the start.
    pub dead_letters: u64,
    /// The last error, until the next success.
    pub last_error: Option<String>,
}

/// A consumer that is not yet running.
pub struct ConsumerLoop<H> {
    pool: PgPool,
    js: Context,
    clock: SharedClock,
    handler: Arc<H>,
    config: ConsumerConfig,
    status: watch::Sender<ConsumerStatus>,
}

/// What the rest of the service sees of a consumer; cheap to clone.
#[derive(Debug, Clone)]
pub struct ConsumerHandle {
    status: watch::Receiver<ConsumerStatus>,
}

impl ConsumerHandle {
    /// How the consumer fares now.
    #[must_use]
    pub fn status(&self) -> ConsumerStatus {
        self.status.borrow().clone()
    }

    /// To wait for a change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ConsumerStatus> {
        self.status.clone()
    }
}

impl<H: Handler> ConsumerLoop<H> {
    /// A consumer over these servers; `clock` dates its dead letters.
    #[must_use]
    pub fn new(pool: PgPool, js: Context, clock: SharedClock, handler: Arc<H>, config: ConsumerConfig) -> Self {
        Self { pool, js, clock, handler, config, status: watch::Sender::new(ConsumerStatus::default()) }
    }

    /// To see how it fares.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        ConsumerHandle { status: self.status.subscribe() }
    }

    /// Reads until `shutdown`; a batch that has begun is finished. Servers that are away are waited for, as long as it takes.
    pub async fn run(self, shutdown: CancellationToken) {
        run::run(&self, &shutdown).await;
    }
}

impl<H: Handler> std::fmt::Debug for ConsumerLoop<H> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.handler.name();
        formatter
            .debug_struct("ConsumerLoop")
            .field("name", &name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
