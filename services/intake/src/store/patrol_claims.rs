//! What makes a patrol one record, its photos first uses and its week a number: rows that transactions wait for each other at, so each
//! statement takes them in the order of their keys.

use std::collections::HashMap;

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

/// A patrol's key: village and the device's id of the patrol.
pub(crate) type Key = (i64, Uuid);

/// A village's week, by its first instant.
pub(crate) type Week = (i64, Instant);

/// A patrol that asks for its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) key: Key,
    pub(crate) patrol: Uuid,
    pub(crate) patrolled_at: Instant,
    /// Digest of what it says.
    pub(crate) content: i64,
}

/// Takes the keys that are free, and waits for a transaction that is taking one of them; the patrols that hold the keys now.
pub(crate) async fn keys(conn: &mut PgConnection, claims: &[Claim]) -> sqlx::Result<HashMap<Key, Claim>> {
    let villages: Vec<i64> = claims.iter().map(|claim| claim.key.0).collect();
    let keys: Vec<Uuid> = claims.iter().map(|claim| claim.key.1).collect();
    let patrols: Vec<Uuid> = claims.iter().map(|claim| claim.patrol).collect();
    let instants: Vec<PgInstant> = claims.iter().map(|claim| PgInstant(claim.patrolled_at)).collect();
    let contents: Vec<i64> = claims.iter().map(|claim| claim.content).collect();
    let taken = sqlx::query_scalar!(
        "INSERT INTO patrol_key (village, key, patrol, patrolled_at, content)
         SELECT * FROM UNNEST($1::bigint[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::bigint[]) AS u (village, key)
         ORDER BY village, key
         ON CONFLICT (village, key) DO NOTHING RETURNING patrol",
        &villages,
        &keys,
        &patrols,
        &instants as &[PgInstant],
        &contents
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut holders: HashMap<Key, Claim> = claims.iter().map(|claim| (claim.key, *claim)).collect();
    if taken.len() == claims.len() {
        return Ok(holders);
    }
    let rows = sqlx::query!(
        r#"SELECT k.village, k.key, k.patrol, k.patrolled_at AS "patrolled_at: PgInstant", k.content
           FROM UNNEST($1::bigint[], $2::uuid[]) AS asked (village, key)
           CROSS JOIN LATERAL (SELECT * FROM patrol_key WHERE village = asked.village AND key = asked.key LIMIT 1) k"#,
        &villages,
        &keys
    )
    .fetch_all(conn)
    .await?;
    holders.extend(rows.into_iter().map(|row| {
        let key = (row.village, row.key);
        (key, Claim { key, patrol: row.patrol, patrolled_at: row.patrolled_at.0, content: row.content })
    }));
    Ok(holders)
}

/// Notes which patrols use which photos; of each photo the patrol that used its bytes first, in whichever village.
pub(crate) async fn photos(conn: &mut PgConnection, uses: &[(Uuid, Uuid)]) -> sqlx::Result<HashMap<Uuid, Uuid>> {
    if uses.is_empty() {
        return Ok(HashMap::new());
    }
    let photos: Vec<Uuid> = uses.iter().map(|(photo, _)| *photo).collect();
    let patrols: Vec<Uuid> = uses.iter().map(|(_, patrol)| *patrol).collect();
    sqlx::query!(
        "INSERT INTO patrol_photo (sha256, patrol)
         SELECT DISTINCT ON (e.sha256) e.sha256, u.patrol
         FROM UNNEST($1::uuid[], $2::uuid[]) WITH ORDINALITY AS u (photo, patrol, place) JOIN evidence e ON e.id = u.photo
         ORDER BY e.sha256, u.place
         ON CONFLICT (sha256) DO NOTHING",
        &photos,
        &patrols
    )
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query!(
        "SELECT e.id, p.patrol FROM evidence e JOIN patrol_photo p ON p.sha256 = e.sha256 WHERE e.id = ANY($1)",
        &photos
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.patrol)).collect())
}

/// Adds to the weeks' counts; what they are then.
pub(crate) async fn count(conn: &mut PgConnection, weeks: &[(Week, i32)]) -> sqlx::Result<HashMap<Week, i32>> {
    if weeks.is_empty() {
        return Ok(HashMap::new());
    }
    let villages: Vec<i64> = weeks.iter().map(|((village, _), _)| *village).collect();
    let starts: Vec<PgInstant> = weeks.iter().map(|((_, week), _)| PgInstant(*week)).collect();
    let added: Vec<i32> = weeks.iter().map(|(_, added)| *added).collect();
    let rows = sqlx::query!(
        r#"INSERT INTO patrol_week AS w (village, week, patrols)
           SELECT * FROM UNNEST($1::bigint[], $2::timestamptz[], $3::integer[]) AS u (village, week) ORDER BY village, week
           ON CONFLICT (village, week) DO UPDATE SET patrols = w.patrols + excluded.patrols
           RETURNING village, week AS "week: PgInstant", patrols"#,
        &villages,
        &starts as &[PgInstant],
        &added
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.village, row.week.0), row.patrols)).collect())
}

/// The counts of one week; a village without a row has none.
pub(crate) async fn week(conn: &mut PgConnection, week: Instant, villages: &[i64]) -> sqlx::Result<HashMap<i64, i32>> {
    let rows = sqlx::query!(
        "SELECT w.village, w.patrols FROM UNNEST($1::bigint[]) AS asked (village)
         CROSS JOIN LATERAL (SELECT * FROM patrol_week WHERE village = asked.village AND week = $2 LIMIT 1) w",
        villages,
        PgInstant(week) as PgInstant
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.village, row.patrols)).collect())
}
