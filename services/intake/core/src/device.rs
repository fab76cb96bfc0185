//! Device times: a grid member's phone may have a wrong clock, and may send what it recorded hours ago. Its time is corrected, never refused.

use dafei_kernel::time::{Instant, truncate_micros};
use jiff::SignedDuration;

/// A device's clock may be off by so much without a remark.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// When something counts as made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrected {
    /// The device's time less the offset of its clock; never later than the reception.
    pub at: Instant,
    /// Whether the device's clock was off beyond [`TOLERANCE`].
    pub skewed: bool,
}

/// The instant that counts. `device_time` is what the device says of the act, `device_sent_at` its clock when it sent the call;
/// without the latter the offset is unknown and taken for none. A time that lies ahead shows a wrong clock, too.
#[must_use]
pub fn correct(device_time: Option<Instant>, device_sent_at: Option<Instant>, received_at: Instant) -> Corrected {
    let offset = device_sent_at.map_or(SignedDuration::ZERO, |sent| sent.duration_since(received_at));
    let claimed = device_time.unwrap_or(received_at);
    let corrected = match device_time {
        // An offset so large that the result falls out of time: then only the reception is known.
        Some(time) => time.checked_sub(offset).map_or(received_at, truncate_micros),
        None => received_at,
    };
    let ahead = if device_sent_at.is_none() { claimed.duration_since(received_at) } else { SignedDuration::ZERO };
    Corrected { at: corrected.min(received_at), skewed: offset.abs() > TOLERANCE || ahead > TOLERANCE }
}
