//! 延期申请: a department asks before its limit for more time, and the office answers. It moves K3 and nothing else, and the monitor
//! has the last word on whether it was asked in time.

use uuid::Uuid;

use super::{
    Case,
    command::Context,
    event::Event,
    instruction::{Instruction, InstructionState},
    rejection::{Reason, Rejection},
    stage::Tier,
    step,
};

pub(super) fn request(
    instruction: &Instruction,
    (working_days, overdue): (u32, bool),
    reason: &str,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let state = instruction.state();
    let refuse = |reason| Err(Rejection::instruction(reason, state));
    match state {
        InstructionState::Issued
        | InstructionState::Delivered
        | InstructionState::Accepted
        | InstructionState::Responded => {}
        InstructionState::Done => return refuse(Reason::InstructionDone),
        InstructionState::Declined => return refuse(Reason::InstructionDeclined),
        InstructionState::Cancelled => return refuse(Reason::InstructionCancelled),
    }
    if instruction.tier() == Tier::Township {
        return refuse(Reason::NoExtensionForTownship);
    }
    if instruction.asked_extension().is_some() {
        return refuse(Reason::ExtensionPending);
    }
    if instruction.granted_extensions().0 >= context.limits.extensions as usize {
        return refuse(Reason::ExtensionsUsedUp);
    }
    if overdue {
        return refuse(Reason::ExtensionTooLate);
    }
    if working_days == 0 || working_days > context.limits.extension_days {
        return Err(Rejection::field(Reason::ExtensionOutOfRange, "working_days"));
    }
    let (mut events, at) = step::arrive(instruction, context);
    events.push(Event::ExtensionRequested { instruction: instruction.id, working_days, reason: reason.to_owned(), at });
    Ok(events)
}

pub(super) fn decide(
    case: &Case,
    id: Uuid,
    working_days: Option<u32>,
    reason: &str,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let instruction = case.instruction(id).ok_or_else(|| Rejection::absent(Reason::NoSuchInstruction))?;
    let Some(asked) = instruction.asked_extension().filter(|_| instruction.is_open()) else {
        return Err(Rejection::instruction(Reason::NoExtensionAsked, instruction.state()));
    };
    if working_days.is_some_and(|days| days == 0 || days > asked.working_days) {
        return Err(Rejection::field(Reason::ExtensionOutOfRange, "working_days"));
    }
    Ok(vec![Event::ExtensionDecided {
        instruction: id,
        working_days,
        asked_at: asked.asked_at,
        reason: reason.to_owned(),
        at: context.at,
    }])
}
