//! The check of stored inputs: what was computed agrees, and whatever is changed in it is found.

use dafei_kernel::{
    time::Instant,
    workdays::{Calendar, Skipped},
};
use dafei_sla_core::{
    Clock, Inputs, Limit,
    deadline::{Counted, check::verify, deadline, of_rule},
    rules::Warn,
};
use jiff::{SignedDuration, civil::Date};
use proptest::prelude::*;

use crate::{
    instants::{of_calendar, rows},
    support::{calendar, instant, rules},
};

/// Over National Day: 30 September, 8, 9, Saturday 10 and 12 October are counted, ten days are not.
fn national_day() -> Inputs {
    deadline(rules(), calendar(), Clock::K3, instant("2026-09-29T15:00:00+08:00")).inputs
}

fn of(clock: Clock) -> Inputs {
    deadline(rules(), calendar(), clock, instant("2026-11-26T10:00:00+08:00")).inputs
}

fn changed(mut inputs: Inputs, change: impl FnOnce(&mut Inputs)) -> Inputs {
    let before = inputs.clone();
    change(&mut inputs);
    assert_ne!(inputs, before, "the change changes nothing");
    inputs
}

fn days(inputs: &mut Inputs) -> &mut Counted {
    inputs.days.as_mut().unwrap()
}

/// The fields that are found without a calendar.
fn alone(inputs: &Inputs) -> Vec<&'static str> {
    verify(inputs, None).into_iter().map(|difference| difference.field).collect()
}

/// The fields that are found with the calendar.
fn checked(inputs: &Inputs) -> Vec<&'static str> {
    verify(inputs, Some(calendar())).into_iter().map(|difference| difference.field).collect()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn moved(at: &mut Instant, micros: i64) {
    *at = at.checked_add(SignedDuration::from_micros(micros)).unwrap();
}

#[test]
fn every_row_of_the_table_agrees_with_and_without_its_calendar() {
    for row in rows() {
        let inputs: Inputs = serde_json::from_str(&row.found().inputs.to_json()).unwrap();
        assert_eq!(verify(&inputs, None), [], "{}", row.place());
        let calendar = of_calendar(row.calendar, &row.place());
        assert_eq!(verify(&inputs, Some(calendar)), [], "{}", row.place());
    }
}

#[test]
fn a_tampered_instant_is_found_to_the_microsecond() {
    for clock in Clock::CASES {
        for micros in [-86_400_000_000, -1, 1, 86_400_000_000] {
            let inputs = changed(of(clock), |one| moved(&mut one.timing.due, micros));
            assert!(alone(&inputs).contains(&"timing.due"), "{clock}, {micros}");
            let inputs = changed(of(clock), |one| moved(&mut one.timing.warn_at, micros));
            assert_eq!(alone(&inputs), ["timing.warn_at"], "{clock}, {micros}");
            let inputs = changed(of(clock), |one| moved(&mut one.timing.started_at, micros));
            assert_eq!(alone(&inputs), ["timing.started_at"], "{clock}, {micros}");
            let inputs = changed(of(clock), |one| moved(&mut one.timing.first_reminder, micros));
            assert_eq!(checked(&inputs), ["timing.first_reminder"], "{clock}, {micros}");
        }
        let inputs = changed(of(clock), |one| one.timing.due_inclusive ^= true);
        assert_eq!(alone(&inputs), ["timing.due_inclusive"], "{clock}");
        let inputs = changed(of(clock), |one| one.provisional ^= true);
        assert_eq!(alone(&inputs), ["provisional"], "{clock}");
        let inputs = changed(of(clock), |one| one.rule_version.clear());
        assert_eq!(alone(&inputs), ["rule_version"], "{clock}");
    }
    // Without a calendar: no midnight, or too near.
    let inputs = changed(national_day(), |one| moved(&mut one.timing.first_reminder, 1));
    assert_eq!(alone(&inputs), ["timing.first_reminder"]);
    let inputs = changed(national_day(), |one| one.timing.first_reminder = one.timing.due);
    assert_eq!(alone(&inputs), ["timing.first_reminder"]);
}

#[test]
fn a_tampered_start_is_found() {
    for clock in Clock::CASES {
        let inputs = changed(of(clock), |one| {
            moved(&mut one.start, -86_400_000_000);
            one.timing.started_at = one.start;
        });
        assert!(!alone(&inputs).is_empty(), "{clock}");
    }
}

