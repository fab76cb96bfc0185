//! The tables of fixed instants: limits over weekends, holidays, make-up workdays, the ends of months and years, the leap day, the end of a
//! calendar's coverage and the re-issue of its notice; and acts at the very limit.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use dafei_kernel::{time::Instant, workdays::Calendar};
use dafei_sla_core::{
    Clock, Deadline,
    deadline::{deadline, of_rule},
};

use crate::support::{calendar, rules};

const INSTANTS: &str = include_str!("../data/instants.csv");
const ACTS: &str = include_str!("../data/acts.csv");
const HEADER: &str = "clock,start,calendar,rules,warn_at,due,first_reminder,due_inclusive,provisional,reason";
/// The clocks of a case.
const CASE_CLOCKS: [&str; 12] = ["V1", "V2", "V3", "V4", "T1", "T2", "T3", "K1", "K2", "K3", "K4", "P1"];

/// What was known before a notice was issued, or issued again.
static OLDER: LazyLock<BTreeMap<&str, Calendar>> = LazyLock::new(|| {
    [
        ("cn-2020-first", include_str!("../data/calendars/cn-2020-first.csv")),
        ("cn-2024", include_str!("../data/calendars/cn-2024.csv")),
        ("cn-2025", include_str!("../data/calendars/cn-2025.csv")),
    ]
    .map(|(name, text)| (name, Calendar::parse(text).unwrap()))
    .into()
});

/// A row of the table of instants.
pub(crate) struct Row<'a> {
    /// Line in the file.
    line: usize,
    clock: &'a str,
    start: &'a str,
    pub(crate) calendar: &'a str,
    rules: &'a str,
    /// As written: yellow, limit, first reminder, inclusive, provisional.
    expected: [&'a str; 5],
    reason: &'a str,
}

pub(crate) fn rows() -> Vec<Row<'static>> {
    let row = |(index, text): (usize, &'static str)| {
        let line = index + 1;
        let cells: Vec<&str> = text.split(',').collect();
        let [clock, start, calendar, rules, warn_at, due, first_reminder, inclusive, provisional, reason] = cells[..]
        else {
            panic!("line {line} has not ten columns: {text}")
        };
        assert!(!reason.is_empty(), "line {line} gives no reason");
        let expected = [warn_at, due, first_reminder, inclusive, provisional];
        Row { line, clock, start, calendar, rules, expected, reason }
    };
    INSTANTS.lines().enumerate().skip(1).map(row).collect()
}

fn instant(text: &str, place: &str) -> Instant {
    assert!(text.ends_with("+08:00"), "{place}: {text:?} is not told in local time");
    text.parse().unwrap_or_else(|error| panic!("{place}: {text:?}: {error}"))
}

pub(crate) fn of_calendar(name: &str, place: &str) -> &'static Calendar {
    match name {
        "shipped" | "-" => calendar(),
        older => OLDER.get(older).unwrap_or_else(|| panic!("{place}: no calendar {older:?}")),
    }
}

impl Row<'_> {
    pub(crate) fn place(&self) -> String {
        format!("line {}, {} from {} ({})", self.line, self.clock, self.start, self.reason)
    }

    pub(crate) fn found(&self) -> Deadline {
        let place = self.place();
        let clock: Clock = self.clock.parse().unwrap_or_else(|error| panic!("{place}: {error}"));
        let (start, calendar) = (instant(self.start, &place), of_calendar(self.calendar, &place));
        match self.rules.strip_prefix("extended-") {
            None => {
                assert_eq!(self.rules, "shipped", "{place}: no such rules");
                deadline(rules(), calendar, clock, start)
            }
            Some(days) => {
                let rule = rules().rule(clock).extended(days.parse().unwrap());
                of_rule(&rule, rules().version(), calendar, start)
            }
        }
    }
}

#[test]
fn each_instant_of_the_table_is_as_written() {
    for row in rows() {
        let place = row.place();
        let [warn_at, due, first_reminder, inclusive, provisional] = row.expected;
        let found = row.found();
        let timing = found.timing();
        assert_eq!(timing.warn_at, instant(warn_at, &place), "yellow light, {place}");
        assert_eq!(timing.due, instant(due, &place), "limit, {place}");
        assert_eq!(timing.first_reminder, instant(first_reminder, &place), "first reminder, {place}");
        assert_eq!(yes(timing.due_inclusive), inclusive, "inclusive, {place}");
        assert_eq!(yes(found.inputs.provisional), provisional, "provisional, {place}");
        assert_eq!(found.calendar_version().is_empty(), row.calendar == "-", "calendar, {place}");
    }
}

const fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

#[test]
fn the_table_has_every_clock_of_a_case_and_no_row_twice() {
    assert_eq!(INSTANTS.lines().next(), Some(HEADER));
    let rows = rows();
    assert!(rows.len() >= 150, "only {} rows", rows.len());
    let clocks: BTreeSet<_> = rows.iter().map(|row| row.clock).collect();
    assert_eq!(clocks, BTreeSet::from(CASE_CLOCKS));
    let distinct: BTreeSet<_> = rows.iter().map(|row| (row.clock, row.start, row.calendar, row.rules)).collect();
    assert_eq!(distinct.len(), rows.len(), "a row stands twice");
}

#[test]
fn every_holiday_and_make_up_workday_of_the_shipped_calendar_is_met_by_a_row() {
    // What a row counts or leaves out, and the day of its start.
    let met: BTreeSet<String> = rows()
        .iter()
        .filter(|row| row.calendar == "shipped")
        .flat_map(|row| {
            let days = row.found().inputs.days.unwrap();
            let seen = days.counted.into_iter().chain(days.skipped.into_iter().map(|day| day.date));
            seen.map(|date| date.to_string()).chain([row.start[..10].to_owned()]).collect::<Vec<_>>()
        })
        .collect();
    let named =
        include_str!("../../../../../data/calendar/cn-2020-2026.csv").lines().filter(|line| line.starts_with("20"));
    let missed: Vec<&str> = named.map(|line| &line[..10]).filter(|date| !met.contains(*date)).collect();
    assert_eq!(missed, [""; 0]);
}

#[test]
fn a_notice_issued_later_moves_what_was_provisional() {
    let rows = rows();
    let newer: BTreeMap<_, _> = rows
        .iter()
        .filter(|row| row.calendar == "shipped")
        .map(|row| ((row.clock, row.start, row.rules), row))
        .collect();
    let pairs = rows.iter().filter(|row| OLDER.contains_key(row.calendar)).map(|row| {
        let later = newer.get(&(row.clock, row.start, row.rules));
        (row, *later.unwrap_or_else(|| panic!("{}: no row with the newer calendar", row.place())))
    });
    let (mut moved, mut same) = (BTreeSet::new(), BTreeSet::new());
    for (older, newer) in pairs {
        let [_, due, _, _, provisional] = older.expected;
        if due == newer.expected[1] {
            same.insert(older.calendar)
        } else {
            moved.insert((older.calendar, provisional))
        };
    }
    // A holiday that was made longer in the middle of its year moves deadlines that were not provisional.
    assert_eq!(moved, BTreeSet::from([("cn-2020-first", "no"), ("cn-2024", "yes"), ("cn-2025", "yes")]));
    assert!(same.contains("cn-2024") && same.contains("cn-2025"), "{same:?}");
}

#[test]
fn an_act_at_the_very_limit_is_in_time_for_hours_and_late_for_days() {
    assert_eq!(ACTS.lines().next(), Some("clock,start,act,late_seconds,reason"));
    let mut clocks = BTreeSet::new();
    for (index, text) in ACTS.lines().enumerate().skip(1) {
        let cells: Vec<&str> = text.split(',').collect();
        let [clock, start, act, late, reason] = cells[..] else { panic!("line {}: not five columns", index + 1) };
        let place = format!("line {}, {clock} from {start}, act {act} ({reason})", index + 1);
        clocks.insert(clock);
        let found = deadline(rules(), calendar(), clock.parse().unwrap(), instant(start, &place));
        let (act, late) = (instant(act, &place), late.parse::<i64>().unwrap());
        assert_eq!(found.timing().late_seconds(act), late, "{place}");
        assert_eq!(act >= found.timing().late_from(), late > 0, "{place}");
    }
    assert_eq!(clocks, BTreeSet::from(CASE_CLOCKS));
}
