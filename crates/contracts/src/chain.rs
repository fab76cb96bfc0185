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

/// Where a chain does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The event is not the one that the chain was made over.
    #[error("event {0} is not the one that the chain was made over")]
    Changed(i64),
    /// An event is missing before others.
    #[error("event {0} is missing")]
    Missing(i64),
    /// Events are missing at the end, from this one on.
    #[error("events are missing from {0} on")]
    Cut(i64),
    /// There is an event after the last.
    #[error("event {0} comes after the last")]
    Extra(i64),
}

/// Follows a chain from its first event; see [`next_head`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follower {
    head: String,
    sequence: i64,
}

/// What of a stored event the chain needs.
#[derive(serde::Deserialize)]
struct Stored {
    #[serde(default)]
    meta: StoredMeta,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredMeta {
    #[serde(default)]
    chain_head: String,
}

impl Follower {
    /// Head after what has been followed.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Sequence of the last event.
    #[must_use]
    pub const fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Takes the next event: its sequence, and its bytes as stored.
    ///
    /// # Errors
    /// When it is not the next one, or says another head than the events before it lead to.
    pub fn follow(&mut self, sequence: i64, stored: &[u8]) -> Result<(), Flaw> {
        if sequence != self.sequence + 1 {
            return Err(Flaw::Missing(self.sequence + 1));
        }
        let told = serde_json::from_slice::<Stored>(stored).map(|event| event.meta.chain_head);
        if told.ok().as_deref() != Some(self.head.as_str()) {
            // What it says stands in its own bytes, what it should say follows from those before.
            return Err(Flaw::Changed(self.sequence.max(1)));
        }
        self.head = next_head(&self.head, stored);
        self.sequence = sequence;
        Ok(())
    }

    /// Ends at this head and sequence, as kept beside the chain.
    ///
    /// # Errors
    /// When the chain ends elsewhere.
    pub fn end(&self, head: &str, sequence: i64) -> Result<(), Flaw> {
        match self.sequence.cmp(&sequence) {
            std::cmp::Ordering::Less => Err(Flaw::Cut(self.sequence + 1)),
            std::cmp::Ordering::Greater => Err(Flaw::Extra(sequence + 1)),
            std::cmp::Ordering::Equal if self.head != head => Err(Flaw::Changed(self.sequence.max(1))),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Flaw, Follower, next_head};

    fn chain() -> (Vec<Vec<u8>>, String) {
        let mut head = String::new();
        let mut events = Vec::new();
        for number in 1..=4 {
            let event = format!("{{\"meta\":{{\"chainHead\":\"{head}\"}},\"number\":{number}}}").into_bytes();
            head = next_head(&head, &event);
            events.push(event);
        }
        (events, head)
    }

    fn followed(events: &[(i64, Vec<u8>)], head: &str, sequence: i64) -> Result<(), Flaw> {
        let mut follower = Follower::default();
        for (number, event) in events {
            follower.follow(*number, event)?;
        }
        follower.end(head, sequence)
    }

    #[test]
    fn a_chain_that_nobody_touched_leads_to_its_head() {
        let (events, head) = chain();
        let numbered: Vec<_> = (1..).zip(events).collect();
        assert_eq!(followed(&numbered, &head, 4), Ok(()));
    }

    #[test]
    fn what_was_changed_cut_taken_out_or_added_is_found() {
        let (events, head) = chain();
        let numbered: Vec<(i64, Vec<u8>)> = (1..).zip(events).collect();
        for place in 0..4 {
            let mut changed = numbered.clone();
            changed[place].1 =
                String::from_utf8(changed[place].1.clone()).expect("text").replace("number", "nummer").into();
            let at = i64::try_from(place).expect("few") + 1;
            assert_eq!(followed(&changed, &head, 4), Err(Flaw::Changed(at)), "{place}");
        }
        assert_eq!(followed(&numbered[..3], &head, 4), Err(Flaw::Cut(4)));
        assert_eq!(followed(&[], &head, 4), Err(Flaw::Cut(1)));
        let without_second = [&numbered[..1], &numbered[2..]].concat();
        assert_eq!(followed(&without_second, &head, 4), Err(Flaw::Missing(2)));
        assert_eq!(followed(&numbered, &head, 3), Err(Flaw::Extra(4)));
    }

    #[test]
    fn a_changed_event_changes_every_later_head() {
        let first = next_head("", b"one");
        assert_eq!(first, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        assert_ne!(next_head(&first, b"two"), next_head(&next_head("", b"0ne"), b"two"));
    }
}
