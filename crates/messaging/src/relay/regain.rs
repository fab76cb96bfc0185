//! A stream that lost its end: NATS lost what it had acknowledged, as when a disk fails and the copies that are left are not the longest. What it
//! had is known ([`super::sent`]), and goes into the outbox again.
//!
//! Who read the old end would pass over what takes its numbers. So the stream is first filled up, past all that anybody can have read, with
//! messages that say nothing new.

use async_nats::{
    HeaderMap,
    jetstream::stream::{LastRawMessageErrorKind, Stream},
};
use bytes::Bytes;
use dafei_kernel::time::Instant;
use sqlx::PgConnection;

use super::{
    Relay, RelayError,
    reconcile::{CHUNK, Short, event_of, nats, positions_of},
    sent::{self, Loss, PutBack},
    store::{self, Padding},
    watermark::{self, WatermarkMessage},
};
use crate::{
    publish::{self, MAX_BATCH, Outgoing},
    silence,
    streams::StreamSpec,
};

/// So many messages may have been read without having been settled.
pub(super) const UNSETTLED: u64 = MAX_BATCH as u64;

/// What became of a stream that lost its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Regained {
    /// So many events wait in the outbox again.
    Boxed(u64),
    /// What it lost is not known, or not in the log: a hand is needed.
    Unknown,
    /// It holds what the log does not have.
    Foreign,
}

/// Puts what the stream lost back into the outbox, and has it filled up.
pub(super) async fn regain(
    connection: &mut PgConnection,
    relay: &Relay,
    spec: &StreamSpec,
    short: Short,
) -> Result<Regained, RelayError> {
    let Short { created, last, filled } = short;
    let within = relay.config.answer;
    let sent = silence::answer(within, sent::from(connection, spec.name, created, last)).await?;
    let Some(positions) = sent::lost(&sent, last, filled) else { return Ok(Regained::Unknown) };
    let stream = relay.js.get_stream(spec.name).await.map_err(nats)?;
    if last >= stream.cached_info().state.first_sequence.max(1) {
        let message = match stream.get_raw_message(last).await {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(Regained::Unknown),
            Err(error) => return Err(nats(error)),
        };
        let event: Vec<_> = event_of(&message.headers).into_iter().collect();
        let found = match silence::answer(within, store::positions(connection, spec.name, &event)).await?[..] {
            [] => 0,
            [Some(position)] => position,
            _ => return Ok(Regained::Foreign),
        };
        if sent::position(&sent, last).is_some_and(|known| known != found) {
            return Ok(Regained::Unknown);
        }
    }
    let loss = Loss { stream: spec.name, created, last, filled, positions: &positions };
    match silence::answer(within, sent::put_back(connection, &loss, UNSETTLED)).await? {
        PutBack::Done => Ok(Regained::Boxed(positions.len() as u64)),
        PutBack::Lacking => Ok(Regained::Unknown),
        PutBack::Moved => Err(nats("another relay has been here")),
    }
}

/// Fills up a stream that ends at `last`. False when there is something in it that the log does not have.
pub(super) async fn pad(
    connection: &mut PgConnection,
    relay: &Relay,
    spec: &StreamSpec,
    last: u64,
    mut padding: Padding,
) -> Result<bool, RelayError> {
    let within = relay.config.answer;
    let moved = || nats("another relay has been here");
    if last > padding.from {
        // Filling of a relay that ended; or what was thought to be lost, by a server that had not heard of it or has been replaced by one that has it.
        let stream = relay.js.get_stream(spec.name).await.map_err(nats)?;
        let end = last.min(padding.to);
        while padding.from < end {
            let to = end.min(padding.from + CHUNK);
            let stand = positions_of(connection, &stream, spec.name, padding.from + 1..=to, within).await?;
            let Some(positions) = stand else { return Ok(false) };
            if !silence::answer(within, sent::taken_over(connection, spec.name, padding, to, &positions)).await? {
                return Err(moved());
            }
            padding.from = to;
        }
    }
    // A batch that was on its way behind the old end must never find a stream that ends there.
    fill(relay, spec, last, padding.to, padding.to.saturating_sub(UNSETTLED)).await?;
    if silence::answer(within, sent::padded(connection, spec.name, padding)).await? { Ok(true) } else { Err(moved()) }
}

/// Fills a stream that ends at `fence` up to the number `to`; no batch ends at `spared`.
pub(super) async fn fill(
    relay: &Relay,
    spec: &StreamSpec,
    mut fence: u64,
    to: u64,
    spared: u64,
) -> Result<(), RelayError> {
    if fence >= to {
        return Ok(());
    }
    let filler = filler(relay, spec, fence).await?;
    while fence < to {
        let most = usize::try_from(to - fence).unwrap_or(MAX_BATCH).min(MAX_BATCH);
        let count = if fence + most as u64 == spared { most - 1 } else { most };
        fence = publish::publish(&relay.js, fence, vec![filler.clone(); count]).await.map_err(nats)?;
    }
    Ok(())
}

/// In a stream with watermarks, the last one that is left in it: it was true there, so it is true behind it. In another one a message that nobody
/// asks for.
async fn filler(relay: &Relay, spec: &StreamSpec, fence: u64) -> Result<Outgoing, RelayError> {
    let service = &relay.config.service;
    if relay.config.watermark_stream != Some(spec.name) {
        let any = spec.subjects.iter().find_map(|subject| subject.strip_suffix('>'));
        let subject =
            any.map(|prefix| format!("{prefix}padding")).ok_or_else(|| nats("no subject to fill it up by"))?;
        return Ok(Outgoing { subject, headers: HeaderMap::new(), payload: Bytes::new() });
    }
    let stream = relay.js.get_stream(spec.name).await.map_err(nats)?;
    Ok(watermark::message(service, last_watermark(&stream, service, fence).await?))
}

/// What the last watermark before `fence` says.
async fn last_watermark(stream: &Stream, service: &str, fence: u64) -> Result<Instant, RelayError> {
    match stream.get_last_raw_message_by_subject(&watermark::subject(service)).await {
        // By a server that has not heard of the loss: what it says of the lost end would not be true behind what is left.
        Ok(message) if message.sequence > fence => Err(nats("the stream is longer than it was said to be")),
        Ok(message) => Ok(serde_json::from_slice::<WatermarkMessage>(&message.payload).map_err(nats)?.through),
        // Nothing was committed before the beginning of time.
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Instant::UNIX_EPOCH),
        Err(error) => Err(nats(error)),
    }
}
