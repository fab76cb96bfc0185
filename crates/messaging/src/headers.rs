//! An event's headers: CloudEvents 1.0 in binary mode, with the sequence extension, the trace context, and NATS' message id.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use dafei_kernel::time::Instant;
use uuid::Uuid;

use crate::{event::NewEvent, log::LoggedEvent};

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

/// The longest type, source and subject of an event, in bytes. A server stores no headers over 64 KiB, and an index of the database no long text.
pub(crate) const MAX_NAME: usize = 256;
/// What is kept of the headers of an outsider's message: so many, and so many characters of a name and of a value.
const KEPT: usize = 32;
const KEPT_NAME: usize = 64;
const KEPT_VALUE: usize = 512;

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
    // What is none may stand in an older log: a header that no server takes would hold up all events behind it.
    if let Some(traceparent) = event.traceparent.as_deref().filter(|text| is_traceparent(text)) {
        headers.insert(TRACEPARENT, traceparent);
    }
    headers
}

/// The first of an event's names that no message can carry, or no consumer would take: empty, over [`MAX_NAME`], or with control characters; a
/// subject also with white space or a wildcard, or an empty token.
pub(crate) fn flaw(event: &NewEvent) -> Option<&'static str> {
    let subject = event.subject.as_str();
    let sound = is_name(subject)
        && subject.split('.').all(|token| !matches!(token, "" | "*" | ">"))
        && !subject.contains(char::is_whitespace);
    if !sound {
        Some("subject")
    } else if !is_name(&event.event_type) {
        Some("type")
    } else if !is_name(&event.source) {
        Some("source")
    } else {
        None
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && !text.contains(char::is_control)
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
        if let Some(value) = values.first() {
            map.insert(key(name.as_ref()), value.as_str().to_owned());
        }
    }
    map
}

/// A header's name as it is looked up.
fn key(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let known = lower.starts_with("ce-") || lower == TRACEPARENT || lower == CONTENT_TYPE;
    if known { lower } else { name.to_owned() }
}

