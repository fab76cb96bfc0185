//! What a stream holds that has not taken effect, whichever replica takes it.

use std::time::Duration;

use async_nats::jetstream::Context;
use dafei_kernel::time::Instant;
use sqlx::PgPool;

use super::store::{self, Position};
use crate::{
    relay,
    silence::{self, Loan},
};

/// Why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum UntakenError {
    /// The database.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The server or the way to it.
    #[error("NATS: {0}")]
    Nats(String),
    /// The stream ends before what was taken of it: what of it is taken is not known until the consumer has noticed.
    #[error("the stream ends at {last}, and {taken} messages of it were taken")]
    Short {
        /// The consumer's position.
        taken: u64,
        /// The end of the stream.
        last: u64,
    },
}

/// A stream as it was at a moment, and how far it had been taken into effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    created: Instant,
    last: u64,
    /// The messages of it that had not taken effect.
    pub left: u64,
}

impl Extent {
    /// Whether all has taken effect that was in the stream at an earlier moment.
    fn covers(&self, earlier: &Self) -> bool {
        // More is left than there is: the consumer has yet to notice that the stream was made anew.
        self.created == earlier.created && self.last.checked_sub(self.left).is_some_and(|taken| taken >= earlier.last)
    }
}

/// Up to which instant all that was written into a stream is known to have taken effect. That something new is always under way does not hold it
/// up: what was there at one look is waited for by the next.
#[derive(Debug, Clone, Default)]
pub struct TakenThrough {
    through: Option<Instant>,
    awaited: Option<(Instant, Extent)>,
}

impl TakenThrough {
    /// Learns of a look at the stream that began at `now`, and answers the instant; none as long as nothing is known.
    pub fn heard(&mut self, now: Instant, extent: Extent) -> Option<Instant> {
        if let Some((at, _)) = self.awaited.take_if(|(_, earlier)| extent.covers(earlier)) {
            self.through = Some(at);
        }
        if extent.left == 0 {
            (self.through, self.awaited) = (Some(now), None);
        } else if self.awaited.is_none_or(|(_, earlier)| earlier.created != extent.created) {
            self.awaited = Some((now, extent));
        }
        self.through
    }

    /// The instant by the looks so far.
    #[must_use]
    pub const fn through(&self) -> Option<Instant> {
        self.through
    }
}

/// How many messages that were in `stream` at the call have not taken effect by its end; `consumer` is the key of who takes them
/// ([`super::key`]). The stream is asked first: what comes between the two questions may count as taken, and never the other way round. The
/// database's answer is waited for `within` that time.
///
/// # Errors
/// When either server does not answer, or there is no such stream.
pub async fn untaken(
    js: &Context,
    pool: &PgPool,
    within: Duration,
    consumer: &str,
    stream: &str,
) -> Result<Extent, UntakenError> {
    let found = js.get_stream(stream).await.map_err(|error| UntakenError::Nats(error.to_string()))?;
    let created = relay::created(&found).map_err(UntakenError::Nats)?;
    let last = found.cached_info().state.last_sequence;
    let mut connection = Loan::of(pool).await?;
    let position = silence::answer(within, store::position(&mut connection, consumer, stream)).await?;
    connection.give_back();
    let taken = position
        .as_ref()
        .filter(|position| position.created == Some(created))
        .map_or(0, |position| position.last_sequence);
    if taken > last {
        // Usually it came and was taken since the stream was asked. Else the stream lost its end, and what comes there is not taken yet.
        let again = js.get_stream(stream).await.map_err(|error| UntakenError::Nats(error.to_string()))?;
        let last = again.cached_info().state.last_sequence;
        if taken > last {
            return Err(UntakenError::Short { taken, last });
        }
    }
    Ok(Extent { created, last, left: behind(created, last, position.as_ref()) })
}

/// How far `position` is behind a stream made at `created` that ends at `last`.
fn behind(created: Instant, last: u64, position: Option<&Position>) -> u64 {
    let Some((known, sequence)) = position.and_then(|position| Some((position.created?, position.last_sequence)))
    else {
        return last;
    };
    // Of a stream that was made anew nothing has been taken, and the consumer has yet to notice.
    if known == created { last.saturating_sub(sequence) } else { last.max(1) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Extent, Instant, Position, TakenThrough, behind};

    const MADE: Instant = Instant::UNIX_EPOCH;

    fn read(last_sequence: u64) -> Position {
        Position { created: Some(MADE), last_sequence, caught_up_through: None }
    }

    fn seen(last: u64, left: u64) -> Extent {
        Extent { created: MADE, last, left }
    }

    fn second(number: u64) -> Instant {
        MADE + Duration::from_secs(number)
    }

    #[test]
    fn what_comes_again_and_again_does_not_hold_up_what_was_there_before() {
        let mut taken = TakenThrough::default();
        assert_eq!(taken.heard(second(1), seen(10, 3)), None);
        assert_eq!(taken.heard(second(2), seen(12, 3)), None, "9 of the 10 are taken");
        assert_eq!(taken.heard(second(3), seen(15, 5)), Some(second(1)));
        assert_eq!(taken.heard(second(4), seen(20, 6)), Some(second(1)), "the 15 of the look before are not");
        assert_eq!(taken.heard(second(5), seen(20, 5)), Some(second(3)));
        assert_eq!(taken.heard(second(6), seen(20, 0)), Some(second(6)));
    }

    #[test]
    fn of_a_stream_that_was_made_anew_what_was_awaited_before_says_nothing() {
        let mut taken = TakenThrough::default();
        assert_eq!(taken.heard(second(1), seen(0, 1)), None, "the consumer has not noticed an empty stream");
        assert_eq!(taken.heard(second(2), seen(0, 1)), None);
        let anew = |last, left| Extent { created: second(9), ..seen(last, left) };
        assert_eq!(taken.heard(second(10), anew(5, 2)), None);
        assert_eq!(taken.heard(second(11), anew(9, 4)), Some(second(10)));
    }

    #[test]
    fn what_came_after_the_position_is_not_taken() {
        assert_eq!(behind(MADE, 12, Some(&read(10))), 2);
        assert_eq!(behind(MADE, 10, Some(&read(10))), 0);
        assert_eq!(behind(MADE, 10, Some(&read(11))), 0, "it came and was taken since the stream was asked");
    }

    #[test]
    fn of_a_stream_that_nobody_has_begun_with_nothing_is_taken() {
        assert_eq!(behind(MADE, 3, None), 3);
        assert_eq!(behind(MADE, 3, Some(&Position { created: None, ..read(0) })), 3);
        assert_eq!(behind(MADE, 0, None), 0);
    }

    #[test]
    fn a_position_in_the_stream_before_this_one_says_nothing() {
        let anew = MADE + Duration::from_secs(1);
        assert_eq!(behind(anew, 7, Some(&read(10))), 7);
        assert_eq!(behind(anew, 0, Some(&read(10))), 1, "not taken until the consumer has noticed");
    }
}
