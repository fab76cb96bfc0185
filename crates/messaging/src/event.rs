//! An event as a service hands it over for the log and the bus.

use bytes::Bytes;
use dafei_kernel::time::Instant;
use uuid::Uuid;

/// The largest payload that is taken, in bytes: NATS refuses messages over 1 MiB with headers, and an event that can never be published
/// would hold up all that follow it.
pub const MAX_PAYLOAD: usize = 900 * 1024;

/// A new event of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The stream that it is published in, for example `DAFEI_INTAKE`.
    pub stream: &'static str,
    /// Its subject.
    pub subject: String,
    /// CloudEvents `type`: the full name of its message.
    pub event_type: String,
    /// CloudEvents `source`: who publishes; with the aggregate's id, what its sequence is counted by.
    pub source: String,
    /// CloudEvents `subject`: the case or other entity.
    pub aggregate_id: Uuid,
    /// From 1, without gaps per (source, aggregate): a consumer parks what follows a gap.
    pub sequence: i64,
    /// CloudEvents `id` and `Nats-Msg-Id`.
    pub event_id: Uuid,
    /// CloudEvents `time`: read from the clock after [`crate::tx::begin_write`].
    pub recorded_at: Instant,
    /// W3C trace context of the command that led to it; none for what must not be traceable.
    pub traceparent: Option<String>,
    /// Canonical proto JSON, stored and published as these bytes.
    pub payload: Bytes,
}
