//! Dispatch and the SLA monitor mean the same by a case's events: whatever was done, the steps that the case has open are the clocks that run.

use std::sync::LazyLock;

use dafei_dispatch_core::case::{Case, Event, Means, Tier, evolve};
use dafei_kernel::workdays::Calendar;
use dafei_sla_core::{
    CaseFacts, Fact, Source, Terms, What,
    fact::{Assignment, Tier as OfTier},
    obligations,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::fixture::Run;

/// The clocks as they are shipped.
static TERMS: LazyLock<(Terms, Calendar)> = LazyLock::new(|| (Terms::builtin(), Calendar::builtin()));

/// The clocks that the published events leave running are those of the steps that the case says are open.
pub(crate) fn same_clocks_run(run: &Run) -> Result<(), TestCaseError> {
    let (terms, calendar) = &*TERMS;
    let running = obligations(&published(run), terms, calendar).into_iter().filter(|one| one.end.is_none());
    let mut running: Vec<(&str, Option<Uuid>)> = running.map(|one| (one.clock.code(), one.instruction)).collect();
    let steps = run.case().clocks();
    let mut open: Vec<(&str, Option<Uuid>)> = steps.iter().map(|step| (step.clock, step.instruction)).collect();
    running.sort_unstable();
    open.sort_unstable();
    prop_assert_eq!(running, open, "{:?}", run.case().stage);
    Ok(())
}

/// What the SLA monitor gets to know.
fn published(run: &Run) -> CaseFacts {
    let mut facts = CaseFacts::new(run.case().facts.id);
    let mut case: Option<Case> = None;
    for event in &run.events {
        case = evolve(case.take(), event);
        let case = case.as_ref().expect("an event leaves a case");
        if let Some(what) = told(case, event).filter(|_| case.publishes(event)) {
            let (sequence, path) = (case.sequence, case.facts.path.clone());
            facts.add(Fact { source: Source::Dispatch, sequence, at: event.at(), known_at: None, path, what });
        }
    }
    facts
}

fn told(case: &Case, event: &Event) -> Option<What> {
    let of = |id: &Uuid| case.instruction(*id).expect("an instruction of the case");
    let assignment = |id: &Uuid| {
        let own = of(id);
        Assignment { instruction: *id, post: own.post.clone(), lead: own.lead, leg: own.leg }
    };
    Some(match event {
        Event::Opened(facts) => {
            What::CaseOpened { tier: tier(facts.start()), sector: None, own: facts.finder.is_some() }
        }
        Event::AgencyInstructed { .. } => What::AgencyInstructed,
        Event::Delivered { instruction, delivery } => What::InstructionDelivered {
            tier: tier(of(instruction).tier()),
            assignment: assignment(instruction),
            own: delivery.means == Means::OwnFinding,
            rework: of(instruction).rework_of.is_some(),
            assumed: false,
        },
        Event::ResultSubmitted { instruction, .. } => {
            What::ResultSubmitted { tier: tier(of(instruction).tier()), assignment: assignment(instruction) }
        }
        Event::AuthorityDeclined { instruction, .. } => What::AuthorityDeclined { assignment: assignment(instruction) },
        Event::Escalated { .. } => What::Escalated,
        Event::DepartmentInstructed { .. } => What::DepartmentInstructed,
        Event::Responded { instruction, .. } => What::DepartmentResponded { assignment: assignment(instruction) },
        Event::AssignmentReturned { instruction, .. } => {
            What::AssignmentReturned { assignment: assignment(instruction) }
        }
        Event::FedBack { leg, .. } => What::FedBack { leg: *leg },
        Event::OutcomeAvailable { .. } => What::OutcomeAvailable { village: case.facts.village.is_some() },
        Event::ReworkOrdered { rejected, .. } => What::ReworkOrdered { assignment: assignment(rejected) },
        Event::ExtensionDecided { instruction, working_days: Some(days), asked_at, .. } => {
            What::ExtensionGranted { assignment: assignment(instruction), working_days: *days, requested_at: *asked_at }
        }
        Event::Closed { .. } => What::CaseClosed,
        Event::Reopened { tier: of, .. } => What::CaseReopened { tier: tier(*of) },
        _ => return None,
    })
}

const fn tier(tier: Tier) -> OfTier {
    match tier {
        Tier::Township => OfTier::Township,
        Tier::County => OfTier::County,
        Tier::City => OfTier::City,
    }
}
