//! Periods in Asia/Shanghai: ISO weeks from Monday 00:00, months, quarters.

use std::{fmt, str::FromStr};

use crate::time::{Instant, civil_date, start_of_day};
use jiff::{
    Span,
    civil::{Date, ISOWeekDate, Weekday},
};

/// How periods follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cycle {
    /// Monday 00:00 to Sunday 24:00.
    Week,
    /// A civil month.
    Month,
    /// January to March, and so on.
    Quarter,
}

/// A week, month or quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period {
    cycle: Cycle,
    first: Date,
}

/// The text is no period of the form `2026-W48`, `2026-11` or `2026-Q4`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no period of the form 2026-W48, 2026-11 or 2026-Q4")]
pub struct PeriodError(String);

impl Cycle {
    /// The period in which an instant lies.
    #[must_use]
    pub fn of(self, at: Instant) -> Period {
        let date = civil_date(at);
        let month = |month: i8| Date::new(date.year(), month, 1).unwrap_or(date);
        let first = match self {
            Self::Week => date.saturating_sub(Span::new().days(i64::from(date.weekday().to_monday_zero_offset()))),
            Self::Month => month(date.month()),
            Self::Quarter => month((date.month() - 1) / 3 * 3 + 1),
        };
        Period { cycle: self, first }
    }

    fn length(self) -> Span {
        match self {
            Self::Week => Span::new().days(7),
            Self::Month => Span::new().months(1),
            Self::Quarter => Span::new().months(3),
        }
    }

    /// As a clerk reads it.
    #[must_use]
    pub const fn name_zh(self) -> &'static str {
        match self {
            Self::Week => "周",
            Self::Month => "月",
            Self::Quarter => "季度",
        }
    }
}

impl Period {
    /// Weeks, months or quarters.
    #[must_use]
    pub const fn cycle(self) -> Cycle {
        self.cycle
    }

    /// 00:00 of its first day.
    #[must_use]
    pub fn start(self) -> Instant {
        start_of_day(self.first)
    }

    /// 24:00 of its last day: the first instant that is no longer in it.
    #[must_use]
    pub fn end(self) -> Instant {
        self.next().start()
    }

    /// The first day after it.
    #[must_use]
    pub fn day_after(self) -> Date {
        self.next().first
    }

    /// Its first day.
    #[must_use]
    pub const fn first_day(self) -> Date {
        self.first
    }

    /// The one after.
    #[must_use]
    pub fn next(self) -> Self {
        Self { first: self.first.saturating_add(self.cycle.length()), ..self }
    }

    /// The one before.
    #[must_use]
    pub fn prev(self) -> Self {
        Self { first: self.first.saturating_sub(self.cycle.length()), ..self }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cycle {
            Cycle::Week => {
                let week = self.first.iso_week_date();
                write!(f, "{:04}-W{:02}", week.year(), week.week())
            }
            Cycle::Month => write!(f, "{:04}-{:02}", self.first.year(), self.first.month()),
            Cycle::Quarter => write!(f, "{:04}-Q{}", self.first.year(), (self.first.month() - 1) / 3 + 1),
        }
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        read(text).ok_or_else(|| PeriodError(text.chars().take(20).collect()))
    }
}

fn read(text: &str) -> Option<Period> {
    let (year, rest) = text.split_once('-')?;
    let number = |text: &str, digits: usize| -> Option<i16> {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    };
    // The last year has no next.
    let year = number(year, 4).filter(|year| (1..9999).contains(year))?;
    let day = |month: i16| Date::new(year, i8::try_from(month).ok()?, 1).ok();
    let (cycle, first) = if let Some(week) = rest.strip_prefix('W') {
        let week = i8::try_from(number(week, 2)?).ok()?;
        (Cycle::Week, ISOWeekDate::new(year, week, Weekday::Monday).ok()?.date())
    } else if let Some(quarter) = rest.strip_prefix('Q') {
        let quarter = number(quarter, 1).filter(|quarter| (1..=4).contains(quarter))?;
        (Cycle::Quarter, day((quarter - 1) * 3 + 1)?)
    } else {
        (Cycle::Month, day(number(rest, 2)?)?)
    };
    Some(Period { cycle, first })
}
