//! Patrols: written by batch, counted by week, listed by village.

use std::collections::HashMap;

use dafei_kernel::{region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// A patrol as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patrol {
    pub(crate) id: Uuid,
    pub(crate) village: Region,
    pub(crate) object: String,
    pub(crate) situation: String,
    pub(crate) evidence: Vec<Uuid>,
    pub(crate) patrolled_at: Instant,
    pub(crate) received_at: Instant,
    pub(crate) skewed: bool,
}

/// A village's week: its first instant and the first after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Week {
    pub(crate) village: Region,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

/// Writes patrols.
pub(crate) async fn insert(conn: &mut PgConnection, patrols: &[Patrol]) -> sqlx::Result<()> {
    if patrols.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = patrols.iter().map(|patrol| patrol.id).collect();
    let villages: Vec<&str> = patrols.iter().map(|patrol| patrol.village.code().as_str()).collect();
    let objects: Vec<&str> = patrols.iter().map(|patrol| patrol.object.as_str()).collect();
    let situations: Vec<&str> = patrols.iter().map(|patrol| patrol.situation.as_str()).collect();
    let evidence: Vec<Json<&[Uuid]>> = patrols.iter().map(|patrol| Json(patrol.evidence.as_slice())).collect();
    let patrolled: Vec<PgInstant> = patrols.iter().map(|patrol| PgInstant(patrol.patrolled_at)).collect();
    let received: Vec<PgInstant> = patrols.iter().map(|patrol| PgInstant(patrol.received_at)).collect();
    let skewed: Vec<bool> = patrols.iter().map(|patrol| patrol.skewed).collect();
    sqlx::query!(
        "INSERT INTO patrol (id, village, object, situation, evidence, patrolled_at, received_at, skewed)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[],
                              $7::timestamptz[], $8::bool[])",
        &ids,
        &villages as &[&str],
        &objects as &[&str],
        &situations as &[&str],
        &evidence as &[Json<&[Uuid]>],
        &patrolled as &[PgInstant],
        &received as &[PgInstant],
        &skewed
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many patrols each of these weeks has.
pub(crate) async fn count(conn: &mut PgConnection, weeks: &[Week]) -> sqlx::Result<HashMap<Week, u32>> {
    if weeks.is_empty() {
        return Ok(HashMap::new());
    }
    let villages: Vec<&str> = weeks.iter().map(|week| week.village.code().as_str()).collect();
    let starts: Vec<PgInstant> = weeks.iter().map(|week| PgInstant(week.start)).collect();
    let ends: Vec<PgInstant> = weeks.iter().map(|week| PgInstant(week.end)).collect();
    let counts = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM patrol p
                   WHERE p.village = w.village AND p.patrolled_at >= w.start AND p.patrolled_at < w.stop) AS "count!"
           FROM UNNEST($1::text[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS w (village, start, stop, place)
           ORDER BY place"#,
        &villages as &[&str],
        &starts as &[PgInstant],
        &ends as &[PgInstant]
    )
    .fetch_all(conn)
    .await?;
    Ok(weeks.iter().cloned().zip(counts.into_iter().map(|count| u32::try_from(count).unwrap_or(u32::MAX))).collect())
}

/// A page of a village's patrols, newest first, before the last of the page before.
pub(crate) async fn list(
    conn: &mut PgConnection,
    village: &Region,
    before: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<Patrol>> {
    let (at, id) = before.unwrap_or((Instant::MAX, Uuid::max()));
    let rows = sqlx::query!(
        r#"SELECT id, object, situation, evidence AS "evidence: Json<Vec<Uuid>>", patrolled_at AS "patrolled_at: PgInstant",
                  received_at AS "received_at: PgInstant", skewed
           FROM patrol WHERE village = $1 AND (patrolled_at, id) < ($2, $3)
           ORDER BY patrolled_at DESC, id DESC LIMIT $4"#,
        village.code().as_str(),
        PgInstant(at) as PgInstant,
        id,
        limit
    )
    .fetch_all(conn)
    .await?;
    let patrols = rows.into_iter().map(|row| Patrol {
        id: row.id,
        village: village.clone(),
        object: row.object,
        situation: row.situation,
        evidence: row.evidence.0,
        patrolled_at: row.patrolled_at.0,
        received_at: row.received_at.0,
        skewed: row.skewed,
    });
    Ok(patrols.collect())
}
