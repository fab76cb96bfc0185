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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The day.
    pub date: Date,
    /// Why, in Chinese: 周末 or the festival.
    pub reason: String,
}

/// A deadline in working days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Names the line: a missing head, a date twice or out of form, an unknown kind, a make-up workday on a weekday, coverage that ends before
    /// the last day named.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let mut version = None;
        let mut covered_through = None;
        let mut days = BTreeMap::new();
        let mut last_line = 0;
        for (at, line) in text.lines().enumerate() {
            let line_no = at + 1;
            let wrong = |reason: &str| CalendarError { line: line_no, reason: reason.to_owned() };
            last_line = line_no;
            let line = line.trim();
            if let Some(head) = line.strip_prefix('#') {
                if let Some(value) = head.trim().strip_prefix("version:") {
                    version = Some(value.trim().to_owned());
                } else if let Some(value) = head.trim().strip_prefix("covered_through:") {
                    covered_through =
                        Some(value.trim().parse::<Date>().map_err(|_| wrong("covered_through is no date"))?);
                }
            } else if !line.is_empty() && line != "date,kind,festival" {
                let (date, day) = parse_day(line).map_err(|reason| wrong(&reason))?;
                if days.insert(date, day).is_some() {
                    return Err(wrong("the date stands twice"));
                }
            }
        }
        let missing = |what: &str| CalendarError { line: last_line, reason: format!("no {what} line") };
        let version = version.filter(|version| !version.is_empty()).ok_or_else(|| missing("version"))?;
        let covered_through = covered_through.ok_or_else(|| missing("covered_through"))?;
        if days.last_key_value().is_some_and(|(last, _)| *last > covered_through) {
            return Err(CalendarError {
                line: last_line,
                reason: "covered_through is before the last day named".to_owned(),
            });
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

    /// Why a day is off; none for a working day.
    fn off_reason(&self, date: Date) -> Option<String> {
        match self.days.get(&date) {
            Some((Kind::Off, festival)) => Some(festival.clone()),
            Some((Kind::Work, _)) => None,
            None if is_weekend(date) => Some("周末".to_owned()),
            None => None,
        }
    }

    /// The deadline of a number of working days after a start (民法典 201-203): the day of the start is not counted, the deadline is 24:00
    /// at the end of the last counted day. Zero days end with the day of the start.
    #[must_use]
    pub fn deadline_after(&self, start: Instant, working_days: u32) -> WorkdayDeadline {
        let mut date = civil_date(start);
        let mut counted = Vec::new();
        let mut skipped = Vec::new();
        while counted.len() < working_days as usize {
            let Ok(next) = date.tomorrow() else { break };
            date = next;
            match self.off_reason(date) {
                None => counted.push(date),
                Some(reason) => skipped.push(Skipped { date, reason }),
            }
        }
        WorkdayDeadline { due: end_of_day(date), counted, skipped, provisional: date > self.covered_through }
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
    Ok((date, (kind, (*festival).to_owned())))
}

#[cfg(test)]
mod tests {
    use jiff::{
        SignedDuration,
        civil::{Date, date},
    };
    use proptest::prelude::*;

    use super::Calendar;
    use crate::time::{end_of_day, start_of_day};

    fn due(start: Date, days: u32) -> Date {
        let noon = start_of_day(start).checked_add(SignedDuration::from_hours(12)).expect("in range");
        let deadline = Calendar::builtin().deadline_after(noon, days);
        assert_eq!(deadline.due, end_of_day(*deadline.counted.last().expect("counted")));
        *deadline.counted.last().expect("counted")
    }

    #[test]
    fn five_working_days_from_a_monday_end_the_next_monday() {
        assert_eq!(due(date(2026, 11, 23), 5), date(2026, 11, 30));
        assert_eq!(due(date(2026, 11, 27), 5), date(2026, 12, 4));
    }

    #[test]
    fn spring_festival_is_skipped_and_its_make_up_saturdays_are_counted() {
        // 2026: off 2-15 to 2-23, working Saturdays 2-14 and 2-28.
        assert_eq!(due(date(2026, 2, 11), 5), date(2026, 2, 25));
        assert_eq!(due(date(2026, 2, 23), 5), date(2026, 2, 28));
    }

    #[test]
    fn national_day_is_skipped() {
        // 9-30, then 10-8, 10-9, the make-up Saturday 10-10, and Monday 10-12.
        assert_eq!(due(date(2026, 9, 29), 5), date(2026, 10, 12));
    }

    #[test]
    fn beyond_the_coverage_a_deadline_is_provisional() {
        let late = start_of_day(date(2026, 12, 30));
        assert!(Calendar::builtin().deadline_after(late, 5).provisional);
        assert!(!Calendar::builtin().deadline_after(start_of_day(date(2026, 12, 20)), 5).provisional);
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line() {
        let head = "# version: t\n# covered_through: 2026-12-31\ndate,kind,festival\n";
        let line = |rest: &str| Calendar::parse(&format!("{head}{rest}")).map_err(|error| error.line);
        assert_eq!(line("2026-01-01,off,元旦\n2026-01-01,off,元旦"), Err(5));
        assert_eq!(line("2026-01-05,work,元旦"), Err(4));
        assert_eq!(line("2026-01-05,maybe,元旦"), Err(4));
        assert_eq!(line("2027-01-01,off,元旦"), Err(4));
        assert!(Calendar::parse("date,kind,festival\n").is_err());
    }

    proptest! {
        #[test]
        fn a_deadline_is_what_counting_day_by_day_gives(day in 0_i32..2_400, hour in 0_i64..24, days in 1_u32..30) {
            let calendar = Calendar::builtin();
            let first = date(2020, 1, 1).checked_add(jiff::Span::new().days(day)).expect("in range");
            let start = start_of_day(first).checked_add(SignedDuration::from_hours(hour)).expect("in range");
            let deadline = calendar.deadline_after(start, days);
            let mut left = days;
            let mut cursor = first;
            while left > 0 {
                cursor = cursor.tomorrow().expect("in range");
                if calendar.is_workday(cursor) { left -= 1; }
            }
            prop_assert_eq!(deadline.due, end_of_day(cursor));
            prop_assert_eq!(deadline.counted.len(), days as usize);
        }
    }
}
