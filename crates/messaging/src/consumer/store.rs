//! The consumer's SQL: position, marks, parked events, dead letters.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
};

use bytes::Bytes;
use dafei_kernel::time::Instant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    Delivered, Item, Mode, Parts,
    progress::{Key, Progress, key_of},
    read,
};
use crate::pg::PgInstant;

/// How far a consumer has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) created: Option<Instant>,
    pub(crate) last_sequence: u64,
    pub(crate) caught_up_through: Option<Instant>,
}

/// Locks and reads the position until the end of the transaction; none when there is no row.
pub(crate) async fn lock_position(
    connection: &mut PgConnection,
    consumer: &str,
    stream: &str,
) -> sqlx::Result<Option<Position>> {
    let row = sqlx::query!(
        r#"SELECT stream_created AS "created: PgInstant", last_sequence, caught_up_through AS "through: PgInstant"
           FROM consumer_position WHERE consumer = $1 AND stream = $2 FOR UPDATE"#,
        consumer,
        stream
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Position {
        created: row.created.map(Instant::from),
        last_sequence: row.last_sequence.cast_unsigned(),
        caught_up_through: row.through.map(Instant::from),
    }))
}

/// The position as it is committed; none when there is no row.
pub(crate) async fn position(
    connection: &mut PgConnection,
    consumer: &str,
    stream: &str,
) -> sqlx::Result<Option<Position>> {
    let row = sqlx::query!(
        r#"SELECT stream_created AS "created: PgInstant", last_sequence, caught_up_through AS "through: PgInstant"
           FROM consumer_position WHERE consumer = $1 AND stream = $2"#,
        consumer,
        stream
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Position {
        created: row.created.map(Instant::from),
        last_sequence: row.last_sequence.cast_unsigned(),
        caught_up_through: row.through.map(Instant::from),
    }))
}

/// Sees to it that there is a position.
pub(crate) async fn ensure_position(connection: &mut PgConnection, consumer: &str, stream: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO consumer_position (consumer, stream) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        consumer,
        stream
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets the position of a stream that was made at `created`.
pub(crate) async fn set_position(
    connection: &mut PgConnection,
    consumer: &str,
    stream: &str,
    created: Instant,
    last_sequence: u64,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE consumer_position SET stream_created = $3, last_sequence = $4 WHERE consumer = $1 AND stream = $2",
        consumer,
        stream,
        PgInstant(created) as PgInstant,
        last_sequence.cast_signed()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves the position, and with a watermark how far the consumer has caught up.
pub(crate) async fn move_position(
    connection: &mut PgConnection,
    consumer: &str,
    stream: &str,
    last_sequence: u64,
    through: Option<Instant>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE consumer_position SET last_sequence = $3, caught_up_through = COALESCE($4, caught_up_through)
         WHERE consumer = $1 AND stream = $2",
        consumer,
        stream,
        last_sequence.cast_signed(),
        through.map(PgInstant) as Option<PgInstant>
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The marks of these aggregates, and of those in `with_parked` also what is parked.
pub(crate) async fn progress(
    connection: &mut PgConnection,
    consumer: &str,
    keys: &HashSet<Key>,
    with_parked: &HashSet<Key>,
) -> sqlx::Result<Progress> {
    if keys.is_empty() {
        return Ok(Progress::default());
    }
    let (sources, aggregates): (Vec<&str>, Vec<Uuid>) = keys.iter().map(|(source, id)| (source.as_str(), *id)).unzip();
    let rows = sqlx::query!(
        // LATERAL with a limit: the index is probed for each key, whatever the planner thinks of the table's size.
        r#"SELECT asked.source AS "source!", asked.aggregate_id AS "aggregate_id!", m.sequence
           FROM UNNEST($2::text[], $3::uuid[]) AS asked (source, aggregate_id)
           CROSS JOIN LATERAL (
               SELECT sequence FROM consumer_mark
               WHERE consumer = $1 AND source = asked.source AND aggregate_id = asked.aggregate_id LIMIT 1
           ) m"#,
        consumer,
        &sources as &[&str],
        &aggregates
    )
    .fetch_all(&mut *connection)
    .await?;
    let marks: HashMap<Key, i64> = rows.into_iter().map(|row| ((row.source, row.aggregate_id), row.sequence)).collect();
    let blocked: Vec<&Key> = keys.intersection(with_parked).collect();
    Ok(Progress::new(marks, parked(connection, consumer, &blocked).await?))
}

async fn parked(connection: &mut PgConnection, consumer: &str, keys: &[&Key]) -> sqlx::Result<Vec<Delivered>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (sources, aggregates): (Vec<&str>, Vec<Uuid>) = keys.iter().map(|(source, id)| (source.as_str(), *id)).unzip();
    let rows = sqlx::query!(
        r#"SELECT p.subject, p.headers AS "headers: Json<BTreeMap<String, String>>", p.payload, p.stream_sequence,
                  p.stored_at AS "stored_at: PgInstant"
           FROM UNNEST($2::text[], $3::uuid[]) AS asked (source, aggregate_id)
           JOIN parked_event p ON p.consumer = $1 AND p.source = asked.source AND p.aggregate_id = asked.aggregate_id
           ORDER BY p.sequence"#,
        consumer,
        &sources as &[&str],
        &aggregates
    )
    .fetch_all(connection)
    .await?;
    let events = rows.into_iter().filter_map(|row| {
        let parts = Parts {
            subject: row.subject,
            headers: row.headers.0,
            payload: Bytes::from(row.payload),
            stream_sequence: row.stream_sequence.cast_unsigned(),
            stored_at: row.stored_at.0,
        };
        match read(parts, Mode::Ordered) {
            Item::Event(event) => Some(event),
            Item::Watermark { .. } | Item::Unreadable { .. } => None,
        }
    });
    Ok(events.collect())
}

/// The aggregates of which something is parked.
pub(crate) async fn parked_keys(connection: &mut PgConnection, consumer: &str) -> sqlx::Result<HashSet<Key>> {
    let rows = sqlx::query!("SELECT DISTINCT source, aggregate_id FROM parked_event WHERE consumer = $1", consumer)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.source, row.aggregate_id)).collect())
}

