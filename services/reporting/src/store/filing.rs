//! Filings: what units corrected and filed, and what rolls up of it.

mod roll_up;

use dafei_kernel::{
    owner::Post,
    region::{Level, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::{Month, Unit, filing::Correction};
use sqlx::{PgConnection, PgExecutor, types::Json};

use super::{code, month as stored};

pub use roll_up::{Collected, Own, Rolled, counted_units, from_units, own, roll_up};

/// A stored cell: sector code (empty: none), column number, figure.
pub type Cell = (String, i16, i64);
/// A stored note: the number of its column and [`NOTE`](super::NOTE), and its figure.
pub type Note = (i16, i64);
/// Where something rolls up: codes of the county (empty: none) and the city.
pub type Here = (String, String);

/// How a unit stands, as stored.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// 0: nothing is filed.
    pub version: i32,
    /// When the first version was filed.
    pub first_filed_at: Option<Instant>,
    /// When the last version was filed.
    pub last_filed_at: Option<Instant>,
    /// Of the draft that was filed last.
    pub digest: String,
    /// Head of the chain of its events.
    pub chain_head: String,
}

fn agency(unit: &Unit) -> &'static str {
    unit.agency().map_or("", |agency| agency.code())
}

fn place(path: &RegionPath) -> (String, String) {
    (code(path.at(Level::County)), code(path.at(Level::City)))
}

/// Makes a unit's row where there is none, and locks it: whoever corrects or files is alone with it.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn lock(conn: &mut PgConnection, unit: &Unit, path: &RegionPath, month: Month) -> sqlx::Result<Standing> {
    let (county, city) = place(path);
    let row = sqlx::query!(
        r#"INSERT INTO filing (kind, region_code, agency, month, county, city) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (month, kind, region_code, agency) DO UPDATE SET county = excluded.county, city = excluded.city
           RETURNING version, first_filed_at AS "first_filed_at: PgInstant", last_filed_at AS "last_filed_at: PgInstant", digest,
                     chain_head"#,
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month),
        county,
        city
    )
    .fetch_one(conn)
    .await?;
    Ok(Standing {
        version: row.version,
        first_filed_at: row.first_filed_at.map(Instant::from),
        last_filed_at: row.last_filed_at.map(Instant::from),
        digest: row.digest,
        chain_head: row.chain_head,
    })
}

/// How these units stand with a month, in their order.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn standings(executor: impl PgExecutor<'_>, units: &[Unit], month: Month) -> sqlx::Result<Vec<Standing>> {
    let rows = sqlx::query!(
        r#"SELECT u.number AS "number!", f.version, f.first_filed_at AS "first_filed_at: PgInstant",
                  f.last_filed_at AS "last_filed_at: PgInstant", f.digest, f.chain_head
           FROM UNNEST($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u (kind, region_code, agency, number)
           JOIN filing f ON f.month = $4 AND f.kind = u.kind AND f.region_code = u.region_code AND f.agency = u.agency"#,
        &units.iter().map(|unit| unit.kind().code()).collect::<Vec<_>>() as &[&str],
        &units.iter().map(|unit| code(Some(unit.region()))).collect::<Vec<_>>(),
        &units.iter().map(agency).collect::<Vec<_>>() as &[&str],
        stored(month)
    )
    .fetch_all(executor)
    .await?;
    let mut found = vec![Standing::default(); units.len()];
    for row in rows {
        if let Some(slot) = usize::try_from(row.number - 1).ok().and_then(|at| found.get_mut(at)) {
            *slot = Standing {
                version: row.version,
                first_filed_at: row.first_filed_at.map(Instant::from),
                last_filed_at: row.last_filed_at.map(Instant::from),
                digest: row.digest,
                chain_head: row.chain_head,
            };
        }
    }
    Ok(found)
}

/// A correction as stored: its cell by codes.
#[derive(Debug, Clone)]
pub struct CorrectionRow {
    /// Sector code, empty: none.
    pub sector: String,
    /// Column number.
    pub col: i16,
    /// What is added.
    pub amount: i64,
    /// Why.
    pub reason: String,
    /// By whom.
    pub by: Post,
    /// When.
    pub at: Instant,
}

