//! How far the chain of each aggregate of reporting's own events is.

use sqlx::PgConnection;
use uuid::Uuid;

/// The last sequence and head of an aggregate, 0 and empty for a new one; its row is locked until the transaction ends.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn lock(conn: &mut PgConnection, aggregate: Uuid) -> sqlx::Result<(i64, String)> {
    let row = sqlx::query!(
        "INSERT INTO chain_of (aggregate_id, sequence, head) VALUES ($1, 0, '')
         ON CONFLICT (aggregate_id) DO UPDATE SET sequence = chain_of.sequence
         RETURNING sequence, head",
        aggregate
    )
    .fetch_one(conn)
    .await?;
    Ok((row.sequence, row.head))
}

/// Its next one.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn advance(conn: &mut PgConnection, aggregate: Uuid, sequence: i64, head: &str) -> sqlx::Result<()> {
    sqlx::query!("UPDATE chain_of SET sequence = $2, head = $3 WHERE aggregate_id = $1", aggregate, sequence, head)
        .execute(conn)
        .await?;
    Ok(())
}
