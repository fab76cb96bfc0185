//! From the catalogue's events to rows of the event log: the one place where a payload gets its bytes.

use bytes::Bytes;
use dafei_contracts::{Event, catalogue::EventError};
use dafei_kernel::time::Instant;
use dafei_messaging::event::NewEvent;
use dafei_runtime::telemetry;
use uuid::Uuid;

/// An event with what the log needs beside it. Its `meta` is set.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The event.
    pub event: Event,
    /// Its aggregate.
    pub aggregate_id: Uuid,
    /// Its sequence in (service, aggregate).
    pub sequence: i64,
    /// Its id.
    pub event_id: Uuid,
    /// When it is recorded.
    pub recorded_at: Instant,
}

/// The row for the event log. The trace of the current span goes along.
///
/// # Errors
/// When the event does not carry what the catalogue needs for its subject.
pub fn encode(service: &str, outgoing: &Outgoing) -> Result<NewEvent, EventError> {
    encode_traced(service, outgoing, telemetry::current_traceparent())
}

/// As [`encode`], with the trace of the call that caused the event (group commit: the writer's span is not the caller's).
///
/// # Errors
/// When the event does not carry what the catalogue needs for its subject.
pub fn encode_traced(service: &str, outgoing: &Outgoing, traceparent: Option<String>) -> Result<NewEvent, EventError> {
    let kind = outgoing.event.kind();
    Ok(NewEvent {
        stream: kind.stream.name(),
        subject: outgoing.event.subject()?.to_string(),
        event_type: kind.event_type.to_owned(),
        source: source(service),
        aggregate_id: outgoing.aggregate_id,
        sequence: outgoing.sequence,
        event_id: outgoing.event_id,
        recorded_at: outgoing.recorded_at,
        traceparent,
        payload: Bytes::from(outgoing.event.to_json()?),
    })
}

/// The CloudEvents source of a service.
#[must_use]
pub fn source(service: &str) -> String {
    format!("dafei/{service}")
}
