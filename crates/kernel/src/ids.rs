//! Ids are an argument, too. This is the one place that makes them.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{NoContext, Timestamp, Uuid};

use crate::time::Instant;

/// Where ids come from.
pub trait IdSource: Send + Sync + 'static {
    /// An id that sorts by time (version 7).
    fn ordered(&self, at: Instant) -> Uuid;
    /// An id that tells nothing (version 4).
    fn random(&self) -> Uuid;
}

/// Ids from the machine's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl IdSource for SystemIds {
    fn ordered(&self, at: Instant) -> Uuid {
        let seconds = u64::try_from(at.as_second()).unwrap_or(0);
        let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
        Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos))
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that makes random ids")]
    fn random(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// The same ids each time: for tests.
#[derive(Debug, Default)]
pub struct SeededIds(AtomicU64);

impl SeededIds {
    /// Ids that follow from a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed.wrapping_mul(1_000_003)))
    }

    fn next(&self) -> u128 {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        // SplitMix64 spreads consecutive counts over all bits.
        let mix = |seed: u64| {
            let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        (u128::from(mix(count)) << 64) | u128::from(mix(!count))
    }
}

impl IdSource for SeededIds {
    fn ordered(&self, at: Instant) -> Uuid {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&self.next().to_be_bytes()[..10]);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    fn random(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.next().to_be_bytes()).into_uuid()
    }
}

/// Namespace of derived ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6461_6665_6900_4000_8000_0000_0000_0001);

/// An id that always follows from the same parts (version 5). Parts cannot run into each other.
#[must_use]
pub fn derived(parts: &[&str]) -> Uuid {
    let mut name = String::new();
    for part in parts {
        name.push_str(&part.len().to_string());
        name.push(':');
        name.push_str(part);
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::SignedDuration;

    use super::{IdSource, SeededIds, SystemIds, derived};
    use crate::time::Instant;

    fn start() -> Instant {
        "2026-03-02T01:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn ordered_ids_sort_by_the_given_instant_and_random_ones_carry_no_time() {
        let sources: [&dyn IdSource; 2] = [&SystemIds, &SeededIds::new(7)];
        for source in sources {
            let later = source.ordered(start() + SignedDuration::from_millis(1));
            let earlier = source.ordered(start());
            assert!(earlier < later);
            assert_eq!(earlier.get_version_num(), 7);
            assert_eq!(source.random().get_version_num(), 4);
        }
    }

    #[test]
    fn a_seed_gives_the_same_ids_again_and_no_id_twice() {
        let (one, same, other) = (SeededIds::new(1), SeededIds::new(1), SeededIds::new(2));
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let id = one.random();
            assert_eq!(id, same.random());
            assert!(seen.insert(id));
            assert!(seen.insert(other.random()));
        }
    }

    #[test]
    fn a_derived_id_is_stable_and_its_parts_do_not_run_into_each_other() {
        assert_eq!(derived(&["case", "K3"]), derived(&["case", "K3"]));
        assert_eq!(derived(&["case", "K3"]).to_string(), "79f6493f-ff7e-5372-b0a4-0559f505d2c7");
        assert_ne!(derived(&["ab", "c"]), derived(&["a", "bc"]));
        assert_ne!(derived(&["a"]), derived(&["a", ""]));
        assert_ne!(derived(&["a1:b"]), derived(&["a", "b"]));
    }
}
