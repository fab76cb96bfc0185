//! Samples, what they were drawn from, and their checks (clause E2).

mod checks;

use std::collections::HashMap;

use dafei_kernel::{owner::Post, region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use dafei_reporting_core::spot_check::Weighted;
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

pub use checks::{Check, Drawn, NewCheck, checks, drawn, outcome, record};

/// County and township codes that bound what is seen; `None` does not bound. A sample's own are empty above its region.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// County.
    pub county: Option<String>,
    /// Township.
    pub township: Option<String>,
}

/// One that can be drawn, with where it is.
#[derive(Debug, Clone)]
pub struct Member {
    /// Id and weight.
    pub weighted: Weighted,
    /// Empty where none.
    pub county: String,
    /// Empty where none.
    pub township: String,
    /// The village, or the lowest region of the case: "village:371302001001".
    pub place: String,
    /// Act code of a case; empty for villages.
    pub act: String,
}

/// Open breaches of villages.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn village_breaches(executor: impl PgExecutor<'_>, bounds: &Bounds) -> sqlx::Result<HashMap<String, i64>> {
    let rows = sqlx::query!(
        r#"SELECT village, count(*) AS "open!" FROM breach_line
           WHERE ended_at IS NULL AND village <> '' AND ($1::text IS NULL OR county = $1) AND ($2::text IS NULL OR township = $2)
           GROUP BY village"#,
        bounds.county,
        bounds.township
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.village, row.open)).collect())
}

/// Cases of a region that are open or were ended since an instant, each with its weight.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn cases(executor: impl PgExecutor<'_>, bounds: &Bounds, since: Instant) -> sqlx::Result<Vec<Member>> {
    let rows = sqlx::query!(
        r#"SELECT c.case_id, c.county, c.township, c.place, c.act, count(b.obligation_id) AS "open!"
           FROM case_line c LEFT JOIN breach_line b ON b.case_id = c.case_id AND b.ended_at IS NULL
           WHERE (c.ended_at IS NULL OR c.ended_at >= $3) AND ($1::text IS NULL OR c.county = $1)
             AND ($2::text IS NULL OR c.township = $2)
           GROUP BY c.case_id"#,
        bounds.county,
        bounds.township,
        PgInstant(since) as PgInstant
    )
    .fetch_all(executor)
    .await?;
    let member = |case: Uuid, open: i64, county, township, place, act| Member {
        weighted: Weighted { id: case.to_string(), weight: weight(open) },
        county,
        township,
        place,
        act,
    };
    let rows = rows.into_iter();
    Ok(rows.map(|row| member(row.case_id, row.open, row.county, row.township, row.place, row.act)).collect())
}

/// 1, and one for each open breach.
#[must_use]
pub fn weight(open: i64) -> u32 {
    u32::try_from(open).unwrap_or(u32::MAX - 1).saturating_add(1).min(i32::MAX.unsigned_abs())
}

/// A sample, as stored.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of spot_sample")]
pub struct Sample {
    pub sample_id: Uuid,
    pub number: i64,
    pub kind: String,
    pub region: Region,
    pub seed: String,
    pub drawn_at: Instant,
    pub population: i32,
    pub population_sha256: String,
    /// Drawn ones that nobody has checked yet.
    pub unchecked: i64,
}

/// A sample to keep; its region's codes are empty above it.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of spot_sample")]
pub struct NewSample<'a> {
    pub sample_id: Uuid,
    pub kind: &'a str,
    pub region: &'a Region,
    pub city: String,
    pub county: String,
    pub township: String,
    pub seed: &'a str,
    pub drawn_at: Instant,
    pub drawn_by: &'a Post,
    pub sha256: &'a str,
}

