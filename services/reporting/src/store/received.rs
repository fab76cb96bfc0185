//! The raw log: events that count, as they were received.

use bytes::Bytes;
use dafei_messaging::{consumer::Delivered, pg::PgInstant};
use sqlx::PgConnection;
use uuid::Uuid;

/// An event of the raw log.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the columns of received")]
pub struct Received {
    pub position: i64,
    pub event_id: Uuid,
    pub sequence: i64,
    pub event_type: String,
    pub payload: Bytes,
}

/// Keeps events of a stream as they were received, in their order; one that is there already adds nothing.
///
/// # Errors
/// When PostgreSQL refuses or is away.
pub async fn keep(conn: &mut PgConnection, stream: &str, events: &[&Delivered]) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let sources: Vec<&str> = events.iter().map(|event| event.source.as_str()).collect();
    let ids: Vec<Uuid> = events.iter().map(|event| event.event_id).collect();
    let aggregates: Vec<Uuid> = events.iter().map(|event| event.aggregate_id).collect();
    let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
    let recorded: Vec<PgInstant> = events.iter().map(|event| PgInstant(event.recorded_at)).collect();
    let received: Vec<PgInstant> = events.iter().map(|event| PgInstant(event.stored_at)).collect();
    let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload.as_ref()).collect();
    sqlx::query!(
        "INSERT INTO received (source, event_id, aggregate_id, sequence, event_type, recorded_at, received_at, stream, payload)
         SELECT source, event_id, aggregate_id, sequence, event_type, recorded_at, received_at, $8, payload
         FROM UNNEST($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::timestamptz[], $7::timestamptz[], $9::bytea[])
              WITH ORDINALITY AS e (source, event_id, aggregate_id, sequence, event_type, recorded_at, received_at, payload, place)
         ORDER BY place
         ON CONFLICT (source, event_id) DO NOTHING",
        &sources as &[&str],
        &ids,
        &aggregates,
        &sequences,
        &types as &[&str],
        &recorded as &[PgInstant],
        &received as &[PgInstant],
        stream,
        &payloads as &[&[u8]],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The events behind a position, at most `limit`.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn page(conn: &mut PgConnection, after: i64, limit: i64) -> sqlx::Result<Vec<Received>> {
    let rows = sqlx::query!(
        "SELECT position, event_id, sequence, event_type, payload FROM received WHERE position > $1 ORDER BY position LIMIT $2",
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    let received = rows.into_iter().map(|row| Received {
        position: row.position,
        event_id: row.event_id,
        sequence: row.sequence,
        event_type: row.event_type,
        payload: Bytes::from(row.payload),
    });
    Ok(received.collect())
}
