//! What counts, how much, and where.

use dafei_kernel::{region::Level, role::Role, sector::Sector};
use dafei_reporting_core::{
    Column, Happening, Unit, UnitKind, facts_of,
    happening::{Measure, Verdict, What},
};
use uuid::Uuid;

use crate::{
    city,
    histories::{ENTERPRISES, named, post, region, subject},
    tally,
};

fn at(path: &str, role: usize, county: &str, township: &str, what: What) -> Happening {
    Happening {
        about: Uuid::from_u128(1),
        case_id: Some(Uuid::from_u128(1)),
        event_id: Uuid::from_u128(2),
        sequence: 1,
        path: path.parse().expect("a path"),
        by: post(role, county, township),
        at: "2026-11-03T10:00:00+08:00".parse().expect("an instant"),
        sector: Some(Sector::ALL[0]),
        act: None,
        source: None,
        what,
    }
}

fn measured(id: &str, measure: Measure, enterprise: bool) -> What {
    What::Measure { measure_id: id.to_owned(), measure, subject: subject(enterprise, 0), lead: None }
}

fn confirmed() -> What {
    What::ActConfirmed { act: "FW-1".parse().expect("an act") }
}

const VILLAGE: &str = "city:371300/county:371371/township:371311004/village:371311004001";

#[test]
fn a_fact_belongs_to_who_did_it_and_a_case_handed_up_to_the_county_department() {
    let unit = |role| {
        let facts = facts_of(&at(VILLAGE, role, "371371", "371311004", confirmed())).expect("countable");
        facts[0].leaf.unit().to_string()
    };
    assert_eq!(unit(0), "township 371311004");
    assert_eq!(unit(1), "township 371311004");
    assert_eq!(unit(2), "county-department 371371 emergency-management");
    assert_eq!(unit(4), "county-office 371371");
    assert_eq!(unit(5), "city-department 371300 emergency-management");
    assert_eq!(unit(6), "city-office 371300");
}

#[test]
fn a_township_coded_under_another_county_counts_in_the_county_that_administers_it() {
    let facts = facts_of(&at(VILLAGE, 0, "371371", "371311004", confirmed())).expect("countable");
    let office = |code| Unit::new(UnitKind::CountyOffice, region(Level::County, code), None).expect("a unit");
    assert!(office("371371").covers(&facts[0].leaf));
    assert!(!office("371311").covers(&facts[0].leaf));
}

#[test]
fn who_does_not_lie_on_the_case_s_path_or_files_nothing_is_refused_and_not_dropped() {
    assert!(facts_of(&at(VILLAGE, 2, "371302", "371302001", confirmed())).is_err());
    let mut bank = at(VILLAGE, 0, "371371", "371311004", confirmed());
    bank.by.role = Role::Bank;
    assert!(facts_of(&bank).is_err());
}

#[test]
fn an_amount_that_no_fine_can_have_is_refused() {
    for fen in [0, -1, i64::MAX] {
        let what = measured("m", Measure::Fine { fen }, false);
        assert!(facts_of(&at(VILLAGE, 0, "371371", "371311004", what)).is_err(), "{fen}");
    }
}

#[test]
fn criminal_measures_are_the_lead_s_where_it_is_told_and_all_other_measures_are_whose_they_are() {
    let unit = |measure, enterprise, led_by: Option<usize>| {
        let lead = led_by.map(|role| post(role, "371371", "371311004"));
        let what = What::Measure { measure_id: "m".to_owned(), measure, subject: subject(enterprise, 0), lead };
        let facts = facts_of(&at(VILLAGE, 3, "371371", "371311004", what)).expect("countable");
        facts[0].leaf.unit().to_string()
    };
    let (own, of_lead) = ("county-department 371371 public-security", "county-department 371371 emergency-management");
    assert_eq!(unit(Measure::CriminalMeasure { persons: 3 }, false, Some(2)), of_lead);
    assert_eq!(unit(Measure::CriminalMeasure { persons: 3 }, false, None), own);
    assert_eq!(unit(Measure::Fine { fen: 100 }, false, Some(2)), own);
    assert_eq!(unit(Measure::StopProduction, true, Some(2)), own);
    assert_eq!(unit(Measure::CloseDown, false, Some(2)), own);
}