/// Keeps what changed of the marks and the parked events.
pub(crate) async fn save(
    connection: &mut PgConnection,
    consumer: &str,
    stream: &str,
    progress: &Progress,
) -> sqlx::Result<()> {
    if !progress.changed().is_empty() {
        let mut sources = Vec::with_capacity(progress.changed().len());
        let mut aggregates = Vec::with_capacity(progress.changed().len());
        let mut sequences = Vec::with_capacity(progress.changed().len());
        for ((source, aggregate), sequence) in progress.changed() {
            sources.push(source.as_str());
            aggregates.push(*aggregate);
            sequences.push(*sequence);
        }
        sqlx::query!(
            "INSERT INTO consumer_mark (consumer, source, aggregate_id, sequence)
             SELECT $1, * FROM UNNEST($2::text[], $3::uuid[], $4::bigint[])
             ON CONFLICT (consumer, source, aggregate_id) DO UPDATE SET sequence = excluded.sequence",
            consumer,
            &sources as &[&str],
            &aggregates,
            &sequences
        )
        .execute(&mut *connection)
        .await?;
    }
    if !progress.to_park().is_empty() {
        park(connection, consumer, stream, progress.to_park()).await?;
    }
    if !progress.unparked().is_empty() {
        unpark(connection, consumer, progress.unparked()).await?;
    }
    Ok(())
}

