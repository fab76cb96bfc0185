//! The routing table: which department leads a case and which help, by act, industry and kind of subject. Data that an office can
//! replace; checked when it is read, so that no case can be without a lead.

mod check;
mod explain;
mod parse;

use std::collections::BTreeMap;

use dafei_kernel::{act::Act, agency::Agency, industry::Industry, region::Region, subject::Subject};

use crate::{
    pattern::Pattern,
    problem::{Problem, Problems},
};

use parse::Origin;

pub use explain::{Explanation, Misfit, Passed, StandIn};

/// What kind of subject a case has, as far as the routing asks (clauses A3 and A4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// 非法窝点.
    Den,
    /// 合法生产经营单位, with its own regulator where the roster names one.
    Enterprise {
        /// 行业监管部门.
        regulator: Option<Agency>,
    },
}

impl SubjectKind {
    /// Industry and kind of a case's subject.
    #[must_use]
    pub const fn of(subject: &Subject) -> (Industry, Self) {
        match subject {
            Subject::Enterprise { regulator, industry, .. } => (*industry, Self::Enterprise { regulator: *regulator }),
            Subject::Den { industry, .. } => (*industry, Self::Den),
        }
    }
}

/// What the table proposes for a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// 牵头.
    pub lead: Agency,
    /// 配合, each once and none the lead.
    pub co_handlers: Vec<Agency>,
    /// 执法主体: who may punish; mostly the lead.
    pub enforcement: Agency,
    /// The rule that matched.
    pub rule: String,
    /// Its basis.
    pub basis: String,
    /// Version of the table; where the county has a table of its own in force, the city's and the county's with a plus between.
    pub version: String,
}

/// An agency as a rule names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Agency(Agency),
    /// The lead that the table gives the act without the rules that say `usual` or `regulator`.
    Usual,
    /// The enterprise's own regulator.
    Regulator,
}

/// The kinds of subject that a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Any,
    Den,
    Enterprise,
    RegulatedEnterprise,
}

#[derive(Debug, Clone)]
struct Rule {
    id: String,
    acts: Vec<Pattern>,
    industries: Option<Vec<Industry>>,
    subject: For,
    lead: Role,
    co_handlers: Vec<Role>,
    enforcement: Option<Role>,
    basis: String,
    checked_on: String,
}

/// What holds in one county before the city's table: rules that are put before the city's, and stand-ins for agencies that it lacks.
#[derive(Debug, Clone, Default)]
pub struct CountyTable {
    /// Version of a table that the county has replaced by itself; none where the city's table says it.
    version: Option<String>,
    rules: Vec<Rule>,
    stand_ins: BTreeMap<Agency, Agency>,
}

/// A routing table for the whole city, with what differs in single counties.
#[derive(Debug, Clone)]
pub struct Table {
    version: String,
    rules: Vec<Rule>,
    counties: BTreeMap<String, CountyTable>,
}

