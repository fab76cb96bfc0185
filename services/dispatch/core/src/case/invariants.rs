//! What is true of every case at every moment, and what once a command is done, written once: the property tests and the verification of stored
//! cases use it.

use std::collections::BTreeSet;

use dafei_kernel::{owner::Post, region::Level, role::Role};
use uuid::Uuid;

use super::{
    Case,
    instruction::Instruction,
    stage::{Stage, Tier},
    tip::Verdict,
};

/// An invariant that does not hold, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("case {case}: {what}")]
pub struct Broken {
    /// The case.
    pub case: Uuid,
    /// What is wrong.
    pub what: String,
}

/// Checks all that holds after each event.
///
/// # Errors
/// The first that does not hold.
pub fn check(case: &Case) -> Result<(), Broken> {
    let broken = |what: String| Broken { case: case.facts.id, what };
    legs_are_whole(case).map_err(broken)?;
    for instruction in &case.instructions {
        steps_are_in_order(instruction).map_err(broken)?;
    }
    stage_has_its_instruction(case).map_err(broken)?;
    owners_are_single(case).map_err(broken)?;
    tips_fit_the_verification(case).map_err(broken)?;
    records_fit_the_stage(case).map_err(broken)?;
    facts_have_a_source(case).map_err(broken)
}

/// Checks all that holds once the events of a command are all taken, and so of every case that is stored: beside [`check`] each tip has the verdict
/// that the verification has come to. Between the events of one command some have it and some are about to get it.
///
/// # Errors
/// The first that does not hold.
pub fn check_at_rest(case: &Case) -> Result<(), Broken> {
    check(case)?;
    let Some(conclusion) = &case.conclusion else { return Ok(()) };
    match case.tips.iter().find(|tip| tip.verdict != Some(conclusion.verdict)) {
        Some(tip) => Err(Broken { case: case.facts.id, what: format!("tip {} has not the case's verdict", tip.id) }),
        None => Ok(()),
    }
}

/// Legs run from 1 without holes, each with one lead and every agency once.
fn legs_are_whole(case: &Case) -> Result<(), String> {
    for leg in 1..=case.legs {
        let of_leg: Vec<&Instruction> = case.instructions.iter().filter(|one| one.leg == leg).collect();
        let leads = of_leg.iter().filter(|one| one.lead).count();
        if leads != 1 {
            return Err(format!("leg {leg} has {leads} leads"));
        }
        let posts: BTreeSet<&Post> = of_leg.iter().map(|one| &one.post).collect();
        if posts.len() != of_leg.len() {
            return Err(format!("leg {leg} names an agency twice"));
        }
    }
    if let Some(stray) = case.instructions.iter().find(|one| one.leg == 0 || one.leg > case.legs) {
        return Err(format!("instruction {} has leg {} of {}", stray.id, stray.leg, case.legs));
    }
    let ids: BTreeSet<Uuid> = case.instructions.iter().map(|one| one.id).collect();
    if ids.len() == case.instructions.len() { Ok(()) } else { Err("two instructions share an id".to_owned()) }
}

/// Issued, delivered, then the rest; nothing answered before it was delivered, unless it had fallen away before.
fn steps_are_in_order(instruction: &Instruction) -> Result<(), String> {
    let delivered = instruction.delivery.map(|delivery| delivery.at);
    if delivered.is_some_and(|at| at < instruction.issued_at) {
        return Err(format!("instruction {} was delivered before it was issued", instruction.id));
    }
    let answers = [
        instruction.accepted_at,
        instruction.response.as_ref().map(|response| response.at),
        instruction.result.as_ref().map(|given| given.first_at),
        instruction.declined.as_ref().map(|decline| decline.at),
    ];
    for at in answers.into_iter().flatten() {
        if delivered.is_none_or(|delivered| at < delivered) && !instruction.cancelled {
            return Err(format!("instruction {} was answered before it was delivered", instruction.id));
        }
    }
    let ends = [instruction.result.is_some(), instruction.declined.is_some()];
    if ends == [true, true] {
        return Err(format!("instruction {} has a result and was declined", instruction.id));
    }
    Ok(())
}

/// The stage's instruction is a lead's of the last leg and stands as the stage says; no other lead's is open.
fn stage_has_its_instruction(case: &Case) -> Result<(), String> {
    let waits_for = match &case.stage {
        Stage::WithTownshipAgency { instruction } => Some((*instruction, Level::Township, true)),
        Stage::WithDepartment { lead } => Some((*lead, case.department_level(), true)),
        Stage::TownshipResult { instruction } => Some((*instruction, Level::Township, false)),
        Stage::DepartmentResult { lead } => Some((*lead, case.department_level(), false)),
        Stage::AtCentre
        | Stage::Declined { .. }
        | Stage::AtOffice
        | Stage::OutcomeAvailable { .. }
        | Stage::Closed { .. } => None,
    };
    if let Some((id, level, open)) = waits_for {
        let instruction = case.instruction(id).ok_or("the stage names an unknown instruction")?;
        let fits = instruction.lead
            && instruction.leg == case.legs
            && instruction.post.region.level() == level
            && instruction.is_open() == open
            && (open || instruction.result.is_some());
        if !fits {
            return Err(format!("instruction {id} does not fit the stage {}", case.stage.kind().code()));
        }
    }
    let centre = matches!(case.stage, Stage::AtCentre | Stage::Declined { .. })
        || matches!(waits_for, Some((_, Level::Township, _)));
    if centre && case.facts.start() != Tier::Township {
        return Err(format!("opened at an office, and yet {}", case.stage.kind().code()));
    }
    let open_lead = case.instructions.iter().find(|one| one.lead && one.is_open());
    match (open_lead, waits_for) {
        (Some(lead), Some((id, _, true))) if lead.id == id => Ok(()),
        (Some(lead), _) => Err(format!("the lead's instruction {} is open and nobody waits for it", lead.id)),
        (None, _) => Ok(()),
    }
}

