//! What became of each rebuild.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// A rebuild.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of rebuild")]
pub struct RebuildRow {
    pub rebuild_id: Uuid,
    /// `running`, `equal`, `different` or `failed`.
    pub state: String,
    pub started_at: PgInstant,
    pub finished_at: Option<PgInstant>,
    pub events: i64,
    pub facts: i64,
    pub differing_cells: i64,
    pub failure: String,
}

/// A cell that differs.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of rebuild_example")]
pub struct ExampleRow {
    pub kind: String,
    pub region_level: String,
    pub region_code: String,
    pub agency: String,
    pub month: i32,
    pub sector: String,
    pub col: i16,
    pub served: i64,
    pub shadow: i64,
}

/// How a rebuild ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was compared: how many cells differ.
    Compared(i64),
    /// It was broken off, and why.
    Failed(String),
}

/// Notes that a rebuild began.
///
/// # Errors
/// When another one runs, or PostgreSQL is away.
pub async fn begin(conn: &mut PgConnection, rebuild_id: Uuid, now: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO rebuild (rebuild_id, state, started_at) VALUES ($1, 'running', $2)",
        rebuild_id,
        PgInstant(now) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How far a running rebuild is.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn advance(pool: &PgPool, rebuild_id: Uuid, events: i64, facts: i64) -> sqlx::Result<()> {
    sqlx::query!("UPDATE rebuild SET events = $2, facts = $3 WHERE rebuild_id = $1", rebuild_id, events, facts)
        .execute(pool)
        .await?;
    Ok(())
}

/// Notes how a running rebuild ended.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn end(pool: &PgPool, rebuild_id: Uuid, ending: &Ending, now: Instant) -> sqlx::Result<()> {
    let (state, differing, failure) = match ending {
        Ending::Compared(0) => ("equal", 0, ""),
        Ending::Compared(cells) => ("different", *cells, ""),
        Ending::Failed(reason) => ("failed", 0, reason.as_str()),
    };
    sqlx::query!(
        "UPDATE rebuild SET state = $2, differing_cells = $3, failure = $4, finished_at = $5
         WHERE rebuild_id = $1 AND state = 'running'",
        rebuild_id,
        state,
        differing,
        failure,
        PgInstant(now) as PgInstant
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Ends those that are noted as running: the caller knows that none is.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn break_off(conn: &mut PgConnection, failure: &str, now: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE rebuild SET state = 'failed', failure = $1, finished_at = $2 WHERE state = 'running'",
        failure,
        PgInstant(now) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A rebuild; the last one when none is named.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn find(conn: &mut PgConnection, rebuild_id: Option<Uuid>) -> sqlx::Result<Option<RebuildRow>> {
    sqlx::query_as!(
        RebuildRow,
        r#"SELECT rebuild_id, state, started_at AS "started_at: PgInstant", finished_at AS "finished_at: PgInstant", events, facts,
                  differing_cells, failure
           FROM rebuild WHERE $1::uuid IS NULL OR rebuild_id = $1 ORDER BY number DESC LIMIT 1"#,
        rebuild_id
    )
    .fetch_optional(conn)
    .await
}

/// The first cells that differ.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn examples(conn: &mut PgConnection, rebuild_id: Uuid) -> sqlx::Result<Vec<ExampleRow>> {
    sqlx::query_as!(
        ExampleRow,
        "SELECT kind, region_level, region_code, agency, month, sector, col, served, shadow
         FROM rebuild_example WHERE rebuild_id = $1 ORDER BY place",
        rebuild_id
    )
    .fetch_all(conn)
    .await
}

/// How many cells differed in the last rebuild that was compared; none before the first.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn last_differences(pool: &PgPool) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "SELECT differing_cells FROM rebuild WHERE state IN ('equal', 'different') ORDER BY number DESC LIMIT 1"
    )
    .fetch_optional(pool)
    .await
}
