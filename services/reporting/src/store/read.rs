//! What tables and their cells are read from.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::{Column, Month, Unit, UnitKind};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use super::code;

/// Place in a list of facts: after this fact.
#[derive(Debug, Clone, Copy)]
pub struct Cursor {
    /// When it happened.
    pub at: Instant,
    /// Its id.
    pub fact_id: Uuid,
}

impl Cursor {
    /// Before the first fact: 0001-01-01, where the months that tables are made for begin.
    pub const START: Self = Self { at: Instant::constant(-62_135_596_800, 0), fact_id: Uuid::nil() };
}

/// A fact with its leaf unit, as codes.
#[derive(Debug)]
#[allow(missing_docs, reason = "the columns of fact and unit")]
pub struct FactRow {
    pub fact_id: Uuid,
    pub kind: String,
    pub region_level: String,
    pub region_code: String,
    pub agency: String,
    pub sector: String,
    pub act: String,
    pub amount: i64,
    pub at: PgInstant,
    pub case_id: Option<Uuid>,
    pub event_id: Uuid,
    pub verdict: String,
    /// False when an earlier fact of the same thing stands in the same cell.
    pub counted: bool,
}

/// The leaf units whose facts a unit's table sums (see `Unit::covers`); none where nothing was ever counted.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn unit_ids(executor: impl PgExecutor<'_>, unit: &Unit) -> sqlx::Result<Vec<Uuid>> {
    let region = code(Some(unit.region()));
    match unit.kind() {
        UnitKind::CountyOffice => {
            sqlx::query_scalar!("SELECT unit_id FROM unit WHERE county = $1", region).fetch_all(executor).await
        }
        UnitKind::CityOffice => {
            sqlx::query_scalar!("SELECT unit_id FROM unit WHERE city = $1", region).fetch_all(executor).await
        }
        UnitKind::Township | UnitKind::CountyDepartment | UnitKind::CityDepartment => {
            let agency = unit.agency().map_or("", |agency| agency.code());
            sqlx::query_scalar!(
                "SELECT unit_id FROM unit WHERE kind = $1 AND region_code = $2 AND agency = $3",
                unit.kind().code(),
                region,
                agency
            )
            .fetch_all(executor)
            .await
        }
    }
}

/// A month's cells, summed over units: sector code (empty: none), column number and figure; and the totals of columns that are kept beside them.
#[derive(Debug, Default)]
pub struct Cells {
    /// By sector and column.
    pub cells: Vec<(String, i16, i64)>,
    /// By column.
    pub totals: Vec<(i16, i64)>,
}

/// A month's cells and the totals of their columns, as of one moment.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn cells(pool: &PgPool, units: &[Uuid], month: Month) -> sqlx::Result<Cells> {
    let rows = sqlx::query!(
        r#"SELECT sector AS "sector?", col AS "col!", sum(value)::bigint AS "value!"
           FROM cell WHERE unit_id = ANY($1) AND month = $2 GROUP BY sector, col
           UNION ALL
           SELECT NULL, col, sum(value)::bigint FROM cell_total WHERE unit_id = ANY($1) AND month = $2 GROUP BY col"#,
        units,
        super::month(month)
    )
    .fetch_all(pool)
    .await?;
    let mut found = Cells::default();
    for row in rows {
        match row.sector {
            Some(sector) => found.cells.push((sector, row.col, row.value)),
            None => found.totals.push((row.col, row.value)),
        }
    }
    Ok(found)
}

/// How many of a month's verified tips were true (其中属实).
///
/// # Errors
/// When PostgreSQL is away.
pub async fn verified_true(executor: impl PgExecutor<'_>, units: &[Uuid], month: Month) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT COALESCE(sum(verified_true), 0)::bigint AS "count!" FROM tip_note WHERE unit_id = ANY($1) AND month = $2"#,
        units,
        super::month(month)
    )
    .fetch_one(executor)
    .await
}

/// The facts of a column after `cursor`, oldest first, at most `limit`; of one sector when given.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn facts(
    pool: &PgPool,
    units: &[Uuid],
    month: Month,
    column: Column,
    sector: Option<&str>,
    cursor: Cursor,
    limit: i64,
) -> sqlx::Result<Vec<FactRow>> {
    sqlx::query_as!(
        FactRow,
        r#"SELECT f.fact_id, u.kind, u.region_level, u.region_code, u.agency, f.sector, f.act, f.amount,
                  f.at AS "at: PgInstant", f.case_id, f.event_id, f.verdict,
                  (f.distinct_key IS NULL OR NOT EXISTS (
                      SELECT FROM fact other
                      WHERE other.unit_id = f.unit_id AND other.month = f.month AND other.col = f.col
                        AND other.sector = f.sector AND other.distinct_key = f.distinct_key
                        AND (other.at, other.fact_id) < (f.at, f.fact_id)
                  )) AS "counted!"
           FROM fact f JOIN unit u USING (unit_id)
           WHERE f.unit_id = ANY($1) AND f.month = $2 AND f.col = $3 AND ($4::text IS NULL OR f.sector = $4)
             AND (f.at, f.fact_id) > ($5, $6)
           ORDER BY f.at, f.fact_id
           LIMIT $7"#,
        units,
        super::month(month),
        i16::from(column.number()),
        sector,
        PgInstant(cursor.at) as PgInstant,
        cursor.fact_id,
        limit
    )
    .fetch_all(pool)
    .await
}
