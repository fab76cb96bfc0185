//! Regulators, counties' own rules and stand-ins, the explanation of a route, and what a broken table is told.

use std::collections::BTreeSet;

use dafei_dispatch_core::{
    problem::{Flaw, Problems},
    routing::{CountyTable, Misfit, Passed, Proposal, StandIn, SubjectKind, Table},
};
use dafei_kernel::{
    agency::Agency,
    industry::Industry,
    region::{Level, Region},
    subject::Subject,
};

use crate::fixture::{act, region, table};

const DEN: SubjectKind = SubjectKind::Den;

fn propose(code: &str, industry: &str, subject: SubjectKind) -> Proposal {
    table().propose(None, act(code), industry.parse().expect("an industry"), subject).expect("a lead")
}

fn codes(agencies: &[Agency]) -> Vec<&'static str> {
    agencies.iter().map(|agency| agency.code()).collect()
}

#[test]
fn an_enterprise_goes_to_its_regulator_and_the_usual_lead_punishes() {
    let regulated = SubjectKind::Enterprise { regulator: Some(Agency::Education) };
    let proposal = propose("HC-3", "general", regulated);
    assert_eq!(proposal.lead, Agency::Education);
    assert_eq!(codes(&proposal.co_handlers), ["emergency-management"]);
    assert_eq!(proposal.enforcement, Agency::EmergencyManagement);
    assert_eq!(proposal.rule, "regulator");
    let coal = propose("MI-3", "coal", SubjectKind::Enterprise { regulator: Some(Agency::Energy) });
    assert_eq!((coal.lead, codes(&coal.co_handlers)), (Agency::Energy, vec!["coal-mine-safety"]));
    let own = propose("FS-2", "general", SubjectKind::Enterprise { regulator: Some(Agency::FireRescue) });
    assert_eq!((own.lead, own.co_handlers), (Agency::FireRescue, Vec::new()));
    let unknown = propose("HC-3", "general", SubjectKind::Enterprise { regulator: None });
    assert_eq!(unknown.lead, Agency::EmergencyManagement);
}

const DEFAULT: &str = include_str!("../../../../../data/routing/default.json");

/// The default table with one text replaced by another.
fn changed(from: &str, to: &str) -> Result<Table, Problems> {
    assert!(DEFAULT.contains(from), "{from}");
    Table::parse(&DEFAULT.replacen(from, to, 1))
}

/// Place and kind of each problem.
fn told(result: Result<Table, Problems>) -> Vec<(String, Flaw)> {
    let problems = result.expect_err("broken").0;
    problems.into_iter().map(|problem| (problem.place, problem.flaw)).collect()
}

fn one(place: &str, flaw: Flaw) -> Vec<(String, Flaw)> {
    vec![(place.to_owned(), flaw)]
}

