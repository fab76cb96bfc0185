//! How far dispatch's own consumers have read, as messaging keeps it beside their effects.

use dafei_messaging::consumer;
use sqlx::PgConnection;

use crate::consumers::NAME;

/// The last sequence of a stream that took effect; 0 before the first.
pub(crate) async fn position(conn: &mut PgConnection, stream: &str) -> sqlx::Result<u64> {
    let sequence = sqlx::query_scalar!(
        "SELECT last_sequence FROM consumer_position WHERE consumer = $1 AND stream = $2",
        consumer::key(NAME, stream),
        stream
    )
    .fetch_optional(conn)
    .await?;
    Ok(sequence.and_then(|sequence| u64::try_from(sequence).ok()).unwrap_or(0))
}
