//! What rolls up: what a unit has itself, what an office's units come to, and what was filed last; figures, and the notes below them.

use dafei_kernel::region::Region;
use dafei_reporting_core::{Month, Unit, UnitKind};
use sqlx::{PgConnection, PgExecutor};

use super::{Cell, Here, Note, agency};
use crate::store::{NOTE, code, month as stored};

/// What a unit's own table is made of.
#[derive(Debug, Default)]
pub struct Own {
    /// Its cells, by where it lay when its facts happened.
    pub cells: Vec<(Here, Cell)>,
    /// The totals of its columns, which are kept apart from the cells.
    pub totals: Vec<(i16, i64)>,
    /// What the form notes below, by where it lay as well.
    pub notes: Vec<(Here, Note)>,
}

/// A unit's own cells, totals and notes as computed now. In one statement: between two of them a consumer may commit, and rows would not fit
/// their totals.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn own(executor: impl PgExecutor<'_>, unit: &Unit, month: Month) -> sqlx::Result<Own> {
    let rows = sqlx::query!(
        r#"WITH own AS (SELECT unit_id, county, city FROM unit WHERE kind = $1 AND region_code = $2 AND agency = $3)
           SELECT 'cell' AS "what!", o.county AS "county!", o.city AS "city!", c.sector AS "sector!", c.col AS "col!", c.value AS "value!"
           FROM own o JOIN cell c ON c.unit_id = o.unit_id AND c.month = $4 WHERE c.value <> 0
           UNION ALL
           SELECT 'total', '', '', '', t.col, sum(t.value)::bigint
           FROM own o JOIN cell_total t ON t.unit_id = o.unit_id AND t.month = $4 GROUP BY t.col
           UNION ALL
           SELECT 'note', o.county, o.city, '', n.col, sum(n.value)::bigint
           FROM own o JOIN unit_note n ON n.unit_id = o.unit_id AND n.month = $4 GROUP BY o.county, o.city, n.col"#,
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month)
    )
    .fetch_all(executor)
    .await?;
    let mut own = Own::default();
    for row in rows {
        match row.what.as_str() {
            "cell" => own.cells.push(((row.county, row.city), (row.sector, row.col, row.value))),
            "total" => own.totals.push((row.col, row.value)),
            _ => own.notes.push(((row.county, row.city), (row.col, row.value))),
        }
    }
    Ok(own)
}

/// What an office's units come to.
#[derive(Debug, Default)]
pub struct Collected {
    /// Their cells.
    pub cells: Vec<Cell>,
    /// Their notes.
    pub notes: Vec<Note>,
}

impl Collected {
    fn of(rows: impl Iterator<Item = Cell>) -> Self {
        let (notes, cells) = rows.partition::<Vec<Cell>, _>(|(_, column, _)| *column > NOTE);
        Self { cells, notes: notes.into_iter().map(|(_, column, value)| (column, value)).collect() }
    }
}

/// What an office's units come to, figures and notes alike: the last version of those that have filed, and what is computed of the others. A county
/// whose office has filed enters the city's as its office filed it.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn from_units(executor: impl PgExecutor<'_>, office: &Unit, month: Month) -> sqlx::Result<Collected> {
    let region = code(Some(office.region()));
    match office.kind() {
        UnitKind::CountyOffice => {
            let rows = sqlx::query!(
                r#"WITH open AS (
                       SELECT u.unit_id FROM unit u WHERE u.county = $1 AND u.kind IN ('township', 'county-department')
                         AND NOT EXISTS (SELECT FROM filing f WHERE f.month = $2 AND f.kind = u.kind AND f.region_code = u.region_code
                                         AND f.agency = u.agency AND f.version > 0))
                   SELECT sector AS "sector!", col AS "col!", sum(value)::bigint AS "value!" FROM (
                       SELECT c.sector, c.col, c.value FROM open JOIN cell c ON c.unit_id = open.unit_id AND c.month = $2
                       UNION ALL
                       SELECT '', n.col, n.value FROM open JOIN unit_note n ON n.unit_id = open.unit_id AND n.month = $2
                       UNION ALL
                       SELECT sector, col, value FROM filed_cell
                       WHERE month = $2 AND county = $1 AND kind IN ('township', 'county-department')
                       UNION ALL
                       SELECT '', col, value FROM filed_note
                       WHERE month = $2 AND county = $1 AND kind IN ('township', 'county-department')) a
                   GROUP BY sector, col"#,
                region,
                stored(month)
            )
            .fetch_all(executor)
            .await?;
            Ok(Collected::of(rows.into_iter().map(|row| (row.sector, row.col, row.value))))
        }
        UnitKind::CityOffice => {
            let rows = sqlx::query!(
                r#"WITH closed AS (
                       SELECT region_code AS county FROM filing WHERE month = $2 AND city = $1 AND kind = 'county-office' AND version > 0),
                   open AS (
                       SELECT u.unit_id FROM unit u
                       WHERE u.city = $1 AND u.kind <> 'city-office' AND u.county NOT IN (SELECT county FROM closed)
                         AND NOT EXISTS (SELECT FROM filing f WHERE f.month = $2 AND f.kind = u.kind AND f.region_code = u.region_code
                                         AND f.agency = u.agency AND f.version > 0))
                   SELECT sector AS "sector!", col AS "col!", sum(value)::bigint AS "value!" FROM (
                       SELECT c.sector, c.col, c.value FROM open JOIN cell c ON c.unit_id = open.unit_id AND c.month = $2
                       UNION ALL
                       SELECT '', n.col, n.value FROM open JOIN unit_note n ON n.unit_id = open.unit_id AND n.month = $2
                       UNION ALL
                       SELECT sector, col, value FROM filed_cell
                       WHERE month = $2 AND city = $1 AND kind <> 'city-office'
                         AND (kind = 'county-office' OR county NOT IN (SELECT county FROM closed))
                       UNION ALL
                       SELECT '', col, value FROM filed_note
                       WHERE month = $2 AND city = $1 AND kind <> 'city-office'
                         AND (kind = 'county-office' OR county NOT IN (SELECT county FROM closed))) a
                   GROUP BY sector, col"#,
                region,
                stored(month)
            )
            .fetch_all(executor)
            .await?;
            Ok(Collected::of(rows.into_iter().map(|row| (row.sector, row.col, row.value))))
        }
        UnitKind::Township | UnitKind::CountyDepartment | UnitKind::CityDepartment => Ok(Collected::default()),
    }
}

