//! The texts of the routing table and of a county's own, as offices write them. Every wrong place is told, not only the first.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use dafei_kernel::{
    agency::Agency,
    region::{Level, Region},
};
use jiff::civil::Date;
use serde::Deserialize;

use super::{CountyTable, For, Role, Rule, Table};
use crate::{
    pattern::Pattern,
    problem::{Flaw, Problem, Problems, check_version, read},
};

/// Longest text, in bytes.
const TEXT: usize = 256 * 1024;
/// Most rules of a city's table or of a county's: the checks go through them for every kind of case.
const RULES: usize = 300;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    checked_on: String,
    #[serde(default, rename = "note")]
    _note: String,
    rules: Vec<Entry>,
    #[serde(default)]
    counties: BTreeMap<String, CountyEntry>,
}

/// What a city's table says of a county.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountyEntry {
    #[serde(default)]
    rules: Vec<Entry>,
    #[serde(default)]
    stand_ins: BTreeMap<String, Option<String>>,
}

/// A county's own text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountyFile {
    version: String,
    checked_on: String,
    #[serde(default, rename = "note")]
    _note: String,
    #[serde(default)]
    rules: Vec<Entry>,
    #[serde(default)]
    stand_ins: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    acts: Vec<String>,
    industries: Option<Vec<String>>,
    subject: Option<String>,
    lead: String,
    #[serde(default)]
    co_handlers: Vec<String>,
    enforcement: Option<String>,
    basis: String,
    /// When it differs from the table's.
    checked_on: Option<String>,
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is kept: an older release may have taken what is refused now.
    Kept,
    /// An office hands it in.
    Office,
}

pub(super) fn table(text: &str, from: Origin) -> Result<Table, Problems> {
    let file: File = read(text, TEXT)?;
    let mut reader = Reader::start(&file.version, &file.checked_on, from);
    let rules = reader.rules("rules", file.rules);
    let mut counties = BTreeMap::new();
    for (code, entry) in file.counties {
        let place = format!("counties[{code}]");
        if let Err(error) = Region::new(Level::County, &code) {
            reader.wrong(&place, Flaw::UnknownCounty, error.to_string());
        }
        let rules = reader.rules(&format!("{place}.rules"), entry.rules);
        let stand_ins = reader.stand_ins(&format!("{place}.stand_ins"), &entry.stand_ins);
        counties.insert(code, CountyTable { version: None, rules, stand_ins });
    }
    Problems::none_of(reader.problems, Table { version: file.version, rules, counties })
}

pub(super) fn county(text: &str, from: Origin) -> Result<CountyTable, Problems> {
    let file: CountyFile = read(text, TEXT)?;
    let mut reader = Reader::start(&file.version, &file.checked_on, from);
    let rules = reader.rules("rules", file.rules);
    let stand_ins = reader.stand_ins("stand_ins", &file.stand_ins);
    Problems::none_of(reader.problems, CountyTable { version: Some(file.version), rules, stand_ins })
}

