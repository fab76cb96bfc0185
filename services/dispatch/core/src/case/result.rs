//! A result (clauses C7, C12): 先期处置, 最终查处 or 不实, with the acts that it confirms and the measures that were taken (clause F3).
//!
//! The first one moves the case when it is the lead's. A later one brings further facts and moves nothing, also after the closing. The lead's final
//! result answers each of the four that are to be taken without exception (四个一律): by a measure, or by why it does not apply.

use std::collections::BTreeSet;

use dafei_kernel::{
    measure::{Compliance, Measure, MeasureFlaw, WithoutException},
    time::Instant,
};

use super::{
    Case,
    command::{Context, ResultReport},
    event::{Cause, Event},
    instruction::{Instruction, InstructionState, ResultKind},
    rejection::{Reason, Rejection},
    stage::{Stage, StageKind},
    step,
    tip::{self, Verdict},
};

/// How far ahead of the suite the establishing of a compliance may be dated.
const TOLERANCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

pub(super) fn submit(
    case: &Case,
    instruction: &Instruction,
    report: &ResultReport,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    may_submit(case, instruction)?;
    let (mut events, at) = step::arrive(instruction, context);
    let facts = further_facts(case, instruction, report, at, context.now)?;
    follows(instruction, report, &facts)?;
    check_unfounded(case, report)?;
    check_the_four(case, instruction, report)?;
    let confirmed = !case.confirmed.is_empty() || facts.iter().any(|event| matches!(event, Event::ActConfirmed { .. }));
    events.push(Event::ResultSubmitted {
        instruction: instruction.id,
        kind: report.kind,
        text: report.text.clone(),
        exemptions: report.exemptions.clone(),
        at,
    });
    events.extend(facts);
    let found = if confirmed { Some(Verdict::True) } else { tip::without_acts(report.kind) };
    if instruction.own && waits_for(case, instruction) {
        events.extend(own_end(case, instruction, found, at));
    } else {
        events.extend(tip::follow(case, instruction.id, found, at));
    }
    Ok(events)
}

/// After a final result only a final one with further facts may follow; after 不实 nothing.
fn follows(instruction: &Instruction, report: &ResultReport, facts: &[Event]) -> Result<(), Rejection> {
    let refused = match instruction.result.as_ref().map(|given| given.kind) {
        None | Some(ResultKind::Interim) => false,
        Some(ResultKind::Final) => report.kind != ResultKind::Final || facts.is_empty(),
        Some(ResultKind::Unfounded) => true,
    };
    if refused { Err(Rejection::instruction(Reason::ResultAlreadyFinal, instruction.state())) } else { Ok(()) }
}

/// 不实 names nothing that was found, and cannot be said of what was confirmed.
fn check_unfounded(case: &Case, report: &ResultReport) -> Result<(), Rejection> {
    if report.kind != ResultKind::Unfounded {
        return Ok(());
    }
    if !case.confirmed.is_empty() {
        return Err(Rejection::field(Reason::ActsAreConfirmed, "kind"));
    }
    let named = [
        ("confirmed_acts", report.confirmed_acts.is_empty()),
        ("measures", report.measures.is_empty()),
        ("exemptions", report.exemptions.is_empty()),
    ];
    match named.iter().find(|(_, empty)| !empty) {
        Some((field, _)) => Err(Rejection::field(Reason::UnfoundedWithFacts, *field)),
        None => Ok(()),
    }
}

/// Each of the four by itself, once an act is confirmed.
fn check_the_four(case: &Case, instruction: &Instruction, report: &ResultReport) -> Result<(), Rejection> {
    let mut named = BTreeSet::new();
    if let Some(place) = report.exemptions.iter().position(|(which, _)| !named.insert(*which)) {
        return Err(Rejection::field(Reason::ExemptionTwice, format!("exemptions[{place}]")));
    }
    let confirmed = !case.confirmed.is_empty() || !report.confirmed_acts.is_empty();
    if report.kind != ResultKind::Final || !instruction.lead || !confirmed {
        return Ok(());
    }
    let taken = case.measures.values().chain(&report.measures).filter_map(|one| one.kind.without_exception());
    let answered: BTreeSet<WithoutException> = taken.chain(case.exemptions.keys().copied()).chain(named).collect();
    match WithoutException::ALL.iter().find(|which| !answered.contains(which)) {
        Some(missing) => {
            Err(Rejection::field(Reason::MeasureOrExemptionRequired, format!("exemptions.{}", missing.code())))
        }
        None => Ok(()),
    }
}