/// The corrections of a unit and month, by sector and column.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn corrections(executor: impl PgExecutor<'_>, unit: &Unit, month: Month) -> sqlx::Result<Vec<CorrectionRow>> {
    let rows = sqlx::query!(
        r#"SELECT sector, col, amount, reason, corrected_by AS "by: Json<Post>", corrected_at AS "at: PgInstant" FROM filing_correction
           WHERE kind = $1 AND region_code = $2 AND agency = $3 AND month = $4 ORDER BY sector, col"#,
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month)
    )
    .fetch_all(executor)
    .await?;
    let correction = |sector, col, amount, reason, by: Json<Post>, at: PgInstant| CorrectionRow {
        sector,
        col,
        amount,
        reason,
        by: by.0,
        at: at.0,
    };
    Ok(rows.into_iter().map(|row| correction(row.sector, row.col, row.amount, row.reason, row.by, row.at)).collect())
}

/// Sets the correction of a cell, in the place of one that was there; an amount of 0 removes it.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn correct(conn: &mut PgConnection, unit: &Unit, month: Month, correction: &Correction) -> sqlx::Result<()> {
    let sector = correction.sector.map_or("", |sector| sector.code());
    let column = i16::from(correction.column.number());
    if correction.amount == 0 {
        sqlx::query!(
            "DELETE FROM filing_correction WHERE kind = $1 AND region_code = $2 AND agency = $3 AND month = $4 AND sector = $5 AND col = $6",
            unit.kind().code(),
            code(Some(unit.region())),
            agency(unit),
            stored(month),
            sector,
            column
        )
        .execute(conn)
        .await?;
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO filing_correction (kind, region_code, agency, month, sector, col, amount, reason, corrected_by, corrected_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (month, kind, region_code, agency, sector, col) DO UPDATE
             SET amount = excluded.amount, reason = excluded.reason, corrected_by = excluded.corrected_by,
                 corrected_at = excluded.corrected_at",
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month),
        sector,
        column,
        correction.amount,
        correction.reason,
        Json(&correction.by) as Json<&Post>,
        PgInstant(correction.at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A version, as it is filed and as it stays.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of filed_table")]
pub struct Filed {
    pub version: i32,
    pub filed_at: Instant,
    pub filed_by: Post,
    pub filled_in_by: String,
    pub content: Vec<u8>,
    pub sha256: String,
}

/// Keeps a version; its row is locked by the caller.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn file(
    conn: &mut PgConnection,
    unit: &Unit,
    month: Month,
    filed: &Filed,
    digest: &str,
    chain_head: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO filed_table (kind, region_code, agency, month, version, filed_at, filed_by, filled_in_by, content, sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month),
        filed.version,
        PgInstant(filed.filed_at) as PgInstant,
        Json(&filed.filed_by) as Json<&Post>,
        filed.filled_in_by,
        filed.content,
        filed.sha256
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE filing SET version = $5, first_filed_at = COALESCE(first_filed_at, $6), last_filed_at = $6, digest = $7, chain_head = $8
         WHERE kind = $1 AND region_code = $2 AND agency = $3 AND month = $4",
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month),
        filed.version,
        PgInstant(filed.filed_at) as PgInstant,
        digest,
        chain_head
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A version as it was filed: the last one when none is named; none when there is no such version.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn filed(
    executor: impl PgExecutor<'_>,
    unit: &Unit,
    month: Month,
    version: Option<i32>,
) -> sqlx::Result<Option<Filed>> {
    let row = sqlx::query!(
        r#"SELECT version, filed_at AS "filed_at: PgInstant", filed_by AS "filed_by: Json<Post>", filled_in_by, content, sha256
           FROM filed_table
           WHERE kind = $1 AND region_code = $2 AND agency = $3 AND month = $4 AND ($5::integer IS NULL OR version = $5)
           ORDER BY version DESC LIMIT 1"#,
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        stored(month),
        version
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Filed {
        version: row.version,
        filed_at: row.filed_at.0,
        filed_by: row.filed_by.0,
        filled_in_by: row.filled_in_by,
        content: row.content,
        sha256: row.sha256,
    }))
}
