//! Periodic duties: periods, deadlines, ends, whatever the order of the acts.

use dafei_kernel::time::Instant;
use dafei_sla_core::{
    Announced, Announcement, Clock, End, EndKind, Inputs, Timing,
    duty::{
        self,
        period::{Cycle, Period},
        standing::{Standing, Turn},
        unit::{Unit, UnitKind},
    },
    lights::{lights, next_fire},
};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::support::{instant, rules};

fn period(text: &str) -> Period {
    text.parse().unwrap()
}

fn deadline(clock: Clock, kind: UnitKind, about: &str) -> Inputs {
    let rule = rules().duty(clock).unwrap();
    duty::deadline(rule, rules().version(), kind, period(about)).unwrap()
}

fn week(about: &str) -> Timing {
    deadline(Clock::W1, UnitKind::Village, about).timing
}

#[test]
fn weeks_go_by_iso_8601_also_over_the_year_and_with_a_53rd() {
    let of = |at: &str| Cycle::Week.of(instant(at)).to_string();
    assert_eq!(of("2026-11-23T00:00:00+08:00"), "2026-W48");
    assert_eq!(of("2026-11-22T23:59:59.999999+08:00"), "2026-W47");
    // 2026 has 53 weeks: its last one ends on 3 January.
    assert_eq!(of("2027-01-03T23:59:59+08:00"), "2026-W53");
    assert_eq!(of("2027-01-04T00:00:00+08:00"), "2027-W01");
    assert_eq!(of("2024-12-30T00:00:00+08:00"), "2025-W01");
    // Sunday evening in UTC is Monday in Shanghai.
    assert_eq!(of("2026-11-29T16:00:00Z"), "2026-W49");
    assert!("2025-W53".parse::<Period>().is_err(), "2025 has 52 weeks");
    assert_eq!(period("2026-W53").next(), period("2027-W01"));
}

#[test]
fn months_and_quarters_follow_each_other_over_leap_days_and_years() {
    assert_eq!(period("2024-02").end(), instant("2024-03-01T00:00:00+08:00"));
    assert_eq!(Cycle::Month.of(instant("2024-02-29T23:59:59+08:00")), period("2024-02"));
    assert_eq!(period("2026-Q4").next(), period("2027-Q1"));
    assert_eq!(period("2026-12").next(), period("2027-01"));
    assert_eq!(Cycle::Quarter.of(instant("2026-12-31T23:59:59+08:00")), period("2026-Q4"));
    for text in
        ["2026-W00", "2026-W54", "2026-W1", "2026-13", "2026-1", "2026-Q5", "2026-Q0", "26-11", "2026", "", "2026-W４8"]
    {
        assert!(text.parse::<Period>().is_err(), "{text}");
    }
}

#[test]
fn each_duty_has_the_instants_of_the_clock_table() {
    let of = |clock, kind, about: &str| {
        let timing = deadline(clock, kind, about).timing;
        assert!(!timing.due_inclusive);
        (timing.started_at, timing.warn_at, timing.due)
    };
    let at = |start: &str, warn: &str, due: &str| {
        (instant(&format!("{start}+08:00")), instant(&format!("{warn}+08:00")), instant(&format!("{due}+08:00")))
    };
    let w48 = at("2026-11-23T00:00:00", "2026-11-28T06:00:00", "2026-11-30T00:00:00");
    assert_eq!(of(Clock::W1, UnitKind::Village, "2026-W48"), w48);
    assert_eq!(of(Clock::W2, UnitKind::Village, "2026-W48"), w48);
    // The briefing on a week is owed in the next.
    assert_eq!(of(Clock::W3, UnitKind::Township, "2026-W47"), w48);
    let leaf = at("2026-12-01T00:00:00", "2026-12-03T00:00:00", "2026-12-04T00:00:00");
    assert_eq!(of(Clock::M1, UnitKind::Township, "2026-11"), leaf);
    assert_eq!(of(Clock::M1, UnitKind::CountyDepartment, "2026-11"), leaf);
    assert_eq!(of(Clock::M1, UnitKind::CityDepartment, "2026-11"), leaf);
    let office = at("2026-12-01T00:00:00", "2026-12-04T00:00:00", "2026-12-05T00:00:00");
    assert_eq!(of(Clock::M1, UnitKind::County, "2026-11"), office);
    // "By the 5th" includes the 5th, with a warning on the 4th, and does not move for a holiday: 5 October is one.
    let fifth = at("2026-10-01T00:00:00", "2026-10-04T18:00:00", "2026-10-06T00:00:00");
    assert_eq!(of(Clock::M1, UnitKind::City, "2026-09"), fifth);
    assert_eq!(of(Clock::M2, UnitKind::County, "2026-09"), fifth);
    let quarter = at("2026-10-01T00:00:00", "2026-12-20T06:00:00", "2027-01-16T00:00:00");
    assert_eq!(of(Clock::Q1, UnitKind::County, "2026-Q4"), quarter);
}

