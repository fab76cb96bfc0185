//! What a command makes of a case. Exhaustive over the stages: a new stage does not compile until each command knows it.

use dafei_kernel::{agency::Agency, owner::Post, region::Region, role::Role};
use uuid::Uuid;

use super::{
    Case,
    command::{Choice, Command, Context},
    ending,
    event::{Assignee, Cause, Event, Ground, Route},
    extension, open, record,
    rejection::{Reason, Rejection},
    stage::{Stage, StageKind, Tier},
    step, tip,
};
use crate::routing::{Proposal, SubjectKind};

/// The events that the command makes, none when it was done already; or why not.
///
/// # Errors
/// When the stage, an instruction's state or a field stands in the way.
pub fn decide(case: Option<&Case>, command: &Command, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let Some(case) = case else {
        return match command {
            Command::Open(facts) => open::open(facts),
            // Withdrawn before it went up, or a tip that was not dispatch's: there never was a case.
            Command::Withdraw | Command::HandOver { .. } => Ok(Vec::new()),
            _ => Err(Rejection::absent(Reason::NoSuchCase)),
        };
    };
    match command {
        // A redelivery: the case is there.
        Command::Open(_) => Ok(Vec::new()),
        Command::InstructAgency { agency, text } => instruct_agency(case, *agency, text, context),
        Command::Escalate { reason } => {
            at_centre(case)?;
            Ok(vec![Event::Escalated { reason: reason.clone(), at: context.at }])
        }
        Command::AcceptResult { public_text } => accept_result(case, public_text, context),
        Command::AssignDepartment { choice, text } => assign(case, choice, text, context),
        Command::FeedBack { text, public_text } => feed_back(case, text, public_text, context),
        Command::OrderRework { reason } => order_rework(case, reason, context),
        Command::DecideExtension { instruction, working_days, reason } => {
            extension::decide(case, *instruction, *working_days, reason, context)
        }
        Command::Instruction { id, step } => step::decide(case, *id, step, context),
        Command::Publish => ending::publish(case, context),
        Command::Withdraw => Ok(ending::withdraw(case, context)),
        Command::TakeBack { reason } => ending::take_back(case, reason, context),
        Command::Merge { into, told, reason } => ending::merge(case, (*into, *told), reason, context),
        Command::Absorb { case: other, tips } => ending::absorb(case, *other, tips, context),
        Command::RequestReopening { by, reason } => ending::request_reopening(case, by, reason, context),
        Command::DecideReopening { granted, reason } => ending::decide_reopening(case, *granted, reason, context),
        Command::HandOver { into } => Ok(tip::hand_over(case, *into, context.at)),
        Command::AttachTips(tips) => tip::attach(case, tips, context.at),
        Command::EndVerification => Ok(tip::end_verification(case, context)),
        Command::Urge { by, instruction, text } => record::urge(case, (by, *instruction), text, context),
        Command::Supervise { by, text } => record::supervise(case, by, text, context),
        Command::RecordAccident(accident) => record::accident(case, accident, context),
        Command::RecordAccessory(accessory) => record::accessory(case, accessory, context),
        Command::Expose { text } => record::expose(case, text, context),
        Command::RetractExposure => record::retract(case, context),
    }
}

/// The centre decides in these stages; its township.
fn at_centre(case: &Case) -> Result<&Region, Rejection> {
    let stage = case.stage.kind();
    let reason = match stage {
        StageKind::AtCentre | StageKind::Declined => match &case.facts.township {
            Some(township) => return Ok(township),
            // Opened at the office, where no centre has a part in it.
            None => Reason::AlreadyEscalated,
        },
        StageKind::WithTownshipAgency => Reason::AlreadyInstructed,
        StageKind::TownshipResult => Reason::ResultWaiting,
        StageKind::AtOffice | StageKind::WithDepartment | StageKind::DepartmentResult => Reason::AlreadyEscalated,
        StageKind::OutcomeAvailable => Reason::OutcomeAvailable,
        StageKind::Closed => Reason::CaseClosed,
    };
    Err(Rejection::stage(reason, stage))
}

