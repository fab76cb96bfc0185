//! Chinese working days from a versioned calendar file: statutory holidays (off) and make-up workdays (调休上班, work).

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use crate::time::{Instant, civil_date, end_of_day};

/// The calendar that is shipped: 2020 to 2026.
const BUILTIN: &str = include_str!("../../../data/calendar/cn-2020-2026.csv");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Off,
    Work,
}

/// A calendar: what differs from "Monday to Friday are workdays", and until when that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    version: String,
    covered_through: Date,
    days: BTreeMap<Date, (Kind, String)>,
}

/// A calendar file that is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("calendar, line {line}: {reason}")]
pub struct CalendarError {
    /// Line, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// A day that was not counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skipped {
    /// The day.
    pub date: Date,
    /// Why, in Chinese: 周末 or the festival.
    pub reason: String,
}

/// A day some working days after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deadline {
    /// The last counted day.
    pub date: Date,
    /// As in [`WorkdayDeadline`].
    pub provisional: bool,
}

/// A deadline in working days.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkdayDeadline {
    /// 24:00 of the last counted day: exclusive.
    pub due: Instant,
    /// The counted days, in order.
    pub counted: Vec<Date>,
    /// The days between that were not counted.
    pub skipped: Vec<Skipped>,
    /// True when a day beyond the calendar's coverage was needed: to be computed again when the notice is loaded.
    pub provisional: bool,
}

impl Calendar {
    /// Reads a calendar file: `# version: …` and `# covered_through: YYYY-MM-DD`, then `date,kind,festival`.
    ///
    /// # Errors
    /// Names the line: a head that is missing or stands twice, a date twice or out of form, an unknown kind, a day without its festival, a
    /// make-up workday on a weekday, coverage that ends before the last day named.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let mut head = Head::default();
        let mut days = BTreeMap::new();
        let mut last_line = 0;
        // Spreadsheets put a byte order mark before the text.
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            last_line = at + 1;
            let wrong = |reason: String| CalendarError { line: last_line, reason };
            let line = line.trim();
            if let Some(comment) = line.strip_prefix('#') {
                head.read(comment.trim()).map_err(|reason| wrong(reason.to_owned()))?;
            } else if !line.is_empty() && line != "date,kind,festival" {
                let (date, day) = parse_day(line).map_err(wrong)?;
                if days.insert(date, day).is_some() {
                    return Err(wrong("the date stands twice".to_owned()));
                }
            }
        }
        let wrong = |reason: &str| CalendarError { line: last_line, reason: reason.to_owned() };
        let version = head.version.filter(|version| !version.is_empty()).ok_or_else(|| wrong("no version line"))?;
        let covered_through = head.covered_through.ok_or_else(|| wrong("no covered_through line"))?;
        if days.last_key_value().is_some_and(|(last, _)| *last > covered_through) {
            return Err(wrong("covered_through is before the last day named"));
        }
        Ok(Self { version, covered_through, days })
    }

    /// The calendar that is shipped with the suite.
    ///
    /// # Panics
    /// Never: a test reads the shipped file.
    #[must_use]
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).expect("the shipped calendar is tested")
    }

    /// Its version, kept in every deadline.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The last day for which the notices are known.
    #[must_use]
    pub const fn covered_through(&self) -> Date {
        self.covered_through
    }

    /// Whether a day is a working day.
    #[must_use]
    pub fn is_workday(&self, date: Date) -> bool {
        self.off_reason(date).is_none()
    }

    /// The days that are working days in one calendar and not in the other, in order.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Date> {
        let mut named: Vec<Date> = self.days.keys().chain(other.days.keys()).copied().collect();
        named.sort_unstable();
        named.dedup();
        named.retain(|date| self.is_workday(*date) != other.is_workday(*date));
        named
    }

    /// The text of the calendar that is shipped.
    #[must_use]
    pub const fn builtin_text() -> &'static str {
        BUILTIN
    }

    /// Why a day is off, in Chinese: 周末 or the festival; none for a working day.
    #[must_use]
    pub fn off_reason(&self, date: Date) -> Option<&str> {
        match self.days.get(&date) {
            Some((Kind::Off, festival)) => Some(festival),
            Some((Kind::Work, _)) => None,
            None if is_weekend(date) => Some("周末"),
            None => None,
        }
    }

    /// The `n`th working day after a day, which is itself not counted; the day itself for zero.
    #[must_use]
    pub fn nth_workday_after(&self, start: Date, n: u32) -> Deadline {
        self.count(start, n, |_, _| {})
    }

    /// Counts working days after `start` and shows each day with why it is off.
    fn count(&self, start: Date, n: u32, mut seen: impl FnMut(Date, Option<&str>)) -> Deadline {
        let mut date = start;
        let mut left = n;
        while left > 0 {
            // The calendar of years ends with 9999.
            let Ok(next) = date.tomorrow() else { break };
            date = next;
            let off = self.off_reason(date);
            left -= u32::from(off.is_none());
            seen(date, off);
        }
        Deadline { date, provisional: date > self.covered_through }
    }

    /// The deadline of a number of working days after a start (民法典 201-203): the day of the start is not counted, the deadline is 24:00
    /// at the end of the last counted day. Zero days end with the day of the start.
    #[must_use]
    pub fn deadline_after(&self, start: Instant, working_days: u32) -> WorkdayDeadline {
        let mut counted = Vec::new();
        let mut skipped = Vec::new();
        let last = self.count(civil_date(start), working_days, |date, off| match off {
            None => counted.push(date),
            Some(reason) => skipped.push(Skipped { date, reason: reason.to_owned() }),
        });
        WorkdayDeadline { due: end_of_day(last.date), counted, skipped, provisional: last.provisional }
    }
}

/// The head lines of a calendar file; other lines with `#` are comments.
#[derive(Default)]
struct Head {
    version: Option<String>,
    covered_through: Option<Date>,
}

impl Head {
    fn read(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(value) = line.strip_prefix("version:") {
            if self.version.replace(value.trim().to_owned()).is_some() {
                return Err("version stands twice");
            }
        } else if let Some(value) = line.strip_prefix("covered_through:") {
            let date = value.trim().parse().map_err(|_| "covered_through is no date")?;
            if self.covered_through.replace(date).is_some() {
                return Err("covered_through stands twice");
            }
        }
        Ok(())
    }
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn parse_day(line: &str) -> Result<(Date, (Kind, String)), String> {
    let fields: Vec<&str> = line.split(',').collect();
    let [date, kind, festival] = fields.as_slice() else {
        return Err("not three columns".to_owned());
    };
    let date: Date = date.parse().map_err(|_| format!("{date:?} is no date"))?;
    let kind = match *kind {
        "off" => Kind::Off,
        "work" if is_weekend(date) => Kind::Work,
        "work" => {
            return Err(format!("{date} is a weekday: it cannot be a make-up workday"));
        }
        other => return Err(format!("{other:?} is neither off nor work")),
    };
    if festival.trim().is_empty() {
        return Err(format!("{date} names no festival"));
    }
    Ok((date, (kind, festival.trim().to_owned())))
}

#[cfg(test)]
mod tests;
