//! The default table against the design's rows, and what a broken table is told.

use std::collections::BTreeSet;

use dafei_dispatch_core::routing::{Proposal, SubjectKind, Table, TableError};
use dafei_kernel::{act::Act, agency::Agency, industry::Industry, region::Level};

use crate::fixture::{act, region, table};

const DEN: SubjectKind = SubjectKind::Den;

fn propose(code: &str, industry: &str, subject: SubjectKind) -> Proposal {
    table().propose(None, act(code), industry.parse().expect("an industry"), subject).expect("a lead")
}

fn codes(agencies: &[Agency]) -> Vec<&'static str> {
    agencies.iter().map(|agency| agency.code()).collect()
}

/// act, industry, lead, co-handlers: every row of the design's table, at its edges.
const ROWS: &[(&str, &str, &str, &[&str])] = &[
    ("FW-1", "postal-express", "postal", &["public-security", "emergency-management"]),
    ("FW-3", "postal-express", "postal", &["public-security"]),
    ("HC-5", "postal-express", "postal", &["public-security", "transport"]),
    ("CE-1", "postal-express", "postal", &["public-security", "industry-information"]),
    ("FS-2", "postal-express", "fire-rescue", &["postal"]),
    ("RT-4", "postal-express", "transport", &["postal"]),
    ("FW-3", "general", "public-security", &["transport"]),
    ("FW-1", "general", "emergency-management", &["public-security", "market-regulation"]),
    ("FW-4", "school", "emergency-management", &["public-security", "market-regulation"]),
    ("FW-99", "general", "emergency-management", &["public-security", "market-regulation"]),
    ("HC-4", "school", "emergency-management", &["education", "public-security"]),
    ("HC-4", "general", "emergency-management", &["market-regulation", "public-security"]),
    ("HC-2", "oil-gas-pipeline", "energy", &["emergency-management"]),
    ("HC-7", "oil-gas-pipeline", "energy", &["emergency-management"]),
    ("HC-8", "oil-gas-pipeline", "energy", &["emergency-management"]),
    ("HC-3", "oil-gas-pipeline", "emergency-management", &["market-regulation", "public-security"]),
    ("HC-5", "general", "transport", &["public-security"]),
    ("HC-9", "general", "housing-construction", &["market-regulation", "public-security"]),
    ("HC-10", "general", "emergency-management", &["market-regulation", "transport", "public-security"]),
    ("HC-11", "general", "emergency-management", &["industry-information", "ecology-environment", "market-regulation"]),
    ("HC-12", "general", "emergency-management", &["market-regulation", "ecology-environment", "industry-information"]),
    ("HC-12", "small-pharma", "market-regulation", &["ecology-environment", "industry-information"]),
    ("HC-13", "general", "ecology-environment", &["emergency-management", "public-security"]),
    ("HC-1", "general", "emergency-management", &["market-regulation", "public-security"]),
    ("HC-14", "general", "emergency-management", &["market-regulation", "public-security"]),
    ("HC-99", "coal", "emergency-management", &["market-regulation", "public-security"]),
    ("CE-1", "general", "industry-information", &["public-security", "market-regulation"]),
    ("CE-2", "general", "industry-information", &["public-security", "market-regulation"]),
    ("CE-3", "general", "public-security", &["transport", "industry-information"]),
    ("CE-4", "general", "public-security", &["transport", "industry-information"]),
    ("MI-1", "coal", "natural-resources", &["coal-mine-safety", "energy", "public-security"]),
    ("MI-2", "coal", "natural-resources", &["coal-mine-safety", "energy", "public-security"]),
    ("MI-3", "coal", "coal-mine-safety", &["energy", "emergency-management"]),
    ("MI-99", "coal", "coal-mine-safety", &["energy", "emergency-management"]),
    ("MI-1", "water-works", "water-resources", &["public-security", "natural-resources"]),
    ("MI-2", "water-works", "water-resources", &["public-security", "natural-resources"]),
    ("MI-2", "general", "natural-resources", &["emergency-management", "public-security"]),
    ("MI-8", "general", "emergency-management", &["natural-resources"]),
    ("MI-8", "water-works", "emergency-management", &["natural-resources"]),
    ("FS-1", "general", "housing-construction", &["fire-rescue"]),
    ("FS-1", "school", "housing-construction", &["fire-rescue", "education"]),
    ("FS-2", "general", "fire-rescue", &["public-security"]),
    ("FS-2", "school", "fire-rescue", &["public-security", "education"]),
    ("RT-1", "general", "public-security", &["transport"]),
    ("RT-2", "school", "public-security", &["transport", "education"]),
    ("RT-3", "school", "public-security", &["education", "transport"]),
    ("RT-3", "general", "transport", &["public-security"]),
    ("RT-5", "general", "transport", &["public-security"]),
    ("RT-4", "general", "transport", &["public-security"]),
    ("CO-1", "water-works", "water-resources", &["housing-construction"]),
    ("CO-2", "transport-works", "transport", &["housing-construction"]),
    ("CO-3", "power", "energy", &["housing-construction"]),
    ("CO-99", "oil-gas-pipeline", "energy", &["housing-construction"]),
    ("CO-1", "school", "housing-construction", &["education"]),
    ("CO-1", "general", "housing-construction", &["emergency-management"]),
    ("SE-1", "school", "market-regulation", &["education"]),
    ("SE-3", "general", "market-regulation", &["public-security"]),
];

