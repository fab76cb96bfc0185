//! What a case becomes by an event. Total: an event that does not fit changes nothing but the sequence, so that a history
//! can always be read; [`super::check`] says whether the result is sound.

use uuid::Uuid;

use super::{
    Case, Facts,
    event::{Assignee, Cause, Event},
    instruction::{Answer, Decline, Extension, Given, Instruction, Response},
    record::Exposure,
    stage::{Stage, Tier},
    tip::{self, Conclusion, Tip, Verdict},
};
use dafei_kernel::{measure::WithoutException, time::Instant};
use std::collections::{BTreeMap, BTreeSet};

/// The case after the event; none as long as it has not been opened.
#[must_use]
pub fn evolve(case: Option<Case>, event: &Event) -> Option<Case> {
    if let (None, Event::Opened(facts)) = (&case, event) {
        return Some(opened(facts));
    }
    let mut case = case?;
    if case.publishes(event) {
        case.sequence += 1;
    }
    let stage = case.stage.kind();
    apply(&mut case, event);
    if let Event::ResultSubmitted { .. } | Event::ActConfirmed { .. } = event {
        conclude_later(&mut case);
    }
    if case.stage.kind() != stage {
        case.since = Some(event.at());
    }
    Some(case)
}

fn opened(facts: &Facts) -> Case {
    let own = facts.finder.as_ref().map(|finder| {
        let assignee = Assignee { instruction: finder.instruction, post: finder.post.clone(), lead: true };
        Instruction { own: true, ..Instruction::new(&assignee, 1, "", facts.reached_at) }
    });
    let stage = match (&own, facts.start()) {
        (None, Tier::Township) => Stage::AtCentre,
        (None, Tier::County | Tier::City) => Stage::AtOffice,
        (Some(own), Tier::Township) => Stage::WithTownshipAgency { instruction: own.id },
        (Some(own), Tier::County | Tier::City) => Stage::WithDepartment { lead: own.id },
    };
    Case {
        facts: facts.clone(),
        stage,
        legs: u32::from(own.is_some()),
        instructions: own.into_iter().collect(),
        confirmed: BTreeSet::new(),
        measures: BTreeMap::new(),
        taken_by: BTreeMap::new(),
        compliance: BTreeMap::new(),
        exemptions: BTreeMap::new(),
        outside_scope: false,
        route: None,
        ground: None,
        returns: 0,
        supervisions: Vec::new(),
        urgings: Vec::new(),
        accessories: Vec::new(),
        accident: None,
        exposure: None,
        reopening: None,
        reopened: 0,
        duplicates: Vec::new(),
        since: Some(facts.reached_at),
        closed_at: None,
        tips: facts.tip.map(|id| Tip { id, verdict: None }).into_iter().collect(),
        conclusion: None,
        sequence: 1,
    }
}

impl Case {
    /// Whether the event is one of the bus: it takes a sequence then. 签收 moves no clock, and 响应 is a department's
    /// (clause C11); both are kept in the instruction alone. The outcome of a case that was opened at the county office is told to no
    /// township, nor that of an agency's own finding; and where tips go when cases are merged is told to nobody.
    #[must_use]
    pub fn publishes(&self, event: &Event) -> bool {
        match event {
            Event::Reached { .. }
            | Event::Resent { .. }
            | Event::Accepted { .. }
            | Event::TipAttached { .. }
            | Event::TipsHandedOver { .. }
            | Event::DuplicateAbsorbed { .. } => false,
            Event::OutcomeAvailable { public_text, .. } => {
                self.facts.start() == Tier::Township && !public_text.is_empty()
            }
            Event::Responded { instruction, .. } => {
                self.instruction(*instruction).is_some_and(|instruction| instruction.tier() != Tier::Township)
            }
            Event::Opened(_)
            | Event::AgencyInstructed { .. }
            | Event::Delivered { .. }
            | Event::ResultSubmitted { .. }
            | Event::ActConfirmed { .. }
            | Event::MeasureRecorded { .. }
            | Event::ComplianceRecorded { .. }
            | Event::AuthorityDeclined { .. }
            | Event::Escalated { .. }
            | Event::DepartmentInstructed { .. }
            | Event::AssignmentReturned { .. }
            | Event::FedBack { .. }
            | Event::TipVerified { .. }
            | Event::ExtensionRequested { .. }
            | Event::ExtensionDecided { .. }
            | Event::ReworkOrdered { .. }
            | Event::Urged { .. }
            | Event::Supervised { .. }
            | Event::AccidentRecorded { .. }
            | Event::AccessoryRecorded { .. }
            | Event::Exposed { .. }
            | Event::ExposureRetracted { .. }
            | Event::Closed { .. }
            | Event::ReopeningRequested { .. }
            | Event::ReopeningRefused { .. }
            | Event::Reopened { .. } => true,
        }
    }
}

