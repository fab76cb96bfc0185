//! What grid chiefs and members did, from intake's events (clause F6). Nothing of tips and rewards is here.

use dafei_contracts::{
    Event,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
    timestamp::Timestamp,
};
use dafei_kernel::{owner::Post, roster::RosterIndex};
use dafei_messaging::consumer::{Delivered, HandlerError};
use dafei_reporting_core::work::{Done, Entry, Work, entry};

/// Types of the events that tell of work; others need not be parsed.
const TOLD: [&str; 9] = [
    "dafei.events.v1.PatrolsRecorded",
    "dafei.events.v1.SuspicionRecorded",
    "dafei.events.v1.PersuasionRecorded",
    "dafei.events.v1.RevisitRecorded",
    "dafei.events.v1.HelpGiven",
    "dafei.events.v1.NoticePosted",
    "dafei.events.v1.BroadcastMade",
    "dafei.events.v1.LeafletsDistributed",
    "dafei.events.v1.ResultPublished",
];

/// The ledger's entries of events, each as often as it was done.
///
/// # Errors
/// The first event that cannot be taken.
pub fn entries_of(events: &[Delivered], roster: &RosterIndex) -> Result<Vec<Entry>, HandlerError> {
    let mut entries = Vec::new();
    for (index, event) in events.iter().enumerate().filter(|(_, event)| TOLD.contains(&event.event_type.as_str())) {
        let reject = |reason: String| HandlerError::Reject { index, reason };
        let parsed = Event::from_json(&event.event_type, &event.payload).map_err(|error| reject(error.to_string()))?;
        let Some(parsed) = parsed else { continue };
        let done = done(&parsed).map_err(|error| reject(error.to_string()))?;
        entries.extend(done.iter().filter_map(|done| entry(done, roster)));
    }
    Ok(entries)
}

fn done(event: &Event) -> Result<Vec<Done>, ConvertError> {
    let meta = event.meta().required("meta")?;
    let by = meta.actor.as_ref().map(Post::try_from).transpose().map_err(|error| error.under("meta.actor"))?;
    let path = event.region_path()?;
    let of = |work, person: &str, field: &str, at: Option<Timestamp>| {
        let (path, by, person) = (path.clone(), by.clone(), person.trim().to_owned());
        Ok::<Done, ConvertError>(Done { work, path, by, person, at: convert::instant(field, at)? })
    };
    let told = |work, field: &str, at| Ok(vec![of(work, &meta.person, field, at)?]);
    let received = |work| told(work, "meta.received_at", meta.received_at);
    match event {
        Event::PatrolsRecorded(pb::PatrolsRecorded { patrols, .. }) => {
            let counted = patrols.iter().filter(|patrol| patrol.counts);
            counted.map(|one| of(Work::Patrol, &one.inspector, "patrols.patrolled_at", one.patrolled_at)).collect()
        }
        Event::SuspicionRecorded(event) => told(Work::Report, "found_at", event.found_at),
        Event::PersuasionRecorded(_) => received(Work::Persuasion),
        Event::RevisitRecorded(_) => received(Work::Revisit),
        Event::ResultPublished(_) => received(Work::Publication),
        Event::HelpGiven(event) => told(Work::Help, "helped_at", event.helped_at),
        Event::NoticePosted(event) => told(Work::Notice, "posted_at", event.posted_at),
        Event::BroadcastMade(event) => told(Work::Broadcast, "made_at", event.made_at),
        Event::LeafletsDistributed(event) => told(Work::Leaflet, "distributed_at", event.distributed_at),
        _ => Ok(Vec::new()),
    }
}
