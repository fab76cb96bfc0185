//! Public tips (clause D2): what the public and the telephone's clerks do (`entrance`), what the units that handle tips do (`desk`), and the
//! timer between the two (`release`).

mod desk;
mod entrance;
mod release;

use std::{num::NonZeroU32, time::Duration};

use dafei_intake_core::tip::Delay;
use dafei_runtime::status::Fault;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

pub(crate) use desk::{Linking, absent, forward, link, verify};
pub(crate) use entrance::{NewTip, status, submit};
pub use release::TipRelease;

/// When somebody who was one too many may come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How the entrance is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TipSettings {
    /// How long a tip waits before anybody sees it.
    pub delay: Delay,
    /// Tips that the public may send, a minute, all together: nothing is kept by which senders could be told apart.
    pub submits_per_minute: NonZeroU32,
    /// Questions that the public may ask (codes, states), a minute, all together.
    pub asks_per_minute: NonZeroU32,
}

/// The entrance of tips.
#[derive(Debug)]
pub struct Tips {
    delay: Delay,
    submits: DefaultDirectRateLimiter,
    asks: DefaultDirectRateLimiter,
}

impl Tips {
    /// The entrance as it is set.
    #[must_use]
    pub fn new(settings: TipSettings) -> Self {
        Self {
            delay: settings.delay,
            submits: RateLimiter::direct(Quota::per_minute(settings.submits_per_minute)),
            asks: RateLimiter::direct(Quota::per_minute(settings.asks_per_minute)),
        }
    }

    /// Room for one more tip.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub(crate) fn admit_submit(&self) -> Result<(), Fault> {
        admit(&self.submits)
    }

    /// Room for one more question.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`.
    pub(crate) fn admit_ask(&self) -> Result<(), Fault> {
        admit(&self.asks)
    }
}

fn admit(limiter: &DefaultDirectRateLimiter) -> Result<(), Fault> {
    limiter.check().map_err(|_| Fault::ResourceExhausted { retry_after: RETRY_AFTER })
}
