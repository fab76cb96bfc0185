//! Events that could not take effect: listed, counted, and replayed by an operator.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use dafei_kernel::{clock::SharedClock, time::Instant};
use sqlx::{PgConnection, PgPool, types::Json};
use uuid::Uuid;

use crate::{
    consumer::{Applier, ApplyError, ConsumerConfig, Handler, HandlerError, Item, Mode, Parts, Singly, read, store},
    pg::PgInstant,
};

/// A dead letter that was not yet replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number; grows.
    pub id: i64,
    /// Key of the consumer: `<name>/<stream>`.
    pub consumer: String,
    /// The stream that it came from.
    pub stream: String,
    /// Its place there.
    pub stream_sequence: u64,
    /// When JetStream stored it.
    pub stored_at: Instant,
    /// Its subject.
    pub subject: String,
    /// CloudEvents `source`; none for what is no event of the suite.
    pub source: Option<String>,
    /// CloudEvents `id`.
    pub event_id: Option<Uuid>,
    /// CloudEvents `subject`.
    pub aggregate_id: Option<Uuid>,
    /// Its number within the aggregate.
    pub sequence: Option<i64>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its content.
    pub payload: Bytes,
    /// Why it failed the last time.
    pub reason: String,
    /// How often it failed.
    pub attempts: i32,
    /// When it failed first.
    pub first_failed_at: Instant,
}

/// How a consumer's dead letters stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterCount {
    /// Key of the consumer.
    pub consumer: String,
    /// Dead letters not yet replayed.
    pub open: i64,
    /// Events parked behind gaps or dead letters.
    pub parked: i64,
}

/// What became of a dead letter that was to be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// It took effect, and with it what was parked behind it.
    Done,
    /// It had taken effect before.
    AlreadyDone,
    /// It failed again.
    Failed,
    /// Something before it of its aggregate is missing.
    Blocked,
    /// There is no such open dead letter of this consumer.
    Unknown,
}

/// The open dead letters of a consumer ([`ConsumerConfig::key`]) after the number `after`, in their order, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    connection: &mut PgConnection,
    consumer: &str,
    after: i64,
    limit: i64,
) -> sqlx::Result<Vec<DeadLetter>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, consumer, stream, stream_sequence, stored_at AS "stored_at: PgInstant", subject, source, event_id, aggregate_id,
                  sequence, headers AS "headers: Json<BTreeMap<String, String>>", payload, reason, attempts,
                  first_failed_at AS "first_failed_at: PgInstant"
           FROM dead_letter WHERE consumer = $1 AND replayed_at IS NULL AND id > $2 ORDER BY id LIMIT $3"#,
        consumer,
        after,
        limit
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(DeadLetter::from).collect())
}

/// How many open dead letters and parked events each consumer of this database has.
///
/// # Errors
/// When the database does not answer.
pub async fn counts(connection: &mut PgConnection) -> sqlx::Result<Vec<DeadLetterCount>> {
    sqlx::query_as!(
        DeadLetterCount,
        r#"SELECT COALESCE(d.consumer, p.consumer) AS "consumer!", COALESCE(d.open, 0) AS "open!", COALESCE(p.parked, 0) AS "parked!"
           FROM (SELECT consumer, count(*) AS open FROM dead_letter WHERE replayed_at IS NULL GROUP BY consumer) d
           FULL JOIN (SELECT consumer, count(*) AS parked FROM parked_event GROUP BY consumer) p USING (consumer)
           ORDER BY 1"#
    )
    .fetch_all(connection)
    .await
}

/// Replays dead letters of a consumer in the order of the stream, each with what is parked behind it, in one transaction. May be called
/// while the consumer runs.
///
/// # Errors
/// When the database does not answer or the handler asks for a retry: nothing has changed then.
pub async fn replay<H: Handler>(
    pool: &PgPool,
    clock: &SharedClock,
    handler: Arc<H>,
    config: &ConsumerConfig,
    ids: &[i64],
) -> Result<Vec<(i64, Replay)>, ReplayError> {
    let key = config.key(handler.name());
    let applier = Applier {
        pool: pool.clone(),
        clock: Arc::clone(clock),
        handler: Arc::clone(&handler),
        config: config.clone(),
        key,
        created: None,
    };
    let mut tx = pool.begin().await?;
    store::ensure_position(&mut tx, &applier.key, &config.stream).await?;
    store::lock_position(&mut tx, &applier.key, &config.stream).await?;
    let letters = chosen(&mut tx, &applier.key, ids).await?;
    let mut outcomes: Vec<(i64, Replay)> = Vec::with_capacity(ids.len());
    let mut effective = Vec::new();
    for letter in letters {
        let mut singly = Singly::new(&applier, true);
        let outcome = one(&mut tx, &applier, &mut singly, &letter).await?;
        effective.append(&mut singly.effective);
        outcomes.push((letter.id, outcome));
        if matches!(outcome, Replay::Done | Replay::AlreadyDone) {
            close(&mut tx, letter.id, clock.now()).await?;
        }
    }
    tx.commit().await?;
    handler.committed(&effective);
    let known: HashSet<i64> = outcomes.iter().map(|(id, _)| *id).collect();
    outcomes.extend(ids.iter().filter(|id| !known.contains(id)).map(|id| (*id, Replay::Unknown)));
    Ok(outcomes)
}

