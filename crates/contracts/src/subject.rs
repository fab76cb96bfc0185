//! Subjects: built and parsed in one place. Tokens are whole codes of the administering regions, `_` where one does not apply.

use std::{fmt, str::FromStr};

use dafei_kernel::{
    agency::Agency,
    region::{Level, Region, RegionPath},
};

/// What every subject starts with.
pub const PREFIX: &str = "dafei.v1";

/// Kinds of feedback: the last tokens of its subjects, by the body that the message carries.
pub const FEEDBACK_KINDS: [&str; 7] =
    ["accepted", "response", "result", "declined", "extension", "compliance", "daily-work"];

/// A subject of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the fields are the tokens of the pattern above them")]
pub enum Subject {
    /// `roster.<county|_>.<township|_>.<fact>`
    Roster { county: Option<String>, township: Option<String>, fact: String },
    /// `village.<county>.<township>.<village>.<fact>`
    Village { county: String, township: String, village: String, fact: String },
    /// `township.<county>.<township>.<fact>`
    Township { county: String, township: String, fact: String },
    /// `county.<county>.<fact>`
    County { county: String, fact: String },
    /// `city.<city>.<fact>`
    City { city: String, fact: String },
    /// `agency.<agency>.<level>.<region>.<instruction|receipt>`
    Agency { agency: Agency, region: Region, fact: String },
    /// `feedback.<agency>.<level>.<region>.<kind>`
    Feedback { agency: Agency, region: Region, kind: String },
    /// `sla.<tier>.<county|_>.<township|_>.<village|_>.<clock>.<fact>`
    Sla {
        tier: String,
        county: Option<String>,
        township: Option<String>,
        village: Option<String>,
        clock: String,
        fact: String,
    },
    /// `tip.<county|_>.<township|_>.<fact>`
    Tip { county: Option<String>, township: Option<String>, fact: String },
    /// `reward.<county|_>.<fact>`
    Reward { county: Option<String>, fact: String },
    /// `inspection.<level>.<region>.<fact>`
    Inspection { region: Region, fact: String },
    /// `publicity.<county>.<township>.<village>.<fact>`
    Publicity { county: String, township: String, village: String, fact: String },
    /// `accountability.<county|_>.<fact>`
    Accountability { county: Option<String>, fact: String },
    /// `reporting.<unit-kind>.<unit>.<fact>`
    Reporting { kind: String, unit: String, fact: String },
    /// `watermark.<service>`
    Watermark { service: String },
}

/// A subject that is not of the catalogue, or a region path without the region that its family names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The text is no subject of the catalogue.
    #[error("{0:?} is no subject of the catalogue")]
    Unknown(String),
    /// The region path lacks a level that the family needs.
    #[error("the region path {path:?} has no {level:?}")]
    MissingLevel {
        /// The path.
        path: String,
        /// The level that is missing.
        level: Level,
    },
}

impl Subject {
    /// The subject of a village's fact.
    ///
    /// # Errors
    /// When the path lacks county, township or village.
    pub fn village(path: &RegionPath, fact: &str) -> Result<Self, SubjectError> {
        Ok(Self::Village {
            county: need(path, Level::County)?,
            township: need(path, Level::Township)?,
            village: need(path, Level::Village)?,
            fact: fact.to_owned(),
        })
    }

    /// The subject of a township tier's fact.
    ///
    /// # Errors
    /// When the path lacks county or township.
    pub fn township(path: &RegionPath, fact: &str) -> Result<Self, SubjectError> {
        Ok(Self::Township {
            county: need(path, Level::County)?,
            township: need(path, Level::Township)?,
            fact: fact.to_owned(),
        })
    }

    /// The subject of a county tier's fact.
    ///
    /// # Errors
    /// When the path lacks the county.
    pub fn county(path: &RegionPath, fact: &str) -> Result<Self, SubjectError> {
        Ok(Self::County { county: need(path, Level::County)?, fact: fact.to_owned() })
    }

    /// The subject of a city tier's fact.
    ///
    /// # Errors
    /// When the path lacks the city.
    pub fn city(path: &RegionPath, fact: &str) -> Result<Self, SubjectError> {
        Ok(Self::City { city: need(path, Level::City)?, fact: fact.to_owned() })
    }

