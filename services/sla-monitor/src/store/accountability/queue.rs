//! What waits to become an entry.

use dafei_kernel::{owner::Owner, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, PgPool, types::Json};
use uuid::Uuid;

use crate::{accountability::reports::Report, store::NOTED};

/// An obligation as the ledger charges for it.
pub(crate) struct Breach {
    pub(crate) id: Uuid,
    pub(crate) case_id: Option<Uuid>,
    pub(crate) clock: String,
    pub(crate) region_path: String,
    pub(crate) direct: Owner,
    pub(crate) loop_owner: Owner,
    pub(crate) sector: String,
    pub(crate) started_at: Instant,
    pub(crate) due: Instant,
    /// Announced and not disproved.
    pub(crate) stands: bool,
    pub(crate) annulled: bool,
}

/// Notes obligations whose breach was announced or disproved, and wakes the timer at the commit.
pub(crate) async fn add(conn: &mut PgConnection, obligations: &[Uuid], due: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        r#"WITH noted AS (INSERT INTO accountability_due (obligation_id, due) SELECT id, $2 FROM UNNEST($1::uuid[]) AS u (id))
           SELECT pg_notify($3, '')::text AS "notified""#,
        obligations,
        PgInstant(due) as PgInstant,
        NOTED
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Notes what cases have recorded, and wakes the timer at the commit; what is noted already stays as it is.
pub(crate) async fn add_reports(conn: &mut PgConnection, reports: &[Report]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"WITH noted AS (
               INSERT INTO accountability_report (event_id, body, due)
               SELECT * FROM UNNEST($1::uuid[], $2::jsonb[], $3::timestamptz[]) ON CONFLICT DO NOTHING)
           SELECT pg_notify($4, '')::text AS "notified""#,
        &reports.iter().map(|report| report.event).collect::<Vec<_>>(),
        &reports.iter().map(Json).collect::<Vec<_>>() as &[Json<&Report>],
        &reports.iter().map(|report| PgInstant(report.recorded_at)).collect::<Vec<_>>() as &[PgInstant],
        NOTED
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// When the first of them falls due.
pub(crate) async fn next(pool: &PgPool) -> sqlx::Result<Option<Instant>> {
    let next = sqlx::query_scalar!(
        r#"SELECT least((SELECT min(due) FROM accountability_due), (SELECT min(due) FROM accountability_report)) AS "next: PgInstant""#
    )
    .fetch_one(pool)
    .await?;
    Ok(next.map(Instant::from))
}

/// Takes obligations out that nobody else is at. Of several notes of one obligation only the first is to be had: whoever takes the next one sees
/// what became of it.
pub(crate) async fn take(conn: &mut PgConnection, now: Instant, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "DELETE FROM accountability_due WHERE position = ANY(ARRAY(
             SELECT d.position FROM accountability_due d
             WHERE d.due <= $1 AND NOT EXISTS (
                 SELECT FROM accountability_due e WHERE e.obligation_id = d.obligation_id AND e.position < d.position)
             ORDER BY d.position LIMIT $2 FOR UPDATE SKIP LOCKED))
         RETURNING obligation_id",
        PgInstant(now) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await
}

/// Takes reports out that nobody else is at, and that were recorded before intake's stream is complete: who held a post by then is known. Of several reports of one case only the first is to be had: whoever takes the next one sees what
/// became of it.
pub(crate) async fn take_reports(conn: &mut PgConnection, now: Instant, limit: i64) -> sqlx::Result<Vec<Report>> {
    let rows = sqlx::query_scalar!(
        r#"DELETE FROM accountability_report WHERE event_id = ANY(ARRAY(
               SELECT r.event_id FROM accountability_report r
               WHERE r.due <= (SELECT least(w.through, $1) FROM watermark w WHERE w.service = 'intake') AND NOT EXISTS (
                   SELECT FROM accountability_report e
                   WHERE e.body ->> 'case_id' = r.body ->> 'case_id' AND e.position < r.position)
               ORDER BY r.due, r.event_id LIMIT $2 FOR UPDATE SKIP LOCKED))
           RETURNING body AS "body: Json<Report>""#,
        PgInstant(now) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|body| body.0).collect())
}

macro_rules! breaches {
    ($tail:literal, $conn:expr, $ids:expr) => {{
        let rows = sqlx::query!(
            r#"SELECT id, case_id AS "case_id?", clock, region_path, direct AS "direct: Json<Owner>",
                      loop_owner AS "loop_owner: Json<Owner>", sector, started_at AS "started_at: PgInstant",
                      due AS "due: PgInstant", breached, annulled
               FROM obligation WHERE id = ANY($1) ORDER BY id "#
                + $tail,
            $ids
        )
        .fetch_all($conn)
        .await?;
        let breaches = rows.into_iter().map(|row| Breach {
            id: row.id,
            case_id: row.case_id,
            clock: row.clock,
            region_path: row.region_path,
            direct: row.direct.0,
            loop_owner: row.loop_owner.0,
            sector: row.sector,
            started_at: row.started_at.0,
            due: row.due.0,
            stands: row.breached && !row.annulled,
            annulled: row.annulled,
        });
        Ok(breaches.collect())
    }};
}

/// Obligations by their ids.
pub(crate) async fn breaches(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Breach>> {
    breaches!("", conn, ids)
}

/// As [`breaches`]; nobody announces anything of them before this transaction has ended.
pub(crate) async fn lock_breaches(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Breach>> {
    breaches!("FOR NO KEY UPDATE", conn, ids)
}

/// Sectors of these cases, as far as they are known.
pub(crate) async fn sectors(conn: &mut PgConnection, cases: &[Uuid]) -> sqlx::Result<Vec<(Uuid, String)>> {
    let rows = sqlx::query!(
        r#"SELECT c.id AS "id!", o.sector AS "sector!" FROM UNNEST($1::uuid[]) AS c (id)
           CROSS JOIN LATERAL (SELECT sector FROM obligation WHERE case_id = c.id AND sector <> '' LIMIT 1) o"#,
        cases
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.sector)).collect())
}
