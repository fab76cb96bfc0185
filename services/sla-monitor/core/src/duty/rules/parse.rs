//! The duties of the rules file, and what is checked of them.

use jiff::civil::Date;
use serde::Deserialize;

use super::{Act, Cycle, DutyOwner, DutyRule, Span, UnitKind, UnitRule};
use crate::clock::Clock;

/// A duty as an office writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) clock: String,
    name: String,
    clause: String,
    in_force: bool,
    from: Option<Date>,
    cycle: String,
    runs: Option<String>,
    again_days: Option<u32>,
    count: u32,
    stop: String,
    direct: String,
    loop_owner: String,
    warn_percent: Option<u8>,
    reminders: String,
    units: Vec<UnitEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitEntry {
    kind: UnitKind,
    days: u32,
    local_default: bool,
}

/// What the document sets: the day after the period until which there is time (none where it leaves the value open), how often, what, and
/// when it runs (none: it stands).
struct Documented {
    days: Option<u32>,
    least: u32,
    act: Act,
    span: Option<Span>,
}

const fn documented(clock: Clock) -> Option<Documented> {
    let (days, least, act, span) = match clock {
        Clock::W1 => (Some(0), 3, Act::Patrol, Some(Span::Within(Cycle::Week))),
        Clock::W2 => (Some(0), 1, Act::Broadcast, Some(Span::Within(Cycle::Week))),
        Clock::W3 => (Some(7), 1, Act::Briefing, Some(Span::After(Cycle::Week))),
        Clock::M1 => (Some(5), 1, Act::Filing, Some(Span::After(Cycle::Month))),
        Clock::M2 => (None, 1, Act::Briefing, Some(Span::After(Cycle::Month))),
        Clock::Q1 => (None, 1, Act::Evaluation, Some(Span::Within(Cycle::Quarter))),
        Clock::N1 => (None, 10, Act::Notices, None),
        _ => return None,
    };
    Some(Documented { days, least, act, span })
}

/// Reads and checks one duty.
pub(crate) fn parse(entry: &Entry, percent: u8) -> Result<DutyRule, String> {
    let clock: Clock = entry.clock.parse().map_err(|error| format!("{error}"))?;
    let documented = documented(clock).ok_or_else(|| "is the clock of a case and no duty".to_owned())?;
    let rule = DutyRule {
        clock,
        name: entry.name.clone(),
        clause: entry.clause.clone(),
        in_force: entry.in_force,
        from: entry.from,
        span: span(entry)?,
        count: entry.count,
        act: Act::from_code(&entry.stop).ok_or_else(|| format!("{:?} is nothing that stops a duty", entry.stop))?,
        direct: owner(&entry.direct)?,
        loop_owner: owner(&entry.loop_owner)?,
        warn_percent: entry.warn_percent.unwrap_or(percent),
        reminders: match entry.reminders.as_str() {
            "none" => false,
            "doubling-then-weekly" => true,
            other => return Err(format!("{other:?} is no reminder rule")),
        },
        units: entry
            .units
            .iter()
            .map(|unit| UnitRule { kind: unit.kind, days: unit.days, local_default: unit.local_default })
            .collect(),
    };
    check(&rule, &documented)?;
    Ok(rule)
}

fn span(entry: &Entry) -> Result<Span, String> {
    let cycle = match entry.cycle.as_str() {
        "week" => Cycle::Week,
        "month" => Cycle::Month,
        "quarter" => Cycle::Quarter,
        "standing" => {
            let again_days = entry.again_days.filter(|days| (1..=1_000).contains(days));
            let again_days = again_days.ok_or_else(|| "again_days is 1 to 1000".to_owned())?;
            return match &entry.runs {
                None => Ok(Span::Standing { again_days }),
                Some(_) => Err("runs is for duties with a period".to_owned()),
            };
        }
        other => return Err(format!("{other:?} is no cycle")),
    };
    if entry.again_days.is_some() {
        return Err("again_days is for standing duties".to_owned());
    }
    match entry.runs.as_deref() {
        Some("within") => Ok(Span::Within(cycle)),
        Some("after") => Ok(Span::After(cycle)),
        _ => Err("runs is within or after".to_owned()),
    }
}

fn owner(code: &str) -> Result<DutyOwner, String> {
    match code {
        "unit" => Ok(DutyOwner::Unit),
        "collecting-office" => Ok(DutyOwner::CollectingOffice),
        other => Err(format!("{other:?} is no owner of a duty")),
    }
}

fn check(rule: &DutyRule, documented: &Documented) -> Result<(), String> {
    if rule.act != documented.act {
        return Err(format!("stop is {}", documented.act.code()));
    }
    match (rule.span, documented.span) {
        (Span::Standing { .. }, None) => {}
        (own, Some(span)) if own == span => {}
        _ => return Err("cycle and runs are the document's".to_owned()),
    }
    if !(1..=99).contains(&rule.warn_percent) {
        return Err("warn_percent is 1 to 99".to_owned());
    }
    if rule.count < documented.least {
        return Err(format!("count is below the document's {}", documented.least));
    }
    if rule.count > 100 {
        return Err("count is at most 100".to_owned());
    }
    if rule.units.is_empty() {
        return Err("units is empty".to_owned());
    }
    for (index, unit) in rule.units.iter().enumerate() {
        if rule.units[..index].iter().any(|other| other.kind == unit.kind) {
            return Err(format!("unit {} stands twice", unit.kind.code()));
        }
        check_limit(rule, documented, unit).map_err(|reason| format!("unit {}: {reason}", unit.kind.code()))?;
    }
    Ok(())
}

fn check_limit(rule: &DutyRule, documented: &Documented, unit: &UnitRule) -> Result<(), String> {
    let least = u32::from(!matches!(rule.span, Span::Within(_)));
    // Each period is gone through once and after the one before: their yellow lights must come one after the other.
    let most = match rule.span {
        Span::Within(Cycle::Week) => 1,
        Span::After(Cycle::Week) => 7,
        Span::Within(Cycle::Month) | Span::After(Cycle::Month) => 28,
        Span::Within(Cycle::Quarter) | Span::After(Cycle::Quarter) => 90,
        Span::Standing { .. } => 1_000,
    };
    if !(least..=most).contains(&unit.days) {
        return Err(format!("days is {least} to {most}"));
    }
    let own = matches!(rule.direct, DutyOwner::Unit) && matches!(rule.loop_owner, DutyOwner::Unit);
    if unit.kind == UnitKind::Village && !own {
        return Err("no office collects from a village".to_owned());
    }
    match documented.days {
        None if unit.local_default => Ok(()),
        None => Err("the document leaves this value open: local_default must be true".to_owned()),
        Some(days) if unit.days > days => Err(format!("the limit is above the document's day {days}")),
        Some(days) if unit.local_default == (unit.days == days) => {
            Err("local_default is false for the document's own limit, and true for an earlier one".to_owned())
        }
        Some(_) => Ok(()),
    }
}