/// What a version rolls up with: each figure and note with the county and city in which it does.
#[derive(Debug, Default)]
pub struct Rolled {
    /// The figures.
    pub cells: Vec<(Here, Cell)>,
    /// The notes.
    pub notes: Vec<(Here, Note)>,
}

/// Puts the figures and notes of the last version in the place of those of the one before.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn roll_up(conn: &mut PgConnection, unit: &Unit, month: Month, rolled: &Rolled) -> sqlx::Result<()> {
    let (kind, region, agency, month) = (unit.kind().code(), code(Some(unit.region())), agency(unit), stored(month));
    sqlx::query!(
        "WITH notes AS (DELETE FROM filed_note WHERE kind = $1 AND region_code = $2 AND agency = $3 AND month = $4)
         DELETE FROM filed_cell WHERE kind = $1 AND region_code = $2 AND agency = $3 AND month = $4",
        kind,
        region,
        agency,
        month
    )
    .execute(&mut *conn)
    .await?;
    let cells = &rolled.cells;
    sqlx::query!(
        "INSERT INTO filed_cell (kind, region_code, agency, month, county, city, sector, col, value)
         SELECT $1, $2, $3, $4, county, city, sector, col, sum(value)::bigint
         FROM UNNEST($5::text[], $6::text[], $7::text[], $8::smallint[], $9::bigint[]) AS c (county, city, sector, col, value)
         GROUP BY county, city, sector, col",
        kind,
        region,
        agency,
        month,
        &cells.iter().map(|((county, _), _)| county.clone()).collect::<Vec<_>>(),
        &cells.iter().map(|((_, city), _)| city.clone()).collect::<Vec<_>>(),
        &cells.iter().map(|(_, cell)| cell.0.clone()).collect::<Vec<_>>(),
        &cells.iter().map(|(_, cell)| cell.1).collect::<Vec<_>>(),
        &cells.iter().map(|(_, cell)| cell.2).collect::<Vec<_>>()
    )
    .execute(&mut *conn)
    .await?;
    let notes = &rolled.notes;
    sqlx::query!(
        "INSERT INTO filed_note (kind, region_code, agency, month, county, city, col, value)
         SELECT $1, $2, $3, $4, county, city, col, sum(value)::bigint
         FROM UNNEST($5::text[], $6::text[], $7::smallint[], $8::bigint[]) AS n (county, city, col, value)
         GROUP BY county, city, col",
        kind,
        region,
        agency,
        month,
        &notes.iter().map(|((county, _), _)| county.clone()).collect::<Vec<_>>(),
        &notes.iter().map(|((_, city), _)| city.clone()).collect::<Vec<_>>(),
        &notes.iter().map(|(_, note)| note.0).collect::<Vec<_>>(),
        &notes.iter().map(|(_, note)| note.1).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The units that have facts of a month in an office's region, beside those of the roster: kind, region and agency codes.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn counted_units(
    executor: impl PgExecutor<'_>,
    office: &Unit,
    month: Month,
) -> sqlx::Result<Vec<(String, Region, String)>> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT u.kind, u.region_level, u.region_code, u.agency FROM unit u
           WHERE (($1 = 'county-office' AND u.county = $2 AND u.kind IN ('township', 'county-department'))
               OR ($1 = 'city-office' AND u.city = $2 AND u.kind IN ('county-office', 'city-department')))
             AND EXISTS (SELECT FROM cell c WHERE c.unit_id = u.unit_id AND c.month = $3)"#,
        office.kind().code(),
        code(Some(office.region())),
        stored(month)
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let region: Region = format!("{}:{}", row.region_level, row.region_code)
                .parse()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok((row.kind, region, row.agency))
        })
        .collect()
}
