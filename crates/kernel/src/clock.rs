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

    /// Moves on (or back).
    pub fn advance(&self, by: SignedDuration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ControlledClock {
    fn now(&self) -> Instant {
        Instant::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap_or(Instant::MAX)
    }
}