    /// The subject of a roster fact.
    #[must_use]
    pub fn roster(path: &RegionPath, fact: &str) -> Self {
        Self::Roster { county: code(path, Level::County), township: code(path, Level::Township), fact: fact.to_owned() }
    }

    /// The subject of a tip's fact; the path ends at the recipient's region.
    #[must_use]
    pub fn tip(path: &RegionPath, fact: &str) -> Self {
        Self::Tip { county: code(path, Level::County), township: code(path, Level::Township), fact: fact.to_owned() }
    }

    /// The subject of a reward's fact; the path ends at the unit that accepted the tip, which may be the city's.
    #[must_use]
    pub fn reward(path: &RegionPath, fact: &str) -> Self {
        Self::Reward { county: code(path, Level::County), fact: fact.to_owned() }
    }

    /// The subject of a fact of a village's publicity.
    ///
    /// # Errors
    /// When the path lacks county, township or village.
    pub fn publicity(path: &RegionPath, fact: &str) -> Result<Self, SubjectError> {
        Ok(Self::Publicity {
            county: need(path, Level::County)?,
            township: need(path, Level::Township)?,
            village: need(path, Level::Village)?,
            fact: fact.to_owned(),
        })
    }

    /// The subject of a fact of reporting; departments are told apart from their region's office by their agency.
    #[must_use]
    pub fn reporting(region: &Region, agency: Option<Agency>, fact: &str) -> Self {
        let level = region.level().code();
        let (kind, unit) = match agency {
            None => (level.to_owned(), region.code().to_string()),
            Some(agency) => (format!("{level}-department"), format!("{}-{}", region.code(), agency.code())),
        };
        Self::Reporting { kind, unit, fact: fact.to_owned() }
    }

    /// The subject of an SLA fact; the tier is the level of the clock's owner.
    #[must_use]
    pub fn sla(tier: Level, path: &RegionPath, clock: &str, fact: &str) -> Self {
        Self::Sla {
            tier: tier.code().to_owned(),
            county: code(path, Level::County),
            township: code(path, Level::Township),
            village: code(path, Level::Village),
            clock: clock.to_owned(),
            fact: fact.to_owned(),
        }
    }

    /// The subject of a fact of the accountability ledger; the path ends at the one charged, who may be the city's.
    #[must_use]
    pub fn accountability(path: &RegionPath, fact: &str) -> Self {
        Self::Accountability { county: code(path, Level::County), fact: fact.to_owned() }
    }

    /// The last token: the fact (or kind, or service).
    #[must_use]
    pub fn fact(&self) -> &str {
        match self {
            Self::Roster { fact, .. }
            | Self::Village { fact, .. }
            | Self::Township { fact, .. }
            | Self::County { fact, .. }
            | Self::City { fact, .. }
            | Self::Agency { fact, .. }
            | Self::Tip { fact, .. }
            | Self::Reward { fact, .. }
            | Self::Inspection { fact, .. }
            | Self::Publicity { fact, .. }
            | Self::Accountability { fact, .. }
            | Self::Reporting { fact, .. }
            | Self::Sla { fact, .. } => fact,
            Self::Feedback { kind, .. } => kind,
            Self::Watermark { service } => service,
        }
    }
}

fn code(path: &RegionPath, level: Level) -> Option<String> {
    path.at(level).map(|region| region.code().to_string())
}

fn need(path: &RegionPath, level: Level) -> Result<String, SubjectError> {
    code(path, level).ok_or_else(|| SubjectError::MissingLevel { path: path.to_string(), level })
}

fn or_blank(token: Option<&str>) -> &str {
    token.unwrap_or("_")
}

