//! From the bus's events to the facts that move clocks.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
};
use dafei_kernel::{act::Act, owner::Post, sector::Sector, time::Instant};
use dafei_messaging::consumer::Delivered;
use dafei_sla_core::{
    Fact, Source, What,
    fact::{Assignment, PathError, Tier},
};
use uuid::Uuid;

/// Types of the events that move clocks; others need not be parsed.
const MOVING: [&str; 18] = [
    "SuspicionRecorded",
    "SecretaryNotified",
    "PersuasionRecorded",
    "RevisitRecorded",
    "ReportedUp",
    "ReportWithdrawn",
    "ResultPublished",
    "CaseOpened",
    "AgencyInstructed",
    "InstructionDelivered",
    "ResultSubmitted",
    "AuthorityDeclined",
    "Escalated",
    "DepartmentInstructed",
    "DepartmentResponded",
    "AssignmentReturned",
    "FedBack",
    "OutcomeAvailable",
];
/// Moves clocks, too; its message has another name than its fact.
const CLOSED: &str = "CaseClosed";
const PACKAGE: &str = "dafei.events.v1.";

/// Why an event that moves clocks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// Its payload is not that of its type.
    #[error(transparent)]
    Event(#[from] dafei_contracts::catalogue::EventError),
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
    let name = delivered.event_type.strip_prefix(PACKAGE).unwrap_or_default();
    if !MOVING.contains(&name) && name != CLOSED {
        return Ok(None);
    }
    let Some(event) = Event::from_json(&delivered.event_type, &delivered.payload)? else { return Ok(None) };
    let path = event.region_path()?;
    let received = convert::instant("meta.received_at", event.meta().required("meta")?.received_at)?;
    let Some((case_id, at, what)) = told(&event, received)? else { return Ok(None) };
    let case_id = convert::uuid("case_id", case_id)?;
    let fact = Fact { source, sequence: delivered.sequence, at, path, what };
    fact.check()?;
    Ok(Some(CaseFact { case_id, fact }))
}

/// Case, instant and content of an event.
fn told(event: &Event, received: Instant) -> Result<Option<(&str, Instant, What)>, ConvertError> {
    let now = |case: &'_ str, what| Ok(Some((case.to_owned(), received, what)));
    let _ = &now;
    Ok(Some(match event {
        Event::SuspicionRecorded(event) => (
            &event.case_id,
            convert::instant("found_at", event.found_at)?,
            What::SuspicionRecorded {
                finder: actor(event.meta.as_ref())?,
                sector: convert::act("act", &event.act).ok().map(Act::sector),
                skewed: event.skewed,
            },
        ),
        Event::SecretaryNotified(event) => (&event.case_id, received, What::SecretaryNotified),
        Event::PersuasionRecorded(event) => (&event.case_id, received, persuasion(event)?),
        Event::RevisitRecorded(event) => (&event.case_id, received, What::RevisitRecorded),
        Event::ReportedUp(event) => (&event.case_id, received, What::ReportedUp),
        Event::ReportWithdrawn(event) => (&event.case_id, received, What::ReportWithdrawn),
        Event::ResultPublished(event) => (&event.case_id, received, What::ResultPublished),
        _ => return told_by_dispatch(event, received),
    }))
}
