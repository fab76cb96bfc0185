//! Where a consumer's batches come from: by its mode.

use std::time::Duration;

use async_nats::jetstream::{Context, stream::Stream};
use dafei_kernel::time::Instant;

use super::{
    ConsumerConfig, Mode,
    by_sequence::BySequence,
    feed::{Feed, FeedError, Fetched},
};

/// The messages of a stream in their order.
pub(super) enum Source {
    /// Delivered by a durable: the suite's own events.
    Durable(Box<Feed>),
    /// Asked for: what outsiders wrote.
    Asked(Box<BySequence>),
}

impl Source {
    /// Begins behind `position` of the stream that was made at `created`.
    pub(super) async fn open(
        (js, stream): (&Context, Stream),
        name: &str,
        config: &ConsumerConfig,
        (created, position): (Instant, u64),
    ) -> Result<Self, FeedError> {
        Ok(match config.mode {
            Mode::Ordered => {
                let feed = Feed::open(stream, name, config, position).await?;
                Self::Durable(Box::new(feed))
            }
            Mode::Raw => {
                let asked = BySequence::open(js, stream, name, (created, position)).await;
                Self::Asked(Box::new(asked))
            }
        })
    }

    /// Waits for the next batch.
    pub(super) async fn next(&mut self, config: &ConsumerConfig, gather: Duration) -> Result<Fetched, FeedError> {
        match self {
            Self::Durable(feed) => feed.next(config, gather).await,
            Self::Asked(asked) => asked.next(config, gather).await,
        }
    }

    /// The last sequence known to be in the stream.
    pub(super) fn known_last(&self) -> u64 {
        match self {
            Self::Durable(feed) => feed.known_last,
            Self::Asked(asked) => asked.known_last,
        }
    }
}
