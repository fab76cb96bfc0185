//! An event's headers: CloudEvents 1.0 in binary mode, with the sequence extension, the trace context, and NATS' message id.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use dafei_kernel::time::Instant;
use uuid::Uuid;

use crate::log::LoggedEvent;

pub(crate) const MESSAGE_ID: &str = "Nats-Msg-Id";
const SPEC_VERSION: &str = "ce-specversion";
const ID: &str = "ce-id";
const TYPE: &str = "ce-type";
const SOURCE: &str = "ce-source";
const TIME: &str = "ce-time";
const SUBJECT: &str = "ce-subject";
const SEQUENCE: &str = "ce-sequence";
const CONTENT_TYPE: &str = "content-type";
const TRACEPARENT: &str = "traceparent";

/// The headers under which an event is published.
pub(crate) fn encode(event: &LoggedEvent) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let id = event.event_id.to_string();
    headers.insert(MESSAGE_ID, id.as_str());
    headers.insert(SPEC_VERSION, "1.0");
    headers.insert(ID, id);
    headers.insert(TYPE, event.event_type.as_str());
    headers.insert(SOURCE, event.source.as_str());
    headers.insert(TIME, event.recorded_at.to_string());
    headers.insert(SUBJECT, event.aggregate_id.to_string());
    headers.insert(SEQUENCE, event.sequence.to_string());
    headers.insert(CONTENT_TYPE, "application/json");
    if let Some(traceparent) = &event.traceparent {
        headers.insert(TRACEPARENT, traceparent.as_str());
    }
    headers
}

/// What the headers of an event say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventHeaders {
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) source: String,
    pub(crate) aggregate_id: Uuid,
    pub(crate) sequence: i64,
    pub(crate) recorded_at: Instant,
}

/// The first value of every header, names in lower case where they are CloudEvents' or the trace's.
pub(crate) fn to_map(headers: Option<&HeaderMap>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let name: &str = name.as_ref();
        let lower = name.to_ascii_lowercase();
        let known = lower.starts_with("ce-") || lower == TRACEPARENT || lower == CONTENT_TYPE;
        if let Some(value) = values.first() {
            map.insert(if known { lower } else { name.to_owned() }, value.as_str().to_owned());
        }
    }
    map
}

/// The headers of an event under which its log publishes it, as a consumer would see them.
pub(crate) fn map_of(event: &LoggedEvent) -> BTreeMap<String, String> {
    to_map(Some(&encode(event)))
}

pub(crate) fn traceparent(headers: &BTreeMap<String, String>) -> Option<String> {
    headers.get(TRACEPARENT).cloned()
}

/// Reads an event's headers; the error names the header that is missing or malformed.
pub(crate) fn decode(headers: &BTreeMap<String, String>) -> Result<EventHeaders, String> {
    let text = |name: &str| headers.get(name).ok_or_else(|| format!("header {name} is missing"));
    let malformed = |name: &str| format!("header {name} is malformed: {:?}", headers.get(name));
    if text(SPEC_VERSION)? != "1.0" {
        return Err(malformed(SPEC_VERSION));
    }
    let sequence: i64 = text(SEQUENCE)?.parse().map_err(|_| malformed(SEQUENCE))?;
    if sequence < 1 {
        return Err(malformed(SEQUENCE));
    }
    Ok(EventHeaders {
        event_id: text(ID)?.parse().map_err(|_| malformed(ID))?,
        event_type: text(TYPE)?.clone(),
        source: text(SOURCE)?.clone(),
        aggregate_id: text(SUBJECT)?.parse().map_err(|_| malformed(SUBJECT))?,
        sequence,
        recorded_at: text(TIME)?.parse().map_err(|_| malformed(TIME))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged() -> LoggedEvent {
        LoggedEvent {
            position: 1,
            stream: "S".to_owned(),
            subject: "s.x".to_owned(),
            event_type: "a.B".to_owned(),
            source: "intake".to_owned(),
            event_id: Uuid::from_u128(1),
            aggregate_id: Uuid::from_u128(2),
            sequence: 3,
            recorded_at: "2026-03-01T08:00:00.000001Z".parse().expect("an instant"),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            payload: bytes::Bytes::from_static(b"{}"),
        }
    }

    #[test]
    fn headers_are_read_back_as_they_were_written() {
        let map = map_of(&logged());
        let read = decode(&map).expect("complete headers");
        assert_eq!(read.event_id, Uuid::from_u128(1));
        assert_eq!(read.aggregate_id, Uuid::from_u128(2));
        assert_eq!(read.sequence, 3);
        assert_eq!(read.recorded_at, logged().recorded_at);
        assert_eq!(traceparent(&map), logged().traceparent);
    }

    #[test]
    fn a_missing_or_malformed_header_is_named() {
        let mut map = map_of(&logged());
        map.insert(SEQUENCE.to_owned(), "0".to_owned());
        assert!(decode(&map).expect_err("sequence 0").contains("ce-sequence"));
        map.remove(ID);
        map.insert(SEQUENCE.to_owned(), "1".to_owned());
        assert!(decode(&map).expect_err("no id").contains("ce-id"));
    }
}