/// The headers of an outsider's message, whatever bytes they are: the server has looked at their length alone. What is no text is replaced, a line
/// that is no header is left out, and of what is long or many only a part is kept.
pub(crate) fn lenient(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut map = BTreeMap::new();
    // The first line is the protocol's version.
    for line in text.split('\n').skip(1) {
        if map.len() == KEPT {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = plain(name, KEPT_NAME);
        if !name.is_empty() {
            map.entry(key(&name)).or_insert_with(|| plain(value, KEPT_VALUE));
        }
    }
    map
}

fn plain(text: &str, max: usize) -> String {
    let text = text.trim().chars().take(max);
    text.map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The headers of an event under which its log publishes it, as a consumer would see them.
pub(crate) fn map_of(event: &LoggedEvent) -> BTreeMap<String, String> {
    to_map(Some(&encode(event)))
}

/// The trace context of a message, if it is one: it goes on into the events that follow from the message.
pub(crate) fn traceparent(headers: &BTreeMap<String, String>) -> Option<String> {
    headers.get(TRACEPARENT).filter(|text| is_traceparent(text)).cloned()
}

/// Whether a text is a `traceparent` of W3C's Trace Context, version 00.
pub(crate) fn is_traceparent(text: &str) -> bool {
    let id = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |text: &str| text.bytes().any(|byte| byte != b'0');
    match text.split('-').collect::<Vec<_>>()[..] {
        ["00", trace, span, flags] => id(trace, 32) && some(trace) && id(span, 16) && some(span) && id(flags, 2),
        _ => false,
    }
}

/// Reads an event's headers; the error names the header that is missing or malformed.
pub(crate) fn decode(headers: &BTreeMap<String, String>) -> Result<EventHeaders, String> {
    let malformed = |name: &str| format!("header {name} is malformed: {:?}", headers.get(name));
    let text = |name: &str| headers.get(name).ok_or_else(|| format!("header {name} is missing"));
    let name =
        |name: &str| text(name).and_then(|text| if is_name(text) { Ok(text.clone()) } else { Err(malformed(name)) });
    if text(SPEC_VERSION)? != "1.0" {
        return Err(malformed(SPEC_VERSION));
    }
    let sequence: i64 = text(SEQUENCE)?.parse().map_err(|_| malformed(SEQUENCE))?;
    if sequence < 1 {
        return Err(malformed(SEQUENCE));
    }
    Ok(EventHeaders {
        event_id: text(ID)?.parse().map_err(|_| malformed(ID))?,
        event_type: name(TYPE)?,
        source: name(SOURCE)?,
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
    fn only_a_trace_context_is_taken_for_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_traceparent(good));
        let bad = [
            String::new(),
            "x".repeat(65_400),
            good.to_uppercase(),
            good.replacen("00", "01", 1),
            good.replace('9', "g"),
            format!("{good}-x"),
            format!("{good} "),
            good.replace("b7ad6b7169203331", "0000000000000000"),
            good.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
        ];
        for text in bad {
            assert!(!is_traceparent(&text), "{text:.80}");
            let map = BTreeMap::from([(TRACEPARENT.to_owned(), text.clone())]);
            assert_eq!(traceparent(&map), None);
            let written = map_of(&LoggedEvent { traceparent: Some(text), ..logged() });
            assert_eq!(written.get(TRACEPARENT), None, "it is not published either");
        }
    }

    #[test]
    fn headers_of_outsiders_are_read_whatever_bytes_they_are() {
        let map = lenient(
            b"NATS/1.0\r\nno colon\r\nlone: a\rb\r\nnul: a\0b\r\nbytes: \xff\xfeb\r\n: nameless\r\n\
            Traceparent: first\r\ntraceparent: second\r\nsp ace: x\ny\r\n\r\n",
        );
        let map: Vec<(&str, &str)> = map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("bytes", "\u{fffd}\u{fffd}b"),
            ("lone", "a\u{fffd}b"),
            ("nul", "a\u{fffd}b"),
            ("sp ace", "x"),
            ("traceparent", "first"),
        ];
        assert_eq!(map, expected);
        assert_eq!(lenient(b""), BTreeMap::new());
        assert_eq!(lenient(b"\xff\xff"), BTreeMap::new());
    }

    #[test]
    fn of_an_outsider_s_many_or_long_headers_a_part_is_kept() {
        let many: String = (0..5_000).map(|number| format!("name-{number}: x\r\n")).collect();
        assert_eq!(lenient(format!("NATS/1.0\r\n{many}\r\n").as_bytes()).len(), KEPT);
        let long = format!("NATS/1.0\r\n{}: {}\r\n\r\n", "n".repeat(30_000), "字".repeat(10_000));
        let map = lenient(long.as_bytes());
        assert_eq!(map["n".repeat(KEPT_NAME).as_str()], "字".repeat(KEPT_VALUE));
    }

    #[test]
    fn a_missing_or_malformed_header_is_named() {
        let mut map = map_of(&logged());
        map.insert(SEQUENCE.to_owned(), "0".to_owned());
        assert!(decode(&map).expect_err("sequence 0").contains("ce-sequence"));
        map.insert(SEQUENCE.to_owned(), "1".to_owned());
        for name in [TYPE, SOURCE] {
            for text in ["a\0b".to_owned(), "x".repeat(MAX_NAME + 1), String::new()] {
                let other = BTreeMap::from([(name.to_owned(), text)]);
                let map: BTreeMap<String, String> = map.clone().into_iter().chain(other).collect();
                assert!(decode(&map).expect_err("no name").contains(name), "the database could not keep it");
            }
        }
        map.remove(ID);
        map.insert(SEQUENCE.to_owned(), "1".to_owned());
        assert!(decode(&map).expect_err("no id").contains("ce-id"));
    }
}
