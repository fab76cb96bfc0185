//! Days counted by hand: the model's own reading of the calendar's file and of dates.

use std::collections::BTreeMap;

use super::{DAY, HOUR, Micros};

/// Shanghai is eight hours ahead of UTC, all year.
const OFFSET: Micros = 8 * HOUR;

/// Which days people work.
pub(crate) struct Workdays {
    /// What differs from Monday to Friday, by the number of the day since 1970.
    listed: BTreeMap<i64, bool>,
}

impl Workdays {
    /// Those of the shipped calendar.
    pub(crate) fn read() -> Self {
        let text = include_str!("../../../../../data/calendar/cn-2020-2026.csv");
        let mut listed = BTreeMap::new();
        for line in text.lines() {
            let cells: Vec<&str> = line.split(',').collect();
            match cells[..] {
                [date, "off", _] => listed.insert(day_number(date), false),
                [date, "work", _] => listed.insert(day_number(date), true),
                _ => None,
            };
        }
        assert!(listed.len() > 100, "the calendar was read");
        Self { listed }
    }

    fn is_workday(&self, day: i64) -> bool {
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        self.listed.get(&day).copied().unwrap_or(weekday < 5)
    }

    /// 24:00 of the n-th working day after the day of `from`.
    pub(crate) fn end_of(&self, from: Micros, days: i64) -> Micros {
        let mut day = day_of(from);
        let mut left = days;
        while left > 0 {
            day += 1;
            if self.is_workday(day) {
                left -= 1;
            }
        }
        midnight_after(day)
    }
}

/// The day since 1970 of `2026-02-17`, counted year by year and month by month.
fn day_number(date: &str) -> i64 {
    let parts: Vec<i64> = date.split('-').map(|part| part.parse().unwrap()).collect();
    let [year, month, day] = parts[..] else { panic!("{date:?} is no date") };
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let months = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + months[..usize::try_from(month - 1).unwrap()].iter().sum::<i64>() + day - 1
}

fn day_of(at: Micros) -> i64 {
    (at + OFFSET).div_euclid(DAY)
}

/// The instant of a local date's first moment.
pub(crate) fn start_of(date: &str) -> Micros {
    day_number(date) * DAY - OFFSET
}

fn midnight_after(day: i64) -> Micros {
    (day + 1) * DAY - OFFSET
}

/// 24:00 of the n-th day after the day of `from`.
pub(crate) fn end_of_day(from: Micros, days: i64) -> Micros {
    midnight_after(day_of(from) + days)
}

/// Whether an instant is of a Monday.
pub(crate) fn is_monday(at: Micros) -> bool {
    (day_of(at) + 3).rem_euclid(7) == 0
}
