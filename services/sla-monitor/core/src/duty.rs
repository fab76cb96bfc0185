//! Periodic duties: patrols, broadcasts, briefings, tables, evaluations (clauses C1, C9, C14, C18, D6, E1) and the notices that stand
//! (clause D5). A duty is a clock, a unit and a period; nothing has to happen for it to run, so it is computed and not recorded. Whether and
//! when it was fulfilled follows from the set of acts, whatever the order in which they came.

pub mod member;
pub mod owed;
pub use dafei_kernel::period;
pub mod rules;
pub mod standing;
pub mod unit;

use dafei_kernel::{
    ids,
    owner::Post,
    region::RegionPath,
    time::{Instant, civil_date, end_of_day, start_of_day},
};
use jiff::{Span as DaySpan, Unit as TimeUnit, civil::Date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    clock::Clock,
    deadline::{Counted, Inputs},
    lights::{Timing, never},
    obligation::{End, EndKind},
    rules::{Limit, Warn, later},
};
use period::Period;
use rules::{DutyOwner, DutyRule, Span, UnitRule};
use unit::{Unit, UnitKind};

/// What of a deadline is a duty's alone. `limit`, `warn` and `days` of the inputs hold for it, too: natural days after the day of the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyInputs {
    /// Who owes it.
    pub kind: UnitKind,
    /// The period that it is about; none for a standing duty.
    pub period: Option<String>,
    /// How often it is to be done.
    pub count: u32,
    /// What is to be done, in Chinese: `巡查3次`.
    pub task: String,
    /// Of a standing duty: not since the entry into the roster, but since it fell short.
    #[serde(default)]
    pub again: bool,
}

/// The deadline of a duty: the same for all units of a kind. None when such units do not owe it, or it has no periods like this one.
#[must_use]
pub fn deadline(rule: &DutyRule, version: &str, kind: UnitKind, period: Period) -> Option<Inputs> {
    let unit = rule.unit(kind)?;
    let start = match rule.span {
        Span::Within(cycle) if cycle == period.cycle() => period.first_day(),
        Span::After(cycle) if cycle == period.cycle() => period.day_after(),
        Span::Within(_) | Span::After(_) | Span::Standing { .. } => return None,
    };
    let last = plus(period.day_after(), i64::from(unit.days) - 1);
    let duty = about(rule, kind, Some(period.to_string()), false);
    Some(inputs(rule, unit, version, start_of_day(start), last, duty))
}

/// The deadline of a standing duty whose running starts at an instant. None when such units owe none.
#[must_use]
pub fn standing_deadline(
    rule: &DutyRule,
    version: &str,
    kind: UnitKind,
    start: Instant,
    again: bool,
) -> Option<Inputs> {
    let unit = rule.unit(kind)?;
    let Span::Standing { again_days } = rule.span else { return None };
    let unit = UnitRule { days: if again { again_days } else { unit.days }, local_default: true, ..*unit };
    let last = plus(civil_date(start), i64::from(unit.days));
    Some(inputs(rule, &unit, version, start, last, about(rule, kind, None, again)))
}

fn about(rule: &DutyRule, kind: UnitKind, period: Option<String>, again: bool) -> DutyInputs {
    DutyInputs { kind, period, count: rule.count, task: rule.act.task_zh(rule.count), again }
}

fn inputs(rule: &DutyRule, unit: &UnitRule, version: &str, start: Instant, last: Date, duty: DutyInputs) -> Inputs {
    let first = civil_date(start);
    let due = end_of_day(last);
    let days = first.until((TimeUnit::Day, last)).map_or(0, |span| u32::try_from(span.get_days()).unwrap_or(0));
    let whole = due.as_microsecond().saturating_sub(start.as_microsecond());
    let share = later(start, whole.saturating_mul(rule.warn_percent.into()) / 100);
    let (warn, warn_at) = if share > start_of_day(last) && days >= 2 {
        (Warn::CountedDay(days - 1), start_of_day(last))
    } else {
        (Warn::Percent(rule.warn_percent), share)
    };
    Inputs {
        clock: rule.clock,
        name: rule.name.clone(),
        clause: rule.clause.clone(),
        limit: Limit::Days(days),
        warn,
        local_default: unit.local_default,
        rule_version: version.to_owned(),
        start,
        skewed: false,
        days: Some(Counted {
            calendar_version: String::new(),
            covered_through: None,
            counted: (1..=i64::from(days)).map(|day| plus(first, day)).collect(),
            skipped: Vec::new(),
        }),
        timing: Timing {
            started_at: start,
            warn_at,
            due,
            due_inclusive: false,
            first_reminder: if rule.reminders { later(due, whole) } else { never() },
            provisional: false,
        },
        provisional: false,
        duty: Some(duty),
    }
}

