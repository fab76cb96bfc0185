//! The checks of a routing table as a whole: every case has a lead, all 14 agencies are asked, no rule is idle, in the city and in each
//! county.

use std::collections::BTreeSet;

use dafei_kernel::{act::Act, agency::Agency, industry::Industry};

use super::{CountyTable, Key, Rule, SubjectKind, Table};
use crate::problem::{Flaw, Problem};

/// What the cases of one place reach.
#[derive(Default)]
struct Reached<'a> {
    rules: BTreeSet<&'a str>,
    asked: BTreeSet<Agency>,
    problems: Vec<Problem>,
}

pub(super) fn check(table: &Table) -> Vec<Problem> {
    let city = reach(table, None, "rules");
    let mut problems = city.problems;
    idle(&table.rules, &city.rules, "rules", &mut problems);
    for agency in Agency::ALL.iter().filter(|agency| !city.asked.contains(agency)) {
        let detail = format!("{} appears in no proposal", agency.code());
        problems.push(Problem::new("rules", Flaw::AgencyNeverAsked, detail));
    }
    for (code, county) in &table.counties {
        let place = format!("counties[{code}].rules");
        same_ids(table, county, &place, &mut problems);
        let reached = reach(table, Some(county), &place);
        problems.extend(reached.problems);
        idle(&county.rules, &reached.rules, &place, &mut problems);
    }
    problems
}

/// A case names its rule by its id: a county's rule has none of the city's.
fn same_ids(table: &Table, county: &CountyTable, place: &str, problems: &mut Vec<Problem>) {
    let city: BTreeSet<&str> = table.rules.iter().map(|rule| rule.id.as_str()).collect();
    for rule in county.rules.iter().filter(|rule| city.contains(rule.id.as_str())) {
        let detail = "the city's table has a rule of this id";
        problems.push(Problem::new(format!("{place}[{}]", rule.id), Flaw::DuplicateRule, detail));
    }
}

fn idle(rules: &[Rule], reached: &BTreeSet<&str>, place: &str, problems: &mut Vec<Problem>) {
    for rule in rules.iter().filter(|rule| !reached.contains(rule.id.as_str())) {
        let detail = "the rules before it take all its cases";
        problems.push(Problem::new(format!("{place}[{}]", rule.id), Flaw::Unreachable, detail));
    }
}

/// Goes through every act, industry and kind of subject.
fn reach<'a>(table: &'a Table, county: Option<&'a CountyTable>, place: &str) -> Reached<'a> {
    let mut reached = Reached::default();
    for act in Act::all() {
        let mut without: Option<String> = None;
        for industry in Industry::ALL.iter().copied() {
            for subject in subjects() {
                let key = Key { county, act, industry, subject };
                let rule = table.rules(&key).find(|rule| key.misfit(rule).is_none());
                let agencies: Option<Vec<Agency>> =
                    rule.and_then(|rule| rule.roles().map(|role| table.resolve(role, &key)).collect());
                let (Some(rule), Some(agencies)) = (rule, agencies) else {
                    without.get_or_insert_with(|| {
                        format!("no lead for act {act}, industry {industry}, subject {subject:?}")
                    });
                    continue;
                };
                reached.rules.insert(&rule.id);
                // A regulator leads whatever the table says: it does not count as asked.
                if !matches!(subject, SubjectKind::Enterprise { regulator: Some(_) }) {
                    reached.asked.extend(agencies);
                }
            }
        }
        reached.problems.extend(without.map(|detail| Problem::new(place, Flaw::NoLead, detail)));
    }
    reached
}

/// Every kind of subject: a den, an enterprise, and an enterprise of each regulator.
fn subjects() -> impl Iterator<Item = SubjectKind> {
    let regulated = Agency::ALL.iter().map(|agency| SubjectKind::Enterprise { regulator: Some(*agency) });
    [SubjectKind::Den, SubjectKind::Enterprise { regulator: None }].into_iter().chain(regulated)
}
