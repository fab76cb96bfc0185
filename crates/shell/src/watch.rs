//! Screens that follow what a service publishes: a server stream that resumes from a token and misses nothing.
//!
//! It follows the stream on the bus and not the event log: transactions commit in another order than they append, and who followed the log would
//! pass by what commits late. A place is the stream's birth and a sequence in it, so that a stream that was wiped and made anew is not taken
//! for the old one.

use std::{future::Future, sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, pull::OrderedConfig},
};
use dafei_runtime::status::Fault;
use futures::{Stream as Flow, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Header of an event's type.
const TYPE: &str = "ce-type";
/// Messages that wait for a client: a slow one costs this much memory and nobody else's time.
const WAITING: usize = 64;
/// How often a client without news is told where it is.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// When to come back to a service that has as many screens as it can, or whose bus is away.
const LATER: Duration = Duration::from_secs(5);

/// A place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// When the stream was made, in microseconds since 1970.
    pub created: i64,
    /// The last message seen.
    pub sequence: u64,
}

/// A message of the stream.
#[derive(Debug, Clone)]
pub struct News {
    /// CloudEvents type.
    pub event_type: String,
    /// The bytes as published.
    pub payload: bytes::Bytes,
}

/// Follows one stream for many clients.
#[derive(Clone)]
pub struct Watch {
    js: jetstream::Context,
    stream: &'static str,
    seats: Arc<Semaphore>,
    ending: CancellationToken,
}

impl Watch {
    /// A follower of a stream for at most so many clients at once, until `ending`.
    #[must_use]
    pub fn new(js: jetstream::Context, stream: &'static str, seats: usize, ending: CancellationToken) -> Self {
        Self { js, stream, seats: Arc::new(Semaphore::new(seats)), ending }
    }

    /// The end of the stream now.
    ///
    /// # Errors
    /// `UNAVAILABLE` while the bus is away.
    pub async fn end(&self) -> Result<Place, Fault> {
        let stream = self.js.get_stream(self.stream).await.map_err(away)?;
        let info = stream.cached_info();
        let created = i64::try_from(info.created.unix_timestamp_nanos() / 1_000).unwrap_or(0);
        Ok(Place { created, sequence: info.state.last_sequence })
    }

    /// What is published on these subjects after a place, as `message` makes it of the news and the place; none of what it leaves out. First, and
    /// whenever there is no news for a while, comes a message of no news.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` with as many clients as there are seats; `ABORTED` with `STREAM_RESTARTED` for a place of a stream that is no more:
    /// what was missed must be listed; `UNAVAILABLE` while the bus is away.
    pub async fn follow<M, F>(
        &self,
        subjects: Vec<String>,
        after: Option<Place>,
        message: F,
    ) -> Result<impl Flow<Item = Result<M, Status>> + Send + use<M, F>, Fault>
    where
        M: Send + 'static,
        F: Fn(Option<&News>, Place) -> Result<Option<M>, Fault> + Send + Sync + 'static,
    {
        let seat = Arc::clone(&self.seats).try_acquire_owned();
        let seat = seat.map_err(|_| Fault::ResourceExhausted { retry_after: LATER })?;
        let end = self.end().await?;
        let place = after.unwrap_or(end);
        if place.created != end.created || place.sequence > end.sequence {
            return Err(restarted());
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        let client = Client { watch: self.clone(), subjects, place, message, sender, _seat: seat };
        tokio::spawn(client.run());
        let pulled = futures::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        Ok(pulled)
    }
}

struct Client<M, F> {
    watch: Watch,
    subjects: Vec<String>,
    place: Place,
    message: F,
    sender: mpsc::Sender<Result<M, Status>>,
    _seat: OwnedSemaphorePermit,
}

impl<M: Send + 'static, F> Client<M, F>
where
    F: Fn(Option<&News>, Place) -> Result<Option<M>, Fault> + Send + Sync + 'static,
{
    async fn run(mut self) {
        let (ending, gone) = (self.watch.ending.clone(), self.sender.clone());
        tokio::select! {
            () = ending.cancelled() => {}
            () = gone.closed() => {}
            ended = self.serve() => {
                if let Err(fault) = ended {
                    // The client resumes with its last token.
                    let _ = self.sender.send(Err(fault.into())).await;
                }
            }
        }
    }

    async fn serve(&mut self) -> Result<(), Fault> {
        self.send(None).await?;
        let stream = self.watch.js.get_stream_no_info(self.watch.stream).await.map_err(away)?;
        let config = OrderedConfig {
            filter_subjects: self.subjects.clone(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.place.sequence + 1 },
            ..OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(away)?;
        let mut messages = consumer.messages().await.map_err(away)?;
        loop {
            let Some(next) = in_time(messages.next()).await else {
                // Still the same stream? A wiped one would be silent for ever.
                if self.watch.end().await?.created != self.place.created {
                    return Err(restarted());
                }
                self.send(None).await?;
                continue;
            };
            let Some(arrived) = next else { return Err(Fault::Unavailable { retry_after: LATER }) };
            let arrived = arrived.map_err(away)?;
            let info = arrived.info().map_err(Fault::internal)?;
            self.place.sequence = info.stream_sequence;
            let event_type = arrived.headers.as_ref().and_then(|all| all.get(TYPE)).map(ToString::to_string);
            let news = News { event_type: event_type.unwrap_or_default(), payload: arrived.payload.clone() };
            self.send(Some(&news)).await?;
        }
    }

    async fn send(&self, news: Option<&News>) -> Result<(), Fault> {
        if let Some(message) = (self.message)(news, self.place)? {
            // A client that is gone ends the task by itself.
            let _ = self.sender.send(Ok(message)).await;
        }
        Ok(())
    }
}

async fn in_time<T>(news: impl Future<Output = T> + Send) -> Option<T> {
    tokio::time::timeout(SIGN_OF_LIFE, news).await.ok()
}

fn away(error: impl std::fmt::Display) -> Fault {
    tracing::debug!(%error, "a screen cannot follow the bus");
    Fault::Unavailable { retry_after: LATER }
}

fn restarted() -> Fault {
    Fault::Aborted { reason: "STREAM_RESTARTED".into() }
}