/// Whether the case stands and waits for this instruction's result.
fn waits_for(case: &Case, instruction: &Instruction) -> bool {
    match case.stage {
        Stage::WithTownshipAgency { instruction: id } | Stage::WithDepartment { lead: id } => id == instruction.id,
        Stage::AtCentre
        | Stage::Declined { .. }
        | Stage::TownshipResult { .. }
        | Stage::AtOffice
        | Stage::DepartmentResult { .. }
        | Stage::OutcomeAvailable { .. }
        | Stage::Closed { .. } => false,
    }
}

/// What an agency found itself ends with its result (clause C19): the loop is its own.
fn own_end(case: &Case, instruction: &Instruction, found: Option<Verdict>, at: Instant) -> Vec<Event> {
    let tier = case.tier();
    let mut events = vec![Event::OutcomeAvailable { tier, public_text: String::new(), at }];
    if let Some(verdict) = found {
        events.extend(tip::verify(case, verdict, instruction.id, at));
    }
    events.push(Event::Closed { tier, cause: Cause::OwnFinding, reason: String::new(), at });
    events
}

fn may_submit(case: &Case, instruction: &Instruction) -> Result<(), Rejection> {
    let state = instruction.state();
    let reason = match state {
        InstructionState::Issued
        | InstructionState::Delivered
        | InstructionState::Accepted
        | InstructionState::Responded => return Ok(()),
        InstructionState::Done if instruction.superseded => Reason::InstructionSuperseded,
        InstructionState::Done => return Ok(()),
        // A co-handler's instruction fell away with the closing; what it has done since is a later fact of the case. Not so where the
        // case ended in another of the same matter: there it would count twice.
        InstructionState::Cancelled
            if instruction.fell_at_closing
                && case.stage.kind() == StageKind::Closed
                && case.merged_into().is_none() =>
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
            let outside_scope = report.outside_scope;
            events.push(Event::ActConfirmed { instruction: instruction.id, act: *act, outside_scope, at });
        }
    }
    let mut taken: Vec<&Measure> = Vec::new();
    for (place, measure) in report.measures.iter().enumerate() {
        let field = format!("measures[{place}]");
        check_measure(measure, &field, now)?;
        let known =
            case.measures.get(&measure.id).or_else(|| taken.iter().copied().find(|known| known.id == measure.id));
        match known {
            Some(known) if known == measure && is_own(case, instruction, &measure.id) => {}
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

/// Whether a measure of this id, if there is one, was recorded by the same post. Another's that looks the same is not the same measure: taken for it,
/// it would be left out of the table.
fn is_own(case: &Case, instruction: &Instruction, id: &str) -> bool {
    let by = case.taken_by.get(id).and_then(|by| case.instruction(*by));
    by.is_none_or(|by| by.post == instruction.post)
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
        MeasureFlaw::PersonsNotPositive | MeasureFlaw::NobodyTransferred => Reason::PersonsNotPositive,
        MeasureFlaw::ComplyBeforeDecision => Reason::ComplyBeforeDecision,
    }
}

/// What became of a decision that was taken by this instruction (clauses F3 and E4); also long after the closing.
pub(super) fn comply(
    case: &Case,
    instruction: &Instruction,
    (id, compliance): (&str, &Compliance),
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let measure = case.measures.get(id).filter(|_| case.taken_by.get(id) == Some(&instruction.id));
    let Some(measure) = measure else {
        return Err(Rejection::field(Reason::NoSuchMeasure, "measure_id"));
    };
    if compliance.established_at.duration_since(context.now) > TOLERANCE {
        return Err(Rejection::field(Reason::TimeInFuture, "established_at"));
    }
    if compliance.established_at < measure.decided_at {
        return Err(Rejection::field(Reason::ComplyBeforeDecision, "established_at"));
    }
    if case.compliance.get(id) == Some(compliance) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::ComplianceRecorded {
        instruction: instruction.id,
        measure: id.to_owned(),
        compliance: compliance.clone(),
        at: context.at,
    }])
}
