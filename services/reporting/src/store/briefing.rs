//! Released briefings and their readings.

use dafei_kernel::{owner::Post, region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, PgExecutor, types::Json};

/// A briefing as it was released.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of briefing")]
pub struct Released {
    pub released_at: Instant,
    pub released_by: Post,
    pub content: Vec<u8>,
    pub sha256: String,
}

/// Makes whoever releases the same briefing at the same time wait for this transaction.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn lock(conn: &mut PgConnection, unit: &Region, period: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('briefing/' || $1 || '/' || $2, 0))",
        period,
        unit.code().as_str()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A released briefing; none while it is a draft.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn released(executor: impl PgExecutor<'_>, unit: &Region, period: &str) -> sqlx::Result<Option<Released>> {
    let row = sqlx::query!(
        r#"SELECT released_at AS "released_at: PgInstant", released_by AS "released_by: Json<Post>", content, sha256
           FROM briefing WHERE period = $1 AND unit_code = $2"#,
        period,
        unit.code().as_str()
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Released {
        released_at: row.released_at.0,
        released_by: row.released_by.0,
        content: row.content,
        sha256: row.sha256,
    }))
}

/// Keeps a released briefing.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn release(conn: &mut PgConnection, unit: &Region, period: &str, released: &Released) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO briefing (period, unit_level, unit_code, released_at, released_by, content, sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        period,
        unit.level().code(),
        unit.code().as_str(),
        PgInstant(released.released_at) as PgInstant,
        Json(&released.released_by) as Json<&Post>,
        released.content,
        released.sha256
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When and by whom a unit's briefing was released.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "columns of briefing")]
pub struct Standing {
    pub unit_code: String,
    pub released_at: Instant,
    pub released_by: Post,
}

/// The released briefings of these units, in no order.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn standings(executor: impl PgExecutor<'_>, codes: &[String], period: &str) -> sqlx::Result<Vec<Standing>> {
    let rows = sqlx::query!(
        r#"SELECT unit_code, released_at AS "released_at: PgInstant", released_by AS "released_by: Json<Post>" FROM briefing
           WHERE period = $1 AND unit_code = ANY($2)"#,
        period,
        codes
    )
    .fetch_all(executor)
    .await?;
    let standing =
        |unit_code, at: PgInstant, by: Json<Post>| Standing { unit_code, released_at: at.0, released_by: by.0 };
    Ok(rows.into_iter().map(|row| standing(row.unit_code, row.released_at, row.released_by)).collect())
}

/// A reading.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "columns of briefing_reading")]
pub struct Reading {
    pub unit_code: String,
    pub post: Post,
    pub name: String,
    pub acknowledged_at: Instant,
}

/// Who has read the briefings of these units, in the order of time.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn readings(executor: impl PgExecutor<'_>, codes: &[String], period: &str) -> sqlx::Result<Vec<Reading>> {
    let rows = sqlx::query!(
        r#"SELECT unit_code, post AS "post: Json<Post>", name, acknowledged_at AS "acknowledged_at: PgInstant" FROM briefing_reading
           WHERE period = $1 AND unit_code = ANY($2) ORDER BY acknowledged_at, subject"#,
        period,
        codes
    )
    .fetch_all(executor)
    .await?;
    let reading = |unit_code, post: Json<Post>, name, at: PgInstant| Reading {
        unit_code,
        post: post.0,
        name,
        acknowledged_at: at.0,
    };
    Ok(rows.into_iter().map(|row| reading(row.unit_code, row.post, row.name, row.acknowledged_at)).collect())
}

/// Keeps a reading; false when the person had acknowledged it before.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn acknowledge(
    conn: &mut PgConnection,
    unit: &Region,
    period: &str,
    subject: &str,
    reading: &Reading,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO briefing_reading (period, unit_code, subject, post, name, acknowledged_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (period, unit_code, subject) DO NOTHING",
        period,
        unit.code().as_str(),
        subject,
        Json(&reading.post) as Json<&Post>,
        reading.name,
        PgInstant(reading.acknowledged_at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}
