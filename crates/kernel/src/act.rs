//! The illegal acts of 附件1 and of the scope in 二, each under one of the 8 sectors (clauses A1, A2).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod list;

use self::list::{ACTS, ActEntry};
use crate::sector::Sector;

/// An illegal act, by its stable code, for example `HC-2`. Copying one is copying a small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Act(u8);

/// The text is not the code of an act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the code of an act")]
pub struct ActError(pub String);

impl Act {
    /// Reads a code.
    ///
    /// # Errors
    /// When no act has it.
    pub fn parse(text: &str) -> Result<Self, ActError> {
        ACTS.iter()
            .position(|entry| entry.code == text)
            .and_then(|at| u8::try_from(at).ok())
            .map(Self)
            .ok_or_else(|| ActError(text.chars().take(40).collect()))
    }

    /// All acts, sector by sector in the document's order; each sector ends with its "other".
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ACTS.len()).filter_map(|at| u8::try_from(at).ok()).map(Self)
    }

    fn entry(self) -> &'static ActEntry {
        // Only `parse` and `all` make acts, from positions in the list.
        &ACTS[usize::from(self.0)]
    }

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.entry().code
    }

    /// Its sector: every act belongs to exactly one row of 附件2.
    #[must_use]
    pub fn sector(self) -> Sector {
        self.entry().sector
    }

    /// The name in Chinese.
    #[must_use]
    pub fn name_zh(self) -> &'static str {
        self.entry().name_zh
    }

    /// An English gloss.
    #[must_use]
    pub fn name_en(self) -> &'static str {
        self.entry().name_en
    }

    /// Whether it is the "other" act (其他) of its sector.
    #[must_use]
    pub fn is_other(self) -> bool {
        self.code().ends_with("-99")
    }

    /// Whether a report of it must say in words what it is.
    #[must_use]
    pub fn needs_text(self) -> bool {
        self.is_other()
    }
}

/// Acts that persuasion never settles (clause C3), a local default: making fireworks, all civil explosives, making hazardous chemicals,
/// starting again after a close-down, waste hazardous chemicals. They always go up.
#[must_use]
pub fn never_by_persuasion_default(act: Act) -> bool {
    act.sector() == Sector::CivilExplosives || matches!(act.code(), "FW-1" | "HC-2" | "HC-8" | "HC-13")
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Act {
    type Err = ActError;

    fn from_str(text: &str) -> Result<Self, ActError> {
        Self::parse(text)
    }
}

impl Serialize for Act {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Act {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, never_by_persuasion_default};
    use crate::sector::Sector;

    #[test]
    fn every_sector_has_acts_and_ends_with_its_other() {
        for sector in Sector::ALL {
            let acts: Vec<Act> = Act::all().filter(|act| act.sector() == *sector).collect();
            assert!(acts.len() > 2, "{sector}");
            assert_eq!(acts.iter().filter(|act| act.is_other()).count(), 1, "{sector}");
            assert!(acts.last().expect("some").is_other(), "{sector}");
        }
        assert_eq!(Act::all().count(), 51);
    }

    #[test]
    fn a_code_leads_back_to_its_act() {
        for act in Act::all() {
            assert_eq!(Act::parse(act.code()), Ok(act));
        }
        assert!(Act::parse("HC-15").is_err());
        assert!(Act::parse("hc-2").is_err());
    }

    #[test]
    fn the_acts_that_always_go_up_are_those_of_clause_c3() {
        let codes: Vec<&str> = Act::all().filter(|act| never_by_persuasion_default(*act)).map(Act::code).collect();
        assert_eq!(codes, ["FW-1", "HC-2", "HC-8", "HC-13", "CE-1", "CE-2", "CE-3", "CE-4", "CE-99"]);
    }
}