#[test]
fn a_day_that_was_taken_out_is_found() {
    let whole = national_day();
    let (counted, skipped) = whole.days.as_ref().map(|days| (days.counted.len(), days.skipped.len())).unwrap();
    assert_eq!((counted, skipped), (5, 8));
    for index in 0..counted {
        let inputs = changed(whole.clone(), |one| _ = days(one).counted.remove(index));
        let found = alone(&inputs);
        assert!(found.contains(&"days.counted"), "{index}: {found:?}");
        // Out of the middle it leaves a hole; at the end the limit is another.
        let told = if index + 1 < counted { "days" } else { "timing.due" };
        assert!(found.contains(&told), "{index}: {found:?}");
    }
    for index in 0..skipped {
        let inputs = changed(whole.clone(), |one| drop(days(one).skipped.remove(index)));
        assert_eq!(alone(&inputs), ["days"], "{index}");
    }
    let natural = changed(of(Clock::V4), |one| _ = days(one).counted.remove(1));
    assert_eq!(alone(&natural), ["days.counted", "days"]);
}

#[test]
fn a_day_that_stands_twice_or_outside_is_found() {
    let again = changed(national_day(), |one| {
        let first = days(one).counted[0];
        days(one).skipped.insert(0, Skipped { date: first, reason: "国庆节".to_owned() });
    });
    assert_eq!(alone(&again), ["days"]);
    let twice = changed(national_day(), |one| days(one).counted[1] = days(one).counted[0]);
    assert!(alone(&twice).contains(&"days.counted"));
    let swapped = changed(national_day(), |one| days(one).counted.swap(1, 2));
    assert_eq!(alone(&swapped), ["days.counted"]);
    let start = changed(national_day(), |one| {
        let skipped = Skipped { date: day("2026-09-29"), reason: "国庆节".to_owned() };
        days(one).skipped.insert(0, skipped);
    });
    assert_eq!(alone(&start), ["days"]);
    let after = changed(national_day(), |one| {
        let skipped = Skipped { date: day("2026-10-13"), reason: "国庆节".to_owned() };
        days(one).skipped.push(skipped);
    });
    assert_eq!(alone(&after), ["days.skipped"]);
    let far = changed(national_day(), |one| days(one).counted[4] = day("9999-12-30"));
    assert!(verify(&far, Some(calendar())).len() < 10, "a hole is told once, not day by day");
}

#[test]
fn a_holiday_that_is_counted_as_a_working_day_is_found_by_the_calendar() {
    // Consistent in itself: 1 October instead of 12, and all instants moved with it.
    let inputs = changed(national_day(), |one| {
        let days = days(one);
        days.counted = ["2026-09-30", "2026-10-01", "2026-10-08", "2026-10-09", "2026-10-10"].map(day).into();
        days.skipped.retain(|skipped| (day("2026-10-02")..day("2026-10-10")).contains(&skipped.date));
        one.timing.due = instant("2026-10-11T00:00:00+08:00");
        one.timing.warn_at = instant("2026-10-10T00:00:00+08:00");
    });
    assert_eq!(alone(&inputs), [""; 0]);
    let found = verify(&inputs, Some(calendar()));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].to_string(), "days.counted：存储为计入2026-10-01，推算应为不计（国庆节）");
}

#[test]
fn a_working_day_that_is_left_out_is_found_by_the_calendar() {
    // The make-up Saturday called a weekend, and a day more instead.
    let inputs = changed(national_day(), |one| {
        let days = days(one);
        days.counted = ["2026-09-30", "2026-10-08", "2026-10-09", "2026-10-12", "2026-10-13"].map(day).into();
        days.skipped.insert(7, Skipped { date: day("2026-10-10"), reason: "周末".to_owned() });
        one.timing.due = instant("2026-10-14T00:00:00+08:00");
        one.timing.warn_at = instant("2026-10-13T00:00:00+08:00");
    });
    assert_eq!(alone(&inputs), [""; 0]);
    assert_eq!(checked(&inputs), ["days.skipped"]);
}

#[test]
fn a_reason_that_is_not_the_calendars_is_found() {
    let other = changed(national_day(), |one| days(one).skipped[0].reason = "中秋节".to_owned());
    assert_eq!((alone(&other), checked(&other)), (vec![], vec!["days.skipped"]));
    // 1 October 2026 is a Thursday.
    let weekend = changed(national_day(), |one| days(one).skipped[0].reason = "周末".to_owned());
    assert_eq!(alone(&weekend), ["days.skipped"]);
    let none = changed(national_day(), |one| days(one).skipped[0].reason.clear());
    assert_eq!(alone(&none), ["days.skipped"]);
}

