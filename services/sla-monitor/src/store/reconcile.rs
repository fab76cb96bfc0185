//! The reconciler's side of the ledger: what is armed, up to which event each case was taken, runs and holes.

mod holes;
mod runs;

pub(crate) use holes::{
    Asked, Counted, Hole, Known, close, close_absent, count, forget_absent, holes, known, see, sight,
};
pub(crate) use runs::{Run, begin, finish, last, runs};

use std::collections::HashMap;

use dafei_kernel::time::Instant;
use dafei_messaging::{pg::PgInstant, sessions};
use dafei_sla_core::{
    Clock, End, EndKind, Source,
    reconcile::{Key, Stored, publisher},
};
use futures::{Stream as Flow, TryStreamExt};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::consumers;

/// The clocks that time a publisher's steps.
fn clocks(source: Source) -> Vec<&'static str> {
    Clock::CASES.into_iter().filter(|clock| publisher(*clock) == source).map(Clock::code).collect()
}

fn key(case: Uuid, clock: &str, instruction: Option<Uuid>) -> sqlx::Result<Key> {
    let clock = clock.parse().map_err(|error: dafei_sla_core::clock::ClockError| sqlx::Error::Decode(error.into()))?;
    Ok(Key { case, clock, instruction })
}

/// All armed obligations of a bucket, by case, clock and instruction, with the sequence of the last event of the case that was taken.
pub(crate) fn bucket(
    conn: &mut PgConnection,
    source: Source,
    bucket: i16,
) -> impl Flow<Item = sqlx::Result<(Key, i64)>> + Send {
    sqlx::query!(
        r#"SELECT o.case_id AS "case_id!", o.clock, o.instruction, m.sequence AS "sequence?"
           FROM obligation o
           LEFT JOIN consumer_mark m ON m.consumer = $3 AND m.source = $4 AND m.aggregate_id = o.case_id
           WHERE case_bucket(o.case_id) = $1 AND o.end_kind IS NULL AND o.next_fire_at IS NOT NULL AND o.case_id IS NOT NULL
             AND o.clock = ANY($2)
           ORDER BY o.case_id, o.clock COLLATE "C", o.instruction NULLS FIRST"#,
        bucket,
        &clocks(source) as &[&str],
        consumers::key(source),
        consumers::event_source(source)
    )
    .fetch(conn)
    .map_err(Into::into)
    .and_then(|row| async move { Ok((key(row.case_id, &row.clock, row.instruction)?, row.sequence.unwrap_or(0))) })
}

/// A part of a bucket's armed obligations, by case: behind `after`, up to and with `until`.
pub(crate) async fn armed(
    conn: &mut PgConnection,
    source: Source,
    bucket: i16,
    (after, until): (Uuid, Uuid),
    limit: i64,
) -> sqlx::Result<Vec<Key>> {
    let rows = sqlx::query!(
        r#"SELECT case_id AS "case_id!", clock, instruction FROM obligation
           WHERE case_bucket(case_id) = $1 AND end_kind IS NULL AND next_fire_at IS NOT NULL AND case_id IS NOT NULL
             AND clock = ANY($2) AND case_id > $3 AND case_id <= $4
           ORDER BY case_id LIMIT $5"#,
        bucket,
        &clocks(source) as &[&str],
        after,
        until,
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| key(row.case_id, &row.clock, row.instruction)).collect()
}

/// The sequence of the last event of each of these cases that was taken.
pub(crate) async fn marks(conn: &mut PgConnection, source: Source, cases: &[Uuid]) -> sqlx::Result<HashMap<Uuid, i64>> {
    let rows = sqlx::query!(
        r#"SELECT asked.id AS "id!", m.sequence
           FROM UNNEST($3::uuid[]) AS asked (id)
           CROSS JOIN LATERAL (
               SELECT sequence FROM consumer_mark WHERE consumer = $1 AND source = $2 AND aggregate_id = asked.id LIMIT 1
           ) m"#,
        consumers::key(source),
        consumers::event_source(source),
        cases
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.sequence)).collect())
}

