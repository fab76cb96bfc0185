//! Core <-> wire: the case and its parts as the API and the events carry them.

use dafei_contracts::{
    convert::{self, ConvertError},
    dispatch::v1 as api,
    events::v1 as ev,
    types::v1 as types,
};
use dafei_dispatch_core::case::{
    Assignee, Case, Instruction, InstructionState, Means, ResultKind, ResultReport, Source, StageKind, Tier, Verdict,
};

/// Longest text of an order, a plan or a notice, in characters.
pub(crate) const TEXT: usize = 2_000;
/// Longest reason or legal basis, in characters.
pub(crate) const REASON: usize = 1_000;
/// Longest text of a result, in characters.
pub(crate) const RESULT_TEXT: usize = 4_000;
/// Most measures of one result.
const MEASURES: usize = 50;

pub(crate) fn source(source: Source) -> ev::CaseSource {
    match source {
        Source::GridReport => ev::CaseSource::GridReport,
        Source::PublicTip => ev::CaseSource::PublicTip,
        Source::SuperiorSupervision => ev::CaseSource::SuperiorSupervision,
        Source::DailyCheck => ev::CaseSource::DailyCheck,
        Source::Accident => ev::CaseSource::Accident,
    }
}

pub(crate) fn tier(tier: Tier) -> ev::Tier {
    match tier {
        Tier::Township => ev::Tier::Township,
        Tier::County => ev::Tier::County,
    }
}

pub(crate) fn verdict(verdict: Verdict) -> ev::TipVerdict {
    match verdict {
        Verdict::True => ev::TipVerdict::True,
        Verdict::False => ev::TipVerdict::False,
    }
}

pub(crate) fn means(means: Means) -> ev::DeliveryMeans {
    match means {
        Means::Consumer => ev::DeliveryMeans::Consumer,
        Means::Rpc => ev::DeliveryMeans::Rpc,
        Means::Assumed => ev::DeliveryMeans::Assumed,
    }
}

pub(crate) fn result_kind(kind: ResultKind) -> types::ResultKind {
    match kind {
        ResultKind::Interim => types::ResultKind::Interim,
        ResultKind::Final => types::ResultKind::Final,
    }
}

pub(crate) fn assignee(assignee: &Assignee) -> ev::Assignee {
    ev::Assignee {
        instruction_id: assignee.instruction.to_string(),
        post: Some((&assignee.post).into()),
        lead: assignee.lead,
    }
}

pub(crate) fn state(stage: StageKind) -> api::CaseState {
    match stage {
        StageKind::AtCentre => api::CaseState::AtCentre,
        StageKind::WithTownshipAgency => api::CaseState::WithTownshipAgency,
        StageKind::Declined => api::CaseState::Declined,
        StageKind::TownshipResult => api::CaseState::TownshipResult,
        StageKind::AtOffice => api::CaseState::AtOffice,
        StageKind::WithDepartment => api::CaseState::WithDepartment,
        StageKind::DepartmentResult => api::CaseState::DepartmentResult,
        StageKind::OutcomeAvailable => api::CaseState::OutcomeAvailable,
        StageKind::Closed => api::CaseState::Closed,
    }
}

pub(crate) fn instruction_state(state: InstructionState) -> api::InstructionState {
    match state {
        InstructionState::Issued => api::InstructionState::Issued,
        InstructionState::Delivered => api::InstructionState::Delivered,
        InstructionState::Accepted => api::InstructionState::Accepted,
        InstructionState::Responded => api::InstructionState::Responded,
        InstructionState::Done => api::InstructionState::Done,
        InstructionState::Declined => api::InstructionState::Declined,
        InstructionState::Cancelled => api::InstructionState::Cancelled,
    }
}

/// A case as the API shows it.
pub(crate) fn case(case: &Case) -> api::Case {
    let facts = &case.facts;
    api::Case {
        case_id: facts.id.to_string(),
        state: state(case.stage.kind()).into(),
        source: source(facts.source).into(),
        act: facts.act.code().to_owned(),
        act_text: facts.act_text.clone(),
        sector: facts.act.sector().code().to_owned(),
        subject: Some((&facts.subject).into()),
        village: facts.village.as_ref().map(Into::into),
        township: facts.township.as_ref().map(Into::into),
        county: Some((&facts.county).into()),
        description: facts.description.clone(),
        found_at: Some(facts.found_at.into()),
        reached_at: Some(facts.reached_at.into()),
        instructions: case.instructions.iter().map(|one| instruction(case, one)).collect(),
        public_text: case.stage.public_text().to_owned(),
        version: case.sequence,
    }
}

/// An instruction as the API shows it.
pub(crate) fn instruction(case: &Case, instruction: &Instruction) -> api::Instruction {
    let response = instruction.response.as_ref();
    let result = instruction.result.as_ref();
    api::Instruction {
        instruction_id: instruction.id.to_string(),
        case_id: case.facts.id.to_string(),
        post: Some((&instruction.post).into()),
        lead: instruction.lead,
        leg: instruction.leg,
        state: instruction_state(instruction.state()).into(),
        text: instruction.text.clone(),
        issued_at: Some(instruction.issued_at.into()),
        delivered_at: instruction.delivery.map(|delivery| delivery.at.into()),
        responded_at: response.map(|response| response.at.into()),
        plan: response.map(|response| response.plan.clone()).unwrap_or_default(),
        result_at: result.map(|given| given.first_at.into()),
        result_kind: result.map_or(types::ResultKind::Unspecified, |given| result_kind(given.kind)).into(),
        result_text: result.map(|given| given.text.clone()).unwrap_or_default(),
    }
}

/// A result as an agency sends it, by gRPC or by NATS.
pub(crate) fn result_report(
    kind: i32,
    text: &str,
    confirmed_acts: &[String],
    measures: &[types::Measure],
) -> Result<ResultReport, ConvertError> {
    let kind = match types::ResultKind::try_from(kind) {
        Ok(types::ResultKind::Interim) => ResultKind::Interim,
        Ok(types::ResultKind::Final) => ResultKind::Final,
        Ok(types::ResultKind::Unspecified) | Err(_) => return Err(ConvertError::required("kind")),
    };
    if measures.len() > MEASURES {
        return Err(ConvertError::invalid("measures", "has more than 50 entries"));
    }
    Ok(ResultReport {
        kind,
        text: convert::bounded("text", text, RESULT_TEXT)?,
        confirmed_acts: confirmed_acts
            .iter()
            .enumerate()
            .map(|(place, code)| convert::act(&format!("confirmed_acts[{place}]"), code))
            .collect::<Result<_, _>>()?,
        measures: measures
            .iter()
            .enumerate()
            .map(|(place, wire)| convert::measure(wire).map_err(|error| error.under(&format!("measures[{place}]"))))
            .collect::<Result<_, _>>()?,
    })
}
