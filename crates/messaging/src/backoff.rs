//! Pauses between tries that double up to a cap, with jitter so that replicas do not knock together.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The state of one series of tries.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// For loops that never give up: 50 ms up to `cap`.
    pub(crate) fn up_to(cap: Duration) -> Self {
        Self { first: Duration::from_millis(50), cap, attempt: 0 }
    }

    /// For commands whose callers wait.
    pub(crate) fn for_batches() -> Self {
        Self { first: Duration::from_millis(5), cap: Duration::from_millis(500), attempt: 0 }
    }

    /// The next pause: between half and all of the doubled one.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1_u32 << self.attempt.min(20)).min(self.cap);
        self.attempt = self.attempt.saturating_add(1);
        // A fresh RandomState has fresh keys: randomness enough for jitter, without a generator to pass around.
        let jitter = f64::from(RandomState::new().hash_one(self.attempt) as u32) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + jitter / 2.0)
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }
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
}