async fn park(connection: &mut PgConnection, consumer: &str, stream: &str, events: &[Delivered]) -> sqlx::Result<()> {
    let sources: Vec<&str> = events.iter().map(|event| event.source.as_str()).collect();
    let aggregates: Vec<Uuid> = events.iter().map(|event| event.aggregate_id).collect();
    let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    let stream_sequences: Vec<i64> = events.iter().map(|event| event.stream_sequence.cast_signed()).collect();
    let stored: Vec<PgInstant> = events.iter().map(|event| PgInstant(event.stored_at)).collect();
    let subjects: Vec<Cow<'_, str>> = events.iter().map(|event| kept(&event.subject)).collect();
    let subjects: Vec<&str> = subjects.iter().map(AsRef::as_ref).collect();
    let headers: Vec<Json<BTreeMap<Cow<'_, str>, Cow<'_, str>>>> =
        events.iter().map(|event| Json(kept_headers(&event.headers))).collect();
    let payloads: Vec<&[u8]> = events.iter().map(|event| event.payload.as_ref()).collect();
    sqlx::query!(
        "INSERT INTO parked_event (consumer, stream, source, aggregate_id, sequence, stream_sequence, stored_at, subject, headers, payload)
         SELECT $1, $2, * FROM UNNEST($3::text[], $4::uuid[], $5::bigint[], $6::bigint[], $7::timestamptz[], $8::text[], $9::jsonb[],
                                      $10::bytea[])
         ON CONFLICT DO NOTHING",
        consumer,
        stream,
        &sources as &[&str],
        &aggregates,
        &sequences,
        &stream_sequences,
        &stored as &[PgInstant],
        &subjects as &[&str],
        &headers as &[Json<BTreeMap<Cow<'_, str>, Cow<'_, str>>>],
        &payloads as &[&[u8]]
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn unpark(connection: &mut PgConnection, consumer: &str, events: &[(Key, i64)]) -> sqlx::Result<()> {
    let sources: Vec<&str> = events.iter().map(|((source, _), _)| source.as_str()).collect();
    let aggregates: Vec<Uuid> = events.iter().map(|((_, aggregate), _)| *aggregate).collect();
    let sequences: Vec<i64> = events.iter().map(|(_, sequence)| *sequence).collect();
    sqlx::query!(
        "DELETE FROM parked_event p
         USING UNNEST($2::text[], $3::uuid[], $4::bigint[]) AS gone (source, aggregate_id, sequence)
         WHERE p.consumer = $1 AND p.source = gone.source AND p.aggregate_id = gone.aggregate_id AND p.sequence = gone.sequence",
        consumer,
        &sources as &[&str],
        &aggregates,
        &sequences
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A text as the database takes it: PostgreSQL has no U+0000, neither in a text nor in JSON. What is kept of a message that is at fault must never
/// itself be refused for its content: the consumer would stand still at it.
fn kept(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn kept_headers(headers: &BTreeMap<String, String>) -> BTreeMap<Cow<'_, str>, Cow<'_, str>> {
    headers.iter().map(|(name, value)| (kept(name), kept(value))).collect()
}

/// Keeps an event that could not take effect; one that is there already counts another attempt.
pub(crate) async fn bury(
    connection: &mut PgConnection,
    consumer: &str,
    stream: &str,
    event: &Delivered,
    reason: &str,
    now: Instant,
) -> sqlx::Result<()> {
    let readable = event.sequence > 0;
    sqlx::query!(
        "INSERT INTO dead_letter (consumer, stream, stream_sequence, stored_at, subject, source, event_id, aggregate_id, sequence, headers,
                                  payload, reason, first_failed_at, last_failed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
         ON CONFLICT (consumer, source, aggregate_id, sequence) WHERE replayed_at IS NULL
         DO UPDATE SET attempts = dead_letter.attempts + 1, reason = excluded.reason, last_failed_at = excluded.last_failed_at",
        consumer,
        stream,
        event.stream_sequence.cast_signed(),
        PgInstant(event.stored_at) as PgInstant,
        &*kept(&event.subject),
        readable.then_some(event.source.as_str()),
        readable.then_some(event.event_id),
        readable.then_some(event.aggregate_id),
        readable.then_some(event.sequence),
        Json(kept_headers(&event.headers)) as Json<BTreeMap<Cow<'_, str>, Cow<'_, str>>>,
        event.payload.as_ref(),
        &*kept(reason),
        PgInstant(now) as PgInstant
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The aggregates of these events.
pub(crate) fn keys<'a>(events: impl IntoIterator<Item = &'a Delivered>) -> HashSet<Key> {
    events.into_iter().map(key_of).collect()
}
