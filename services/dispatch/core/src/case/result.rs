//! A result (clauses C7, C12): 先期处置 or 最终查处, with the acts that it confirms and the measures that were taken (clause F3).
//!
//! The first one moves the case when it is the lead's. A later one brings further facts and moves nothing, also after the closing.

use std::collections::BTreeSet;

use dafei_kernel::{
    measure::{Measure, MeasureFlaw},
    time::Instant,
};

use super::{
    Case,
    command::{Context, ResultReport},
    event::Event,
    instruction::{Instruction, InstructionState, ResultKind},
    rejection::{Reason, Rejection},
    stage::StageKind,
    step,
};

pub(super) fn submit(
    case: &Case,
    instruction: &Instruction,
    report: &ResultReport,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    may_submit(case, instruction)?;
    let (mut events, at) = step::arrive(instruction, context);
    let facts = further_facts(case, instruction, report, at, context.now)?;
    if is_final(instruction) && (report.kind == ResultKind::Interim || facts.is_empty()) {
        return Err(Rejection::instruction(Reason::ResultAlreadyFinal, instruction.state()));
    }
    events.push(Event::ResultSubmitted {
        instruction: instruction.id,
        kind: report.kind,
        text: report.text.clone(),
        at,
    });
    events.extend(facts);
    Ok(events)
}

fn is_final(instruction: &Instruction) -> bool {
    instruction.result.as_ref().is_some_and(|given| given.kind == ResultKind::Final)
}

fn may_submit(case: &Case, instruction: &Instruction) -> Result<(), Rejection> {
    let state = instruction.state();
    let reason = match state {
        InstructionState::Issued
        | InstructionState::Delivered
        | InstructionState::Accepted
        | InstructionState::Responded
        | InstructionState::Done => return Ok(()),
        // A co-handler's instruction fell away with the closing; what it has done since is a later fact of the case. Not so where the
        // case ended in another of the same matter: there it would count twice.
        InstructionState::Cancelled
            if case.stage.kind() == StageKind::Closed
                && case.merged_into().is_none()
                && instruction.leg == case.legs =>
        {
            return Ok(());
        }
        InstructionState::Cancelled => Reason::InstructionCancelled,
        InstructionState::Declined => Reason::InstructionDeclined,
    };
    Err(Rejection::instruction(reason, state))
}

/// Acts and measures that the case does not have yet.
fn further_facts(
    case: &Case,
    instruction: &Instruction,
    report: &ResultReport,
    at: Instant,
    now: Instant,
) -> Result<Vec<Event>, Rejection> {
    let mut events = Vec::new();
    let mut acts = BTreeSet::new();
    for act in &report.confirmed_acts {
        if !case.confirmed.contains(act) && acts.insert(*act) {
            events.push(Event::ActConfirmed { instruction: instruction.id, act: *act, at });
        }
    }
    let mut taken: Vec<&Measure> = Vec::new();
    for (place, measure) in report.measures.iter().enumerate() {
        let field = format!("measures[{place}]");
        check_measure(measure, &field, now)?;
        let known =
            case.measures.get(&measure.id).or_else(|| taken.iter().copied().find(|known| known.id == measure.id));
        match known {
            Some(known) if known == measure => {}
            Some(_) => {
                return Err(Rejection::field(Reason::MeasureIdReused, format!("{field}.measure_id")));
            }
            None => {
                taken.push(measure);
                events.push(Event::MeasureRecorded { instruction: instruction.id, measure: measure.clone(), at });
            }
        }
    }
    Ok(events)
}

fn check_measure(measure: &Measure, field: &str, now: Instant) -> Result<(), Rejection> {
    measure.check(now).map_err(|flaw| Rejection::field(reason(flaw), format!("{field}.{}", flaw.field())))
}

const fn reason(flaw: MeasureFlaw) -> Reason {
    match flaw {
        MeasureFlaw::IdMissing => Reason::MeasureIdRequired,
        MeasureFlaw::InFuture => Reason::TimeInFuture,
        MeasureFlaw::FineNotPositive => Reason::FineNotPositive,
        MeasureFlaw::FineTooLarge => Reason::FineTooLarge,
        MeasureFlaw::PersonsNotPositive => Reason::PersonsNotPositive,
    }
}
