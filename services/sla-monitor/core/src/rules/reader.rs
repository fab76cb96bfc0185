//! Reading JSON that people write: goes on after a fault, and knows the line of each.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::problem::{Flaw, Problem, Problems};

/// Collects the problems of one text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    /// The clock that is being read.
    pub(crate) clock: Option<String>,
    /// Whether an office hands the text in, and it is not read back.
    new: bool,
    problems: Vec<Problem>,
}

/// An object with its keys in their order.
pub(crate) struct Object<'a> {
    raw: &'a str,
    entries: Vec<(String, &'a RawValue)>,
}

impl<'a> Object<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The text of a value, for its line; the object's where the key is missing.
    pub(crate) fn place(&self, key: &str) -> &'a str {
        self.get(key).map_or(self.raw, RawValue::get)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.get()))
    }
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, clock: None, new: false, problems: Vec::new() }
    }

    /// Of a text that an office hands in.
    pub(crate) const fn of_office(text: &'a str) -> Self {
        Self { text, clock: None, new: true, problems: Vec::new() }
    }

    /// Whether words may be kept: PostgreSQL takes no NUL, and of a new text no control characters are taken but tabs and line feeds.
    pub(crate) fn takes(&self, words: &str) -> bool {
        let untidy = |sign: char| sign.is_control() && !matches!(sign, '\n' | '\r' | '\t');
        !words.contains(|sign| sign == '\0' || (self.new && untidy(sign)))
    }

    /// The line on which a part of the text begins.
    fn line(&self, part: &str) -> usize {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
    }

    /// Something is wrong with this part of the text.
    pub(crate) fn fault(&mut self, part: &str, flaw: Flaw, detail: impl Into<String>) {
        let line = self.line(part);
        self.problems.push(Problem { line, clock: self.clock.clone(), flaw, detail: detail.into() });
    }

    /// As [`Reader::fault`], at the end of the text.
    pub(crate) fn fault_at_end(&mut self, clock: &str, flaw: Flaw, detail: impl Into<String>) {
        let line = self.text.trim_end().lines().count().max(1);
        self.problems.push(Problem { line, clock: Some(clock.to_owned()), flaw, detail: detail.into() });
    }

    /// What a part of the text says.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self, part: &'a str) -> Option<T> {
        match serde_json::from_str(part) {
            Ok(value) => Some(value),
            Err(error) => {
                // The message ends with a place within the part, which means nothing to who reads it.
                let (message, at) = (error.to_string(), error.line().max(1));
                let detail = message.rsplit_once(" at line ").map_or(message.as_str(), |(detail, _)| detail).to_owned();
                let line = self.line(part) + at - 1;
                self.problems.push(Problem { line, clock: self.clock.clone(), flaw: Flaw::Malformed, detail });
                None
            }
        }
    }

    /// An object; a key that stands twice is told, and its first value taken.
    pub(crate) fn object(&mut self, part: &'a str) -> Option<Object<'a>> {
        let Entries(entries) = self.value(part)?;
        let mut seen = BTreeSet::new();
        for (key, value) in &entries {
            if !seen.insert(key.as_str()) {
                self.fault(value.get(), Flaw::Twice, format!("{key:?} stands twice"));
            }
        }
        Some(Object { raw: part, entries })
    }

    /// The whole text as an object.
    pub(crate) fn whole(&mut self) -> Option<Object<'a>> {
        self.object(self.text)
    }

    pub(crate) fn optional<T: Deserialize<'a>>(&mut self, object: &Object<'a>, key: &str) -> Option<T> {
        object.get(key).and_then(|value| self.value(value.get()))
    }

    pub(crate) fn required<T: Deserialize<'a>>(&mut self, object: &Object<'a>, key: &str) -> Option<T> {
        if object.get(key).is_none() {
            self.fault(object.raw, Flaw::MissingKey, format!("{key:?} is missing"));
        }
        self.optional(object, key)
    }

    /// Tells all keys that are none of these.
    pub(crate) fn only(&mut self, object: &Object<'a>, known: &[&str]) {
        for (key, value) in object.keys() {
            if !known.contains(&key) {
                self.fault(value, Flaw::UnknownKey, format!("{key:?} is no key of this place"));
            }
        }
    }

    /// A text of what has been read, or all that is wrong with it, by lines.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T, Problems> {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| problem.line);
        match read {
            Some(read) if problems.is_empty() => Ok(read),
            _ => Err(Problems(problems)),
        }
    }
}
