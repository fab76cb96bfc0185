//! From a stored message to what the loop works on.

use std::collections::BTreeMap;

use bytes::Bytes;
use dafei_kernel::time::Instant;
use uuid::Uuid;

use super::{Delivered, Mode};
use crate::{
    headers,
    log::LoggedEvent,
    relay::{SUBJECT_PREFIX, WatermarkMessage},
};

/// A message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// An event, or in raw mode any message.
    Event(Delivered),
    /// A publisher's watermark.
    Watermark {
        /// Who says it.
        service: String,
        /// How far its stream is complete.
        through: Instant,
    },
    /// Not an event of the suite.
    Unreadable {
        /// The message, without what its headers should say.
        message: Delivered,
        /// What is wrong.
        reason: String,
    },
}

/// A message as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) subject: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) payload: Bytes,
    pub(crate) stream_sequence: u64,
    pub(crate) stored_at: Instant,
}

/// Reads a message by the mode of its consumer.
pub(crate) fn read(parts: Parts, mode: Mode) -> Item {
    if mode == Mode::Raw {
        return Item::Event(raw(parts));
    }
    if let Some(service) = parts.subject.strip_prefix(SUBJECT_PREFIX) {
        return match serde_json::from_slice::<WatermarkMessage>(&parts.payload) {
            Ok(message) => Item::Watermark { service: service.to_owned(), through: message.through },
            Err(error) => Item::Unreadable { reason: format!("watermark: {error}"), message: raw(parts) },
        };
    }
    match headers::decode(&parts.headers) {
        Ok(read) => Item::Event(Delivered {
            event_id: read.event_id,
            event_type: read.event_type,
            source: read.source,
            aggregate_id: read.aggregate_id,
            sequence: read.sequence,
            recorded_at: read.recorded_at,
            ..raw(parts)
        }),
        Err(reason) => Item::Unreadable { reason, message: raw(parts) },
    }
}

fn raw(parts: Parts) -> Delivered {
    Delivered {
        traceparent: headers::traceparent(&parts.headers),
        subject: parts.subject,
        headers: parts.headers,
        event_id: Uuid::nil(),
        event_type: String::new(),
        source: String::new(),
        aggregate_id: Uuid::nil(),
        sequence: 0,
        recorded_at: parts.stored_at,
        payload: parts.payload,
        stream_sequence: parts.stream_sequence,
        stored_at: parts.stored_at,
    }
}

/// An event of a log as its consumers would get it.
pub(crate) fn from_logged(event: &LoggedEvent) -> Delivered {
    Delivered {
        subject: event.subject.clone(),
        headers: headers::map_of(event),
        event_id: event.event_id,
        event_type: event.event_type.clone(),
        source: event.source.clone(),
        aggregate_id: event.aggregate_id,
        sequence: event.sequence,
        recorded_at: event.recorded_at,
        traceparent: event.traceparent.clone(),
        payload: event.payload.clone(),
        stream_sequence: 0,
        stored_at: event.recorded_at,
    }
}
