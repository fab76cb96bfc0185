//! From announcements to the events of the catalogue.

use dafei_contracts::{Event, catalogue::EventError, chain, events::v1 as pb};
use dafei_kernel::{ids, time::Instant};
use dafei_messaging::event::NewEvent;
use dafei_shell::publish::{self, Outgoing};
use dafei_sla_core::{Announcement, Light};

use crate::{SERVICE, store::record::Record};

/// An obligation as events and lists carry it.
pub(crate) fn obligation(record: &Record) -> pb::Obligation {
    pb::Obligation {
        obligation_id: record.id.to_string(),
        clock: record.clock.clone(),
        case_id: record.case_id.map(|case| case.to_string()).unwrap_or_default(),
        leg: u32::try_from(record.leg).unwrap_or(0),
        direct: Some((&record.direct.0).into()),
        loop_owner: Some((&record.loop_owner.0).into()),
        started_at: Some(record.started_at.0.into()),
        due: Some(record.due.0.into()),
        due_inclusive: record.due_inclusive,
        rule_version: record.rule_version.clone(),
        calendar_version: record.calendar_version.clone(),
        sector: record.sector.clone(),
        period: record.period.clone().unwrap_or_default(),
        notice: notice(record).into(),
    }
}

fn notice(record: &Record) -> pb::Notice {
    match record.notice.as_deref() {
        Some("assumed") => pb::Notice::Assumed,
        Some(_) => pb::Notice::Delivered,
        None => pb::Notice::Unspecified,
    }
}

/// The row of the event log for a light, of which people are to be told after `quiet_until`; moves the record's sequence and chain on.
///
/// # Errors
/// When the record does not carry what the catalogue needs for the subject.
pub(crate) fn encode(
    record: &mut Record,
    light: &Light,
    now: Instant,
    quiet_until: Option<Instant>,
) -> Result<NewEvent, EventError> {
    let (event, received_at) = (event(record, light, quiet_until), instant(record, light, now));
    row(record, event, received_at, now)
}

/// The row of the event log for a limit that a calendar has moved; the record bears the new one already. Moves its sequence and chain on.
///
/// # Errors
/// As [`encode`].
pub(crate) fn extended(
    record: &mut Record,
    previous_due: Instant,
    previous_calendar_version: String,
    loaded: Instant,
    now: Instant,
) -> Result<NewEvent, EventError> {
    let obligation = Some(obligation(record));
    let previous_due = Some(previous_due.into());
    let event = pb::Extended { meta: None, obligation, previous_due, previous_calendar_version };
    row(record, event.into(), loaded, now)
}

fn row(record: &mut Record, mut event: Event, received_at: Instant, now: Instant) -> Result<NewEvent, EventError> {
    record.sequence += 1;
    event.set_meta(pb::EventMeta {
        aggregate_id: record.id.to_string(),
        sequence: record.sequence,
        region_path: record.region_path.clone(),
        actor: None,
        received_at: Some(received_at.into()),
        claimed_at: None,
        chain_head: record.chain_head.clone(),
        person: String::new(),
    });
    let outgoing = Outgoing {
        event,
        aggregate_id: record.id,
        sequence: record.sequence,
        event_id: ids::derived(&["sla-event", &record.id.to_string(), &record.sequence.to_string()]),
        recorded_at: now,
    };
    let row = publish::encode(SERVICE, &outgoing)?;
    record.chain_head = chain::next_head(&record.chain_head, &row.payload);
    Ok(row)
}

/// The instant of the fact: a light's own; of a breach the limit itself, also where an act at the limit would still have been in time; an
/// annulment happens when it is found.
const fn instant(record: &Record, light: &Light, now: Instant) -> Instant {
    match light.what {
        Announcement::Breached => record.due.0,
        Announcement::Annulled { .. } => now,
        Announcement::Provisional
        | Announcement::Warned
        | Announcement::Reminded { .. }
        | Announcement::Settled { .. }
        | Announcement::Cancelled => light.at,
    }
}

fn event(record: &Record, light: &Light, quiet_until: Option<Instant>) -> Event {
    let (meta, obligation) = (None, Some(obligation(record)));
    let quiet_until = quiet_until.map(Into::into);
    match light.what {
        Announcement::Provisional => pb::Provisional { meta, obligation }.into(),
        Announcement::Warned => pb::Warned { meta, obligation, quiet_until }.into(),
        Announcement::Breached => pb::Breached { meta, obligation, quiet_until }.into(),
        Announcement::Reminded { number } => pb::Reminded { meta, obligation, number, quiet_until }.into(),
        Announcement::Settled { late_seconds } => pb::Settled { meta, obligation, late_seconds }.into(),
        Announcement::Cancelled => pb::Cancelled { meta, obligation }.into(),
        Announcement::Annulled { ended_at } => {
            pb::Annulled { meta, obligation, stopped_at: Some(ended_at.into()) }.into()
        }
    }
}
