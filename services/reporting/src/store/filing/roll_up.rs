//! What rolls up: own cells, what an office's units come to, and the figures that were filed last.

use dafei_kernel::region::Region;
use dafei_reporting_core::{Month, Unit, UnitKind};
use sqlx::{PgConnection, PgExecutor};

use super::{Cell, agency};
use crate::store::{code, month as stored};

/// A unit's own cells as computed now, by the county (empty: none) and city that administered it when its facts happened.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn own_cells(
    executor: impl PgExecutor<'_>,
    unit: &Unit,
    month: Month,
) -> sqlx::Result<Vec<(String, String, Cell)>> {
    let rows = sqlx::query!(
        r#"SELECT u.county, u.city, c.sector, c.col, c.value
           FROM unit u JOIN cell c ON c.unit_id = u.unit_id AND c.month = $4
           WHERE u.kind = $1 AND u.region_code = $2 AND u.agency = $3 AND c.value <> 0"#,
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month)
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.county, row.city, (row.sector, row.col, row.value))).collect())
}

/// The totals of a unit's own columns, which are kept apart from its cells.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn own_totals(executor: impl PgExecutor<'_>, unit: &Unit, month: Month) -> sqlx::Result<Vec<(i16, i64)>> {
    let rows = sqlx::query!(
        r#"SELECT t.col, sum(t.value)::bigint AS "value!"
           FROM unit u JOIN cell_total t ON t.unit_id = u.unit_id AND t.month = $4
           WHERE u.kind = $1 AND u.region_code = $2 AND u.agency = $3
           GROUP BY t.col"#,
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month)
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.col, row.value)).collect())
}

/// What an office's units come to: the last version of those that have filed, and the computed cells of the others. A county whose office has
/// filed enters the city's as its office filed it.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn from_units(executor: impl PgExecutor<'_>, office: &Unit, month: Month) -> sqlx::Result<Vec<Cell>> {
    let region = code(Some(office.region()));
    match office.kind() {
        UnitKind::CountyOffice => {
            let rows = sqlx::query!(
                r#"SELECT sector AS "sector!", col AS "col!", sum(value)::bigint AS "value!" FROM (
                       SELECT c.sector, c.col, c.value FROM unit u JOIN cell c ON c.unit_id = u.unit_id AND c.month = $2
                       WHERE u.county = $1 AND u.kind IN ('township', 'county-department')
                         AND NOT EXISTS (SELECT FROM filing f WHERE f.month = $2 AND f.kind = u.kind AND f.region_code = u.region_code
                                         AND f.agency = u.agency AND f.version > 0)
                       UNION ALL
                       SELECT sector, col, value FROM filed_cell
                       WHERE month = $2 AND county = $1 AND kind IN ('township', 'county-department')) a
                   GROUP BY sector, col"#,
                region,
                stored(month)
            )
            .fetch_all(executor)
            .await?;
            Ok(rows.into_iter().map(|row| (row.sector, row.col, row.value)).collect())
        }
        UnitKind::CityOffice => {
            let rows = sqlx::query!(
                r#"WITH closed AS (
                       SELECT region_code AS county FROM filing WHERE month = $2 AND city = $1 AND kind = 'county-office' AND version > 0)
                   SELECT sector AS "sector!", col AS "col!", sum(value)::bigint AS "value!" FROM (
                       SELECT c.sector, c.col, c.value FROM unit u JOIN cell c ON c.unit_id = u.unit_id AND c.month = $2
                       WHERE u.city = $1 AND u.kind <> 'city-office' AND u.county NOT IN (SELECT county FROM closed)
                         AND NOT EXISTS (SELECT FROM filing f WHERE f.month = $2 AND f.kind = u.kind AND f.region_code = u.region_code
                                         AND f.agency = u.agency AND f.version > 0)
                       UNION ALL
                       SELECT sector, col, value FROM filed_cell
                       WHERE month = $2 AND city = $1 AND kind <> 'city-office'
                         AND (kind = 'county-office' OR county NOT IN (SELECT county FROM closed))) a
                   GROUP BY sector, col"#,
                region,
                stored(month)
            )
            .fetch_all(executor)
            .await?;
            Ok(rows.into_iter().map(|row| (row.sector, row.col, row.value)).collect())
        }
        UnitKind::Township | UnitKind::CountyDepartment | UnitKind::CityDepartment => Ok(Vec::new()),
    }
}

/// Puts the figures of the last version in the place of those of the one before; each with the county and city in which they roll up.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn roll_up(
    conn: &mut PgConnection,
    unit: &Unit,
    month: Month,
    cells: &[(String, String, Cell)],
) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM filed_cell WHERE kind = $1 AND region_code = $2 AND agency = $3 AND month = $4",
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month)
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO filed_cell (kind, region_code, agency, month, county, city, sector, col, value)
         SELECT $1, $2, $3, $4, county, city, sector, col, sum(value)::bigint
         FROM UNNEST($5::text[], $6::text[], $7::text[], $8::smallint[], $9::bigint[]) AS c (county, city, sector, col, value)
         GROUP BY county, city, sector, col",
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month),
        &cells.iter().map(|(county, _, _)| county.clone()).collect::<Vec<_>>(),
        &cells.iter().map(|(_, city, _)| city.clone()).collect::<Vec<_>>(),
        &cells.iter().map(|(_, _, cell)| cell.0.clone()).collect::<Vec<_>>(),
        &cells.iter().map(|(_, _, cell)| cell.1).collect::<Vec<_>>(),
        &cells.iter().map(|(_, _, cell)| cell.2).collect::<Vec<_>>()
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
