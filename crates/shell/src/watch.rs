//! Streams to screens: what a service publishes, from a place in its stream on, as fast as the client takes it.
//!
//! Each watcher has a consumer of its own on the server, narrowed to its subjects, so a slow one costs nobody else anything, and a stream that
//! nobody watches costs nothing. A [`Cursor`] names a place in the stream and when the stream was made: should the stream have been made
//! anew, or what lies behind the cursor have gone, the watcher is told so, and not left in silence.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self, Message,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
};
use dafei_contracts::{Event, Stream};
use dafei_kernel::{
    clock::{Clock, SystemClock},
    time::Instant,
};
use dafei_messaging::relay;
use dafei_runtime::{identity::TokenFault, status::Fault};
use futures::{StreamExt, stream};
use prost::Message as Wire;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{faults, paging};

/// How often a watcher to whom nothing happens gets a newer token.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Messages that wait for a client.
const WAITING: usize = 16;
/// Messages that the server sends ahead.
const AHEAD: usize = 64;
/// How long a request for messages waits, and how often the server says meanwhile that it is there.
const EXPIRES: Duration = Duration::from_secs(30);
const SIGN: Duration = Duration::from_secs(5);
/// After which the server forgets a consumer that nobody reads.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// How long the last word may take to a client that takes nothing.
const LAST_WORD: Duration = Duration::from_secs(5);
/// When a client that finds no place may come back.
const FULL: Duration = Duration::from_secs(10);

/// A place in a service's own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// When the stream was made, microseconds since 1970.
    created: i64,
    /// The last message seen.
    sequence: u64,
}

impl Cursor {
    /// A place that lies at or before everything that this connection cannot see yet: what is committed later is published behind it. None while
    /// the stream is being made or filled again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn before(conn: &mut PgConnection, stream: Stream) -> sqlx::Result<Option<Self>> {
        let filled = relay::filled(conn, stream.name()).await?;
        Ok(filled.map(|filled| Self { created: filled.created.as_microsecond(), sequence: filled.sequence }))
    }

    /// The token of this place, for whoever watches by `filter`.
    #[must_use]
    pub fn token(&self, filter: &impl Wire) -> String {
        paging::encode(self, filter)
    }

    /// The place of a token; none for an empty one.
    ///
    /// # Errors
    /// `INVALID_WATCH_TOKEN` when it is not one of ours, or of another filter.
    pub fn of(token: &str, filter: &impl Wire) -> Result<Option<Self>, Fault> {
        paging::decode(token, filter).map_err(|_| {
            Fault::field(
                "watch_token",
                "INVALID_WATCH_TOKEN",
                "is not a token of a list or stream of this region",
                "续看标记与所看的地区不符，请重新查询列表",
            )
        })
    }
}

/// What a watcher makes of what it sees.
pub trait Follow: Send + Sync + 'static {
    /// What its client gets.
    type Answer: Send + 'static;

    /// Subjects of the stream that may concern it; no two of them overlap.
    fn subjects(&self) -> Vec<String>;

    /// An event as the client gets it, with the place behind it; none when it does not concern it.
    ///
    /// # Errors
    /// When the event cannot be shown; the stream ends with it.
    fn answer(&self, event: Event, cursor: Cursor) -> Result<Option<Self::Answer>, Fault>;

    /// That nothing has happened up to this place.
    fn heartbeat(&self, cursor: Cursor) -> Self::Answer;
}

/// What the client of a watcher reads.
pub type Answers<A> = stream::BoxStream<'static, Result<A, Status>>;

/// Who may watch how: bounded, and ended with the service.
#[derive(Debug, Clone)]
pub struct Watches {
    js: jetstream::Context,
    stream: Stream,
    service: &'static str,
    places: Arc<Semaphore>,
    ending: CancellationToken,
}

impl Watches {
    /// At most `limit` watchers of a service's `stream`, until `ending`.
    #[must_use]
    pub fn new(
        js: jetstream::Context,
        stream: Stream,
        service: &'static str,
        limit: usize,
        ending: CancellationToken,
    ) -> Self {
        Self { js, stream, service, places: Arc::new(Semaphore::new(limit)), ending }
    }

    /// The stream that is watched.
    #[must_use]
    pub const fn stream(&self) -> Stream {
        self.stream
    }

