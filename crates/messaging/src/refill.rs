//! Filling a wiped NATS from the event log of a service's database.
//!
//! The whole log goes into the empty stream in the order of the log, behind the same fence as the relay's. The relay leaves the stream alone
//! meanwhile; what was in the outbox when the refill began is in the log as well and is taken out of the outbox at the end, so nothing is
//! doubled and nothing is lost. A refill that was broken off is begun again; a stream that it had done is left alone,
//! also when its oldest messages have expired since: only a stream that was removed before gets them again.

use std::time::Duration;

use async_nats::jetstream::Context;
use dafei_kernel::time::Instant;
use sqlx::{Connection, PgConnection, PgPool};

use crate::{
    log,
    publish::{self, Outgoing},
    relay::{created, sent, store},
    sessions,
    streams::{StreamError, StreamSpec, ensure_streams},
};

/// Events read from the log at once.
const PAGE: i64 = 1_000;
/// How often a stream that was deleted is tried to be made again, or one that holds something is looked at, and the pause between.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What was done to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refilled {
    /// Its name.
    pub stream: String,
    /// How many events it got; none when it lacked nothing and was left alone.
    pub events: Option<u64>,
    /// How many of its first messages have expired and were not written again, of one that was left alone.
    pub expired: u64,
}

/// Why a stream was not refilled.
#[derive(Debug, thiserror::Error)]
pub enum RefillError {
    /// It holds something, and not what the database says it holds.
    #[error("stream {stream} holds {messages} messages; only an empty stream is refilled")]
    NotEmpty {
        /// Its name.
        stream: &'static str,
        /// How much it holds.
        messages: u64,
    },
    /// Another refill of it has begun meanwhile.
    #[error("stream {stream} is being refilled by somebody else")]
    Overtaken {
        /// Its name.
        stream: &'static str,
    },
    /// PostgreSQL failed.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// NATS failed.
    #[error("NATS: {0}")]
    Nats(String),
}

/// Refills those of these streams that are missing or empty; one that ends where the database says it ends is left
/// alone, whichever refill was broken off before, and what of its beginning has expired is only counted. Which of a
/// service's streams are refilled is the caller's choice: what agencies read is not simply played again.
///
/// # Errors
/// As [`RefillError`] says; the streams before it are done, and it can be called again.
pub async fn refill(pool: &PgPool, js: &Context, specs: &[StreamSpec]) -> Result<Vec<Refilled>, RefillError> {
    let mut done = Vec::with_capacity(specs.len());
    for spec in specs {
        done.push(refill_chosen(pool, js, spec, |_| true).await?);
    }
    Ok(done)
}

/// As [`refill`], for one stream and only with the events that `chosen` wants: agencies are not told again what is long done. What waits in the
/// outbox was never told to anybody and goes out in any case: `chosen` may have been made up before it was written.
///
/// # Errors
/// As [`RefillError`] says; it can be called again.
pub async fn refill_chosen(
    pool: &PgPool,
    js: &Context,
    spec: &StreamSpec,
    chosen: impl Fn(&log::LoggedEvent) -> bool + Send,
) -> Result<Refilled, RefillError> {
    let done = refill_one(pool, js, spec, chosen).await?;
    match done.events {
        Some(events) => tracing::info!(stream = spec.name, events, "stream refilled from the event log"),
        None => tracing::info!(stream = spec.name, expired = done.expired, "the stream was left alone"),
    }
    Ok(done)
}

