//! What a case becomes by an event. Total: an event that does not fit changes nothing but the sequence, so that a history
//! can always be read; [`super::check`] says whether the result is sound.

use uuid::Uuid;

use super::{
    Case,
    event::{Assignee, Event},
    instruction::{Decline, Given, Instruction, Response},
    stage::{Stage, Tier},
    tip::{Conclusion, Tip},
};
use dafei_kernel::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// The case after the event; none as long as it has not been opened.
#[must_use]
pub fn evolve(case: Option<Case>, event: &Event) -> Option<Case> {
    if let (None, Event::Opened(facts)) = (&case, event) {
        return Some(Case {
            facts: (**facts).clone(),
            stage: match facts.start() {
                Tier::Township => Stage::AtCentre,
                Tier::County => Stage::AtOffice,
            },
            instructions: Vec::new(),
            legs: 0,
            confirmed: BTreeSet::new(),
            measures: BTreeMap::new(),
            tips: facts.tip.map(|id| Tip { id, verdict: None }).into_iter().collect(),
            conclusion: None,
            sequence: 1,
        });
    }
    let mut case = case?;
    if case.publishes(event) {
        case.sequence += 1;
    }
    apply(&mut case, event);
    Some(case)
}

impl Case {
    /// Whether the event is one of the bus: it takes a sequence then. 签收 moves no clock, and 响应 is a department's
    /// (clause C11); both are kept in the instruction alone. The outcome of a case that was opened at the county office is told to no
    /// township, and where tips go when cases are merged is told to nobody.
    #[must_use]
    pub fn publishes(&self, event: &Event) -> bool {
        match event {
            Event::Accepted { .. } | Event::TipAttached { .. } | Event::TipsHandedOver { .. } => false,
            Event::OutcomeAvailable { .. } => self.facts.start() == Tier::Township,
            Event::Responded { instruction, .. } => {
                self.instruction(*instruction).is_some_and(|instruction| instruction.tier() == Tier::County)
            }
            Event::Opened(_)
            | Event::AgencyInstructed { .. }
            | Event::Delivered { .. }
            | Event::ResultSubmitted { .. }
            | Event::ActConfirmed { .. }
            | Event::MeasureRecorded { .. }
            | Event::AuthorityDeclined { .. }
            | Event::Escalated { .. }
            | Event::DepartmentInstructed { .. }
            | Event::AssignmentReturned { .. }
            | Event::FedBack { .. }
            | Event::TipVerified { .. }
            | Event::Closed { .. } => true,
        }
    }
}

