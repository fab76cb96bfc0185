//! The default table against the expected routes of every act and industry, for every kind of subject.
//!
//! `routes.csv` is written from the document's list of duties, not from the table: a row per act and industry with the lead, the
//! co-handlers in their order, and the lead that the act has without the rules for parcels.

use std::collections::{BTreeMap, BTreeSet};

use dafei_dispatch_core::routing::SubjectKind;
use dafei_kernel::{act::Act, agency::Agency, industry::Industry, sector::Sector};

use crate::fixture::table;

struct Expected {
    lead: Agency,
    co_handlers: Vec<Agency>,
    usual: Agency,
}

fn agency(code: &str) -> Agency {
    code.parse().expect("an agency")
}

fn expected() -> BTreeMap<(Act, Industry), Expected> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [act, industry, lead, helpers, usual] = cells.as_slice() else { panic!("{line}") };
        let key = (Act::parse(act).expect("an act"), industry.parse().expect("an industry"));
        let co_handlers = helpers.split(' ').map(agency).collect();
        (key, Expected { lead: agency(lead), co_handlers, usual: agency(usual) })
    };
    include_str!("../data/routes.csv").lines().skip(1).map(row).collect()
}

#[test]
fn every_act_of_every_sector_in_every_industry_goes_where_the_document_sends_it() {
    let expected = expected();
    assert_eq!(expected.len(), Act::all().count() * Industry::ALL.len(), "the expectation has every act and industry");
    let sectors: BTreeSet<Sector> = expected.keys().map(|(act, _)| act.sector()).collect();
    assert_eq!(sectors.len(), Sector::ALL.len());
    for ((act, industry), route) in &expected {
        for subject in [SubjectKind::Den, SubjectKind::Enterprise { regulator: None }] {
            let proposal = table().propose(None, *act, *industry, subject).expect("a lead");
            assert_eq!(proposal.lead, route.lead, "{act} {industry} {subject:?}");
            assert_eq!(proposal.co_handlers, route.co_handlers, "{act} {industry} {subject:?}");
            assert_eq!(proposal.enforcement, route.lead, "{act} {industry} {subject:?}");
        }
    }
}

#[test]
fn a_regulated_enterprise_goes_to_its_regulator_with_the_usual_lead_as_the_one_who_may_punish() {
    for ((act, industry), route) in &expected() {
        for regulator in Agency::ALL {
            let subject = SubjectKind::Enterprise { regulator: Some(*regulator) };
            let proposal = table().propose(None, *act, *industry, subject).expect("a lead");
            let (lead, co_handlers, punishes) = if *industry == Industry::PostalExpress {
                (route.lead, route.co_handlers.clone(), route.lead)
            } else {
                let helper = (route.usual != *regulator).then_some(route.usual);
                (*regulator, helper.into_iter().collect(), route.usual)
            };
            assert_eq!(proposal.lead, lead, "{act} {industry} {regulator}");
            assert_eq!(proposal.co_handlers, co_handlers, "{act} {industry} {regulator}");
            assert_eq!(proposal.enforcement, punishes, "{act} {industry} {regulator}");
        }
    }
}

#[test]
fn each_of_the_14_agencies_leads_or_helps_with_some_den() {
    let asked: BTreeSet<Agency> =
        expected().into_values().flat_map(|route| route.co_handlers.into_iter().chain([route.lead])).collect();
    assert_eq!(asked.len(), Agency::ALL.len());
}
