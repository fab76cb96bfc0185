//! Publishing a batch all-or-nothing (ADR-50), fenced by the stream's last sequence.

use std::error::Error as _;

use async_nats::{
    HeaderMap,
    header::{
        NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE, NATS_EXPECTED_LAST_SEQUENCE,
    },
    jetstream::{self, Context, ErrorCode, context::PublishErrorKind, message::PublishMessage},
};
use bytes::Bytes;

use crate::{headers, log::LoggedEvent};

/// The most messages that a server takes in one batch.
pub(crate) const MAX_BATCH: usize = 1_000;
/// The most bytes of payload in one batch: the server holds a batch in memory until it is complete.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// A message to be published.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

impl From<&LoggedEvent> for Outgoing {
    fn from(event: &LoggedEvent) -> Self {
        Self { subject: event.subject.clone(), headers: headers::encode(event), payload: event.payload.clone() }
    }
}

/// A batch that was not stored, or of which that is not known: the stream has to be read before the next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishFailure {
    /// The stream's last sequence is another: somebody else has published.
    #[error("the stream's last sequence is not {expected}: {reason}")]
    Fenced { expected: u64, reason: String },
    /// Nothing was heard of it: it may be stored, or may have been and be lost.
    #[error("{0}")]
    Unheard(String),
    /// It is not stored: it was refused, or not sent whole.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Stores `messages` after the sequence `fence`, all or none; answers the new last sequence.
pub(crate) async fn publish(js: &Context, fence: u64, messages: Vec<Outgoing>) -> Result<u64, PublishFailure> {
    let count = messages.len();
    // Unique per batch, at most 64 characters.
    let batch_id = js.client().new_inbox().replace('.', "-");
    let mut commit = None;
    for (index, mut message) in messages.into_iter().enumerate() {
        if index == 0 {
            message.headers.insert(NATS_EXPECTED_LAST_SEQUENCE, fence.to_string());
        }
        if count > 1 {
            message.headers.insert(NATS_BATCH_ID, batch_id.as_str());
            message.headers.insert(NATS_BATCH_SEQUENCE, (index + 1).to_string());
        }
        if index + 1 == count {
            if count > 1 {
                message.headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            }
            commit = Some(message);
        } else {
            // Without a reply: what is wrong with the batch is said in the answer to its commit.
            js.client()
                .publish_with_headers(message.subject, message.headers, message.payload)
                .await
                .map_err(|error| PublishFailure::Refused(error.to_string()))?;
        }
    }
    let Some(last) = commit else { return Ok(fence) };
    let publish = PublishMessage::build().headers(last.headers).payload(last.payload);
    let failed = |error: async_nats::jetstream::context::PublishError| {
        let reason = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        match error.kind() {
            PublishErrorKind::WrongLastSequence => PublishFailure::Fenced { expected: fence, reason },
            PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => PublishFailure::Unheard(reason),
            // The leader could not write it; the others may have.
            _ if is_unstored(&error) => PublishFailure::Unheard(reason),
            _ => PublishFailure::Refused(reason),
        }
    };
    let ack = js.send_publish(last.subject, publish).await.map_err(failed)?.await.map_err(failed)?;
    if ack.duplicate {
        return Err(PublishFailure::Other("the stream already has this message id".to_owned()));
    }
    if ack.sequence != fence + count as u64 {
        return Err(PublishFailure::Other(format!("{count} messages after {fence} ended at {}", ack.sequence)));
    }
    Ok(ack.sequence)
}

fn is_unstored(error: &async_nats::jetstream::context::PublishError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    source.is_some_and(|error| error.error_code() == ErrorCode::STREAM_STORE_FAILED)
}

/// Cuts events into batches that a server takes.
pub(crate) fn chunks(events: &[LoggedEvent]) -> Vec<&[LoggedEvent]> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, event) in events.iter().enumerate() {
        let full = index - start >= MAX_BATCH || (index > start && bytes + event.payload.len() > MAX_BATCH_BYTES);
        if full {
            chunks.push(&events[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += event.payload.len();
    }
    if start < events.len() {
        chunks.push(&events[start..]);
    }
    chunks
}