#[test]
fn weekly_duties_end_with_their_breach_and_others_are_reminded_of() {
    for clock in [Clock::W1, Clock::W2] {
        assert!(deadline(clock, UnitKind::Village, "2026-W48").timing.ends_with_breach());
    }
    let timing = deadline(Clock::M1, UnitKind::City, "2026-11").timing;
    assert_eq!(timing.first_reminder, instant("2026-12-11T00:00:00+08:00"), "twice the five days");
    let rule = rules().duty(Clock::N1).unwrap();
    let standing = |again| {
        let start = instant("2026-11-23T08:00:00+08:00");
        duty::standing_deadline(rule, rules().version(), UnitKind::Village, start, again).unwrap().timing
    };
    assert_eq!(standing(false).due, instant("2026-12-24T00:00:00+08:00"));
    assert_eq!(standing(true).due, instant("2026-12-01T00:00:00+08:00"));
    assert!(!standing(false).ends_with_breach());
}

/// What is told while the horizon goes through these instants, as the store keeps it: a weekly duty is missed with its breach.
fn told(timing: &Timing, ends: &[(Instant, Option<End>)]) -> Vec<(Instant, Announcement)> {
    let (mut announced, mut all) = (Announced::default(), Vec::new());
    for (horizon, end) in ends {
        let missed = Some(End { kind: EndKind::Missed, at: timing.due }).filter(|_| announced.breached);
        for light in lights(timing, end.or(missed), &announced, *horizon) {
            announced = announced.with(&light);
            all.push((light.at, light.what));
        }
    }
    all
}

#[test]
fn a_missed_week_is_told_once_and_a_late_upload_of_a_timely_act_annuls_it() {
    let timing = week("2026-W48");
    let (later, done) = (instant("2026-12-30T00:00:00+08:00"), instant("2026-11-29T23:59:59.999999+08:00"));
    let steps = [(timing.warn_at, None), (timing.due, None), (later, None), (Instant::MAX, None)];
    let warned = (timing.warn_at, Announcement::Warned);
    let breached = (timing.due, Announcement::Breached);
    assert_eq!(told(&timing, &steps), [warned, breached]);
    let breach = Announced { warned: true, breached: true, ..Announced::default() };
    assert_eq!(next_fire(&timing, None, &breach), None);
    assert_eq!(next_fire(&timing, Some(End { kind: EndKind::Missed, at: timing.due }), &breach), None);
    let end = duty::end(&timing, 3, &[timing.started_at, timing.started_at, done], None);
    assert_eq!(
        told(&timing, &[(timing.warn_at, None), (timing.due, None), (later, end)]),
        [
            warned,
            breached,
            (done, Announcement::Annulled { ended_at: done }),
            (done, Announcement::Settled { late_seconds: 0 })
        ]
    );
    assert_eq!(
        duty::end(&timing, 1, &[timing.due], None),
        None,
        "24:00 is no longer in time, and nothing is made up for"
    );
}

#[test]
fn who_leaves_before_the_end_owes_nothing_and_who_leaves_after_it_missed_it() {
    let timing = week("2026-W48");
    let left = instant("2026-11-27T10:00:00+08:00");
    assert_eq!(duty::end(&timing, 1, &[], Some(left)), Some(End { kind: EndKind::Cancelled, at: left }));
    assert_eq!(
        duty::end(&timing, 1, &[timing.started_at], Some(left)),
        Some(End { kind: EndKind::Settled, at: timing.started_at })
    );
    assert_eq!(duty::end(&timing, 1, &[], Some(timing.due)), None);
    let monthly = deadline(Clock::M1, UnitKind::Township, "2026-11").timing;
    assert_eq!(duty::end(&monthly, 1, &[], Some(monthly.due)).map(|end| end.kind), Some(EndKind::Cancelled));
}

#[test]
fn the_first_period_is_the_first_whole_one_and_none_before_the_rule_is_in_force() {
    let first = |clock, since: &str| {
        duty::first_period(rules().duty(clock).unwrap(), instant(since)).map(|period| period.to_string())
    };
    assert_eq!(first(Clock::W1, "2026-11-23T00:00:00+08:00").as_deref(), Some("2026-W48"));
    assert_eq!(first(Clock::W1, "2026-11-23T00:00:01+08:00").as_deref(), Some("2026-W49"));
    assert_eq!(first(Clock::W3, "2026-11-23T00:00:00+08:00").as_deref(), Some("2026-W47"));
    assert_eq!(first(Clock::M1, "2026-11-23T00:00:00+08:00").as_deref(), Some("2026-11"));
    assert_eq!(first(Clock::Q1, "2026-11-23T00:00:00+08:00").as_deref(), Some("2027-Q1"));
    assert_eq!(first(Clock::N1, "2026-11-23T00:00:00+08:00"), None);
    let mut rule = rules().duty(Clock::M1).unwrap().clone();
    rule.from = Some(jiff::civil::date(2027, 3, 2));
    let period = duty::first_period(&rule, instant("2026-11-23T00:00:00+08:00")).unwrap();
    assert_eq!(period.to_string(), "2027-03", "its table is owed from 1 April on");
}

