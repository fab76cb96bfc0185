//! Instants and civil dates. Instants have microseconds, as PostgreSQL keeps them; civil dates are those of Asia/Shanghai.

use std::{fmt, str::FromStr};

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time},
    tz::Offset,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time.
pub type Instant = Timestamp;

/// The first instant of the year 1: what lies before it nobody means, and PostgreSQL may not know. The last one that an [`Instant`] can be is in 9999.
pub const EARLIEST: Instant = Instant::constant(-62_135_596_800, 0);

/// Asia/Shanghai has been UTC+8 without changes since 1991.
pub const UTC_OFFSET_HOURS: i8 = 8;

const OFFSET: Offset = Offset::constant(UTC_OFFSET_HOURS);

/// The instant without what is below a microsecond.
#[must_use]
pub fn truncate_micros(at: Instant) -> Instant {
    Instant::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// The full hour at or before an instant, in Asia/Shanghai as in UTC: all that is kept of when a tip came (clause D2).
#[must_use]
pub fn truncate_hour(at: Instant) -> Instant {
    let hours = at.as_microsecond().div_euclid(3_600_000_000);
    Instant::from_second(hours * 3_600).unwrap_or(Instant::MIN)
}

/// The civil date of an instant.
#[must_use]
pub fn civil_date(at: Instant) -> Date {
    OFFSET.to_datetime(at).date()
}

/// The civil date and time of day of an instant.
#[must_use]
pub fn civil_time(at: Instant) -> (Date, Time) {
    let civil = OFFSET.to_datetime(at);
    (civil.date(), civil.time())
}

/// 00:00 of a civil date.
#[must_use]
pub fn start_of_day(date: Date) -> Instant {
    OFFSET.to_timestamp(date.to_datetime(Time::midnight())).unwrap_or(Instant::MAX)
}

/// 24:00 of a civil date: the next midnight.
#[must_use]
pub fn end_of_day(date: Date) -> Instant {
    start_of_day(date).checked_add(SignedDuration::from_hours(24)).unwrap_or(Instant::MAX)
}

/// An instant as a clerk reads it, in Asia/Shanghai: `2026-11-23 20:15:03`.
#[must_use]
pub fn format_local(at: Instant) -> String {
    OFFSET.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A civil month in Asia/Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    year: i16,
    month: i8,
}

/// The text is no month of the form `2026-11`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no month of the form 2026-11")]
pub struct MonthError(String);

impl Month {
    /// A month of a year 1 to 9999.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn new(year: i16, month: i8) -> Result<Self, MonthError> {
        match Date::new(year, month, 1) {
            Ok(_) if (1..9999).contains(&year) => Ok(Self { year, month }),
            _ => Err(MonthError(format!("{year}-{month}"))),
        }
    }

    /// The month of an instant.
    #[must_use]
    pub fn of(at: Instant) -> Self {
        let date = civil_date(at);
        Self { year: date.year(), month: date.month() }
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub const fn month(self) -> i8 {
        self.month
    }

    /// 00:00 of its first day.
    #[must_use]
    pub fn first_instant(self) -> Instant {
        Date::new(self.year, self.month, 1).map_or(Instant::MAX, start_of_day)
    }

    /// 24:00 of its last day: the first instant that is no longer in it.
    #[must_use]
    pub fn end_instant(self) -> Instant {
        self.next().first_instant()
    }

    /// The month after.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { year: self.year, month: self.month + 1 }
        }
    }

    /// The month before.
    #[must_use]
    pub const fn prev(self) -> Self {
        if self.month == 1 {
            Self { year: self.year - 1, month: 12 }
        } else {
            Self { year: self.year, month: self.month - 1 }
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        let wrong = || MonthError(text.to_owned());
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        if year.len() != 4 || month.len() != 2 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return Err(wrong());
        }
        Self::new(year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?).map_err(|_| wrong())
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::{Instant, Month, civil_date, end_of_day, format_local, start_of_day, truncate_hour, truncate_micros};

    fn at(text: &str) -> Instant {
        text.parse().expect("an instant")
    }

    #[test]
    fn a_civil_day_begins_at_four_in_the_afternoon_of_utc() {
        assert_eq!(civil_date(at("2026-11-23T15:59:59.999999Z")), date(2026, 11, 23));
        assert_eq!(civil_date(at("2026-11-23T16:00:00Z")), date(2026, 11, 24));
        assert_eq!(start_of_day(date(2026, 11, 24)), at("2026-11-23T16:00:00Z"));
        assert_eq!(end_of_day(date(2026, 11, 24)), start_of_day(date(2026, 11, 25)));
    }

    #[test]
    fn a_clerk_reads_local_time() {
        assert_eq!(format_local(at("2026-11-23T12:15:03.9Z")), "2026-11-23 20:15:03");
    }

    #[test]
    fn nothing_below_a_microsecond_is_kept() {
        assert_eq!(truncate_micros(at("2026-11-23T12:15:03.123456789Z")), at("2026-11-23T12:15:03.123456Z"));
    }

    #[test]
    fn nothing_below_an_hour_is_kept_of_what_is_cut_to_the_hour() {
        assert_eq!(truncate_hour(at("2026-11-23T12:59:59.999999999Z")), at("2026-11-23T12:00:00Z"));
        assert_eq!(truncate_hour(at("2026-11-23T12:00:00Z")), at("2026-11-23T12:00:00Z"));
        assert_eq!(truncate_hour(at("1969-12-31T23:59:59.5Z")), at("1969-12-31T23:00:00Z"));
    }

    #[test]
    fn a_month_ends_where_the_next_begins_also_over_new_year() {
        let december: Month = "2026-12".parse().expect("a month");
        assert_eq!(december.end_instant(), at("2026-12-31T16:00:00Z"));
        assert_eq!(december.next().to_string(), "2027-01");
        assert_eq!(december.next().prev(), december);
        assert_eq!(Month::of(december.first_instant()), december);
        assert_ne!(Month::of(december.end_instant()), december);
    }

    #[test]
    fn what_is_not_written_like_a_month_is_refused() {
        for text in ["2026-13", "2026-00", "2026-1", "26-01", "0000-01", "2026-1-", "２０２６-01", ""] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        assert_eq!(Month::of(Instant::MAX).end_instant(), Instant::MAX);
        assert_eq!(end_of_day(date(9999, 12, 31)), Instant::MAX);
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_its_day_and_month(micros in -2_000_000_000_000_000_i64..4_000_000_000_000_000) {
            let at = Instant::from_microsecond(micros).expect("in range");
            let day = civil_date(at);
            prop_assert!(start_of_day(day) <= at && at < end_of_day(day));
            let month = Month::of(at);
            prop_assert!(month.first_instant() <= at && at < month.end_instant());
            prop_assert_eq!(month.to_string().parse::<Month>().expect("a month"), month);
        }
    }
}
