//! Regions: (level, code). Containment goes by the roster's parents, never by a code's prefix: development zones administer townships
//! coded under another county (clause B1).

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codes::coded;

coded! {
    /// A level of the roster, from the top down.
    Level, LevelError, "a level" {
        /// 市.
        City = "city", "市";
        /// 县区.
        County = "county", "县区";
        /// 乡镇（街道）.
        Township = "township", "乡镇";
        /// 工作区: a named group of villages inside a township.
        WorkArea = "work-area", "工作区";
        /// 村居.
        Village = "village", "村居";
    }
}

/// A code that does not have the form of its level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// The code has the wrong form.
    #[error("{code:?} is no code of a {level}")]
    Code {
        /// The level.
        level: Level,
        /// The code as given.
        code: String,
    },
    /// The text is not `level:code`, or the path is not from a city down.
    #[error("{0:?} is no region")]
    Text(String),
}

/// A division code: city and county 6 digits, township 9, village 12; a work area is its township's code, a hyphen and 1 to 8 lower-case
/// letters or digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionCode(Arc<str>);

impl RegionCode {
    /// Reads a code of a level. 12-digit codes padded with zeros are shortened to their level's length.
    ///
    /// # Errors
    /// When the code does not have the form of the level.
    pub fn parse(level: Level, text: &str) -> Result<Self, RegionError> {
        let wrong = || RegionError::Code { level, code: text.chars().take(40).collect() };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let length = match level {
            Level::City | Level::County => 6,
            Level::Township => 9,
            Level::Village => 12,
            Level::WorkArea => {
                let (township, name) = text.split_once('-').ok_or_else(wrong)?;
                let named = (1..=8).contains(&name.len())
                    && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
                return if township.len() == 9 && digits(township) && named {
                    Ok(Self(text.into()))
                } else {
                    Err(wrong())
                };
            }
        };
        if !digits(text) {
            return Err(wrong());
        }
        if text.len() == length {
            Ok(Self(text.into()))
        } else if text.len() == 12 && text[length..].bytes().all(|byte| byte == b'0') {
            Ok(Self(text[..length].into()))
        } else {
            Err(wrong())
        }
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region {
    level: Level,
    code: RegionCode,
}

impl Region {
    /// A region of a level.
    ///
    /// # Errors
    /// When the code does not have the form of the level.
    pub fn new(level: Level, code: &str) -> Result<Self, RegionError> {
        Ok(Self { level, code: RegionCode::parse(level, code)? })
    }

    /// Its level.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &RegionCode {
        &self.code
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.level, self.code)
    }
}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        let wrong = || RegionError::Text(text.chars().take(80).collect());
        let (level, code) = text.split_once(':').ok_or_else(wrong)?;
        Self::new(level.parse().map_err(|_| wrong())?, code)
    }
}

/// The regions from the city down to one region: `city:371300/county:371302/township:371302001`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionPath(Vec<Region>);

impl RegionPath {
    /// A path from its regions.
    ///
    /// # Errors
    /// When it does not begin with a city or its levels do not go down.
    pub fn new(regions: Vec<Region>) -> Result<Self, RegionError> {
        let from_city = regions.first().is_some_and(|top| top.level == Level::City);
        let down = regions.windows(2).all(|pair| pair[0].level < pair[1].level);
        if !from_city || !down {
            let text: Vec<String> = regions.iter().map(ToString::to_string).collect();
            return Err(RegionError::Text(text.join("/")));
        }
        Ok(Self(regions))
    }

    /// The regions, from the city down.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.0
    }

    /// The region whose path it is.
    #[must_use]
    pub fn leaf(&self) -> &Region {
        // A path is never empty: see `new`.
        &self.0[self.0.len() - 1]
    }

    /// The region of a level.
    #[must_use]
    pub fn at(&self, level: Level) -> Option<&Region> {
        self.0.iter().find(|region| region.level == level)
    }

    /// Whether the path's region is the other or lies in it.
    #[must_use]
    pub fn is_within(&self, outer: &Region) -> bool {
        self.0.contains(outer)
    }
}

