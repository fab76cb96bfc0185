//! From the bus's events to the facts that move clocks.

use dafei_contracts::{
    Event,
    catalogue::EventError,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
    timestamp::Timestamp,
};
use dafei_kernel::{owner::Post, sector::Sector};
use dafei_messaging::consumer::Delivered;
use dafei_sla_core::{
    Fact, Source, What,
    fact::{Assignment, PathError, Tier},
};
use uuid::Uuid;

/// Types of the events that move clocks; others need not be parsed.
const MOVING: [&str; 26] = [
    "dafei.events.v1.SuspicionRecorded",
    "dafei.events.v1.SecretaryNotified",
    "dafei.events.v1.PersuasionRecorded",
    "dafei.events.v1.RevisitRecorded",
    "dafei.events.v1.ReportedUp",
    "dafei.events.v1.ReportWithdrawn",
    "dafei.events.v1.SuspicionReopened",
    "dafei.events.v1.ReportMerged",
    "dafei.events.v1.ResultPublished",
    "dafei.events.v1.CaseOpened",
    "dafei.events.v1.AgencyInstructed",
    "dafei.events.v1.InstructionDelivered",
    "dafei.events.v1.ResultSubmitted",
    "dafei.events.v1.AuthorityDeclined",
    "dafei.events.v1.Escalated",
    "dafei.events.v1.DepartmentInstructed",
    "dafei.events.v1.DepartmentResponded",
    "dafei.events.v1.AssignmentReturned",
    "dafei.events.v1.FedBack",
    "dafei.events.v1.OutcomeAvailable",
    "dafei.events.v1.ReworkOrdered",
    "dafei.events.v1.ExtensionDecided",
    "dafei.events.v1.CaseClosed",
    "dafei.events.v1.CaseMerged",
    "dafei.events.v1.CaseWithdrawn",
    "dafei.events.v1.CaseReopened",
];

/// Why an event that moves clocks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// Its payload is not that of its type.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A field is missing or malformed.
    #[error(transparent)]
    Field(#[from] ConvertError),
    /// Its region path does not go down to those concerned.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A fact of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFact {
    /// The case.
    pub case_id: Uuid,
    /// What happened to it.
    pub fact: Fact,
}

/// The fact that an event tells; none when it moves no clock.
///
/// # Errors
/// When the event lacks what its clocks need.
pub fn of_event(source: Source, delivered: &Delivered) -> Result<Option<CaseFact>, FactError> {
    if !MOVING.contains(&delivered.event_type.as_str()) {
        return Ok(None);
    }
    let Some(event) = Event::from_json(&delivered.event_type, &delivered.payload)? else { return Ok(None) };
    let told = match source {
        Source::Intake => told_by_intake(&event)?,
        Source::Dispatch => told_by_dispatch(&event)?,
        // Its facts are added where it finds them.
        Source::Reconciler => None,
    };
    let Some(told) = told else { return Ok(None) };
    let received = event.meta().required("meta")?.received_at;
    let at = match told.at {
        Some((field, at)) => convert::instant(field, at)?,
        None => convert::instant("meta.received_at", received)?,
    };
    let known_at = Some(delivered.recorded_at).filter(|known| *known > at && may_wait(&told.what));
    let fact = Fact { source, sequence: delivered.sequence, at, known_at, path: event.region_path()?, what: told.what };
    fact.check()?;
    Ok(Some(CaseFact { case_id: convert::uuid("case_id", told.case_id)?, fact }))
}

/// Whether it comes to dispatch by the bus, where it waits while dispatch is away, and an office owes something from then on that it can see there
/// alone: a village's report or a public tip, and what an agency's system answers. What an agency found itself it knows from the start.
const fn may_wait(what: &What) -> bool {
    matches!(
        what,
        What::CaseOpened { own: false, .. }
            | What::ResultSubmitted { .. }
            | What::AssignmentReturned { .. }
            | What::AuthorityDeclined { .. }
    )
}

/// What an event tells.
struct Told<'a> {
    case_id: &'a str,
    /// The field with the instant that counts, where it is not the reception.
    at: Option<(&'static str, Option<Timestamp>)>,
    what: What,
}

impl<'a> Told<'a> {
    const fn on_reception(case_id: &'a str, what: What) -> Self {
        Self { case_id, at: None, what }
    }

    const fn at(case_id: &'a str, field: &'static str, at: Option<Timestamp>, what: What) -> Self {
        Self { case_id, at: Some((field, at)), what }
    }
}

fn told_by_intake(event: &Event) -> Result<Option<Told<'_>>, ConvertError> {
    Ok(Some(match event {
        Event::SuspicionRecorded(event) => {
            let meta = event.meta.as_ref();
            let actor = meta.and_then(|meta| meta.actor.as_ref());
            let what = What::SuspicionRecorded {
                finder: actor.map(Post::try_from).transpose().map_err(|error| error.under("meta.actor"))?,
                finder_person: meta.map(|meta| meta.person.clone()).filter(|person| !person.is_empty()),
                sector: Some(convert::act("act", &event.act)?.sector()),
                skewed: event.skewed,
            };
            Told::at(&event.case_id, "found_at", event.found_at, what)
        }
        Event::SecretaryNotified(event) => Told::on_reception(&event.case_id, What::SecretaryNotified),
        Event::PersuasionRecorded(event) => {
            let heeded = match event.outcome() {
                pb::PersuasionOutcome::Heeded => true,
                pb::PersuasionOutcome::Refused => false,
                pb::PersuasionOutcome::Unspecified => return Err(ConvertError::required("outcome")),
            };
            Told::on_reception(&event.case_id, What::PersuasionRecorded { heeded })
        }
        Event::RevisitRecorded(event) => {
            Told::on_reception(&event.case_id, What::RevisitRecorded { stopped: event.stopped })
        }
        Event::ReportedUp(event) => Told::on_reception(&event.case_id, What::ReportedUp),
        Event::ReportWithdrawn(event) => Told::on_reception(&event.case_id, What::ReportWithdrawn),
        Event::SuspicionReopened(event) => Told::on_reception(&event.case_id, What::SuspicionReopened),
        Event::ReportMerged(event) => Told::on_reception(&event.case_id, What::ReportMerged),
        Event::ResultPublished(event) => Told::on_reception(&event.case_id, What::ResultPublished),
        _ => return Ok(None),
    }))
}

