//! Days counted by hand: the model's own reading of the calendar's file and of dates.

use std::collections::BTreeMap;

use super::{DAY, HOUR, Micros};

/// The calendar that is shipped.
pub(super) const SHIPPED: &str = include_str!("../../../../../data/calendar/cn-2020-2026.csv");

/// Shanghai is eight hours ahead of UTC, all year.
const OFFSET: Micros = 8 * HOUR;

/// Which days people work.
#[derive(Debug)]
pub(crate) struct Workdays {
    /// What differs from Monday to Friday, by the number of the day since 1970.
    listed: BTreeMap<i64, bool>,
}

impl Workdays {
    /// Those of a calendar's text.
    pub(crate) fn read(text: &str) -> Self {
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

    /// The first Monday to Friday on or after the day of `from` of which the calendar says nothing.
    pub(crate) fn ordinary_after(&self, from: Micros) -> String {
        let free = |day: &i64| weekday(*day) < 5 && !self.listed.contains_key(day);
        date((day_of(from)..).find(free).unwrap())
    }

    /// The first Saturday or Sunday after a date of which the calendar says nothing.
    pub(crate) fn free_after(&self, after: &str) -> String {
        let free = |day: &i64| weekday(*day) >= 5 && !self.listed.contains_key(day);
        date((day_number(after) + 1..).find(free).unwrap())
    }

    fn is_workday(&self, day: i64) -> bool {
        self.listed.get(&day).copied().unwrap_or(weekday(day) < 5)
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

/// From 0, a Monday; 1970-01-01 was a Thursday.
const fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
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

/// The date of a day since 1970, found by trying.
fn parts(day: i64) -> (i64, i64, i64) {
    let first = |year: i64, month: i64| day_number(&format!("{year}-{month}-1"));
    let year = (1970..).take_while(|year| first(*year, 1) <= day).last().unwrap();
    let month = (1..=12).take_while(|month| first(year, *month) <= day).last().unwrap();
    (year, month, day - first(year, month) + 1)
}

fn date(day: i64) -> String {
    let (year, month, day) = parts(day);
    format!("{year}-{month:02}-{day:02}")
}

/// The date of an instant, `2026-02-17`.
pub(crate) fn date_of(at: Micros) -> String {
    date(day_of(at))
}

/// A week, month or quarter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) name: String,
    /// Its first moment.
    pub(crate) start: Micros,
    /// The first moment after it.
    pub(crate) end: Micros,
}

/// The weeks that end after `start` and begin before `end`: from Monday, named by the year of their Thursday.
pub(crate) fn weeks(start: Micros, end: Micros) -> Vec<Period> {
    let monday = day_of(start) - weekday(day_of(start));
    let mondays = (0..).map(|week| monday + 7 * week).take_while(|monday| midnight_after(monday - 1) < end);
    let week = |monday: i64| {
        let (year, ..) = parts(monday + 3);
        let number = (monday + 3 - day_number(&format!("{year}-01-01"))) / 7 + 1;
        let start = midnight_after(monday - 1);
        Period { name: format!("{year}-W{number:02}"), start, end: start + 7 * DAY }
    };
    mondays.map(week).collect()
}

/// The months, or with `length` 3 the quarters, that end after `start` and begin before `end`.
pub(crate) fn months(start: Micros, end: Micros, length: i64) -> Vec<Period> {
    let first = |number: i64| start_of(&format!("{}-{}-1", number / 12, number % 12 + 1));
    let (year, month, _) = parts(day_of(start));
    let begin = (year * 12 + month - 1) / length * length;
    let numbers = (0..).map(|step| begin + step * length).take_while(|number| first(*number) < end);
    let period = |number: i64| {
        let (year, month) = (number / 12, number % 12);
        let name = if length == 3 { format!("{year}-Q{}", month / 3 + 1) } else { format!("{year}-{:02}", month + 1) };
        Period { name, start: first(number), end: first(number + length) }
    };
    numbers.map(period).collect()
}

/// The yellow light of a limit in days: three quarters of the time, but where there are three days and more the whole last one at the least.
pub(crate) const fn yellow(started: Micros, due: Micros) -> Micros {
    let (share, last_day) = (started + (due - started) * 3 / 4, due - DAY);
    if share > last_day && due - started > 2 * DAY { last_day } else { share }
}