impl fmt::Display for RegionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, region) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            write!(f, "{region}")?;
        }
        Ok(())
    }
}

impl FromStr for RegionPath {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        Self::new(text.split('/').map(str::parse).collect::<Result<_, _>>()?)
    }
}

macro_rules! serde_by_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

serde_by_text!(Region, RegionPath);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Level, Region, RegionError, RegionPath};

    #[test]
    fn a_code_must_have_the_form_of_its_level() {
        for (level, code) in [
            (Level::City, "37130"),
            (Level::County, "3713021"),
            (Level::Township, "371302"),
            (Level::Village, "371302001"),
            (Level::Village, "37130200100１"),
            (Level::WorkArea, "371302001"),
            (Level::WorkArea, "371302001-"),
            (Level::WorkArea, "371302001-East"),
            (Level::WorkArea, "371302001-123456789"),
            (Level::WorkArea, "371302-east"),
        ] {
            assert!(matches!(Region::new(level, code), Err(RegionError::Code { .. })), "{level} {code}");
        }
    }

    #[test]
    fn a_code_padded_to_twelve_digits_is_that_of_its_level() {
        let padded = Region::new(Level::County, "371302000000").expect("a county");
        assert_eq!(padded.to_string(), "county:371302");
        assert!(Region::new(Level::County, "371302001000").is_err());
    }

    #[test]
    fn a_path_begins_with_a_city_and_goes_down() {
        for text in [
            "",
            "county:371302",
            "city:371300/city:371300",
            "city:371300/township:371302001/county:371302",
            "city:371300/",
            "city:371300//county:371302",
            "371300",
        ] {
            assert!(text.parse::<RegionPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_path_lies_within_each_of_its_regions_and_no_other() {
        let path: RegionPath = "city:371300/county:371371/township:371302099".parse().expect("a path");
        let region = |text: &str| text.parse::<Region>().expect("a region");
        assert_eq!(path.leaf(), &region("township:371302099"));
        assert_eq!(path.at(Level::County), Some(&region("county:371371")));
        assert_eq!(path.at(Level::Village), None);
        assert!(path.is_within(&region("county:371371")));
        assert!(path.is_within(&region("township:371302099")));
        assert!(!path.is_within(&region("county:371302")));
    }

    fn path() -> impl Strategy<Value = RegionPath> {
        let codes = ["[0-9]{6}", "[0-9]{6}", "[0-9]{9}", "[0-9]{9}-[a-z0-9]{1,8}", "[0-9]{12}"];
        (codes, 1_usize..32).prop_map(|(codes, chosen)| {
            // A city always; which of the other levels follow is in the bits of `chosen`.
            let regions = Level::ALL
                .iter()
                .zip(codes)
                .enumerate()
                .filter(|(at, _)| *at == 0 || chosen >> at & 1 == 1)
                .map(|(_, (level, code))| Region::new(*level, &code).expect("of its form"))
                .collect();
            RegionPath::new(regions).expect("from a city down")
        })
    }

    proptest! {
        #[test]
        fn a_path_is_read_back_as_it_was_written(path in path()) {
            prop_assert_eq!(path.to_string().parse::<RegionPath>().expect("a path"), path.clone());
            for region in path.regions() {
                prop_assert_eq!(&region.to_string().parse::<Region>().expect("a region"), region);
            }
        }

        #[test]
        fn any_text_is_refused_or_read_as_it_will_be_written(text in "(city|county|village|x)?:?[0-9-]{0,13}(/county:[0-9]{5,7})?") {
            if let Ok(path) = text.parse::<RegionPath>() {
                let again: RegionPath = path.to_string().parse().expect("a path");
                prop_assert_eq!(again, path);
            }
        }
    }
}
