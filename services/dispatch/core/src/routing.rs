//! The routing table: which department leads a case and which help, by act, industry and kind of subject. Data that an office can
//! replace; checked when it is read, so that no case can be without a lead.

mod check;
mod parse;

use std::collections::BTreeMap;

use dafei_kernel::{act::Act, agency::Agency, industry::Industry, region::Region, subject::Subject};

use crate::pattern::Pattern;

pub use parse::TableError;

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
    /// Industry and kind of a case's subject; a den has no industry of its own.
    #[must_use]
    pub fn of(subject: &Subject) -> (Industry, Self) {
        match subject {
            Subject::Enterprise { regulator, industry, .. } => (*industry, Self::Enterprise { regulator: *regulator }),
            Subject::Den { .. } => (Industry::General, Self::Den),
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
    /// Version of the table.
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
}

/// A checked routing table.
#[derive(Debug, Clone)]
pub struct Table {
    version: String,
    checked_on: String,
    rules: Vec<Rule>,
    stand_ins: BTreeMap<String, BTreeMap<Agency, Agency>>,
}

impl Table {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// When the text is not of its form, names an unknown code, or fails a check: see [`TableError`].
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let table = parse::parse(text)?;
        check::check(&table)?;
        Ok(table)
    }

    /// Version of the table.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The day on which the bases were last checked, as the office wrote it.
    #[must_use]
    pub fn checked_on(&self) -> &str {
        &self.checked_on
    }

    /// Lead and co-handlers for a case: the first rule that matches wins. Agencies that the county lacks are replaced by their
    /// stand-ins. None never comes from a checked table.
    #[must_use]
    pub fn propose(
        &self,
        county: Option<&Region>,
        act: Act,
        industry: Industry,
        subject: SubjectKind,
    ) -> Option<Proposal> {
        let rule = self.rules.iter().find(|rule| rule.matches(act, industry, subject))?;
        let agency = |role: Role| {
            let agency = self.resolve(role, act, industry, subject)?;
            Some(county.and_then(|county| self.stand_in(county, agency)).unwrap_or(agency))
        };
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
        let (rule_id, basis, version) = (rule.id.clone(), rule.basis.clone(), self.version.clone());
        Some(Proposal { lead, co_handlers, enforcement, rule: rule_id, basis, version })
    }

    /// Which agency does the work of one that the county lacks; none when the county has it.
    #[must_use]
    pub fn stand_in(&self, county: &Region, agency: Agency) -> Option<Agency> {
        self.stand_ins.get(&county.code().to_string())?.get(&agency).copied()
    }

    fn resolve(&self, role: Role, act: Act, industry: Industry, subject: SubjectKind) -> Option<Agency> {
        match role {
            Role::Agency(agency) => Some(agency),
            Role::Usual => self.usual_lead(act, industry, subject),
            Role::Regulator => match subject {
                SubjectKind::Enterprise { regulator } => regulator,
                SubjectKind::Den => None,
            },
        }
    }

    fn usual_lead(&self, act: Act, industry: Industry, subject: SubjectKind) -> Option<Agency> {
        let rule = self.rules.iter().find(|rule| !rule.is_relative() && rule.matches(act, industry, subject))?;
        self.resolve(rule.lead, act, industry, subject)
    }
}

impl Rule {
    fn matches(&self, act: Act, industry: Industry, subject: SubjectKind) -> bool {
        let subject_fits = match (self.subject, subject) {
            (For::Any, _)
            | (For::Den, SubjectKind::Den)
            | (For::Enterprise, SubjectKind::Enterprise { .. })
            | (For::RegulatedEnterprise, SubjectKind::Enterprise { regulator: Some(_) }) => true,
            (For::Den | For::Enterprise | For::RegulatedEnterprise, _) => false,
        };
        subject_fits
            && self.acts.iter().any(|pattern| pattern.matches(act))
            && self.industries.as_ref().is_none_or(|industries| industries.contains(&industry))
    }

    /// Whether it leans on another rule or on the enterprise.
    fn is_relative(&self) -> bool {
        let relative = |role: &Role| !matches!(role, Role::Agency(_));
        relative(&self.lead) || self.co_handlers.iter().any(relative) || self.enforcement.as_ref().is_some_and(relative)
    }
}
