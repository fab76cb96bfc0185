//! Fixed deadlines around the festivals of 2026, and the rule against an oracle that shares no code with it.

use jiff::{
    SignedDuration,
    civil::{Date, date},
};
use proptest::prelude::*;

use super::{BUILTIN, Calendar, Deadline, Skipped};
use crate::time::{Instant, end_of_day, start_of_day};

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

#[test]
fn the_day_of_the_start_ends_at_local_midnight() {
    let calendar = Calendar::builtin();
    let due = |start: &str| {
        let start: Instant = start.parse().expect("an instant");
        calendar.deadline_after(start, 5).due.to_string()
    };
    // Monday 2026-11-23, at its last microsecond, and Tuesday, at 00:00.
    assert_eq!(due("2026-11-23T15:59:59.999999Z"), "2026-11-30T16:00:00Z");
    assert_eq!(due("2026-11-23T16:00:00Z"), "2026-12-01T16:00:00Z");
}

#[test]
fn what_was_not_counted_is_named_with_its_reason() {
    let friday: Instant = "2026-02-13T02:00:00Z".parse().expect("an instant");
    let deadline = Calendar::builtin().deadline_after(friday, 2);
    // The make-up Saturday counts; then nine days of festival, of which some are weekend days, too.
    assert_eq!(deadline.counted, [date(2026, 2, 14), date(2026, 2, 24)]);
    assert_eq!(deadline.skipped.len(), 9);
    assert!(deadline.skipped.iter().all(|day| day.reason == "春节"));
    let weekend = Calendar::builtin().deadline_after(start_of_day(date(2026, 11, 20)), 1);
    let skipped = |day| Skipped { date: date(2026, 11, day), reason: "周末".to_owned() };
    assert_eq!(weekend.skipped, [skipped(21), skipped(22)]);
}

#[test]
fn make_up_days_are_workdays_and_festival_weekdays_are_not() {
    let calendar = Calendar::builtin();
    for day in [date(2026, 2, 14), date(2026, 2, 28), date(2026, 9, 20), date(2026, 10, 10)] {
        assert!(calendar.is_workday(day), "{day}");
    }
    for day in [date(2026, 2, 16), date(2026, 10, 1), date(2026, 11, 21)] {
        assert!(!calendar.is_workday(day), "{day}");
    }
}

#[test]
fn the_coverage_is_used_to_its_last_day() {
    let calendar = Calendar::builtin();
    assert_eq!(calendar.version(), "cn-2026.1");
    assert_eq!(calendar.covered_through(), date(2026, 12, 31));
    let last = calendar.nth_workday_after(date(2026, 12, 30), 1);
    assert_eq!(last, Deadline { date: date(2026, 12, 31), provisional: false });
    assert!(calendar.nth_workday_after(date(2026, 12, 31), 1).provisional);
}

#[test]
fn zero_working_days_end_with_the_day_of_the_start_and_too_many_with_the_last_year() {
    let calendar = Calendar::builtin();
    let sunday = date(2026, 11, 22);
    assert_eq!(calendar.nth_workday_after(sunday, 0).date, sunday);
    let end = calendar.nth_workday_after(date(9999, 12, 1), u32::MAX);
    assert_eq!(end.date, date(9999, 12, 31));
    assert!(end.provisional);
}

#[test]
fn a_file_from_a_spreadsheet_is_read() {
    let text = BUILTIN.replace('\n', "\r\n");
    assert_eq!(Calendar::parse(&format!("\u{feff}{text}")), Ok(Calendar::builtin()));
}

#[test]
fn a_head_that_stands_twice_and_a_day_without_its_festival_are_refused() {
    let head = "# version: t\n# covered_through: 2026-12-31\n";
    for rest in
        ["# version: u", "# covered_through: 2027-12-31", "2026-01-01,off,", "2026-01-01,off", "2026-02-30,off,春节"]
    {
        let error = Calendar::parse(&format!("{head}{rest}")).expect_err("refused");
        assert_eq!(error.line, 3, "{rest}: {error}");
    }
}

/// Whether a day is a working day, from the text of the file and the day of the week counted from Thursday 1970-01-01.
fn oracle_is_workday(day: Date) -> bool {
    let named = |kind: &str| BUILTIN.lines().any(|line| line.starts_with(&format!("{day},{kind},")));
    let since_epoch = day.duration_since(date(1970, 1, 1)).as_hours() / 24;
    let weekday = (since_epoch + 3).rem_euclid(7); // Monday is 0.
    named("work") || (weekday < 5 && !named("off"))
}

proptest! {
    #[test]
    fn a_deadline_is_what_counting_day_by_day_gives(day in 0_i32..2_400, hour in 0_i64..24, days in 0_u32..30) {
        let calendar = Calendar::builtin();
        let first = date(2020, 1, 1).checked_add(jiff::Span::new().days(day)).expect("in range");
        let start = start_of_day(first).checked_add(SignedDuration::from_hours(hour)).expect("in range");
        let deadline = calendar.deadline_after(start, days);
        let (mut left, mut cursor, mut off) = (days, first, 0);
        while left > 0 {
            cursor = cursor.tomorrow().expect("in range");
            if oracle_is_workday(cursor) { left -= 1 } else { off += 1 }
        }
        prop_assert_eq!(deadline.due, end_of_day(cursor));
        prop_assert_eq!(deadline.counted.len(), days as usize);
        prop_assert_eq!(deadline.skipped.len(), off);
        prop_assert_eq!(calendar.nth_workday_after(first, days).date, cursor);
    }
}

mod oracle;
