//! Entries as they are shown, and outcomes as they are read.

use dafei_contracts::{
    convert::{self, ConvertError},
    sla::v1 as pb,
};
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use dafei_sla_core::accountability::{
    Appeal, Basis, Change, Decider, Decision, Entry, Outcome, PERSONS, Part, Statement, Verdict,
};

use super::NAME;

/// Longest reason of relief.
const REASON: usize = 500;

/// An entry.
pub(super) fn entry(entry: &Entry) -> pb::AccountabilityEntry {
    let reported_by = match &entry.basis {
        Basis::Conduct { reported_by, .. } => reported_by.as_ref(),
        Basis::Breach { .. } | Basis::Accident { .. } | Basis::Evaluation { .. } => None,
    };
    let statements = entry.parties.iter().filter_map(|party| Some(statement(party.part, party.statement.as_ref()?)));
    pb::AccountabilityEntry {
        charge: Some(crate::accountability::events::charge(entry)),
        region_path: entry.path.to_string(),
        state: entry.state.code().to_owned(),
        version: entry.sequence,
        opened_at: Some(entry.opened_at.into()),
        statement_until: Some(entry.statement_until.into()),
        happened_at: Some(entry.basis.happened_at().into()),
        text: entry.basis.text().into_owned(),
        reported_by: reported_by.map(Into::into),
        statements: statements.collect(),
        decisions: entry.decisions.iter().map(decision).collect(),
        basis_annulled_at: entry.basis_annulled_at.map(Into::into),
        outcomes_allowed: entry.outcomes.iter().map(|outcome| outcome.code().to_owned()).collect(),
        decided_above_city: entry.decider == Decider::AboveCity,
        awaits: entry.awaits().as_ref().map(Into::into),
    }
}

fn statement(part: Part, statement: &Statement) -> pb::AccountabilityStatement {
    pb::AccountabilityStatement {
        responsibility: part.code().to_owned(),
        by: Some((&statement.by).into()),
        text: statement.text.clone(),
        at: Some(statement.at.into()),
    }
}

fn decision(decision: &Decision) -> pb::AccountabilityDecision {
    pb::AccountabilityDecision {
        by: Some((&decision.by).into()),
        at: Some(decision.at.into()),
        grounds: decision.grounds.clone(),
        persons: decision.persons.iter().map(verdict).collect(),
        appeal_until: Some(decision.appeal_until.into()),
        appeals: decision.appeals.iter().map(appeal).collect(),
    }
}

fn verdict(verdict: &Verdict) -> pb::PersonOutcome {
    pb::PersonOutcome {
        responsibility: verdict.part.code().to_owned(),
        person: verdict.person.clone(),
        outcome: verdict.outcome.code().to_owned(),
        reason: verdict.reason.clone(),
        leading_cadre: verdict.leading,
        before_appeal: verdict.before_appeal.map_or("", Outcome::code).to_owned(),
    }
}

fn appeal(appeal: &Appeal) -> pb::AccountabilityAppeal {
    let decided = appeal.decision.as_ref();
    pb::AccountabilityAppeal {
        appeal: Some(pb::AccountabilityStatement {
            responsibility: appeal.part.code().to_owned(),
            by: Some((&appeal.by).into()),
            text: appeal.text.clone(),
            at: Some(appeal.at.into()),
        }),
        decided_by: decided.map(|decision| (&decision.by).into()),
        decided_at: decided.map(|decision| decision.at.into()),
        grounds: decided.map(|decision| decision.grounds.clone()).unwrap_or_default(),
        changed: decided.is_some_and(|decision| decision.changed),
    }
}

/// A code of a closed list.
pub(super) fn code<T>(
    field: &str,
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    reason: &'static str,
    what_zh: &str,
) -> Result<T, Fault> {
    if text.is_empty() {
        return Err(faults::convert(ConvertError::required(field)));
    }
    read(text).ok_or_else(|| faults::convert(ConvertError::unknown(field, reason, text, what_zh)))
}

/// An outcome.
pub(super) fn outcome(field: &str, text: &str) -> Result<Outcome, Fault> {
    code(field, text, Outcome::from_code, "UNKNOWN_OUTCOME", "处理种类")
}

/// Entries of a list with their places; one that is too long is left to the rules.
fn each<T>(
    field: &str,
    persons: &[pb::PersonOutcome],
    read: impl Fn(&str, &pb::PersonOutcome) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let read = |(place, person)| read(&format!("{field}[{place}]"), person);
    persons.iter().take(PERSONS + 1).enumerate().map(read).collect()
}

fn part(at: &str, wire: &pb::PersonOutcome) -> Result<Part, Fault> {
    code(&format!("{at}.responsibility"), &wire.responsibility, Part::from_code, "UNKNOWN_RESPONSIBILITY", "责任种类")
}

fn person(at: &str, wire: &pb::PersonOutcome) -> Result<String, Fault> {
    convert::bounded(&format!("{at}.person"), &wire.person, NAME).map_err(faults::convert)
}

/// What is decided of each person.
pub(super) fn verdicts(persons: &[pb::PersonOutcome]) -> Result<Vec<Verdict>, Fault> {
    each("persons", persons, |at, wire| {
        Ok(Verdict {
            part: part(at, wire)?,
            person: person(at, wire)?,
            outcome: outcome(&format!("{at}.outcome"), &wire.outcome)?,
            reason: convert::optional_text(&format!("{at}.reason"), &wire.reason, REASON).map_err(faults::convert)?,
            leading: wire.leading_cadre,
            before_appeal: None,
        })
    })
}

/// Whose outcome becomes which.
pub(super) fn changes(persons: &[pb::PersonOutcome]) -> Result<Vec<Change>, Fault> {
    if persons.len() > PERSONS {
        return Err(Fault::field("changes", "TOO_MANY", "has more than 100 entries", "一次决定最多100人"));
    }
    each("changes", persons, |at, wire| {
        Ok(Change {
            part: part(at, wire)?,
            person: person(at, wire)?,
            outcome: outcome(&format!("{at}.outcome"), &wire.outcome)?,
        })
    })
}
