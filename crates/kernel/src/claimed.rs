//! Times that a clerk writes down after the fact: not ahead of the suite's clock, and not so far back that the entry is more likely a slip.

use jiff::SignedDuration;

use crate::time::Instant;

/// How far ahead a claimed time may lie: clocks differ a little.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How far back it may lie, in days: last year's paper can still be entered when a year is closed.
const OLDEST_DAYS: i64 = 400;

/// A time that is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("{}", self.code())]
pub enum Untimely {
    /// More than five minutes ahead.
    InFuture,
    /// More than 400 days ago.
    TooLongAgo,
}

impl Untimely {
    /// Stable code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InFuture => "TIME_IN_FUTURE",
            Self::TooLongAgo => "TOO_LONG_AGO",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::InFuture => "时间晚于当前时间五分钟以上",
            Self::TooLongAgo => "时间早于400天前，请核对",
        }
    }
}

/// Whether a claimed time is believed at `now`.
///
/// # Errors
/// When it lies ahead, or too far back.
pub fn check(claimed: Instant, now: Instant) -> Result<(), Untimely> {
    let ahead = claimed.duration_since(now);
    if ahead > AHEAD {
        Err(Untimely::InFuture)
    } else if ahead < SignedDuration::from_hours(-24 * OLDEST_DAYS) {
        Err(Untimely::TooLongAgo)
    } else {
        Ok(())
    }
}
