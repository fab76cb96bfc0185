//! What was drawn, and the checks of it.

use dafei_kernel::{owner::Post, region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use jiff::civil::Date;
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use super::Bounds;

/// A drawn one.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of spot_drawn")]
pub struct Drawn {
    pub number: i32,
    pub id: String,
    pub place: Region,
    pub name: String,
    pub weight: i32,
    pub county: String,
    pub township: String,
}

/// What was drawn of a sample, in the order of drawing; one of it when a number is given.
///
/// # Errors
/// When PostgreSQL is away, or a place of the table is no region.
pub async fn drawn(
    executor: impl PgExecutor<'_>,
    sample_id: Uuid,
    number: Option<i32>,
    bounds: &Bounds,
) -> sqlx::Result<Vec<Drawn>> {
    let rows = sqlx::query!(
        "SELECT d.number, d.id, d.place, d.name, p.weight, p.county, p.township
         FROM spot_drawn d JOIN spot_population p ON p.sample_id = d.sample_id AND p.id = d.id
         WHERE d.sample_id = $1 AND ($2::integer IS NULL OR d.number = $2)
           AND ($3::text IS NULL OR p.county = $3) AND ($4::text IS NULL OR p.township = $4)
         ORDER BY d.number",
        sample_id,
        number,
        bounds.county,
        bounds.township
    )
    .fetch_all(executor)
    .await?;
    let rows = rows.into_iter().map(|row| {
        Ok(Drawn {
            number: row.number,
            id: row.id,
            place: row.place.parse().map_err(|_| sqlx::Error::Decode(format!("no region: {}", row.place).into()))?,
            name: row.name,
            weight: row.weight,
            county: row.county,
            township: row.township,
        })
    });
    rows.collect()
}

/// A check, as stored.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of spot_check")]
pub struct Check {
    pub number: i32,
    pub means: String,
    pub outcome: String,
    pub note: String,
    pub checked_at: Instant,
    pub recorded_by: Post,
}

/// The checks of a sample, of each drawn one the latest last.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn checks(executor: impl PgExecutor<'_>, sample_id: Uuid) -> sqlx::Result<Vec<Check>> {
    let rows = sqlx::query!(
        r#"SELECT number, means, outcome, note, checked_at AS "checked_at: PgInstant", recorded_by AS "recorded_by: Json<Post>"
           FROM spot_check WHERE sample_id = $1 ORDER BY number, spot_check.checked_at, sequence"#,
        sample_id
    )
    .fetch_all(executor)
    .await?;
    let check = |number, means, outcome, note, at: PgInstant, by: Json<Post>| Check {
        number,
        means,
        outcome,
        note,
        checked_at: at.0,
        recorded_by: by.0,
    };
    let rows = rows.into_iter();
    Ok(rows.map(|row| check(row.number, row.means, row.outcome, row.note, row.checked_at, row.recorded_by)).collect())
}

/// A check to keep.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of spot_check")]
pub struct NewCheck<'a> {
    pub sample_id: Uuid,
    pub number: i32,
    pub means: &'a str,
    pub outcome: &'a str,
    pub note: &'a str,
    pub checked_at: Instant,
    pub recorded_by: &'a Post,
    pub recorded_at: Instant,
}

/// Keeps a check behind those that are there.
///
/// # Errors
/// When PostgreSQL refuses or is away; somebody else's check of the same one at the same time is a refusal.
pub async fn record(conn: &mut PgConnection, check: &NewCheck<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO spot_check (sample_id, number, sequence, means, outcome, note, checked_at, recorded_by, recorded_at)
         SELECT $1, $2, count(*)::integer + 1, $3, $4, $5, $6, $7, $8 FROM spot_check WHERE sample_id = $1 AND number = $2",
        check.sample_id,
        check.number,
        check.means,
        check.outcome,
        check.note,
        PgInstant(check.checked_at) as PgInstant,
        Json(check.recorded_by) as Json<&Post>,
        PgInstant(check.recorded_at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts the outcome of the latest check where assessments count it.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn outcome(
    conn: &mut PgConnection,
    sample_id: Uuid,
    drawn: &Drawn,
    day: Date,
    outcome: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO spot_check_outcome (sample_id, number, county, township, checked_day, outcome) VALUES ($1, $2, $3, $4, $5::text::date, $6)
         ON CONFLICT (sample_id, number) DO UPDATE SET checked_day = excluded.checked_day, outcome = excluded.outcome",
        sample_id,
        drawn.number,
        drawn.county,
        drawn.township,
        day.to_string(),
        outcome
    )
    .execute(conn)
    .await?;
    Ok(())
}