#[test]
fn another_calendar_is_not_taken_for_the_one_that_was_counted_by() {
    let older = of_calendar("cn-2025", "");
    let found = verify(&national_day(), Some(older));
    assert_eq!(found.len(), 1, "nothing else is checked by it: {found:?}");
    assert_eq!(found[0].field, "days.calendar_version");
    assert_eq!(verify(&of(Clock::V1), Some(older)), [], "hours need none");
    let covered = changed(national_day(), |one| days(one).covered_through = Some(day("2027-12-31")));
    assert_eq!((alone(&covered), checked(&covered)), (vec![], vec!["days.covered_through"]));
    let uncovered = changed(national_day(), |one| days(one).covered_through = None);
    assert_eq!(alone(&uncovered), ["days.covered_through"]);
    let unnamed = changed(national_day(), |one| days(one).calendar_version.clear());
    assert_eq!(alone(&unnamed), ["days.calendar_version"]);
}

#[test]
fn a_limit_or_a_yellow_light_that_does_not_go_with_the_days_is_found() {
    let longer = changed(national_day(), |one| one.limit = Limit::WorkingDays(6));
    assert_eq!(alone(&longer), ["days.counted"]);
    let hours = changed(national_day(), |one| one.limit = Limit::Hours(5));
    assert!(alone(&hours).contains(&"days"));
    let missing = changed(national_day(), |one| one.days = None);
    assert_eq!(alone(&missing), ["days"]);
    for limit in [Limit::Hours(0), Limit::Days(u32::MAX), Limit::WorkingDays(u32::MAX)] {
        let absurd = changed(national_day(), |one| one.limit = limit);
        assert_eq!(checked(&absurd), ["limit"]);
    }
    for warn in [Warn::Percent(0), Warn::Percent(100), Warn::CountedDay(0), Warn::CountedDay(5)] {
        let absurd = changed(national_day(), |one| one.warn = warn);
        assert_eq!(alone(&absurd), ["warn"], "{warn:?}");
    }
    let earlier = changed(national_day(), |one| one.warn = Warn::CountedDay(3));
    assert_eq!(alone(&earlier), ["timing.warn_at"]);
    let natural = changed(of(Clock::V4), |one| days(one).calendar_version = "cn-2026.1".to_owned());
    assert_eq!(alone(&natural), ["days.calendar_version"]);
}

#[test]
fn a_difference_is_told_as_a_clerk_reads_it() {
    let inputs = changed(national_day(), |one| one.timing.due = instant("2026-10-13T12:00:00+08:00"));
    let told: Vec<String> = verify(&inputs, Some(calendar())).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["timing.due：存储为2026-10-13 12:00:00，推算应为2026-10-12 24:00"]);
}

proptest! {
    #[test]
    fn what_is_computed_agrees_with_the_check(
        micros in 1_577_808_000_000_000_i64..1_925_000_000_000_000,
        limit in prop_oneof![
            (1..3_000_u32).prop_map(Limit::Minutes), (1..300_u32).prop_map(Limit::Hours),
            (1..=60_u32).prop_map(Limit::Days), (1..=60_u32).prop_map(Limit::WorkingDays),
        ],
        percent in 1..=99_u8,
        counted in 1..60_u32,
    ) {
        let within = matches!(limit, Limit::WorkingDays(n) if counted < n);
        let warn = if within { Warn::CountedDay(counted) } else { Warn::Percent(percent) };
        let rule = dafei_sla_core::Rule { limit, warn, ..rules().rule(Clock::K3).clone() };
        let inputs = of_rule(&rule, "random", calendar(), Instant::from_microsecond(micros).unwrap()).inputs;
        prop_assert_eq!(verify(&inputs, None), vec![]);
        prop_assert_eq!(verify(&inputs, Some(calendar())), vec![]);
    }

    #[test]
    fn a_day_moved_from_one_list_to_the_other_is_found(pick in 0..13_usize) {
        let inputs = changed(national_day(), |one| {
            let days = days(one);
            match days.counted.get(pick).copied() {
                Some(date) => {
                    days.counted.remove(pick);
                    days.skipped.push(Skipped { date, reason: "国庆节".to_owned() });
                    days.skipped.sort();
                }
                None => {
                    days.counted.push(days.skipped.remove(pick - 5).date);
                    days.counted.sort();
                }
            }
        });
        prop_assert!(alone(&inputs).contains(&"days.counted"));
    }

    #[test]
    fn an_extreme_start_is_checked_without_a_panic(micros in any::<i64>()) {
        let start = Instant::from_microsecond(micros).unwrap_or(Instant::MAX);
        for clock in Clock::CASES {
            let inputs = deadline(rules(), calendar(), clock, start).inputs;
            drop(verify(&inputs, Some(&Calendar::builtin())));
        }
    }
}
