//! What the stream really holds, compared with what the database believes.

use std::{ops::RangeInclusive, time::Duration};

use async_nats::jetstream::{
    Context,
    stream::{LastRawMessageErrorKind, Stream},
};
use dafei_kernel::time::Instant;
use futures::{StreamExt, TryStreamExt};
use sqlx::PgConnection;

use super::{
    RelayError, sent,
    store::{self, Padding, PublishedEvent, StreamState},
};
use crate::{
    headers, silence,
    streams::{StreamSpec, ensure_streams, is_missing},
};

/// Messages read at the same time, and events looked up and removed by one statement.
const CONCURRENCY: usize = 32;
pub(super) const CHUNK: u64 = 1_000;

/// How a stream stands to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be published to, behind this fence. It was made at that instant.
    Open { fence: u64, created: Instant },
    /// It lost its end, and is to be filled up from its message `last` on. It was made at that instant.
    Unpadded { created: Instant, last: u64, padding: Padding },
    /// It is the same as ever and ends before what was published to it: NATS lost what it had acknowledged, or a server that has not heard
    /// yet that it is no longer the stream's leader has answered.
    Short(Short),
    /// It is gone, was made anew, or is being refilled.
    Wiped,
    /// It holds events that the log does not have: the database lost history, by a restore or by a standby that was behind. What is written now
    /// gets the numbers of the lost events; whoever took those would pass over it.
    Foreign,
}

/// A stream that ends before what was published to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    /// When it was made.
    pub(super) created: Instant,
    /// Its last message.
    pub(super) last: u64,
    /// The last message that it had; of one that is being filled up, the last that was left.
    pub(super) filled: u64,
}

/// What the stream may be used for. One that never was is made; what it turns out to have already is taken out of the outbox. Each answer of
/// the database is waited for `within` that time.
pub(super) async fn reconcile(
    connection: &mut PgConnection,
    js: &Context,
    spec: &StreamSpec,
    within: Duration,
) -> Result<Standing, RelayError> {
    let known = silence::answer(within, store::state(connection, spec.name)).await?;
    if known.as_ref().is_some_and(|state| state.refilling) {
        return Ok(Standing::Wiped);
    }
    let filled = known.as_ref().map_or(0, |state| state.last_sequence);
    let stream = match js.get_stream(spec.name).await {
        Ok(stream) => {
            bring_replicas_in_line(js, spec, stream.cached_info().config.num_replicas).await;
            stream
        }
        Err(error) if is_missing(&error) => {
            if is_lacking(known.as_ref(), None) {
                return Ok(Standing::Wiped);
            }
            ensure_streams(js, std::slice::from_ref(spec)).await.map_err(nats)?;
            js.get_stream(spec.name).await.map_err(nats)?
        }
        Err(error) => return Err(nats(error)),
    };
    let created = created(&stream).map_err(RelayError::Nats)?;
    let last = stream.cached_info().state.last_sequence;
    if let Some(padding) = known.as_ref().filter(|state| state.created == created).and_then(|state| state.padding) {
        let short = Short { created, last, filled: padding.from };
        let unpadded = Standing::Unpadded { created, last, padding };
        return Ok(if last < padding.from { Standing::Short(short) } else { unpadded });
    }
    if is_lacking(known.as_ref(), Some((created, last))) {
        let same = known.as_ref().is_some_and(|state| state.created == created);
        return Ok(if same { Standing::Short(Short { created, last, filled }) } else { Standing::Wiped });
    }
    let first = stream.cached_info().state.first_sequence.max(filled + 1);
    // What has expired was seen or will not be: it is passed over.
    let fence = if last > filled { first - 1 } else { last };
    let state = StreamState { created, last_sequence: fence, refilling: false, padding: None };
    if known.as_ref() != Some(&state) {
        silence::answer(within, store::set_state(connection, spec.name, &state)).await?;
    }
    if last > fence && !take_over(connection, &stream, spec.name, first..=last, within).await? {
        return Ok(Standing::Foreign);
    }
    silence::answer(within, sent::forget(connection, spec.name, created, last)).await?;
    Ok(Standing::Open { fence: last, created })
}

