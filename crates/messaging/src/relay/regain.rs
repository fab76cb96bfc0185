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
    reconcile::{Short, event_of, nats, settle},
    sent::{self, Loss},
    store,
    watermark::{self, WatermarkMessage},
};
use crate::{
    publish::{self, MAX_BATCH, Outgoing},
    silence,
    streams::StreamSpec,
};

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

/// Puts what the stream lost back into the outbox.
pub(super) async fn regain(
    connection: &mut PgConnection,
    relay: &Relay,
    spec: &StreamSpec,
    short: Short,
) -> Result<Regained, RelayError> {
    let Short { created, last, filled } = short;
    let within = relay.config.answer;
    let stream = relay.js.get_stream(spec.name).await.map_err(nats)?;
    if last >= stream.cached_info().state.first_sequence.max(1) {
        let message = match stream.get_raw_message(last).await {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(Regained::Unknown),
            Err(error) => return Err(nats(error)),
        };
        let event: Vec<_> = event_of(&message.headers).into_iter().collect();
        let positions = silence::answer(within, store::positions(connection, spec.name, &event)).await?;
        if positions.iter().any(Option::is_none) {
            return Ok(Regained::Foreign);
        }
    }
    let sent = silence::answer(within, sent::behind(connection, spec.name, created, last)).await?;
    let Some(positions) = sent::lost(&sent, last, filled) else { return Ok(Regained::Unknown) };
    // What was published last may have been read without having been settled.
    let pad_to = filled + MAX_BATCH as u64;
    let loss = Loss { stream: spec.name, created, last, filled, pad_to, positions: &positions };
    let put_back = silence::answer(within, sent::put_back(connection, &loss)).await?;
    Ok(if put_back { Regained::Boxed(positions.len() as u64) } else { Regained::Unknown })
}

/// Fills a stream that ends at `fence` up to the number `pad_to`.
pub(super) async fn pad(
    connection: &mut PgConnection,
    relay: &Relay,
    spec: &StreamSpec,
    mut fence: u64,
    pad_to: u64,
) -> Result<u64, RelayError> {
    let stream = relay.js.get_stream(spec.name).await.map_err(nats)?;
    let filler = filler(relay, spec, &stream).await?;
    while fence < pad_to {
        let count = usize::try_from(pad_to - fence).unwrap_or(MAX_BATCH).min(MAX_BATCH);
        let to = publish::publish(&relay.js, fence, vec![filler.clone(); count]).await.map_err(nats)?;
        settle(connection, spec.name, &[], (fence, to), relay.config.answer).await?;
        fence = to;
    }
    Ok(fence)
}

/// In a stream with watermarks, the last one that is left in it: it was true there, so it is true behind it. In another one a message that nobody
/// asks for.
async fn filler(relay: &Relay, spec: &StreamSpec, stream: &Stream) -> Result<Outgoing, RelayError> {
    let service = &relay.config.service;
    if relay.config.watermark_stream != Some(spec.name) {
        let any = spec.subjects.iter().find_map(|subject| subject.strip_suffix('>'));
        let subject =
            any.map(|prefix| format!("{prefix}padding")).ok_or_else(|| nats("no subject to fill it up by"))?;
        return Ok(Outgoing { subject, headers: HeaderMap::new(), payload: Bytes::new() });
    }
    let subject = watermark::subject(service);
    let through = match stream.get_last_raw_message_by_subject(&subject).await {
        Ok(message) => serde_json::from_slice::<WatermarkMessage>(&message.payload).map_err(nats)?.through,
        // Nothing was committed before the beginning of time.
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Instant::UNIX_EPOCH,
        Err(error) => return Err(nats(error)),
    };
    Ok(watermark::message(service, through))
}
