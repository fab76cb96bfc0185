//! What a county sets itself: local defaults, the document's limits shortened, the yellow light, hours without disturbance. Who answers and
//! what starts and stops a clock is the city's to say.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::{
    Limit, Rule, Rules, Warn, check, no_disturb, parse,
    problem::{Flaw, Problems},
    reader::{Object, Reader},
};
use crate::{clock::Clock, quiet::Quiet};

const KEYS: [&str; 7] = ["version", "source", "note", "warn_percent", "reminders", "no_disturb", "clocks"];
const CLOCK_KEYS: [&str; 3] = ["clock", "limit", "warn"];
/// Keys of a clock that are the city's.
const CITY_KEYS: [&str; 11] = [
    "name",
    "clause",
    "tier",
    "local_default",
    "direct",
    "loop_owner",
    "legs",
    "own_finding",
    "start",
    "stop",
    "cancel",
];

/// A county's own rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountyRules {
    version: String,
    percent: Option<u8>,
    no_disturb: Option<Quiet>,
    clocks: Vec<Own>,
}

/// What a county sets of one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Own {
    clock: Clock,
    limit: Option<Limit>,
    warn: Option<Warn>,
}

impl CountyRules {
    /// Reads and checks a county's file.
    ///
    /// # Errors
    /// All that is wrong, with line and clock; nothing of the file is used then.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let mut reader = Reader::new(text);
        let rules = reader.whole().and_then(|file| read(&mut reader, &file));
        reader.finish(rules)
    }

    /// Its version label.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The city's rules as they are in the county. A limit of the document that the city has shortened further than the county stays the
    /// city's.
    #[must_use]
    pub fn over(&self, city: &Rules) -> Rules {
        let mut rules = city.clone();
        rules.version = format!("{}+{}", city.version, self.version);
        rules.no_disturb = self.no_disturb.or(city.no_disturb);
        rules.percent = self.percent.unwrap_or(city.percent);
        for rule in &mut rules.rules {
            let own = self.clocks.iter().find(|own| own.clock == rule.clock);
            apply(rule, own, self.percent, rules.percent);
        }
        rules
    }
}

fn apply(rule: &mut Rule, own: Option<&Own>, county_percent: Option<u8>, percent: u8) {
    if let (Warn::Percent(_), Some(county)) = (rule.warn, county_percent) {
        rule.warn = Warn::Percent(county);
    }
    let Some(own) = own else { return };
    let limit = own.limit.filter(|limit| check::documented(rule.clock).is_none() || !check::raises(*limit, rule.limit));
    if let Some(limit) = limit {
        rule.limit = limit;
    }
    if let Some(warn) = own.warn {
        rule.warn = warn;
    }
    if check::warn(rule.warn, rule.limit).is_some() {
        rule.warn = share_of(rule.limit, percent);
    }
}

/// The yellow light of a limit for which nobody has named one that fits: of working days a whole day.
fn share_of(limit: Limit, percent: u8) -> Warn {
    match limit {
        Limit::WorkingDays(days) if days > 1 => {
            let share = (u64::from(days) * u64::from(percent)).div_ceil(100);
            Warn::CountedDay(u32::try_from(share).unwrap_or(u32::MAX).clamp(1, days - 1))
        }
        _ => Warn::Percent(percent),
    }
}

fn read<'a>(reader: &mut Reader<'a>, file: &Object<'a>) -> Option<CountyRules> {
    reader.only(file, &KEYS);
    let version = parse::version(reader, file);
    let _: Option<String> = reader.required(file, "source");
    let _: Option<String> = reader.optional(file, "note");
    let percent: Option<u8> = reader.optional(file, "warn_percent");
    if let Some(fault) = percent.and_then(parse::percent_fault) {
        reader.fault(file.place("warn_percent"), Flaw::Warn, fault);
    }
    let named: Option<String> = reader.optional(file, "reminders");
    parse::reminders(reader, file, named);
    let no_disturb = no_disturb::read(reader, file);
    let entries: Option<Vec<&RawValue>> = reader.required(file, "clocks");
    let mut seen = BTreeSet::new();
    let mut clocks = Vec::new();
    for entry in entries? {
        let Some((clock, object)) = parse::clock(reader, entry.get(), &mut seen) else { continue };
        clocks.push(own(reader, &object, clock));
    }
    Some(CountyRules { version: version?, percent, no_disturb, clocks })
}

fn own<'a>(reader: &mut Reader<'a>, entry: &Object<'a>, clock: Clock) -> Own {
    for key in CITY_KEYS.into_iter().filter(|key| entry.get(key).is_some()) {
        reader.fault(entry.place(key), Flaw::NotLocal, format!("{key:?} is the city's to set"));
    }
    let known: Vec<&str> = CLOCK_KEYS.into_iter().chain(CITY_KEYS).collect();
    reader.only(entry, &known);
    let (limit, warn) = (reader.optional(entry, "limit"), reader.optional(entry, "warn"));
    if entry.get("limit").is_none() && entry.get("warn").is_none() {
        reader.fault(entry.place(""), Flaw::MissingKey, "neither \"limit\" nor \"warn\" is there");
    }
    for (flaw, detail) in limit.map(|limit| check::limit(clock, limit)).unwrap_or_default() {
        reader.fault(entry.place("limit"), flaw, detail);
    }
    match (warn, limit) {
        (Some(warn), Some(limit)) => {
            if let Some((flaw, detail)) = check::warn(warn, limit) {
                reader.fault(entry.place("warn"), flaw, detail);
            }
        }
        (Some(Warn::CountedDay(_)), None) => {
            reader.fault(entry.place("warn"), Flaw::Warn, "warn.counted_day stands beside its limit");
        }
        (Some(Warn::Percent(percent)), None) if parse::percent_fault(percent).is_some() => {
            reader.fault(entry.place("warn"), Flaw::Warn, "warn.percent is 1 to 99");
        }
        _ => {}
    }
    Own { clock, limit, warn }
}