/// Whether a stream, of which `found` says when it was made and where it ends, lacks what the database knows to be in it: it is gone, was made
/// anew, lost its end, or is being filled again.
pub(super) fn is_lacking(known: Option<&StreamState>, found: Option<(Instant, u64)>) -> bool {
    let Some(known) = known else { return false };
    let lacks = match found {
        None => true,
        Some((created, last)) => created != known.created || last < known.last_sequence,
    };
    known.refilling || (known.last_sequence > 0 && lacks)
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

/// Reads these messages and settles them: their events are taken out of the outbox, and the fence is moved. False as soon as one is found that
/// the log does not have; what was settled before is in the log, and so in the refill that must follow.
async fn take_over(
    connection: &mut PgConnection,
    stream: &Stream,
    name: &str,
    messages: RangeInclusive<u64>,
    within: Duration,
) -> Result<bool, RelayError> {
    let (first, last) = messages.into_inner();
    let mut events = 0;
    let mut from = first;
    while from <= last {
        let to = last.min(from + CHUNK - 1);
        let Some(positions) = positions_of(connection, stream, name, from..=to, within).await? else {
            return Ok(false);
        };
        settle(connection, name, &positions, (from - 1, to), within).await?;
        events += positions.iter().filter(|position| **position > 0).count();
        from = to + 1;
    }
    tracing::info!(
        stream = name,
        first,
        last,
        events,
        "the stream was ahead of the database; nothing is published twice"
    );
    Ok(true)
}

/// Reads these messages and says where their events stand in the log, 0 for one that is no event, or is not there: it has expired, or a disk has failed. None when
/// one is found that the log does not have.
pub(super) async fn positions_of(
    connection: &mut PgConnection,
    stream: &Stream,
    name: &str,
    messages: RangeInclusive<u64>,
    within: Duration,
) -> Result<Option<Vec<i64>>, RelayError> {
    let found: Vec<Result<Option<PublishedEvent>, u64>> = futures::stream::iter(messages)
        .map(|sequence| async move {
            match stream.get_raw_message(sequence).await {
                Ok(message) => Ok(Ok(event_of(&message.headers))),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Err(sequence)),
                Err(error) => Err(nats(error)),
            }
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let gone: Vec<u64> = found.iter().filter_map(|found| found.err()).collect();
    if !gone.is_empty() {
        are_gone(stream, &gone).await?;
        tracing::warn!(stream = name, ?gone, "messages of the stream are not there");
    }
    let found: Vec<Option<PublishedEvent>> = found.into_iter().map(|found| found.ok().flatten()).collect();
    let known: Vec<PublishedEvent> = found.iter().flatten().copied().collect();
    // After the reading: what is published was committed before, so the log has it by now.
    let logged = silence::answer(within, store::positions(connection, name, &known)).await?;
    let Some(mut logged) = logged.into_iter().collect::<Option<Vec<i64>>>().map(Vec::into_iter) else {
        return Ok(None);
    };
    Ok(Some(found.iter().map(|event| event.and_then(|_| logged.next()).unwrap_or_default()).collect()))
}

/// That these messages are not there, and not only out of reach: they have expired, or the stream has fewer messages than numbers and says so again.
async fn are_gone(stream: &Stream, gone: &[u64]) -> Result<(), RelayError> {
    let state = stream.get_info().await.map_err(nats)?.state;
    let whole = (state.last_sequence + 1).saturating_sub(state.first_sequence) == state.messages;
    for sequence in gone.iter().filter(|sequence| **sequence >= state.first_sequence) {
        if whole || *sequence > state.last_sequence {
            return Err(nats("a message of the stream cannot be read"));
        }
        match stream.get_raw_message(*sequence).await {
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {}
            Ok(_) => return Err(nats("a message of the stream could not be read")),
            Err(error) => return Err(nats(error)),
        }
    }
    Ok(())
}

/// What stands at `positions` was published to a stream, which ended at `from` before and at `to` after it ([`store::settle`]).
pub(super) async fn settle(
    connection: &mut PgConnection,
    stream: &str,
    positions: &[i64],
    (from, to): (u64, u64),
    within: Duration,
) -> Result<(), RelayError> {
    if silence::answer(within, store::settle(connection, stream, positions, from, to)).await? {
        Ok(())
    } else {
        Err(nats("another relay has moved the fence"))
    }
}

/// The event that a message carries, by its id; a watermark has none. An id that no relay of this suite would give is no event either.
pub(super) fn event_of(headers: &async_nats::HeaderMap) -> Option<PublishedEvent> {
    headers.get(headers::MESSAGE_ID)?;
    let event = headers::decode(&headers::to_map(Some(headers))).ok()?;
    Some(PublishedEvent { event_id: event.event_id, aggregate_id: event.aggregate_id, sequence: event.sequence })
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

pub(super) fn nats(error: impl std::fmt::Display) -> RelayError {
    RelayError::Nats(error.to_string())
}
