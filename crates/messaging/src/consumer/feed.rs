//! The messages of a stream in their order, from the database's position on.

use std::time::Duration;

use async_nats::jetstream::{
    AckKind, Context, Message,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, ReplayPolicy, pull},
    stream::Stream,
};
use dafei_kernel::time::Instant as Moment;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::{Batch, ConsumerConfig, Parts, item::read};
use crate::{headers, relay};

/// How long a pull request waits, and how often the server says meanwhile that it is there.
const EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Why a feed ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    /// The server or the way to it.
    #[error("NATS: {0}")]
    Nats(String),
    /// Messages are missing between two that came.
    #[error("messages {expected} to {found} of the stream did not come")]
    Gap { expected: u64, found: u64 },
}

/// Messages as they come.
pub(super) struct Feed {
    messages: pull::Stream,
    /// The sequence that comes next.
    next: u64,
    /// The first sequence that the stream still had at the start.
    first: u64,
    /// A gap that was there before as well: the messages are gone.
    accepted_gap: Option<u64>,
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
        stream: &Stream,
        name: &str,
        config: &ConsumerConfig,
        position: u64,
        accepted_gap: Option<u64>,
    ) -> Result<Self, FeedError> {
        let consumer = durable(stream, name, config, position).await?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(config.batch.max(1))
            .expires(EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(nats)?;
        let state = &stream.cached_info().state;
        let known_last = state.last_sequence;
        Ok(Self { messages, next: position + 1, first: state.first_sequence, accepted_gap, known_last })
    }

    /// Waits for a message and takes with it those that are there already or come within `gather`, at most as many as a batch has.
    pub(super) async fn next(&mut self, config: &ConsumerConfig, gather: Duration) -> Result<Fetched, FeedError> {
        let mut fetched = Fetched { batch: Batch::after(self.next - 1), messages: Vec::new() };
        while fetched.messages.is_empty() {
            let message = self.messages.next().await;
            self.take(message, &mut fetched, config)?;
        }
        let end = Instant::now() + gather;
        while fetched.batch.len() < config.batch.max(1) {
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
                Some(Ok(message)) => self.take(Some(Ok(message)), &mut fetched, config)?,
                // What is wrong then is said by the next call.
                _ => break,
            }
        }
        Ok(fetched)
    }

    fn take(
        &mut self,
        message: Option<Result<Message, pull::MessagesError>>,
        fetched: &mut Fetched,
        config: &ConsumerConfig,
    ) -> Result<(), FeedError> {
        let message = message.ok_or_else(|| FeedError::Nats("the subscription ended".to_owned()))?.map_err(nats)?;
        let info = message.info().map_err(nats)?;
        let sequence = info.stream_sequence;
        self.known_last = self.known_last.max(sequence + info.pending);
        if sequence < self.next {
            // Offered again while the batch before took long.
            return Ok(());
        }
        if sequence > self.next && sequence > self.first && self.accepted_gap != Some(self.next) {
            return Err(FeedError::Gap { expected: self.next, found: sequence });
        }
        if sequence > self.next {
            tracing::error!(
                from = self.next,
                to = sequence,
                "messages are no longer in the stream; rebuild from the event log"
            );
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
        fetched.messages.push(message);
        Ok(())
    }
}

impl Fetched {
    /// Tells the server that all of it took effect. Should that be lost, the database knows.
    pub(super) async fn acknowledge(&self) {
        if let Some(last) = self.messages.last() {
            let _ = last.ack().await;
        }
    }

    /// Tells the server that it is still being worked on.
    pub(super) async fn in_progress(&self) {
        for message in &self.messages {
            let _ = message.ack_with(AckKind::Progress).await;
        }
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
