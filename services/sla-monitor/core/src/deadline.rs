//! When a clock that started runs out: the one place where limits become instants.
//!
//! Hours and minutes run day and night, and an act at the very limit is in time. Days and working days follow 民法典 201-203: the day of the
//! start is not counted and the limit is 24:00 of the last counted day, which is no longer in time.

pub mod check;
mod explain;

use dafei_kernel::{
    time::{Instant, civil_date, end_of_day, start_of_day},
    workdays::{Calendar, Skipped},
};
use jiff::{Span, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    duty::DutyInputs,
    lights::Timing,
    rules::{Limit, Rule, Rules, Warn, later},
};

/// What the calendar said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Version of the calendar; empty for natural days, which need none.
    pub calendar_version: String,
    /// The last day that its notices cover; none for natural days.
    pub covered_through: Option<Date>,
    /// The counted days, in order.
    pub counted: Vec<Date>,
    /// The days between that were not counted.
    pub skipped: Vec<Skipped>,
}

/// All that a deadline was computed from, and the result: enough to explain and to check it years later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The clock.
    pub clock: Clock,
    /// Its name then.
    pub name: String,
    /// Its clause.
    pub clause: String,
    /// Its limit then.
    pub limit: Limit,
    /// Its yellow light then.
    pub warn: Warn,
    /// Set locally, not by the document.
    pub local_default: bool,
    /// Version of the rules.
    pub rule_version: String,
    /// The start.
    pub start: Instant,
    /// The start comes from a device whose clock was off beyond the tolerance, and was corrected.
    pub skewed: bool,
    /// The counted days, for limits in days.
    pub days: Option<Counted>,
    /// The result.
    pub timing: Timing,
    /// A day beyond the calendar's coverage was needed.
    pub provisional: bool,
    /// Of a periodic duty: what is a duty's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<DutyInputs>,
}

/// A deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// What it was computed from, and the instants.
    pub inputs: Inputs,
}

/// The deadline of a clock that starts at an instant.
#[must_use]
pub fn deadline(rules: &Rules, calendar: &Calendar, clock: Clock, start: Instant) -> Deadline {
    of_rule(rules.rule(clock), rules.version(), calendar, start)
}

/// As [`deadline`], by a rule at hand.
#[must_use]
pub fn of_rule(rule: &Rule, rule_version: &str, calendar: &Calendar, start: Instant) -> Deadline {
    let end = end_of(rule.limit, calendar, start);
    let timing = Timing {
        started_at: start,
        warn_at: warn_at(rule.warn, start, &end),
        due: end.due,
        due_inclusive: rule.limit.is_inclusive(),
        first_reminder: end_of(rule.limit.doubled(), calendar, start).due,
        provisional: end.provisional,
    };
    Deadline {
        inputs: Inputs {
            clock: rule.clock,
            name: rule.name.clone(),
            clause: rule.clause.clone(),
            limit: rule.limit,
            warn: rule.warn,
            local_default: rule.local_default,
            rule_version: rule_version.to_owned(),
            start,
            skewed: false,
            days: end.days,
            timing,
            provisional: end.provisional,
            duty: None,
        },
    }
}

impl Inputs {
    /// The same deadline by another calendar. Nothing but the days differs: the limit stays that of its start.
    #[must_use]
    pub fn by(&self, calendar: &Calendar) -> Self {
        let end = end_of(self.limit, calendar, self.start);
        let timing = Timing {
            warn_at: warn_at(self.warn, self.start, &end),
            due: end.due,
            first_reminder: end_of(self.limit.doubled(), calendar, self.start).due,
            provisional: end.provisional,
            ..self.timing
        };
        Self { days: end.days, timing, provisional: end.provisional, ..self.clone() }
    }

    /// Version of the calendar; empty for limits that need none.
    #[must_use]
    pub fn calendar_version(&self) -> &str {
        self.days.as_ref().map_or("", |days| &days.calendar_version)
    }
}

impl Deadline {
    /// Its instants.
    #[must_use]
    pub const fn timing(&self) -> &Timing {
        &self.inputs.timing
    }

    /// Version of the calendar; empty for limits that need none.
    #[must_use]
    pub fn calendar_version(&self) -> &str {
        self.inputs.calendar_version()
    }
}

impl Inputs {
    /// As they are stored: JSON on one line, its members in the order of this type. What the check of a deadline reads.
    ///
    /// # Panics
    /// Never: every field has a form in JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("inputs have a form in JSON")
    }
}

/// Where a limit ends.
struct EndOf {
    due: Instant,
    days: Option<Counted>,
    provisional: bool,
}

fn end_of(limit: Limit, calendar: &Calendar, start: Instant) -> EndOf {
    let clock_time =
        |minutes: i64| EndOf { due: later(start, minutes.saturating_mul(60_000_000)), days: None, provisional: false };
    match limit {
        Limit::Minutes(n) => clock_time(n.into()),
        Limit::Hours(n) => clock_time(i64::from(n) * 60),
        Limit::Days(n) => natural_days(n, start),
        Limit::WorkingDays(n) => {
            let deadline = calendar.deadline_after(start, n);
            EndOf {
                due: deadline.due,
                days: Some(Counted {
                    calendar_version: calendar.version().to_owned(),
                    covered_through: Some(calendar.covered_through()),
                    counted: deadline.counted,
                    skipped: deadline.skipped,
                }),
                provisional: deadline.provisional,
            }
        }
    }
}

fn natural_days(days: u32, start: Instant) -> EndOf {
    let first = civil_date(start);
    let counted: Vec<Date> = (1..=i64::from(days)).map(|day| first.saturating_add(Span::new().days(day))).collect();
    EndOf {
        due: end_of_day(counted.last().copied().unwrap_or(first)),
        days: Some(Counted { calendar_version: String::new(), covered_through: None, counted, skipped: Vec::new() }),
        provisional: false,
    }
}

fn warn_at(warn: Warn, start: Instant, end: &EndOf) -> Instant {
    let share = |percent: u8| {
        let whole = end.due.as_microsecond().saturating_sub(start.as_microsecond());
        later(start, whole.saturating_mul(percent.into()) / 100)
    };
    match warn {
        Warn::Percent(percent) => share(percent),
        Warn::CountedDay(day) => end
            .days
            .as_ref()
            .and_then(|days| days.counted.get(day.saturating_sub(1) as usize))
            .map_or_else(|| share(75), |date| end_of_day(*date)),
    }
}

/// 24:00 of a day is the start of the next; the day whose 24:00 an instant is, if it is one.
pub(crate) fn day_ending_at(at: Instant) -> Option<Date> {
    let date = civil_date(at);
    (start_of_day(date) == at).then(|| date.yesterday().ok()).flatten()
}
