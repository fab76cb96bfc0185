//! One reading of the environment. Asking for a setting never fails on the spot; problems are collected, and a value can
//! be taken only against the proof that there were none.

use std::{collections::BTreeSet, fmt};

use super::{
    Service, Source,
    catalogue::{KNOWN_KEYS, Key, Need, Scope},
    parse::Parsed,
};

/// The prefix of every setting of the suite.
const PREFIX: &str = "DAFEI_";

/// What is wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It must be given and is not.
    Missing {
        /// The setting's full name.
        key: String,
        /// What it means.
        help: &'static str,
    },
    /// Its value cannot be read.
    Malformed {
        /// The setting's full name.
        key: String,
        /// The value, unless it is secret.
        value: Option<String>,
        /// What was expected.
        expected: String,
    },
    /// Nobody in the suite reads it: a typing error, or left from another version.
    Unknown {
        /// The setting's full name.
        key: String,
    },
    /// It contradicts another one.
    Conflict {
        /// The setting's full name.
        key: String,
        /// Why both cannot stand.
        why: String,
    },
}

impl Problem {
    /// The setting's full name.
    pub fn key(&self) -> &str {
        match self {
            Self::Missing { key, .. }
            | Self::Malformed { key, .. }
            | Self::Unknown { key }
            | Self::Conflict { key, .. } => key,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key, help } => write!(f, "{key} is missing: {help}"),
            Self::Malformed { key, value: Some(value), expected } => {
                write!(f, "{key} is `{value}`, expected {expected}")
            }
            Self::Malformed { key, value: None, expected } => {
                write!(f, "{key} is malformed (not shown, it is secret), expected {expected}")
            }
            Self::Unknown { key } => write!(f, "{key} is not a setting of the suite"),
            Self::Conflict { key, why } => write!(f, "{key}: {why}"),
        }
    }
}

/// All problems of a reading, one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The problems, in the order in which the settings were asked for, unknown ones last.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// The proof that a reading had no problems; see [`Pending::get`].
#[derive(Debug)]
pub struct Checked(());

/// A setting that was asked for; its value is there when the whole reading is.
#[derive(Debug)]
pub struct Pending<T>(Option<T>);

impl<T> Pending<T> {
    /// The value.
    ///
    /// # Panics
    /// When the proof comes from another reading than the setting.
    pub fn get(self, _proof: &Checked) -> T {
        self.0.expect("a reading without problems has every value it was asked for")
    }

    /// The value while the reading goes on, for checks between settings; `None` when it had a problem.
    pub fn peek(&self) -> Option<&T> {
        self.0.as_ref()
    }

    pub(super) fn into_inner(self) -> Option<T> {
        self.0
    }

    /// A setting made of others; `None` when one of them had a problem, which is noted already.
    pub(super) fn from_parts(make: impl FnOnce() -> Option<T>) -> Self {
        Self(make())
    }
}

/// A reading of the environment for one service.
pub struct Reader<'a> {
    source: &'a dyn Source,
    service: Service,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Begins a reading.
    pub fn new(source: &'a dyn Source, service: Service) -> Self {
        Self { source, service, problems: Vec::new() }
    }

    /// The service whose settings are read.
    pub fn service(&self) -> Service {
        self.service
    }

    /// A setting of the suite by its full name; required, or with its row's default.
    pub fn value<T>(&mut self, name: &str, parser: impl FnOnce(&str) -> Parsed<T>) -> Pending<T> {
        self.read(Scope::Suite, name, parser)
    }

    /// One of the service's own settings by the part after its prefix (`LISTEN`); required, or with its row's default.
    pub fn own<T>(&mut self, suffix: &str, parser: impl FnOnce(&str) -> Parsed<T>) -> Pending<T> {
        self.read(Scope::Service, suffix, parser)
    }

    /// A setting of the suite that may be left out. An empty value counts as left out.
    pub fn optional<T>(&mut self, name: &str, parser: impl FnOnce(&str) -> Parsed<T>) -> Pending<Option<T>> {
        let Some(row) = self.row(Scope::Suite, name) else {
            return Pending(None);
        };
        match self.given(name) {
            None => Pending(Some(None)),
            Some(value) => Pending(self.parse(row, name, &value, parser).map(Some)),
        }
    }

    /// One of the service's own settings that may be left out, by the part after its prefix.
    pub fn own_optional<T>(&mut self, suffix: &str, parser: impl FnOnce(&str) -> Parsed<T>) -> Pending<Option<T>> {
        self.of_service(self.service, suffix, parser)
    }

    /// A setting of another service that this one calls, by the part after that one's prefix; it may be left out.
    pub fn peer<T>(
        &mut self,
        peer: Service,
        suffix: &str,
        parser: impl FnOnce(&str) -> Parsed<T>,
    ) -> Pending<Option<T>> {
        self.of_service(peer, suffix, parser)
    }

    /// Notes that a setting contradicts another.
    pub fn conflict(&mut self, key: impl Into<String>, why: impl Into<String>) {
        self.problems.push(Problem::Conflict { key: key.into(), why: why.into() });
    }

    /// Ends the reading: looks for unknown settings and gives the proof that there was no problem.
    ///
    /// # Errors
    /// All problems, by name.
    pub fn finish(mut self) -> Result<Checked, ConfigError> {
        let known: BTreeSet<String> = KNOWN_KEYS.iter().flat_map(Key::full_names).collect();
        let mut strangers: Vec<_> = self.source.keys();
        strangers.retain(|key| key.starts_with(PREFIX) && !known.contains(key));
        strangers.sort();
        self.problems.extend(strangers.into_iter().map(|key| Problem::Unknown { key }));
        if self.problems.is_empty() { Ok(Checked(())) } else { Err(ConfigError { problems: self.problems }) }
    }

    fn of_service<T>(
        &mut self,
        service: Service,
        suffix: &str,
        parser: impl FnOnce(&str) -> Parsed<T>,
    ) -> Pending<Option<T>> {
        let Some(row) = self.row(Scope::Service, suffix) else {
            return Pending(None);
        };
        let key = service.key(suffix);
        match self.given(&key) {
            None => Pending(Some(None)),
            Some(value) => Pending(self.parse(row, &key, &value, parser).map(Some)),
        }
    }

    fn read<T>(&mut self, scope: Scope, name: &str, parser: impl FnOnce(&str) -> Parsed<T>) -> Pending<T> {
        let Some(row) = self.row(scope, name) else {
            return Pending(None);
        };
        let key = match scope {
            Scope::Suite => name.to_owned(),
            Scope::Service => self.service.key(name),
        };
        let value = match (self.given(&key), row.need) {
            (Some(value), _) => value,
            (None, Need::Default(value)) => value.to_owned(),
            (None, Need::Required | Need::Optional) => {
                self.problems.push(Problem::Missing { key, help: row.help });
                return Pending(None);
            }
        };
        Pending(self.parse(row, &key, &value, parser))
    }

    fn row(&mut self, scope: Scope, name: &str) -> Option<&'static Key> {
        let row = Key::find(scope, name);
        if row.is_none() {
            // A mistake of the program, found by its first test: the setting has no row in the catalogue.
            self.problems.push(Problem::Unknown { key: name.to_owned() });
        }
        row
    }

    fn given(&self, key: &str) -> Option<String> {
        self.source.get(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn parse<T>(&mut self, row: &Key, key: &str, value: &str, parser: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        match parser(value) {
            Ok(parsed) => Some(parsed),
            Err(expected) => {
                let value = (!row.secret).then(|| value.to_owned());
                self.problems.push(Problem::Malformed { key: key.to_owned(), value, expected });
                None
            }
        }
    }
}