fn instruct_agency(case: &Case, agency: Agency, text: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let township = at_centre(case)?.clone();
    let (facts, county) = (&case.facts, case.facts.office_region());
    let ground = context.authority.ground(county, facts.act, facts.subject.is_enterprise());
    if !ground.covered {
        return Err(Rejection::stage(Reason::OutsideAuthority, case.stage.kind()));
    }
    if !context.authority.has_agency(county, agency) {
        return Err(Rejection::field(Reason::AgencyNotInTownship, "agency"));
    }
    let post = Post { role: Role::TownshipAgency, region: township, agency: Some(agency) };
    let assignee = Assignee { instruction: context.ids.ordered(context.now), post, lead: true };
    let ground = Ground { entry: ground.entry, version: ground.version };
    let (leg, text) = (case.legs + 1, text.to_owned());
    Ok(vec![Event::AgencyInstructed { assignee, leg, ground, text, at: context.at }])
}

fn accept_result(case: &Case, public_text: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let reason = match case.stage {
        Stage::TownshipResult { instruction } => {
            return Ok(outcome(case, (Tier::Township, instruction), public_text, context));
        }
        Stage::AtCentre | Stage::WithTownshipAgency { .. } | Stage::Declined { .. } => Reason::NoResultYet,
        Stage::AtOffice | Stage::WithDepartment { .. } | Stage::DepartmentResult { .. } => Reason::AlreadyEscalated,
        Stage::OutcomeAvailable { .. } => Reason::OutcomeAvailable,
        Stage::Closed { .. } => Reason::CaseClosed,
    };
    Err(Rejection::stage(reason, case.stage.kind()))
}

/// The outcome by a tier's result: it verifies the case's tips as far as it decides, and closes a case that no village waits for.
fn outcome(case: &Case, (tier, by): (Tier, Uuid), public_text: &str, context: &Context<'_>) -> Vec<Event> {
    let at = context.at;
    let mut events = vec![Event::OutcomeAvailable { tier, public_text: public_text.to_owned(), at }];
    if let Some(verdict) = case.finding(by) {
        events.extend(tip::verify(case, verdict, by, at));
    }
    if case.facts.village.is_none() {
        events.push(ending::closed(tier, Cause::NoVillage, "", at));
    }
    events
}

fn at_office(case: &Case) -> Result<(), Rejection> {
    let stage = case.stage.kind();
    let reason = match stage {
        StageKind::AtOffice => return Ok(()),
        StageKind::AtCentre | StageKind::WithTownshipAgency | StageKind::Declined | StageKind::TownshipResult => {
            Reason::NotEscalated
        }
        StageKind::WithDepartment => Reason::AlreadyAssigned,
        StageKind::DepartmentResult => Reason::ResultWaiting,
        StageKind::OutcomeAvailable => Reason::OutcomeAvailable,
        StageKind::Closed => Reason::CaseClosed,
    };
    Err(Rejection::stage(reason, stage))
}

fn assign(case: &Case, choice: &Choice, text: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    at_office(case)?;
    let (tier, region) = (case.tier(), case.facts.office_region());
    let proposal = propose(case, context)?;
    let (agencies, deviation_reason) = chosen(case, choice, &proposal, context)?;
    let assignees = agencies
        .into_iter()
        .enumerate()
        .map(|(place, agency)| Assignee {
            instruction: context.ids.ordered(context.now),
            post: Post { role: Case::agency_role(tier), region: region.clone(), agency: Some(agency) },
            lead: place == 0,
        })
        .collect();
    Ok(vec![Event::DepartmentInstructed {
        assignees,
        leg: case.legs + 1,
        route: Route { rule: proposal.rule, version: proposal.version },
        deviation_reason,
        text: text.to_owned(),
        binding: case.returns >= context.limits.returns,
        at: context.at,
    }])
}