/// Every open step has exactly one owner; a closed case has none, and nothing open.
fn owners_are_single(case: &Case) -> Result<(), String> {
    let closed = matches!(case.stage, Stage::Closed { .. });
    if case.stage_owner().is_some() == closed {
        return Err("an open case has no owner, or a closed one has".to_owned());
    }
    if closed && case.instructions.iter().any(Instruction::is_open) {
        return Err("a closed case has an open instruction".to_owned());
    }
    let office = matches!(case.stage, Stage::AtCentre | Stage::Declined { .. } | Stage::AtOffice);
    if office && case.instructions.iter().any(Instruction::is_open) {
        return Err("an instruction is open while an office decides".to_owned());
    }
    let posts = case.open_steps();
    let distinct: BTreeSet<&Post> = posts.iter().collect();
    if distinct.len() != posts.len() {
        return Err("an open step is owned twice".to_owned());
    }
    let agencies = [Role::TownshipAgency, Role::CountyDepartment, Role::CityDepartment];
    if let Some(post) = posts.iter().find(|post| agencies.contains(&post.role) && post.agency.is_none()) {
        return Err(format!("the owner {post:?} names no agency"));
    }
    Ok(())
}

/// A tip stands in a case once. None has a verdict before the lead's result, none is true where the case is not, and none untrue where nothing was
/// concluded, but for those from before a reopening. A case that ended in another has none left.
fn tips_fit_the_verification(case: &Case) -> Result<(), String> {
    let ids: BTreeSet<Uuid> = case.tips.iter().map(|tip| tip.id).collect();
    if ids.len() != case.tips.len() {
        return Err("a tip stands in the case twice".to_owned());
    }
    if let Some(conclusion) = &case.conclusion {
        let result = case.instruction(conclusion.instruction).filter(|one| one.lead && one.result.is_some());
        if result.is_none() {
            return Err("the verification ended without the lead's result".to_owned());
        }
    }
    let verdict = case.conclusion.map(|conclusion| conclusion.verdict);
    let stray = case.tips.iter().find(|tip| match tip.verdict {
        None => false,
        Some(Verdict::True) => verdict != Some(Verdict::True),
        Some(Verdict::False) => verdict.is_none() && case.reopened == 0,
    });
    if let Some(tip) = stray {
        return Err(format!("tip {} has a verdict that the case has not", tip.id));
    }
    if case.merged_into().is_some() && !case.tips.is_empty() {
        return Err("a case that ended in another has kept a tip".to_owned());
    }
    Ok(())
}

/// What belongs to a closed case stands in closed ones alone; a request for more time waits with an open instruction; what was not taken has a
/// result.
fn records_fit_the_stage(case: &Case) -> Result<(), String> {
    let closed = matches!(case.stage, Stage::Closed { .. });
    if case.closed_at.is_some() != closed {
        return Err("the instant of the closing does not fit the stage".to_owned());
    }
    if case.reopening.is_some() && !closed {
        return Err("an open case waits to be taken up again".to_owned());
    }
    for instruction in &case.instructions {
        let pending = instruction.extensions.iter().filter(|extension| extension.answer.is_none()).count();
        if pending > 1 || (pending == 1 && instruction.asked_extension().is_none()) {
            return Err(format!("instruction {} has two requests for more time waiting", instruction.id));
        }
        if instruction.superseded && instruction.result.is_none() {
            return Err(format!("instruction {} is done again and had no result", instruction.id));
        }
        let orders_again = instruction.rework_of.map(|rejected| case.instruction(rejected));
        if orders_again.is_some_and(|rejected| rejected.is_none_or(|rejected| !rejected.superseded)) {
            return Err(format!("instruction {} orders again what was taken", instruction.id));
        }
    }
    Ok(())
}

/// Acts and measures come with a result, an outcome comes with one too, and each event has its place in the sequence.
fn facts_have_a_source(case: &Case) -> Result<(), String> {
    let has_result = case.instructions.iter().any(|one| one.result.is_some());
    let has_facts = !case.confirmed.is_empty() || !case.measures.is_empty();
    if has_facts && !has_result {
        return Err("facts without a result".to_owned());
    }
    if !has_result && !case.stage.public_text().is_empty() {
        return Err("an outcome without a result".to_owned());
    }
    if let Some((id, measure)) = case.measures.iter().find(|(id, measure)| **id != measure.id) {
        return Err(format!("measure {} is kept as {id}", measure.id));
    }
    let taken = |(id, by): (&String, &Uuid)| case.measures.contains_key(id) && case.instruction(*by).is_some();
    if !case.taken_by.iter().all(taken) {
        return Err("a measure is kept as taken that was not, or by nobody".to_owned());
    }
    if let Some(id) = case.compliance.keys().find(|id| !case.measures.contains_key(*id)) {
        return Err(format!("measure {id} was complied with and never taken"));
    }
    if case.sequence < 1 {
        return Err(format!("sequence {}", case.sequence));
    }
    Ok(())
}
