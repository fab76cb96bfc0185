//! The tables of a random city-year against a calculation that shares no code with the service: plain SQL over the raw log's JSON.

use std::collections::{BTreeMap, BTreeSet};

use dafei_contracts::reporting::v1::{FilingUnit, GetMonthlyTableResponse};
use dafei_reporting::counting;

use crate::{
    city_year::city_year,
    events::{at, kind},
    world::{World, unit},
};

/// A cell of a leaf unit as the independent calculation has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
struct Cell {
    kind: String,
    agency: String,
    county: String,
    township: String,
    month: String,
    sector: String,
    col: i32,
    value: i64,
}

async fn calculated(world: &World) -> Vec<Cell> {
    let mut cells: Vec<Cell> =
        sqlx::query_as(include_str!("independent.sql")).fetch_all(&world.db.pool).await.expect("cells");
    cells.sort();
    cells
}

/// The cells that are served.
async fn served(world: &World) -> Vec<Cell> {
    let mut cells: Vec<Cell> = sqlx::query_as(
        "SELECT kind, agency, county, CASE WHEN kind = 'township' THEN region_code ELSE '' END AS township,
                substr(month::text, 1, 4) || '-' || substr(month::text, 5) AS month, sector, col::integer, value
         FROM cell JOIN unit USING (unit_id) WHERE value <> 0",
    )
    .fetch_all(&world.db.pool)
    .await
    .expect("cells");
    cells.sort();
    cells
}

/// Whether a cell is in a unit's table.
type Covers = Box<dyn Fn(&Cell) -> bool>;

/// Every filing unit of the roster's city with something to file: the leaves, the counties' offices, the city's.
fn units(cells: &[Cell]) -> Vec<(FilingUnit, Covers)> {
    let mut units: Vec<(FilingUnit, Covers)> = vec![(unit("city-office", "city:371300", ""), Box::new(|_| true))];
    for county in ["371302", "371311", "371371"] {
        let office = unit("county-office", &format!("county:{county}"), "");
        units.push((office, Box::new(move |cell| cell.county == county)));
    }
    let leaves: BTreeSet<_> =
        cells.iter().map(|cell| (&cell.kind, &cell.agency, &cell.county, &cell.township)).collect();
    for (kind, agency, county, township) in leaves {
        let region = match kind.as_str() {
            "township" => format!("township:{township}"),
            "county-department" => format!("county:{county}"),
            "city-department" => "city:371300".to_owned(),
            // An office's own facts are in the sum of all below it.
            _ => continue,
        };
        let leaf = (kind.clone(), agency.clone(), county.clone(), township.clone());
        let of_leaf = move |cell: &Cell| {
            (&leaf.0, &leaf.1, &leaf.2, &leaf.3) == (&cell.kind, &cell.agency, &cell.county, &cell.township)
        };
        units.push((unit(kind, &region, agency), Box::new(of_leaf)));
    }
    units
}

/// Sector and column, and the figure; the notes as columns over 100, the total as a sector of its own.
type Figures = BTreeMap<(String, i32), i64>;

fn figures(table: &GetMonthlyTableResponse) -> Figures {
    let mut figures = Figures::new();
    let named = table.rows.iter().map(|row| (row.sector.as_str(), row));
    let rest = [("", table.without_sector.as_ref()), ("total", table.total.as_ref())];
    let rest = rest.into_iter().map(|(name, row)| (name, row.expect("a row")));
    for (name, row) in named.chain(rest) {
        for (column, value) in (1..).zip(&row.values) {
            figures.insert((name.to_owned(), column), *value);
        }
    }
    let notes =
        [(106, table.verified_true), (109, table.secretaries_warned), (110, table.secretaries_held_accountable)];
    figures.extend(notes.map(|(column, value)| ((String::new(), column), value)));
    figures.retain(|_, value| *value != 0);
    figures
}

fn expected<'a>(cells: impl Iterator<Item = &'a Cell>) -> Figures {
    let mut figures = Figures::new();
    for cell in cells {
        *figures.entry((cell.sector.clone(), cell.col)).or_default() += cell.value;
        if cell.col < 100 {
            *figures.entry(("total".to_owned(), cell.col)).or_default() += cell.value;
        }
    }
    figures
}

async fn compare(seed: u64) {
    let world = World::start().await;
    world.clock.set(at("2027-01-05T12:00:00+08:00"));
    let told = city_year(seed);
    world.tell(&told).await;
    let letters: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM dead_letter").fetch_all(&world.db.pool).await.expect("letters");
    assert_eq!((letters, world.parked().await), (Vec::new(), 0), "seed {seed}");
    let counted: BTreeSet<_> =
        told.iter().filter(|told| counting::counts(kind(told))).map(|told| told.event_id).collect();
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM received").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(usize::try_from(kept).expect("a count"), counted.len());

    let cells = calculated(&world).await;
    let in_columns: Vec<Cell> = cells.iter().filter(|cell| cell.col < 100).cloned().collect();
    let columns: BTreeSet<i32> = cells.iter().map(|cell| cell.col).collect();
    assert_eq!(columns, (1..=12).chain([106, 109, 110]).collect(), "the year has something of everything");
    assert_eq!(served(&world).await, in_columns, "seed {seed}");
    for (unit, covers) in units(&cells) {
        for month in (1..=12).map(|month| format!("2026-{month:02}")) {
            let table = world.table(unit.clone(), &month).await;
            let of_month = cells.iter().filter(|cell| cell.month == month && covers(cell));
            assert_eq!(figures(&table), expected(of_month), "seed {seed}, {unit:?}, {month}");
        }
    }
}

#[tokio::test]
async fn every_cell_of_every_unit_and_month_is_as_an_independent_calculation_has_it() {
    compare(1).await;
}

#[tokio::test]
async fn so_it_is_in_another_year() {
    compare(20_261_129).await;
}