fn plus(date: Date, days: i64) -> Date {
    date.saturating_add(DaySpan::new().days(days))
}

/// The period whose duty is running or comes next at an instant: that of which a clerk asks "until when?". None for a standing duty.
#[must_use]
pub fn period_at(rule: &DutyRule, at: Instant) -> Option<Period> {
    match rule.span {
        Span::Within(cycle) => Some(cycle.of(at)),
        Span::After(cycle) => Some(cycle.of(at).prev()),
        Span::Standing { .. } => None,
    }
}

/// The first period that units owe who are in the roster since an instant, or the first after the rule came into force. None for a standing
/// duty.
#[must_use]
pub fn first_period(rule: &DutyRule, since: Instant) -> Option<Period> {
    let since = rule.from.map_or(since, |from| since.max(start_of_day(from)));
    let cycle = rule.cycle()?;
    let period = cycle.of(since);
    let candidates = [period.prev(), period, period.next()];
    candidates.into_iter().find(|period| rule.start(*period).is_some_and(|start| start >= since))
}

/// The posts that answer for a duty. None when the unit's path does not name the office.
#[must_use]
pub fn owners(rule: &DutyRule, unit: &Unit, path: &RegionPath) -> Option<(Post, Post)> {
    let post = |owner: DutyOwner| match owner {
        DutyOwner::Unit => Some(unit.post()),
        DutyOwner::CollectingOffice => unit.collecting_office(path),
    };
    Some((post(rule.direct)?, post(rule.loop_owner)?))
}

/// Id of a duty: the same in every computation.
#[must_use]
pub fn id(clock: Clock, unit: &Unit, period: &str) -> Uuid {
    ids::derived(&["duty", clock.code(), &unit.to_string(), period])
}

/// Id of what a deadline was computed from: one for all units whose deadline is the same.
#[must_use]
pub fn basis_id(inputs: &Inputs) -> Uuid {
    let instants = [inputs.timing.started_at, inputs.timing.due].map(|at| at.as_microsecond().to_string());
    let kind = inputs.duty.as_ref().map_or("", |duty| duty.kind.code());
    ids::derived(&["duty-basis", inputs.clock.code(), kind, &instants[0], &instants[1], &inputs.rule_version])
}

/// The name of a standing duty's running: since when it stands.
#[must_use]
pub fn standing_period(start: Instant) -> String {
    start.to_string()
}

/// Adds acts to those that are kept: the earliest, as many as are needed, in order.
pub fn merge(kept: &mut Vec<Instant>, told: impl IntoIterator<Item = Instant>, count: u32) {
    kept.extend(told);
    kept.sort_unstable();
    kept.truncate(count as usize);
}

/// How a duty ended: with the last of the acts that were needed, or when its unit left the roster before. An act after a weekly duty's end is
/// none of its acts: it ended with its breach.
#[must_use]
pub fn end(timing: &Timing, count: u32, acts: &[Instant], left: Option<Instant>) -> Option<End> {
    let over = |at: Instant| timing.ends_with_breach() && at >= timing.late_from();
    let done = acts.get((count as usize).saturating_sub(1)).copied().filter(|at| !over(*at));
    let left = left.filter(|at| !over(*at));
    match (done, left) {
        (Some(done), left) if left.is_none_or(|left| done <= left) => Some(End { kind: EndKind::Settled, at: done }),
        (_, Some(left)) => Some(End { kind: EndKind::Cancelled, at: left }),
        (_, None) => None,
    }
}

/// Whether a duty needs to be recorded: it was not over before its yellow light.
#[must_use]
pub fn is_due(timing: &Timing, end: Option<End>) -> bool {
    end.is_none_or(|end| end.at >= timing.warn_at)
}
