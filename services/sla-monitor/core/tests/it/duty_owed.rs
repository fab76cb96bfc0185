//! Which periods of a duty are owed by rules that are replaced.

use std::collections::BTreeMap;

use dafei_kernel::{
    agency::Agency,
    role::Role,
    roster::{Holder, RosterIndex},
    time::Instant,
};
use dafei_sla_core::{
    Clock, Rules, Terms,
    duty::{
        owed::{first_owed, first_watched, owed_from},
        unit::{Unit, UnitKind},
    },
    terms::Version,
};

use crate::support::instant;

const SHIPPED: &str = include_str!("../../../../../data/clocks/default.json");
const M1: &str = "\"clock\": \"M1\"";

/// The shipped rules in force from an instant, with M1 changed.
fn version(revision: i64, from: &str, change: impl Fn(&str) -> String) -> Version<Rules> {
    let (before, after) = SHIPPED.split_once(M1).unwrap();
    let text = format!("{before}{M1}{}", change(after)).replacen("linyi-2020-17.5", &format!("v{revision}"), 1);
    Version { revision, from: instant(from), rules: Rules::parse(&text).unwrap() }
}

fn terms(second: impl Fn(&str) -> String, third: impl Fn(&str) -> String) -> Terms {
    let first = version(1, "2026-01-01T00:00:00+08:00", str::to_owned);
    let second = version(2, "2027-02-10T00:00:00+08:00", second);
    let third = version(3, "2027-05-10T00:00:00+08:00", third);
    Terms::new(vec![first, second, third], BTreeMap::new()).unwrap()
}

/// The periods of M1 that townships owe in turn, each with the version that it goes by, and whether its yellow light's rules leave it.
fn owed(terms: &Terms, since: &str, count: usize) -> Vec<(String, String, bool)> {
    let first = first_owed(terms, Clock::M1, UnitKind::Township, instant(since));
    std::iter::successors(first, |owed| owed_from(terms, Clock::M1, UnitKind::Township, owed.period.next()))
        .map(|owed| (owed.period.to_string(), owed.inputs.rule_version.clone(), owed.stays(terms)))
        .take(count)
        .collect()
}

fn line(period: &str, version: &str) -> (String, String, bool) {
    (period.to_owned(), version.to_owned(), true)
}

fn off(rest: &str) -> String {
    rest.replacen("\"in_force\": true", "\"in_force\": false", 1)
}

