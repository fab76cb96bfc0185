//! Transactions that write events.

use sqlx::{PgPool, Postgres, Transaction};

use crate::batch::BatchFailure;

/// Begins a transaction that already has its transaction id.
///
/// Read the clock only after this call: the relay's watermark names an instant only when every transaction that had an id before that
/// instant was read has ended, so a commit can never carry an earlier instant than a watermark that was published before it.
///
/// # Errors
/// When no connection is to be had.
pub async fn begin_write(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut tx = pool.begin().await?;
    sqlx::query!(r#"SELECT pg_current_xact_id()::text AS "xid!""#).fetch_one(&mut *tx).await?;
    Ok(tx)
}

/// Commits; an error that leaves open whether the commit happened is [`BatchFailure::Unknown`].
///
/// # Errors
/// The failure, classified.
pub async fn commit(tx: Transaction<'_, Postgres>) -> Result<(), BatchFailure> {
    tx.commit().await.map_err(BatchFailure::at_commit)
}
