//! What must hold of a clock, whoever writes its rule.

use std::collections::BTreeSet;

use dafei_kernel::region::Level;

use super::{Legs, Limit, OwnerRef, Rule, Warn, problem::Flaw};
use crate::{clock::Clock, fact::FactKind};

/// A flaw and what exactly.
pub(super) type Fault = (Flaw, String);

/// The longest that the document allows; none where it says 立即 or 及时, or nothing.
pub(super) const fn documented(clock: Clock) -> Option<Limit> {
    match clock {
        Clock::V1 | Clock::V2 | Clock::K4 => Some(Limit::Hours(1)),
        Clock::V3 => Some(Limit::Hours(2)),
        Clock::T2 | Clock::K1 => Some(Limit::Hours(4)),
        Clock::K2 => Some(Limit::Hours(12)),
        Clock::K3 => Some(Limit::WorkingDays(5)),
        _ => None,
    }
}

/// How a clock's runnings are told apart. The same in all versions: an obligation keeps its place among the others whatever was replaced.
const fn legs(clock: Clock) -> Legs {
    match clock {
        Clock::T2 | Clock::K2 | Clock::K3 | Clock::K4 => Legs::Instruction,
        _ => Legs::Start,
    }
}

/// All that is wrong with a rule.
pub(super) fn rule(rule: &Rule) -> Vec<Fault> {
    let mut faults = limit(rule.clock, rule.limit);
    faults.extend(warn(rule.warn, rule.limit));
    let local = documented(rule.clock).is_none();
    if rule.local_default != local {
        let why = if local { "the document leaves this value open" } else { "the document sets this value" };
        faults.push((Flaw::LocalDefault, format!("{why}: local_default must be {local}")));
    }
    if rule.legs != legs(rule.clock) {
        faults.push((Flaw::Legs, "the runnings of this clock are told apart in the other way".to_owned()));
    }
    faults.extend(facts(rule));
    faults
}

/// Whether a limit lies in range and within the document's.
pub(super) fn limit(clock: Clock, limit: Limit) -> Vec<Fault> {
    let mut faults = Vec::new();
    // Far above anything meant; keeps all sums in range.
    if !(1..=10_000).contains(&limit.amount()) {
        faults.push((Flaw::LimitRange, "the limit is 1 to 10000".to_owned()));
    }
    if let Some(most) = documented(clock).filter(|most| raises(limit, *most)) {
        faults.push((Flaw::AboveDocument, format!("the limit is above the document's {}", most.name_zh())));
    }
    faults
}

/// Whether a yellow light lies within its limit.
pub(super) fn warn(warn: Warn, limit: Limit) -> Option<Fault> {
    let reason = match (warn, limit) {
        (Warn::Percent(1..=99), _) => return None,
        (Warn::CountedDay(day), Limit::WorkingDays(days)) if day >= 1 && day < days => return None,
        (Warn::Percent(_), _) => "warn.percent is 1 to 99",
        (Warn::CountedDay(_), Limit::WorkingDays(_)) => {
            "warn.counted_day lies within the limit and before its last day"
        }
        (Warn::CountedDay(_), _) => "warn.counted_day is for limits in working days",
    };
    Some((Flaw::Warn, reason.to_owned()))
}

/// Whether a limit is longer than another, or in another kind of days, which cannot be compared.
pub(super) fn raises(limit: Limit, most: Limit) -> bool {
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

fn facts(rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    if rule.start.is_empty() || rule.stop.is_empty() {
        faults.push((Flaw::NoFact, "start and stop name at least one fact each".to_owned()));
    }
    let mut seen = BTreeSet::new();
    for kind in rule.start.iter().chain(&rule.stop).chain(&rule.cancel) {
        if !seen.insert(*kind) {
            faults.push((Flaw::Twice, format!("{} stands twice in start, stop and cancel", kind.code())));
        }
    }
    let needs_instruction =
        rule.legs == Legs::Instruction || rule.direct == OwnerRef::Assignee || rule.loop_owner == OwnerRef::Assignee;
    if needs_instruction && !rule.start.iter().all(|kind| is_about_instruction(*kind)) {
        faults.push((Flaw::NoOwner, "it must start with a fact about an instruction".to_owned()));
    }
    for owner in [rule.direct, rule.loop_owner] {
        for kind in rule.start.iter().filter(|kind| !names(**kind, owner)) {
            faults.push((Flaw::NoOwner, format!("{} does not tell who the owner is", kind.code())));
        }
    }
    faults
}

const fn is_about_instruction(kind: FactKind) -> bool {
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
}

/// Whether the region path of a fact goes down to an owner: a clock whose owner cannot be told would be a hole. What offices do at the
/// county's tier may be the city's, which has no county office to charge.
const fn names(kind: FactKind, owner: OwnerRef) -> bool {
    match owner {
        OwnerRef::Assignee => true,
        // The ledger puts the city's office in its place (city-instruction-delivered).
        OwnerRef::CountyOffice => true,
        OwnerRef::TownshipCentre => matches!(level(kind), Level::Village | Level::Township),
        OwnerRef::Finder | OwnerRef::VillageSecretary => matches!(level(kind), Level::Village),
    }
}

/// The lowest region that the path of such a fact is sure to name.
const fn level(kind: FactKind) -> Level {
    match kind {
        FactKind::SuspicionRecorded
        | FactKind::SecretaryNotified
        | FactKind::PersuasionHeeded
        | FactKind::PersuasionRefused
        | FactKind::RevisitRecorded
        | FactKind::RevisitGoesOn
        | FactKind::ReportedUp
        | FactKind::ReportWithdrawn
        | FactKind::SuspicionReopened
        | FactKind::ReportMerged
        | FactKind::ResultPublished
        | FactKind::VillageOutcomeAvailable => Level::Village,
        FactKind::CaseOpened
        | FactKind::CaseReopened
        | FactKind::AgencyInstructed
        | FactKind::TownshipInstructionDelivered
        | FactKind::TownshipResultSubmitted
        | FactKind::AuthorityDeclined => Level::Township,
        FactKind::CountyCaseOpened
        | FactKind::CountyCaseReopened
        | FactKind::Escalated
        | FactKind::CountyInstructionDelivered
        | FactKind::ResponseOwed
        | FactKind::CountyResultSubmitted
        | FactKind::LeadResultSubmitted => Level::County,
        FactKind::CityInstructionDelivered
        | FactKind::CityResultSubmitted
        | FactKind::DepartmentInstructed
        | FactKind::DepartmentResponded
        | FactKind::AssignmentReturned
        | FactKind::LeadAssignmentReturned
        | FactKind::ReworkOrdered
        | FactKind::FedBack
        | FactKind::Closed => Level::City,
    }
}
