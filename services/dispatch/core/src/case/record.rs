//! What is put on a case's record beside its way through the tiers: 催办, 督办, accident (clause E5), accessory parties (clause E4), exposure (clause
//! F4). None of it stops a clock.

use dafei_kernel::{
    conduct::{Accessory, Accident},
    owner::Post,
    time::Instant,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Case,
    command::Context,
    ending::is_closed,
    event::Event,
    instruction::InstructionState,
    rejection::{Reason, Rejection},
};

/// The most records of one kind in a case: a case file stays readable.
const MOST: usize = 100;
/// How far ahead of the suite an accident may be dated.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// 催办: the owner of the loop or a higher tier urged the one who owed the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urging {
    /// Who urged.
    pub by: Post,
    /// Who was urged.
    pub to: Post,
    /// The instruction that was named; none where the step of the stage was.
    #[serde(default)]
    pub instruction: Option<Uuid>,
    /// What was said.
    pub text: String,
    /// When.
    pub at: Instant,
}

/// 督办: a higher tier demanded something of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervision {
    /// Who.
    pub by: Post,
    /// What was demanded.
    pub text: String,
    /// When.
    pub at: Instant,
}

/// 公开曝光.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// What the public reads.
    pub text: String,
    /// When it was ordered.
    pub at: Instant,
}

/// A request that a closed case be taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopening {
    /// Who asked.
    pub by: Post,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Instant,
}

pub(super) fn urge(
    case: &Case,
    (by, instruction): (&Post, Option<Uuid>),
    text: &str,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let owner = owner(case)?;
    let to = instruction.map_or(Ok(owner), |id| owes(case, id))?;
    if to == *by {
        return Err(Rejection::stage(Reason::OwnStep, case.stage.kind()));
    }
    room(case.urgings.len(), case)?;
    let urging = Urging { by: by.clone(), to, instruction, text: text.to_owned(), at: context.at };
    Ok(vec![Event::Urged { tier: case.tier(), urging }])
}

pub(super) fn supervise(case: &Case, by: &Post, text: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    if owner(case)? == *by {
        return Err(Rejection::stage(Reason::OwnStep, case.stage.kind()));
    }
    room(case.supervisions.len(), case)?;
    let supervision = Supervision { by: by.clone(), text: text.to_owned(), at: context.at };
    Ok(vec![Event::Supervised { tier: case.tier(), supervision }])
}

/// Whose instruction it is, as long as its result is owed.
fn owes(case: &Case, id: Uuid) -> Result<Post, Rejection> {
    let unknown = || Rejection::field(Reason::NoSuchInstruction, "instruction_id");
    let instruction = case.instruction(id).ok_or_else(unknown)?;
    let state = instruction.state();
    let reason = match state {
        InstructionState::Issued
        | InstructionState::Delivered
        | InstructionState::Accepted
        | InstructionState::Responded => return Ok(instruction.post.clone()),
        InstructionState::Done => Reason::InstructionDone,
        InstructionState::Declined => Reason::InstructionDeclined,
        InstructionState::Cancelled => Reason::InstructionCancelled,
    };
    Err(Rejection::instruction(reason, state))
}

/// Who owes the step; nobody in a closed case.
fn owner(case: &Case) -> Result<Post, Rejection> {
    case.stage_owner().ok_or_else(|| Rejection::stage(Reason::CaseClosed, case.stage.kind()))
}

fn room(kept: usize, case: &Case) -> Result<(), Rejection> {
    if kept < MOST { Ok(()) } else { Err(Rejection::stage(Reason::TooManyRecords, case.stage.kind())) }
}

/// What ended in another case is recorded there.
fn not_merged(case: &Case) -> Result<(), Rejection> {
    if case.merged_into().is_none() { Ok(()) } else { Err(Rejection::stage(Reason::CaseClosed, case.stage.kind())) }
}

/// Whether an accident can be recorded at this instant: with its case's opening it is asked before the case is there.
///
/// # Errors
/// `TIME_IN_FUTURE` more than five minutes ahead.
pub fn believed(accident: &Accident, now: Instant) -> Result<(), Rejection> {
    if accident.happened_at.duration_since(now) > TOLERANCE {
        return Err(Rejection::field(Reason::TimeInFuture, "accident.happened_at"));
    }
    Ok(())
}

pub(super) fn accident(case: &Case, accident: &Accident, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    not_merged(case)?;
    believed(accident, context.now)?;
    if case.accident.as_ref() == Some(accident) {
        return Ok(Vec::new());
    }
    let accident = Box::new(accident.clone());
    Ok(vec![Event::AccidentRecorded { tier: case.tier(), accident, at: context.at }])
}

pub(super) fn accessory(case: &Case, accessory: &Accessory, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    not_merged(case)?;
    if case.accessories.contains(accessory) {
        return Ok(Vec::new());
    }
    room(case.accessories.len(), case)?;
    let accessory = Box::new(accessory.clone());
    Ok(vec![Event::AccessoryRecorded { tier: case.tier(), accessory, at: context.at }])
}

pub(super) fn expose(case: &Case, text: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    not_merged(case)?;
    let stage = case.stage.kind();
    if !is_closed(case) {
        return Err(Rejection::stage(Reason::NotClosed, stage));
    }
    if case.confirmed.is_empty() {
        return Err(Rejection::stage(Reason::NothingToExpose, stage));
    }
    if case.exposure.as_ref().is_some_and(|exposure| exposure.text == text) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::Exposed { tier: case.tier(), text: text.to_owned(), at: context.at }])
}

pub(super) fn retract(case: &Case, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    if case.exposure.is_none() {
        return Err(Rejection::stage(Reason::NotExposed, case.stage.kind()));
    }
    Ok(vec![Event::ExposureRetracted { tier: case.tier(), at: context.at }])
}