/// Keeps a sample with its list and what was drawn (places in the list, with their names); says whether the seed was new.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn insert(
    conn: &mut PgConnection,
    sample: &NewSample<'_>,
    population: &[Member],
    drawn: &[(usize, String)],
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO spot_sample (sample_id, kind, region, city, county, township, seed, drawn_at, drawn_by, population, population_sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        sample.sample_id,
        sample.kind,
        sample.region.to_string(),
        sample.city,
        sample.county,
        sample.township,
        sample.seed,
        PgInstant(sample.drawn_at) as PgInstant,
        Json(sample.drawn_by) as Json<&Post>,
        i32::try_from(population.len()).unwrap_or(i32::MAX),
        sample.sha256
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "INSERT INTO spot_population (sample_id, id, weight, county, township)
         SELECT $1, id, weight, county, township FROM UNNEST($2::text[], $3::integer[], $4::text[], $5::text[]) AS p (id, weight, county, township)",
        sample.sample_id,
        &population.iter().map(|one| one.weighted.id.clone()).collect::<Vec<_>>(),
        &population.iter().map(|one| i32::try_from(one.weighted.weight).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &population.iter().map(|one| one.county.clone()).collect::<Vec<_>>(),
        &population.iter().map(|one| one.township.clone()).collect::<Vec<_>>()
    )
    .execute(&mut *conn)
    .await?;
    let (mut ids, mut places, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (member, name) in drawn.iter().filter_map(|(place, name)| Some((population.get(*place)?, name))) {
        ids.push(member.weighted.id.clone());
        places.push(member.place.clone());
        names.push(name.clone());
    }
    sqlx::query!(
        "INSERT INTO spot_drawn (sample_id, number, id, place, name)
         SELECT $1, number::integer, id, place, name FROM UNNEST($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS d (id, place, name, number)",
        sample.sample_id,
        &ids,
        &places,
        &names
    )
    .execute(conn)
    .await?;
    Ok(true)
}

/// The sample that was drawn with the same seed of the same region and kind.
///
/// # Errors
/// When PostgreSQL is away, or there is none.
pub async fn of_seed(conn: &mut PgConnection, sample: &NewSample<'_>) -> sqlx::Result<Uuid> {
    sqlx::query_scalar!(
        "SELECT sample_id FROM spot_sample WHERE region = $1 AND kind = $2 AND seed = $3",
        sample.region.to_string(),
        sample.kind,
        sample.seed
    )
    .fetch_one(conn)
    .await
}

/// A sample by its id, or samples before a number, the latest first: those that lie in a region of these codes, and those that it lies in.
///
/// # Errors
/// When PostgreSQL is away, or a region of the table is none.
pub async fn samples(
    executor: impl PgExecutor<'_>,
    id: Option<Uuid>,
    bounds: &Bounds,
    before: Option<i64>,
    limit: i64,
) -> sqlx::Result<Vec<Sample>> {
    let rows = sqlx::query!(
        r#"SELECT sample_id, number, kind, region, seed, drawn_at AS "drawn_at: PgInstant", population, population_sha256,
                  (SELECT count(*) FROM spot_drawn d WHERE d.sample_id = s.sample_id AND NOT EXISTS (
                       SELECT FROM spot_check c WHERE c.sample_id = d.sample_id AND c.number = d.number)) AS "unchecked!"
           FROM spot_sample s
           WHERE ($1::uuid IS NULL OR sample_id = $1) AND ($2::text IS NULL OR county IN ('', $2))
             AND ($3::text IS NULL OR township IN ('', $3)) AND ($4::bigint IS NULL OR number < $4)
           ORDER BY number DESC LIMIT $5"#,
        id,
        bounds.county,
        bounds.township,
        before,
        limit
    )
    .fetch_all(executor)
    .await?;
    let rows = rows.into_iter().map(|row| {
        Ok(Sample {
            sample_id: row.sample_id,
            number: row.number,
            kind: row.kind,
            region: row.region.parse().map_err(|_| sqlx::Error::Decode(format!("no region: {}", row.region).into()))?,
            seed: row.seed,
            drawn_at: row.drawn_at.0,
            population: row.population,
            population_sha256: row.population_sha256,
            unchecked: row.unchecked,
        })
    });
    rows.collect()
}

/// The list of a sample behind an id, in the order of ids.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn population(
    executor: impl PgExecutor<'_>,
    sample_id: Uuid,
    bounds: &Bounds,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<Weighted>> {
    let rows = sqlx::query!(
        r#"SELECT id, weight FROM spot_population
           WHERE sample_id = $1 AND ($2::text IS NULL OR county = $2) AND ($3::text IS NULL OR township = $3)
             AND ($4::text IS NULL OR id > $4)
           ORDER BY id LIMIT $5"#,
        sample_id,
        bounds.county,
        bounds.township,
        after,
        limit
    )
    .fetch_all(executor)
    .await?;
    let weighted = |id, weight: i32| Weighted { id, weight: weight.unsigned_abs() };
    Ok(rows.into_iter().map(|row| weighted(row.id, row.weight)).collect())
}
