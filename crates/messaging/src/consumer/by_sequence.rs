//! The messages of outsiders, asked for by their place in the stream.
//!
//! A server looks only at the length of a message's headers. The client library parses those of each message that is delivered to it, and at what it
//! cannot parse it ends its connection, or panics: with it the relay and all consumers of the service are gone, and again after every reconnection,
//! for as long as the message is in the stream. So such a message is never delivered: its bytes come in base64 within an answer of the server's own
//! JSON, and [`headers::lenient`] takes whatever they are. Nothing is acknowledged, as the database knows the position.

use std::time::Duration;

use async_nats::jetstream::{self, Context, ErrorCode, stream::Stream};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dafei_kernel::time::{Instant as Moment, truncate_micros};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{
    Batch, ConsumerConfig, Mode, Parts,
    feed::{FeedError, nats, same},
    item::read,
};
use crate::headers;

/// The pause before a stream that had nothing new is asked again.
const IDLE: Duration = Duration::from_millis(100);
/// After how many of these it is asked whether it is still the same.
const LOOK_EVERY: u32 = 20;
/// Requests under way.
const AHEAD: usize = 32;
/// From this many bytes of payload on a batch takes no more: an outsider's message may have a megabyte.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Messages as they are asked for.
pub(super) struct BySequence {
    js: Context,
    stream: Stream,
    created: Moment,
    /// The sequence that comes next.
    next: u64,
    /// The last sequence known to be in the stream.
    pub(super) known_last: u64,
}

#[derive(Serialize)]
struct Asked {
    seq: u64,
    /// With this, the first message at `seq` or behind it: the server itself tells what is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'static str>,
}

#[derive(Deserialize)]
struct Answer {
    message: Option<Stored>,
    error: Option<jetstream::Error>,
}

/// A message as the server keeps it.
#[derive(Deserialize)]
struct Stored {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    time: Moment,
}

impl BySequence {
    /// Begins behind `position` of the stream that was made at `created`.
    pub(super) fn open(js: &Context, stream: Stream, (created, position): (Moment, u64)) -> Self {
        let known_last = stream.cached_info().state.last_sequence;
        Self { js: js.clone(), stream, created, next: position + 1, known_last }
    }

    /// Waits for a message, up to `gather` for more, and takes what is there then, at most as many as a batch has.
    pub(super) async fn next(&mut self, config: &ConsumerConfig, gather: Duration) -> Result<Batch, FeedError> {
        let most = config.batch.max(1) as u64;
        let mut batch = Batch::after(self.next - 1);
        let first = match self.first(&config.stream).await? {
            Found::Message(stored) => stored,
            Found::Gone(last) => {
                self.missing(last);
                batch.to = last;
                return Ok(self.behind(batch));
            }
        };
        if self.known_last < first.seq + most - 1 && !gather.is_zero() {
            sleep(gather).await;
        }
        // A message came from this stream only if the stream is still the same afterwards.
        self.look(first.seq).await?;
        self.missing(first.seq - 1);
        let behind = first.seq + 1..=self.known_last.min(first.seq + most - 1);
        let mut bytes = push(&mut batch, first)?;
        let asked = |seq| get(&self.js, &config.stream, Asked { seq, next_by_subj: None });
        let mut more = stream::iter(behind).map(asked).buffered(AHEAD);
        while bytes < BATCH_BYTES
            && let Some(stored) = more.next().await
        {
            // Behind a gap the next call goes on.
            let Some(stored) = stored? else { break };
            bytes += push(&mut batch, stored)?;
        }
        drop(more);
        if batch.len() > 1 {
            self.look(batch.to).await?;
        }
        Ok(self.behind(batch))
    }

    fn behind(&mut self, batch: Batch) -> Batch {
        self.next = batch.to + 1;
        batch
    }

    /// The first message that is there from `next` on, however long it takes.
    async fn first(&mut self, stream: &str) -> Result<Found, FeedError> {
        let mut asked = 0;
        loop {
            if let Some(stored) = get(&self.js, stream, Asked { seq: self.next, next_by_subj: Some(">") }).await? {
                return Ok(Found::Message(stored));
            }
            asked += 1;
            if self.known_last >= self.next || asked % LOOK_EVERY == 0 {
                let first = self.look(self.next - 1).await?;
                // Only what the stream begins behind is gone: a server that was its leader may not have got it yet.
                if first > self.next {
                    return Ok(Found::Gone(first - 1));
                }
            }
            sleep(IDLE).await;
        }
    }

    /// Sees how far the stream goes, and that it is still the one that was made at `created` and goes to `least` at the least. Answers where it
    /// begins: behind its end, when all of it is gone.
    async fn look(&mut self, least: u64) -> Result<u64, FeedError> {
        let state = &self.stream.info().await.map_err(nats)?.state;
        let (first, last) = (state.first_sequence, state.last_sequence);
        same(&self.stream, self.created)?;
        if last < least {
            return Err(FeedError::Short { taken: least, last });
        }
        self.known_last = last;
        Ok(first)
    }

    /// Says what is missing up to `last`.
    fn missing(&self, last: u64) {
        if last >= self.next {
            tracing::error!(from = self.next, to = last, "messages are no longer in the stream");
        }
    }
}

/// What there is from a place on.
enum Found {
    Message(Stored),
    /// Nothing any more up to here.
    Gone(u64),
}

/// A message of the stream; none when there is none.
async fn get(js: &Context, stream: &str, asked: Asked) -> Result<Option<Stored>, FeedError> {
    let answer: Answer = js.request(format!("STREAM.MSG.GET.{stream}"), &asked).await.map_err(nats)?;
    match (answer.message, answer.error) {
        (Some(stored), None) if stored.seq >= asked.seq => Ok(Some(stored)),
        (None, Some(error)) if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
        (_, Some(error)) => Err(nats(error)),
        (_, None) => Err(nats("an answer without the message that was asked for")),
    }
}

/// Adds a message to the batch and says how long its content is.
fn push(batch: &mut Batch, stored: Stored) -> Result<usize, FeedError> {
    let bytes = |text: &str| STANDARD.decode(text).map_err(nats);
    let payload = bytes(&stored.data)?;
    let length = payload.len();
    let parts = Parts {
        subject: stored.subject,
        headers: headers::lenient(&bytes(&stored.hdrs)?),
        payload: payload.into(),
        stream_sequence: stored.seq,
        stored_at: truncate_micros(stored.time),
    };
    batch.push(stored.seq, read(parts, Mode::Raw));
    Ok(length)
}
