//! Deadlines at fixed instants, and what is told about them.

use dafei_kernel::time::Instant;
use dafei_sla_core::{Clock, Inputs, Limit, deadline::deadline};
use proptest::prelude::*;

use crate::support::{calendar, instant, rules};

#[test]
fn the_first_reminder_comes_at_twice_the_limit_in_the_same_kind_of_days() {
    let (rules, calendar) = (rules(), calendar());
    let start = instant("2026-11-23T10:00:00+08:00");
    let first = |clock| deadline(rules, calendar, clock, start).timing().first_reminder;
    assert_eq!(first(Clock::V1), instant("2026-11-23T12:00:00+08:00"));
    assert_eq!(first(Clock::V4), instant("2026-11-30T00:00:00+08:00"), "six natural days");
    assert_eq!(first(Clock::K3), instant("2026-12-08T00:00:00+08:00"), "ten working days");
}

#[test]
fn the_explanation_tells_the_counted_and_the_skipped_days_in_chinese() {
    let found = deadline(rules(), calendar(), Clock::K3, instant("2026-02-11T10:00:00+08:00"));
    let text = found.lines().join("\n");
    for part in [
        "K3 部门反馈结果，5个工作日（通知规定；条款 C12",
        "起算：2026-02-11 10:00:00",
        "2026-02-14 周六",
        "2026-02-17 周二（春节）",
        "截止：2026-02-25 24:00，到该时刻即为超期",
        "黄灯：2026-02-24 24:00，即第4个计入日的24:00",
        "cn-2026.1，覆盖至2026-12-31",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let hours = deadline(rules(), calendar(), Clock::T1, instant("2026-02-11T10:00:00+08:00"));
    let text = hours.lines().join("\n");
    assert!(text.contains("30分钟（通知未定数值，本地核定"), "{text}");
    assert!(text.contains("截止：2026-02-11 10:30:00，含该时刻"), "{text}");
}

#[test]
fn a_deadline_beyond_the_calendar_says_that_it_is_provisional() {
    let found = deadline(rules(), calendar(), Clock::K3, instant("2026-12-30T10:00:00+08:00"));
    assert!(found.inputs.provisional);
    assert!(found.lines().iter().any(|line| line.contains("暂定期限")));
}

#[test]
fn stored_inputs_tell_the_same_lines_later() {
    for clock in Clock::CASES {
        let found = deadline(rules(), calendar(), clock, instant("2026-09-29T10:00:00+08:00"));
        let stored = serde_json::to_string(&found.inputs).unwrap();
        let read: Inputs = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, found.inputs);
        assert_eq!(read.lines(), found.lines());
    }
}

proptest! {
    #[test]
    fn yellow_comes_after_the_start_and_before_red(micros in 1_600_000_000_000_000_i64..1_800_000_000_000_000) {
        let start = Instant::from_microsecond(micros).unwrap();
        for clock in Clock::CASES {
            let found = deadline(rules(), calendar(), clock, start);
            let timing = found.timing();
            prop_assert!(timing.started_at < timing.warn_at, "{}", clock);
            prop_assert!(timing.warn_at < timing.due, "{}", clock);
            prop_assert!(timing.due < timing.first_reminder, "{}", clock);
        }
    }

    #[test]
    fn an_extreme_start_is_no_panic(micros in any::<i64>()) {
        let start = Instant::from_microsecond(micros).unwrap_or(Instant::MAX);
        for clock in Clock::CASES {
            let found = deadline(rules(), calendar(), clock, start);
            prop_assert!(!found.lines().is_empty());
        }
    }
}

#[test]
fn the_documents_limits_are_those_of_the_clock_table() {
    let limits: Vec<_> = rules().iter().map(|rule| (rule.clock, rule.limit, rule.local_default)).collect();
    assert_eq!(
        limits,
        [
            (Clock::V1, Limit::Hours(1), false),
            (Clock::V2, Limit::Hours(1), false),
            (Clock::V3, Limit::Hours(2), false),
            (Clock::V4, Limit::Days(3), true),
            (Clock::T1, Limit::Minutes(30), true),
            (Clock::T2, Limit::Hours(4), false),
            (Clock::T3, Limit::Minutes(30), true),
            (Clock::K1, Limit::Hours(4), false),
            (Clock::K2, Limit::Hours(12), false),
            (Clock::K3, Limit::WorkingDays(5), false),
            (Clock::K4, Limit::Hours(1), false),
            (Clock::P1, Limit::WorkingDays(3), true),
        ]
    );
}
