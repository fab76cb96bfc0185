//! What the agency that has an instruction may do with it, and what that does to the case.

use dafei_kernel::{owner::Post, time::Instant};
use uuid::Uuid;

use super::{
    Case,
    command::{Context, Step},
    event::Event,
    extension,
    instruction::{Delivery, Instruction, InstructionState, Means},
    rejection::{Reason, Rejection},
    result,
    stage::Tier,
};

pub(super) fn decide(case: &Case, id: Uuid, step: &Step, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let instruction = case.instruction(id).ok_or_else(|| Rejection::absent(Reason::NoSuchInstruction))?;
    match step {
        Step::Deliver(means) => Ok(deliver(instruction, *means, context)),
        Step::Resend { by } => resend(instruction, by, context),
        Step::Accept => accept(instruction, context),
        Step::Respond { plan } => respond(instruction, plan, context),
        Step::SubmitResult(report) => result::submit(case, instruction, report, context),
        Step::Decline { reason, legal_basis } => decline(instruction, reason, legal_basis, context),
        Step::RequestExtension { working_days, reason, overdue } => {
            extension::request(instruction, (*working_days, *overdue), reason, context)
        }
        Step::RecordCompliance { measure, compliance } => {
            result::comply(case, instruction, (measure, compliance), context)
        }
    }
}

/// Before it was issued nothing can be delivered, whatever a server's clock says; and nothing counts as delivered later than it would be
/// assumed, whether or not the assumption was written before the step came: the clocks that start here do not hang on who is first after an
/// outage.
fn deliver(instruction: &Instruction, means: Means, context: &Context<'_>) -> Vec<Event> {
    if !instruction.is_open() {
        return Vec::new();
    }
    let id = instruction.id;
    let delivery = Delivery { at: context.at.max(instruction.issued_at), means };
    let mut events = Vec::new();
    if instruction.delivery.is_none() {
        let latest = instruction.issued_at.saturating_add(context.limits.assumed_after).unwrap_or(Instant::MAX);
        if delivery.at <= latest {
            return vec![Event::Delivered { instruction: id, delivery }];
        }
        let assumed = Delivery { at: latest, means: Means::Assumed };
        events.push(Event::Delivered { instruction: id, delivery: assumed });
    }
    if means != Means::Assumed && instruction.arrival().is_none() {
        events.push(Event::Reached { instruction: id, delivery });
    }
    events
}

/// The most times that one instruction is sent once more.
pub const RESENT: usize = 50;

/// What nobody has seen is sent once more; what was seen is not played to its agency again.
fn resend(instruction: &Instruction, by: &Post, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let state = instruction.state();
    let reason = match state {
        InstructionState::Issued | InstructionState::Delivered if instruction.own => Reason::InstructionSeen,
        InstructionState::Issued | InstructionState::Delivered if instruction.is_seen() => Reason::InstructionSeen,
        InstructionState::Issued | InstructionState::Delivered if instruction.resent.len() >= RESENT => {
            Reason::TooManyRecords
        }
        InstructionState::Issued | InstructionState::Delivered => {
            return Ok(vec![Event::Resent { instruction: instruction.id, by: by.clone(), at: context.at }]);
        }
        InstructionState::Accepted | InstructionState::Responded => Reason::InstructionSeen,
        InstructionState::Done => Reason::InstructionDone,
        InstructionState::Declined => Reason::InstructionDeclined,
        InstructionState::Cancelled => Reason::InstructionCancelled,
    };
    Err(Rejection::instruction(reason, state))
}

/// The delivery that a step implies, and the instant at which the step itself counts: never before the delivery.
pub(super) fn arrive(instruction: &Instruction, context: &Context<'_>) -> (Vec<Event>, Instant) {
    let events = deliver(instruction, context.means, context);
    let delivered = instruction.delivery.map_or(instruction.issued_at, |delivery| delivery.at);
    (events, context.at.max(delivered))
}

fn accept(instruction: &Instruction, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    match instruction.state() {
        InstructionState::Issued | InstructionState::Delivered => {
            let (mut events, at) = arrive(instruction, context);
            events.push(Event::Accepted { instruction: instruction.id, at });
            Ok(events)
        }
        // It was seen all the same.
        InstructionState::Accepted | InstructionState::Responded | InstructionState::Done => Ok(Vec::new()),
        state @ InstructionState::Declined => Err(Rejection::instruction(Reason::InstructionDeclined, state)),
        state @ InstructionState::Cancelled => Err(Rejection::instruction(Reason::InstructionCancelled, state)),
    }
}

fn respond(instruction: &Instruction, plan: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let state = instruction.state();
    let reason = match state {
        InstructionState::Issued | InstructionState::Delivered | InstructionState::Accepted => {
            let (mut events, at) = arrive(instruction, context);
            events.push(Event::Responded { instruction: instruction.id, plan: plan.to_owned(), at });
            return Ok(events);
        }
        InstructionState::Responded => Reason::AlreadyResponded,
        InstructionState::Done => Reason::InstructionDone,
        InstructionState::Declined => Reason::InstructionDeclined,
        InstructionState::Cancelled => Reason::InstructionCancelled,
    };
    Err(Rejection::instruction(reason, state))
}

fn decline(
    instruction: &Instruction,
    reason: &str,
    legal_basis: &str,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let state = instruction.state();
    let refusal = match state {
        InstructionState::Issued
        | InstructionState::Delivered
        | InstructionState::Accepted
        | InstructionState::Responded => None,
        InstructionState::Done => Some(Reason::InstructionDone),
        InstructionState::Declined => Some(Reason::InstructionDeclined),
        InstructionState::Cancelled => Some(Reason::InstructionCancelled),
    };
    let bound = instruction.binding.then_some(Reason::AssignmentBinding);
    if let Some(refusal) = refusal.or(bound) {
        return Err(Rejection::instruction(refusal, state));
    }
    let (mut events, at) = arrive(instruction, context);
    let (instruction_id, reason) = (instruction.id, reason.to_owned());
    events.push(match instruction.tier() {
        Tier::Township => Event::AuthorityDeclined { instruction: instruction_id, reason, at },
        Tier::County | Tier::City if legal_basis.is_empty() => {
            return Err(Rejection::field(Reason::LegalBasisRequired, "legal_basis"));
        }
        Tier::County | Tier::City => {
            Event::AssignmentReturned { instruction: instruction_id, reason, legal_basis: legal_basis.to_owned(), at }
        }
    });
    Ok(events)
}
