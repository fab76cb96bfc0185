//! Broadcasts (clause D6): recorded, counted by week, listed by region.

use dafei_kernel::{
    region::{Level, Region, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

use super::OfRegion;

/// A broadcast as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broadcast {
    pub(crate) id: Uuid,
    pub(crate) village: Region,
    pub(crate) made_at: Instant,
    pub(crate) seconds: u32,
    pub(crate) text: String,
}

/// Writes a broadcast.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    broadcast: &Broadcast,
    path: &RegionPath,
    now: Instant,
) -> sqlx::Result<()> {
    let code = |level| path.at(level).map_or("", |region| region.code().as_str());
    sqlx::query!(
        "INSERT INTO broadcast (id, county, township, village, made_at, seconds, text, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        broadcast.id,
        code(Level::County),
        code(Level::Township),
        code(Level::Village),
        PgInstant(broadcast.made_at) as PgInstant,
        i32::try_from(broadcast.seconds).unwrap_or(i32::MAX),
        broadcast.text,
        PgInstant(now) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many broadcasts a village made from one instant to before another.
pub(crate) async fn count(
    conn: &mut PgConnection,
    village: &Region,
    start: Instant,
    end: Instant,
) -> sqlx::Result<u32> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM broadcast WHERE village = $1 AND made_at >= $2 AND made_at < $3"#,
        village.code().as_str(),
        PgInstant(start) as PgInstant,
        PgInstant(end) as PgInstant
    )
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// One query per column that a region is looked for by, so that each has its index.
macro_rules! page {
    ($conn:expr, $filter:expr, $where:literal $(, $region:expr)?) => {{
        let (at, id) = $filter.cursor();
        let rows = sqlx::query!(
            r#"SELECT id, village, made_at AS "made_at: PgInstant", seconds, text FROM broadcast WHERE (made_at, id) < ($1, $2) AND "#
                + $where + " ORDER BY made_at DESC, id DESC LIMIT $3",
            PgInstant(at) as PgInstant,
            id,
            $filter.limit
            $(, $region)?
        )
        .fetch_all($conn)
        .await?;
        rows.into_iter().map(|row| broadcast(row.id, &row.village, row.made_at.0, row.seconds, row.text)).collect()
    }};
}

fn broadcast(id: Uuid, village: &str, made_at: Instant, seconds: i32, text: String) -> sqlx::Result<Broadcast> {
    let village = Region::new(Level::Village, village).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Broadcast { id, village, made_at, seconds: u32::try_from(seconds).unwrap_or(0), text })
}

/// A page of broadcasts, the latest first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &OfRegion<'_>) -> sqlx::Result<Vec<Broadcast>> {
    let code = filter.region.code().as_str();
    match filter.region.level() {
        Level::City => page!(conn, filter, "TRUE"),
        Level::County => page!(conn, filter, "county = $4", code),
        Level::Township => page!(conn, filter, "township = $4", code),
        Level::Village => page!(conn, filter, "village = $4", code),
        Level::WorkArea => page!(conn, filter, "village = ANY($4)", &filter.villages),
    }
}