fn apply(case: &mut Case, event: &Event) {
    match event {
        Event::Opened(_) => {}
        Event::FedBack { .. } => conclude(case),
        Event::AgencyInstructed { assignee, leg, text, at } => {
            issue(case, std::slice::from_ref(assignee), *leg, text, *at);
            case.stage = Stage::WithTownshipAgency { instruction: assignee.instruction };
        }
        Event::DepartmentInstructed { assignees, leg, text, at, .. } => {
            issue(case, assignees, *leg, text, *at);
            if let Some(lead) = assignees.iter().find(|assignee| assignee.lead) {
                case.stage = Stage::WithDepartment { lead: lead.instruction };
            }
        }
        Event::Delivered { instruction, delivery } => {
            with(case, *instruction, |instruction| instruction.delivery = Some(*delivery));
        }
        Event::Accepted { instruction, at } => {
            with(case, *instruction, |instruction| instruction.accepted_at = Some(*at));
        }
        Event::Responded { instruction, plan, at } => {
            let response = Response { at: *at, plan: plan.clone() };
            with(case, *instruction, |instruction| instruction.response = Some(response));
        }
        Event::ResultSubmitted { instruction, kind, text, at } => {
            with(case, *instruction, |instruction| {
                let first_at = instruction.result.as_ref().map_or(*at, |given| given.first_at);
                instruction.result = Some(Given { first_at, kind: *kind, text: text.clone() });
            });
            result_moves(case, *instruction);
        }
        Event::ActConfirmed { act, .. } => {
            case.confirmed.insert(*act);
        }
        Event::MeasureRecorded { measure, .. } => {
            case.measures.insert(measure.id.clone(), measure.clone());
        }
        Event::AuthorityDeclined { instruction, reason, at } => {
            let decline = Decline { at: *at, reason: reason.clone(), legal_basis: String::new() };
            with(case, *instruction, |instruction| instruction.declined = Some(decline));
            case.stage = Stage::Declined { instruction: *instruction };
        }
        Event::AssignmentReturned { instruction, reason, legal_basis, at } => {
            let decline = Decline { at: *at, reason: reason.clone(), legal_basis: legal_basis.clone() };
            with(case, *instruction, |instruction| instruction.declined = Some(decline));
            if case.instruction(*instruction).is_some_and(|instruction| instruction.lead) {
                cancel_open(case);
                case.stage = Stage::AtOffice;
            }
        }
        Event::Escalated { .. } => case.stage = Stage::AtOffice,
        Event::OutcomeAvailable { tier, public_text, .. } => {
            conclude(case);
            case.stage = Stage::OutcomeAvailable { tier: *tier, public_text: public_text.clone() };
        }
        Event::TipAttached { tip, .. } => case.tips.push(Tip { id: *tip, verdict: None }),
        Event::TipsHandedOver { .. } => case.tips.retain(|tip| tip.verdict.is_some()),
        Event::TipVerified { tip: id, verdict, .. } => {
            let verdict = Some(*verdict);
            match case.tips.iter_mut().find(|tip| tip.id == *id) {
                Some(tip) => tip.verdict = verdict,
                None => case.tips.push(Tip { id: *id, verdict }),
            }
        }
        Event::Closed { tier, cause, .. } => {
            let public_text = case.stage.public_text().to_owned();
            cancel_open(case);
            case.stage = Stage::Closed { tier: *tier, public_text, cause: *cause };
        }
    }
}

fn with(case: &mut Case, id: Uuid, change: impl FnOnce(&mut Instruction)) {
    if let Some(instruction) = case.instruction_mut(id) {
        change(instruction);
    }
}

fn issue(case: &mut Case, assignees: &[Assignee], leg: u32, text: &str, at: Instant) {
    case.legs = leg;
    case.instructions.extend(assignees.iter().map(|assignee| Instruction::new(assignee, leg, text, at)));
}

/// The result that waits for a decision is what the verification ends with; the first time counts.
fn conclude(case: &mut Case) {
    if let (None, Stage::TownshipResult { instruction } | Stage::DepartmentResult { lead: instruction }) =
        (case.conclusion, &case.stage)
    {
        case.conclusion = Some(Conclusion { verdict: case.verdict(), instruction: *instruction });
    }
}

/// What still waits for a result falls away.
fn cancel_open(case: &mut Case) {
    for instruction in case.instructions.iter_mut().filter(|instruction| instruction.is_open()) {
        instruction.cancelled = true;
    }
}

/// The result that the stage waits for moves the case; any other is a further fact.
fn result_moves(case: &mut Case, id: Uuid) {
    let moved = match &case.stage {
        Stage::WithTownshipAgency { instruction } if *instruction == id => Stage::TownshipResult { instruction: id },
        Stage::WithDepartment { lead } if *lead == id => Stage::DepartmentResult { lead: id },
        Stage::AtCentre
        | Stage::WithTownshipAgency { .. }
        | Stage::Declined { .. }
        | Stage::TownshipResult { .. }
        | Stage::AtOffice
        | Stage::WithDepartment { .. }
        | Stage::DepartmentResult { .. }
        | Stage::OutcomeAvailable { .. }
        | Stage::Closed { .. } => return,
    };
    case.stage = moved;
}