fn without_townships(rest: &str) -> String {
    rest.replacen(r#"{ "kind": "township", "days": 3, "local_default": true },"#, "", 1)
}

#[test]
fn a_period_goes_by_the_rules_of_its_start_and_those_that_are_not_owed_then_are_passed_over() {
    // The table of a month is owed from the first of the next one on.
    let expected = [line("2026-12", "v1"), line("2027-01", "v1"), line("2027-05", "v3"), line("2027-06", "v3")];
    for change in [off, without_townships] {
        let terms = terms(change, str::to_owned);
        assert_eq!(owed(&terms, "2026-12-02T00:00:00+08:00", 4), expected);
    }
    let later = terms(str::to_owned, |rest| format!(", \"from\": \"2027-08-01\"{rest}"));
    assert_eq!(
        owed(&later, "2027-03-15T00:00:00+08:00", 3),
        [line("2027-03", "v2"), line("2027-04", "v2"), line("2027-07", "v3")]
    );
}

#[test]
fn what_no_version_from_then_on_lets_a_unit_owe_is_owed_never() {
    let terms = terms(off, without_townships);
    assert_eq!(owed(&terms, "2026-12-02T00:00:00+08:00", 4), [line("2026-12", "v1"), line("2027-01", "v1")]);
    let (since, kind) = (instant("2027-02-02T00:00:00+08:00"), UnitKind::Township);
    assert_eq!(first_watched(&terms, Clock::M1, kind, since), None);
    assert_eq!(first_owed(&terms, Clock::N1, UnitKind::Village, Instant::MIN), None, "it has no periods");
}

#[test]
fn a_text_that_comes_in_force_before_the_yellow_light_turns_a_period_off_and_none_on() {
    let mut texts = vec![version(1, "2026-01-01T00:00:00+08:00", str::to_owned)];
    let terms = |texts: &Vec<_>| Terms::new(texts.clone(), BTreeMap::new()).unwrap();
    // Its yellow light comes on 3 December.
    texts.push(version(2, "2026-12-02T00:00:00+08:00", off));
    let since = "2026-12-01T00:00:00+08:00";
    assert_eq!(owed(&terms(&texts), since, 9), [("2026-11".to_owned(), "v1".to_owned(), false)]);
    texts.push(version(3, "2026-12-02T12:00:00+08:00", |rest| format!(", \"from\": \"2027-01-01\"{rest}")));
    let all = owed(&terms(&texts), since, 2);
    assert_eq!(all, [("2026-11".to_owned(), "v1".to_owned(), false), line("2026-12", "v3")]);
}

/// A roster with holders of a county's posts since these instants.
fn held(role: Role, agency: Option<Agency>, since: &[&str]) -> RosterIndex {
    let tenures: Vec<_> = since.iter().map(|from| (*from, None)).collect();
    held_until(role, agency, &tenures)
}

/// As [`held`], each from and until.
fn held_until(role: Role, agency: Option<Agency>, tenures: &[(&str, Option<&str>)]) -> RosterIndex {
    let mut roster = RosterIndex::new();
    let holder = |(from, until): &(&str, Option<&str>)| Holder {
        role,
        region: "county:371302".parse().unwrap(),
        agency,
        person: "李科长".to_owned(),
        valid_from: instant(from),
        valid_until: until.map(instant),
    };
    roster.replace_holders(&"county:371302".parse().unwrap(), tenures.iter().map(holder).collect());
    roster
}

#[test]
fn a_department_whose_post_is_held_from_the_end_of_a_period_owes_nothing_after_it() {
    let (rules, department) = (Rules::builtin(), "county:371302/postal".parse::<Unit>().unwrap());
    // Each is the end of one period and the start of the next.
    let (month, week) = (instant("2026-12-01T00:00:00+08:00"), instant("2026-12-07T00:00:00+08:00"));
    let came_after = |clock, start, since: &[&str]| {
        let roster = held(Role::CountyDepartment, Some(Agency::Postal), since);
        rules.duty(clock).unwrap().came_after(start, &department, &roster)
    };
    let (first, monday) = ("2026-12-01T00:00:00+08:00", "2026-12-07T00:00:00+08:00");
    for (clock, start, end) in [(Clock::M1, month, first), (Clock::W3, week, monday)] {
        assert!(came_after(clock, start, &[end]), "{clock}");
        assert!(!came_after(clock, start, &["2026-11-30T23:59:59.999999+08:00"]), "{clock}");
        assert!(!came_after(clock, start, &["2026-01-01T00:00:00+08:00", end]), "{clock}: another held it before");
        assert!(!came_after(clock, start, &[]), "{clock}: nothing is known of its holders");
    }
    // What is done within a week is owed by whoever holds the post all week.
    assert!(!came_after(Clock::W1, week, &[monday]));
    assert!(came_after(Clock::W1, week, &["2026-12-07T00:00:00.000001+08:00"]));
}

#[test]
fn who_is_there_by_its_region_owes_whoever_holds_its_post() {
    let (rules, office) = (Rules::builtin(), "county:371302".parse::<Unit>().unwrap());
    let start = instant("2026-12-01T00:00:00+08:00");
    for (role, agency) in [(Role::CountyOffice, None), (Role::CountyDepartment, Some(Agency::Postal))] {
        let roster = held(role, agency, &["2026-12-20T00:00:00+08:00"]);
        assert!(!rules.duty(Clock::M1).unwrap().came_after(start, &office, &roster));
        let other = "county:371302/energy".parse::<Unit>().unwrap();
        assert!(!rules.duty(Clock::M1).unwrap().came_after(start, &other, &roster), "another's holder");
    }
}

#[test]
fn a_department_owes_a_month_in_which_or_before_whose_limit_its_post_was_held() {
    let (terms, department) = (Terms::builtin(), "county:371302/postal".parse::<Unit>().unwrap());
    let november = "2026-11".parse().unwrap();
    let owed = owed_from(&terms, Clock::M1, UnitKind::CountyDepartment, november).unwrap();
    let spares = |unit: &Unit, tenures: &[(&str, Option<&str>)]| {
        owed.spares(unit, &held_until(Role::CountyDepartment, Some(Agency::Postal), tenures))
    };
    let (old, first) = ("2020-01-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00");
    assert!(spares(&department, &[(old, Some(first))]), "dissolved with October");
    assert!(!spares(&department, &[(old, Some("2026-11-01T00:00:00.000001+08:00"))]), "held in November");
    let (last, limit) = ("2026-12-03T23:59:59+08:00", "2026-12-04T00:00:00+08:00");
    assert!(!spares(&department, &[(old, Some(first)), (last, None)]), "a vacancy that ends before the limit");
    assert!(spares(&department, &[(old, Some(first)), (limit, None)]), "held by nobody who could file");
    assert!(spares(&department, &[("2026-12-01T00:00:00+08:00", None)]), "first held when the month was over");
    assert!(!spares(&department, &[]), "nothing is known of its holders");
    let office = "county:371302".parse::<Unit>().unwrap();
    assert!(!spares(&office, &[(old, Some(first))]), "it is there by its region");
}
