//! The rules file, as an office writes it, and what is checked of it.

use std::{collections::BTreeSet, fmt};

use dafei_kernel::region::Level;
use serde::Deserialize;

use super::{Legs, Limit, OwnerRef, Rule, Rules, Warn};
use crate::{
    clock::Clock,
    duty::rules::{self as duties, DutyRule},
    fact::FactKind,
};

/// A rules file that is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RulesError {
    /// Line, from 1.
    pub line: usize,
    /// The clock, where the fault is in one.
    pub clock: Option<String>,
    /// Why.
    pub reason: String,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clock rules, line {}", self.line)?;
        if let Some(clock) = &self.clock {
            write!(f, ", clock {clock}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(default, rename = "note")]
    _note: String,
    warn_percent: u8,
    reminders: String,
    clocks: Vec<Entry>,
    #[serde(default)]
    duties: Vec<duties::Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    clock: String,
    name: String,
    clause: String,
    tier: String,
    limit: Limit,
    warn: Option<Warn>,
    local_default: bool,
    direct: String,
    loop_owner: String,
    legs: String,
    #[serde(default = "yes")]
    own_finding: bool,
    start: Vec<String>,
    stop: Vec<String>,
    cancel: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// The longest that the document allows; none where it says 立即 or 及时, or nothing.
const fn documented(clock: Clock) -> Option<Limit> {
    match clock {
        Clock::V1 | Clock::V2 | Clock::K4 => Some(Limit::Hours(1)),
        Clock::V3 => Some(Limit::Hours(2)),
        Clock::T2 | Clock::K1 => Some(Limit::Hours(4)),
        Clock::K2 => Some(Limit::Hours(12)),
        Clock::K3 => Some(Limit::WorkingDays(5)),
        _ => None,
    }
}

pub(super) fn parse(text: &str) -> Result<Rules, RulesError> {
    let fault = |line: usize, clock: Option<&str>, reason: String| RulesError {
        line,
        clock: clock.map(ToOwned::to_owned),
        reason,
    };
    let file: File = serde_json::from_str(text).map_err(|error| fault(error.line().max(1), None, error.to_string()))?;
    if file.version.trim().is_empty() {
        return Err(fault(line_of(text, "version"), None, "version is empty".to_owned()));
    }
    if !(1..=99).contains(&file.warn_percent) {
        return Err(fault(line_of(text, "warn_percent"), None, "warn_percent is 1 to 99".to_owned()));
    }
    if file.reminders != "doubling-then-weekly" {
        let reason = format!("{:?} is no reminder rule", file.reminders);
        return Err(fault(line_of(text, "reminders"), None, reason));
    }
    let mut rules = Vec::with_capacity(Clock::CASES.len());
    let mut seen = BTreeSet::new();
    for entry in &file.clocks {
        let at = |reason: String| fault(line_of(text, &entry.clock), Some(&entry.clock), reason);
        let rule = rule(entry, file.warn_percent).map_err(at)?;
        if !seen.insert(rule.clock) {
            return Err(at("stands twice".to_owned()));
        }
        rules.push(rule);
    }
    if let Some(missing) = Clock::CASES.into_iter().find(|clock| !seen.contains(clock)) {
        return Err(fault(text.lines().count().max(1), Some(missing.code()), "is missing".to_owned()));
    }
    rules.sort_by_key(|rule| rule.clock);
    let duties = duties(text, &file)?;
    Ok(Rules { version: file.version, rules, duties })
}

fn duties(text: &str, file: &File) -> Result<Vec<DutyRule>, RulesError> {
    let fault = |line: usize, clock: &str, reason: String| RulesError { line, clock: Some(clock.to_owned()), reason };
    let mut rules: Vec<DutyRule> = Vec::with_capacity(Clock::DUTIES.len());
    for entry in &file.duties {
        let at = |reason: String| fault(line_of(text, &entry.clock), &entry.clock, reason);
        if rules.iter().any(|other| other.clock.code() == entry.clock) {
            return Err(at("stands twice".to_owned()));
        }
        rules.push(duties::parse(entry, file.warn_percent).map_err(at)?);
    }
    let missing = Clock::DUTIES.into_iter().find(|clock| rules.iter().all(|rule| rule.clock != *clock));
    if let Some(missing) = missing {
        return Err(fault(text.lines().count().max(1), missing.code(), "is missing".to_owned()));
    }
    rules.sort_by_key(|rule| rule.clock);
    Ok(rules)
}

/// The line on which a word first stands in quotes.
fn line_of(text: &str, word: &str) -> usize {
    let quoted = format!("\"{word}\"");
    text.lines().position(|line| line.contains(&quoted)).map_or(1, |at| at + 1)
}

fn rule(entry: &Entry, percent: u8) -> Result<Rule, String> {
    let clock: Clock = entry.clock.parse().map_err(|error| format!("{error}"))?;
    if clock.is_duty() {
        return Err("is a duty and no clock of a case".to_owned());
    }
    let rule = Rule {
        clock,
        name: entry.name.clone(),
        clause: entry.clause.clone(),
        tier: tier(&entry.tier)?,
        limit: entry.limit,
        warn: entry.warn.unwrap_or(Warn::Percent(percent)),
        local_default: entry.local_default,
        direct: owner(&entry.direct)?,
        loop_owner: owner(&entry.loop_owner)?,
        legs: match entry.legs.as_str() {
            "start" => Legs::Start,
            "instruction" => Legs::Instruction,
            other => return Err(format!("{other:?} is no way to tell runnings apart")),
        },
        own_finding: entry.own_finding,
        start: kinds(&entry.start)?,
        stop: kinds(&entry.stop)?,
        cancel: kinds(&entry.cancel)?,
    };
    check_limit(&rule)?;
    check_facts(&rule)?;
    Ok(rule)
}

fn tier(code: &str) -> Result<Level, String> {
    match code {
        "village" => Ok(Level::Village),
        "township" => Ok(Level::Township),
        "county" => Ok(Level::County),
        other => Err(format!("{other:?} is no tier")),
    }
}

fn owner(code: &str) -> Result<OwnerRef, String> {
    match code {
        "finder" => Ok(OwnerRef::Finder),
        "village-secretary" => Ok(OwnerRef::VillageSecretary),
        "township-centre" => Ok(OwnerRef::TownshipCentre),
        "county-office" => Ok(OwnerRef::CountyOffice),
        "assignee" => Ok(OwnerRef::Assignee),
        other => Err(format!("{other:?} is no owner")),
    }
}

fn kinds(codes: &[String]) -> Result<Vec<FactKind>, String> {
    codes.iter().map(|code| FactKind::from_code(code).ok_or_else(|| format!("{code:?} is no fact"))).collect()
}

fn check_limit(rule: &Rule) -> Result<(), String> {
    // Far above anything meant; keeps all sums in range.
    if !(1..=10_000).contains(&rule.limit.amount()) {
        return Err("the limit is 1 to 10000".to_owned());
    }
    match (rule.warn, rule.limit) {
        (Warn::Percent(1..=99), _) => {}
        (Warn::Percent(_), _) => return Err("warn.percent is 1 to 99".to_owned()),
        (Warn::CountedDay(day), Limit::WorkingDays(days)) if day >= 1 && day < days => {}
        (Warn::CountedDay(_), Limit::WorkingDays(_)) => {
            return Err("warn.counted_day lies within the limit and before its last day".to_owned());
        }
        (Warn::CountedDay(_), _) => {
            return Err("warn.counted_day is for limits in working days".to_owned());
        }
    }
    match documented(rule.clock) {
        None if rule.local_default => Ok(()),
        None => Err("the document leaves this value open: local_default must be true".to_owned()),
        Some(_) if rule.local_default => Err("the document sets this value: local_default must be false".to_owned()),
        Some(most) if raises(rule.limit, most) => Err(format!("the limit is above the document's {}", most.name_zh())),
        Some(_) => Ok(()),
    }
}

/// Whether a limit is longer than the document's, or in another kind of days, which cannot be compared.
fn raises(limit: Limit, most: Limit) -> bool {
    match (minutes(limit), minutes(most)) {
        (Some(limit), Some(most)) => limit > most,
        (None, None) => {
            std::mem::discriminant(&limit) != std::mem::discriminant(&most) || limit.amount() > most.amount()
        }
        (Some(_), None) | (None, Some(_)) => true,
    }
}

fn minutes(limit: Limit) -> Option<u64> {
    match limit {
        Limit::Minutes(n) => Some(n.into()),
        Limit::Hours(n) => Some(u64::from(n) * 60),
        Limit::Days(_) | Limit::WorkingDays(_) => None,
    }
}

fn check_facts(rule: &Rule) -> Result<(), String> {
    if rule.start.is_empty() || rule.stop.is_empty() {
        return Err("start and stop name at least one fact each".to_owned());
    }
    let mut seen = BTreeSet::new();
    let all = rule.start.iter().chain(&rule.stop).chain(&rule.cancel);
    for kind in all {
        if !seen.insert(*kind) {
            return Err(format!("{} stands twice in start, stop and cancel", kind.code()));
        }
    }
    let by_instruction = |kind: &FactKind| {
        matches!(
            kind,
            FactKind::TownshipInstructionDelivered
                | FactKind::CountyInstructionDelivered
                | FactKind::ResponseOwed
                | FactKind::CityInstructionDelivered
                | FactKind::CityResultSubmitted
                | FactKind::ReworkOrdered
                | FactKind::LeadResultSubmitted
                | FactKind::TownshipResultSubmitted
                | FactKind::CountyResultSubmitted
                | FactKind::AuthorityDeclined
                | FactKind::DepartmentResponded
                | FactKind::AssignmentReturned
                | FactKind::LeadAssignmentReturned
        )
    };
    let needs_instruction =
        rule.legs == Legs::Instruction || rule.direct == OwnerRef::Assignee || rule.loop_owner == OwnerRef::Assignee;
    if needs_instruction && !rule.start.iter().all(by_instruction) {
        return Err("it must start with a fact about an instruction".to_owned());
    }
    Ok(())
}
