//! What did not fit: sightings, and the holes that they became.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::{
    Source,
    reconcile::{Difference, Key, Side},
};
use sqlx::PgConnection;
use uuid::Uuid;

/// A sighting or hole that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) number: i64,
    pub(crate) key: Key,
    pub(crate) side: Side,
    pub(crate) first_seen: Instant,
    /// The publisher's watermark must be beyond this before a second sighting counts.
    pub(crate) beyond: Instant,
    /// It counted before, and could not be repaired.
    pub(crate) counted: bool,
}

/// What of these differences was seen before.
pub(crate) async fn known(conn: &mut PgConnection, differences: &[Difference]) -> sqlx::Result<Vec<Known>> {
    let mut cases: Vec<Uuid> = differences.iter().map(|one| one.key.case).collect();
    cases.sort_unstable();
    cases.dedup();
    let rows = sqlx::query!(
        r#"SELECT number, case_id, clock, instruction, side, first_seen AS "first_seen: PgInstant", beyond AS "beyond: PgInstant",
                  second_seen IS NOT NULL AS "counted!"
           FROM reconciliation_hole WHERE case_id = ANY($1) AND closed_at IS NULL"#,
        &cases
    )
    .fetch_all(conn)
    .await?;
    let known = rows.into_iter().map(|row| {
        let side = Side::from_code(&row.side).ok_or_else(|| sqlx::Error::Decode(row.side.clone().into()))?;
        Ok(Known {
            number: row.number,
            key: super::key(row.case_id, &row.clock, row.instruction)?,
            side,
            first_seen: row.first_seen.0,
            beyond: row.beyond.0,
            counted: row.counted,
        })
    });
    known.collect()
}

/// Differences are seen for the first time.
pub(crate) async fn sight(
    conn: &mut PgConnection,
    publisher: Source,
    run: i64,
    (now, beyond): (Instant, Instant),
    differences: &[&Difference],
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO reconciliation_hole (publisher, run, first_seen, beyond, case_id, clock, instruction, side)
         SELECT $1, $2, $3, $4, * FROM UNNEST($5::uuid[], $6::text[], $7::uuid[], $8::text[])
         ON CONFLICT DO NOTHING",
        publisher.code(),
        run,
        PgInstant(now) as PgInstant,
        PgInstant(beyond) as PgInstant,
        &differences.iter().map(|one| one.key.case).collect::<Vec<_>>(),
        &differences.iter().map(|one| one.key.clock.code()).collect::<Vec<_>>() as &[&str],
        &differences.iter().map(|one| one.key.instruction).collect::<Vec<_>>() as &[Option<Uuid>],
        &differences.iter().map(|one| one.side.code()).collect::<Vec<_>>() as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Differences are seen again, and do not count, or counted before.
pub(crate) async fn see(conn: &mut PgConnection, run: i64, numbers: &[i64]) -> sqlx::Result<()> {
    sqlx::query!("UPDATE reconciliation_hole SET run = $1 WHERE number = ANY($2)", run, numbers).execute(conn).await?;
    Ok(())
}

/// How a hole was counted.
pub(crate) struct Counted {
    pub(crate) number: i64,
    pub(crate) run: i64,
    pub(crate) at: Instant,
    pub(crate) repair: &'static str,
    pub(crate) obligation: Option<Uuid>,
}

/// A difference counts as a hole.
pub(crate) async fn count(conn: &mut PgConnection, counted: &Counted) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE reconciliation_hole
         SET run = $2, second_seen = coalesce(second_seen, $3), counted_by = coalesce(counted_by, $2), repair = $4, obligation = $5
         WHERE number = $1",
        counted.number,
        counted.run,
        PgInstant(counted.at) as PgInstant,
        counted.repair,
        counted.obligation as Option<Uuid>
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A hole is closed.
pub(crate) async fn close(conn: &mut PgConnection, number: i64, at: Instant) -> sqlx::Result<()> {
    sqlx::query!("UPDATE reconciliation_hole SET closed_at = $2 WHERE number = $1", number, PgInstant(at) as PgInstant)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets what was seen once and not again by this run.
pub(crate) async fn forget_absent(conn: &mut PgConnection, run: i64) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM reconciliation_hole WHERE closed_at IS NULL AND second_seen IS NULL AND run <> $1", run)
        .execute(conn)
        .await?;
    Ok(())
}

/// Closes the holes that nobody repaired and this run did not see any more.
pub(crate) async fn close_absent(conn: &mut PgConnection, run: i64, at: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE reconciliation_hole SET closed_at = $2 WHERE closed_at IS NULL AND second_seen IS NOT NULL AND run <> $1",
        run,
        PgInstant(at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A hole as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Hole {
    pub(crate) number: i64,
    pub(crate) case_id: Uuid,
    pub(crate) clock: String,
    pub(crate) instruction: Option<Uuid>,
    pub(crate) side: String,
    pub(crate) first_seen: PgInstant,
    pub(crate) second_seen: Option<PgInstant>,
    pub(crate) counted_by: Option<i64>,
    pub(crate) repair: Option<String>,
    pub(crate) obligation: Option<Uuid>,
    pub(crate) closed_at: Option<PgInstant>,
}

/// Which holes are asked for.
pub(crate) struct Asked {
    pub(crate) case: Option<Uuid>,
    pub(crate) open_only: bool,
    pub(crate) before: i64,
    pub(crate) limit: i64,
}

macro_rules! holes {
    ($tail:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Hole,
            r#"SELECT number, case_id, clock, instruction, side, first_seen AS "first_seen: PgInstant",
                      second_seen AS "second_seen: PgInstant", counted_by, repair, obligation, closed_at AS "closed_at: PgInstant"
               FROM reconciliation_hole WHERE second_seen IS NOT NULL "# + $tail,
            $($argument),*
        )
    };
}

/// A page of holes, newest first.
pub(crate) async fn holes(conn: &mut PgConnection, asked: &Asked) -> sqlx::Result<Vec<Hole>> {
    match asked.case {
        Some(case) => {
            holes!(
                "AND case_id = $1 AND number < $2 AND (closed_at IS NULL OR NOT $3) ORDER BY number DESC LIMIT $4",
                case,
                asked.before,
                asked.open_only,
                asked.limit
            )
            .fetch_all(conn)
            .await
        }
        None => {
            holes!(
                "AND number < $1 AND (closed_at IS NULL OR NOT $2) ORDER BY number DESC LIMIT $3",
                asked.before,
                asked.open_only,
                asked.limit
            )
            .fetch_all(conn)
            .await
        }
    }
}
