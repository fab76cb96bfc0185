//! Where a consumer's batches come from: by its mode.

use std::time::Duration;

use async_nats::jetstream::{
    Context, ErrorCode,
    stream::{ConsumerError, ConsumerErrorKind, Stream},
};
use dafei_kernel::time::Instant;

use super::{
    Batch, ConsumerConfig, Mode,
    by_sequence::BySequence,
    feed::{Feed, FeedError},
};

/// The messages of a stream in their order.
pub(super) enum Source {
    /// Delivered: the suite's own events.
    Delivered(Box<Feed>),
    /// Asked for: what outsiders wrote.
    Asked(Box<BySequence>),
}

impl Source {
    /// Begins in the stream that was made at the instant `from` says, behind the position that it says.
    pub(super) async fn open(
        (js, stream): (&Context, Stream),
        name: &str,
        config: &ConsumerConfig,
        from: (Instant, u64),
    ) -> Result<Self, FeedError> {
        tokio::spawn(remove_durable(stream.clone(), name.to_owned()));
        Ok(match config.mode {
            Mode::Ordered => {
                let feed = Feed::open(stream, name, config, from).await?;
                Self::Delivered(Box::new(feed))
            }
            Mode::Raw => {
                let asked = BySequence::open(js, stream, from);
                Self::Asked(Box::new(asked))
            }
        })
    }

    /// Waits for the next batch.
    pub(super) async fn next(&mut self, config: &ConsumerConfig, gather: Duration) -> Result<Batch, FeedError> {
        match self {
            Self::Delivered(feed) => feed.next(config, gather).await,
            Self::Asked(asked) => asked.next(config, gather).await,
        }
    }

    /// The last sequence known to be in the stream.
    pub(super) fn known_last(&self) -> u64 {
        match self {
            Self::Delivered(feed) => feed.known_last,
            Self::Asked(asked) => asked.known_last,
        }
    }
}

/// Removes the durable by which an older version read the stream: it would seem to stand still for ever. Nobody waits for it.
async fn remove_durable(stream: Stream, name: String) {
    match stream.delete_consumer(&name).await {
        Ok(_) => {
            tracing::info!(stream = %stream.cached_info().config.name, name, "the durable of an older version is removed");
        }
        Err(error) if is_missing(&error) => {}
        Err(error) => tracing::debug!(%error, name, "it cannot be said whether an older version left a durable"),
    }
}

fn is_missing(error: &ConsumerError) -> bool {
    matches!(error.kind(), ConsumerErrorKind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND)
}