fn apply(case: &mut Case, event: &Event) {
    match event {
        Event::Opened(_) | Event::ComplianceRecorded { .. } | Event::MeasureRecorded { .. } => facts(case, event),
        Event::FedBack { .. } => conclude(case),
        Event::AgencyInstructed { assignee, leg, ground, text, at } => {
            issue(case, std::slice::from_ref(assignee), *leg, text, *at);
            case.ground = Some(ground.clone());
            case.stage = Stage::WithTownshipAgency { instruction: assignee.instruction };
        }
        Event::DepartmentInstructed { assignees, leg, text, route, binding, at, .. } => {
            issue(case, assignees, *leg, text, *at);
            for assignee in assignees {
                with(case, assignee.instruction, |instruction| instruction.binding = *binding);
            }
            case.route = Some(route.clone());
            if let Some(lead) = assignees.iter().find(|assignee| assignee.lead) {
                case.stage = Stage::WithDepartment { lead: lead.instruction };
            }
        }
        Event::ReworkOrdered { rejected, assignee, leg, reason, at } => {
            rework(case, *rejected, assignee, *leg, reason, *at);
        }
        Event::Delivered { .. }
        | Event::Reached { .. }
        | Event::Resent { .. }
        | Event::Accepted { .. }
        | Event::Responded { .. }
        | Event::ExtensionRequested { .. }
        | Event::ExtensionDecided { .. } => steps(case, event),
        Event::ResultSubmitted { instruction, kind, text, exemptions, at } => {
            with(case, *instruction, |instruction| {
                let first_at = instruction.result.as_ref().map_or(*at, |given| given.first_at);
                instruction.result = Some(Given { first_at, kind: *kind, text: text.clone() });
            });
            exempt(case, *instruction, exemptions);
            result_moves(case, *instruction);
        }
        Event::ActConfirmed { act, outside_scope, .. } => {
            case.confirmed.insert(*act);
            case.outside_scope |= outside_scope;
        }
        Event::AuthorityDeclined { instruction, reason, at } => {
            let decline = Decline { at: *at, reason: reason.clone(), legal_basis: String::new() };
            with(case, *instruction, |instruction| instruction.declined = Some(decline));
            case.stage = Stage::Declined { instruction: *instruction };
        }
        Event::AssignmentReturned { instruction, reason, legal_basis, at } => {
            let decline = Decline { at: *at, reason: reason.clone(), legal_basis: legal_basis.clone() };
            with(case, *instruction, |instruction| instruction.declined = Some(decline));
            returned(case, *instruction);
        }
        Event::Escalated { .. } => case.stage = Stage::AtOffice,
        Event::OutcomeAvailable { tier, public_text, .. } => {
            conclude(case);
            case.stage = Stage::OutcomeAvailable { tier: *tier, public_text: public_text.clone() };
        }
        Event::TipAttached { .. } | Event::TipsHandedOver { .. } | Event::TipVerified { .. } => tips(case, event),
        Event::DuplicateAbsorbed { case: other, .. } => case.duplicates.push(*other),
        Event::Urged { .. }
        | Event::Supervised { .. }
        | Event::AccidentRecorded { .. }
        | Event::AccessoryRecorded { .. }
        | Event::Exposed { .. }
        | Event::ExposureRetracted { .. } => record(case, event),
        Event::Closed { tier, cause, at, .. } => close(case, *tier, *cause, *at),
        Event::ReopeningRequested { request, .. } => case.reopening = Some(request.clone()),
        Event::ReopeningRefused { .. } => case.reopening = None,
        Event::Reopened { tier, .. } => reopen(case, *tier),
    }
}