/// What the table proposes for a case.
fn propose(case: &Case, context: &Context<'_>) -> Result<Proposal, Rejection> {
    let facts = &case.facts;
    let (industry, kind) = SubjectKind::of(&facts.subject);
    context
        .routing
        .propose(facts.county.as_ref(), facts.act, industry, kind)
        .ok_or_else(|| Rejection::stage(Reason::NoRoute, case.stage.kind()))
}

/// The lead first, then the co-handlers, as chosen; and the reason for another lead than proposed.
fn chosen(
    case: &Case,
    choice: &Choice,
    proposal: &Proposal,
    context: &Context<'_>,
) -> Result<(Vec<Agency>, String), Rejection> {
    let lead = choice.lead.unwrap_or(proposal.lead);
    let deviates = lead != proposal.lead;
    if deviates && choice.deviation_reason.is_empty() {
        return Err(Rejection::field(Reason::DeviationReasonRequired, "deviation_reason"));
    }
    let co_handlers: &[Agency] =
        if choice.co_handlers.is_empty() && !deviates { &proposal.co_handlers } else { &choice.co_handlers };
    let mut agencies = vec![lead];
    for (place, agency) in co_handlers.iter().enumerate() {
        if agencies.contains(agency) {
            return Err(Rejection::field(Reason::DuplicateAssignee, format!("co_handlers[{place}]")));
        }
        agencies.push(*agency);
    }
    for (place, agency) in agencies.iter().enumerate() {
        let stand_in = case.facts.county.as_ref().and_then(|county| context.routing.stand_in(county, *agency));
        if stand_in.is_some() {
            let field = if place == 0 { "lead".to_owned() } else { format!("co_handlers[{}]", place - 1) };
            return Err(Rejection::field(Reason::DepartmentNotInCounty, field));
        }
    }
    let deviation_reason = if deviates { choice.deviation_reason.clone() } else { String::new() };
    Ok((agencies, deviation_reason))
}

fn feed_back(case: &Case, text: &str, public_text: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let reason = match case.stage {
        Stage::DepartmentResult { lead } => {
            let mut events = vec![Event::FedBack { leg: case.legs, text: text.to_owned(), at: context.at }];
            events.extend(outcome(case, (case.tier(), lead), public_text, context));
            return Ok(events);
        }
        Stage::AtCentre | Stage::WithTownshipAgency { .. } | Stage::Declined { .. } | Stage::TownshipResult { .. } => {
            Reason::NotEscalated
        }
        Stage::AtOffice | Stage::WithDepartment { .. } => Reason::NoResultYet,
        Stage::OutcomeAvailable { .. } => Reason::OutcomeAvailable,
        Stage::Closed { .. } => Reason::CaseClosed,
    };
    Err(Rejection::stage(reason, case.stage.kind()))
}

/// 退回重办 by the tier that has the result: the same post gets a new instruction.
fn order_rework(case: &Case, reason: &str, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let stage = case.stage.kind();
    let rejected = match case.stage {
        Stage::TownshipResult { instruction } | Stage::DepartmentResult { lead: instruction } => {
            case.instruction(instruction).ok_or(Reason::NoSuchInstruction)
        }
        Stage::AtCentre
        | Stage::WithTownshipAgency { .. }
        | Stage::Declined { .. }
        | Stage::AtOffice
        | Stage::WithDepartment { .. } => Err(Reason::NoResultYet),
        Stage::OutcomeAvailable { .. } => Err(Reason::OutcomeAvailable),
        Stage::Closed { .. } => Err(Reason::CaseClosed),
    };
    let rejected = rejected.map_err(|reason| Rejection::stage(reason, stage))?;
    let instruction = context.ids.ordered(context.now);
    let assignee = Assignee { instruction, post: rejected.post.clone(), lead: true };
    let (leg, reason) = (case.legs + 1, reason.to_owned());
    Ok(vec![Event::ReworkOrdered { rejected: rejected.id, assignee, leg, reason, at: context.at }])
}
