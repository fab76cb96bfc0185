//! Why a case goes where it goes.

use dafei_kernel::{act::Act, agency::Agency, industry::Industry, region::Region};

use super::{Key, Proposal, SubjectKind, Table};

/// Why a rule does not match: the first that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// It is for other acts.
    Act,
    /// It is for other industries.
    Industry,
    /// It is for another kind of subject.
    Subject,
}

/// A rule that stands before the one that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its id.
    pub rule: String,
    /// Why it did not match.
    pub misfit: Misfit,
}

/// An agency that the county lacks, and the one that does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandIn {
    /// The agency of the rule.
    pub missing: Agency,
    /// 代行部门.
    pub stand_in: Agency,
}

/// A proposal with how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What is proposed.
    pub proposal: Proposal,
    /// Whether the rule is the county's.
    pub of_county: bool,
    /// The day on which the rule's basis was last checked.
    pub checked_on: String,
    /// Stand-ins that were applied, each once.
    pub stand_ins: Vec<StandIn>,
    /// The rules before it, in their order.
    pub passed: Vec<Passed>,
}

impl Table {
    /// As [`Table::propose`], with how it comes about.
    #[must_use]
    pub fn explain(
        &self,
        county: Option<&Region>,
        act: Act,
        industry: Industry,
        subject: SubjectKind,
    ) -> Option<Explanation> {
        let proposal = self.propose(county, act, industry, subject)?;
        let key = Key { county: self.county(county), act, industry, subject };
        let mut passed = Vec::new();
        let rule = self.rules(&key).find(|rule| match key.misfit(rule) {
            Some(misfit) => {
                passed.push(Passed { rule: rule.id.clone(), misfit });
                false
            }
            None => true,
        })?;
        let mut stand_ins: Vec<StandIn> = Vec::new();
        for missing in rule.roles().filter_map(|role| self.resolve(role, &key)) {
            let applied = key.county.and_then(|county| county.stand_ins.get(&missing));
            if let Some(stand_in) = applied
                && !stand_ins.iter().any(|one| one.missing == missing)
            {
                stand_ins.push(StandIn { missing, stand_in: *stand_in });
            }
        }
        let of_county = key.county.is_some_and(|county| passed.len() < county.rules.len());
        Some(Explanation { proposal, of_county, checked_on: rule.checked_on.clone(), stand_ins, passed })
    }
}
