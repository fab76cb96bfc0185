//! The ends of a case, and its being taken up again: published, withdrawn, merged, reopened within a window.

use dafei_kernel::{owner::Post, time::Instant};
use uuid::Uuid;

use super::{
    Case,
    command::Context,
    event::{Cause, Event},
    record::Reopening,
    rejection::{Reason, Rejection},
    stage::{Stage, StageKind, Tier},
    tip,
};

/// The most cases that can end in one.
const DUPLICATES: usize = 200;

pub(super) fn publish(case: &Case, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    match &case.stage {
        Stage::OutcomeAvailable { tier, .. } => Ok(vec![closed(*tier, Cause::Published, "", context.at)]),
        Stage::Closed { .. } => Ok(Vec::new()),
        Stage::AtCentre
        | Stage::WithTownshipAgency { .. }
        | Stage::Declined { .. }
        | Stage::TownshipResult { .. }
        | Stage::AtOffice
        | Stage::WithDepartment { .. }
        | Stage::DepartmentResult { .. } => Err(Rejection::stage(Reason::NoOutcomeYet, case.stage.kind())),
    }
}

/// What a village reported it may take back at any stage.
pub(super) fn withdraw(case: &Case, context: &Context<'_>) -> Vec<Event> {
    if is_closed(case) {
        return Vec::new();
    }
    vec![closed(case.tier(), Cause::Withdrawn, "", context.at)]
}

/// What an office or an agency opened here it may take back until there is a result, but not with what others reported and ended in it.
pub(super) fn take_back(case: &Case, reason: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    without_result(case)?;
    if !case.duplicates.is_empty() {
        return Err(Rejection::stage(Reason::HasMergedCases, case.stage.kind()));
    }
    Ok(vec![closed(case.tier(), Cause::Withdrawn, reason, context.at)])
}

fn without_result(case: &Case) -> Result<(), Rejection> {
    let stage = case.stage.kind();
    if stage == StageKind::Closed {
        return Err(Rejection::stage(Reason::CaseClosed, stage));
    }
    if case.instructions.iter().any(|instruction| instruction.result.is_some()) {
        return Err(Rejection::stage(Reason::HasResult, stage));
    }
    Ok(())
}

/// Whether a case can end in another of the same matter.
///
/// A case that was opened at an office, because a township may be accused, does not end in one that a township's centre has. Nothing ends in a
/// closed case: the fresh report would be lost.
///
/// # Errors
/// Why not.
pub fn may_merge(case: &Case, into: &Case) -> Result<(), Rejection> {
    without_result(case)?;
    let wrong = |reason| Err(Rejection::field(reason, "into_case_id"));
    if case.facts.id == into.facts.id {
        return wrong(Reason::SameCase);
    }
    if case.facts.office_region() != into.facts.office_region() {
        return wrong(Reason::OtherCounty);
    }
    if case.facts.start() != Tier::Township && into.facts.start() == Tier::Township {
        return wrong(Reason::MergeDownwards);
    }
    if is_closed(into) {
        return wrong(Reason::MergeIntoClosed);
    }
    if into.duplicates.len() >= DUPLICATES {
        return wrong(Reason::TooManyRecords);
    }
    Ok(())
}

/// Whether all who see the first case see the other, too, and so may be told that it ended there: each region of its
/// path has a part in the other. A village whose report ended elsewhere is told no id: it would know the case of a
/// public tip by it (clause D2).
#[must_use]
pub fn may_tell(case: &Case, into: &Case) -> bool {
    case.facts.path.regions().iter().all(|region| into.facts.path.is_within(region))
}

pub(super) fn merge(
    case: &Case,
    (into, told): (Uuid, bool),
    reason: &str,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    without_result(case)?;
    let mut events = Vec::new();
    if !case.free_tips().is_empty() {
        events.push(Event::TipsHandedOver { into, at: context.at });
    }
    events.push(closed(case.tier(), Cause::Merged { into, told }, reason, context.at));
    Ok(events)
}

pub(super) fn absorb(case: &Case, other: Uuid, tips: &[Uuid], context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    if is_closed(case) {
        return Err(Rejection::stage(Reason::CaseClosed, case.stage.kind()));
    }
    if case.duplicates.contains(&other) {
        return Ok(Vec::new());
    }
    let mut events = vec![Event::DuplicateAbsorbed { case: other, at: context.at }];
    events.extend(tip::attach(case, tips, context.at)?);
    Ok(events)
}

pub(super) fn request_reopening(
    case: &Case,
    by: &Post,
    reason: &str,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let Stage::Closed { cause, .. } = &case.stage else {
        return Err(Rejection::stage(Reason::NotClosed, case.stage.kind()));
    };
    let refuse = |reason| Err(Rejection::stage(reason, StageKind::Closed));
    match cause {
        Cause::Published | Cause::NoVillage | Cause::OwnFinding => {}
        Cause::Withdrawn | Cause::Merged { .. } => return refuse(Reason::NotReopenable),
    }
    if case.reopening.is_some() {
        return refuse(Reason::ReopeningPending);
    }
    let closed_at = case.closed_at.unwrap_or(case.facts.reached_at);
    if context.at.duration_since(closed_at) > context.limits.reopen_within {
        return refuse(Reason::ReopeningTooLate);
    }
    let request = Reopening { by: by.clone(), reason: reason.to_owned(), at: context.at };
    Ok(vec![Event::ReopeningRequested { tier: case.tier(), request }])
}

pub(super) fn decide_reopening(
    case: &Case,
    granted: bool,
    reason: &str,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let stage = case.stage.kind();
    if stage != StageKind::Closed {
        return Err(Rejection::stage(Reason::NotClosed, stage));
    }
    if case.reopening.is_none() {
        return Err(Rejection::stage(Reason::NoReopeningAsked, stage));
    }
    let (tier, reason, at) = (case.tier(), reason.to_owned(), context.at);
    Ok(vec![if granted { Event::Reopened { tier, reason, at } } else { Event::ReopeningRefused { tier, reason, at } }])
}

pub(super) fn is_closed(case: &Case) -> bool {
    case.stage.kind() == StageKind::Closed
}

pub(super) fn closed(tier: Tier, cause: Cause, reason: &str, at: Instant) -> Event {
    Event::Closed { tier, cause, reason: reason.to_owned(), at }
}
