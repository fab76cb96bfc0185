//! Core <-> wire: suspicions and their parts as the API and the events carry them.

pub(crate) mod inspections;
pub(crate) mod publicity;

pub(crate) mod tips;

pub(crate) mod rewards;

use dafei_contracts::{
    convert::{self, ConvertError},
    events::v1 as ev,
    intake::v1 as api,
    types::v1 as types,
};
use dafei_intake_core::{
    device_time::DeviceTimes,
    suspicion::{Outcome, Route, StateKind, Suspicion},
};
use dafei_kernel::{region::Level, region::Region, roster::RosterIndex, subject::Subject};
use uuid::Uuid;

pub(crate) mod checklists;
pub(crate) mod patrols;

/// Most photos of one act.
const PHOTOS: usize = 20;

pub(crate) fn state(kind: StateKind) -> api::SuspicionState {
    match kind {
        StateKind::Recorded => api::SuspicionState::Recorded,
        StateKind::Notified => api::SuspicionState::Notified,
        StateKind::Heeded => api::SuspicionState::Heeded,
        StateKind::Refused => api::SuspicionState::Refused,
        StateKind::ReportedUp => api::SuspicionState::ReportedUp,
        StateKind::OutcomeAvailable => api::SuspicionState::OutcomeAvailable,
        StateKind::Published => api::SuspicionState::Published,
        StateKind::ClosedAtVillage => api::SuspicionState::ClosedAtVillage,
        StateKind::Withdrawn => api::SuspicionState::Withdrawn,
        StateKind::Merged => api::SuspicionState::Merged,
    }
}

pub(crate) fn route(route: Route) -> ev::ReportRoute {
    match route {
        Route::Secretary => ev::ReportRoute::Secretary,
        Route::Direct => ev::ReportRoute::Direct,
        Route::Enterprise => ev::ReportRoute::Enterprise,
    }
}

pub(crate) fn outcome(outcome: Outcome) -> ev::PersuasionOutcome {
    match outcome {
        Outcome::Heeded => ev::PersuasionOutcome::Heeded,
        Outcome::Refused => ev::PersuasionOutcome::Refused,
    }
}

/// How persuasion ended, as asked.
pub(crate) fn asked_outcome(field: &str, value: i32) -> Result<Outcome, ConvertError> {
    match ev::PersuasionOutcome::try_from(value) {
        Ok(ev::PersuasionOutcome::Heeded) => Ok(Outcome::Heeded),
        Ok(ev::PersuasionOutcome::Refused) => Ok(Outcome::Refused),
        Ok(ev::PersuasionOutcome::Unspecified) => Err(ConvertError::required(field)),
        Err(_) => Err(ConvertError::invalid(field, "is no outcome of persuasion")),
    }
}

/// Ids as the wire has them.
pub(crate) fn ids(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// An id that may be missing, as the wire has it.
pub(crate) fn optional_id(id: Option<Uuid>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// A suspicion as the API shows it, to anybody who may read it: why it went past the secretary is not in it.
pub(crate) fn suspicion(suspicion: &Suspicion) -> api::Suspicion {
    let facts = &suspicion.facts;
    api::Suspicion {
        case_id: facts.id.to_string(),
        village: Some(facts.village().into()),
        state: state(suspicion.state.kind()).into(),
        act: facts.act.code().to_owned(),
        act_text: facts.act_text.clone(),
        subject: Some((&facts.subject).into()),
        description: facts.description.clone(),
        found_at: Some(facts.found_at.into()),
        received_at: Some(facts.received_at.into()),
        skewed: facts.skewed,
        evidence_ids: ids(&facts.evidence),
        public_text: suspicion.state.public_text().unwrap_or_default().to_owned(),
        posted_text: suspicion.state.posted_text().unwrap_or_default().to_owned(),
        version: suspicion.version,
        suspected_crime: suspicion.suspected_crime,
        end_reason: suspicion.state.end_reason().unwrap_or_default().to_owned(),
        ended_above: suspicion.state.ended_above(),
        merged_into: suspicion.state.merged_into().map(|into| into.to_string()).unwrap_or_default(),
    }
}

/// Photos named by a request; the same twice is one.
pub(crate) fn photos(texts: &[String]) -> Result<Vec<Uuid>, ConvertError> {
    if texts.len() > PHOTOS {
        return Err(ConvertError {
            field: "evidence_ids".to_owned(),
            reason: "TOO_MANY",
            description: format!("has more than {PHOTOS} ids"),
            description_zh: format!("照片不得超过{PHOTOS}张"),
        });
    }
    let mut photos = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let id = convert::uuid(&format!("evidence_ids[{at}]"), text)?;
        if !photos.contains(&id) {
            photos.push(id);
        }
    }
    Ok(photos)
}

/// A village; another level is refused.
pub(crate) fn village(field: &str, wire: Option<&types::Region>) -> Result<Region, ConvertError> {
    let region = convert::region(field, wire)?;
    if region.level() == Level::Village {
        return Ok(region);
    }
    Err(ConvertError {
        field: format!("{field}.level"),
        reason: "WRONG_LEVEL",
        description: "is not a village".to_owned(),
        description_zh: "应填写村居".to_owned(),
    })
}

/// What a device says of its times.
pub(crate) fn device(
    device_time: Option<dafei_contracts::timestamp::Timestamp>,
    device_sent_at: Option<dafei_contracts::timestamp::Timestamp>,
) -> Result<DeviceTimes, ConvertError> {
    Ok(DeviceTimes {
        happened: convert::optional_instant("device_time", device_time)?,
        sent: convert::optional_instant("device_sent_at", device_sent_at)?,
    })
}

/// The subject; what is not said of an enterprise comes from the roster, when it is there (clause A4).
pub(crate) fn subject(roster: &RosterIndex, wire: Option<&types::Subject>) -> Result<Subject, ConvertError> {
    convert::known_subject(roster, "subject", wire)
}