async fn refill_one(
    pool: &PgPool,
    js: &Context,
    spec: &StreamSpec,
    chosen: impl Fn(&log::LoggedEvent) -> bool + Send,
) -> Result<Refilled, RefillError> {
    let mut connection = pool.acquire().await?;
    let created = match empty_stream(&mut connection, js, spec).await? {
        Found::Empty { created } => created,
        Found::Filled { expired } => return Ok(Refilled { stream: spec.name.to_owned(), events: None, expired }),
    };
    let began = store::StreamState { created, last_sequence: 0, refilling: true, padding: None };
    store::set_state(&mut connection, spec.name, &began).await?;
    sent::forget_all(&mut connection, spec.name).await?;
    // One snapshot for the log and the outbox: what is committed later stays in the outbox and goes out by the relay, behind all this.
    let mut reading = sessions::long(pool).await?;
    let mut snapshot = reading.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let boxed: Vec<i64> =
        sqlx::query_scalar!("SELECT position FROM outbox WHERE stream = $1 ORDER BY position", spec.name)
            .fetch_all(&mut *snapshot)
            .await?;
    let (mut fence, mut after) = (0, 0);
    loop {
        let mut events = log::of_stream(&mut snapshot, spec.name, after, PAGE).await?;
        let Some(last) = events.last() else { break };
        after = last.position;
        events.retain(|event| boxed.binary_search(&event.position).is_ok() || chosen(event));
        for chunk in publish::chunks(&events) {
            let messages = chunk.iter().map(Outgoing::from).collect();
            fence = publish::publish(js, fence, messages).await.map_err(nats)?;
        }
    }
    snapshot.commit().await?;
    let mut finish = connection.begin().await?;
    sqlx::query!("DELETE FROM outbox WHERE stream = $1 AND position = ANY($2)", spec.name, &boxed)
        .execute(&mut *finish)
        .await?;
    // What another one has begun since stands in a stream of its own, which lacks what is taken out of the outbox here.
    if !store::refilled(&mut finish, spec.name, created, fence).await? {
        return Err(RefillError::Overtaken { stream: spec.name });
    }
    finish.commit().await?;
    Ok(Refilled { stream: spec.name.to_owned(), events: Some(fence), expired: 0 })
}

/// How a stream was found.
enum Found {
    /// There and empty, made at that instant.
    Empty { created: Instant },
    /// It ends where it has to; so many of its first messages have expired.
    Filled { expired: u64 },
}

/// Sees to it that the stream is there and empty, unless it ends where it has to; what an earlier refill left half done
/// is removed.
async fn empty_stream(connection: &mut PgConnection, js: &Context, spec: &StreamSpec) -> Result<Found, RefillError> {
    ensure_streams(js, std::slice::from_ref(spec)).await.map_err(nats)?;
    let mut attempt = 1;
    loop {
        let (created, expired, messages) = as_it_is(js, spec).await?;
        // After the stream: what the relay has published meanwhile, it may not have put down yet, and then another look is needed.
        let known = store::state(connection, spec.name).await?.filter(|state| state.created == created);
        match known {
            None | Some(store::StreamState { last_sequence: 0, .. }) if messages == 0 => {
                return Ok(Found::Empty { created });
            }
            // One that lost all it had is made anew as well: who has read it begins with another one from its start.
            Some(state) if state.refilling || messages == 0 => {
                js.delete_stream(spec.name).await.map_err(nats)?;
                make_again(js, spec).await?;
                let (created, ..) = as_it_is(js, spec).await?;
                return Ok(Found::Empty { created });
            }
            Some(state) if state.last_sequence == messages => return Ok(Found::Filled { expired }),
            Some(_) if attempt < ATTEMPTS => tokio::time::sleep(PAUSE).await,
            _ => return Err(RefillError::NotEmpty { stream: spec.name, messages }),
        }
        attempt += 1;
    }
}

/// When the stream was made, how many of its messages have expired, and where it ends. Nobody may delete single ones:
/// what is missing are its oldest.
async fn as_it_is(js: &Context, spec: &StreamSpec) -> Result<(Instant, u64, u64), RefillError> {
    let stream = js.get_stream(spec.name).await.map_err(nats)?;
    let state = &stream.cached_info().state;
    Ok((created(&stream).map_err(nats)?, state.first_sequence.saturating_sub(1), state.last_sequence))
}

/// Makes a stream that was just deleted. The server answers a deletion before it has removed all files, and until then it may fail to make
/// a store of the same name.
async fn make_again(js: &Context, spec: &StreamSpec) -> Result<(), RefillError> {
    let mut attempt = 1;
    loop {
        match ensure_streams(js, std::slice::from_ref(spec)).await {
            Ok(()) => return Ok(()),
            Err(error @ StreamError::Server { .. }) if attempt < ATTEMPTS => {
                tracing::warn!(%error, attempt, "the stream cannot be made again yet");
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(nats(error)),
        }
    }
}

fn nats(error: impl std::fmt::Display) -> RefillError {
    RefillError::Nats(error.to_string())
}