fn blank_or(token: &str) -> Option<String> {
    (token != "_").then(|| token.to_owned())
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}.")?;
        match self {
            Self::Roster { county, township, fact } => {
                write!(f, "roster.{}.{}.{fact}", or_blank(county.as_deref()), or_blank(township.as_deref()))
            }
            Self::Village { county, township, village, fact } => {
                write!(f, "village.{county}.{township}.{village}.{fact}")
            }
            Self::Township { county, township, fact } => write!(f, "township.{county}.{township}.{fact}"),
            Self::County { county, fact } => write!(f, "county.{county}.{fact}"),
            Self::City { city, fact } => write!(f, "city.{city}.{fact}"),
            Self::Agency { agency, region, fact } => {
                write!(f, "agency.{}.{}.{}.{fact}", agency.code(), region.level().code(), region.code())
            }
            Self::Feedback { agency, region, kind } => {
                write!(f, "feedback.{}.{}.{}.{kind}", agency.code(), region.level().code(), region.code())
            }
            Self::Sla { tier, county, township, village, clock, fact } => write!(
                f,
                "sla.{tier}.{}.{}.{}.{clock}.{fact}",
                or_blank(county.as_deref()),
                or_blank(township.as_deref()),
                or_blank(village.as_deref())
            ),
            Self::Tip { county, township, fact } => {
                write!(f, "tip.{}.{}.{fact}", or_blank(county.as_deref()), or_blank(township.as_deref()))
            }
            Self::Reward { county, fact } => write!(f, "reward.{}.{fact}", or_blank(county.as_deref())),
            Self::Inspection { region, fact } => {
                write!(f, "inspection.{}.{}.{fact}", region.level().code(), region.code())
            }
            Self::Publicity { county, township, village, fact } => {
                write!(f, "publicity.{county}.{township}.{village}.{fact}")
            }
            Self::Accountability { county, fact } => {
                write!(f, "accountability.{}.{fact}", or_blank(county.as_deref()))
            }
            Self::Reporting { kind, unit, fact } => write!(f, "reporting.{kind}.{unit}.{fact}"),
            Self::Watermark { service } => write!(f, "watermark.{service}"),
        }
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let unknown = || SubjectError::Unknown(text.to_owned());
        let rest = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('.')).ok_or_else(unknown)?;
        let tokens: Vec<&str> = rest.split('.').collect();
        if tokens.iter().any(|token| token.is_empty()) {
            return Err(unknown());
        }
        match tokens.as_slice() {
            ["roster", county, township, fact] => {
                Ok(Self::Roster { county: blank_or(county), township: blank_or(township), fact: (*fact).to_owned() })
            }
            ["village", county, township, village, fact] => Ok(Self::Village {
                county: (*county).to_owned(),
                township: (*township).to_owned(),
                village: (*village).to_owned(),
                fact: (*fact).to_owned(),
            }),
            ["township", county, township, fact] => Ok(Self::Township {
                county: (*county).to_owned(),
                township: (*township).to_owned(),
                fact: (*fact).to_owned(),
            }),
            ["county", county, fact] => Ok(Self::County { county: (*county).to_owned(), fact: (*fact).to_owned() }),
            ["city", city, fact] => Ok(Self::City { city: (*city).to_owned(), fact: (*fact).to_owned() }),
            ["agency", agency, level, region, fact] => Ok(Self::Agency {
                agency: agency.parse().map_err(|_| unknown())?,
                region: parse_region(level, region).ok_or_else(unknown)?,
                fact: (*fact).to_owned(),
            }),
            ["feedback", agency, level, region, kind] => Ok(Self::Feedback {
                agency: agency.parse().map_err(|_| unknown())?,
                region: parse_region(level, region).ok_or_else(unknown)?,
                kind: (*kind).to_owned(),
            }),
            ["sla", tier, county, township, village, clock, fact] => Ok(Self::Sla {
                tier: (*tier).to_owned(),
                county: blank_or(county),
                township: blank_or(township),
                village: blank_or(village),
                clock: (*clock).to_owned(),
                fact: (*fact).to_owned(),
            }),
            ["tip", county, township, fact] => {
                Ok(Self::Tip { county: blank_or(county), township: blank_or(township), fact: (*fact).to_owned() })
            }
            ["reward", county, fact] => Ok(Self::Reward { county: blank_or(county), fact: (*fact).to_owned() }),
            ["inspection", level, region, fact] => Ok(Self::Inspection {
                region: parse_region(level, region).ok_or_else(unknown)?,
                fact: (*fact).to_owned(),
            }),
            ["publicity", county, township, village, fact] => Ok(Self::Publicity {
                county: (*county).to_owned(),
                township: (*township).to_owned(),
                village: (*village).to_owned(),
                fact: (*fact).to_owned(),
            }),
            ["accountability", county, fact] => {
                Ok(Self::Accountability { county: blank_or(county), fact: (*fact).to_owned() })
            }
            ["reporting", kind, unit, fact] => {
                Ok(Self::Reporting { kind: (*kind).to_owned(), unit: (*unit).to_owned(), fact: (*fact).to_owned() })
            }
            ["watermark", service] => Ok(Self::Watermark { service: (*service).to_owned() }),
            _ => Err(unknown()),
        }
    }
}

