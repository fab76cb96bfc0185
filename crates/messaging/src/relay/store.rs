//! The relay's SQL: what waits in the outbox, how far each stream was filled, which transactions are open.

use std::collections::HashSet;

use bytes::Bytes;
use dafei_kernel::time::Instant;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{log::LoggedEvent, pg::PgInstant};

/// How far a stream was filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamState {
    pub(crate) created: Instant,
    pub(crate) last_sequence: u64,
    pub(crate) refilling: bool,
    /// What is filled up before anything is published.
    pub(crate) padding: Option<Padding>,
}

/// A stream that lost its end is filled up behind what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Padding {
    /// The last message that is left.
    pub(crate) from: u64,
    /// The number that it has to reach.
    pub(crate) to: u64,
    /// Whether somebody may have read of the filling.
    pub(crate) read: bool,
    /// Its last message when it was found to lack its end, or was to be filled up for another reason.
    pub(crate) end: u64,
}

/// What waits for each of `streams`, at most as many as `limits` says for each, in the order of the log.
pub(super) async fn pending(
    connection: &mut PgConnection,
    streams: &[&str],
    limits: &[i64],
) -> sqlx::Result<Vec<LoggedEvent>> {
    let rows = sqlx::query!(
        r#"SELECT e.position, e.stream, e.subject, e.event_type, e.source, e.event_id, e.aggregate_id, e.sequence,
                  e.recorded_at AS "recorded_at: PgInstant", e.traceparent, e.payload
           FROM UNNEST($1::text[], $2::bigint[]) AS asked (stream, at_most)
           CROSS JOIN LATERAL (
               SELECT o.position, o.recorded_at FROM outbox o WHERE o.stream = asked.stream ORDER BY o.position LIMIT asked.at_most
           ) waiting
           CROSS JOIN LATERAL (
               SELECT * FROM event_log WHERE recorded_at = waiting.recorded_at AND position = waiting.position LIMIT 1
           ) e
           ORDER BY e.position"#,
        streams as &[&str],
        limits
    )
    .fetch_all(connection)
    .await?;
    let events = rows.into_iter().map(|row| LoggedEvent {
        position: row.position,
        stream: row.stream,
        subject: row.subject,
        event_type: row.event_type,
        source: row.source,
        event_id: row.event_id,
        aggregate_id: row.aggregate_id,
        sequence: row.sequence,
        recorded_at: row.recorded_at.0,
        traceparent: row.traceparent,
        payload: Bytes::from(row.payload),
    });
    Ok(events.collect())
}

/// Takes what was published out of the outbox, moves the fence and keeps what was published where ([`super::sent`]), in one statement.
/// `positions` are those of the messages from `from` on, in their order, 0 for what is no event; none at all when there is no event among them.
/// False when the fence is no longer `from`: another relay has been here, or a refill has begun, which may yet remove the stream.
pub(super) async fn settle(
    connection: &mut PgConnection,
    stream: &str,
    positions: &[i64],
    from: u64,
    to: u64,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "WITH moved AS (
            UPDATE relay_state SET last_sequence = $4 WHERE stream = $1 AND last_sequence = $3 AND pad_to = 0 AND NOT refilling
            RETURNING stream, stream_created
        ), taken AS (
            DELETE FROM outbox o USING moved WHERE o.stream = moved.stream AND o.position = ANY($2)
        ), kept AS (
            INSERT INTO relay_sent (stream, stream_created, after, through, positions)
            SELECT stream, stream_created, $3, $4, $2 FROM moved
            ON CONFLICT (stream, stream_created, after) DO UPDATE SET through = excluded.through, positions = excluded.positions
        )
        SELECT 1 AS one FROM moved",
        stream,
        positions,
        from.cast_signed(),
        to.cast_signed()
    )
    .fetch_optional(connection)
    .await?;
    Ok(done.is_some())
}

