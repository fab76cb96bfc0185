//! Tokens that were checked, by their hash, until they expire: an Ed25519 check costs more than most calls.
//!
//! Bounded without bookkeeping per entry: two generations, and when the young one is full the old one is dropped.

use std::{collections::HashMap, sync::Arc};

use dafei_kernel::time::Instant;

use super::Principal;

/// SHA-256 of a token; the token itself is not kept.
pub(super) type TokenHash = [u8; 32];

#[derive(Clone)]
struct Entry {
    principal: Arc<Principal>,
    expires: Instant,
}

/// The checked tokens.
pub(super) struct TokenCache {
    young: HashMap<TokenHash, Entry>,
    old: HashMap<TokenHash, Entry>,
    generation: usize,
}

impl TokenCache {
    /// A cache that holds at most `capacity` tokens.
    pub(super) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation: (capacity / 2).max(1) }
    }

    /// The principal of a token that was checked and has not expired.
    pub(super) fn get(&mut self, hash: &TokenHash, now: Instant) -> Option<Arc<Principal>> {
        if let Some(entry) = self.young.get(hash) {
            return (now < entry.expires).then(|| Arc::clone(&entry.principal));
        }
        let entry = self.old.remove(hash)?;
        if now >= entry.expires {
            return None;
        }
        let principal = Arc::clone(&entry.principal);
        self.put(*hash, entry);
        Some(principal)
    }

    /// Keeps a token that was checked.
    pub(super) fn insert(&mut self, hash: TokenHash, principal: Arc<Principal>, expires: Instant) {
        self.put(hash, Entry { principal, expires });
    }

    /// Forgets all: the keys have changed.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn put(&mut self, hash: TokenHash, entry: Entry) {
        if self.young.len() >= self.generation {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, entry);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone() -> Arc<Principal> {
        Arc::new(Principal {
            subject: "u1".into(),
            name: None,
            role: "auditor".parse().unwrap(),
            region: "county:371302".parse().unwrap(),
            agency: None,
            expires: at(100),
        })
    }

    fn at(second: i64) -> Instant {
        Instant::from_second(second).unwrap()
    }

    fn hash(number: u32) -> TokenHash {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        hash
    }

    #[test]
    fn a_token_is_forgotten_when_it_expires() {
        let mut cache = TokenCache::new(8);
        cache.insert(hash(1), someone(), at(100));
        assert!(cache.get(&hash(1), at(99)).is_some());
        assert!(cache.get(&hash(1), at(100)).is_none());
    }

    #[test]
    fn a_flood_of_tokens_does_not_grow_the_cache_nor_drive_out_one_in_use() {
        let mut cache = TokenCache::new(8);
        cache.insert(hash(0), someone(), at(100));
        for number in 1..1_000 {
            cache.insert(hash(number), someone(), at(100));
            assert!(cache.get(&hash(0), at(1)).is_some());
            assert!(cache.len() <= 8);
        }
    }
}
