//! The events of tips. They have no actor and no trace, and say of the tip's own time the hour. What they bear as records, and in their ids, is
//! the instant of the release, which is by chance, or of the link: the clocks of whoever handles the tip start from there.

use dafei_contracts::{Event as Public, catalogue::EventError, events::v1 as ev};
use dafei_intake_core::tip::Tip;
use dafei_kernel::time::{Instant, truncate_hour};
use dafei_messaging::event::NewEvent;

use super::Meta;
use crate::{app::App, store::tips::Row, wire, work};

/// An event could not be made: a bug.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EventFailure(#[from] EventError);

/// The tip goes to its recipient.
pub(crate) fn received(app: &App, row: &mut Row, now: Instant) -> Result<NewEvent, EventFailure> {
    let facts = &row.tip.facts;
    let event = ev::TipReceived {
        meta: None,
        tip_id: facts.id.to_string(),
        case_id: facts.case_id.to_string(),
        recipient: Some((&row.tip.body.recipient.post).into()),
        act: facts.act.code().to_owned(),
        act_text: facts.act_text.clone(),
        subject: Some((&facts.subject).into()),
        text: facts.text.clone(),
        received_hour: Some(facts.received_hour.into()),
        evidence_ids: wire::ids(&facts.evidence),
    };
    let received_at = facts.received_hour;
    record(app, row, event.into(), received_at, now)
}

/// The tip is of one matter with an earlier one.
pub(crate) fn linked(app: &App, row: &mut Row, first: &Tip, now: Instant) -> Result<NewEvent, EventFailure> {
    let facts = &row.tip.facts;
    let event = ev::TipLinked {
        meta: None,
        tip_id: facts.id.to_string(),
        case_id: facts.case_id.to_string(),
        first_tip_id: first.facts.id.to_string(),
        into_case_id: first.facts.case_id.to_string(),
        adds: row.tip.body.link.is_some_and(|link| link.adds),
    };
    record(app, row, event.into(), truncate_hour(now), now)
}

fn record(
    app: &App,
    row: &mut Row,
    event: Public,
    received_at: Instant,
    now: Instant,
) -> Result<NewEvent, EventFailure> {
    let Row { tip, head } = row;
    let meta = Meta {
        aggregate: tip.facts.id,
        sequence: head.sequence + 1,
        path: &tip.body.recipient.path,
        actor: None,
        person: "",
        received_at,
        claimed_at: None,
        chain: head.chain.clone(),
    };
    Ok(work::row(app, now, event, meta, None, head)?)
}
