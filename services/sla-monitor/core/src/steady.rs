//! A machine's clock that jumps ahead must not make anybody late. What it says is believed as far as the time that really went by bears it
//! out; a jump ahead is believed only when it has stood for a while.

use std::time::Duration;

use dafei_kernel::time::Instant;
use jiff::SignedDuration;

/// By how much the clock may be ahead of what went by: it is corrected all the time by a little.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(30);
/// How long a jump must stand before it is believed: a machine that was asleep, or whose clock was wrong at its start, is really that late.
const HOLD: Duration = Duration::from_secs(600);

/// What was last believed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steady {
    anchor: Option<(Instant, Duration)>,
    /// Since when the clock is ahead, by the time that went by.
    ahead_since: Option<Duration>,
}

impl Steady {
    /// The instant to go by, of what the clock says and of the time that has gone by since some beginning. A clock that goes back is
    /// believed at once: it makes nobody late.
    pub fn observe(&mut self, clock: Instant, gone_by: Duration) -> Instant {
        let Some((instant, then)) = self.anchor else {
            self.anchor = Some((clock, gone_by));
            return clock;
        };
        let passed = SignedDuration::try_from(gone_by.saturating_sub(then)).unwrap_or(SignedDuration::MAX);
        let expected = instant.checked_add(passed).unwrap_or(Instant::MAX);
        if clock.duration_since(expected) <= TOLERANCE {
            self.ahead_since = None;
            self.anchor = Some((clock, gone_by));
            return clock;
        }
        let since = *self.ahead_since.get_or_insert(gone_by);
        if gone_by.saturating_sub(since) < HOLD {
            return expected;
        }
        self.ahead_since = None;
        self.anchor = Some((clock, gone_by));
        clock
    }

    /// Whether the clock is ahead and not yet believed.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.ahead_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dafei_kernel::time::Instant;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::Steady;

    fn at(seconds: i64) -> Instant {
        Instant::UNIX_EPOCH + SignedDuration::from_secs(1_795_000_000 + seconds)
    }

    fn gone(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_goes_as_time_does_is_believed() {
        let mut steady = Steady::default();
        for second in 0..1_000 {
            assert_eq!(steady.observe(at(second), gone(second.unsigned_abs())), at(second));
        }
    }

    #[test]
    fn an_hour_ahead_and_back_moves_nothing() {
        let mut steady = Steady::default();
        steady.observe(at(0), gone(0));
        assert_eq!(steady.observe(at(3_660), gone(60)), at(60));
        assert!(steady.is_held());
        assert_eq!(steady.observe(at(3_900), gone(300)), at(300));
        assert_eq!(steady.observe(at(301), gone(301)), at(301));
        assert!(!steady.is_held());
    }

    #[test]
    fn an_hour_ahead_that_stays_is_believed_after_ten_minutes() {
        let mut steady = Steady::default();
        steady.observe(at(0), gone(0));
        assert_eq!(steady.observe(at(3_601), gone(1)), at(1));
        assert_eq!(steady.observe(at(3_600 + 600), gone(600)), at(600));
        assert_eq!(steady.observe(at(3_600 + 601), gone(601)), at(3_600 + 601));
    }

    #[test]
    fn an_hour_back_is_believed_at_once_and_the_way_there_again_is_a_jump() {
        let mut steady = Steady::default();
        steady.observe(at(3_600), gone(0));
        assert_eq!(steady.observe(at(1), gone(1)), at(1));
        assert_eq!(steady.observe(at(3_602), gone(2)), at(2));
    }

    proptest! {
        #[test]
        fn nothing_is_believed_that_is_ahead_of_the_clock(jumps in proptest::collection::vec((-4_000_i64..4_000, 0_u64..900), 1..60)) {
            let (mut steady, mut shift, mut passed) = (Steady::default(), 0, 0_u64);
            for (jump, wait) in jumps {
                shift += jump;
                passed += wait;
                let clock = at(i64::try_from(passed).expect("small") + shift);
                let believed = steady.observe(clock, gone(passed));
                prop_assert!(believed <= clock);
            }
        }
    }
}
