//! The file of the routing table, as an office writes it.

use std::{collections::BTreeMap, str::FromStr};

use dafei_kernel::{
    agency::Agency,
    region::{Level, Region},
};
use serde::Deserialize;

use super::{For, Role, Rule, Table};
use crate::pattern::Pattern;

/// A table that cannot be used, with the place and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The text is not of the table's form.
    #[error("routing table: {0}")]
    Form(String),
    /// A rule is malformed.
    #[error("routing table, rule {rule}: {problem}")]
    Rule {
        /// Id of the rule.
        rule: String,
        /// What is wrong.
        problem: String,
    },
    /// The stand-ins of a county are malformed.
    #[error("routing table, stand-ins of county {county}: {problem}")]
    StandIns {
        /// Code of the county.
        county: String,
        /// What is wrong.
        problem: String,
    },
    /// A case would have no lead.
    #[error("routing table: no lead for act {act}, industry {industry}, subject {subject}")]
    NoLead {
        /// Act code.
        act: String,
        /// Industry code.
        industry: String,
        /// Kind of subject.
        subject: String,
    },
    /// One of the 14 agencies is never asked.
    #[error("routing table: agency {0} appears in no proposal")]
    AgencyMissing(String),
    /// A rule never matches, because those before it take all its cases.
    #[error("routing table: rule {0} is never reached")]
    Unreachable(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    checked_on: String,
    #[serde(default, rename = "note")]
    _note: String,
    rules: Vec<Entry>,
    #[serde(default)]
    stand_ins: BTreeMap<String, BTreeMap<String, String>>,
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
}

pub(super) fn parse(text: &str) -> Result<Table, TableError> {
    let file: File = serde_json::from_str(text).map_err(|error| TableError::Form(error.to_string()))?;
    if file.version.trim().is_empty() {
        return Err(TableError::Form("version is empty".to_owned()));
    }
    let rules = file
        .rules
        .into_iter()
        .map(|entry| {
            let id = entry.id.clone();
            rule(entry).map_err(|problem| TableError::Rule { rule: id, problem })
        })
        .collect::<Result<_, _>>()?;
    let stand_ins = file
        .stand_ins
        .into_iter()
        .map(|(county, agencies)| {
            let checked = stand_ins(&county, agencies);
            checked
                .map(|agencies| (county.clone(), agencies))
                .map_err(|problem| TableError::StandIns { county, problem })
        })
        .collect::<Result<_, _>>()?;
    Ok(Table { version: file.version, checked_on: file.checked_on, rules, stand_ins })
}

fn rule(entry: Entry) -> Result<Rule, String> {
    if entry.acts.is_empty() {
        return Err("names no act".to_owned());
    }
    if entry.basis.trim().is_empty() {
        return Err("has no basis".to_owned());
    }
    let subject = match entry.subject.as_deref() {
        None => For::Any,
        Some("den") => For::Den,
        Some("enterprise") => For::Enterprise,
        Some("regulated-enterprise") => For::RegulatedEnterprise,
        Some(other) => return Err(format!("{other:?} is no kind of subject")),
    };
    let rule = Rule {
        id: entry.id,
        acts: entry.acts.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?,
        industries: entry
            .industries
            .map(|codes| codes.iter().map(|code| known(code, "industry")).collect::<Result<_, _>>())
            .transpose()?,
        subject,
        lead: role(&entry.lead)?,
        co_handlers: entry.co_handlers.iter().map(|code| role(code)).collect::<Result<_, _>>()?,
        enforcement: entry.enforcement.as_deref().map(role).transpose()?,
        basis: entry.basis,
    };
    let roles = [Some(rule.lead), rule.enforcement].into_iter().flatten().chain(rule.co_handlers.iter().copied());
    if rule.subject != For::RegulatedEnterprise && roles.into_iter().any(|role| role == Role::Regulator) {
        return Err("says regulator, and is not for regulated-enterprise alone".to_owned());
    }
    Ok(rule)
}

fn role(code: &str) -> Result<Role, String> {
    match code {
        "usual" => Ok(Role::Usual),
        "regulator" => Ok(Role::Regulator),
        code => known(code, "agency").map(Role::Agency),
    }
}

fn known<T: FromStr>(code: &str, what: &str) -> Result<T, String> {
    code.parse().map_err(|_| format!("{code:?} is no {what}"))
}

fn stand_ins(county: &str, agencies: BTreeMap<String, String>) -> Result<BTreeMap<Agency, Agency>, String> {
    Region::new(Level::County, county).map_err(|error| error.to_string())?;
    let pairs: BTreeMap<Agency, Agency> = agencies
        .iter()
        .map(|(missing, stand_in)| Ok((known(missing, "agency")?, known(stand_in, "agency")?)))
        .collect::<Result<_, String>>()?;
    match pairs.values().find(|stand_in| pairs.contains_key(stand_in)) {
        Some(missing) => Err(format!("{} stands in and is missing itself", missing.code())),
        None => Ok(pairs),
    }
}