    /// Watches from `cursor` on until the client goes, its token `expires` (real time), or the service ends.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when all places are taken, `ABORTED` with `WATCH_TOKEN_STALE` when what lies behind the cursor is no longer in the
    /// stream, `UNAVAILABLE` when NATS is away.
    pub async fn open<F: Follow>(
        &self,
        follow: F,
        cursor: Cursor,
        expires: Instant,
    ) -> Result<Answers<F::Answer>, Fault> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Fault::ResourceExhausted { retry_after: FULL })?;
        let messages = self.messages(&follow, cursor).await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let watcher = Watcher { follow, cursor, sender, messages, delivered: 0, place };
        tokio::spawn(watcher.run(expires, self.ending.clone()));
        Ok(stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }).boxed())
    }

    async fn messages(&self, follow: &impl Follow, cursor: Cursor) -> Result<pull::Stream, Fault> {
        let stream = self.js.get_stream(self.stream.name()).await.map_err(away)?;
        let created = relay::created(&stream).map_err(Fault::internal)?;
        let state = &stream.cached_info().state;
        let gone = cursor.sequence + 1 < state.first_sequence;
        if created.as_microsecond() != cursor.created || gone || cursor.sequence > state.last_sequence {
            return Err(Fault::Aborted { reason: "WATCH_TOKEN_STALE".into() });
        }
        // The watermark comes along: in the stream's order it says how far nothing was left out.
        let watermark = format!("{}.watermark.{}", dafei_contracts::subject::PREFIX, self.service);
        let config = pull::Config {
            description: Some("a screen".to_owned()),
            filter_subjects: follow.subjects().into_iter().chain([watermark]).collect(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: cursor.sequence + 1 },
            ack_policy: AckPolicy::None,
            inactive_threshold: FORGOTTEN,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer: PullConsumer = stream.create_consumer(config).await.map_err(away)?;
        let messages =
            consumer.stream().max_messages_per_batch(AHEAD).expires(EXPIRES).heartbeat(SIGN).messages().await;
        messages.map_err(away)
    }
}

/// One client's stream.
struct Watcher<F: Follow> {
    follow: F,
    /// The last message of the stream that was seen.
    cursor: Cursor,
    sender: mpsc::Sender<Result<F::Answer, Status>>,
    messages: pull::Stream,
    /// Number of the last message of the consumer.
    delivered: u64,
    place: OwnedSemaphorePermit,
}

impl<F: Follow> Watcher<F> {
    async fn run(mut self, expires: Instant, ending: CancellationToken) {
        let sender = self.sender.clone();
        let left = Duration::try_from(expires.duration_since(SystemClock.now())).unwrap_or_default();
        let last = tokio::select! {
            () = ending.cancelled() => None,
            () = sender.closed() => None,
            () = tokio::time::sleep(left) => Some(Status::from(TokenFault::Expired)),
            fault = self.follow_on() => fault.map(Status::from),
        };
        if let Some(status) = last {
            let _ = timeout(LAST_WORD, sender.send(Err(status))).await;
        }
        drop(self.place);
    }

    /// Passes on what comes; answers why it cannot go on, none when the client has gone.
    async fn follow_on(&mut self) -> Option<Fault> {
        let mut idle = interval(HEARTBEAT);
        idle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let answer = tokio::select! {
                // The first comes at once: with it the client has a token before anything happens.
                _ = idle.tick() => Ok(Some(self.follow.heartbeat(self.cursor))),
                message = self.messages.next() => self.take(message),
            };
            match answer {
                Ok(None) => {}
                Ok(Some(answer)) => {
                    self.sender.send(Ok(answer)).await.ok()?;
                    idle.reset();
                }
                Err(fault) => return Some(fault),
            }
        }
    }

    fn take(&mut self, message: Option<Result<Message, pull::MessagesError>>) -> Result<Option<F::Answer>, Fault> {
        let message = message.ok_or_else(Fault::unavailable)?.map_err(away)?;
        let info = message.info().map_err(Fault::internal)?;
        // Nothing is acknowledged, so what is lost on the way is not sent again: the client resumes behind its last token.
        if info.consumer_sequence != self.delivered + 1 {
            return Err(Fault::unavailable());
        }
        self.delivered = info.consumer_sequence;
        self.cursor.sequence = info.stream_sequence;
        let kind = message.headers.as_ref().and_then(|headers| headers.get("ce-type"));
        let Some(kind) = kind else { return Ok(None) };
        let event = Event::from_json(kind.as_str(), &message.payload).map_err(Fault::internal)?;
        event.map_or(Ok(None), |event| self.follow.answer(event, self.cursor))
    }
}

fn away(error: impl std::fmt::Display) -> Fault {
    tracing::warn!(%error, "the stream cannot be watched now");
    Fault::unavailable()
}

/// The place to begin at: that of the token, else the present one.
///
/// # Errors
/// `INVALID_WATCH_TOKEN`; `UNAVAILABLE` while the stream is being made or filled again, or the database is away.
pub async fn start(conn: &mut PgConnection, stream: Stream, token: &str, filter: &impl Wire) -> Result<Cursor, Fault> {
    match Cursor::of(token, filter)? {
        Some(cursor) => Ok(cursor),
        None => Cursor::before(conn, stream).await.map_err(faults::database)?.ok_or_else(Fault::unavailable),
    }
}
