//! The hash chain over an aggregate's stored events: a changed row, a cut tail or a removed event no longer fits.

use sha2::{Digest, Sha256};

/// Head of the chain after an event: SHA-256 over the head before it (as text) and the bytes as stored; lower-case hex.
///
/// An event carries the head *before* itself in `meta.chain_head`; the first carries the empty string.
#[must_use]
pub fn next_head(head: &str, stored: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(head.as_bytes());
    hash.update(stored);
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::next_head;

    #[test]
    fn a_changed_event_changes_every_later_head() {
        let first = next_head("", b"one");
        assert_eq!(first, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        assert_ne!(next_head(&first, b"two"), next_head(&next_head("", b"0ne"), b"two"));
    }
}
