//! Opaque page tokens (AIP-158): a cursor, bound to the filter it was made for.

use dafei_contracts::convert::EARLIEST;
use dafei_kernel::time::Instant;
use dafei_runtime::status::Fault;
use prost::Message;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[derive(Serialize, Deserialize)]
struct Token<T> {
    /// First bytes of the filter's hash.
    f: String,
    /// The cursor.
    c: T,
}

/// A token that goes on after `cursor`. `filter` is the request without its page fields.
#[must_use]
pub fn encode<T: Serialize>(cursor: &T, filter: &impl Message) -> String {
    serde_json::to_vec(&Token { f: fingerprint(filter), c: cursor }).map(|json| hex(&json)).unwrap_or_default()
}

/// The cursor of a token; `None` for the first page. Anybody can write one, so what PostgreSQL does not take never comes out of it.
///
/// # Errors
/// `INVALID_PAGE_TOKEN` when it is not one of ours, or of another filter.
pub fn decode<T: DeserializeOwned>(token: &str, filter: &impl Message) -> Result<Option<T>, Fault> {
    if token.is_empty() {
        return Ok(None);
    }
    let token: Option<Token<Value>> = unhex(token).and_then(|json| serde_json::from_slice(&json).ok());
    token
        .filter(|token| token.f == fingerprint(filter) && storable(&token.c))
        .and_then(|token| serde_json::from_value(token.c).ok())
        .map(Some)
        .ok_or_else(invalid)
}

/// The instant of a cursor that holds its microseconds.
///
/// # Errors
/// `INVALID_PAGE_TOKEN` when there is no such instant.
pub fn instant(micros: i64) -> Result<Instant, Fault> {
    Instant::from_microsecond(micros).ok().filter(|at| *at >= EARLIEST).ok_or_else(invalid)
}

/// A cursor that was not made by this list.
#[must_use]
pub fn invalid() -> Fault {
    Fault::field(
        "page_token",
        "INVALID_PAGE_TOKEN",
        "is not a token of this list and filter",
        "翻页标记与本次查询不符，请从第一页重新查询",
    )
}

/// Whether PostgreSQL can hold all texts and written instants of a cursor.
fn storable(cursor: &Value) -> bool {
    match cursor {
        Value::String(text) => !text.contains('\0') && !text.parse::<Instant>().is_ok_and(|at| at < EARLIEST),
        Value::Array(parts) => parts.iter().all(storable),
        Value::Object(parts) => parts.values().all(storable),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The size of a page: the default for 0, at most `max`.
///
/// # Errors
/// `INVALID_PAGE_SIZE` below zero.
pub fn page_size(requested: i32, default: i64, max: i64) -> Result<i64, Fault> {
    match i64::from(requested) {
        0 => Ok(default),
        size if size > 0 => Ok(size.min(max)),
        _ => Err(Fault::field("page_size", "INVALID_PAGE_SIZE", "is below zero", "每页条数不能为负")),
    }
}

fn fingerprint(filter: &impl Message) -> String {
    hex(&Sha256::digest(filter.encode_to_vec())[..6])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (text.is_ascii() && text.len().is_multiple_of(2))
        .then(|| (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect())?
}

#[cfg(test)]
mod tests {
    use dafei_contracts::types::v1::Region;
    use dafei_kernel::time::Instant;
    use dafei_runtime::status::Fault;

    use super::{decode, encode, instant, page_size};

    fn filter(code: &str) -> Region {
        Region { level: "county".to_owned(), code: code.to_owned() }
    }

    #[test]
    fn a_token_leads_back_to_its_cursor_but_only_with_its_filter() {
        let token = encode(&(7_i64, "b".to_owned()), &filter("371302"));
        assert_eq!(decode::<(i64, String)>(&token, &filter("371302")).expect("ours"), Some((7, "b".to_owned())));
        assert!(decode::<(i64, String)>(&token, &filter("371311")).is_err());
        assert!(decode::<(i64, String)>("zz", &filter("371302")).is_err());
        assert!(decode::<(i64, String)>("é", &filter("371302")).is_err());
    }

    #[test]
    fn a_token_that_holds_what_postgresql_does_not_take_is_none_of_ours() {
        let reason = |fault: Fault| match fault {
            Fault::InvalidArgument { violations } => violations[0].reason.clone().into_owned(),
            other => other.to_string(),
        };
        let nul = encode(&("a\0".to_owned(), 7_i64), &filter("371302"));
        assert_eq!(reason(decode::<(String, i64)>(&nul, &filter("371302")).expect_err("a NUL")), "INVALID_PAGE_TOKEN");
        let early = encode(&(Instant::MIN, 7_i64), &filter("371302"));
        let early = decode::<(Instant, i64)>(&early, &filter("371302"));
        assert_eq!(reason(early.expect_err("before our era")), "INVALID_PAGE_TOKEN");
        for micros in [i64::MIN, i64::MAX, Instant::MIN.as_microsecond()] {
            assert_eq!(reason(instant(micros).expect_err("no instant")), "INVALID_PAGE_TOKEN", "{micros}");
        }
        assert_eq!(instant(0).expect("an instant"), Instant::UNIX_EPOCH);
        // A cursor before everything that there is begins at the epoch, and one after it at the end of time.
        for at in [Instant::UNIX_EPOCH, Instant::MAX] {
            let token = encode(&(at, "\\u0000".to_owned()), &filter("371302"));
            assert!(decode::<(Instant, String)>(&token, &filter("371302")).expect("ours").is_some(), "{at}");
        }
    }

    #[test]
    fn a_page_is_never_larger_than_the_limit() {
        assert_eq!(page_size(0, 50, 500).expect("default"), 50);
        assert_eq!(page_size(9_999, 50, 500).expect("capped"), 500);
        assert!(page_size(-1, 50, 500).is_err());
    }
}
