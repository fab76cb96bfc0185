//! The city's rules file, as an office writes it. Goes on after a fault, so that all are told at once.

use std::collections::BTreeSet;

use dafei_kernel::region::Level;
use serde_json::value::RawValue;

use super::{
    Legs, OwnerRef, Rule, Rules, Warn, check, no_disturb,
    problem::{Flaw, Problems},
    reader::{Object, Reader},
};
use crate::{
    clock::Clock,
    duty::rules::{self as duty, DutyRule},
    fact::FactKind,
};

/// Longest version label, in characters.
const LABEL: usize = 40;

const KEYS: [&str; 8] = ["version", "source", "note", "warn_percent", "reminders", "no_disturb", "clocks", "duties"];
const CLOCK_KEYS: [&str; 14] = [
    "clock",
    "name",
    "clause",
    "tier",
    "limit",
    "warn",
    "local_default",
    "direct",
    "loop_owner",
    "legs",
    "own_finding",
    "start",
    "stop",
    "cancel",
];

pub(super) fn parse(mut reader: Reader<'_>) -> Result<Rules, Problems> {
    let rules = reader.whole().and_then(|file| rules(&mut reader, &file));
    reader.finish(rules)
}

fn rules<'a>(reader: &mut Reader<'a>, file: &Object<'a>) -> Option<Rules> {
    reader.only(file, &KEYS);
    let version = version(reader, file);
    let _: Option<String> = reader.required(file, "source");
    let _: Option<String> = reader.optional(file, "note");
    let percent: Option<u8> = reader.required(file, "warn_percent");
    if let Some(fault) = percent.and_then(percent_fault) {
        reader.fault(file.place("warn_percent"), Flaw::Warn, fault);
    }
    let named: Option<String> = reader.required(file, "reminders");
    reminders(reader, file, named);
    let no_disturb = no_disturb::read(reader, file);
    let entries: Option<Vec<&RawValue>> = reader.required(file, "clocks");
    let sound = percent.filter(|percent| percent_fault(*percent).is_none());
    let owed: Option<Vec<&RawValue>> = reader.required(file, "duties");
    let duties = owed.map(|owed| duties(reader, &owed, sound.unwrap_or(75)));
    let rules = clocks(reader, &entries?, sound.unwrap_or(75));
    Some(Rules { version: version?, percent: percent?, no_disturb, rules, duties: duties? })
}

/// The version label: what every obligation keeps.
pub(super) fn version<'a>(reader: &mut Reader<'a>, file: &Object<'a>) -> Option<String> {
    let version: String = reader.required(file, "version")?;
    let wrong = if version.is_empty() {
        "version is empty"
    } else if version.chars().count() > LABEL {
        "version has more than 40 characters"
    } else if version.chars().any(|sign| sign == '+' || sign.is_whitespace() || sign.is_control()) {
        "version has a blank or a plus sign, which stands between the city's and a county's"
    } else {
        return Some(version);
    };
    reader.fault(file.place("version"), Flaw::Version, wrong);
    None
}

pub(super) fn percent_fault(percent: u8) -> Option<&'static str> {
    (!(1..=99).contains(&percent)).then_some("warn_percent is 1 to 99")
}

pub(super) fn reminders<'a>(reader: &mut Reader<'a>, file: &Object<'a>, named: Option<String>) {
    if let Some(other) = named.filter(|name| name != "doubling-then-weekly") {
        let detail = format!("{other:?} is no reminder rule");
        reader.fault(file.place("reminders"), Flaw::UnknownReminders, detail);
    }
}

fn clocks<'a>(reader: &mut Reader<'a>, entries: &[&'a RawValue], percent: u8) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(Clock::CASES.len());
    let mut seen = BTreeSet::new();
    for entry in entries {
        let Some((clock, object)) = clock(reader, entry.get(), &mut seen) else { continue };
        reader.only(&object, &CLOCK_KEYS);
        if let Some(rule) = rule(reader, &object, clock, percent) {
            for (flaw, detail) in check::rule(&rule) {
                reader.fault(entry.get(), flaw, detail);
            }
            rules.push(rule);
        }
    }
    reader.clock = None;
    for missing in Clock::CASES.into_iter().filter(|clock| !seen.contains(clock)) {
        reader.fault_at_end(missing.code(), Flaw::MissingClock, "is missing");
    }
    rules.sort_by_key(|rule| rule.clock);
    rules
}

/// The periodic duties: each once, whether in force or not.
fn duties<'a>(reader: &mut Reader<'a>, entries: &[&'a RawValue], percent: u8) -> Vec<DutyRule> {
    let mut rules: Vec<DutyRule> = Vec::with_capacity(Clock::DUTIES.len());
    let mut seen = BTreeSet::new();
    for entry in entries {
        reader.clock = None;
        let Some(read) = reader.value::<duty::Entry>(entry.get()) else { continue };
        reader.clock = Some(read.clock.chars().take(20).collect());
        if !seen.insert(read.clock.clone()) {
            reader.fault(entry.get(), Flaw::Twice, "stands twice");
            continue;
        }
        match duty::parse(&read, percent) {
            Ok(rule) if reader.takes(&rule.name) && reader.takes(&rule.clause) => rules.push(rule),
            Ok(_) => reader.fault(entry.get(), Flaw::Duty, "has control characters"),
            Err(detail) => reader.fault(entry.get(), Flaw::Duty, detail),
        }
    }
    reader.clock = None;
    for missing in Clock::DUTIES.into_iter().filter(|clock| !seen.contains(clock.code())) {
        reader.fault_at_end(missing.code(), Flaw::MissingClock, "is missing");
    }
    rules.sort_by_key(|rule| rule.clock);
    rules
}

