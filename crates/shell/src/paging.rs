//! Opaque page tokens (AIP-158): a cursor, bound to the filter it was made for.

use dafei_runtime::status::Fault;
use prost::Message;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
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

/// The cursor of a token; `None` for the first page.
///
/// # Errors
/// `INVALID_PAGE_TOKEN` when it is not one of ours, or of another filter.
pub fn decode<T: DeserializeOwned>(token: &str, filter: &impl Message) -> Result<Option<T>, Fault> {
    if token.is_empty() {
        return Ok(None);
    }
    let token: Option<Token<T>> = unhex(token).and_then(|json| serde_json::from_slice(&json).ok());
    token.filter(|token| token.f == fingerprint(filter)).map(|token| Some(token.c)).ok_or_else(|| {
        Fault::field(
            "page_token",
            "INVALID_PAGE_TOKEN",
            "is not a token of this list and filter",
            "翻页标记与本次查询不符，请从第一页重新查询",
        )
    })
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

    use super::{decode, encode, page_size};

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
    fn a_page_is_never_larger_than_the_limit() {
        assert_eq!(page_size(0, 50, 500).expect("default"), 50);
        assert_eq!(page_size(9_999, 50, 500).expect("capped"), 500);
        assert!(page_size(-1, 50, 500).is_err());
    }
}
