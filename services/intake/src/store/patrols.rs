//! Patrols: written by batch, found by id, listed by region.

use dafei_kernel::{
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// The device's clock was off beyond the tolerance.
pub(crate) const SKEWED: i16 = 1;
/// A problem was found.
pub(crate) const PROBLEM: i16 = 2;
/// A photo was used by an earlier patrol.
pub(crate) const REUSED: i16 = 4;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) object: String,
    pub(crate) situation: String,
    pub(crate) evidence: Vec<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_time: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_sent_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checklist: Option<Answered>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) by_work_area: bool,
}

/// A checklist with its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) id: String,
    pub(crate) version: i32,
    pub(crate) kind: String,
    pub(crate) answers: Vec<KeptAnswer>,
}

/// An answer as kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptAnswer {
    pub(crate) step: String,
    /// Number of the API's result.
    pub(crate) result: i32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) evidence: Vec<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) case: Option<Uuid>,
}

/// A photo that an earlier patrol used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reused {
    pub(crate) photo: Uuid,
    pub(crate) first: Uuid,
}

/// A patrol to write; the body is JSON already.
#[derive(Debug)]
pub(crate) struct NewRow<'a> {
    pub(crate) id: Uuid,
    pub(crate) village: i64,
    pub(crate) township: i64,
    pub(crate) county: i64,
    pub(crate) patrolled_at: Instant,
    pub(crate) flags: i16,
    pub(crate) inspector: &'a str,
    pub(crate) body: &'a str,
    pub(crate) reused: Option<Json<Vec<Reused>>>,
}

/// A patrol as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patrol {
    pub(crate) id: Uuid,
    pub(crate) village: i64,
    pub(crate) patrolled_at: Instant,
    pub(crate) received_at: Instant,
    pub(crate) flags: i16,
    pub(crate) inspector: String,
    pub(crate) body: Body,
    pub(crate) reused: Vec<Reused>,
}

/// A region's code as these tables have it. Those of cities, counties, townships and villages are digits.
pub(crate) fn number(region: &Region) -> i64 {
    region.code().as_str().parse().unwrap_or(0)
}

/// The village of a number.
pub(crate) fn village(number: i64) -> Option<Region> {
    Region::new(Level::Village, &format!("{number:012}")).ok()
}

/// Writes patrols that were received at one instant.
pub(crate) async fn insert(conn: &mut PgConnection, received_at: Instant, rows: &[NewRow<'_>]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let patrolled: Vec<PgInstant> = rows.iter().map(|row| PgInstant(row.patrolled_at)).collect();
    let villages: Vec<i64> = rows.iter().map(|row| row.village).collect();
    let townships: Vec<i64> = rows.iter().map(|row| row.township).collect();
    let counties: Vec<i64> = rows.iter().map(|row| row.county).collect();
    let flags: Vec<i16> = rows.iter().map(|row| row.flags).collect();
    let inspectors: Vec<&str> = rows.iter().map(|row| row.inspector).collect();
    let bodies: Vec<&str> = rows.iter().map(|row| row.body).collect();
    let reused: Vec<Option<&Json<Vec<Reused>>>> = rows.iter().map(|row| row.reused.as_ref()).collect();
    sqlx::query!(
        "INSERT INTO patrol (id, received_at, patrolled_at, village, township, county, flags, inspector, body, reused)
         SELECT id, $2, patrolled_at, village, township, county, flags, inspector, body::jsonb, reused
         FROM UNNEST($1::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[], $8::text[], $9::text[],
                     $10::jsonb[])
              AS u (id, patrolled_at, village, township, county, flags, inspector, body, reused)",
        &ids,
        PgInstant(received_at) as PgInstant,
        &patrolled as &[PgInstant],
        &villages,
        &townships,
        &counties,
        &flags,
        &inspectors as &[&str],
        &bodies as &[&str],
        &reused as &[Option<&Json<Vec<Reused>>>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A row as read.
struct Row {
    id: Uuid,
    village: i64,
    patrolled_at: PgInstant,
    received_at: PgInstant,
    flags: i16,
    inspector: String,
    body: Json<Body>,
    reused: Option<Json<Vec<Reused>>>,
}

impl From<Row> for Patrol {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            village: row.village,
            patrolled_at: row.patrolled_at.0,
            received_at: row.received_at.0,
            flags: row.flags,
            inspector: row.inspector,
            body: row.body.0,
            reused: row.reused.map(|reused| reused.0).unwrap_or_default(),
        }
    }
}

/// One patrol; its reception lies between two instants, which name its partition.
pub(crate) async fn get(
    conn: &mut PgConnection,
    id: Uuid,
    (from, until): (Instant, Instant),
) -> sqlx::Result<Option<Patrol>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, village, patrolled_at AS "patrolled_at: PgInstant", received_at AS "received_at: PgInstant", flags, inspector,
                  body AS "body: Json<Body>", reused AS "reused: Json<Vec<Reused>>"
           FROM patrol WHERE id = $1 AND received_at >= $2 AND received_at < $3"#,
        id,
        PgInstant(from) as PgInstant,
        PgInstant(until) as PgInstant
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Patrol::from))
}