fn facts(case: &mut Case, event: &Event) {
    match event {
        Event::MeasureRecorded { instruction, measure, .. } => {
            case.measures.insert(measure.id.clone(), measure.clone());
            case.taken_by.insert(measure.id.clone(), *instruction);
        }
        Event::ComplianceRecorded { measure, compliance, .. } => {
            case.compliance.insert(measure.clone(), compliance.clone());
        }
        _ => {}
    }
}

/// What an agency says of its instruction, and the office of its request.
fn steps(case: &mut Case, event: &Event) {
    match event {
        Event::Delivered { instruction, delivery } => {
            with(case, *instruction, |instruction| instruction.delivery = Some(*delivery));
        }
        Event::Reached { instruction, delivery } => {
            with(case, *instruction, |instruction| instruction.reached = Some(*delivery));
        }
        Event::Resent { instruction, by, at } => with(case, *instruction, |instruction| {
            instruction.resent.push((*at, by.clone()));
            // It takes its place in the sequence of what its agency is told.
            instruction.notices += 1;
        }),
        Event::Accepted { instruction, at } => {
            with(case, *instruction, |instruction| instruction.accepted_at = Some(*at));
        }
        Event::Responded { instruction, plan, at } => {
            let response = Response { at: *at, plan: plan.clone() };
            with(case, *instruction, |instruction| instruction.response = Some(response));
        }
        Event::ExtensionRequested { instruction, working_days, reason, at } => {
            let asked = Extension { asked_at: *at, working_days: *working_days, reason: reason.clone(), answer: None };
            with(case, *instruction, |instruction| instruction.extensions.push(asked));
        }
        Event::ExtensionDecided { instruction, working_days, reason, at, .. } => {
            let answer = Answer { at: *at, working_days: *working_days, reason: reason.clone() };
            with(case, *instruction, |instruction| {
                if let Some(asked) = instruction.extensions.last_mut() {
                    asked.answer = Some(answer);
                    instruction.notices += 1;
                }
            });
        }
        _ => {}
    }
}

fn tips(case: &mut Case, event: &Event) {
    match event {
        Event::TipAttached { tip, .. } => case.tips.push(Tip { id: *tip, verdict: None }),
        Event::TipsHandedOver { .. } => case.tips.retain(|tip| tip.verdict.is_some()),
        Event::TipVerified { tip: id, verdict, instruction, .. } => {
            let (given, instruction) = (Some(*verdict), *instruction);
            match case.tips.iter_mut().find(|tip| tip.id == *id) {
                Some(tip) => tip.verdict = given,
                None => case.tips.push(Tip { id: *id, verdict: given }),
            }
            // Where no final result has come this alone says it, and in a history from when an interim one decided.
            concluded(case, Conclusion { verdict: *verdict, instruction });
        }
        _ => {}
    }
}

fn record(case: &mut Case, event: &Event) {
    match event {
        Event::Urged { urging, .. } => {
            notify(case, |one| urging.instruction.map_or(one.post == urging.to, |id| one.id == id));
            case.urgings.push(urging.clone());
        }
        Event::Supervised { supervision, .. } => {
            notify(case, |_| true);
            case.supervisions.push(supervision.clone());
        }
        Event::AccidentRecorded { accident, .. } => case.accident = Some((**accident).clone()),
        Event::AccessoryRecorded { accessory, .. } => case.accessories.push((**accessory).clone()),
        Event::Exposed { text, at, .. } => case.exposure = Some(Exposure { text: text.clone(), at: *at }),
        Event::ExposureRetracted { .. } => case.exposure = None,
        _ => {}
    }
}

/// Those who work on it are told.
fn notify(case: &mut Case, whom: impl Fn(&Instruction) -> bool) {
    for instruction in case.instructions.iter_mut().filter(|one| one.is_open() && whom(one)) {
        instruction.notices += 1;
    }
}

