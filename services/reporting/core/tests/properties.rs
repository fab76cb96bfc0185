//! Clause F1 and the table's promises as properties over random histories: every order and repetition of events gives the same table,
//! every fact is in exactly one leaf unit, and every tier adds up.

use std::collections::{BTreeMap, BTreeSet};

use dafei_kernel::{
    act::Act,
    agency::Agency,
    credit_code::CreditCode,
    owner::Post,
    region::{Level, Region},
    role::Role,
    sector::Sector,
    subject::Subject,
    time::Instant,
};
use dafei_reporting_core::{
    Column, Decided, Fact, Happening, LeafUnit, Month, Sanction, Source, Table, Tally, Unit, UnitKind,
    decided::Person,
    facts_of,
    happening::{Measure, Verdict, What},
    replacement_of,
};
use proptest::prelude::*;
use uuid::Uuid;

/// Townships with the county that administers them; the last one is coded under another county (a development zone's).
const TOWNSHIPS: [(&str, &str); 4] =
    [("371302", "371302001"), ("371302", "371302002"), ("371311", "371311001"), ("371371", "371311004")];
const ACTS: [&str; 4] = ["FW-1", "HC-2", "MI-1", "SE-99"];
const ENTERPRISES: [&str; 2] = ["91350100M000100Y43", "91371302MA3C000015"];

fn region(level: Level, code: &str) -> Region {
    Region::new(level, code).expect("a code of its level")
}

fn happening() -> impl Strategy<Value = Happening> {
    let what = prop_oneof![
        3 => (0..ACTS.len()).prop_map(|act| Drawn::Act(act, None)),
        2 => (0..ACTS.len(), any::<bool>()).prop_map(|(act, became_case)| Drawn::Act(act, Some(became_case))),
        5 => (0..3_u32, measure(), any::<bool>()).prop_map(|(id, measure, of)| Drawn::Measure(id, measure, of)),
        3 => any::<(bool, bool)>().prop_map(|(enforcement, of)| Drawn::Inspected(enforcement, of)),
        3 => prop_oneof![
            any::<bool>().prop_map(|valid| What::TipVerified { verdict: if valid { Verdict::True } else { Verdict::False } }),
            (1..1_000_000_i64).prop_map(|fen| What::RewardPaid { fen }),
            (any::<bool>(), 1..20_u32).prop_map(|(reward, copies)| What::NoticePosted { reward, copies }),
            (1..2_000_u32).prop_map(|copies| What::LeafletsDistributed { copies }),
        ].prop_map(Drawn::Plain),
    ];
    (0..6_u128, 1..20_i64, 0..TOWNSHIPS.len(), 0..7_usize, 0..63_i64, 0..ACTS.len(), what, any::<u64>()).prop_map(
        |(case, sequence, place, role, day, act, what, event)| {
            let (county, township) = TOWNSHIPS[place];
            let act: Act = ACTS[act].parse().expect("an act");
            Happening {
                about: Uuid::from_u128(case),
                case_id: Some(Uuid::from_u128(case)),
                event_id: Uuid::from_u128(u128::from(event)),
                sequence,
                path: format!("city:371300/county:{county}/township:{township}").parse().expect("a path"),
                by: post(role, county, township),
                at: Instant::from_second(1_793_000_000 + day * 86_400).expect("an instant"),
                sector: (day % 7 != 0).then(|| act.sector()),
                act: Some(act),
                source: Some(Source::GridReport),
                what: match what {
                    Drawn::Plain(what) => what,
                    Drawn::Act(act, None) => What::ActConfirmed { act: named(act) },
                    Drawn::Act(act, Some(became_case)) => {
                        let text = if named(act).needs_text() { format!("其他{}", day % 2) } else { String::new() };
                        What::ActFound { act: named(act), text, became_case }
                    }
                    Drawn::Inspected(enforcement, of) => What::Inspected { enforcement, subject: subject(of, day) },
                    Drawn::Measure(measure_id, measure, of) => {
                        What::Measure { measure_id: measure_id.to_string(), measure, subject: subject(of, day) }
                    }
                },
            }
        },
    )
}

/// What happened, before its act and subject are named.
#[derive(Debug, Clone)]
enum Drawn {
    /// An act of a case, or one that an inspection found and that may have become a case.
    Act(usize, Option<bool>),
    Measure(u32, Measure, bool),
    Inspected(bool, bool),
    Plain(What),
}

fn named(act: usize) -> Act {
    ACTS[act].parse().expect("an act")
}

fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        Just(Measure::CloseDown),
        Just(Measure::StopProduction),
        (1..10_000_000_i64).prop_map(|fen| Measure::Fine { fen }),
        (1..5_u32).prop_map(|persons| Measure::CriminalMeasure { persons }),
    ]
}

fn post(role: usize, county: &str, township: &str) -> Post {
    let (township, county, city) =
        (region(Level::Township, township), region(Level::County, county), region(Level::City, "371300"));
    let (role, region, agency) = match role {
        0 => (Role::TownshipAgency, township, Some(Agency::PublicSecurity)),
        1 => (Role::TownshipCentre, township, None),
        2 => (Role::CountyDepartment, county, Some(Agency::EmergencyManagement)),
        3 => (Role::CountyDepartment, county, Some(Agency::PublicSecurity)),
        4 => (Role::CountyOffice, county, None),
        5 => (Role::CityDepartment, city, Some(Agency::EmergencyManagement)),
        _ => (Role::CityOffice, city, None),
    };
    Post { role, region, agency }
}

fn subject(enterprise: bool, which: i64) -> Subject {
    if enterprise {
        let code = ENTERPRISES[usize::from(which % 2 == 0)];
        Subject::Enterprise {
            credit_code: CreditCode::parse(code).expect("a credit code"),
            name: "临沂某厂".to_owned(),
            regulator: None,
            industry: dafei_kernel::industry::Industry::General,
        }
    } else {
        Subject::Den {
            place: "村东头".to_owned(), position: None, industry: dafei_kernel::industry::Industry::General
        }
    }
}

fn tally<'a>(history: impl IntoIterator<Item = &'a Happening>) -> Tally {
    let mut tally = Tally::default();
    for happening in history {
        for fact in facts_of(happening).expect("every happening of these tests can be counted") {
            tally.take(fact);
        }
    }
    tally
}

fn leaves(tally: &Tally) -> BTreeSet<LeafUnit> {
    tally.facts().map(|fact| fact.leaf.clone()).collect()
}

fn months(tally: &Tally) -> BTreeSet<Month> {
    tally.facts().map(|fact| fact.month).collect()
}

fn city() -> Unit {
    Unit::new(UnitKind::CityOffice, region(Level::City, "371300"), None).expect("a unit")
}

/// Every value of a table, row by row.
fn figures(table: &Table) -> Vec<[i64; Column::COUNT]> {
    table.rows.iter().map(|(_, row)| row.values).chain([table.without_sector.values, table.total.values]).collect()
}

fn sum(tables: impl Iterator<Item = Table>) -> Vec<[i64; Column::COUNT]> {
    let mut sum = vec![[0; Column::COUNT]; Sector::ALL.len() + 2];
    for table in tables {
        for (row, values) in sum.iter_mut().zip(figures(&table)) {
            for (to, from) in row.iter_mut().zip(values) {
                *to += from;
            }
        }
    }
    sum
}

/// History, and the same events in another order, with some of them told again.
fn shuffled() -> impl Strategy<Value = (Vec<Happening>, Vec<Happening>)> {
    proptest::collection::vec(happening(), 0..60).prop_flat_map(|history| {
        let again = proptest::sample::subsequence(history.clone(), 0..=history.len());
        (Just(history.clone()), again).prop_flat_map(|(history, again)| {
            let told: Vec<Happening> = history.iter().cloned().chain(again).collect();
            (Just(history), Just(told).prop_shuffle())
        })
    })
}

