//! What an event counts for: from its bytes to the core's facts. The consumers and a rebuild count by the same functions.

use bytes::Bytes;
use dafei_contracts::{Event, catalogue::EventError};
use dafei_messaging::consumer::Delivered;
use dafei_reporting_core::{Fact, Replacement, facts_of, replacement_of};
use uuid::Uuid;

use crate::happening;

/// An event as far as counting needs it.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// Its id.
    pub event_id: Uuid,
    /// Its sequence in its aggregate.
    pub sequence: i64,
    /// Its type.
    pub event_type: &'a str,
    /// Its content.
    pub payload: &'a Bytes,
}

impl<'a> From<&'a Delivered> for Counted<'a> {
    fn from(event: &'a Delivered) -> Self {
        let Delivered { event_id, sequence, event_type, payload, .. } = event;
        Self { event_id: *event_id, sequence: *sequence, event_type, payload }
    }
}

/// Whether an event's type counts, in whatever column: such events are kept as they were received.
#[must_use]
pub fn counts(event_type: &str) -> bool {
    happening::COUNTED.contains(&event_type) || happening::DECIDED.contains(&event_type)
}

/// The facts of an event of [`happening::COUNTED`]; none of any other.
///
/// # Errors
/// Why it cannot be counted, for the operator.
pub fn facts_in(counted: Counted<'_>) -> Result<Vec<Fact>, String> {
    if !happening::COUNTED.contains(&counted.event_type) {
        return Ok(Vec::new());
    }
    let Some(event) = parse(counted).map_err(|error| error.to_string())? else {
        return Ok(Vec::new());
    };
    let mut facts = Vec::new();
    for happening in happening::of_event(counted, &event).map_err(|error| error.to_string())? {
        facts.extend(facts_of(&happening).map_err(|error| error.to_string())?);
    }
    Ok(facts)
}

/// What stands of an entry of the accountability ledger by an event of [`happening::DECIDED`]; none of any other.
///
/// # Errors
/// Why it cannot be counted, for the operator.
pub fn replacement_in(counted: Counted<'_>) -> Result<Option<Replacement>, String> {
    if !happening::DECIDED.contains(&counted.event_type) {
        return Ok(None);
    }
    let Some(event) = parse(counted).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let decided = happening::decided(counted, &event).map_err(|error| error.to_string())?;
    decided.map(|decided| replacement_of(&decided)).transpose().map_err(|error| error.to_string())
}

fn parse(counted: Counted<'_>) -> Result<Option<Event>, EventError> {
    Event::from_json(counted.event_type, counted.payload)
}