#[test]
fn the_default_table_proposes_what_the_design_lists() {
    for (code, industry, lead, co_handlers) in ROWS {
        let proposal = propose(code, industry, DEN);
        assert_eq!(proposal.lead.code(), *lead, "{code} {industry}");
        assert_eq!(codes(&proposal.co_handlers), *co_handlers, "{code} {industry}");
        assert!(!proposal.basis.is_empty() && !proposal.rule.is_empty());
        assert_eq!(proposal.version, table().version());
    }
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

#[test]
fn every_act_industry_and_subject_has_a_lead_and_all_14_agencies_lead_or_help() {
    let table = table();
    let mut asked = BTreeSet::new();
    let regulators = Agency::ALL.iter().map(|agency| SubjectKind::Enterprise { regulator: Some(*agency) });
    let subjects: Vec<SubjectKind> =
        [DEN, SubjectKind::Enterprise { regulator: None }].into_iter().chain(regulators).collect();
    for act in Act::all() {
        for industry in Industry::ALL {
            for subject in &subjects {
                let proposal = table
                    .propose(None, act, *industry, *subject)
                    .unwrap_or_else(|| panic!("no lead for {act} {industry} {subject:?}"));
                assert!(!proposal.co_handlers.contains(&proposal.lead), "{act} {industry} {subject:?}");
                let distinct: BTreeSet<_> = proposal.co_handlers.iter().collect();
                assert_eq!(distinct.len(), proposal.co_handlers.len(), "{act} {industry} {subject:?}");
                if *subject == DEN {
                    asked.insert(proposal.lead);
                    asked.extend(proposal.co_handlers);
                }
            }
        }
    }
    assert_eq!(asked.len(), Agency::ALL.len());
}

/// The default table with one text replaced by another.
fn changed(from: &str, to: &str) -> Result<Table, TableError> {
    let text = include_str!("../../../../../data/routing/default.json");
    assert!(text.contains(from), "{from}");
    Table::parse(&text.replacen(from, to, 1))
}

#[test]
fn a_broken_table_is_refused_and_the_place_is_named() {
    assert!(matches!(Table::parse("{"), Err(TableError::Form(_))));
    assert!(matches!(changed("\"version\": \"2026.1\"", "\"version\": \" \""), Err(TableError::Form(_))));
    assert!(matches!(changed("\"stand_ins\"", "\"standins\""), Err(TableError::Form(_))));
    let rule = |result: Result<Table, TableError>| match result {
        Err(TableError::Rule { rule, problem }) => (rule, problem),
        other => panic!("{other:?}"),
    };
    let unknown_act = rule(changed("[\"FW-3\"]", "[\"FW-77\"]"));
    assert_eq!(unknown_act, ("fw-transport".to_owned(), "\"FW-77\" is no act".to_owned()));
    assert_eq!(rule(changed("[\"MI-*\"]", "[\"MI*\"]")).0, "mi-coal");
    let unknown_agency = rule(changed("\"lead\": \"natural-resources\"", "\"lead\": \"forestry\""));
    assert!(unknown_agency.1.contains("forestry"), "{unknown_agency:?}");
    assert_eq!(rule(changed("\"id\": \"fw\"", "\"id\": \"hc\"")).0, "hc");
    assert!(rule(changed("[\"coal\"]", "[\"gold\"]")).1.contains("gold"));
    assert!(rule(changed("\"lead\": \"usual\"", "\"lead\": \"regulator\"")).1.contains("regulator"));
}

#[test]
fn a_table_that_leaves_a_case_an_agency_or_a_rule_out_is_refused() {
    let no_lead = changed("{ \"id\": \"se\", \"acts\": [\"SE-*\"]", "{ \"id\": \"se\", \"acts\": [\"SE-1\"]");
    assert!(matches!(no_lead, Err(TableError::NoLead { act, .. }) if act == "SE-2"));
    let unreachable =
        changed("{ \"id\": \"fw-transport\", \"acts\": [\"FW-3\"]", "{ \"id\": \"fw-transport\", \"acts\": [\"FW-*\"]");
    assert_eq!(unreachable.map(|_| ()), Err(TableError::Unreachable("fw".to_owned())));
    let text =
        include_str!("../../../../../data/routing/default.json").replace("\"ecology-environment\"", "\"energy\"");
    let text = text.replace("[\"energy\", \"energy\"", "[\"energy\"");
    assert_eq!(Table::parse(&text).map(|_| ()), Err(TableError::AgencyMissing("ecology-environment".to_owned())));
}

#[test]
fn a_countys_missing_agency_is_replaced_by_its_stand_in() {
    let table =
        changed("\"stand_ins\": {}", "\"stand_ins\": {\"371371\": {\"postal\": \"transport\"}}").expect("sound");
    let without = region(Level::County, "371371");
    let with = region(Level::County, "371302");
    let lead = |county| table.propose(Some(county), act("HC-5"), Industry::PostalExpress, DEN).expect("a lead");
    assert_eq!((lead(&without).lead, codes(&lead(&without).co_handlers)), (Agency::Transport, vec!["public-security"]));
    assert_eq!(lead(&with).lead, Agency::Postal);
    assert_eq!(table.stand_in(&without, Agency::Postal), Some(Agency::Transport));
    let chain = changed(
        "\"stand_ins\": {}",
        "\"stand_ins\": {\"371371\": {\"postal\": \"energy\", \"energy\": \"transport\"}}",
    );
    assert!(matches!(chain, Err(TableError::StandIns { county, .. }) if county == "371371"));
    let nowhere = changed("\"stand_ins\": {}", "\"stand_ins\": {\"3713\": {}}");
    assert!(matches!(nowhere, Err(TableError::StandIns { .. })));
}