pub(crate) async fn state(connection: &mut PgConnection, stream: &str) -> sqlx::Result<Option<StreamState>> {
    let row = sqlx::query!(
        r#"SELECT stream_created AS "created: PgInstant", last_sequence, refilling, pad_from, pad_to, pad_read FROM relay_state WHERE stream = $1"#,
        stream
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| StreamState {
        created: row.created.0,
        last_sequence: row.last_sequence.cast_unsigned(),
        refilling: row.refilling,
        padding: (row.pad_to > 0).then(|| Padding {
            from: row.pad_from.cast_unsigned(),
            to: row.pad_to.cast_unsigned(),
            read: row.pad_read,
            end: row.last_sequence.cast_unsigned(),
        }),
    }))
}

/// Sets how far a stream was filled; nothing is to be filled up before.
pub(crate) async fn set_state(connection: &mut PgConnection, stream: &str, state: &StreamState) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO relay_state (stream, stream_created, last_sequence, refilling) VALUES ($1, $2, $3, $4)
         ON CONFLICT (stream) DO UPDATE
         SET stream_created = excluded.stream_created, last_sequence = excluded.last_sequence, refilling = excluded.refilling,
             pad_from = 0, pad_to = 0, pad_read = false",
        stream,
        PgInstant(state.created) as PgInstant,
        state.last_sequence.cast_signed(),
        state.refilling
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The refill of the stream that was made at `created` is at its end, at `last_sequence`. False when there is none, or another has begun.
pub(crate) async fn refilled(
    connection: &mut PgConnection,
    stream: &str,
    created: Instant,
    last_sequence: u64,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE relay_state SET refilling = false, last_sequence = $3 WHERE stream = $1 AND stream_created = $2 AND refilling",
        stream,
        PgInstant(created) as PgInstant,
        last_sequence.cast_signed()
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// An event that a stream turned out to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PublishedEvent {
    pub(super) event_id: Uuid,
    pub(super) aggregate_id: Uuid,
    pub(super) sequence: i64,
}

/// Where each of `events` stands in the log, in their order; none for one that is not in it: its number was never given, or was given to
/// another event since.
pub(super) async fn positions(
    connection: &mut PgConnection,
    stream: &str,
    events: &[PublishedEvent],
) -> sqlx::Result<Vec<Option<i64>>> {
    let event_ids: Vec<Uuid> = events.iter().map(|event| event.event_id).collect();
    let aggregate_ids: Vec<Uuid> = events.iter().map(|event| event.aggregate_id).collect();
    let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    sqlx::query_scalar!(
        // LATERAL with a limit: the index is probed for each event, and the log, which has no index by the event's id, is never read whole.
        r#"SELECT logged.position AS "position?"
           FROM UNNEST($2::uuid[], $3::uuid[], $4::bigint[]) WITH ORDINALITY AS found (event_id, aggregate_id, sequence, ordinal)
           LEFT JOIN LATERAL (
               SELECT e.position FROM event_log e
               WHERE e.aggregate_id = found.aggregate_id AND e.sequence = found.sequence AND e.event_id = found.event_id
                   AND e.stream = $1
               LIMIT 1
           ) logged ON true
           ORDER BY found.ordinal"#,
        stream,
        &event_ids,
        &aggregate_ids,
        &sequences
    )
    .fetch_all(connection)
    .await
}

/// The ids of the transactions of this database that may still write.
pub(super) async fn in_progress(connection: &mut PgConnection) -> sqlx::Result<HashSet<String>> {
    let xids = sqlx::query_scalar!(
        r#"SELECT backend_xid::text AS "xid!" FROM pg_stat_activity
           WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"#
    )
    .fetch_all(connection)
    .await?;
    Ok(xids.into_iter().collect())
}

/// How many events wait, and since when the oldest; for the status while NATS is away.
pub(super) async fn backlog(connection: &mut PgConnection) -> sqlx::Result<(u64, Option<Instant>)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "pending!", min(recorded_at) AS "oldest: PgInstant" FROM (SELECT recorded_at FROM outbox LIMIT 100000) o"#
    )
    .fetch_one(connection)
    .await?;
    Ok((row.pending.cast_unsigned(), row.oldest.map(Instant::from)))
}