impl CountyTable {
    /// Reads a county's table as it is kept. Whether it fits the city's is told by [`Table::check`] of both together.
    ///
    /// # Errors
    /// All that is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        parse::county(text, Origin::Kept)
    }

    /// As [`Self::parse`], of a text that an office hands in: of control characters what is kept may have some that an older release took.
    ///
    /// # Errors
    /// As there, and for an id or basis with control characters other than tabs and line feeds.
    pub fn parse_new(text: &str) -> Result<Self, Problems> {
        parse::county(text, Origin::Office)
    }

    /// Its version; none where the city's table says it.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl Table {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// All that is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let table = Self::read(text)?;
        let problems = table.check();
        Problems::none_of(problems, table)
    }

    /// Reads a table as it is kept, without the checks that need all its rules together: [`Self::check`] makes them.
    ///
    /// # Errors
    /// All that is wrong with single places of the text.
    pub fn read(text: &str) -> Result<Self, Problems> {
        parse::table(text, Origin::Kept)
    }

    /// As [`Self::read`], of a text that an office hands in: of control characters what is kept may have some that an older release took.
    ///
    /// # Errors
    /// As there, and for an id or basis with control characters other than tabs and line feeds.
    pub fn read_new(text: &str) -> Result<Self, Problems> {
        parse::table(text, Origin::Office)
    }

    /// This table with a county's own in place of what it says of the county.
    #[must_use]
    pub fn with_county(mut self, county: &Region, own: CountyTable) -> Self {
        self.counties.insert(county.code().to_string(), own);
        self
    }

    /// What is wrong with the table as a whole and in each county: a case without a lead, an agency that is never asked, a rule that is
    /// never reached.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    /// Version of the city's table.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Codes of the counties of which it says something.
    pub fn counties(&self) -> impl Iterator<Item = &str> {
        self.counties.keys().map(String::as_str)
    }

    /// The version under which a county's cases are routed.
    #[must_use]
    pub fn version_in(&self, county: Option<&Region>) -> String {
        match self.county(county).and_then(CountyTable::version) {
            Some(own) => format!("{}+{own}", self.version),
            None => self.version.clone(),
        }
    }

    /// Lead and co-handlers for a case: the county's rules come first, then the city's; the first that matches wins. Agencies that the
    /// county lacks are replaced by their stand-ins. None never comes from a checked table.
    #[must_use]
    pub fn propose(
        &self,
        county: Option<&Region>,
        act: Act,
        industry: Industry,
        subject: SubjectKind,
    ) -> Option<Proposal> {
        let key = Key { county: self.county(county), act, industry, subject };
        let rule = self.rules(&key).find(|rule| key.misfit(rule).is_none())?;
        let stand_in = |agency| key.county.and_then(|county| county.stand_ins.get(&agency).copied()).unwrap_or(agency);
        let agency = |role: Role| self.resolve(role, &key).map(stand_in);
        let lead = agency(rule.lead)?;
        let mut co_handlers = Vec::with_capacity(rule.co_handlers.len());
        for role in &rule.co_handlers {
            let agency = agency(*role)?;
            if agency != lead && !co_handlers.contains(&agency) {
                co_handlers.push(agency);
            }
        }
        let enforcement = match rule.enforcement {
            Some(role) => agency(role)?,
            None => lead,
        };
        let (rule_id, basis) = (rule.id.clone(), rule.basis.clone());
        Some(Proposal { lead, co_handlers, enforcement, rule: rule_id, basis, version: self.version_in(county) })
    }

    /// Which agency does the work of one that the county lacks; none when the county has it.
    #[must_use]
    pub fn stand_in(&self, county: &Region, agency: Agency) -> Option<Agency> {
        self.county(Some(county))?.stand_ins.get(&agency).copied()
    }

    fn county(&self, county: Option<&Region>) -> Option<&CountyTable> {
        self.counties.get(county?.code().as_str())
    }

    /// The rules in their order: the county's before the city's.
    fn rules<'a>(&'a self, key: &Key<'a>) -> impl Iterator<Item = &'a Rule> + use<'a> {
        key.county.into_iter().flat_map(|county| &county.rules).chain(&self.rules)
    }

    fn resolve(&self, role: Role, key: &Key<'_>) -> Option<Agency> {
        match role {
            Role::Agency(agency) => Some(agency),
            Role::Usual => {
                let usual = self.rules(key).find(|rule| !rule.is_relative() && key.misfit(rule).is_none())?;
                match usual.lead {
                    Role::Agency(agency) => Some(agency),
                    Role::Usual | Role::Regulator => None,
                }
            }
            Role::Regulator => match key.subject {
                SubjectKind::Enterprise { regulator } => regulator,
                SubjectKind::Den => None,
            },
        }
    }
}

/// What a rule is asked about.
struct Key<'a> {
    county: Option<&'a CountyTable>,
    act: Act,
    industry: Industry,
    subject: SubjectKind,
}

impl Key<'_> {
    /// Why the rule does not match; none when it does.
    fn misfit(&self, rule: &Rule) -> Option<Misfit> {
        let subject_fits = match (rule.subject, self.subject) {
            (For::Any, _)
            | (For::Den, SubjectKind::Den)
            | (For::Enterprise, SubjectKind::Enterprise { .. })
            | (For::RegulatedEnterprise, SubjectKind::Enterprise { regulator: Some(_) }) => true,
            (For::Den | For::Enterprise | For::RegulatedEnterprise, _) => false,
        };
        if !rule.acts.iter().any(|pattern| pattern.matches(self.act)) {
            Some(Misfit::Act)
        } else if !rule.industries.as_ref().is_none_or(|industries| industries.contains(&self.industry)) {
            Some(Misfit::Industry)
        } else if subject_fits {
            None
        } else {
            Some(Misfit::Subject)
        }
    }
}

impl Rule {
    fn roles(&self) -> impl Iterator<Item = Role> {
        [Some(self.lead), self.enforcement].into_iter().flatten().chain(self.co_handlers.iter().copied())
    }

    /// Whether it leans on another rule or on the enterprise.
    fn is_relative(&self) -> bool {
        self.roles().any(|role| !matches!(role, Role::Agency(_)))
    }
}
