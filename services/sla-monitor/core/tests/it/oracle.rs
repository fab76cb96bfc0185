//! Limits of every kind, under random calendars, against a slow oracle: it knows days by their number since 1970-01-01 and counts one day, or one
//! minute, after the other.

use std::collections::BTreeMap;

use dafei_kernel::{time::Instant, workdays::Calendar};
use dafei_sla_core::{Clock, Inputs, Limit, Rule, deadline::of_rule, rules::Warn};
use proptest::prelude::*;

use crate::support::rules;

const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;
/// From UTC to Asia/Shanghai.
const EAST: i64 = 8 * 60 * MINUTE;
/// 2020-01-01 and 2031-01-01.
const FIRST: i64 = 18_262;
const LAST: i64 = 22_280;

/// Whether days differ from Monday to Friday: true for a make-up workday.
type Exceptions = BTreeMap<i64, bool>;

/// Year, month and day of a day's number.
fn civil(number: i64) -> String {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let (mut year, mut rest) = (1970, number);
    while rest >= 365 + i64::from(leap(year)) {
        rest -= 365 + i64::from(leap(year));
        year += 1;
    }
    let (mut month, february) = (1, 28 + i64::from(leap(year)));
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", rest + 1)
}

/// 1970-01-03 was a Saturday, day 2.
const fn is_weekend(number: i64) -> bool {
    (number + 5) % 7 < 2
}

fn text(exceptions: &Exceptions, covered: i64) -> String {
    let day = |(number, work): (&i64, &bool)| format!("{},{},节\n", civil(*number), if *work { "work" } else { "off" });
    let days: String = exceptions.iter().map(day).collect();
    format!("# version: random.1\n# covered_through: {}\n{days}", civil(covered))
}

/// Where a limit ends, the numbers of the days that it counts, and of those that it leaves out.
fn counted(limit: Limit, exceptions: &Exceptions, start: i64) -> (i64, Vec<i64>, Vec<i64>) {
    let (mut counted, mut skipped) = (Vec::new(), Vec::new());
    let minutes = match limit {
        Limit::Minutes(n) => n,
        Limit::Hours(n) => n * 60,
        Limit::Days(n) | Limit::WorkingDays(n) => {
            let mut day = (start + EAST) / DAY;
            while counted.len() < n as usize {
                day += 1;
                let works = exceptions.get(&day).copied().unwrap_or(!is_weekend(day));
                if works || matches!(limit, Limit::Days(_)) { counted.push(day) } else { skipped.push(day) }
            }
            return ((day + 1) * DAY - EAST, counted, skipped);
        }
    };
    ((0..minutes).fold(start, |at, _| at + MINUTE), counted, skipped)
}

fn limit() -> impl Strategy<Value = (Limit, Warn)> {
    let kinds: [fn(u32) -> Limit; 4] = [Limit::Minutes, Limit::Hours, Limit::Days, Limit::WorkingDays];
    let percent = |kind: fn(u32) -> Limit| (1..=60_u32, 1..=99_u8).prop_map(move |(n, p)| (kind(n), Warn::Percent(p)));
    let by_day =
        (2..=60_u32).prop_flat_map(|n| (1..n).prop_map(move |day| (Limit::WorkingDays(n), Warn::CountedDay(day))));
    prop_oneof![percent(kinds[0]), percent(kinds[1]), percent(kinds[2]), percent(kinds[3]), by_day]
}

fn exceptions() -> impl Strategy<Value = Exceptions> {
    let runs = prop::collection::vec((FIRST..LAST, 1..10_i64, any::<bool>()), 0..250);
    runs.prop_map(|runs| {
        let days =
            runs.into_iter().flat_map(|(first, length, work)| (first..first + length).map(move |day| (day, work)));
        // A weekday needs nobody's word to be worked on, and a calendar that says so is refused.
        days.filter(|(day, work)| !work || is_weekend(*day)).collect()
    })
}

fn found(limit: Limit, warn: Warn, calendar: &Calendar, start: i64) -> Inputs {
    let rule = Rule { limit, warn, ..rules().rule(Clock::K3).clone() };
    of_rule(&rule, "random", calendar, Instant::from_microsecond(start).unwrap()).inputs
}

proptest! {
    #[test]
    fn every_limit_ends_where_counting_one_by_one_ends(
        exceptions in exceptions(),
        (limit, warn) in limit(),
        day in FIRST..LAST,
        time in prop_oneof![Just(0), Just(DAY - 1), Just(DAY - 1_000), 0..DAY],
        beyond in 0..200_i64,
    ) {
        let covered = exceptions.keys().last().map_or(day, |last| last + beyond);
        let calendar = Calendar::parse(&text(&exceptions, covered)).unwrap();
        let start = day * DAY + time - EAST;
        let inputs = found(limit, warn, &calendar, start);
        let timing = inputs.timing;
        let (due, days, skipped) = counted(limit, &exceptions, start);
        prop_assert_eq!(timing.due.as_microsecond(), due);
        prop_assert_eq!(timing.first_reminder.as_microsecond(), counted(limit.doubled(), &exceptions, start).0);
        prop_assert_eq!(timing.due_inclusive, days.is_empty());
        let names = |numbers: &[i64]| numbers.iter().map(|day| civil(*day)).collect::<Vec<_>>();
        if let Some(told) = &inputs.days {
            prop_assert_eq!(told.counted.iter().map(ToString::to_string).collect::<Vec<_>>(), names(&days));
            prop_assert_eq!(told.skipped.iter().map(|day| day.date.to_string()).collect::<Vec<_>>(), names(&skipped));
        }
        prop_assert_eq!(inputs.days.is_some(), !days.is_empty());
        let needs_calendar = matches!(limit, Limit::WorkingDays(_));
        prop_assert_eq!(inputs.provisional, needs_calendar && days.last().is_some_and(|last| *last > covered));
        match warn {
            Warn::CountedDay(nth) => {
                prop_assert_eq!(timing.warn_at.as_microsecond(), (days[nth as usize - 1] + 1) * DAY - EAST);
            }
            // The last microsecond that lies within the share.
            Warn::Percent(percent) => {
                let (share, whole) = (timing.warn_at.as_microsecond() - start, due - start);
                prop_assert!(share * 100 <= whole * i64::from(percent) && whole * i64::from(percent) < (share + 1) * 100);
            }
        }
    }
}
