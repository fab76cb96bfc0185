//! Which events may take effect now: the marks of the aggregates of a batch and what is parked behind their gaps. Pure.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::Delivered;

/// What a sequence is counted by.
pub(crate) type Key = (String, Uuid);

/// What is to be done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It took effect before.
    Seen,
    /// It is the next of its aggregate.
    Ready,
    /// Something before it is missing.
    Gap,
}

/// The marks and parked events of some aggregates, as they change while a batch is worked on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    marks: HashMap<Key, i64>,
    changed: HashMap<Key, i64>,
    parked: HashMap<Key, BTreeMap<i64, Delivered>>,
    /// To be parked, in the order in which they came.
    to_park: Vec<Delivered>,
    /// Parked ones that took effect.
    unparked: Vec<(Key, i64)>,
}

/// The aggregate of an event.
pub(crate) fn key_of(event: &Delivered) -> Key {
    (event.source.clone(), event.aggregate_id)
}

impl Progress {
    pub(crate) fn new(marks: HashMap<Key, i64>, parked: Vec<Delivered>) -> Self {
        let mut by_key: HashMap<Key, BTreeMap<i64, Delivered>> = HashMap::new();
        for event in parked {
            by_key.entry(key_of(&event)).or_default().insert(event.sequence, event);
        }
        Self { marks, parked: by_key, ..Self::default() }
    }

    pub(crate) fn mark(&self, key: &Key) -> i64 {
        self.marks.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn judge(&self, event: &Delivered) -> Verdict {
        let mark = self.mark(&key_of(event));
        if event.sequence <= mark {
            Verdict::Seen
        } else if event.sequence == mark + 1 {
            Verdict::Ready
        } else {
            Verdict::Gap
        }
    }

    /// `event`, which was ready, took effect.
    pub(crate) fn advance(&mut self, key: &Key, sequence: i64) {
        self.marks.insert(key.clone(), sequence);
        self.changed.insert(key.clone(), sequence);
    }

    /// The parked event that is next for `key`, if it is there; it stays parked until [`Progress::unpark`].
    pub(crate) fn next_parked(&mut self, key: &Key) -> Option<Delivered> {
        let next = self.mark(key) + 1;
        self.parked.get_mut(key)?.remove(&next)
    }

    /// A parked event took effect or became a dead letter.
    pub(crate) fn unpark(&mut self, key: &Key, sequence: i64) {
        self.unparked.push((key.clone(), sequence));
    }

    /// `event` follows a gap.
    pub(crate) fn park(&mut self, event: &Delivered) {
        self.parked.entry(key_of(event)).or_default().insert(event.sequence, event.clone());
        self.to_park.push(event.clone());
    }

    pub(crate) fn changed(&self) -> &HashMap<Key, i64> {
        &self.changed
    }

    pub(crate) fn to_park(&self) -> &[Delivered] {
        &self.to_park
    }

    pub(crate) fn unparked(&self) -> &[(Key, i64)] {
        &self.unparked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: i64) -> Delivered {
        Delivered {
            subject: String::new(),
            headers: BTreeMap::new(),
            event_id: Uuid::nil(),
            event_type: String::new(),
            source: "intake".to_owned(),
            aggregate_id: Uuid::from_u128(7),
            sequence,
            recorded_at: dafei_kernel::time::Instant::UNIX_EPOCH,
            traceparent: None,
            payload: bytes::Bytes::new(),
            stream_sequence: 0,
            stored_at: dafei_kernel::time::Instant::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_the_next_event_of_an_aggregate_is_ready() {
        let progress = Progress::new(HashMap::from([(key_of(&event(1)), 4)]), Vec::new());
        assert_eq!(progress.judge(&event(4)), Verdict::Seen);
        assert_eq!(progress.judge(&event(5)), Verdict::Ready);
        assert_eq!(progress.judge(&event(6)), Verdict::Gap);
    }

    #[test]
    fn a_filled_gap_frees_what_is_parked_behind_it_and_no_more() {
        let key = key_of(&event(1));
        let mut progress = Progress::new(HashMap::new(), vec![event(2), event(4)]);
        assert!(progress.next_parked(&key).is_none());
        progress.advance(&key, 1);
        assert_eq!(progress.next_parked(&key).map(|event| event.sequence), Some(2));
        progress.advance(&key, 2);
        progress.unpark(&key, 2);
        assert!(progress.next_parked(&key).is_none());
        assert_eq!(progress.changed().get(&key), Some(&2));
        assert_eq!(progress.unparked(), &[(key, 2)]);
    }

    #[test]
    fn an_aggregate_of_another_source_has_a_mark_of_its_own() {
        let progress = Progress::new(HashMap::from([(("dispatch".to_owned(), Uuid::from_u128(7)), 9)]), Vec::new());
        assert_eq!(progress.judge(&event(1)), Verdict::Ready);
    }
}
