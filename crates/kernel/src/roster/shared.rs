//! A map whose copies share what neither of them changes. A national roster has two thirds of a million regions; a change of one township
//! must not cost a copy of all.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use crate::{credit_code::CreditCode, region::Region};

/// Where a key is kept: what is often changed together lies together.
type PartKey = [u8; 6];

/// A key that says in which part of the map it is kept. Nothing else follows from the part.
pub(super) trait Keyed: Clone + Eq + Hash {
    /// The part.
    fn part(&self) -> PartKey;
}

fn bytes(text: &str) -> PartKey {
    let mut part = PartKey::default();
    part.iter_mut().zip(text.bytes()).for_each(|(slot, byte)| *slot = byte);
    part
}

impl Keyed for Region {
    fn part(&self) -> PartKey {
        bytes(self.code().as_str())
    }
}

impl Keyed for CreditCode {
    /// The division that registered the enterprise.
    fn part(&self) -> PartKey {
        bytes(self.as_str().get(2..).unwrap_or_default())
    }
}

/// The map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shared<K: Keyed, V> {
    parts: HashMap<PartKey, Arc<HashMap<K, V>>>,
}

impl<K: Keyed, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self { parts: HashMap::new() }
    }
}

impl<K: Keyed, V: Clone> Shared<K, V> {
    pub(super) fn len(&self) -> usize {
        self.parts.values().map(|part| part.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.parts.get(&key.part())?.get(key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.parts.values().flat_map(|part| part.values())
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.part(&key).insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let at = key.part();
        let part = self.parts.get_mut(&at).filter(|part| part.contains_key(key))?;
        let part = Arc::make_mut(part);
        let removed = part.remove(key);
        if part.is_empty() {
            self.parts.remove(&at);
        }
        removed
    }

    /// The map of the part of a key, to be changed.
    fn part(&mut self, key: &K) -> &mut HashMap<K, V> {
        Arc::make_mut(self.parts.entry(key.part()).or_default())
    }
}

impl<K: Keyed, V: Clone + Default> Shared<K, V> {
    /// Changes the value of a key; the default where there is none.
    pub(super) fn change(&mut self, key: &K, change: impl FnOnce(&mut V)) {
        let part = self.part(key);
        match part.get_mut(key) {
            Some(value) => change(value),
            None => change(part.entry(key.clone()).or_default()),
        }
    }
}
