//! Where settings come from, as a trait, so that tests read from a map and never touch the process's environment.

use std::collections::BTreeMap;

/// A place that holds settings by name.
pub trait Source {
    /// The value of a setting, `None` when it is not set or not UTF-8.
    fn get(&self, key: &str) -> Option<String>;
    /// The names of all settings there.
    fn keys(&self) -> Vec<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment;

impl Source for Environment {
    fn get(&self, key: &str) -> Option<String> {
        std::env::var(key).ok()
    }

    fn keys(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(key, _)| key.into_string().ok()).collect()
    }
}

/// Settings held in memory, for tests and for tools that start services.
#[derive(Clone, Debug, Default)]
pub struct MapSource(BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for MapSource {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for MapSource {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl MapSource {
    /// The same settings with one more, or with another value for it.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// The same settings without one.
    pub fn without(mut self, key: &str) -> Self {
        self.0.remove(key);
        self
    }
}

impl Source for MapSource {
    fn get(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    fn keys(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}
