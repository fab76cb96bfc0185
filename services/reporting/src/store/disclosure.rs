//! What the public reads: exposures, and released tables.

use std::collections::BTreeMap;

use dafei_kernel::{
    owner::Post,
    region::{Level, Region, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::{Month, Unit};
use jiff::civil::Date;
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use super::{code, month as stored};
use crate::exposure::{Exposure, Word};

/// Takes the last word on each case.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn take(conn: &mut PgConnection, words: Vec<Word>) -> sqlx::Result<()> {
    let last: BTreeMap<Uuid, Option<Exposure>> = words.into_iter().map(|word| (word.case_id, word.exposure)).collect();
    if last.is_empty() {
        return Ok(());
    }
    let all: Vec<Uuid> = last.keys().copied().collect();
    sqlx::query!("DELETE FROM exposure WHERE case_id = ANY($1)", &all).execute(&mut *conn).await?;
    let exposed: Vec<(Uuid, Exposure)> =
        last.into_iter().filter_map(|(case, exposure)| exposure.map(|exposure| (case, exposure))).collect();
    let each = || exposed.iter().map(|(_, exposure)| exposure);
    sqlx::query!(
        "INSERT INTO exposure (case_id, exposure_id, day, public_text, county, city, sector)
         SELECT case_id, exposure_id, day::date, public_text, county, city, sector
         FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
              AS e (case_id, exposure_id, day, public_text, county, city, sector)",
        &exposed.iter().map(|(case, _)| *case).collect::<Vec<_>>(),
        &each().map(|one| one.exposure_id).collect::<Vec<_>>(),
        &each().map(|one| one.day.to_string()).collect::<Vec<_>>(),
        &each().map(|one| one.public_text.clone()).collect::<Vec<_>>(),
        &each().map(|one| one.county.clone()).collect::<Vec<_>>(),
        &each().map(|one| one.city.clone()).collect::<Vec<_>>(),
        &each().map(|one| one.sector.clone()).collect::<Vec<_>>(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The page's last exposure: its day and id.
pub type After = (Date, Uuid);

/// Exposures of a county or sector where given, the latest first, after the last one of the page before.
///
/// # Errors
/// When PostgreSQL is away, or a day of the table is none.
pub async fn exposures(
    executor: impl PgExecutor<'_>,
    county: Option<&str>,
    sector: Option<&str>,
    after: Option<After>,
    limit: i64,
) -> sqlx::Result<Vec<Exposure>> {
    let (day, id) = after.map_or((None, None), |(day, id)| (Some(day.to_string()), Some(id)));
    let rows = sqlx::query!(
        r#"SELECT exposure_id, day::text AS "day!", public_text, county, city, sector FROM exposure
           WHERE ($1::text IS NULL OR county = $1) AND ($2::text IS NULL OR sector = $2)
             AND ($3::text IS NULL OR (day, exposure_id) < ($3::text::date, $4::uuid))
           ORDER BY exposure.day DESC, exposure_id DESC LIMIT $5"#,
        county,
        sector,
        day,
        id,
        limit
    )
    .fetch_all(executor)
    .await?;
    let exposure = |exposure_id, day: &str, public_text, county, city, sector| {
        let day = day.parse::<Date>().map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Exposure { exposure_id, day, public_text, county, city, sector })
    };
    let rows = rows.into_iter();
    rows.map(|row| exposure(row.exposure_id, &row.day, row.public_text, row.county, row.city, row.sector)).collect()
}

/// A release.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of released_table")]
pub struct Release {
    pub version: i32,
    pub released_at: Instant,
    pub released_by: Post,
    pub content: Vec<u8>,
}

fn agency(unit: &Unit) -> &'static str {
    unit.agency().map_or("", |agency| agency.code())
}

/// The version that the public reads of a unit's month; none where nothing is released.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn released_version(conn: &mut PgConnection, unit: &Unit, month: Month) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!(
        "SELECT version FROM released_table WHERE month = $1 AND kind = $2 AND region_code = $3 AND agency = $4",
        stored(month),
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit)
    )
    .fetch_optional(conn)
    .await
}

/// Puts a release in the place of an older one; says whether it did, which it does not when a newer one came in between.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn release(
    conn: &mut PgConnection,
    unit: &Unit,
    path: &RegionPath,
    month: Month,
    release: &Release,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO released_table (month, kind, region_code, agency, county, city, version, released_at, released_by, content)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (month, kind, region_code, agency) DO UPDATE
             SET county = excluded.county, city = excluded.city, version = excluded.version, released_at = excluded.released_at,
                 released_by = excluded.released_by, content = excluded.content
             WHERE released_table.version < excluded.version",
        stored(month),
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit),
        code(path.at(Level::County)),
        code(path.at(Level::City)),
        release.version,
        PgInstant(release.released_at) as PgInstant,
        Json(&release.released_by) as Json<&Post>,
        release.content
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What the public reads of a unit's month; none where nothing is released.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn released(executor: impl PgExecutor<'_>, unit: &Unit, month: Month) -> sqlx::Result<Option<Vec<u8>>> {
    sqlx::query_scalar!(
        "SELECT content FROM released_table WHERE month = $1 AND kind = $2 AND region_code = $3 AND agency = $4",
        stored(month),
        unit.kind().code(),
        code(Some(unit.region())),
        agency(unit)
    )
    .fetch_optional(executor)
    .await
}

/// Place of a released table in the list: month, kind, region code, agency.
pub type Place = (i32, String, String, String);

/// Contents of released tables with their places, the latest month first, then by unit.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn all_released(
    executor: impl PgExecutor<'_>,
    within: Option<&Region>,
    month: Option<Month>,
    after: Option<Place>,
    limit: i64,
) -> sqlx::Result<Vec<(Place, Vec<u8>)>> {
    let of = |level| within.filter(|region| region.level() == level).map(|region| region.code().to_string());
    let (after_month, kind, region, agency) = after
        .map_or((None, None, None, None), |(month, kind, region, agency)| {
            (Some(month), Some(kind), Some(region), Some(agency))
        });
    let rows = sqlx::query!(
        "SELECT month, kind, region_code, agency, content FROM released_table
         WHERE ($1::text IS NULL OR city = $1) AND ($2::text IS NULL OR county = $2)
           AND ($3::text IS NULL OR (kind = 'township' AND region_code = $3)) AND ($4::integer IS NULL OR month = $4)
           AND ($5::integer IS NULL OR (-month, kind, region_code, agency) > (-$5::integer, $6::text, $7::text, $8::text))
         ORDER BY month DESC, kind, region_code, agency LIMIT $9",
        of(Level::City),
        of(Level::County),
        of(Level::Township),
        month.map(stored),
        after_month,
        kind,
        region,
        agency,
        limit
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.month, row.kind, row.region_code, row.agency), row.content)).collect())
}