/// Reads on after a problem, so that all are found. What it makes of a text with problems is not used.
struct Reader<'a> {
    checked_on: &'a str,
    from: Origin,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn start(version: &str, checked_on: &'a str, from: Origin) -> Self {
        let mut reader = Reader { checked_on, from, problems: Vec::new() };
        check_version(version, &mut reader.problems);
        reader.date("checked_on", checked_on);
        reader
    }

    fn wrong(&mut self, place: &str, flaw: Flaw, detail: impl Into<String>) {
        self.problems.push(Problem::new(place, flaw, detail));
    }

    fn date(&mut self, place: &str, text: &str) {
        if let Err(error) = text.parse::<Date>() {
            self.wrong(place, Flaw::InvalidDate, error.to_string());
        }
    }

    fn known<T: FromStr>(&mut self, place: &str, flaw: Flaw, code: &str) -> Option<T> {
        let found = code.parse().ok();
        if found.is_none() {
            self.wrong(place, flaw, format!("{code:?} is not known"));
        }
        found
    }

    fn rules(&mut self, place: &str, entries: Vec<Entry>) -> Vec<Rule> {
        if entries.len() > RULES {
            self.wrong(place, Flaw::TooManyRules, format!("has more than {RULES} rules"));
            return Vec::new();
        }
        let mut ids = BTreeSet::new();
        let mut rules = Vec::with_capacity(entries.len());
        for (number, entry) in entries.into_iter().enumerate() {
            if entry.id.trim().is_empty() {
                self.wrong(&format!("{place}[{number}].id"), Flaw::NoRuleId, "is empty");
                continue;
            }
            let place = format!("{place}[{}]", entry.id);
            if !ids.insert(entry.id.clone()) {
                self.wrong(&place, Flaw::DuplicateRule, "its id is used twice");
            }
            rules.extend(self.rule(&place, entry));
        }
        rules
    }

    fn rule(&mut self, place: &str, entry: Entry) -> Option<Rule> {
        if entry.acts.is_empty() {
            self.wrong(&format!("{place}.acts"), Flaw::NoAct, "names no act");
        }
        if entry.basis.trim().is_empty() {
            self.wrong(&format!("{place}.basis"), Flaw::NoBasis, "is empty");
        }
        for (name, text) in [("id", &entry.id), ("basis", &entry.basis)] {
            if !self.takes(text) {
                self.wrong(&format!("{place}.{name}"), Flaw::Unprintable, "has control characters");
            }
        }
        if let Some(date) = &entry.checked_on {
            self.date(&format!("{place}.checked_on"), date);
        }
        let subject = self.subject(&format!("{place}.subject"), entry.subject.as_deref());
        let acts = self.acts(&format!("{place}.acts"), &entry.acts);
        let industries = entry.industries.map(|codes| {
            let place = format!("{place}.industries");
            codes.iter().filter_map(|code| self.known(&place, Flaw::UnknownIndustry, code)).collect()
        });
        let lead = self.role(&format!("{place}.lead"), &entry.lead, subject);
        let helpers = format!("{place}.co_handlers");
        let co_handlers = entry.co_handlers.iter().filter_map(|code| self.role(&helpers, code, subject)).collect();
        let punishes = format!("{place}.enforcement");
        let enforcement = entry.enforcement.as_deref().and_then(|code| self.role(&punishes, code, subject));
        let checked_on = entry.checked_on.unwrap_or_else(|| self.checked_on.to_owned());
        let (id, basis) = (entry.id, entry.basis);
        Some(Rule { id, acts, industries, subject: subject?, lead: lead?, co_handlers, enforcement, basis, checked_on })
    }

    /// Whether words may be kept: PostgreSQL takes no NUL, and of a new text no control characters are taken but tabs and line feeds.
    fn takes(&self, words: &str) -> bool {
        let untidy = |sign: char| sign.is_control() && !matches!(sign, '\n' | '\r' | '\t');
        !words.contains(|sign| sign == '\0' || (self.from == Origin::Office && untidy(sign)))
    }

    fn subject(&mut self, place: &str, code: Option<&str>) -> Option<For> {
        match code {
            None => Some(For::Any),
            Some("den") => Some(For::Den),
            Some("enterprise") => Some(For::Enterprise),
            Some("regulated-enterprise") => Some(For::RegulatedEnterprise),
            Some(other) => {
                self.wrong(place, Flaw::UnknownSubject, format!("{other:?} is no kind of subject"));
                None
            }
        }
    }

    fn acts(&mut self, place: &str, texts: &[String]) -> Vec<Pattern> {
        let mut acts = Vec::with_capacity(texts.len());
        for text in texts {
            match Pattern::parse(text) {
                Ok(pattern) => acts.push(pattern),
                Err(detail) => self.wrong(place, Flaw::UnknownAct, detail),
            }
        }
        acts
    }

    fn role(&mut self, place: &str, code: &str, subject: Option<For>) -> Option<Role> {
        match code {
            "usual" => Some(Role::Usual),
            "regulator" => {
                if subject.is_some_and(|subject| subject != For::RegulatedEnterprise) {
                    self.wrong(place, Flaw::NoRegulator, "the rule is not for regulated-enterprise alone");
                }
                Some(Role::Regulator)
            }
            code => self.known(place, Flaw::UnknownAgency, code).map(Role::Agency),
        }
    }

    fn stand_ins(&mut self, place: &str, pairs: &BTreeMap<String, Option<String>>) -> BTreeMap<Agency, Agency> {
        let mut found = BTreeMap::new();
        for (missing, stand_in) in pairs {
            let place = format!("{place}[{missing}]");
            let agency: Option<Agency> = self.known(&place, Flaw::UnknownAgency, missing);
            match stand_in.as_deref() {
                None | Some("") => self.wrong(&place, Flaw::NoStandIn, "nobody stands in"),
                Some(code) if pairs.contains_key(code) => {
                    self.wrong(&place, Flaw::StandInMissing, format!("{code} stands in and is missing itself"));
                }
                Some(code) => found.extend(agency.zip(self.known(&place, Flaw::UnknownAgency, code))),
            }
        }
        found
    }
}
