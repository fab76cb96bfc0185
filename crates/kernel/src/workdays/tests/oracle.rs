//! Random calendars against an oracle that walks an almanac day by day: own lengths of months, own days of the week, own list of exceptions.

use std::{collections::HashMap, fmt::Write as _, sync::LazyLock};

use proptest::prelude::*;

use crate::{time::Instant, workdays::Calendar};

/// 2020-01-01 00:00 in Asia/Shanghai, in microseconds.
const ORIGIN: i64 = 1_577_808_000_000_000;
const DAY: i64 = 86_400_000_000;
const FESTIVALS: [&str; 3] = ["春节", "国庆节", "端午节"];
/// Random starts and exceptions lie in these days: 2020 to 2030.
const DAYS: usize = 4_018;

/// A day of the almanac.
struct Leaf {
    date: String,
    weekend: bool,
}

/// 2020 to 2044, one leaf after the other.
static ALMANAC: LazyLock<Vec<Leaf>> = LazyLock::new(|| {
    let mut leaves = Vec::new();
    // 2020-01-01 was a Wednesday.
    let mut weekday = 3;
    for year in 2020..2045 {
        let february = if year % 4 == 0 { 29 } else { 28 };
        for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            for day in 1..=length {
                leaves.push(Leaf { date: format!("{year}-{month:02}-{day:02}"), weekend: weekday >= 6 });
                weekday = weekday % 7 + 1;
            }
        }
    }
    leaves
});

/// A calendar as a random notice would have it.
#[derive(Debug)]
struct Notice {
    /// By day of the almanac: the festival of a day off, none for a make-up workday.
    exceptions: HashMap<usize, Option<&'static str>>,
    /// Last day that is covered.
    covered: usize,
}

impl Notice {
    fn text(&self) -> String {
        let mut text =
            format!("# version: random\n# covered_through: {}\ndate,kind,festival\n", ALMANAC[self.covered].date);
        for (day, off) in &self.exceptions {
            let kind = if off.is_some() { "off" } else { "work" };
            writeln!(text, "{},{kind},{}", ALMANAC[*day].date, off.unwrap_or("补班")).expect("a string");
        }
        text
    }

    /// Why a day is off.
    fn off(&self, day: usize) -> Option<&'static str> {
        match self.exceptions.get(&day) {
            Some(exception) => *exception,
            None => ALMANAC[day].weekend.then_some("周末"),
        }
    }
}

/// Festivals of one to twelve days, and single make-up workdays on weekends; the coverage ends on the last of them or later.
fn notice() -> impl Strategy<Value = Notice> {
    let festivals = prop::collection::vec((0..DAYS, 1..=12_usize, 0..FESTIVALS.len()), 0..80);
    let made_up = prop::collection::vec(0..DAYS, 0..160);
    (festivals, made_up, 0..400_usize, 0..DAYS).prop_map(|(festivals, made_up, beyond, least)| {
        let mut exceptions = HashMap::new();
        for (first, length, festival) in festivals {
            exceptions.extend((first..first + length).map(|day| (day, Some(FESTIVALS[festival]))));
        }
        exceptions.extend(made_up.into_iter().filter(|day| ALMANAC[*day].weekend).map(|day| (day, None)));
        let last = exceptions.keys().copied().max().map_or(least, |last| last + beyond);
        Notice { exceptions, covered: last }
    })
}

proptest! {
    #[test]
    fn any_calendar_counts_as_a_clerk_with_an_almanac_does(
        notice in notice(),
        starts in prop::collection::vec((0..DAYS, prop_oneof![Just(0), Just(DAY - 1), 0..DAY], 1..=60_u32), 1..12),
    ) {
        let calendar = Calendar::parse(&notice.text()).expect("a calendar");
        for (first, time, limit) in starts {
            let start = Instant::from_microsecond(ORIGIN + i64::try_from(first).expect("small") * DAY + time).expect("in range");
            let found = calendar.deadline_after(start, limit);
            let (mut counted, mut skipped, mut day) = (Vec::new(), Vec::new(), first);
            while counted.len() < limit as usize {
                day += 1;
                let date = ALMANAC[day].date.clone();
                match notice.off(day) {
                    None => counted.push(date),
                    Some(reason) => skipped.push((date, reason.to_owned())),
                }
            }
            let end = ORIGIN + (i64::try_from(day).expect("small") + 1) * DAY;
            prop_assert_eq!(found.due.as_microsecond(), end);
            prop_assert_eq!(found.counted.iter().map(ToString::to_string).collect::<Vec<_>>(), counted);
            let named = |one: &crate::workdays::Skipped| (one.date.to_string(), one.reason.clone());
            prop_assert_eq!(found.skipped.iter().map(named).collect::<Vec<_>>(), skipped);
            prop_assert_eq!(found.provisional, day > notice.covered);
            let plain = calendar.nth_workday_after(crate::time::civil_date(start), limit);
            prop_assert_eq!((plain.date.to_string(), plain.provisional), (ALMANAC[day].date.clone(), found.provisional));
        }
    }

    #[test]
    fn a_later_start_never_ends_earlier_and_a_longer_limit_always_later(
        notice in notice(), first in 0..DAYS, later in 0..60_usize, limit in 1..=60_u32,
    ) {
        let calendar = Calendar::parse(&notice.text()).expect("a calendar");
        let date = |day: usize| ALMANAC[day].date.parse().expect("a date");
        let end = calendar.nth_workday_after(date(first), limit);
        prop_assert!(calendar.is_workday(end.date));
        prop_assert!(calendar.nth_workday_after(date(first + later), limit).date >= end.date);
        prop_assert!(calendar.nth_workday_after(date(first), limit + 1).date > end.date);
        // To go on from the end of a part is to count the whole.
        let part = calendar.nth_workday_after(date(first), limit / 2);
        prop_assert_eq!(calendar.nth_workday_after(part.date, limit - limit / 2).date, end.date);
    }
}
