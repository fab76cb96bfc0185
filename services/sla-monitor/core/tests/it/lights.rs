//! What is announced, when, and that nothing is announced twice.

use dafei_kernel::time::Instant;
use dafei_sla_core::{
    Announced, Announcement, Clock, End, EndKind, Light, Timing,
    deadline::deadline,
    lights::{lights, next_fire},
};
use proptest::prelude::*;

use crate::support::{calendar, instant, minutes, rules};

fn timing(clock: Clock) -> Timing {
    *deadline(rules(), calendar(), clock, minutes(0)).timing()
}

fn micro_after(at: Instant) -> Instant {
    at.checked_add(jiff::SignedDuration::from_micros(1)).unwrap()
}

/// The lights that come when the horizon takes these steps.
fn walk(timing: &Timing, end: Option<End>, horizons: &[Instant]) -> Vec<Light> {
    let mut announced = Announced::default();
    let mut all = Vec::new();
    for horizon in horizons {
        for light in lights(timing, end, &announced, *horizon) {
            announced = announced.with(&light);
            all.push(light);
        }
    }
    all
}

fn words(lights: &[Light]) -> Vec<(i64, Announcement)> {
    let from = minutes(0).as_microsecond();
    lights.iter().map(|light| ((light.at.as_microsecond() - from) / 60_000_000, light.what)).collect()
}

/// The horizon goes from one thing to do to the next, as an exercise's clock does.
fn step_by_step(timing: &Timing, until: Instant) -> Vec<Light> {
    let mut announced = Announced::default();
    let mut all = Vec::new();
    while let Some(at) = next_fire(timing, None, &announced).filter(|at| *at <= until) {
        for light in lights(timing, None, &announced, at) {
            announced = announced.with(&light);
            all.push(light);
        }
    }
    all
}

#[test]
fn an_hour_left_alone_gives_yellow_red_and_reminders_once_each() {
    let timing = timing(Clock::V1);
    let found = step_by_step(&timing, minutes(60 * 24 * 30));
    assert_eq!(found[1].at, micro_after(timing.due), "an act at the limit is in time, so red comes after it");
    let reminded = |number| Announcement::Reminded { number };
    let hours = |n: i64| n * 60;
    assert_eq!(
        words(&found),
        [
            (45, Announcement::Warned),
            (60, Announcement::Breached),
            (hours(2), reminded(1)),
            (hours(4), reminded(2)),
            (hours(8), reminded(3)),
            (hours(16), reminded(4)),
            (hours(32), reminded(5)),
            (hours(64), reminded(6)),
            (hours(128), reminded(7)),
            (hours(256), reminded(8)),
            (hours(256 + 168), reminded(9)),
            (hours(256 + 2 * 168), reminded(10)),
        ]
    );
}

#[test]
fn five_working_days_left_alone_are_reminded_after_ten_and_then_weekly() {
    let timing = timing(Clock::K3);
    let found = step_by_step(&timing, instant("2026-12-22T00:00:00+08:00"));
    let told: Vec<_> = found.iter().map(|light| (light.at, light.what)).collect();
    assert_eq!(
        told,
        [
            (instant("2026-11-28T00:00:00+08:00"), Announcement::Warned),
            (instant("2026-12-01T00:00:00+08:00"), Announcement::Breached),
            (instant("2026-12-08T00:00:00+08:00"), Announcement::Reminded { number: 1 }),
            (instant("2026-12-15T00:00:00+08:00"), Announcement::Reminded { number: 2 }),
            (instant("2026-12-22T00:00:00+08:00"), Announcement::Reminded { number: 3 }),
        ]
    );
}

#[test]
fn after_an_outage_red_comes_with_its_true_instant_without_a_stale_yellow_and_with_one_reminder() {
    let timing = timing(Clock::V1);
    let found = walk(&timing, None, &[minutes(60 * 9)]);
    assert_eq!(words(&found), [(60, Announcement::Breached), (60 * 8, Announcement::Reminded { number: 3 })]);
    assert_eq!(words(&walk(&timing, None, &[minutes(50)])), [(45, Announcement::Warned)]);
}

#[test]
fn an_act_at_the_very_instant_of_the_limit_is_in_time() {
    let timing = timing(Clock::V1);
    let settle = |at| walk(&timing, Some(End { kind: EndKind::Settled, at }), &[minutes(600)]);
    assert_eq!(words(&settle(timing.due)), [(60, Announcement::Settled { late_seconds: 0 })]);
    let late = settle(micro_after(timing.due));
    assert_eq!(words(&late), [(60, Announcement::Breached), (60, Announcement::Settled { late_seconds: 1 })]);
    assert_eq!(late[0].at, micro_after(timing.due));
}

#[test]
fn what_fell_away_before_the_limit_was_no_breach_and_after_it_stays_one() {
    let timing = timing(Clock::V1);
    let cancel = |at| walk(&timing, Some(End { kind: EndKind::Cancelled, at }), &[minutes(600)]);
    assert_eq!(words(&cancel(minutes(30))), [(30, Announcement::Cancelled)]);
    assert_eq!(words(&cancel(minutes(90))), [(60, Announcement::Breached), (90, Announcement::Cancelled)]);
}

