//! Clause F1 and the table's promises as properties over random histories: every order and repetition of events gives the same table,
//! every fact is in exactly one leaf unit, and every tier adds up.

mod assessment;
mod disclosure;
mod evaluation;
mod histories;
mod leaves;
mod rules;
mod spot_checks;

use std::collections::{BTreeMap, BTreeSet};

use dafei_kernel::{region::Level, sector::Sector};
use dafei_reporting_core::{
    Column, Decided, Fact, Happening, LeafUnit, Month, Table, Tally, Unit, UnitKind, facts_of, replacement_of,
};
use histories::{decided, happening, region};
use proptest::prelude::*;
use uuid::Uuid;

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
                let totals = Column::ALL.map(|column| (column, table.total.value(column)));
                prop_assert!(table.differs_from(&totals).is_empty());
                prop_assert_eq!(figures(&table), sum(below.map(own)));
            }
        }
    }
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
