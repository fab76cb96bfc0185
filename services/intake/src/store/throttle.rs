//! Tries in a span of time, counted before anything is hashed: a slot is taken and committed first, so that tries in parallel cannot slip
//! past the limit.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use jiff::SignedDuration;
use sqlx::{PgConnection, PgPool};

use super::roles::{Acting, Bank};

/// A limit on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    /// What kind of key it is.
    pub(crate) purpose: &'static str,
    /// The key.
    pub(crate) key: String,
    /// Most tries of a span.
    pub(crate) tries: u32,
}

/// Takes a slot of each limit; says whether all had one. Must be rolled back when not, so that a refused try costs nothing, and be committed
/// before the try is made. Rows are locked in one order.
pub(crate) async fn take(
    bank: &mut Acting<'_, Bank>,
    limits: &[Limit],
    now: Instant,
    span: SignedDuration,
) -> sqlx::Result<bool> {
    let (purposes, keys) = columns(limits);
    let most: Vec<i64> = limits.iter().map(|limit| i64::from(limit.tries)).collect();
    let over = now.checked_sub(span).unwrap_or(Instant::MIN);
    let within = sqlx::query_scalar!(
        r#"WITH taken AS (
               INSERT INTO throttle AS t (purpose, key, span_start, tries)
               SELECT purpose, key, $4::timestamptz, 1 FROM UNNEST($1::text[], $2::text[]) AS asked (purpose, key)
               ORDER BY purpose, key
               ON CONFLICT (purpose, key) DO UPDATE SET
                   span_start = CASE WHEN t.span_start <= $5 THEN $4 ELSE t.span_start END,
                   tries = CASE WHEN t.span_start <= $5 THEN 1 ELSE t.tries + 1 END
               RETURNING purpose, key, tries
           )
           SELECT bool_and(t.tries <= l.most) AS "within!"
           FROM taken t JOIN UNNEST($1::text[], $2::text[], $3::bigint[]) AS l (purpose, key, most) USING (purpose, key)"#,
        &purposes as &[&str],
        &keys as &[&str],
        &most,
        PgInstant(now) as PgInstant,
        PgInstant(over) as PgInstant
    )
    .fetch_one(bank.conn())
    .await?;
    Ok(within)
}

/// Takes one of the slots of a span of time, at once and for good; false when all are taken. A statement of its own: what waits for nothing
/// but this row cannot be outrun by parallel tries.
pub(crate) async fn take_one(
    pool: &PgPool,
    (purpose, key): (&str, &str),
    span_start: Instant,
    slots: i32,
) -> sqlx::Result<bool> {
    let taken = sqlx::query_scalar!(
        "INSERT INTO throttle AS t (purpose, key, span_start, tries) VALUES ($1, $2, $3, 1)
         ON CONFLICT (purpose, key) DO UPDATE
         SET tries = CASE WHEN t.span_start = excluded.span_start THEN t.tries + 1 ELSE 1 END, span_start = excluded.span_start
         WHERE t.span_start <> excluded.span_start OR t.tries < $4
         RETURNING tries",
        purpose,
        key,
        PgInstant(span_start) as PgInstant,
        slots
    )
    .fetch_optional(pool)
    .await?;
    Ok(taken.is_some())
}

/// Whether a limit is used up already, without a lock: a flood of tries is turned away here and does not queue for the rows. Who gets past it
/// takes his slots by [`take`] all the same.
pub(crate) async fn spent(
    bank: &mut Acting<'_, Bank>,
    limits: &[Limit],
    now: Instant,
    span: SignedDuration,
) -> sqlx::Result<bool> {
    let (purposes, keys) = columns(limits);
    let most: Vec<i64> = limits.iter().map(|limit| i64::from(limit.tries)).collect();
    let over = now.checked_sub(span).unwrap_or(Instant::MIN);
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM throttle t JOIN UNNEST($1::text[], $2::text[], $3::bigint[]) AS l (purpose, key, most)
                   USING (purpose, key)
               WHERE t.span_start > $4 AND t.tries >= l.most) AS "spent!""#,
        &purposes as &[&str],
        &keys as &[&str],
        &most,
        PgInstant(over) as PgInstant
    )
    .fetch_one(bank.conn())
    .await
}

/// Gives slots back: the code was right. One of a span that is over is gone already.
pub(crate) async fn give_back(bank: &mut Acting<'_, Bank>, limits: &[Limit], taken: Instant) -> sqlx::Result<()> {
    let (purposes, keys) = columns(limits);
    sqlx::query!(
        "WITH held AS (
             SELECT t.purpose, t.key FROM throttle t
             JOIN UNNEST($1::text[], $2::text[]) AS asked (purpose, key) USING (purpose, key)
             WHERE t.span_start <= $3
             ORDER BY t.purpose, t.key FOR UPDATE OF t
         )
         UPDATE throttle t SET tries = greatest(t.tries - 1, 0) FROM held h WHERE t.purpose = h.purpose AND t.key = h.key",
        &purposes as &[&str],
        &keys as &[&str],
        PgInstant(taken) as PgInstant
    )
    .execute(bank.conn())
    .await?;
    Ok(())
}

/// Forgets spans that began before an instant, some at a time; says how many.
pub(crate) async fn forget(conn: &mut PgConnection, before: Instant, limit: i64) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM throttle WHERE (purpose, key) IN (
             SELECT purpose, key FROM throttle WHERE span_start < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        PgInstant(before) as PgInstant,
        limit
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

fn columns(limits: &[Limit]) -> (Vec<&str>, Vec<&str>) {
    limits.iter().map(|limit| (limit.purpose, limit.key.as_str())).unzip()
}