fn told_by_dispatch(event: &Event) -> Result<Option<Told<'_>>, ConvertError> {
    Ok(Some(match event {
        Event::CaseOpened(event) => {
            let (tier, own) = (tier(event.tier())?, event.finder.is_some());
            let what = What::CaseOpened { tier, sector: sector(&event.sector)?, own };
            Told::at(&event.case_id, "reached_at", event.reached_at, what)
        }
        Event::AgencyInstructed(event) => Told::on_reception(&event.case_id, What::AgencyInstructed),
        Event::InstructionDelivered(event) => {
            let what = What::InstructionDelivered {
                tier: tier(event.tier())?,
                assignment: assignment(event.assignee.as_ref(), event.leg)?,
                own: event.means() == pb::DeliveryMeans::OwnFinding,
                rework: event.rework,
                assumed: event.means() == pb::DeliveryMeans::Assumed,
            };
            Told::at(&event.case_id, "delivered_at", event.delivered_at, what)
        }
        Event::ResultSubmitted(event) => {
            let tier = tier(event.tier())?;
            let assignment = assignment(event.assignee.as_ref(), event.leg)?;
            let what = What::ResultSubmitted { tier, assignment };
            Told::at(&event.case_id, "submitted_at", event.submitted_at, what)
        }
        Event::AuthorityDeclined(event) => {
            let assignment = assignment(event.assignee.as_ref(), event.leg)?;
            Told::on_reception(&event.case_id, What::AuthorityDeclined { assignment })
        }
        Event::Escalated(event) => Told::on_reception(&event.case_id, What::Escalated),
        Event::DepartmentInstructed(event) => Told::on_reception(&event.case_id, What::DepartmentInstructed),
        Event::DepartmentResponded(event) => {
            let assignment = assignment(event.assignee.as_ref(), event.leg)?;
            let what = What::DepartmentResponded { assignment };
            Told::at(&event.case_id, "responded_at", event.responded_at, what)
        }
        Event::AssignmentReturned(event) => {
            let assignment = assignment(event.assignee.as_ref(), event.leg)?;
            let what = What::AssignmentReturned { assignment };
            Told::at(&event.case_id, "returned_at", event.returned_at, what)
        }
        Event::FedBack(event) => Told::on_reception(&event.case_id, What::FedBack { leg: event.leg }),
        Event::OutcomeAvailable(event) => {
            Told::on_reception(&event.case_id, What::OutcomeAvailable { village: event.village.is_some() })
        }
        Event::ReworkOrdered(event) => {
            let assignment = assignment(event.rejected.as_ref(), event.leg)?;
            Told::on_reception(&event.case_id, What::ReworkOrdered { assignment })
        }
        // A refusal moves nothing.
        Event::ExtensionDecided(event) if !event.granted => return Ok(None),
        Event::ExtensionDecided(event) => {
            let what = What::ExtensionGranted {
                assignment: assignment(event.assignee.as_ref(), event.leg)?,
                working_days: event.working_days,
                requested_at: convert::instant("requested_at", event.requested_at)?,
            };
            Told::on_reception(&event.case_id, what)
        }
        Event::CaseClosed(event) => Told::on_reception(&event.case_id, What::CaseClosed),
        Event::CaseMerged(event) => Told::on_reception(&event.case_id, What::CaseClosed),
        Event::CaseWithdrawn(event) => Told::on_reception(&event.case_id, What::CaseClosed),
        Event::CaseReopened(event) => {
            Told::on_reception(&event.case_id, What::CaseReopened { tier: tier(event.tier())? })
        }
        _ => return Ok(None),
    }))
}

/// The tier of an instruction or opening.
fn tier(wire: pb::Tier) -> Result<Tier, ConvertError> {
    match wire {
        pb::Tier::Township => Ok(Tier::Township),
        pb::Tier::County => Ok(Tier::County),
        pb::Tier::City => Ok(Tier::City),
        pb::Tier::Unspecified => Err(ConvertError::required("tier")),
    }
}

fn assignment(wire: Option<&pb::Assignee>, leg: u32) -> Result<Assignment, ConvertError> {
    let wire = wire.required("assignee")?;
    let post = Post::try_from(wire.post.as_ref().required("assignee.post")?);
    Ok(Assignment {
        instruction: convert::uuid("assignee.instruction_id", &wire.instruction_id)?,
        post: post.map_err(|error| error.under("assignee.post"))?,
        lead: wire.lead,
        leg,
    })
}

fn sector(code: &str) -> Result<Option<Sector>, ConvertError> {
    if code.is_empty() {
        return Ok(None);
    }
    code.parse().map(Some).map_err(|_| ConvertError::unknown("sector", "UNKNOWN_SECTOR", code, "领域代码"))
}
