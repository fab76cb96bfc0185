//! Core <-> wire: the case and its parts as the API and the events carry them.

use dafei_contracts::{
    convert::{self, ConvertError},
    dispatch::v1 as api,
    events::v1 as ev,
    types::v1 as types,
};
use dafei_dispatch_core::case::{
    Assignee, InstructionState, Means, ResultKind, ResultReport, Source, StageKind, Tier, Verdict,
};

pub(crate) mod directives;
mod shown;

pub(crate) use shown::{case, instruction};

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
        Tier::City => ev::Tier::City,
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
        Means::OwnFinding => ev::DeliveryMeans::OwnFinding,
    }
}

pub(crate) fn result_kind(kind: ResultKind) -> types::ResultKind {
    match kind {
        ResultKind::Interim => types::ResultKind::Interim,
        ResultKind::Final => types::ResultKind::Final,
        ResultKind::Unfounded => types::ResultKind::Unfounded,
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

/// A result as an agency sends it, by gRPC or by NATS.
pub(crate) fn result_report(
    (kind, text): (i32, &str),
    (confirmed_acts, outside_scope): (&[String], bool),
    measures: &[types::Measure],
    exemptions: &[types::Exemption],
) -> Result<ResultReport, ConvertError> {
    let kind = match types::ResultKind::try_from(kind) {
        Ok(types::ResultKind::Interim) => ResultKind::Interim,
        Ok(types::ResultKind::Final) => ResultKind::Final,
        Ok(types::ResultKind::Unfounded) => ResultKind::Unfounded,
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
        outside_scope,
        exemptions: exemptions
            .iter()
            .enumerate()
            .map(|(place, wire)| convert::exemption(wire).map_err(|error| error.under(&format!("exemptions[{place}]"))))
            .collect::<Result<_, _>>()?,
        measures: measures
            .iter()
            .enumerate()
            .map(|(place, wire)| convert::measure(wire).map_err(|error| error.under(&format!("measures[{place}]"))))
            .collect::<Result<_, _>>()?,
    })
}
