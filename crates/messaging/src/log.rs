//! The event log and the outbox: what a service writes in the transaction of the state that changed.

use bytes::Bytes;
use dafei_kernel::time::Instant;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    event::{MAX_PAYLOAD, NewEvent},
    headers,
    pg::PgInstant,
};

/// Channel on which the relay is woken.
pub(crate) const CHANNEL: &str = "dafei_outbox";

/// Events that could not be appended; nothing of the transaction may be committed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A payload over [`MAX_PAYLOAD`].
    #[error("payload of {event_type}: {size} bytes, at most {MAX_PAYLOAD} can be published")]
    TooLarge {
        /// Type of the event.
        event_type: String,
        /// Its size in bytes.
        size: usize,
    },
    /// A subject, type or source that no message can carry: such an event would hold up all that follow it.
    #[error("the {part} of an event cannot be published: {value:?}")]
    Unpublishable {
        /// `subject`, `type` or `source`.
        part: &'static str,
        /// What it is, cut where it is long.
        value: String,
    },
    /// PostgreSQL refused or did not answer.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Place in the log of this database; grows, with holes.
    pub position: i64,
    /// The stream that it is published in.
    pub stream: String,
    /// Its subject.
    pub subject: String,
    /// CloudEvents `type`.
    pub event_type: String,
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `id`.
    pub event_id: Uuid,
    /// CloudEvents `subject`.
    pub aggregate_id: Uuid,
    /// From 1 per (source, aggregate).
    pub sequence: i64,
    /// CloudEvents `time`.
    pub recorded_at: Instant,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The bytes as published.
    pub payload: Bytes,
}

/// Writes `events` to the event log and the outbox in their order, and wakes the relay at the commit; one statement.
///
/// The caller holds the row locks of the aggregates until it commits: that is what keeps each aggregate's events in order.
///
/// # Errors
/// [`AppendError::TooLarge`] and [`AppendError::Unpublishable`] before anything is written; [`AppendError::Sql`] otherwise.
pub async fn append(connection: &mut PgConnection, events: &[NewEvent]) -> Result<(), AppendError> {
    if events.is_empty() {
        return Ok(());
    }
    events.iter().try_for_each(publishable)?;
    let event_ids: Vec<Uuid> = events.iter().map(|event| event.event_id).collect();
    let aggregate_ids: Vec<Uuid> = events.iter().map(|event| event.aggregate_id).collect();
    let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    let instants: Vec<PgInstant> = events.iter().map(|event| PgInstant(event.recorded_at)).collect();
    let streams: Vec<&str> = events.iter().map(|event| event.stream).collect();
    let subjects: Vec<&str> = events.iter().map(|event| event.subject.as_str()).collect();
    let event_types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
    let sources: Vec<&str> = events.iter().map(|event| event.source.as_str()).collect();
    // It may come from outside: what is none is not kept, as it would be published.
    let traceparents: Vec<Option<&str>> =
        events.iter().map(|event| event.traceparent.as_deref().filter(|text| headers::is_traceparent(text))).collect();
    let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload.as_ref()).collect();
    sqlx::query!(
        r#"WITH logged AS (
            INSERT INTO event_log (event_id, aggregate_id, sequence, recorded_at, stream, subject, event_type, source, traceparent, payload)
            SELECT event_id, aggregate_id, sequence, recorded_at, stream, subject, event_type, source, traceparent, payload
            FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
                        $9::text[], $10::bytea[])
                WITH ORDINALITY AS new (event_id, aggregate_id, sequence, recorded_at, stream, subject, event_type, source, traceparent,
                                        payload, ordinal)
            ORDER BY ordinal
            RETURNING stream, position, recorded_at
        ), boxed AS (
            INSERT INTO outbox (stream, position, recorded_at) SELECT stream, position, recorded_at FROM logged
        )
        SELECT pg_notify($11, '')::text AS "notified""#,
        &event_ids,
        &aggregate_ids,
        &sequences,
        &instants as &[PgInstant],
        &streams as &[&str],
        &subjects as &[&str],
        &event_types as &[&str],
        &sources as &[&str],
        &traceparents as &[Option<&str>],
        &payloads as &[&[u8]],
        CHANNEL,
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// Whether the relay can ever publish the event.
fn publishable(event: &NewEvent) -> Result<(), AppendError> {
    if event.payload.len() > MAX_PAYLOAD {
        return Err(AppendError::TooLarge { event_type: event.event_type.clone(), size: event.payload.len() });
    }
    let Some(part) = headers::flaw(event) else { return Ok(()) };
    let value = match part {
        "subject" => &event.subject,
        "type" => &event.event_type,
        _ => &event.source,
    };
    Err(AppendError::Unpublishable { part, value: value.chars().take(100).collect() })
}

/// The events of an aggregate after `after_sequence` (0 for all), oldest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn history(
    connection: &mut PgConnection,
    aggregate_id: Uuid,
    after_sequence: i64,
    limit: i64,
) -> sqlx::Result<Vec<LoggedEvent>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT position, stream, subject, event_type, source, event_id, aggregate_id, sequence,
                  recorded_at AS "recorded_at: PgInstant", traceparent, payload
           FROM event_log WHERE aggregate_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"#,
        aggregate_id,
        after_sequence,
        limit
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(LoggedEvent::from).collect())
}

/// The events of `stream` after `position`, in the order of the log, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn of_stream(
    connection: &mut PgConnection,
    stream: &str,
    after: i64,
    limit: i64,
) -> sqlx::Result<Vec<LoggedEvent>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT position, stream, subject, event_type, source, event_id, aggregate_id, sequence,
                  recorded_at AS "recorded_at: PgInstant", traceparent, payload
           FROM event_log WHERE position > $1 AND stream = $2 ORDER BY position LIMIT $3"#,
        after,
        stream,
        limit
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(LoggedEvent::from).collect())
}

/// A row of the log; instants need their own type to be read.
pub(crate) struct Row {
    pub(crate) position: i64,
    pub(crate) stream: String,
    pub(crate) subject: String,
    pub(crate) event_type: String,
    pub(crate) source: String,
    pub(crate) event_id: Uuid,
    pub(crate) aggregate_id: Uuid,
    pub(crate) sequence: i64,
    pub(crate) recorded_at: PgInstant,
    pub(crate) traceparent: Option<String>,
    pub(crate) payload: Vec<u8>,
}

impl From<Row> for LoggedEvent {
    fn from(row: Row) -> Self {
        Self {
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
            payload: row.payload.into(),
        }
    }
}

/// How many events are committed and not yet published; counts to 100,000.
///
/// # Errors
/// When the database does not answer.
pub async fn pending(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT count(*) AS "pending!" FROM (SELECT 1 FROM outbox LIMIT 100000) o"#)
        .fetch_one(connection)
        .await
}