fn parse_region(level: &str, code: &str) -> Option<Region> {
    Region::new(level.parse().ok()?, code).ok()
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{agency::Agency, region::Region};
    use proptest::prelude::*;

    use super::Subject;

    fn token() -> impl Strategy<Value = String> {
        "[a-z0-9-]{1,12}"
    }

    fn subject() -> impl Strategy<Value = Subject> {
        let agency = || proptest::sample::select(Agency::ALL);
        let region = || {
            proptest::sample::select(vec!["county:371302", "township:371302001", "city:371300"])
                .prop_map(|text| text.parse::<Region>().expect("a region"))
        };
        let maybe = || proptest::option::of(token());
        prop_oneof![
            (maybe(), maybe(), token()).prop_map(|(county, township, fact)| Subject::Roster { county, township, fact }),
            (token(), token(), token(), token())
                .prop_map(|(county, township, village, fact)| { Subject::Village { county, township, village, fact } }),
            (token(), token(), token()).prop_map(|(county, township, fact)| Subject::Township {
                county,
                township,
                fact
            }),
            (token(), token()).prop_map(|(county, fact)| Subject::County { county, fact }),
            (token(), token()).prop_map(|(city, fact)| Subject::City { city, fact }),
            (agency(), region(), token()).prop_map(|(agency, region, fact)| Subject::Agency { agency, region, fact }),
            (agency(), region(), token()).prop_map(|(agency, region, kind)| Subject::Feedback { agency, region, kind }),
            (token(), maybe(), maybe(), maybe(), token(), token()).prop_map(
                |(tier, county, township, village, clock, fact)| Subject::Sla {
                    tier,
                    county,
                    township,
                    village,
                    clock,
                    fact
                }
            ),
            (maybe(), maybe(), token()).prop_map(|(county, township, fact)| Subject::Tip { county, township, fact }),
            (maybe(), token()).prop_map(|(county, fact)| Subject::Reward { county, fact }),
            (region(), token()).prop_map(|(region, fact)| Subject::Inspection { region, fact }),
            (token(), token(), token(), token()).prop_map(|(county, township, village, fact)| Subject::Publicity {
                county,
                township,
                village,
                fact
            }),
            (maybe(), token()).prop_map(|(county, fact)| Subject::Accountability { county, fact }),
            (token(), token(), token()).prop_map(|(kind, unit, fact)| Subject::Reporting { kind, unit, fact }),
            token().prop_map(|service| Subject::Watermark { service }),
        ]
    }

    proptest! {
        #[test]
        fn a_subject_that_was_built_is_parsed_back(subject in subject()) {
            prop_assert_eq!(subject.to_string().parse::<Subject>(), Ok(subject));
        }

        #[test]
        fn what_is_no_subject_is_refused_and_never_a_panic(text in "\\PC{0,60}") {
            prop_assume!(!text.starts_with("dafei.v1."));
            prop_assert!(text.parse::<Subject>().is_err());
        }
    }

    #[test]
    fn an_agency_that_is_none_of_the_14_is_no_subject() {
        assert!("dafei.v1.feedback.fire-rescue.county.371302.result".parse::<Subject>().is_ok());
        assert!("dafei.v1.feedback.fire-brigade.county.371302.result".parse::<Subject>().is_err());
        assert!("dafei.v1.feedback.fire-rescue.county.37130.result".parse::<Subject>().is_err());
        assert!("dafei.v1.feedback.fire-rescue.county.371302".parse::<Subject>().is_err());
    }
}
