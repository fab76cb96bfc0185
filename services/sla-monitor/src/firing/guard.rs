//! A machine's clock that jumps ahead, kept from making anybody late ([`Steady`]).

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use dafei_kernel::{clock::SharedClock, time::Instant};
use dafei_sla_core::steady::Steady;

/// How much of the clock is believed, by whatever goes by limits. An exercise's clock is meant to jump and has none.
pub struct Guard {
    clock: SharedClock,
    steady: Mutex<Steady>,
    /// The time that has gone by, whatever the clock says.
    gone_by: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl Guard {
    /// Believes of a clock what `gone_by` bears out: the time since some beginning, which never goes back.
    #[must_use]
    pub fn new(clock: SharedClock, gone_by: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { clock, steady: Mutex::default(), gone_by: Box::new(gone_by) }
    }

    /// The instant to go by.
    pub fn now(&self) -> Instant {
        let mut steady = self.steady.lock().unwrap_or_else(PoisonError::into_inner);
        // Both are read here, one right after the other: of a clock that was read earlier the difference would be taken for a jump later.
        let (clock, gone_by) = (self.clock.now(), (self.gone_by)());
        let held = steady.is_held();
        let now = steady.observe(clock, gone_by);
        if steady.is_held() && !held {
            tracing::error!(%clock, believed = %now, "the machine's clock has jumped ahead: nothing is announced by it until it has stood");
        }
        now
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("steady", &self.steady).finish_non_exhaustive()
    }
}
