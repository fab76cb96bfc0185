//! From intake's own events to those of the catalogue: the one place where a private event becomes a public one.

use dafei_contracts::{Event as Public, chain, catalogue::EventError, events::v1 as ev};
use dafei_intake_core::suspicion::{Event, Facts, Suspicion};
use dafei_kernel::{owner::Post, region::RegionPath, time::Instant};
use dafei_messaging::event::NewEvent;
use dafei_shell::publish::{self, Outgoing};
use uuid::Uuid;

use crate::{app::App, wire};

/// The public event of a private one, without its `meta`; none for what is kept and not published.
pub(crate) fn translate(suspicion: &Suspicion, event: &Event) -> Option<Public> {
    let facts = &suspicion.facts;
    let case_id = facts.id.to_string();
    let meta = None;
    Some(match event {
        Event::Recorded(facts) => recorded(facts).into(),
        Event::Notified => ev::SecretaryNotified { meta, case_id }.into(),
        Event::Persuaded { outcome, note } => ev::PersuasionRecorded {
            meta,
            case_id,
            outcome: wire::outcome(*outcome).into(),
            note: note.clone(),
        }
        .into(),
        Event::Revisited { stopped, note, evidence } => ev::RevisitRecorded {
            meta,
            case_id,
            stopped: *stopped,
            note: note.clone(),
            evidence_ids: wire::ids(evidence),
        }
        .into(),
        // Why a member reported past the secretary is not told: the secretary sees the village's events.
        Event::ReportedUp { route, direct_reason: _ } => ev::ReportedUp {
            meta,
            case_id,
            route: wire::route(*route).into(),
            village: Some(facts.village().into()),
            act: facts.act.code().to_owned(),
            act_text: facts.act_text.clone(),
            subject: Some((&facts.subject).into()),
            description: facts.description.clone(),
            found_at: Some(facts.found_at.into()),
            evidence_ids: wire::ids(&facts.evidence),
        }
        .into(),
        Event::Withdrawn { reason } => ev::ReportWithdrawn { meta, case_id, reason: reason.clone() }.into(),
        Event::OutcomeLearned { .. } => return None,
        Event::Published { text, evidence } => ev::ResultPublished {
            meta,
            case_id,
            text: text.clone(),
            evidence_ids: wire::ids(evidence),
        }
        .into(),
    })
}

fn recorded(facts: &Facts) -> ev::SuspicionRecorded {
    ev::SuspicionRecorded {
        meta: None,
        case_id: facts.id.to_string(),
        village: Some(facts.village().into()),
        act: facts.act.code().to_owned(),
        act_text: facts.act_text.clone(),
        subject: Some((&facts.subject).into()),
        description: facts.description.clone(),
        found_at: Some(facts.found_at.into()),
        skewed: facts.skewed,
        evidence_ids: wire::ids(&facts.evidence),
    }
}

/// An aggregate's place in the history of its events: moved on by each.
pub(crate) struct Cursor<'a> {
    /// Sequence of the last event.
    pub(crate) sequence: &'a mut i64,
    /// Head of the chain over the events so far.
    pub(crate) chain_head: &'a mut String,
}

/// What an event carries besides itself.
pub(crate) struct About<'a> {
    pub(crate) aggregate: Uuid,
    pub(crate) path: &'a RegionPath,
    pub(crate) actor: Option<&'a Post>,
    pub(crate) claimed_at: Option<Instant>,
    pub(crate) traceparent: Option<&'a str>,
}

/// The row of the next event of an aggregate; its cursor moves on. This is where an event gets its bytes, once.
pub(crate) fn next(
    app: &App,
    now: Instant,
    mut event: Public,
    about: &About<'_>,
    cursor: Cursor<'_>,
) -> Result<NewEvent, EventError> {
    let sequence = *cursor.sequence + 1;
    event.set_meta(ev::EventMeta {
        aggregate_id: about.aggregate.to_string(),
        sequence,
        region_path: about.path.to_string(),
        actor: about.actor.map(Into::into),
        received_at: Some(now.into()),
        claimed_at: about.claimed_at.map(Into::into),
        chain_head: cursor.chain_head.clone(),
    });
    let outgoing =
        Outgoing { event, aggregate_id: about.aggregate, sequence, event_id: app.ids.ordered(now), recorded_at: now };
    let row = publish::encode_traced(App::SERVICE, &outgoing, about.traceparent.map(ToOwned::to_owned))?;
    *cursor.sequence = sequence;
    *cursor.chain_head = chain::next_head(cursor.chain_head, &row.payload);
    Ok(row)
}
