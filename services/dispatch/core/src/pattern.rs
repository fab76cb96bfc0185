//! Patterns of act codes as the routing data writes them: one act (`HC-2`), a sector's (`HC-*`), or all (`*`).

use std::fmt;

use dafei_kernel::act::Act;

/// A set of acts, written as a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// One act.
    One(Act),
    /// All acts whose code starts with this, dash included.
    Sector(String),
    /// All acts.
    All,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it names no act: the text itself is in the message.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        if let Some(prefix) = text.strip_suffix('*') {
            let pattern = Self::Sector(prefix.to_owned());
            return if prefix.ends_with('-') && Act::all().any(|act| pattern.matches(act)) {
                Ok(pattern)
            } else {
                Err(format!("no act fits {text:?}"))
            };
        }
        text.parse().map(Self::One).map_err(|_| format!("{text:?} is no act"))
    }

    /// Whether the act is in the set.
    #[must_use]
    pub fn matches(&self, act: Act) -> bool {
        match self {
            Self::One(one) => *one == act,
            Self::Sector(prefix) => act.code().starts_with(prefix.as_str()),
            Self::All => true,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(act) => write!(f, "{act}"),
            Self::Sector(prefix) => write!(f, "{prefix}*"),
            Self::All => f.write_str("*"),
        }
    }
}
