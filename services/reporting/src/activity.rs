//! From the bus's events to what is done and left undone.

mod cases;
mod clocks;
mod villages;

use dafei_contracts::{
    Event, Stream, chain,
    convert::{self, ConvertError, Field},
    events::v1 as pb,
};
use dafei_kernel::time::Instant;
use dafei_messaging::consumer::{Delivered, HandlerError};
use dafei_reporting_core::activity::{Activity, Place};

/// What a batch of a stream's events tells.
///
/// # Errors
/// When a field is missing or malformed: the event is rejected.
pub fn of_events(stream: Stream, events: &[Delivered]) -> Result<Activity, HandlerError> {
    let mut activity = Activity::default();
    for (index, delivered) in events.iter().enumerate() {
        let reject = |reason: String| HandlerError::Reject { index, reason };
        if stream == Stream::Sla && !clocks::TOLD.contains(&delivered.event_type.as_str()) {
            continue;
        }
        let event = Event::from_json(&delivered.event_type, &delivered.payload);
        let Some(event) = event.map_err(|error| reject(error.to_string()))? else {
            continue;
        };
        take(&mut activity, stream, &event, delivered).map_err(|error| reject(error.to_string()))?;
    }
    Ok(activity)
}

fn take(activity: &mut Activity, stream: Stream, event: &Event, delivered: &Delivered) -> Result<(), ConvertError> {
    match stream {
        Stream::Dispatch => {
            if cases::take(activity, event)? {
                let meta = event.meta().required("meta")?;
                let head = chain::next_head(&meta.chain_head, &delivered.payload);
                activity.head(delivered.aggregate_id, head, delivered.sequence);
            }
            Ok(())
        }
        Stream::Intake => villages::take(activity, event),
        Stream::Sla => clocks::take(activity, event),
        Stream::Agency | Stream::Feedback | Stream::Reporting => Ok(()),
    }
}

/// Where an event belongs, and the instant that counts.
fn place_and_instant(event: &Event) -> Result<(Place, Instant), ConvertError> {
    let meta: &pb::EventMeta = event.meta().required("meta")?;
    Ok((Place::of(&event.region_path()?), convert::instant("meta.received_at", meta.received_at)?))
}