#[test]
fn a_late_but_timely_stop_annuls_and_a_late_one_does_not() {
    let timing = timing(Clock::V1);
    let mut announced = Announced::default();
    for light in lights(&timing, None, &announced, minutes(61)) {
        announced = announced.with(&light);
    }
    assert!(announced.breached);
    let stop = |at| Some(End { kind: EndKind::Settled, at });
    let told = lights(&timing, stop(minutes(50)), &announced, minutes(61));
    assert_eq!(
        told.iter().map(|light| light.what).collect::<Vec<_>>(),
        [Announcement::Annulled { ended_at: minutes(50) }, Announcement::Settled { late_seconds: 0 }]
    );
    assert_eq!(next_fire(&timing, stop(minutes(50)), &announced), Some(minutes(50)), "at once");
    let late = lights(&timing, stop(minutes(70)), &announced, minutes(80));
    assert_eq!(late.iter().map(|light| light.what).collect::<Vec<_>>(), [Announcement::Settled { late_seconds: 600 }]);
    // Told as late, and disproved after that: annulled, and not settled again.
    let known_late = announced.with(&late[0]);
    let told = lights(&timing, stop(minutes(50)), &known_late, minutes(90));
    assert_eq!(
        told.iter().map(|light| light.what).collect::<Vec<_>>(),
        [Announcement::Annulled { ended_at: minutes(50) }]
    );
}

#[test]
fn nothing_is_announced_beyond_the_horizon() {
    let timing = timing(Clock::V1);
    let before = minutes(44);
    assert!(lights(&timing, None, &Announced::default(), before).is_empty());
    let end = Some(End { kind: EndKind::Cancelled, at: minutes(45) });
    assert!(lights(&timing, end, &Announced::default(), before).is_empty(), "a stop may still come before it");
}

fn any_end() -> impl Strategy<Value = Option<End>> {
    proptest::option::of((any::<bool>(), 0_i64..300_000_000).prop_map(|(settled, seconds)| End {
        kind: if settled { EndKind::Settled } else { EndKind::Cancelled },
        at: minutes(0).checked_add(jiff::SignedDuration::from_millis(seconds)).unwrap(),
    }))
}

fn any_horizons() -> impl Strategy<Value = Vec<Instant>> {
    proptest::collection::vec(0_i64..600_000_000, 1..12).prop_map(|mut millis| {
        millis.sort_unstable();
        millis.into_iter().map(|at| minutes(0).checked_add(jiff::SignedDuration::from_millis(at)).unwrap()).collect()
    })
}

fn clock() -> impl Strategy<Value = Clock> {
    proptest::sample::select(vec![Clock::V1, Clock::T1, Clock::K2, Clock::V4, Clock::K3])
}

proptest! {
    #[test]
    fn no_light_comes_twice_and_verdicts_do_not_depend_on_when_one_looks(
        clock in clock(),
        end in any_end(),
        horizons in any_horizons(),
    ) {
        let timing = timing(clock);
        let found = walk(&timing, end, &horizons);
        for (index, light) in found.iter().enumerate() {
            prop_assert!(!found[..index].iter().any(|other| other.what == light.what), "{:?} twice", light.what);
            prop_assert!(found[..index].iter().all(|other| other.at <= light.at), "in order");
        }
        let last = *horizons.last().unwrap();
        let verdicts = |lights: &[Light]| -> Vec<Light> {
            let passing = |what: &Announcement| matches!(what, Announcement::Warned | Announcement::Reminded { .. });
            lights.iter().filter(|light| !passing(&light.what)).copied().collect()
        };
        prop_assert_eq!(verdicts(&found), verdicts(&walk(&timing, end, &[last])));
        let breached = found.iter().any(|light| light.what == Announcement::Breached);
        let overdue = timing.late_from() <= last && end.is_none_or(|end| end.at >= timing.late_from());
        prop_assert_eq!(breached, overdue);
    }

    #[test]
    fn there_is_something_to_say_exactly_when_the_next_instant_is_reached(
        clock in clock(),
        end in any_end(),
        horizons in any_horizons(),
    ) {
        let timing = timing(clock);
        let mut announced = Announced::default();
        for horizon in horizons {
            let due = next_fire(&timing, end, &announced).is_some_and(|at| at <= horizon);
            let told = lights(&timing, end, &announced, horizon);
            prop_assert_eq!(due, !told.is_empty());
            for light in told {
                announced = announced.with(&light);
            }
            prop_assert!(next_fire(&timing, end, &announced).is_none_or(|at| at > horizon));
        }
    }
}

#[test]
fn a_limit_beyond_the_calendar_is_told_to_be_provisional_once_from_its_start() {
    let start = instant("2026-12-28T10:00:00+08:00");
    let timing = *deadline(rules(), calendar(), Clock::K3, start).timing();
    assert!(timing.provisional, "the calendar ends with the year");
    let day = |n: i64| start.checked_add(jiff::SignedDuration::from_hours(24 * n)).unwrap();
    let found = walk(&timing, None, &[start, start, day(1)]);
    assert_eq!(found, [Light { at: start, what: Announcement::Provisional }]);
    let late: Vec<_> = walk(&timing, None, &[timing.due]).iter().map(|light| light.what).collect();
    assert_eq!(late, [Announcement::Breached], "nobody needs to be told any more");
    assert_eq!(next_fire(&timing, None, &Announced::default()), Some(start));
}
