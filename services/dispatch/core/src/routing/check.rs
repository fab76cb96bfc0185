//! The checks of a routing table: every case has a lead, all 14 agencies are asked, no rule is idle.

use std::collections::BTreeSet;

use dafei_kernel::{act::Act, agency::Agency, industry::Industry};

use super::{SubjectKind, Table, TableError};

pub(super) fn check(table: &Table) -> Result<(), TableError> {
    let mut ids = BTreeSet::new();
    for rule in &table.rules {
        if !ids.insert(rule.id.as_str()) {
            return Err(TableError::Rule { rule: rule.id.clone(), problem: "its id is used twice".to_owned() });
        }
    }
    let mut reached = BTreeSet::new();
    let mut asked = BTreeSet::new();
    for act in Act::all() {
        for industry in Industry::ALL.iter().copied() {
            for subject in subjects() {
                let proposal = table.propose(None, act, industry, subject).ok_or_else(|| TableError::NoLead {
                    act: act.code().to_owned(),
                    industry: industry.code().to_owned(),
                    subject: format!("{subject:?}"),
                })?;
                // A regulator leads whatever the table says: it does not count as asked.
                let own = matches!(subject, SubjectKind::Enterprise { regulator: Some(_) });
                if !own {
                    asked.insert(proposal.lead);
                    asked.extend(proposal.co_handlers);
                }
                reached.insert(proposal.rule);
            }
        }
    }
    if let Some(idle) = table.rules.iter().find(|rule| !reached.contains(&rule.id)) {
        return Err(TableError::Unreachable(idle.id.clone()));
    }
    match Agency::ALL.iter().find(|agency| !asked.contains(agency)) {
        Some(missing) => Err(TableError::AgencyMissing(missing.code().to_owned())),
        None => Ok(()),
    }
}

/// Every kind of subject: a den, an enterprise, and an enterprise of each regulator.
fn subjects() -> impl Iterator<Item = SubjectKind> {
    let regulated = Agency::ALL.iter().map(|agency| SubjectKind::Enterprise { regulator: Some(*agency) });
    [SubjectKind::Den, SubjectKind::Enterprise { regulator: None }].into_iter().chain(regulated)
}
