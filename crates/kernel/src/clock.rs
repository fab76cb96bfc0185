//! The clock is an argument. This is the one place that reads the machine's.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use jiff::SignedDuration;

use crate::time::{Instant, truncate_micros};

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Now, in microseconds.
    fn now(&self) -> Instant;
}

/// A clock that many parts share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Instant {
        truncate_micros(Instant::now())
    }
}

/// A clock that stands still until it is moved: for exercises and tests. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ControlledClock(Arc<AtomicI64>);

impl ControlledClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self(Arc::new(AtomicI64::new(at.as_microsecond())))
    }

    /// Shows `at` from now on.
    pub fn set(&self, at: Instant) {
        self.0.store(at.as_microsecond(), Ordering::SeqCst);
    }

    /// Moves on (or back); it stops at the ends of time.
    pub fn advance(&self, by: SignedDuration) {
        let moved = |shown: i64| {
            let end = if by.is_negative() { Instant::MIN } else { Instant::MAX };
            i64::try_from(i128::from(shown) + by.as_micros())
                .ok()
                .and_then(|micros| Instant::from_microsecond(micros).ok())
                .unwrap_or(end)
                .as_microsecond()
        };
        let shown = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |shown| Some(moved(shown)));
        debug_assert!(shown.is_ok(), "the update never declines");
    }
}

impl Clock for ControlledClock {
    fn now(&self) -> Instant {
        Instant::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap_or(Instant::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::{Clock, ControlledClock, SharedClock, SystemClock};
    use crate::time::{Instant, truncate_micros};

    #[test]
    fn the_clones_of_a_controlled_clock_show_the_same_time_and_it_stands_still() {
        let start: Instant = "2026-03-02T01:00:00.000001Z".parse().expect("an instant");
        let clock = ControlledClock::new(start);
        let shared: SharedClock = Arc::new(clock.clone());
        assert_eq!(shared.now(), start);
        assert_eq!(shared.now(), start);
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(shared.now(), start + SignedDuration::from_hours(1));
        clock.advance(SignedDuration::from_hours(-1));
        assert_eq!(shared.now(), start);
        clock.set(Instant::UNIX_EPOCH);
        assert_eq!(shared.now(), Instant::UNIX_EPOCH);
    }

    #[test]
    fn a_controlled_clock_stops_at_the_ends_of_time() {
        let clock = ControlledClock::new(Instant::UNIX_EPOCH);
        clock.advance(SignedDuration::MAX);
        assert_eq!(clock.now(), truncate_micros(Instant::MAX));
        clock.advance(SignedDuration::MIN);
        assert_eq!(clock.now(), Instant::MIN);
    }

    #[test]
    fn the_system_clock_shows_whole_microseconds() {
        let now = SystemClock.now();
        assert_eq!(now, truncate_micros(now));
        assert!(now > Instant::UNIX_EPOCH);
    }
}
