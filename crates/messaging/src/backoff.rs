//! Pauses between tries that double up to a cap, with jitter so that replicas do not knock together. For loops that cannot be written as one
//! call that is tried again: those use `backon` itself.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// How often the delay of a broken connection doubles.
const DOUBLINGS: usize = 8;

/// The state of one series of tries.
#[derive(Debug)]
pub(crate) struct Backoff {
    series: ExponentialBuilder,
    cap: Duration,
    pauses: ExponentialBackoff,
}

impl Backoff {
    /// For loops that never give up: 50 ms up to `cap`.
    pub(crate) fn up_to(cap: Duration) -> Self {
        Self::from(Duration::from_millis(50), cap)
    }

    /// For commands whose callers wait.
    pub(crate) fn for_batches() -> Self {
        Self::from(Duration::from_millis(5), Duration::from_millis(500))
    }

    fn from(first: Duration, cap: Duration) -> Self {
        let series = series(first, cap).without_max_times();
        Self { series, cap, pauses: series.build() }
    }

    /// The next pause: between half and all of the doubled one.
    pub(crate) fn next_pause(&mut self) -> Duration {
        self.pauses.next().unwrap_or(self.cap)
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.pauses = self.series.build();
    }
}

/// `backon` adds up to the whole of a pause as jitter, so each begins with its half.
fn series(first: Duration, cap: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new().with_min_delay(first / 2).with_max_delay(cap / 2).with_jitter()
}

/// The pause before the `attempt`th try to reach a NATS server again: 100 ms up to 5 s.
#[must_use]
pub fn reconnect(attempt: usize) -> Duration {
    let cap = Duration::from_secs(5);
    let pauses = series(Duration::from_millis(100), cap).with_max_times(DOUBLINGS);
    pauses.build().nth(attempt.saturating_sub(1).min(DOUBLINGS - 1)).unwrap_or(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_start_over_after_a_success() {
        let mut backoff = Backoff::up_to(Duration::from_secs(30));
        let first = backoff.next_pause();
        assert!(first >= Duration::from_millis(25) && first <= Duration::from_millis(50), "{first:?}");
        let last = (0..40).map(|_| backoff.next_pause()).last().expect("forty pauses");
        assert!(last >= Duration::from_secs(15) && last <= Duration::from_secs(30), "{last:?}");
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(50));
    }

    #[test]
    fn two_series_of_pauses_are_not_the_same() {
        let pauses = || {
            let mut backoff = Backoff::up_to(Duration::from_secs(30));
            [backoff.next_pause(), backoff.next_pause(), backoff.next_pause(), backoff.next_pause()]
        };
        assert_ne!(pauses(), pauses());
    }

    #[test]
    fn a_server_that_stays_away_is_tried_ever_less_often_but_at_least_every_five_seconds() {
        assert!(reconnect(1) <= Duration::from_millis(100));
        for attempt in [8, 20, 1_000_000] {
            let pause = reconnect(attempt);
            assert!(pause >= Duration::from_millis(2_500) && pause <= Duration::from_secs(5), "{attempt}: {pause:?}");
        }
    }
}
