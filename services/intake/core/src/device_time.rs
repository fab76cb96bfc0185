//! The time that counts for what a device reports. A device's clock may be wrong: its offset is estimated from the instant at which it
//! says that it sends, and the time it claims is corrected by that. It is never refused; beyond a tolerance it is marked and shown.

use dafei_kernel::time::{EARLIEST, Instant};

/// How far a device's clock may be off before that is shown: 5 minutes, in microseconds.
const TOLERANCE: i64 = 5 * 60 * 1_000_000;

/// How old a claimed time may be that no offset vouches for, before it is marked: 31 days, in microseconds. A device that lost its
/// clock starts again in 1970.
const BELIEVABLE: i64 = 31 * 24 * 3_600 * 1_000_000;

/// What a device says of its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceTimes {
    /// When it happened, by the device's clock; none when the server's time counts.
    pub happened: Option<Instant>,
    /// What the device's clock showed when it sent this; none when its offset is unknown.
    pub sent: Option<Instant>,
}

/// The time that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrected {
    /// When it happened: the claimed time less the device's offset, never later than the reception, and never before the year 1, which a device's
    /// clock in a far future would come to.
    pub at: Instant,
    /// Whether the device's clock was off beyond the tolerance.
    pub skewed: bool,
}

/// Corrects a device's time for its offset (clause C2, clock V1).
#[must_use]
pub fn correct(device: DeviceTimes, received: Instant) -> Corrected {
    let received_us = received.as_microsecond();
    let offset = offset(device, received);
    let off = offset.is_some_and(|offset| offset.unsigned_abs() > TOLERANCE.unsigned_abs());
    let Some(happened) = device.happened else {
        return Corrected { at: received, skewed: off };
    };
    let claimed = happened.as_microsecond().saturating_sub(offset.unwrap_or(0));
    let unvouched = offset.is_none()
        && (claimed > received_us.saturating_add(TOLERANCE) || claimed < received_us.saturating_sub(BELIEVABLE));
    Corrected { at: instant(claimed.min(received_us)).max(EARLIEST), skewed: off || unvouched }
}

/// How far the device's clock was ahead of the suite's when it sent, in microseconds, negative when behind; none when it is unknown.
#[must_use]
pub fn offset(device: DeviceTimes, received: Instant) -> Option<i64> {
    device.sent.map(|sent| sent.as_microsecond().saturating_sub(received.as_microsecond()))
}

fn instant(micros: i64) -> Instant {
    Instant::from_microsecond(micros).unwrap_or(Instant::MIN)
}

#[cfg(test)]
mod tests {
    use dafei_kernel::time::Instant;
    use proptest::prelude::*;

    use super::{Corrected, DeviceTimes, EARLIEST, correct};

    fn at(text: &str) -> Instant {
        text.parse().expect("an instant")
    }

    fn corrected(happened: Option<&str>, sent: Option<&str>) -> Corrected {
        let device = DeviceTimes { happened: happened.map(at), sent: sent.map(at) };
        correct(device, at("2026-11-23T12:00:00Z"))
    }

    #[test]
    fn the_server_time_counts_when_the_device_says_nothing() {
        assert_eq!(corrected(None, None), Corrected { at: at("2026-11-23T12:00:00Z"), skewed: false });
        assert!(corrected(None, Some("2026-11-23T13:00:00Z")).skewed);
    }

    #[test]
    fn a_device_that_is_an_hour_ahead_is_corrected_and_marked() {
        let found = corrected(Some("2026-11-23T12:30:00Z"), Some("2026-11-23T13:00:00Z"));
        assert_eq!(found, Corrected { at: at("2026-11-23T11:30:00Z"), skewed: true });
    }

    #[test]
    fn five_minutes_are_tolerated_and_one_microsecond_more_is_marked() {
        assert!(!corrected(Some("2026-11-23T11:00:00Z"), Some("2026-11-23T12:05:00Z")).skewed);
        assert!(corrected(Some("2026-11-23T11:00:00Z"), Some("2026-11-23T12:05:00.000001Z")).skewed);
        assert!(!corrected(Some("2026-11-23T11:00:00Z"), Some("2026-11-23T11:55:00Z")).skewed);
        assert!(corrected(Some("2026-11-23T11:00:00Z"), Some("2026-11-23T11:54:59.999999Z")).skewed);
    }

    #[test]
    fn without_an_offset_a_time_ahead_counts_as_the_reception_and_is_marked() {
        let found = corrected(Some("2026-11-24T12:00:00Z"), None);
        assert_eq!(found, Corrected { at: at("2026-11-23T12:00:00Z"), skewed: true });
        assert!(!corrected(Some("2026-11-23T12:04:00Z"), None).skewed);
    }

    #[test]
    fn a_device_that_lost_its_clock_is_marked() {
        assert!(corrected(Some("1970-01-01T00:00:05Z"), None).skewed);
        let with_offset = corrected(Some("1970-01-01T00:00:05Z"), Some("1970-01-01T00:00:15Z"));
        assert_eq!(with_offset, Corrected { at: at("2026-11-23T11:59:50Z"), skewed: true });
    }

    #[test]
    fn a_device_whose_clock_is_in_a_far_future_brings_nothing_before_the_year_1() {
        let found = corrected(Some("2026-11-23T11:00:00Z"), Some("9999-12-30T00:00:00Z"));
        assert_eq!(found, Corrected { at: EARLIEST, skewed: true });
    }

    proptest! {
        #[test]
        fn whatever_a_device_says_the_time_is_never_later_than_its_reception(
            happened in proptest::option::of(any::<i64>()),
            sent in proptest::option::of(any::<i64>()),
            received in 0_i64..4_000_000_000_000_000,
        ) {
            let clip = |us: i64| Instant::from_microsecond(us).unwrap_or(if us < 0 { Instant::MIN } else { Instant::MAX });
            let received = clip(received);
            let found = correct(DeviceTimes { happened: happened.map(clip), sent: sent.map(clip) }, received);
            prop_assert!(found.at >= EARLIEST && found.at <= received);
            prop_assert!(happened.is_some() || found.at == received);
        }
    }
}
