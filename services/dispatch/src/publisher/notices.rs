//! What an agency is told of an instruction that it has: that it fell away, how its request for more time was answered, 催办 and 督办. Agencies whose
//! systems know NATS alone learn it by this.

use dafei_contracts::events::v1 as ev;
use dafei_dispatch_core::case::{Case, Event, Instruction};

use super::{Aggregate, Translated};
use crate::wire;

/// One for each instruction whose count of notices the event moved.
pub(super) fn of(told: &[u32], case: &Case, event: &Event) -> Vec<Translated> {
    let moved = case.instructions.iter().zip(told).filter(|(instruction, told)| instruction.notices > **told);
    moved
        .filter_map(|(instruction, _)| {
            let notice = notice(case, instruction, event)?;
            // An agency's own finding has no instruction on the bus that would be the first of the sequence.
            let sequence = i64::from(instruction.notices) + i64::from(!instruction.own);
            Some(Translated { event: notice.into(), of: Aggregate::Instruction(instruction.id, sequence) })
        })
        .collect()
}

/// The instruction once more, in its place among what its agency is told of it.
pub(super) fn again(case: &Case, instruction: &Instruction) -> Translated {
    let sequence = i64::from(instruction.notices) + 1;
    let event = super::instruction_event(case, instruction).into();
    Translated { event, of: Aggregate::Instruction(instruction.id, sequence) }
}

fn notice(case: &Case, instruction: &Instruction, event: &Event) -> Option<ev::InstructionNotice> {
    use ev::InstructionNoticeKind as Kind;
    let (kind, text) = match event {
        Event::AssignmentReturned { reason, .. } => (Kind::Cancelled, reason.as_str()),
        Event::Closed { reason, .. } => (Kind::Cancelled, reason.as_str()),
        Event::ExtensionDecided { working_days: Some(_), reason, .. } => (Kind::ExtensionGranted, reason.as_str()),
        Event::ExtensionDecided { working_days: None, reason, .. } => (Kind::ExtensionRefused, reason.as_str()),
        Event::Urged { urging, .. } => (Kind::Urged, urging.text.as_str()),
        Event::Supervised { supervision, .. } => (Kind::Supervised, supervision.text.as_str()),
        _ => return None,
    };
    let granted = if kind == Kind::ExtensionGranted { instruction.granted_extensions().1 } else { 0 };
    Some(ev::InstructionNotice {
        meta: None,
        instruction_id: instruction.id.to_string(),
        case_id: case.facts.id.to_string(),
        assignee: Some(wire::assignee(&instruction.assignee())),
        kind: kind.into(),
        text: text.to_owned(),
        working_days: granted,
        at: Some(event.at().into()),
    })
}
