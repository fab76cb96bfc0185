//! The messages of a stream in their order, from the database's position on.

use std::time::Duration;

use async_nats::jetstream::{
    AckKind, Context, Message,
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
/// How long the server is told something that it can do without.
const TELLING: Duration = Duration::from_secs(1);
/// The most bytes of payload that a batch takes, give or take its last message: as many as a relay publishes at once.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Why a feed ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// The server or the way to it.
    #[error("NATS: {0}")]
    Nats(String),
    /// Messages are missing before one that came, and the stream has them.
    #[error("messages of the stream from {expected} on did not come, but {found} did")]
    Gap { expected: u64, found: u64 },
}

/// Messages as they come.
pub(super) struct Feed {
    stream: Stream,
    messages: pull::Stream,
    /// The sequence that comes next.
    next: u64,
    /// The last sequence known to be in the stream.
    pub(super) known_last: u64,
}

/// A batch and how to acknowledge it.
pub(super) struct Fetched {
    pub(super) batch: Batch,
    pub(super) messages: Vec<Message>,
}

/// The stream, and when it was made.
pub(super) async fn stream(js: &Context, name: &str) -> Result<(Stream, Moment), FeedError> {
    let stream = js.get_stream(name).await.map_err(nats)?;
    let created = relay::created(&stream).map_err(nats)?;
    Ok((stream, created))
}

impl Feed {
    /// Opens the durable `name` behind `position`.
    pub(super) async fn open(
        stream: Stream,
        name: &str,
        config: &ConsumerConfig,
        position: u64,
    ) -> Result<Self, FeedError> {
        let consumer = durable(&stream, name, config, position).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(config.batch.max(1))
            .expires(EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(nats)?;
        let known_last = stream.cached_info().state.last_sequence;
        Ok(Self { stream, messages, next: position + 1, known_last })
    }

    /// Waits for a message and takes with it those that are there already or come within `gather`, at most as many as a batch has.
    pub(super) async fn next(&mut self, config: &ConsumerConfig, gather: Duration) -> Result<Fetched, FeedError> {
        let mut fetched = Fetched { batch: Batch::after(self.next - 1), messages: Vec::new() };
        let mut bytes = 0;
        while fetched.messages.is_empty() {
            let message = self.messages.next().await;
            bytes += self.take(message, &mut fetched, config).await?;
        }
        let end = Instant::now() + gather;
        while fetched.batch.len() < config.batch.max(1) && bytes < MOST_BYTES {
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
                Some(Ok(message)) => bytes += self.take(Some(Ok(message)), &mut fetched, config).await?,
                // What is wrong then is said by the next call.
                _ => break,
            }
        }
        Ok(fetched)
    }

    /// Adds a message to a batch; answers the bytes of its payload, 0 when it was there before.
    async fn take(
        &mut self,
        message: Option<Result<Message, pull::MessagesError>>,
        fetched: &mut Fetched,
        config: &ConsumerConfig,
    ) -> Result<usize, FeedError> {
        let message = message.ok_or_else(|| FeedError::Nats("the subscription ended".to_owned()))?.map_err(nats)?;
        let info = message.info().map_err(nats)?;
        let sequence = info.stream_sequence;
        self.known_last = self.known_last.max(sequence + info.pending);
        if sequence < self.next {
            // Offered again while the batch before took long.
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
        fetched.batch.push(sequence, read(parts, config.mode));
        let bytes = message.payload.len();
        fetched.messages.push(message);
        Ok(bytes)
    }

    /// Passes over what is missing before `found` if the stream does not have it any more. A subscription outlives a short break of the
    /// connection, and what was on its way is lost then without a word: so the stream itself is asked.
    async fn pass_over(&self, found: u64) -> Result<(), FeedError> {
        // Of any subject, the first from there on. Only who has `found` can say what stands before it; who has it not answers that there is none.
        let first = self.stream.get_first_raw_message_by_subject(">", self.next).await.map_err(nats)?;
        gap(self.next, found, first.sequence)?;
        tracing::error!(
            from = self.next,
            to = found,
            "messages are no longer in the stream; rebuild from the event log"
        );
        Ok(())
    }
}

/// Whether nothing is left out between the message that was `expected` and the one that was `found`, when `first` is the first that the
/// stream has of them.
fn gap(expected: u64, found: u64, first: u64) -> Result<(), FeedError> {
    if first < found { Err(FeedError::Gap { expected, found }) } else { Ok(()) }
}

impl Fetched {
    /// Tells the server that all of it took effect. Should that be lost, the database knows.
    pub(super) async fn acknowledge(&self) {
        if let Some(last) = self.messages.last() {
            // While the bus is away and what waits for it has no more room, this would wait as well.
            let _ = timeout(TELLING, last.ack()).await;
        }
    }

    /// Tells the server that it is still being worked on: of each message, for the server waits for each by itself, also where one
    /// acknowledgement is for all before it.
    pub(super) async fn in_progress(&self) {
        let told = async {
            for message in &self.messages {
                let _ = message.ack_with(AckKind::Progress).await;
            }
        };
        let _ = timeout(TELLING, told).await;
    }
}

/// The durable, made anew when it does not stand exactly behind `position` with nothing outstanding.
async fn durable(
    stream: &Stream,
    name: &str,
    config: &ConsumerConfig,
    position: u64,
) -> Result<PullConsumer, FeedError> {
    let wanted = pull::Config {
        durable_name: Some(name.to_owned()),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: position + 1 },
        ack_policy: AckPolicy::All,
        ack_wait: config.ack_wait,
        max_deliver: -1,
        max_ack_pending: i64::try_from(config.batch.max(1) * 4).unwrap_or(i64::MAX),
        replay_policy: ReplayPolicy::Instant,
        ..pull::Config::default()
    };
    if let Ok(info) = stream.consumer_info(name).await {
        let aligned = info.ack_floor.stream_sequence == position
            && info.delivered.stream_sequence == position
            && info.num_ack_pending == 0
            && info.config.ack_wait == wanted.ack_wait
            && info.config.max_ack_pending == wanted.max_ack_pending;
        if aligned && let Ok(consumer) = stream.get_consumer(name).await {
            return Ok(consumer);
        }
        stream.delete_consumer(name).await.map_err(nats)?;
    }
    stream.create_consumer(wanted).await.map_err(nats)
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