#[test]
fn tables_go_to_the_office_that_collects_them() {
    let path = "city:371300/county:371302/township:371302001".parse().unwrap();
    let owners = |unit: &str| {
        let unit: Unit = unit.parse().unwrap();
        let (direct, office) = duty::owners(rules().duty(Clock::M1).unwrap(), &unit, &path).unwrap();
        format!("{direct} {office}")
    };
    assert_eq!(owners("township:371302001"), "township-centre@township:371302001 county-office@county:371302");
    assert_eq!(
        owners("county:371302/fire-rescue"),
        "county-department@county:371302/fire-rescue county-office@county:371302"
    );
    assert_eq!(owners("county:371302"), "county-office@county:371302 city-office@city:371300");
    assert_eq!(owners("city:371300"), "city-office@city:371300 city-office@city:371300");
    for text in [
        "work-area:371302001-east",
        "village:371302001001/fire-rescue",
        "township:371302001/fire-rescue",
        "county:371302/none",
    ] {
        assert!(text.parse::<Unit>().is_err(), "{text}");
    }
}

#[test]
fn a_village_owes_notices_from_its_entry_and_from_each_shortfall() {
    let day = |day: i64| instant("2026-11-23T08:00:00+08:00") + SignedDuration::from_hours(24 * day);
    let mut standing = Standing::default();
    assert_eq!(standing.enters(day(0)), Some(Turn::Starts { number: 1, at: day(0), again: false }));
    assert_eq!(standing.told(false, day(5), true), None);
    // Told last and done before the one that was told first: it stands since the later of them.
    assert_eq!(standing.told(true, day(3), true), Some(Turn::Settled { start: day(0), at: day(5) }));
    assert_eq!(standing.told(true, day(6), true), None);
    assert_eq!(standing.told(false, day(8), true), Some(Turn::Starts { number: 2, at: day(8), again: true }));
    assert_eq!(standing.told(true, day(9), true), Some(Turn::Settled { start: day(8), at: day(9) }));
    assert_eq!(standing.enters(day(10)), None, "who comes back with its notices owes none");
    assert_eq!(standing.told(false, day(11), false), None, "who is not in the roster owes none");
    assert_eq!(standing.enters(day(12)), Some(Turn::Starts { number: 3, at: day(12), again: false }));
}

fn instants() -> impl Strategy<Value = Vec<Instant>> {
    let start = week("2026-W48").started_at;
    proptest::collection::vec(0_i64..7 * 86_400, 0..9)
        .prop_map(move |seconds| seconds.into_iter().map(|s| start + SignedDuration::from_secs(s)).collect())
}

proptest! {
    #[test]
    fn a_week_is_fulfilled_with_its_nth_act_whatever_the_order_and_the_batches(
        acts in instants(), cut in 0_usize..9, turned in any::<bool>(), count in 1_u32..5,
    ) {
        let timing = week("2026-W48");
        let mut in_order = acts.clone();
        in_order.sort();
        let mut told = acts;
        if turned {
            told.reverse();
        }
        let cut = cut.min(told.len());
        let mut kept = Vec::new();
        duty::merge(&mut kept, told[cut..].iter().copied(), count);
        duty::merge(&mut kept, told[..cut].iter().copied(), count);
        prop_assert!(kept.len() <= count as usize);
        let expected = in_order.get(count as usize - 1).map(|at| End { kind: EndKind::Settled, at: *at });
        prop_assert_eq!(duty::end(&timing, count, &kept, None), expected);
        // What is fulfilled before the yellow light needs no record, and everything else does.
        prop_assert_eq!(duty::is_due(&timing, expected), expected.is_none_or(|end| end.at >= timing.warn_at));
    }

    #[test]
    fn every_instant_lies_in_its_period_and_the_next_begins_where_it_ends(
        seconds in 0_i64..4_000_000_000, cycle in proptest::sample::select(vec![Cycle::Week, Cycle::Month, Cycle::Quarter]),
    ) {
        let at = Instant::from_second(seconds).unwrap();
        let period = cycle.of(at);
        prop_assert!(period.start() <= at && at < period.end());
        prop_assert_eq!(period.next().prev(), period);
        prop_assert_eq!(cycle.of(period.end()), period.next());
        prop_assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
    }

    #[test]
    fn what_is_no_period_is_refused_and_never_a_panic(text in "\\PC{0,12}") {
        if let Ok(period) = text.parse::<Period>() {
            prop_assert_eq!(period.to_string(), text);
        }
    }
}
