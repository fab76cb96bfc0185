//! A stream that lost its end: NATS lost what it had acknowledged, as when a disk fails and the copies that are left are not the longest. What it
//! had is known ([`super::sent`]), and goes into the outbox again.
//!
//! Who read the old end would pass over what takes its numbers. So the stream is first filled up, past all that anybody can have read, with
//! messages that say nothing new.
//!
//! What is left of it may end with something else than was published there. Then all that was published since they parted is published again: who
//! has passed those numbers read one, who has not will read the other.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{Context, stream::Stream},
};
use bytes::Bytes;
use dafei_kernel::time::Instant;
use sqlx::PgConnection;

use super::{
    Relay, RelayError,
    reconcile::{CHUNK, Short, nats, positions_of},
    sent::{self, Loss, PutBack, Sent},
    store::Padding,
    watermark,
};
use crate::{
    publish::{self, MAX_BATCH, Outgoing, PublishFailure},
    silence,
    streams::StreamSpec,
};

/// So many messages may have been read without having been settled.
pub(super) const UNSETTLED: u64 = MAX_BATCH as u64;

/// What became of a stream that lost its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Regained {
    /// So many events wait in the outbox again: those that stood behind the message `agreed`, up to which it holds what was published to it.
    Boxed { events: u64, agreed: u64 },
    /// It cannot be given back what it lost, for this reason: a hand is needed.
    Unknown(&'static str),
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
    let stream = relay.js.get_stream(spec.name).await.map_err(nats)?;
    let Some((after, others)) = agreement(connection, &stream, spec.name, short, within).await? else {
        return Ok(Regained::Foreign);
    };
    let sent = silence::answer(within, sent::from(connection, spec.name, created, (after, filled))).await?;
    let Some(mut positions) = sent::lost(&sent, after, filled) else {
        return Ok(Regained::Unknown("it lost its end, and what stood there is not known any more"));
    };
    // Who has passed these numbers has read something else there, who has not reads them twice.
    positions.extend(others.iter().filter(|position| **position > 0));
    positions.sort_unstable();
    positions.dedup();
    let loss = Loss { stream: spec.name, created, last, filled, positions: &positions, others: &others };
    match silence::answer(within, sent::put_back(connection, &loss, UNSETTLED)).await? {
        PutBack::Done => Ok(Regained::Boxed { events: positions.len() as u64, agreed: after }),
        PutBack::Lacking => Ok(Regained::Unknown("it lost its end, and the log does not have all that stood there")),
        PutBack::Moved => Err(moved()),
    }
}

/// Up to which message a stream that lost its end holds what was published to it, and what stands behind that: positions in the log, 0 for what is no
/// event. None when there is something that the log does not have. NATS may do away with a batch that it had not acknowledged, and have it
/// again after a second failure, when something else has been published under its numbers.
async fn agreement(
    connection: &mut PgConnection,
    stream: &Stream,
    name: &str,
    Short { created, last, .. }: Short,
    within: Duration,
) -> Result<Option<(u64, Vec<i64>)>, RelayError> {
    // What has expired is not there to be compared.
    let start = stream.cached_info().state.first_sequence.max(1) - 1;
    let mut behind: Vec<Compared> = Vec::new();
    // The last message alone first: mostly it is what was published there.
    let (mut after, mut most) = (last, 1);
    while after > start {
        let from = start.max(after.saturating_sub(most));
        let sent = silence::answer(within, sent::from(connection, name, created, (from + 1, after))).await?;
        let Some(found) = positions_of(connection, stream, name, from + 1..=after, within).await? else {
            return Ok(None);
        };
        let found = compare(&sent, from, &found);
        if let Some(agreed) = agreed(&found, most == CHUNK) {
            behind.splice(0..0, found[agreed..].iter().copied());
            after = from + agreed as u64;
            break;
        }
        behind.splice(0..0, found);
        (after, most) = (from, CHUNK);
    }
    let alike = behind.iter().take_while(|message| message.agrees()).count();
    let others = behind[alike..].iter().map(|message| message.stands).collect();
    Ok(Some((after + alike as u64, others)))
}

/// A message, by its position in the log: 0 when it is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Compared {
    stands: i64,
    /// What was published under its number, where that is known.
    stood: Option<i64>,
}

impl Compared {
    fn agrees(self) -> bool {
        self.stood.is_none_or(|stood| stood == self.stands)
    }

    /// Whether it says that all before it agrees: what is no event is like another.
    const fn tells(self) -> bool {
        match self.stood {
            None => true,
            Some(stood) => stood == self.stands && stood > 0,
        }
    }
}

/// The messages that stand behind the number `from`, and what was published there.
fn compare(sent: &[Sent], from: u64, stand: &[i64]) -> Vec<Compared> {
    let numbered = stand.iter().zip(from + 1..);
    numbered.map(|(stands, at)| Compared { stands: *stands, stood: sent::position(sent, at) }).collect()
}

/// Of messages that follow each other, up to which the stream holds what was published to it. None when they do not tell: none of them is an event that
/// agrees, and they are not a `whole` chunk of other messages that do.
fn agreed(found: &[Compared], whole: bool) -> Option<usize> {
    match found.iter().rposition(|message| message.tells()) {
        Some(index) => Some(index + 1),
        None => (whole && found.iter().all(|message| message.agrees())).then_some(found.len()),
    }
}