fn rework(case: &mut Case, rejected: Uuid, assignee: &Assignee, leg: u32, reason: &str, at: Instant) {
    let (mut binding, mut tier) = (false, Tier::County);
    with(case, rejected, |instruction| {
        instruction.superseded = true;
        (binding, tier) = (instruction.binding, instruction.tier());
    });
    issue(case, std::slice::from_ref(assignee), leg, reason, at);
    with(case, assignee.instruction, |instruction| {
        instruction.binding = binding;
        instruction.rework_of = Some(rejected);
    });
    case.stage = match tier {
        Tier::Township => Stage::WithTownshipAgency { instruction: assignee.instruction },
        Tier::County | Tier::City => Stage::WithDepartment { lead: assignee.instruction },
    };
}

/// The lead's return sends the case back to the office; what an agency found itself was assigned by nobody and counts for no return.
fn returned(case: &mut Case, id: Uuid) {
    let Some(instruction) = case.instruction(id).filter(|instruction| instruction.lead) else { return };
    case.returns += u32::from(!instruction.own);
    cancel_open(case, false);
    case.stage = Stage::AtOffice;
}

fn close(case: &mut Case, tier: Tier, cause: Cause, at: Instant) {
    let public_text = case.stage.public_text().to_owned();
    cancel_open(case, true);
    case.stage = Stage::Closed { tier, public_text, cause };
    case.closed_at = Some(at);
}

fn reopen(case: &mut Case, tier: Tier) {
    case.exemptions.clear();
    case.reopening = None;
    case.closed_at = None;
    case.reopened += 1;
    // What was found untrue is looked into again: the tips that come now wait for what that brings.
    case.conclusion = case.conclusion.filter(|conclusion| conclusion.verdict == Verdict::True);
    case.stage = match tier {
        Tier::Township => Stage::AtCentre,
        Tier::County | Tier::City => Stage::AtOffice,
    };
}

fn with(case: &mut Case, id: Uuid, change: impl FnOnce(&mut Instruction)) {
    if let Some(instruction) = case.instruction_mut(id) {
        change(instruction);
    }
}

fn issue(case: &mut Case, assignees: &[Assignee], leg: u32, text: &str, at: Instant) {
    case.legs = leg;
    // They were the reasons of a lead whose work was not taken, or is over: this one gives its own.
    case.exemptions.clear();
    case.instructions.extend(assignees.iter().map(|assignee| Instruction::new(assignee, leg, text, at)));
}

/// Why some of the four do not apply is for the lead of the assignment to say; what others say stays with their result.
fn exempt(case: &mut Case, id: Uuid, exemptions: &[(WithoutException, String)]) {
    if case.instruction(id).is_some_and(|instruction| instruction.lead && instruction.leg == case.legs) {
        case.exemptions.extend(exemptions.iter().cloned());
    }
}

/// The result that waits for a decision is what the verification rests on, as far as it decides.
fn conclude(case: &mut Case) {
    if let Stage::TownshipResult { instruction } | Stage::DepartmentResult { lead: instruction } = case.stage {
        settle(case, instruction);
    }
}

/// A result that comes after the verification may say what the one before it left open, or got wrong.
fn conclude_later(case: &mut Case) {
    if let Some(lead) = case.verifier() {
        settle(case, lead);
    }
}

fn settle(case: &mut Case, lead: Uuid) {
    if let Some(verdict) = case.finding(lead) {
        concluded(case, Conclusion { verdict, instruction: lead });
    }
}

fn concluded(case: &mut Case, conclusion: Conclusion) {
    if tip::adds(case.conclusion.map(|known| known.verdict), conclusion.verdict) {
        case.conclusion = Some(conclusion);
    }
}

/// What still waits for a result falls away, and its agency is told.
fn cancel_open(case: &mut Case, at_closing: bool) {
    for instruction in case.instructions.iter_mut().filter(|instruction| instruction.is_open()) {
        instruction.cancelled = true;
        instruction.fell_at_closing = at_closing;
        instruction.notices += 1;
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