#[test]
fn the_form_counts_stopped_enterprises_and_closed_dens_only() {
    let column = |measure, enterprise| {
        let what = measured("m", measure, enterprise);
        facts_of(&at(VILLAGE, 0, "371371", "371311004", what)).expect("countable").first().map(|fact| fact.column)
    };
    assert_eq!(column(Measure::StopProduction, true), Some(Column::StoppedEnterprises));
    assert_eq!(column(Measure::StopProduction, false), None);
    assert_eq!(column(Measure::CloseDown, false), Some(Column::ClosedDens));
    assert_eq!(column(Measure::CloseDown, true), None);
}

#[test]
fn an_enterprise_stopped_twice_by_one_unit_in_a_month_counts_once_and_by_two_units_twice() {
    let stop = |id: &str, case, role, sequence| {
        let mut happening = at(VILLAGE, role, "371371", "371311004", measured(id, Measure::StopProduction, true));
        (happening.about, happening.sequence) = (Uuid::from_u128(case), sequence);
        happening
    };
    let history = [stop("a", 1, 2, 1), stop("b", 1, 2, 2), stop("c", 2, 2, 1), stop("d", 3, 3, 1)];
    let table = tally(&history).table(&city(), "2026-11".parse().expect("a month"));
    assert_eq!(table.total.value(Column::StoppedEnterprises), 2);
}

fn one_fact(what: What) -> Option<(Column, i64, Option<String>)> {
    let facts = facts_of(&at(VILLAGE, 0, "371371", "371311004", what)).expect("countable");
    facts.into_iter().next().map(|fact| (fact.column, fact.amount, fact.distinct_key))
}

#[test]
fn an_enforcement_inspection_counts_its_enterprise_and_no_den_and_a_daily_one_nobody() {
    let inspected =
        |enforcement, enterprise| one_fact(What::Inspected { enforcement, subject: subject(enterprise, 1) });
    assert_eq!(inspected(true, true), Some((Column::InspectedEnterprises, 1, Some(ENTERPRISES[0].to_owned()))));
    assert_eq!(inspected(true, false), None);
    assert_eq!(inspected(false, true), None);
}

#[test]
fn an_act_that_an_inspection_found_counts_unless_it_became_a_case() {
    let found = |became_case| What::ActFound { act: named(0), text: String::new(), became_case };
    assert_eq!(one_fact(found(false)), Some((Column::IllegalActs, 1, None)));
    assert_eq!(one_fact(found(true)), None);
    // Two other acts of one inspection are two.
    let other = |text: &str| What::ActFound { act: named(3), text: text.to_owned(), became_case: false };
    let history = ["甲", "乙", "甲"].map(|text| at(VILLAGE, 0, "371371", "371311004", other(text)));
    assert_eq!(tally(&history).facts().count(), 2);
}

#[test]
fn a_tip_is_counted_once_with_the_verdict_that_was_told_first() {
    let verified = |case, sequence, verdict| {
        let mut happening = at(VILLAGE, 2, "371371", "371311004", What::TipVerified { verdict });
        (happening.about, happening.case_id) = (Uuid::from_u128(9), Some(Uuid::from_u128(case)));
        happening.sequence = sequence;
        happening
    };
    let tally = tally(&[verified(2, 7, Verdict::False), verified(1, 3, Verdict::True)]);
    let facts: Vec<_> = tally.facts().map(|fact| (fact.column, fact.verdict)).collect();
    assert_eq!(facts, [(Column::VerifiedTips, Some(Verdict::True))]);
}

#[test]
fn reward_notices_leaflets_and_rewards_add_up_and_work_notices_do_not_count() {
    let posted = |reward| one_fact(What::NoticePosted { reward, copies: 3 });
    assert_eq!(posted(true), Some((Column::NoticesPosted, 3, None)));
    assert_eq!(posted(false), None);
    assert_eq!(one_fact(What::LeafletsDistributed { copies: 250 }), Some((Column::LeafletsHandedOut, 250, None)));
    assert_eq!(one_fact(What::RewardPaid { fen: 500_000 }), Some((Column::RewardsPaid, 500_000, None)));
}