/// The clock that an entry is of; none for an unknown one, or one that was read before.
pub(super) fn clock<'a>(
    reader: &mut Reader<'a>,
    entry: &'a str,
    seen: &mut BTreeSet<Clock>,
) -> Option<(Clock, Object<'a>)> {
    reader.clock = None;
    let object = reader.object(entry)?;
    let code: String = reader.required(&object, "clock")?;
    // What is no code may be anything: only the beginning is told.
    reader.clock = Some(code.chars().take(20).collect());
    let known = code.parse::<Clock>().ok().filter(|clock| Clock::CASES.contains(clock));
    let Some(clock) = known else {
        reader.fault(
            object.place("clock"),
            Flaw::UnknownClock,
            format!("{:?} is no clock", reader.clock.as_deref().unwrap_or_default()),
        );
        return None;
    };
    if !seen.insert(clock) {
        reader.fault(object.place("clock"), Flaw::Twice, "stands twice");
        return None;
    }
    Some((clock, object))
}

fn rule<'a>(reader: &mut Reader<'a>, entry: &Object<'a>, clock: Clock, percent: u8) -> Option<Rule> {
    // All is read before anything that is missing ends it: each fault is told.
    let (name, clause) = (words(reader, entry, "name"), words(reader, entry, "clause"));
    let tier = coded(reader, entry, "tier", Flaw::UnknownTier, tier);
    let limit = reader.required(entry, "limit");
    let warn = entry.get("warn").map(|warn| reader.value(warn.get()));
    let local_default = reader.required(entry, "local_default");
    let direct = coded(reader, entry, "direct", Flaw::UnknownOwner, owner);
    let loop_owner = coded(reader, entry, "loop_owner", Flaw::UnknownOwner, owner);
    let legs = coded(reader, entry, "legs", Flaw::Legs, legs);
    let own_finding = entry.get("own_finding").map(|value| reader.value(value.get()));
    let (start, stop, cancel) =
        (kinds(reader, entry, "start"), kinds(reader, entry, "stop"), kinds(reader, entry, "cancel"));
    Some(Rule {
        clock,
        name: name?,
        clause: clause?,
        tier: tier?,
        limit: limit?,
        warn: warn.unwrap_or(Some(Warn::Percent(percent)))?,
        local_default: local_default?,
        direct: direct?,
        loop_owner: loop_owner?,
        legs: legs?,
        own_finding: own_finding.unwrap_or(Some(true))?,
        start: start?,
        stop: stop?,
        cancel: cancel?,
    })
}

/// A text that is kept with every obligation.
fn words<'a>(reader: &mut Reader<'a>, entry: &Object<'a>, key: &str) -> Option<String> {
    let text: String = reader.required(entry, key)?;
    if reader.takes(&text) {
        return Some(text);
    }
    reader.fault(entry.place(key), Flaw::Unprintable, format!("{key} has control characters"));
    None
}

/// The meaning of a code.
fn coded<'a, T>(
    reader: &mut Reader<'a>,
    entry: &Object<'a>,
    key: &str,
    flaw: Flaw,
    meaning: fn(&str) -> Option<T>,
) -> Option<T> {
    let code: String = reader.required(entry, key)?;
    let found = meaning(&code);
    if found.is_none() {
        let what = match flaw {
            Flaw::UnknownTier => "tier",
            Flaw::UnknownOwner => "owner",
            _ => "way to tell runnings apart",
        };
        reader.fault(entry.place(key), flaw, format!("{code:?} is no {what}"));
    }
    found
}

fn tier(code: &str) -> Option<Level> {
    match code {
        "village" => Some(Level::Village),
        "township" => Some(Level::Township),
        "county" => Some(Level::County),
        _ => None,
    }
}

fn owner(code: &str) -> Option<OwnerRef> {
    match code {
        "finder" => Some(OwnerRef::Finder),
        "village-secretary" => Some(OwnerRef::VillageSecretary),
        "township-centre" => Some(OwnerRef::TownshipCentre),
        "county-office" => Some(OwnerRef::CountyOffice),
        "assignee" => Some(OwnerRef::Assignee),
        _ => None,
    }
}

fn legs(code: &str) -> Option<Legs> {
    match code {
        "start" => Some(Legs::Start),
        "instruction" => Some(Legs::Instruction),
        _ => None,
    }
}

fn kinds<'a>(reader: &mut Reader<'a>, entry: &Object<'a>, key: &str) -> Option<Vec<FactKind>> {
    let codes: Vec<String> = reader.required(entry, key)?;
    let mut kinds = Vec::with_capacity(codes.len());
    for code in &codes {
        match FactKind::from_code(code) {
            Some(kind) => kinds.push(kind),
            None => reader.fault(entry.place(key), Flaw::UnknownFact, format!("{code:?} is no fact")),
        }
    }
    (kinds.len() == codes.len()).then_some(kinds)
}
