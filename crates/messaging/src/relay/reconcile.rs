//! What the stream really holds, compared with what the database believes.

use async_nats::jetstream::{Context, stream::Stream};
use dafei_kernel::time::Instant;
use futures::{StreamExt, TryStreamExt};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    RelayError,
    store::{self, StreamState},
};
use crate::{
    headers::MESSAGE_ID,
    streams::{StreamSpec, ensure_streams, is_missing},
};

/// Messages read at the same time, and events removed by one statement.
const CONCURRENCY: usize = 32;
const CHUNK: usize = 1_000;

/// The fence for the next batch; none when the stream was wiped. A stream that never was is made; what it turns out to have already is taken
/// out of the outbox.
pub(super) async fn reconcile(
    connection: &mut PgConnection,
    js: &Context,
    spec: &StreamSpec,
) -> Result<Option<u64>, RelayError> {
    let known = store::state(connection, spec.name).await?;
    if known.as_ref().is_some_and(|state| state.refilling) {
        return Ok(None);
    }
    let filled = known.as_ref().map_or(0, |state| state.last_sequence);
    let stream = match js.get_stream(spec.name).await {
        Ok(stream) => {
            bring_replicas_in_line(js, spec, stream.cached_info().config.num_replicas).await;
            stream
        }
        Err(error) if is_missing(&error) => {
            if filled > 0 {
                return Ok(None);
            }
            ensure_streams(js, std::slice::from_ref(spec)).await.map_err(nats)?;
            js.get_stream(spec.name).await.map_err(nats)?
        }
        Err(error) => return Err(nats(error)),
    };
    let created = created(&stream).map_err(RelayError::Nats)?;
    let last = stream.cached_info().state.last_sequence;
    let made_anew = known.as_ref().is_some_and(|state| state.created != created);
    if (made_anew && filled > 0) || last < filled {
        return Ok(None);
    }
    if last > filled {
        let first = stream.cached_info().state.first_sequence.max(filled + 1);
        remove_published(connection, &stream, spec.name, first, last).await?;
    }
    let state = StreamState { created, last_sequence: last, refilling: false };
    if known.as_ref() != Some(&state) {
        store::set_state(connection, spec.name, &state).await?;
    }
    Ok(Some(last))
}

/// A stream made before the cluster was, or with other settings, gets the replicas that are wanted. What cannot be had now, because a server is
/// away, must not keep events from being published.
async fn bring_replicas_in_line(js: &Context, spec: &StreamSpec, found: usize) {
    if found == spec.replicas {
        return;
    }
    if let Err(error) = ensure_streams(js, std::slice::from_ref(spec)).await {
        tracing::warn!(stream = spec.name, found, wanted = spec.replicas, %error, "the stream's replicas cannot be changed now");
    }
}

/// Reads the messages `first..=last` and takes their events out of the outbox.
async fn remove_published(
    connection: &mut PgConnection,
    stream: &Stream,
    name: &str,
    first: u64,
    last: u64,
) -> Result<(), RelayError> {
    let ids: Vec<Option<Uuid>> = futures::stream::iter(first..=last)
        .map(|sequence| async move {
            let message = stream.get_raw_message(sequence).await.map_err(nats)?;
            Ok::<_, RelayError>(message.headers.get(MESSAGE_ID).and_then(|id| id.as_str().parse().ok()))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let ids: Vec<Uuid> = ids.into_iter().flatten().collect();
    let mut removed = 0;
    for chunk in ids.chunks(CHUNK) {
        removed += store::remove_published(connection, name, chunk).await?;
    }
    tracing::info!(
        stream = name,
        first,
        last,
        removed,
        "the stream was ahead of the database; nothing is published twice"
    );
    Ok(())
}

/// When the stream was made, as exact as the database keeps it.
///
/// # Errors
/// When it is out of the calendar.
pub fn created(stream: &Stream) -> Result<Instant, String> {
    instant(stream.cached_info().created.unix_timestamp_nanos())
}

/// Nanoseconds of the Unix epoch, cut to microseconds.
pub(crate) fn instant(nanos: i128) -> Result<Instant, String> {
    let micros = i64::try_from(nanos.div_euclid(1_000)).map_err(|error| error.to_string())?;
    Instant::from_microsecond(micros).map_err(|error| error.to_string())
}

fn nats(error: impl std::fmt::Display) -> RelayError {
    RelayError::Nats(error.to_string())
}
