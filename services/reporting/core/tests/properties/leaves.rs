//! Clause F1 against all leaf units that the city can have, which are listed here and not taken from the facts.

use std::collections::BTreeMap;

use dafei_kernel::{agency::Agency, region::Level};
use dafei_reporting_core::{
    Column, Decided, Fact, Happening, LeafUnit, Table, Tally, Unit, UnitKind, facts_of, replacement_of,
};
use proptest::prelude::*;

use crate::{
    city,
    histories::{TOWNSHIPS, decided, happening, region},
    months,
};

/// Townships, two departments and the office of each county, a department and the office of the city.
fn all_leaves() -> Vec<LeafUnit> {
    let leaf = |kind, level, code, agency, path: &str| {
        let unit = Unit::new(kind, region(level, code), agency).expect("a unit");
        LeafUnit::within(unit, &path.parse().expect("a path")).expect("a leaf of the path")
    };
    let path = |county: &str, township: &str| format!("city:371300/county:{county}/township:{township}");
    let mut leaves = Vec::new();
    for (county, township) in TOWNSHIPS {
        leaves.push(leaf(UnitKind::Township, Level::Township, township, None, &path(county, township)));
    }
    for county in ["371302", "371311", "371371"] {
        let path = format!("city:371300/county:{county}");
        for agency in [Agency::EmergencyManagement, Agency::PublicSecurity] {
            leaves.push(leaf(UnitKind::CountyDepartment, Level::County, county, Some(agency), &path));
        }
        leaves.push(leaf(UnitKind::CountyOffice, Level::County, county, None, &path));
    }
    let agency = Some(Agency::EmergencyManagement);
    leaves.push(leaf(UnitKind::CityDepartment, Level::City, "371300", agency, "city:371300"));
    leaves.push(leaf(UnitKind::CityOffice, Level::City, "371300", None, "city:371300"));
    leaves
}

/// What was told, in any order: happenings, some of them twice, and words on the accountability ledger.
fn history() -> impl Strategy<Value = (Vec<Happening>, Vec<Decided>)> {
    let told = proptest::collection::vec(happening(), 0..60).prop_flat_map(|history| {
        let again = proptest::sample::subsequence(history.clone(), 0..=history.len());
        again.prop_flat_map(move |again| Just([history.clone(), again].concat()).prop_shuffle())
    });
    (told, proptest::collection::vec(decided(), 0..12))
}

fn counted((told, decided): &(Vec<Happening>, Vec<Decided>)) -> Tally {
    let mut tally = Tally::default();
    for fact in told.iter().flat_map(|happening| facts_of(happening).expect("it can be counted")) {
        tally.take(fact);
    }
    for decided in decided {
        tally.replace(replacement_of(decided).expect("an office files it"));
    }
    tally
}

/// Of each column, what its facts come to: in distinct columns how many different things each leaf unit has in a sector and month.
fn by_hand(tally: &Tally) -> BTreeMap<Column, i64> {
    let mut figures: BTreeMap<Column, i64> = BTreeMap::new();
    let facts: Vec<&Fact> = tally.facts().collect();
    let place = |fact: &Fact| (fact.leaf.clone(), fact.month, fact.sector, fact.column, fact.distinct_key.clone());
    for (index, fact) in facts.iter().enumerate() {
        if fact.distinct_key.is_none() || !facts[..index].iter().any(|other| place(other) == place(fact)) {
            *figures.entry(fact.column).or_default() += fact.amount;
        }
    }
    figures
}

fn total(tables: impl IntoIterator<Item = Table>) -> BTreeMap<Column, i64> {
    let mut figures: BTreeMap<Column, i64> = BTreeMap::new();
    for table in tables {
        for column in Column::ALL {
            *figures.entry(column).or_default() += table.total.value(column);
        }
    }
    figures.retain(|_, value| *value != 0);
    figures
}

proptest! {
    #[test]
    fn the_leaf_units_figures_sum_to_what_was_counted_and_each_fact_is_in_one_of_them(history in history()) {
        let (tally, leaves) = (counted(&history), all_leaves());
        for fact in tally.facts() {
            prop_assert_eq!(leaves.iter().filter(|leaf| **leaf == fact.leaf).count(), 1, "{:?}", fact.leaf);
        }
        let of_leaf = |leaf: &LeafUnit, month| Table::of_cells(
            tally.cells().into_iter().filter(|(cell, _)| cell.leaf == *leaf && cell.month == month)
                .map(|(cell, value)| (cell.sector, cell.column, value)),
        );
        let months = months(&tally);
        let tables = leaves.iter().flat_map(|leaf| months.iter().map(move |month| of_leaf(leaf, *month)));
        prop_assert_eq!(total(tables), by_hand(&tally));
        let of_city = months.iter().map(|month| tally.table(&city(), *month));
        prop_assert_eq!(total(of_city), by_hand(&tally));
    }

    #[test]
    fn a_fact_is_in_the_tables_of_its_leaf_of_the_county_s_office_and_of_the_city_s_and_in_no_other(history in history()) {
        let tally = counted(&history);
        let mut units: Vec<Unit> = all_leaves().iter().map(|leaf| leaf.unit().clone()).collect();
        units.sort();
        units.dedup();
        for fact in tally.facts() {
            let mut expected = vec![fact.leaf.unit().clone(), city()];
            if let Some(county) = fact.leaf.county() {
                expected.push(Unit::new(UnitKind::CountyOffice, county.clone(), None).expect("a unit"));
            }
            expected.sort();
            expected.dedup();
            let covering: Vec<Unit> = units.iter().filter(|unit| unit.covers(&fact.leaf)).cloned().collect();
            prop_assert_eq!(covering, expected);
        }
    }
}