#[test]
fn control_characters_are_refused_of_an_office_and_read_where_they_are_kept() {
    let rule = |sign: &str| format!(r#"{{"id": "own", "acts": ["SE-2"], "lead": "transport", "basis": "本区{sign}"}}"#);
    let county = |sign: &str| format!(r#"{{"version": "v", "checked_on": "2026-11-20", "rules": [{}]}}"#, rule(sign));
    let city = |sign: &str| {
        let own = format!(r#""counties": {{"371302": {{"rules": [{}]}}}}"#, rule(sign));
        DEFAULT.replacen("\"counties\": {}", &own, 1)
    };
    let wrong = |place: &str| one(place, Flaw::Unprintable);
    let of_county = |result: Result<CountyTable, Problems>| told(result.map(|_| table().clone()));
    assert!(
        Table::read(&city(r"\u0007")).is_ok() && CountyTable::parse(&county(r"\u0007")).is_ok(),
        "an older release took it"
    );
    assert_eq!(told(Table::read_new(&city(r"\u0007"))), wrong("counties[371302].rules[own].basis"));
    assert_eq!(of_county(CountyTable::parse_new(&county(r"\u0007"))), wrong("rules[own].basis"));
    assert_eq!(told(Table::read(&city(r"\u0000"))), wrong("counties[371302].rules[own].basis"));
    assert_eq!(of_county(CountyTable::parse(&county(r"\u0000"))), wrong("rules[own].basis"));
    assert!(Table::read_new(&city(r"\t\r\n")).is_ok() && CountyTable::parse_new(&county(r"\t\r\n")).is_ok());
}

#[test]
fn every_kind_of_broken_text_is_told_its_place_and_its_own_reason() {
    let fw3 = "{ \"id\": \"fw-transport\", \"acts\": [\"FW-3\"], \"lead\": \"public-security\"";
    let fw3_with = |text: &str| told(changed(fw3, &format!("{{ \"id\": \"fw-transport\", {text}")));
    let counties = |text: &str| told(changed("\"counties\": {}", &format!("\"counties\": {{{text}}}")));
    let large = DEFAULT.replacen("默认派单表", &"长".repeat(100_000), 1);
    let rule = "{\"id\": \"x\", \"acts\": [\"*\"], \"lead\": \"energy\", \"basis\": \"b\"},";
    let broken = [
        (told(Table::parse("{")), one("", Flaw::Malformed)),
        (told(changed("\"counties\"", "\"countys\"")), one("", Flaw::Malformed)),
        (told(Table::parse(&large)), one("", Flaw::TooLarge)),
        (told(changed("\"rules\": [", &format!("\"rules\": [{}", rule.repeat(300)))), one("rules", Flaw::TooManyRules)),
        (told(changed("\"version\": \"2026.1\"", "\"version\": \"a b\"")), one("version", Flaw::InvalidVersion)),
        (told(changed("2026-11-23", "2026-11-31")), one("checked_on", Flaw::InvalidDate)),
        (told(changed("\"id\": \"fw-transport\"", "\"id\": \" \"")), one("rules[3].id", Flaw::NoRuleId)),
        (told(changed("\"id\": \"fw\"", "\"id\": \"fw-transport\"")), one("rules[fw-transport]", Flaw::DuplicateRule)),
        (fw3_with("\"acts\": [], \"lead\": \"energy\""), one("rules[fw-transport].acts", Flaw::NoAct)),
        (fw3_with("\"acts\": [\"FW-77\"], \"lead\": \"energy\""), one("rules[fw-transport].acts", Flaw::UnknownAct)),
        (told(changed("[\"coal\"]", "[\"gold\"]")), one("rules[mi-coal-resource].industries", Flaw::UnknownIndustry)),
        (
            fw3_with("\"subject\": \"hut\", \"acts\": [\"FW-3\"], \"lead\": \"energy\""),
            one("rules[fw-transport].subject", Flaw::UnknownSubject),
        ),
        (
            fw3_with("\"acts\": [\"FW-3\"], \"lead\": \"forestry\""),
            one("rules[fw-transport].lead", Flaw::UnknownAgency),
        ),
        (told(changed("邮政法；快递暂行条例\"", "\"")), one("rules[postal-parcels].basis", Flaw::NoBasis)),
        (
            told(changed("邮政法；快递暂行条例\"", "邮政法\\u0000\"")),
            one("rules[postal-parcels].basis", Flaw::Unprintable),
        ),
        (fw3_with("\"acts\": [\"FW-3\"], \"lead\": \"regulator\""), one("rules[fw-transport].lead", Flaw::NoRegulator)),
        (
            told(changed("\"se\", \"acts\": [\"SE-*\"]", "\"se\", \"acts\": [\"SE-1\", \"SE-3\", \"SE-99\"]")),
            one("rules", Flaw::NoLead),
        ),
        (fw3_with("\"acts\": [\"FW-*\"], \"lead\": \"energy\""), one("rules[fw]", Flaw::Unreachable)),
        (counties("\"3713\": {}"), one("counties[3713]", Flaw::UnknownCounty)),
        (
            counties("\"371371\": {\"stand_ins\": {\"postal\": null}}"),
            one("counties[371371].stand_ins[postal]", Flaw::NoStandIn),
        ),
        (
            counties("\"371371\": {\"stand_ins\": {\"postal\": \"energy\", \"energy\": \"transport\"}}"),
            one("counties[371371].stand_ins[postal]", Flaw::StandInMissing),
        ),
        (
            counties("\"371371\": {\"stand_ins\": {\"post\": \"energy\"}}"),
            one("counties[371371].stand_ins[post]", Flaw::UnknownAgency),
        ),
        (
            told(Table::parse(&DEFAULT.replace("\"ecology-environment\"", "\"energy\""))),
            one("rules", Flaw::AgencyNeverAsked),
        ),
    ];
    let mut kinds = BTreeSet::new();
    for (found, expected) in broken {
        assert_eq!(found, expected);
        kinds.extend(expected.into_iter().map(|(_, flaw)| flaw));
    }
    assert_eq!(kinds.len(), Flaw::ALL.len(), "every kind of problem has its own broken table");
    let codes: BTreeSet<&str> = Flaw::ALL.iter().map(|flaw| flaw.code()).collect();
    assert_eq!(codes.len(), Flaw::ALL.len());
}

#[test]
fn all_problems_of_a_text_are_told_at_once() {
    let text = DEFAULT
        .replacen("\"version\": \"2026.1\"", "\"version\": \"\"", 1)
        .replacen("[\"FW-3\"]", "[\"FW-77\"]", 1)
        .replacen("\"lead\": \"natural-resources\"", "\"lead\": \"forestry\"", 1);
    let flaws: Vec<Flaw> = told(Table::parse(&text)).into_iter().map(|(_, flaw)| flaw).collect();
    assert_eq!(flaws, [Flaw::InvalidVersion, Flaw::UnknownAct, Flaw::UnknownAgency]);
}

/// The default table with a county's own.
fn with(code: &str, text: &str) -> Table {
    let own = CountyTable::parse(text).expect("sound by itself");
    Table::parse(DEFAULT).expect("sound").with_county(&county(code), own)
}

fn county(code: &str) -> Region {
    region(Level::County, code)
}

#[test]
fn a_countys_rules_come_before_the_citys_and_its_stand_ins_do_the_work() {
    let table = with(
        "371371",
        r#"{"version": "hi-tech.1", "checked_on": "2026-11-20", "stand_ins": {"postal": "transport"}, "rules": [
            {"id": "zone-fireworks", "acts": ["FW-1"], "lead": "public-security", "co_handlers": ["usual"], "basis": "本区分工"}]}"#,
    );
    assert_eq!(table.check(), []);
    let (zone, other) = (county("371371"), county("371302"));
    let at = |county, code| table.propose(Some(county), act(code), Industry::General, DEN).expect("a lead");
    let own = at(&zone, "FW-1");
    assert_eq!((own.lead, codes(&own.co_handlers)), (Agency::PublicSecurity, vec!["emergency-management"]));
    assert_eq!((own.rule.as_str(), own.version.as_str()), ("zone-fireworks", "2026.1+hi-tech.1"));
    assert_eq!((at(&other, "FW-1").rule.as_str(), at(&other, "FW-1").version.as_str()), ("fw", "2026.1"));
    let parcels = |county| table.propose(Some(county), act("HC-5"), Industry::PostalExpress, DEN).expect("a lead");
    assert_eq!((parcels(&zone).lead, codes(&parcels(&zone).co_handlers)), (Agency::Transport, vec!["public-security"]));
    assert_eq!(parcels(&other).lead, Agency::Postal);
    assert_eq!(table.stand_in(&zone, Agency::Postal), Some(Agency::Transport));
    assert_eq!(table.stand_in(&other, Agency::Postal), None);
}

#[test]
fn the_citys_table_may_say_a_countys_rules_itself() {
    let table = changed(
        "\"counties\": {}",
        r#""counties": {"371302": {"rules": [{"id": "own", "acts": ["SE-2"], "lead": "transport", "basis": "b"}]}}"#,
    )
    .expect("sound");
    let proposal = table.propose(Some(&county("371302")), act("SE-2"), Industry::General, DEN).expect("a lead");
    assert_eq!((proposal.lead, proposal.version.as_str()), (Agency::Transport, "2026.1"));
}

#[test]
fn a_countys_rule_that_is_never_reached_or_bears_the_id_of_a_citys_is_told() {
    let rules = r#"{"id": "all", "acts": ["*"], "lead": "energy", "basis": "b"},
                   {"id": "fw", "acts": ["FW-1"], "lead": "energy", "basis": "b"}"#;
    let table = with("371302", &format!(r#"{{"version": "v", "checked_on": "2026-11-20", "rules": [{rules}]}}"#));
    let found: Vec<_> = table.check().into_iter().map(|problem| (problem.place, problem.flaw)).collect();
    let place = || "counties[371302].rules[fw]".to_owned();
    assert_eq!(found, [(place(), Flaw::DuplicateRule), (place(), Flaw::Unreachable)]);
}

#[test]
fn a_route_is_explained_by_its_rule_those_before_it_and_the_stand_ins() {
    let table = with(
        "371371",
        r#"{"version": "v", "checked_on": "2026-11-20", "stand_ins": {"transport": "energy"}, "rules": [
            {"id": "zone", "acts": ["FW-3"], "industries": ["coal"], "lead": "energy", "basis": "b"}]}"#,
    );
    let told = table.explain(Some(&county("371371")), act("FW-3"), Industry::General, DEN).expect("a lead");
    let passed = |rule: &str, misfit| Passed { rule: rule.to_owned(), misfit };
    let before = [
        passed("zone", Misfit::Industry),
        passed("postal-parcels", Misfit::Industry),
        passed("postal-other", Misfit::Industry),
        passed("regulator", Misfit::Subject),
    ];
    assert_eq!(told.passed, before);
    assert_eq!((told.proposal.rule.as_str(), told.of_county), ("fw-transport", false));
    assert_eq!(told.checked_on, "2026-11-23");
    assert_eq!(told.stand_ins, [StandIn { missing: Agency::Transport, stand_in: Agency::Energy }]);
    let own = table.explain(Some(&county("371371")), act("FW-3"), Industry::Coal, DEN).expect("a lead");
    assert_eq!((own.of_county, own.checked_on.as_str(), own.passed), (true, "2026-11-20", Vec::new()));
    let other = table.explain(None, act("MI-8"), Industry::General, DEN).expect("a lead");
    assert!(other.passed.contains(&passed("fw", Misfit::Act)));
}

#[test]
fn a_den_of_river_sand_miners_is_the_water_authoritys_and_one_stored_without_an_industry_is_general() {
    let den = |industry| Subject::Den { place: "河滩".to_owned(), position: None, industry };
    let (industry, kind) = SubjectKind::of(&den(Industry::WaterWorks));
    assert_eq!(table().propose(None, act("MI-1"), industry, kind).expect("a lead").lead, Agency::WaterResources);
    let stored: Subject = serde_json::from_str(r#"{"kind": "den", "place": "河滩", "position": null}"#).expect("a den");
    assert_eq!(stored, den(Industry::General));
}
