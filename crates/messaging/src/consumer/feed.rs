//! The messages of a stream in their order, from the database's position on.

use std::time::Duration;

use async_nats::jetstream::{
    Context, Message,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, ReplayPolicy, pull},
    stream::Stream,
};
use dafei_kernel::time::Instant as Moment;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Batch, ConsumerConfig, Parts, item::read};
use crate::{headers, relay};

/// How long a pull request waits, and how often the server says meanwhile that it is there.
const EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// After how long the server forgets what nobody reads by any more: longer than any batch takes to work on.
const FORGOTTEN: Duration = Duration::from_mins(10);
/// The most bytes of payload that a batch takes, give or take its last message: as many as a relay publishes at once.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How long the server has to make what it delivers by, before it is asked again: it may have given that to a server which is away and not yet
/// known to be.
const MADE_WITHIN: Duration = Duration::from_secs(2);
/// How often it is asked.
const ASKED: u32 = 3;

/// Why a feed ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// The server or the way to it.
    #[error("NATS: {0}")]
    Nats(String),
    /// Messages are missing before one that came, and the stream has them.
    #[error("messages of the stream from {expected} on did not come, but {found} did")]
    Gap { expected: u64, found: u64 },
    /// The stream ends before what came of it.
    #[error("the stream ends at {last}, and messages to {taken} came of it")]
    Short { taken: u64, last: u64 },
    /// Messages are in the stream and do not come.
    #[error("messages of the stream from {expected} to {last} do not come")]
    Owed { expected: u64, last: u64 },
}

/// Messages as they come.
pub(super) struct Feed {
    stream: Stream,
    messages: pull::Stream,
    /// The sequence that comes next.
    next: u64,
    /// The last sequence known to be in the stream.
    pub(super) known_last: u64,
    created: Moment,
    /// What came next at the last look and was in the stream already.
    owed: Option<u64>,
}

/// The stream, and when it was made.
pub(super) async fn stream(js: &Context, name: &str) -> Result<(Stream, Moment), FeedError> {
    let stream = js.get_stream(name).await.map_err(nats)?;
    let created = relay::created(&stream).map_err(nats)?;
    Ok((stream, created))
}

