//! Small cells as an attack (clause F5): whoever has all released tables of a city, and knows the rules, narrows no protected cell to fewer
//! counts than the threshold.

use std::collections::{BTreeMap, BTreeSet};

use dafei_kernel::sector::Sector;
use dafei_reporting_core::{
    Column, Table, UnitKind,
    disclosure::{HIDDEN, Rules},
};
use proptest::prelude::*;

const COLUMN: Column = Column::VerifiedTips;
/// Rows that have counts: two sectors, and what names none. The others are treated alike.
const ROWS: usize = 3;
/// No table of these tests has a larger figure.
const ANY: i64 = 10_000;

/// Some of what is counted at one leaf unit in one row, a bit each.
type Atoms = u64;

/// What the attacker knows of the sum of some atoms.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    of: Atoms,
    least: i64,
    most: i64,
}

/// A cell of a released table.
struct Cell {
    of: Atoms,
    kind: UnitKind,
    /// 合计, or a row.
    total: bool,
    text: String,
}

/// Counties with the counts of their leaf units (the office, and townships and departments), and the city's own leaves, of which its office is one.
#[derive(Debug, Clone)]
struct City {
    counties: Vec<Vec<[i64; ROWS]>>,
    own: Vec<[i64; ROWS]>,
}

fn leaf() -> impl Strategy<Value = [i64; ROWS]> {
    let count = prop_oneof![12 => Just(0_i64), 3 => 1..3_i64, 1 => 3..9_i64];
    proptest::collection::vec(count, ROWS).prop_map(|counts| counts.try_into().expect("as many as rows"))
}

fn city() -> impl Strategy<Value = City> {
    let leaves = || proptest::collection::vec(leaf(), 2..6);
    (proptest::collection::vec(leaves(), 0..4), proptest::collection::vec(leaf(), 1..4))
        .prop_map(|(counties, own)| City { counties, own })
}

fn row(at: usize) -> Option<Sector> {
    Sector::ALL[..ROWS - 1].get(at).copied()
}

type Publish<'a> = &'a dyn Fn(UnitKind, &Table) -> Vec<Vec<String>>;

/// By the rules: the texts of each row with counts, and of 合计.
fn by_rules(rules: &Rules) -> impl Fn(UnitKind, &Table) -> Vec<Vec<String>> {
    let rules = rules.clone();
    move |kind, table| {
        let published = rules.publish(kind, table);
        let rows = published.rows.into_iter().map(|(_, texts)| texts).take(ROWS - 1);
        rows.chain([published.without_sector, published.total]).collect()
    }
}

/// All tables of a city, as released.
fn released(city: &City, publish: Publish<'_>) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut first = 0;
    let mut all: Vec<(usize, [i64; ROWS])> = Vec::new();
    let mut release = |kind, leaves: &[(usize, [i64; ROWS])]| {
        let counts = leaves.iter().flat_map(|(_, counts)| counts.iter().enumerate());
        let table = Table::of_cells(counts.map(|(at, count)| (row(at), COLUMN, *count)));
        for (at, texts) in publish(kind, &table).iter().enumerate() {
            let rows = if at < ROWS { at..at + 1 } else { 0..ROWS };
            let atoms = leaves.iter().flat_map(|(first, _)| rows.clone().map(move |row| 1 << (first + row)));
            let of = atoms.fold(0, |all: Atoms, atom: Atoms| all | atom);
            cells.push(Cell { of, kind, total: at == ROWS, text: texts[COLUMN.index()].clone() });
        }
    };
    let mut numbered = |leaves: &[[i64; ROWS]]| {
        let numbered: Vec<_> = leaves.iter().enumerate().map(|(at, counts)| (first + at * ROWS, *counts)).collect();
        first += leaves.len() * ROWS;
        numbered
    };
    for county in &city.counties {
        let leaves = numbered(county);
        for leaf in &leaves {
            release(UnitKind::Township, std::slice::from_ref(leaf));
        }
        release(UnitKind::CountyOffice, &leaves);
        all.extend(leaves);
    }
    let own = numbered(&city.own);
    for leaf in &own {
        release(UnitKind::CityDepartment, std::slice::from_ref(leaf));
    }
    all.extend(own);
    release(UnitKind::CityOffice, &all);
    cells
}

