//! Tips as the wire has them.

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::tip::{Progress, State, Tip};

use super::ids;

/// A state as the API has it.
pub(crate) fn state(state: State) -> api::TipState {
    match state {
        State::Waiting => api::TipState::Waiting,
        State::Received => api::TipState::Received,
        State::Linked => api::TipState::Linked,
        State::VerifiedTrue => api::TipState::VerifiedTrue,
        State::VerifiedFalse => api::TipState::VerifiedFalse,
    }
}

/// What an informant is told, as the API has it.
pub(crate) fn progress(progress: Progress) -> api::TipProgress {
    match progress {
        Progress::Accepted => api::TipProgress::Accepted,
        Progress::InHandling => api::TipProgress::InHandling,
        Progress::VerifiedTrue => api::TipProgress::VerifiedTrue,
        Progress::VerifiedFalse => api::TipProgress::VerifiedFalse,
        Progress::RewardAnnounced => api::TipProgress::RewardAnnounced,
    }
}

/// A tip as the unit that handles it sees it.
pub(crate) fn tip(tip: &Tip) -> api::Tip {
    let (facts, link) = (&tip.facts, tip.body.link);
    api::Tip {
        tip_id: facts.id.to_string(),
        case_id: facts.case_id.to_string(),
        recipient: Some((&tip.body.recipient.post).into()),
        state: state(tip.state).into(),
        act: facts.act.code().to_owned(),
        act_text: facts.act_text.clone(),
        subject: Some((&facts.subject).into()),
        place: Some((&facts.place).into()),
        accused: facts.accused.iter().map(Into::into).collect(),
        text: facts.text.clone(),
        received_hour: Some(facts.received_hour.into()),
        evidence_ids: ids(&facts.evidence),
        first_tip_id: link.map(|link| link.first_tip_id.to_string()).unwrap_or_default(),
        adds: link.is_some_and(|link| link.adds),
        version: tip.version,
    }
}
