//! Sequence and chain of aggregates without a row of their own.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

/// Where an aggregate's events stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Sequence of the last event.
    pub(crate) sequence: i64,
    /// Head of the chain.
    pub(crate) chain: String,
}

/// Loads and locks heads, making those that are missing, in the order of their ids: none waits for another in a circle.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Head>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "INSERT INTO event_head AS h (aggregate_id, sequence, chain_head)
         SELECT DISTINCT id, 0::bigint, '' FROM UNNEST($1::uuid[]) AS asked (id) ORDER BY id
         ON CONFLICT (aggregate_id) DO UPDATE SET sequence = h.sequence
         RETURNING aggregate_id, sequence, chain_head",
        ids
    )
    .fetch_all(conn)
    .await?;
    let head = |sequence, chain| Head { sequence, chain };
    Ok(rows.into_iter().map(|row| (row.aggregate_id, head(row.sequence, row.chain_head))).collect())
}

/// Writes heads that were locked.
pub(crate) async fn store(conn: &mut PgConnection, heads: &[(Uuid, Head)]) -> sqlx::Result<()> {
    if heads.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = heads.iter().map(|(id, _)| *id).collect();
    let sequences: Vec<i64> = heads.iter().map(|(_, head)| head.sequence).collect();
    let chains: Vec<&str> = heads.iter().map(|(_, head)| head.chain.as_str()).collect();
    sqlx::query!(
        "UPDATE event_head h SET sequence = u.sequence, chain_head = u.chain_head
         FROM UNNEST($1::uuid[], $2::bigint[], $3::text[]) AS u (id, sequence, chain_head)
         WHERE h.aggregate_id = u.id",
        &ids,
        &sequences,
        &chains as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}