/// Which counts the rules hide in such a cell, had it nothing else beside it.
fn hidden_counts(cell: &Cell, publish: Publish<'_>) -> Option<(i64, i64)> {
    let text = |count| {
        let table = Table::of_cells([(row(0), COLUMN, count)]);
        publish(cell.kind, &table)[if cell.total { ROWS } else { 0 }][COLUMN.index()].clone()
    };
    let hidden: Vec<i64> = (0..60).filter(|count| text(*count) == HIDDEN).collect();
    Some((*hidden.first()?, if hidden.len() == 60 { ANY } else { *hidden.last()? }))
}

const fn within(part: Atoms, whole: Atoms) -> bool {
    part & !whole == 0
}

/// All that follows from sums: what is left of a sum without a part of it, and what two sums without a common part come to.
fn attack(cells: &[Cell], publish: Publish<'_>) -> BTreeSet<Known> {
    let mut hidden: BTreeMap<(UnitKind, bool), Option<(i64, i64)>> = BTreeMap::new();
    let told = cells.iter().filter_map(|cell| {
        let (least, most) = match cell.text.parse::<i64>() {
            Ok(figure) => (figure, figure),
            Err(_) => (*hidden.entry((cell.kind, cell.total)).or_insert_with(|| hidden_counts(cell, publish)))?,
        };
        Some(Known { of: cell.of, least, most })
    });
    let mut known: BTreeSet<Known> = told.filter(|known| (known.least, known.most) != (0, ANY)).collect();
    for _ in 0..3 {
        let mut new = Vec::new();
        for one in &known {
            for other in &known {
                if one.of != other.of && within(other.of, one.of) {
                    let (least, most) = ((one.least - other.most).max(0), one.most - other.least);
                    new.push(Known { of: one.of & !other.of, least, most });
                } else if one.of & other.of == 0 {
                    let (least, most) = (one.least + other.least, one.most + other.most);
                    new.push(Known { of: one.of | other.of, least, most });
                }
            }
        }
        let before = known.len();
        known.extend(new);
        if known.len() == before || known.len() > 200 {
            break;
        }
    }
    known
}

/// How many counts a protected cell can still have; the least of all cells.
fn narrowest(city: &City, publish: Publish<'_>) -> Option<i64> {
    let cells = released(city, publish);
    let known = attack(&cells, publish);
    let width = |cell: &Cell| {
        let parts = known.iter().filter(|known| within(known.of, cell.of)).map(|known| known.least);
        let wholes = known.iter().filter(|known| within(cell.of, known.of)).map(|known| known.most);
        wholes.min().unwrap_or(ANY) - parts.max().unwrap_or(0) + 1
    };
    cells.iter().filter(|cell| cell.text == HIDDEN).map(width).min()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_protected_cell_is_narrowed_below_the_threshold(city in city(), threshold in 2..7_i64) {
        let text = format!(r#"{{"version":"1","threshold":{threshold},"columns":[5,6,8]}}"#);
        let rules = Rules::parse(&text).expect("rules");
        if let Some(width) = narrowest(&city, &by_rules(&rules)) {
            prop_assert!(width >= threshold, "a cell has one of {width} counts");
        }
    }
}

/// One township of a county has one tip, the other four.
fn two_townships() -> City {
    let leaf = |count| [0, count, 0];
    City { counties: vec![vec![leaf(1), leaf(4)]], own: vec![[0; ROWS]] }
}

#[test]
fn the_attack_breaks_rules_that_hide_small_counts_alone() {
    let hides_small = |_: UnitKind, table: &Table| {
        let row = |values: &[i64; 12]| {
            values
                .iter()
                .map(|value| if (1..3).contains(value) { HIDDEN.to_owned() } else { value.to_string() })
                .collect()
        };
        let rows = table.rows.iter().map(|(_, row)| &row.values).take(ROWS - 1);
        rows.chain([&table.without_sector.values, &table.total.values]).map(row).collect()
    };
    assert_eq!(narrowest(&two_townships(), &hides_small), Some(1), "5 - 4 = 1");
}

#[test]
fn amounts_of_protected_columns_are_in_no_table() {
    let rules = Rules::parse(r#"{"version":"1","threshold":2,"columns":[4,6,8]}"#).expect("rules");
    let table = Table::of_cells([(row(1), Column::Fines, 7_000_000), (row(1), Column::RewardsPaid, 90_000_000)]);
    for kind in UnitKind::ALL {
        for texts in by_rules(&rules)(kind, &table) {
            assert_eq!((texts[3].as_str(), texts[7].as_str()), (HIDDEN, HIDDEN), "{kind:?}");
        }
    }
}
