//! What lies within a township's authority (职权范围, clauses C6, C8 and A4): configuration, by county.

use std::collections::BTreeMap;

use dafei_kernel::{
    act::Act,
    agency::Agency,
    region::{Level, Region},
    subject::Subject,
};
use serde::Deserialize;

use crate::{
    pattern::Pattern,
    problem::{Flaw, Problem, Problems, check_version, read},
};

/// Longest text, in bytes.
const TEXT: usize = 256 * 1024;

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

/// A county's own text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountyFile {
    version: String,
    #[serde(default, rename = "note")]
    _note: String,
    den: Vec<String>,
    enterprise: Vec<String>,
    agencies: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    den: Vec<String>,
    enterprise: Vec<String>,
    agencies: Option<Vec<String>>,
}

/// What the townships of one county, or of all others, may do.
#[derive(Debug, Clone)]
struct Scope {
    den: Vec<Pattern>,
    enterprise: Vec<Pattern>,
    agencies: Option<Vec<Agency>>,
}

/// What a county has replaced by itself.
#[derive(Debug, Clone)]
pub struct CountyAuthority {
    version: String,
    scope: Scope,
}

/// Which acts a township handles itself, and which agencies it has.
#[derive(Debug, Clone)]
pub struct Authority {
    version: String,
    default: Scope,
    counties: BTreeMap<String, Scope>,
    own_versions: BTreeMap<String, String>,
}

/// The entry that decides whether an act is a township's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// Whether the act is within the authority.
    pub covered: bool,
    /// Where it stands: `default.den[*]`, `counties[371302].enterprise[FS-2]`; without brackets when no entry covers the act.
    pub entry: String,
    /// Version of the configuration; where the county has its own in force, the city's and the county's with a plus between.
    pub version: String,
}

impl CountyAuthority {
    /// Reads what a county's office writes.
    ///
    /// # Errors
    /// All that is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let file: CountyFile = read(text, TEXT)?;
        let mut problems = Vec::new();
        check_version(&file.version, &mut problems);
        let entry = Entry { den: file.den, enterprise: file.enterprise, agencies: file.agencies };
        let scope = Scope::read("", entry, &mut problems);
        Problems::none_of(problems, Self { version: file.version, scope })
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl Authority {
    /// Reads the configuration.
    ///
    /// # Errors
    /// All that is wrong with the text: not of its form, or an entry that names an unknown act, agency or county.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let file: File = read(text, TEXT)?;
        let mut problems = Vec::new();
        check_version(&file.version, &mut problems);
        let default = Scope::read("default.", file.default, &mut problems);
        let mut counties = BTreeMap::new();
        for (code, entry) in file.counties {
            let place = format!("counties[{code}]");
            if let Err(error) = Region::new(Level::County, &code) {
                problems.push(Problem::new(place.clone(), Flaw::UnknownCounty, error.to_string()));
            }
            let scope = Scope::read(&format!("{place}."), entry, &mut problems);
            counties.insert(code, scope);
        }
        let made = Self { version: file.version, default, counties, own_versions: BTreeMap::new() };
        Problems::none_of(problems, made)
    }

    /// This configuration with a county's own in place of what it says of the county.
    #[must_use]
    pub fn with_county(mut self, county: &Region, own: CountyAuthority) -> Self {
        let code = county.code().to_string();
        self.counties.insert(code.clone(), own.scope);
        self.own_versions.insert(code, own.version);
        self
    }

    /// Version of the city's configuration.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Codes of the counties of which it says something.
    pub fn counties(&self) -> impl Iterator<Item = &str> {
        self.counties.keys().map(String::as_str)
    }

    /// Whether a township of the county may handle the act itself, for this kind of subject.
    #[must_use]
    pub fn covers(&self, county: &Region, act: Act, subject: &Subject) -> bool {
        self.covering(county, act, subject.is_enterprise()).is_some()
    }

    /// Whether the townships of the county have this agency (派出所 for public-security, and so on).
    #[must_use]
    pub fn has_agency(&self, county: &Region, agency: Agency) -> bool {
        self.scope(county).1.agencies.as_ref().is_none_or(|agencies| agencies.contains(&agency))
    }

    /// Whether an act is a township's, and the entry by which it is or is not.
    #[must_use]
    pub fn ground(&self, county: &Region, act: Act, enterprise: bool) -> Ground {
        let code = county.code().as_str();
        let place = if self.scope(county).0 { format!("counties[{code}]") } else { "default".to_owned() };
        let list = format!("{place}.{}", if enterprise { "enterprise" } else { "den" });
        let covering = self.covering(county, act, enterprise);
        let entry = covering.map_or_else(|| list.clone(), |pattern| format!("{list}[{pattern}]"));
        let version = match self.own_versions.get(code) {
            Some(own) => format!("{}+{own}", self.version),
            None => self.version.clone(),
        };
        Ground { covered: covering.is_some(), entry, version }
    }

    fn covering(&self, county: &Region, act: Act, enterprise: bool) -> Option<&Pattern> {
        let (_, scope) = self.scope(county);
        let patterns = if enterprise { &scope.enterprise } else { &scope.den };
        patterns.iter().find(|pattern| pattern.matches(act))
    }

    /// What holds in the county, and whether it is the county's own.
    fn scope(&self, county: &Region) -> (bool, &Scope) {
        self.counties.get(county.code().as_str()).map_or((false, &self.default), |scope| (true, scope))
    }
}

impl Scope {
    fn read(place: &str, entry: Entry, problems: &mut Vec<Problem>) -> Self {
        let mut patterns = |list: &str, texts: Vec<String>| {
            let mut found = Vec::with_capacity(texts.len());
            for text in texts {
                match Pattern::parse(&text) {
                    Ok(pattern) => found.push(pattern),
                    Err(detail) => problems.push(Problem::new(format!("{place}{list}"), Flaw::UnknownAct, detail)),
                }
            }
            found
        };
        let (den, enterprise) = (patterns("den", entry.den), patterns("enterprise", entry.enterprise));
        let agencies = entry.agencies.map(|texts| {
            let mut found = Vec::with_capacity(texts.len());
            for text in texts {
                match text.parse() {
                    Ok(agency) => found.push(agency),
                    Err(_) => problems.push(Problem::new(
                        format!("{place}agencies"),
                        Flaw::UnknownAgency,
                        format!("{text:?} is no agency"),
                    )),
                }
            }
            found
        });
        Self { den, enterprise, agencies }
    }
}