/// Fills up a stream, which was made at `created` and ends at `last`. False when there is something in it that the log does not have.
pub(super) async fn pad(
    connection: &mut PgConnection,
    relay: &Relay,
    spec: &StreamSpec,
    (created, last): (Instant, u64),
    mut padding: Padding,
) -> Result<bool, RelayError> {
    let within = relay.config.answer;
    let filler = filler(relay, spec)?;
    if last > padding.from {
        // Filling of a relay that ended; or what was thought to be lost, by a server that had not heard of it or has been replaced by one that has it.
        let stream = relay.js.get_stream(spec.name).await.map_err(nats)?;
        let end = last.min(padding.to);
        while padding.from < end {
            let to = end.min(padding.from + CHUNK);
            let stand = positions_of(connection, &stream, spec.name, padding.from + 1..=to, within).await?;
            let Some(positions) = stand else { return Ok(false) };
            let stood =
                silence::answer(within, sent::from(connection, spec.name, created, (padding.from + 1, to))).await?;
            // Where something else stood before, who has read that passes over what stands there now.
            let alike = compare(&stood, padding.from, &positions).into_iter().filter(|message| message.agrees());
            let same = alike.map(|message| message.stands).filter(|position| *position > 0 && !padding.read);
            let same: Vec<i64> = same.collect();
            let taken = sent::taken_over(connection, (spec.name, created), padding, to, &positions, &same);
            if !silence::answer(within, taken).await? {
                return Err(moved());
            }
            padding.from = to;
        }
    }
    if !padding.read && !silence::answer(within, sent::may_be_read(connection, spec.name, padding, true)).await? {
        return Err(moved());
    }
    // A batch that was on its way behind the old end must never find a stream that ends there.
    if let Err((stored, failure)) = fill(&relay.js, &filler, last, padding.to, padding.end).await {
        let refused = matches!(failure, PublishFailure::Fenced { .. } | PublishFailure::Refused(_));
        if refused && stored == last && !padding.read {
            // Nothing of the filling is in the stream.
            silence::answer(within, sent::may_be_read(connection, spec.name, padding, false)).await?;
        }
        return Err(nats(failure));
    }
    if silence::answer(within, sent::padded(connection, spec.name, created, padding)).await? {
        Ok(true)
    } else {
        Err(moved())
    }
}

pub(super) fn moved() -> RelayError {
    nats("another relay has been here")
}

/// Fills a stream that ends at `fence` up to the number `to`; no batch ends at `spared`. A failure comes with the number up to which it is filled.
async fn fill(
    js: &Context,
    filler: &Outgoing,
    mut fence: u64,
    to: u64,
    spared: u64,
) -> Result<(), (u64, PublishFailure)> {
    while fence < to {
        let most = usize::try_from(to - fence).unwrap_or(MAX_BATCH).min(MAX_BATCH);
        let count = if fence + most as u64 == spared { most - 1 } else { most };
        fence = publish::publish(js, fence, vec![filler.clone(); count]).await.map_err(|failure| (fence, failure))?;
    }
    Ok(())
}

/// In a stream with watermarks, one that promises nothing: what is left of the stream may say more, but not to who has read something else under its numbers.
/// In another one a message that nobody asks for.
fn filler(relay: &Relay, spec: &StreamSpec) -> Result<Outgoing, RelayError> {
    if relay.config.watermark_stream == Some(spec.name) {
        return Ok(watermark::message(&relay.config.service, Instant::UNIX_EPOCH));
    }
    let any = spec.subjects.iter().find_map(|subject| subject.strip_suffix('>'));
    let subject = any.map(|prefix| format!("{prefix}padding")).ok_or_else(|| nats("no subject to fill it up by"))?;
    Ok(Outgoing { subject, headers: HeaderMap::new(), payload: Bytes::new() })
}

#[cfg(test)]
mod tests {
    use super::{Compared, agreed};

    fn messages(compared: &[(i64, Option<i64>)]) -> Vec<Compared> {
        compared.iter().map(|(stands, stood)| Compared { stands: *stands, stood: *stood }).collect()
    }

    #[test]
    fn a_stream_agrees_up_to_the_last_event_that_stands_where_it_was_published() {
        let found = messages(&[(11, Some(11)), (12, Some(12)), (0, Some(0)), (13, Some(0)), (14, Some(13))]);
        assert_eq!(agreed(&found, false), Some(2));
        assert_eq!(agreed(&found[..2], false), Some(2));
    }

    #[test]
    fn messages_that_are_no_events_do_not_tell_unless_they_are_many() {
        let found = messages(&[(0, Some(0)), (0, Some(0))]);
        assert_eq!(agreed(&found, false), None);
        assert_eq!(agreed(&found, true), Some(2));
        assert_eq!(agreed(&messages(&[(0, Some(0)), (11, Some(0))]), true), None);
    }

    #[test]
    fn what_was_published_too_long_ago_to_be_known_is_believed_to_be_there() {
        assert_eq!(agreed(&messages(&[(11, None), (12, None), (13, Some(0))]), false), Some(2));
    }
}