/// Where to look: each region by itself, through its own index.
#[derive(Debug, Clone)]
pub(crate) enum Places {
    /// Villages: one, a work area's.
    Villages(Vec<i64>),
    /// A township.
    Townships(Vec<i64>),
    /// Counties: one, a city's.
    Counties(Vec<i64>),
}

/// Which patrols to list: before the last of the page before, made at or after an instant, with all of these marks, by an inspector.
#[derive(Debug, Clone)]
pub(crate) struct Filter<'a> {
    pub(crate) places: Places,
    pub(crate) before: (Instant, Uuid),
    pub(crate) from: Instant,
    pub(crate) marks: i16,
    pub(crate) inspector: &'a str,
    pub(crate) limit: i64,
}

/// The newest of each region, merged. Nothing is received before it is made: that leaves out the partitions before `from`.
macro_rules! page {
    ($conn:expr, $filter:expr, $codes:expr, $column:literal, $marked:literal) => {
        sqlx::query_as!(
            Row,
            r#"SELECT p.id AS "id!", p.village AS "village!", p.patrolled_at AS "patrolled_at!: PgInstant",
                      p.received_at AS "received_at!: PgInstant", p.flags AS "flags!", p.inspector AS "inspector!",
                      p.body AS "body!: Json<Body>", p.reused AS "reused: Json<Vec<Reused>>"
               FROM UNNEST($1::bigint[]) AS place (code)
               CROSS JOIN LATERAL (
                   SELECT * FROM patrol
                   WHERE (patrolled_at, id) < ($2, $3) AND patrolled_at >= $4 AND received_at >= $4 AND flags & $5 = $5"#
                + " AND "
                + $column
                + " = place.code"
                + $marked
                + r#" ORDER BY patrolled_at DESC, id DESC LIMIT $6
               ) p
               ORDER BY p.patrolled_at DESC, p.id DESC LIMIT $6"#,
            $codes,
            PgInstant($filter.before.0) as PgInstant,
            $filter.before.1,
            PgInstant($filter.from) as PgInstant,
            $filter.marks,
            $filter.limit
        )
        .fetch_all($conn)
        .await?
    };
}

/// An inspector's, through the inspector's own index.
macro_rules! page_of {
    ($conn:expr, $filter:expr, $codes:expr, $column:literal) => {
        sqlx::query_as!(
            Row,
            r#"SELECT id, village, patrolled_at AS "patrolled_at: PgInstant", received_at AS "received_at: PgInstant", flags, inspector,
                      body AS "body: Json<Body>", reused AS "reused: Json<Vec<Reused>>"
               FROM patrol
               WHERE inspector = $7 AND (patrolled_at, id) < ($2, $3) AND patrolled_at >= $4 AND received_at >= $4
                     AND flags & $5 = $5 AND "#
                + $column
                + " = ANY($1::bigint[]) ORDER BY patrolled_at DESC, id DESC LIMIT $6",
            $codes,
            PgInstant($filter.before.0) as PgInstant,
            $filter.before.1,
            PgInstant($filter.from) as PgInstant,
            $filter.marks,
            $filter.limit,
            $filter.inspector
        )
        .fetch_all($conn)
        .await?
    };
}

/// A page of patrols, newest first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &Filter<'_>) -> sqlx::Result<Vec<Patrol>> {
    let of_inspector = !filter.inspector.is_empty();
    let rows = match (&filter.places, of_inspector, filter.marks) {
        (Places::Villages(codes), true, _) => page_of!(conn, filter, codes, "village"),
        (Places::Townships(codes), true, _) => page_of!(conn, filter, codes, "township"),
        (Places::Counties(codes), true, _) => page_of!(conn, filter, codes, "county"),
        (Places::Villages(codes), false, _) => page!(conn, filter, codes, "village", ""),
        (Places::Townships(codes), false, 0) => page!(conn, filter, codes, "township", ""),
        (Places::Counties(codes), false, 0) => page!(conn, filter, codes, "county", ""),
        (Places::Townships(codes), false, _) => page!(conn, filter, codes, "township", " AND flags > 0"),
        (Places::Counties(codes), false, _) => page!(conn, filter, codes, "county", " AND flags > 0"),
    };
    Ok(rows.into_iter().map(Patrol::from).collect())
}
