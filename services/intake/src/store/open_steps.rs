//! The suspicions that the village still owes a step of, by the last byte of their ids.

use dafei_intake_core::suspicion::StateKind;
use futures::{Stream as Flow, TryStreamExt};
use sqlx::PgConnection;
use uuid::Uuid;

use super::suspicions::state_code;

/// A suspicion with a step that the village owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) bucket: i16,
    pub(crate) id: Uuid,
    /// Sequence of its last published event.
    pub(crate) sequence: i64,
    pub(crate) state: i16,
}

/// The states in which the village owes a step.
fn owing() -> Vec<i16> {
    StateKind::ALL.into_iter().filter(|kind| !kind.clocks().is_empty()).map(state_code).collect()
}

/// A page of a bucket, by id.
pub(crate) async fn page(conn: &mut PgConnection, bucket: i16, after: Uuid, limit: i64) -> sqlx::Result<Vec<Open>> {
    sqlx::query_as!(
        Open,
        r#"SELECT case_bucket(id) AS "bucket!", id, sequence, state FROM suspicion
           WHERE NOT ended AND case_bucket(id) = $1 AND id > $2 AND state = ANY($3) ORDER BY id LIMIT $4"#,
        bucket,
        after,
        &owing(),
        limit
    )
    .fetch_all(conn)
    .await
}

/// All of them, by bucket and id.
pub(crate) fn all<'a>(conn: &'a mut PgConnection) -> impl Flow<Item = sqlx::Result<Open>> + Send + 'a {
    sqlx::query_as!(
        Open,
        r#"SELECT case_bucket(id) AS "bucket!", id, sequence, state FROM suspicion
           WHERE NOT ended AND state = ANY($1) ORDER BY case_bucket(id), id"#,
        &owing()
    )
    .fetch(conn)
    .map_ok(|open| open)
}

/// Place of the last event in the log, as far as this snapshot sees it.
pub(crate) async fn position(conn: &mut PgConnection) -> sqlx::Result<i64> {
    let last = sqlx::query_scalar!("SELECT max(position) FROM event_log").fetch_one(conn).await?;
    Ok(last.unwrap_or(0))
}
