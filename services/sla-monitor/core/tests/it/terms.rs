//! Rules that are replaced: an obligation goes by those in force where and when it starts.

use std::collections::BTreeMap;

use dafei_kernel::{region::Region, time::Instant};
use dafei_sla_core::{CaseFacts, Clock, CountyRules, Fact, Limit, Rules, Terms, What, obligations, terms::Version};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{Story, calendar, department, minutes};

const SHIPPED: &str = include_str!("../../../../../data/clocks/default.json");

/// The shipped rules with another limit of T1.
fn city(revision: i64, from: i64, t1: u32) -> Version<Rules> {
    let text = SHIPPED.replacen(r#"{ "minutes": 30 }"#, &format!(r#"{{ "minutes": {t1} }}"#), 1);
    let text = text.replacen("linyi-2020-17.5", &format!("v{revision}"), 1);
    Version { revision, from: minutes(from), rules: Rules::parse(&text).unwrap() }
}

fn own(revision: i64, from: i64, t1: u32) -> Version<CountyRules> {
    let text = format!(
        r#"{{ "version": "own-{revision}", "source": "", "clocks": [{{ "clock": "T1", "limit": {{ "minutes": {t1} }} }}] }}"#
    );
    Version { revision, from: minutes(from), rules: CountyRules::parse(&text).unwrap() }
}

fn county() -> Region {
    "county:371302".parse().unwrap()
}

fn terms(city: Vec<Version<Rules>>, own: Vec<Version<CountyRules>>) -> Terms {
    Terms::new(city, BTreeMap::from([(county(), own)])).unwrap()
}

fn triage(terms: &Terms, at: i64) -> (Limit, String) {
    let rules = terms.at(Some(&county()), minutes(at));
    (rules.rule(Clock::T1).limit, rules.version().to_owned())
}

#[test]
fn a_start_goes_by_the_rules_in_force_at_its_instant_and_the_first_hold_for_all_before() {
    let terms = terms(vec![city(1, 0, 30), city(2, 100, 20)], vec![own(1, 50, 10), own(2, 200, 40)]);
    let expected = |limit, version: &str| (Limit::Minutes(limit), version.to_owned());
    assert_eq!(triage(&terms, -10_000), expected(30, "v1"));
    assert_eq!(triage(&terms, 49), expected(30, "v1"));
    assert_eq!(triage(&terms, 50), expected(10, "v1+own-1"));
    assert_eq!(triage(&terms, 100), expected(10, "v2+own-1"));
    assert_eq!(triage(&terms, 200), expected(40, "v2+own-2"), "a local default may be longer than the city's");
    let elsewhere = terms.at(Some(&"county:371311".parse().unwrap()), minutes(150));
    assert_eq!((elsewhere.rule(Clock::T1).limit, elsewhere.version()), (Limit::Minutes(20), "v2"));
}

#[test]
fn a_replacement_holds_before_an_earlier_one_that_was_yet_to_come() {
    let terms = terms(vec![city(1, 0, 30), city(2, 100, 20), city(3, 60, 25)], Vec::new());
    assert_eq!(triage(&terms, 59).0, Limit::Minutes(30));
    assert_eq!(triage(&terms, 60).0, Limit::Minutes(25));
    assert_eq!(triage(&terms, 1_000).0, Limit::Minutes(25), "the second never came in force");
}

#[test]
fn each_running_of_a_case_has_the_rules_of_its_own_start() {
    let story = Story::default()
        .opened(0)
        .tell(10, What::Escalated)
        .tell(90, What::CaseReopened { tier: dafei_sla_core::fact::Tier::Township });
    let mut case = CaseFacts::new(Uuid::from_u128(7));
    for fact in &story.facts {
        case.add(fact.clone());
    }
    let terms = terms(vec![city(1, 0, 30), city(2, 60, 20)], Vec::new());
    let ledger = obligations(&case, &terms, calendar());
    let triage: Vec<_> = ledger.iter().filter(|one| one.clock == Clock::T1).collect();
    let told: Vec<_> = triage
        .iter()
        .map(|one| (one.leg, one.deadline.timing().due, one.deadline.inputs.rule_version.as_str()))
        .collect();
    assert_eq!(told, [(1, minutes(30), "v1"), (2, minutes(110), "v2")]);
}

fn facts() -> Vec<Fact> {
    Story::default()
        .found(0)
        .tell(5, What::SecretaryNotified)
        .tell(30, What::ReportedUp)
        .opened(40)
        .tell(70, What::Escalated)
        .tell(80, What::DepartmentInstructed)
        .delivered(90, department(1, "emergency-management", true, 1))
        .result(120, department(1, "emergency-management", true, 1))
        .tell(130, What::CaseReopened { tier: dafei_sla_core::fact::Tier::Township })
        .facts
}

/// The ledger as it stands after the facts in this order, each known obligation kept as it was found first.
fn kept(terms: &Terms, facts: &[Fact]) -> BTreeMap<Uuid, (Instant, String)> {
    let mut case = CaseFacts::new(Uuid::from_u128(7));
    let mut kept = BTreeMap::new();
    for fact in facts {
        case.add(fact.clone());
        for one in obligations(&case, terms, calendar()) {
            let inputs = &one.deadline.inputs;
            kept.entry(one.id).or_insert_with(|| (inputs.timing.due, inputs.rule_version.clone()));
        }
    }
    kept
}

proptest! {
    #[test]
    fn the_order_in_which_versions_and_facts_become_known_does_not_matter(
        shuffled in Just(facts()).prop_shuffle(),
        froms in proptest::collection::vec((0_i64..150, 1_u32..60), 1..5),
        owns in proptest::collection::vec((0_i64..150, 1_u32..60), 0..4),
        seed in any::<u64>(),
    ) {
        let versions: Vec<_> = (1..).zip(&froms).map(|(revision, (from, t1))| city(revision, *from, *t1)).collect();
        let own: Vec<_> = (1..).zip(&owns).map(|(revision, (from, t1))| own(revision, *from, *t1)).collect();
        let in_order = terms(versions.clone(), own.clone());
        let (mut turned, mut turned_own) = (versions, own);
        let by = usize::try_from(seed % 5).unwrap();
        let (len, len_own) = (turned.len(), turned_own.len().max(1));
        turned.rotate_left(by % len);
        turned_own.reverse();
        if !turned_own.is_empty() {
            turned_own.rotate_left(by % len_own);
        }
        let other = terms(turned, turned_own);
        prop_assert_eq!(&in_order, &other);
        prop_assert_eq!(kept(&in_order, &facts()), kept(&other, &shuffled));
    }
}