proptest! {
    #[test]
    fn any_order_with_any_repetition_gives_the_same_table((history, told) in shuffled()) {
        let (once, again) = (tally(&history), tally(&told));
        prop_assert_eq!(&once, &again);
        prop_assert_eq!(once.cells(), again.cells());
        for month in months(&once) {
            prop_assert_eq!(once.table(&city(), month), again.table(&city(), month));
        }
    }

    #[test]
    fn every_fact_is_in_exactly_one_leaf_unit_and_the_leaves_sum_to_all_facts(
        history in proptest::collection::vec(happening(), 0..80)
    ) {
        let tally = tally(&history);
        let leaves = leaves(&tally);
        for fact in tally.facts() {
            prop_assert_eq!(leaves.iter().filter(|leaf| **leaf == fact.leaf).count(), 1);
            prop_assert!(city().covers(&fact.leaf));
        }
        // Counted by hand from the facts, without the cells: distinct things once per leaf unit, sector and month.
        let mut expected: BTreeMap<Column, i64> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for fact in tally.facts() {
            let Fact { leaf, month, sector, column, distinct_key, amount, .. } = fact;
            let once = distinct_key.as_ref().map(|key| (leaf, month, sector, column, key));
            if once.is_none_or(|once| seen.insert(once)) {
                *expected.entry(*column).or_default() += amount;
            }
        }
        let mut counted: BTreeMap<Column, i64> = BTreeMap::new();
        for leaf in &leaves {
            for (cell, value) in tally.cells() {
                if cell.leaf == *leaf {
                    *counted.entry(cell.column).or_default() += value;
                }
            }
        }
        prop_assert_eq!(counted, expected);
    }

    #[test]
    fn every_tier_adds_up_and_every_table_cross_foots(history in proptest::collection::vec(happening(), 0..80)) {
        let tally = tally(&history);
        for month in months(&tally) {
            // A leaf's own table; an office's own facts alone have no table, so they are summed by their cells.
            let own = |leaf: &LeafUnit| Table::of_cells(
                tally.cells().into_iter()
                    .filter(|(cell, _)| cell.leaf == *leaf && cell.month == month)
                    .map(|(cell, value)| (cell.sector, cell.column, value)),
            );
            let leaves = leaves(&tally);
            prop_assert_eq!(figures(&tally.table(&city(), month)), sum(leaves.iter().map(own)));
            for code in ["371302", "371311", "371371"] {
                let county = region(Level::County, code);
                let office = Unit::new(UnitKind::CountyOffice, county.clone(), None).expect("a unit");
                let below = leaves.iter().filter(|leaf| leaf.county() == Some(&county));
                let table = tally.table(&office, month);
                prop_assert!(table.cross_foots());
                prop_assert_eq!(figures(&table), sum(below.map(own)));
            }
        }
    }
}

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
        let what =
            What::Measure { measure_id: "m".to_owned(), measure: Measure::Fine { fen }, subject: subject(false, 0) };
        assert!(facts_of(&at(VILLAGE, 0, "371371", "371311004", what)).is_err(), "{fen}");
    }
}

#[test]
fn the_form_counts_stopped_enterprises_and_closed_dens_only() {
    let column = |measure, enterprise| {
        let what = What::Measure { measure_id: "m".to_owned(), measure, subject: subject(enterprise, 0) };
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
        let what =
            What::Measure { measure_id: id.to_owned(), measure: Measure::StopProduction, subject: subject(true, 0) };
        let mut happening = at(VILLAGE, role, "371371", "371311004", what);
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

/// Words on entries of the accountability ledger: entry, sequence, office, what becomes of two persons.
fn decided() -> impl Strategy<Value = Decided> {
    let outcome = || proptest::sample::select(vec![None, Some(Sanction::WarningTalk), Some(Sanction::HeldAccountable)]);
    let person = || (outcome(), any::<bool>(), any::<bool>());
    (0..4_u128, 1..8_i64, any::<bool>(), 0..3_i64, proptest::collection::vec(person(), 0..3)).prop_map(
        |(entry, sequence, county, month, persons)| Decided {
            entry: Uuid::from_u128(entry),
            case_id: None,
            event_id: Uuid::from_u128(entry * 100 + u128::from(sequence.unsigned_abs())),
            sequence,
            path: "city:371300/county:371302/township:371302001".parse().expect("a path"),
            by: post(if county { 4 } else { 6 }, "371302", "371302001"),
            at: Instant::from_second(1_793_000_000 + month * 2_678_400).expect("an instant"),
            sector: (entry % 2 == 0).then(|| named(0).sector()),
            persons: persons
                .into_iter()
                .enumerate()
                .map(|(number, (sanction, leading, village_secretary))| Person {
                    responsibility: "direct".to_owned(),
                    name: number.to_string(),
                    sanction,
                    leading,
                    village_secretary,
                })
                .collect(),
        },
    )
}

proptest! {
    #[test]
    fn the_last_word_on_an_entry_counts_in_whatever_order_it_comes(
        told in proptest::collection::vec(decided(), 1..30).prop_shuffle()
    ) {
        let mut tally = Tally::default();
        let mut last: BTreeMap<Uuid, &Decided> = BTreeMap::new();
        for one in &told {
            tally.replace(replacement_of(one).expect("an office files it"));
            let known = last.entry(one.entry).or_insert(one);
            if known.sequence < one.sequence {
                *known = one;
            }
        }
        for column in [Column::WarningTalks, Column::HeldAccountable] {
            let counted: i64 = tally.cells().iter().filter(|(cell, _)| cell.column == column).map(|(_, value)| value).sum();
            let persons = last.values().flat_map(|one| &one.persons);
            let leading = persons.filter(|one| one.leading && one.sanction.is_some_and(|what| what.column() == column));
            prop_assert_eq!(counted, i64::try_from(leading.count()).expect("a few"));
        }
    }
}
