//! The week of a patrol: Monday 00:00 to Sunday 24:00 in Asia/Shanghai (clause C1, 每周至少3次).

use dafei_kernel::time::{Instant, civil_date, start_of_day};
use jiff::{SignedDuration, ToSpan, civil::Date};

/// A civil week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Week(Date);

impl Week {
    /// The week of an instant.
    #[must_use]
    pub fn of(at: Instant) -> Self {
        let date = civil_date(at);
        let days = i64::from(date.weekday().to_monday_zero_offset());
        // Only the first days of the year -9999 have no Monday before them.
        Self(date.checked_sub(days.days()).unwrap_or(date))
    }

    /// Monday 00:00.
    #[must_use]
    pub fn start(self) -> Instant {
        start_of_day(self.0)
    }

    /// Sunday 24:00: the first instant that is no longer in it.
    #[must_use]
    pub fn end(self) -> Instant {
        self.start().checked_add(SignedDuration::from_hours(7 * 24)).unwrap_or(Instant::MAX)
    }
}

#[cfg(test)]
mod tests {
    use dafei_kernel::time::Instant;

    use super::Week;

    fn at(text: &str) -> Instant {
        text.parse().expect("an instant")
    }

    #[test]
    fn a_week_runs_from_monday_midnight_to_sunday_midnight_in_shanghai() {
        // 2026-11-23 is a Monday.
        let week = Week::of(at("2026-11-25T12:00:00+08:00"));
        assert_eq!(week.start(), at("2026-11-23T00:00:00+08:00"));
        assert_eq!(week.end(), at("2026-11-30T00:00:00+08:00"));
        assert_eq!(Week::of(week.start()), week);
        assert_eq!(Week::of(at("2026-11-29T23:59:59.999999+08:00")), week);
        assert_ne!(Week::of(week.end()), week);
        assert_ne!(Week::of(at("2026-11-22T23:59:59+08:00")), week);
    }

    #[test]
    fn the_ends_of_time_have_a_week() {
        assert!(Week::of(Instant::MIN).start() <= Week::of(Instant::MIN).end());
        assert!(Week::of(Instant::MAX).start() <= Instant::MAX);
    }
}
