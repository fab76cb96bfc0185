//! Rebuilding a projection: from the stream's start, or from the publisher's event log when the stream no longer has everything.

use std::{collections::HashSet, sync::Arc};

use async_nats::jetstream::Context;
use dafei_kernel::clock::SharedClock;
use sqlx::{Connection, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::{
    consumer::{Applier, ApplyError, Batch, ConsumerConfig, Handler, Item, from_logged, key, lock_name, store},
    lock, log,
    streams::{self, StreamError},
};

/// Why a projection was not rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A database failed.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The handler does not take an event; the projection stands before its page.
    #[error("{0}")]
    Handler(String),
    /// The consumer runs in some replica.
    #[error("consumer {0} is running; stop it first")]
    Running(String),
}

/// Why a projection must not be made again from the streams.
#[derive(Debug, thiserror::Error)]
pub enum NotWhole {
    /// A stream does not say where it begins.
    #[error("{0}; nothing was forgotten. Try again when NATS answers")]
    Unseen(#[from] StreamError),
    /// There is no such stream.
    #[error(
        "there is no stream {stream}; nothing was forgotten. Start its publisher, or run `dafei refill` if NATS lost it"
    )]
    Missing {
        /// Its name.
        stream: &'static str,
    },
    /// The first messages of a stream have expired: what was made of them, and all that follows them of their
    /// aggregates, would be lost.
    #[error(
        "the first {expired} messages of stream {stream} have expired; nothing was forgotten. \
         Remove it (`nats stream rm {stream}`), write it again from the event log (`dafei refill`), then rebuild"
    )]
    Expired {
        /// Its name.
        stream: &'static str,
        /// How many are no longer there.
        expired: u64,
    },
}

/// Whether all of `streams` still begin at their first message, so that a projection may be forgotten and made again
/// from them. Messages go by their age alone, nobody may delete or purge them: a stream that begins later has lost its
/// beginning. One in which nothing was ever published is whole.
///
/// # Errors
/// As [`NotWhole`] says, for the first of them that is not.
pub async fn check_whole(js: &Context, streams: &[&'static str]) -> Result<(), NotWhole> {
    for stream in streams.iter().copied() {
        let Some((found, _)) = streams::known(js, stream).await? else { return Err(NotWhole::Missing { stream }) };
        let expired = found.cached_info().state.first_sequence.saturating_sub(1);
        if expired > 0 {
            return Err(NotWhole::Expired { stream, expired });
        }
    }
    Ok(())
}

/// Forgets all that the consumer `name` has read of `stream`, for the transaction that empties its projection. The consumer, running or not,
/// then begins at the stream's start.
///
/// # Errors
/// When the database does not answer.
pub async fn reset_consumer(connection: &mut PgConnection, name: &str, stream: &str) -> sqlx::Result<()> {
    let consumer = key(name, stream);
    // The position first: its lock keeps a running consumer's batch out until the end of the transaction.
    sqlx::query!("DELETE FROM consumer_position WHERE consumer = $1", consumer).execute(&mut *connection).await?;
    sqlx::query!("DELETE FROM consumer_mark WHERE consumer = $1", consumer).execute(&mut *connection).await?;
    sqlx::query!("DELETE FROM parked_event WHERE consumer = $1", consumer).execute(&mut *connection).await?;
    sqlx::query!("DELETE FROM dead_letter WHERE consumer = $1 AND replayed_at IS NULL", consumer)
        .execute(connection)
        .await?;
    Ok(())
}

/// Feeds a handler from the publisher's event log (the database `source`), page by page in one transaction each, behind the same marks as
/// the consumer loop's: what was seen is skipped, and the loop afterwards skips what was fed here. Answers how many events were read.
///
/// # Errors
/// As [`RebuildError`] says; the consumer must not run.
pub async fn from_log<H: Handler>(
    pool: &PgPool,
    source: &PgPool,
    clock: &SharedClock,
    handler: Arc<H>,
    config: &ConsumerConfig,
) -> Result<u64, RebuildError> {
    let key = config.key(handler.name());
    let never = CancellationToken::new();
    never.cancel();
    let Some(lock) = lock::acquire(pool, &lock_name(&key), &never).await? else {
        return Err(RebuildError::Running(key));
    };
    let mut connection = pool.acquire().await?;
    store::ensure_position(&mut connection, &key, &config.stream).await?;
    let position = store::lock_position(&mut connection, &key, &config.stream).await?;
    let mut parked = store::parked_keys(&mut connection, &key).await?;
    let (position, created) = position.map_or((0, None), |position| (position.last_sequence, position.created));
    let (pool, clock, config) = (pool.clone(), Arc::clone(clock), config.clone());
    let applier = Applier { pool, clock, handler, config, key, created };
    let mut reading = source.acquire().await?;
    let (mut after, mut count) = (0, 0);
    let config = &applier.config;
    let page = i64::try_from(config.batch.max(1)).unwrap_or(i64::MAX);
    loop {
        let events = log::of_stream(&mut reading, &config.stream, after, page).await?;
        let Some(last) = events.last() else { break };
        after = last.position;
        count += events.len() as u64;
        feed(&mut connection, &applier, &events, position, &mut parked).await?;
    }
    lock.close().await?;
    Ok(count)
}

async fn feed<H: Handler>(
    connection: &mut PgConnection,
    applier: &Applier<H>,
    events: &[log::LoggedEvent],
    position: u64,
    parked: &mut HashSet<(String, uuid::Uuid)>,
) -> Result<(), RebuildError> {
    let mut batch = Batch::after(position);
    for event in events {
        // The position in the stream stays where it is: only the marks move.
        batch.push(position, Item::Event(from_logged(event)));
    }
    applier.apply(connection, &batch, parked).await.map(drop).map_err(|error| match error {
        ApplyError::Sql(error) => RebuildError::Sql(error),
        error @ (ApplyError::Stale | ApplyError::Already | ApplyError::Handler(_)) => {
            RebuildError::Handler(error.to_string())
        }
    })
}
