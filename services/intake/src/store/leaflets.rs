//! Leaflets (clause D7): distributions, and what the rounds of a year have reached.

use std::collections::HashMap;

use dafei_kernel::{
    region::{Level, Region, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::OfRegion;

/// Codes of one statement.
const CHUNK: usize = 10_000;

/// An enterprise whose employees got leaflets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EnterpriseReached {
    pub(crate) credit_code: String,
    pub(crate) employees: u32,
}

/// A distribution as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    pub(crate) id: Uuid,
    pub(crate) village: Region,
    pub(crate) distributed_at: Instant,
    pub(crate) copies: u32,
    pub(crate) households: u32,
    pub(crate) enterprises: Vec<EnterpriseReached>,
    pub(crate) round: String,
}

fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Writes a distribution, and adds to what its round has reached in its civil year.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    distribution: &Distribution,
    path: &RegionPath,
    year: i16,
    now: Instant,
) -> sqlx::Result<()> {
    let code = |level| path.at(level).map_or("", |region| region.code().as_str());
    sqlx::query!(
        "INSERT INTO leaflet (id, county, township, village, distributed_at, copies, households, enterprises, round, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        distribution.id,
        code(Level::County),
        code(Level::Township),
        code(Level::Village),
        PgInstant(distribution.distributed_at) as PgInstant,
        int(distribution.copies),
        int(distribution.households),
        Json(&distribution.enterprises) as _,
        distribution.round,
        PgInstant(now) as PgInstant
    )
    .execute(&mut *conn)
    .await?;
    if distribution.households > 0 {
        sqlx::query!(
            "INSERT INTO leaflet_household AS h (village, year, round, reached) VALUES ($1, $2, $3, $4)
             ON CONFLICT (village, year, round) DO UPDATE SET reached = h.reached + excluded.reached",
            code(Level::Village),
            year,
            distribution.round,
            i64::from(distribution.households)
        )
        .execute(&mut *conn)
        .await?;
    }
    add_employees(conn, distribution, year).await
}

/// In the order of the credit codes: two distributions at once lock alike.
async fn add_employees(conn: &mut PgConnection, distribution: &Distribution, year: i16) -> sqlx::Result<()> {
    if distribution.enterprises.is_empty() {
        return Ok(());
    }
    let codes: Vec<&str> = distribution.enterprises.iter().map(|one| one.credit_code.as_str()).collect();
    let employees: Vec<i64> = distribution.enterprises.iter().map(|one| i64::from(one.employees)).collect();
    sqlx::query!(
        "INSERT INTO leaflet_employee AS e (credit_code, year, round, reached)
         SELECT code, $3, $4, employees FROM UNNEST($1::text[], $2::bigint[]) AS u (code, employees) ORDER BY code
         ON CONFLICT (credit_code, year, round) DO UPDATE SET reached = e.reached + excluded.reached",
        &codes as &[&str],
        &employees,
        year,
        distribution.round
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The households of each village that its best round of the year has reached; villages without any are left out.
pub(crate) async fn households(
    conn: &mut PgConnection,
    villages: &[&str],
    year: i16,
) -> sqlx::Result<HashMap<String, u64>> {
    let mut reached = HashMap::new();
    for chunk in villages.chunks(CHUNK) {
        let rows = sqlx::query!(
            r#"SELECT village, max(reached) AS "reached!" FROM leaflet_household WHERE village = ANY($1) AND year = $2 GROUP BY village"#,
            chunk as &[&str],
            year
        )
        .fetch_all(&mut *conn)
        .await?;
        reached.extend(rows.into_iter().map(|row| (row.village, u64::try_from(row.reached).unwrap_or(0))));
    }
    Ok(reached)
}

/// The employees of each enterprise that its best round of the year has reached; enterprises without any are left out.
pub(crate) async fn employees(
    conn: &mut PgConnection,
    credit_codes: &[&str],
    year: i16,
) -> sqlx::Result<HashMap<String, u64>> {
    let mut reached = HashMap::new();
    for chunk in credit_codes.chunks(CHUNK) {
        let rows = sqlx::query!(
            r#"SELECT credit_code, max(reached) AS "reached!" FROM leaflet_employee
               WHERE credit_code = ANY($1) AND year = $2 GROUP BY credit_code"#,
            chunk as &[&str],
            year
        )
        .fetch_all(&mut *conn)
        .await?;
        reached.extend(rows.into_iter().map(|row| (row.credit_code, u64::try_from(row.reached).unwrap_or(0))));
    }
    Ok(reached)
}

/// A row as stored.
struct Row {
    id: Uuid,
    village: String,
    distributed_at: PgInstant,
    copies: i32,
    households: i32,
    enterprises: Json<Vec<EnterpriseReached>>,
    round: String,
}

impl TryFrom<Row> for Distribution {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> sqlx::Result<Self> {
        let village =
            Region::new(Level::Village, &row.village).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Self {
            id: row.id,
            village,
            distributed_at: row.distributed_at.0,
            copies: u32::try_from(row.copies).unwrap_or(0),
            households: u32::try_from(row.households).unwrap_or(0),
            enterprises: row.enterprises.0,
            round: row.round,
        })
    }
}

/// One query per column that a region is looked for by, so that each has its index.
macro_rules! page {
    ($conn:expr, $filter:expr, $where:literal $(, $region:expr)?) => {{
        let (at, id) = $filter.cursor();
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT id, village, distributed_at AS "distributed_at: PgInstant", copies, households,
                      enterprises AS "enterprises: Json<Vec<EnterpriseReached>>", round
               FROM leaflet WHERE (distributed_at, id) < ($1, $2) AND "# + $where
                + " ORDER BY distributed_at DESC, id DESC LIMIT $3",
            PgInstant(at) as PgInstant,
            id,
            $filter.limit
            $(, $region)?
        )
        .fetch_all($conn)
        .await?;
        rows.into_iter().map(Distribution::try_from).collect()
    }};
}

/// A page of distributions, the latest first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &OfRegion<'_>) -> sqlx::Result<Vec<Distribution>> {
    let code = filter.region.code().as_str();
    match filter.region.level() {
        Level::City => page!(conn, filter, "TRUE"),
        Level::County => page!(conn, filter, "county = $4", code),
        Level::Township => page!(conn, filter, "township = $4", code),
        Level::Village => page!(conn, filter, "village = $4", code),
        Level::WorkArea => page!(conn, filter, "village = ANY($4)", &filter.villages),
    }
}