/// Why nothing was replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The database failed.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The handler asks for another try.
    #[error("{0}")]
    Handler(String),
}

impl From<ApplyError> for ReplayError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Sql(error) => Self::Sql(error),
            // What the database said to the handler, the caller hears as well: a lock that was not to be had, for example.
            ApplyError::Handler(HandlerError::Retry(reason)) => match reason.downcast::<sqlx::Error>() {
                Ok(error) => Self::Sql(*error),
                Err(reason) => Self::Handler(reason.to_string()),
            },
            error @ (ApplyError::Stale | ApplyError::Already | ApplyError::Handler(_)) => {
                Self::Handler(error.to_string())
            }
        }
    }
}

async fn one<H: Handler>(
    connection: &mut PgConnection,
    applier: &Applier<H>,
    singly: &mut Singly<'_, H>,
    letter: &DeadLetter,
) -> Result<Replay, ReplayError> {
    let parts = Parts {
        subject: letter.subject.clone(),
        headers: letter.headers.clone(),
        payload: letter.payload.clone(),
        stream_sequence: letter.stream_sequence,
        stored_at: letter.stored_at,
    };
    let event = match read(parts, applier.config.mode) {
        Item::Event(event) => event,
        Item::Watermark { .. } => return Ok(Replay::AlreadyDone),
        Item::Unreadable { .. } => return Ok(Replay::Failed),
    };
    if applier.config.mode == Mode::Raw {
        return Ok(if singly.replay_raw(connection, &event).await? { Replay::Done } else { Replay::Failed });
    }
    let keys = store::keys([&event]);
    let mut progress = store::progress(connection, &applier.key, &keys, &keys).await?;
    let outcome = match progress.judge(&event) {
        crate::consumer::Verdict::Seen => Replay::AlreadyDone,
        crate::consumer::Verdict::Gap => Replay::Blocked,
        crate::consumer::Verdict::Ready => {
            if singly.take(connection, &mut progress, &event).await? {
                Replay::Done
            } else {
                Replay::Failed
            }
        }
    };
    store::save(connection, &applier.key, &applier.config.stream, &progress).await?;
    Ok(outcome)
}

async fn chosen(connection: &mut PgConnection, consumer: &str, ids: &[i64]) -> sqlx::Result<Vec<DeadLetter>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, consumer, stream, stream_sequence, stored_at AS "stored_at: PgInstant", subject, source, event_id, aggregate_id,
                  sequence, headers AS "headers: Json<BTreeMap<String, String>>", payload, reason, attempts,
                  first_failed_at AS "first_failed_at: PgInstant"
           FROM dead_letter WHERE id = ANY($2) AND consumer = $1 AND replayed_at IS NULL ORDER BY stream_sequence, id"#,
        consumer,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(DeadLetter::from).collect())
}

async fn close(connection: &mut PgConnection, id: i64, now: Instant) -> sqlx::Result<()> {
    sqlx::query!("UPDATE dead_letter SET replayed_at = $2 WHERE id = $1", id, PgInstant(now) as PgInstant)
        .execute(connection)
        .await?;
    Ok(())
}

struct Row {
    id: i64,
    consumer: String,
    stream: String,
    stream_sequence: i64,
    stored_at: PgInstant,
    subject: String,
    source: Option<String>,
    event_id: Option<Uuid>,
    aggregate_id: Option<Uuid>,
    sequence: Option<i64>,
    headers: Json<BTreeMap<String, String>>,
    payload: Vec<u8>,
    reason: String,
    attempts: i32,
    first_failed_at: PgInstant,
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            consumer: row.consumer,
            stream: row.stream,
            stream_sequence: row.stream_sequence.cast_unsigned(),
            stored_at: row.stored_at.0,
            subject: row.subject,
            source: row.source,
            event_id: row.event_id,
            aggregate_id: row.aggregate_id,
            sequence: row.sequence,
            headers: row.headers.0,
            payload: row.payload.into(),
            reason: row.reason,
            attempts: row.attempts,
            first_failed_at: row.first_failed_at.0,
        }
    }
}
