//! No-disturb hours (免打扰): a light that can wait is told to systems at once and to people in the morning.

use dafei_kernel::time::{Instant, civil_time, start_of_day};
use jiff::{SignedDuration, civil::Time};

use crate::lights::Announcement;

/// Hours of the day in which people are not disturbed, in Asia/Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// They begin.
    pub from: Time,
    /// They end; on the next day where it is not after the beginning.
    pub until: Time,
}

impl Quiet {
    /// 22:00 to 07:00 (local default).
    pub const DEFAULT: Self = Self { from: Time::constant(22, 0, 0, 0), until: Time::constant(7, 0, 0, 0) };

    /// The end of the no-disturb hours that an instant lies in; none outside of them.
    #[must_use]
    pub fn end_after(&self, at: Instant) -> Option<Instant> {
        let (date, time) = civil_time(at);
        let over_midnight = self.from >= self.until;
        let lies_in =
            if over_midnight { time >= self.from || time < self.until } else { time >= self.from && time < self.until };
        let day = if over_midnight && time >= self.from { date.tomorrow().ok()? } else { date };
        let since_midnight = self.until.duration_since(Time::midnight());
        lies_in.then(|| start_of_day(day).checked_add(since_midnight).ok()).flatten()
    }

    /// Until when people are not to be told of a light that is announced at `now`; none when they are to be told at once. The yellow and the red
    /// light of a limit in hours are urgent: in the morning it would be too late to act.
    #[must_use]
    pub fn holds(&self, what: Announcement, limit_in_hours: bool, now: Instant) -> Option<Instant> {
        let urgent = limit_in_hours && matches!(what, Announcement::Warned | Announcement::Breached);
        if urgent { None } else { self.end_after(now) }
    }
}

/// The longest no-disturb hours that a rules file may ask for.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(12);

#[cfg(test)]
mod tests {
    use dafei_kernel::time::Instant;
    use jiff::civil::Time;

    use super::Quiet;
    use crate::{lights::Announcement, rules::Limit};

    fn at(time: &str) -> Instant {
        format!("2026-11-23T{time}+08:00").parse().expect("an instant")
    }

    fn end(quiet: Quiet, time: &str) -> Option<Instant> {
        quiet.end_after(at(time))
    }

    #[test]
    fn the_night_ends_in_the_morning() {
        let night = Quiet::DEFAULT;
        assert_eq!(end(night, "21:59:59.999999"), None);
        let morning = Some("2026-11-24T07:00:00+08:00".parse().expect("an instant"));
        assert_eq!(end(night, "22:00:00"), morning);
        assert_eq!(end(night, "00:00:00"), Some(at("07:00:00")));
        assert_eq!(end(night, "06:59:59"), Some(at("07:00:00")));
        assert_eq!(end(night, "07:00:00"), None);
    }

    #[test]
    fn hours_within_a_day_end_on_that_day() {
        let noon = Quiet { from: Time::constant(12, 0, 0, 0), until: Time::constant(14, 0, 0, 0) };
        assert_eq!(end(noon, "12:30:00"), Some(at("14:00:00")));
        assert_eq!(end(noon, "14:00:00"), None);
        assert_eq!(end(noon, "02:00:00"), None);
    }

    #[test]
    fn only_the_lights_of_limits_in_hours_wake_anybody() {
        let holds = |what, limit: Limit| Quiet::DEFAULT.holds(what, limit.is_inclusive(), at("23:00:00")).is_some();
        assert!(!holds(Announcement::Warned, Limit::Hours(1)));
        assert!(!holds(Announcement::Breached, Limit::Minutes(30)));
        assert!(holds(Announcement::Reminded { number: 1 }, Limit::Hours(1)));
        assert!(holds(Announcement::Breached, Limit::WorkingDays(5)));
        assert!(holds(Announcement::Warned, Limit::Days(3)));
    }
}