impl Feed {
    /// Begins behind `position` of the stream that was made at `created`.
    pub(super) async fn open(
        mut stream: Stream,
        name: &str,
        config: &ConsumerConfig,
        (created, position): (Moment, u64),
    ) -> Result<Self, FeedError> {
        let consumer = reader(&stream, name, position).await?;
        // It ends with its stream: what it delivers is of the stream in which `position` is known.
        stream.info().await.map_err(nats)?;
        same(&stream, created)?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(config.batch.max(1))
            .expires(EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(nats)?;
        let known_last = stream.cached_info().state.last_sequence;
        Ok(Self { stream, messages, next: position + 1, known_last, created, owed: None })
    }

    /// Waits for a message and takes with it those that are there already or come within `gather`, at most as many as a batch has.
    pub(super) async fn next(&mut self, config: &ConsumerConfig, gather: Duration) -> Result<Batch, FeedError> {
        let mut batch = Batch::after(self.next - 1);
        let mut bytes = 0;
        while batch.to == batch.from {
            let Some(message) = self.message(config.look).await? else {
                batch.to = self.next - 1;
                return Ok(batch);
            };
            bytes += self.take(message, &mut batch, config).await?;
        }
        let end = Instant::now() + gather;
        while batch.len() < config.batch.max(1) && bytes < MOST_BYTES {
            // What is there already is taken also when there is no time to wait.
            let more = match self.messages.next().now_or_never() {
                Some(more) => more,
                None if gather.is_zero() => break,
                None => match timeout_at(end, self.messages.next()).await {
                    Ok(more) => more,
                    Err(_) => break,
                },
            };
            match more {
                Some(Ok(message)) => bytes += self.take(message, &mut batch, config).await?,
                // What is wrong then is said by the next call.
                _ => break,
            }
        }
        Ok(batch)
    }

    /// The next message, however long it takes. While none comes, the stream is looked at from time to time; none when it turns out that what
    /// came next is in the stream no more.
    async fn message(&mut self, look: Duration) -> Result<Option<Message>, FeedError> {
        loop {
            match timeout(look, self.messages.next()).await {
                Ok(Some(message)) => return message.map(Some).map_err(nats),
                Ok(None) => return Err(FeedError::Nats("the subscription ended".to_owned())),
                Err(_) if self.look().await? => return Ok(None),
                Err(_) => {}
            }
        }
    }

    /// A subscription outlives a short break of the connection, and what was on its way is lost then without a word: the server offers nothing
    /// twice. So what is in the stream at two looks, and has not come between them, will not come. One that ends before what came of it lost its
    /// end. True when the stream begins behind what was to come next, which is passed over.
    async fn look(&mut self) -> Result<bool, FeedError> {
        let state = &self.stream.info().await.map_err(nats)?.state;
        let (first, last, expected) = (state.first_sequence, state.last_sequence, self.next);
        same(&self.stream, self.created)?;
        self.known_last = self.known_last.max(last);
        if first > expected {
            missing(expected, first);
            (self.next, self.owed) = (first, None);
            return Ok(true);
        }
        if last + 1 < expected {
            return Err(FeedError::Short { taken: expected - 1, last });
        }
        if last < expected {
            self.owed = None;
        } else if self.owed.replace(expected) == Some(expected) {
            return Err(FeedError::Owed { expected, last });
        }
        Ok(false)
    }

    /// Adds a message to a batch; answers the bytes of its payload, 0 when it was there before.
    async fn take(&mut self, message: Message, batch: &mut Batch, config: &ConsumerConfig) -> Result<usize, FeedError> {
        let info = message.info().map_err(nats)?;
        let sequence = info.stream_sequence;
        self.known_last = self.known_last.max(sequence + info.pending);
        if sequence < self.next {
            return Ok(0);
        }
        if sequence > self.next {
            self.pass_over(sequence).await?;
        }
        let stored_at = relay::instant(info.published.unix_timestamp_nanos()).map_err(FeedError::Nats)?;
        let parts = Parts {
            subject: message.subject.to_string(),
            headers: headers::to_map(message.headers.as_ref()),
            payload: message.payload.clone(),
            stream_sequence: sequence,
            stored_at,
        };
        self.next = sequence + 1;
        batch.push(sequence, read(parts, config.mode));
        Ok(message.payload.len())
    }

    /// Passes over what is missing before `found` if the stream does not have it any more. A subscription outlives a short break of the
    /// connection, and what was on its way is lost then without a word: so the stream itself is asked.
    async fn pass_over(&self, found: u64) -> Result<(), FeedError> {
        // Of any subject, the first from there on. Only who has `found` can say what stands before it; who has it not answers that there is none.
        let first = self.stream.get_first_raw_message_by_subject(">", self.next).await.map_err(nats)?;
        gap(self.next, found, first.sequence)?;
        missing(self.next, found);
        Ok(())
    }
}

fn missing(from: u64, to: u64) {
    tracing::error!(from, to, "messages are no longer in the stream; rebuild from the event log");
}

/// The stream, as it was last asked for, is the one that was made at `created`.
pub(super) fn same(stream: &Stream, created: Moment) -> Result<(), FeedError> {
    let is = relay::created(stream).map_err(nats)?;
    if is == created { Ok(()) } else { Err(nats("the stream is another than before")) }
}

/// Whether nothing is left out between the message that was `expected` and the one that was `found`, when `first` is the first that the
/// stream has of them.
fn gap(expected: u64, found: u64, first: u64) -> Result<(), FeedError> {
    if first < found { Err(FeedError::Gap { expected, found }) } else { Ok(()) }
}

/// What the server delivers by: for this session alone, on one server and in its memory. The position in the database is the truth, so there is
/// nothing to keep, and nothing that has to choose a leader after a failure.
async fn reader(stream: &Stream, name: &str, position: u64) -> Result<PullConsumer, FeedError> {
    let config = pull::Config {
        // For operators; its name is the server's choice.
        description: Some(name.to_owned()),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: position + 1 },
        ack_policy: AckPolicy::None,
        replay_policy: ReplayPolicy::Instant,
        inactive_threshold: FORGOTTEN,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    let mut asked = 1;
    loop {
        match timeout(MADE_WITHIN, stream.create_consumer(config.clone())).await {
            Ok(made) => return made.map_err(nats),
            Err(_) if asked < ASKED => asked += 1,
            Err(_) => return Err(nats("the server did not make what it delivers by in time")),
        }
    }
}

pub(super) fn nats(error: impl std::fmt::Display) -> FeedError {
    FeedError::Nats(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{FeedError, gap};

    #[test]
    fn what_the_stream_still_has_is_never_passed_over() {
        for first in 5..9 {
            assert!(matches!(gap(5, 9, first), Err(FeedError::Gap { expected: 5, found: 9 })), "{first}");
        }
    }

    #[test]
    fn what_the_stream_no_longer_has_is_passed_over() {
        assert!(gap(5, 9, 9).is_ok());
        assert!(gap(5, 9, 12).is_ok(), "what was found is gone by now as well");
    }
}
