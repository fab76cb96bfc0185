//! How long a tip waits before anything of it leaves its table: by chance, so that what is seen of it later does not tell when it was sent.

use dafei_kernel::time::Instant;
use jiff::SignedDuration;

/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;
/// A random id's lowest bits: none of them is fixed by its version.
const RANDOM_BITS: u128 = (1 << 62) - 1;

/// The least and the longest time that a tip waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    least: SignedDuration,
    longest: SignedDuration,
}

impl Delay {
    /// A span; none when it ends before it begins.
    #[must_use]
    pub fn new(least: SignedDuration, longest: SignedDuration) -> Option<Self> {
        (!least.is_negative() && least <= longest).then_some(Self { least, longest })
    }

    /// No waiting at all.
    #[must_use]
    pub const fn none() -> Self {
        Self { least: SignedDuration::ZERO, longest: SignedDuration::ZERO }
    }

    /// When a tip is released: at the full minute after a random time of the span, so that several leave together. Without a span, at the hour
    /// in which it came.
    #[must_use]
    pub fn release_at(self, now: Instant, random: u128) -> Instant {
        if self.longest.is_zero() {
            return dafei_kernel::time::truncate_hour(now);
        }
        let (least, longest) = (micros(self.least), micros(self.longest));
        let width = u128::from(longest.saturating_sub(least).unsigned_abs()) + 1;
        let chosen = i64::try_from((random & RANDOM_BITS) % width).unwrap_or(0);
        let at = now.as_microsecond().saturating_add(least).saturating_add(chosen);
        let minute = at.saturating_add(MINUTE - 1).div_euclid(MINUTE).saturating_mul(MINUTE);
        Instant::from_microsecond(minute).unwrap_or(Instant::MAX)
    }
}

fn micros(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::{Delay, Instant};

    fn now() -> Instant {
        "2026-11-23T02:17:41.5Z".parse().expect("an instant")
    }

    #[test]
    fn a_span_must_not_end_before_it_begins_and_without_one_a_tip_is_due_at_once() {
        let minute = SignedDuration::from_mins(1);
        assert_eq!(Delay::new(minute, SignedDuration::ZERO), None);
        assert_eq!(Delay::new(-minute, minute), None);
        assert_eq!(Delay::none().release_at(now(), 7), "2026-11-23T02:00:00Z".parse::<Instant>().expect("an instant"));
    }

    proptest! {
        #[test]
        fn a_tip_waits_at_least_the_least_time_and_leaves_at_a_full_minute(random in any::<u128>(), least in 0_i64..600, more in 1_i64..3_600) {
            let (least, longest) = (SignedDuration::from_secs(least), SignedDuration::from_secs(least + more));
            let at = Delay::new(least, longest).expect("a span").release_at(now(), random);
            prop_assert!(at >= now() + least && at <= now() + longest + SignedDuration::from_mins(1));
            prop_assert_eq!(at.as_microsecond() % 60_000_000, 0);
        }
    }
}