/// Which of these cases have events that wait behind a gap.
pub(crate) async fn waiting(conn: &mut PgConnection, source: Source, cases: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"SELECT asked.id AS "id!" FROM UNNEST($3::uuid[]) AS asked (id)
           WHERE EXISTS (SELECT FROM parked_event WHERE consumer = $1 AND source = $2 AND aggregate_id = asked.id)"#,
        consumers::key(source),
        consumers::event_source(source),
        cases
    )
    .fetch_all(conn)
    .await
}

/// How far a publisher's stream is complete; none when it has not said so.
pub(crate) async fn watermark(conn: &mut PgConnection, source: Source) -> sqlx::Result<Option<Instant>> {
    let through = sqlx::query_scalar!(
        r#"SELECT through AS "through: PgInstant" FROM watermark WHERE service = $1"#,
        source.code()
    )
    .fetch_optional(conn)
    .await?;
    Ok(through.map(Instant::from))
}

/// What arms an obligation.
pub(crate) struct Arming {
    pub(crate) id: Uuid,
    pub(crate) instruction: Option<Uuid>,
    pub(crate) next_fire_at: Option<Instant>,
}

/// Arms obligations that run: what comes next of them is announced, also where their end was announced in error.
pub(crate) async fn arm(conn: &mut PgConnection, armings: &[Arming]) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE obligation o SET instruction = a.instruction, next_fire_at = a.next_fire_at, end_announced = NULL
         FROM UNNEST($1::uuid[], $2::uuid[], $3::timestamptz[]) AS a (id, instruction, next_fire_at)
         WHERE o.id = a.id AND o.end_kind IS NULL",
        &armings.iter().map(|one| one.id).collect::<Vec<_>>(),
        &armings.iter().map(|one| one.instruction).collect::<Vec<_>>() as &[Option<Uuid>],
        &armings.iter().map(|one| one.next_fire_at.map(PgInstant)).collect::<Vec<_>>() as &[Option<PgInstant>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The armed obligations of a key.
pub(crate) async fn armed_of(conn: &mut PgConnection, key: &Key) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM obligation WHERE case_id = $1 AND clock = $2 AND instruction IS NOT DISTINCT FROM $3
           AND end_kind IS NULL AND next_fire_at IS NOT NULL ORDER BY started_at, id",
        key.case,
        key.clock.code(),
        key.instruction as Option<Uuid>
    )
    .fetch_all(conn)
    .await
}

/// All obligations of a case as they are stored.
pub(crate) async fn stored(conn: &mut PgConnection, case: Uuid) -> sqlx::Result<Vec<Stored>> {
    let rows = sqlx::query!(
        r#"SELECT id, clock, instruction, end_kind, ended_at AS "ended_at: PgInstant" FROM obligation WHERE case_id = $1
           ORDER BY started_at, id"#,
        case
    )
    .fetch_all(conn)
    .await?;
    let stored = rows.into_iter().map(|row| {
        let kind = row.end_kind.as_deref().and_then(EndKind::from_code);
        let end = kind.zip(row.ended_at).map(|(kind, at)| End { kind, at: at.0 });
        Ok(Stored { obligation: row.id, key: key(case, &row.clock, row.instruction)?, end })
    });
    stored.collect()
}

/// A connection that holds the reconciler's lock as long as it lives; none while another holds it.
pub(crate) async fn lock(pool: &PgPool) -> sqlx::Result<Option<PgConnection>> {
    let mut conn = sessions::long(pool).await?;
    let locked =
        sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!""#, LOCK).fetch_one(&mut conn).await?;
    Ok(locked.then_some(conn))
}

/// Gives the lock back; it would go with the connection, too, but later.
pub(crate) async fn unlock(mut conn: PgConnection) {
    use sqlx::Connection as _;
    let given = sqlx::query_scalar!(r#"SELECT pg_advisory_unlock($1) AS "given!""#, LOCK).fetch_one(&mut conn).await;
    if let Err(error) = given {
        tracing::debug!(%error, "the reconciler's lock goes with its connection");
    }
    let _ = conn.close().await;
}

/// Advisory lock of the one run at a time.
const LOCK: i64 = 0x6461_6665_0300_0030;
