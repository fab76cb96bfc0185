//! From the core's events to those of the catalogue: the one place where a private event becomes a public one.

pub(crate) mod tips;

use dafei_contracts::{Event as Public, events::v1 as ev};
use dafei_intake_core::suspicion::{Event, Suspicion};
use dafei_kernel::{
    owner::Post,
    region::{Region, RegionPath},
    time::Instant,
};
use uuid::Uuid;

use crate::{wire, work::NewPatrol};

/// The public event of a private one, without its `meta`; none for what is kept and not published.
pub(crate) fn translate(suspicion: &Suspicion, event: &Event) -> Option<Public> {
    let facts = &suspicion.facts;
    let case_id = facts.id.to_string();
    Some(match event {
        Event::Recorded(facts) => ev::SuspicionRecorded {
            meta: None,
            case_id,
            village: Some(facts.village().into()),
            act: facts.act.code().to_owned(),
            act_text: facts.act_text.clone(),
            subject: Some((&facts.subject).into()),
            description: facts.description.clone(),
            found_at: Some(facts.found_at.into()),
            skewed: facts.skewed,
            evidence_ids: wire::ids(&facts.evidence),
            suspected_crime: facts.suspected_crime,
        }
        .into(),
        Event::Notified => ev::SecretaryNotified { meta: None, case_id }.into(),
        Event::Persuaded { outcome, note } => {
            ev::PersuasionRecorded { meta: None, case_id, outcome: wire::outcome(*outcome).into(), note: note.clone() }
                .into()
        }
        Event::Revisited { stopped, note, evidence, .. } => ev::RevisitRecorded {
            meta: None,
            case_id,
            stopped: *stopped,
            note: note.clone(),
            evidence_ids: wire::ids(evidence),
        }
        .into(),
        Event::ReportedUp { route, .. } => ev::ReportedUp {
            meta: None,
            case_id,
            route: wire::route(*route).into(),
            village: Some(facts.village().into()),
            act: facts.act.code().to_owned(),
            act_text: facts.act_text.clone(),
            subject: Some((&facts.subject).into()),
            description: facts.description.clone(),
            found_at: Some(facts.found_at.into()),
            evidence_ids: wire::ids(&facts.evidence),
            suspected_crime: suspicion.suspected_crime,
        }
        .into(),
        Event::Withdrawn { reason } => ev::ReportWithdrawn { meta: None, case_id, reason: reason.clone() }.into(),
        Event::Reopened { reason, evidence } => {
            ev::SuspicionReopened { meta: None, case_id, reason: reason.clone(), evidence_ids: wire::ids(evidence) }
                .into()
        }
        Event::Merged { into, reason } => {
            ev::ReportMerged { meta: None, case_id, into_case_id: into.to_string(), reason: reason.clone() }.into()
        }
        Event::Helped(help) => ev::HelpGiven {
            meta: None,
            case_id,
            agency: help.agency.code().to_owned(),
            note: help.note.clone(),
            helped_at: Some(help.at.into()),
            evidence_ids: wire::ids(&help.evidence),
        }
        .into(),
        Event::OutcomeLearned { .. }
        | Event::CrimeSuspected { .. }
        | Event::CaseMerged { .. }
        | Event::CaseWithdrawn { .. }
        | Event::CaseReopened => return None,
        Event::Published { text, evidence } => {
            ev::ResultPublished { meta: None, case_id, text: text.clone(), evidence_ids: wire::ids(evidence) }.into()
        }
    })
}

/// A patrol as its event carries it.
pub(crate) fn patrol(id: Uuid, at: Instant, patrol: &NewPatrol) -> ev::PatrolItem {
    let (checklist_id, checklist_version) = patrol.checklist.clone().unwrap_or_default();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    ev::PatrolItem {
        patrol_id: id.to_string(),
        patrolled_at: Some(at.into()),
        object: patrol.object.clone(),
        photos: count(patrol.photos.len()),
        counts: !patrol.by_work_area,
        checklist_id,
        checklist_version: u32::try_from(checklist_version).unwrap_or(0),
        problems: count(patrol.problems.len()),
        inspector: patrol.inspector.clone(),
    }
}

/// The event of a village's patrols, without its `meta`.
pub(crate) fn patrols(village: &Region, patrols: impl Iterator<Item = ev::PatrolItem>) -> Public {
    ev::PatrolsRecorded { meta: None, village: Some(village.into()), patrols: patrols.collect() }.into()
}

/// What every event carries.
pub(crate) struct Meta<'a> {
    pub(crate) aggregate: Uuid,
    pub(crate) sequence: i64,
    pub(crate) path: &'a RegionPath,
    pub(crate) actor: Option<&'a Post>,
    /// Who acted for a village's post; empty for all others, and never an informant.
    pub(crate) person: &'a str,
    pub(crate) received_at: Instant,
    pub(crate) claimed_at: Option<Instant>,
    /// Head of the chain before the event.
    pub(crate) chain: String,
}

impl Meta<'_> {
    pub(crate) fn wire(self) -> ev::EventMeta {
        ev::EventMeta {
            aggregate_id: self.aggregate.to_string(),
            sequence: self.sequence,
            region_path: self.path.to_string(),
            actor: self.actor.map(Into::into),
            received_at: Some(self.received_at.into()),
            claimed_at: self.claimed_at.map(Into::into),
            chain_head: self.chain,
            person: self.person.to_owned(),
        }
    }
}
