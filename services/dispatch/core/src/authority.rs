//! What lies within a township's authority (职权范围, clauses C6, C8 and A4): configuration, by county.

use std::collections::BTreeMap;

use dafei_kernel::{act::Act, agency::Agency, region::Region, subject::Subject};
use serde::Deserialize;

use crate::pattern::Pattern;

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("authority of the townships, {place}: {problem}")]
pub struct AuthorityError {
    /// Which entry.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(default, rename = "note")]
    _note: String,
    default: Entry,
    #[serde(default)]
    counties: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    den: Vec<String>,
    enterprise: Vec<String>,
    agencies: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Scope {
    den: Vec<Pattern>,
    enterprise: Vec<Pattern>,
    agencies: Option<Vec<Agency>>,
}

/// Which acts a township handles itself, and which agencies it has.
#[derive(Debug, Clone)]
pub struct Authority {
    version: String,
    default: Scope,
    counties: BTreeMap<String, Scope>,
}

impl Authority {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When the text is not of its form, or an entry names an unknown act or agency.
    pub fn parse(text: &str) -> Result<Self, AuthorityError> {
        let file: File = serde_json::from_str(text)
            .map_err(|error| AuthorityError { place: "file".to_owned(), problem: error.to_string() })?;
        let counties = file
            .counties
            .into_iter()
            .map(|(county, entry)| Ok((county.clone(), Scope::parse(&county, entry)?)))
            .collect::<Result<_, AuthorityError>>()?;
        Ok(Self { version: file.version, default: Scope::parse("default", file.default)?, counties })
    }

    /// Version of the configuration.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether a township of the county may handle the act itself, for this kind of subject.
    #[must_use]
    pub fn covers(&self, county: &Region, act: Act, subject: &Subject) -> bool {
        let scope = self.scope(county);
        let patterns = match subject {
            Subject::Enterprise { .. } => &scope.enterprise,
            Subject::Den { .. } => &scope.den,
        };
        patterns.iter().any(|pattern| pattern.matches(act))
    }

    /// Whether the townships of the county have this agency (派出所 for public-security, and so on).
    #[must_use]
    pub fn has_agency(&self, county: &Region, agency: Agency) -> bool {
        self.scope(county).agencies.as_ref().is_none_or(|agencies| agencies.contains(&agency))
    }

    fn scope(&self, county: &Region) -> &Scope {
        self.counties.get(&county.code().to_string()).unwrap_or(&self.default)
    }
}

impl Scope {
    fn parse(place: &str, entry: Entry) -> Result<Self, AuthorityError> {
        let wrong = |problem| AuthorityError { place: place.to_owned(), problem };
        let patterns =
            |texts: Vec<String>| texts.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>();
        let agencies = |texts: Vec<String>| {
            texts
                .iter()
                .map(|text| text.parse().map_err(|_| format!("{text:?} is no agency")))
                .collect::<Result<Vec<Agency>, _>>()
        };
        Ok(Self {
            den: patterns(entry.den).map_err(wrong)?,
            enterprise: patterns(entry.enterprise).map_err(wrong)?,
            agencies: entry.agencies.map(agencies).transpose().map_err(wrong)?,
        })
    }
}
