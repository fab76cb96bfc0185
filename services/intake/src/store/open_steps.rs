//! The suspicions that the village still owes a step of, by the last byte of their ids.

use std::collections::HashMap;

use dafei_contracts::{Event, Stream};
use dafei_intake_core::suspicion::StateKind;
use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::pg::PgInstant;
use futures::{Stream as Flow, TryStreamExt};
use sqlx::PgConnection;
use uuid::Uuid;

use super::suspicions::state_code;

const RECORDED: &str = "dafei.events.v1.SuspicionRecorded";
const NOTIFIED: &str = "dafei.events.v1.SecretaryNotified";
const PERSUADED: &str = "dafei.events.v1.PersuasionRecorded";
const REVISITED: &str = "dafei.events.v1.RevisitRecorded";
const REOPENED: &str = "dafei.events.v1.SuspicionReopened";

/// A suspicion with a step that the village owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) bucket: i16,
    pub(crate) id: Uuid,
    /// Sequence of its last published event.
    pub(crate) sequence: i64,
    pub(crate) state: i16,
    pub(crate) village: String,
}

/// When the clocks of a suspicion started, and who found it, as its published events say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Starts {
    /// V1: the finding, and the post that recorded it.
    pub(crate) found: Option<(Instant, Option<Post>)>,
    /// V2: the secretary was told.
    pub(crate) told: Option<Instant>,
    /// V3: the last of these: the secretary was told, it was reopened, a re-visit found it going on.
    pub(crate) goes_up: Option<Instant>,
    /// V4: persuasion was heeded.
    pub(crate) heeded: Option<Instant>,
}

/// The starts of the clocks of these suspicions.
pub(crate) async fn starts(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Starts>> {
    let rows = sqlx::query!(
        r#"SELECT asked.id AS "id!", e.event_type AS "event_type!", e.recorded_at AS "recorded_at!: PgInstant", e.payload AS "payload!"
           FROM UNNEST($1::uuid[]) AS asked (id)
           CROSS JOIN LATERAL (
               SELECT DISTINCT ON (event_type) event_type, recorded_at, sequence,
                      CASE WHEN event_type = $3 THEN payload ELSE '' END AS payload
               FROM event_log WHERE aggregate_id = asked.id AND stream = $2 AND event_type = ANY($4)
               ORDER BY event_type, sequence DESC
           ) e
           ORDER BY asked.id, e.sequence"#,
        ids,
        Stream::Intake.name(),
        RECORDED,
        &[RECORDED, NOTIFIED, PERSUADED, REVISITED, REOPENED].map(ToOwned::to_owned)
    )
    .fetch_all(conn)
    .await?;
    let mut found: HashMap<Uuid, Starts> = HashMap::new();
    for row in rows {
        let (starts, at) = (found.entry(row.id).or_default(), row.recorded_at.0);
        match row.event_type.as_str() {
            NOTIFIED => {
                starts.told = Some(at);
                starts.goes_up = Some(at);
            }
            REVISITED | REOPENED => starts.goes_up = Some(at),
            PERSUADED => starts.heeded = Some(at),
            _ => starts.found = finding(&row.payload),
        }
    }
    Ok(found)
}

/// The finding and its finder, as published.
fn finding(payload: &[u8]) -> Option<(Instant, Option<Post>)> {
    let Ok(Some(Event::SuspicionRecorded(event))) = Event::from_json(RECORDED, payload) else { return None };
    let finder = event.meta.as_ref().and_then(|meta| meta.actor.as_ref()).and_then(|actor| Post::try_from(actor).ok());
    Some((Instant::try_from(event.found_at?).ok()?, finder))
}

/// The states in which the village owes a step.
fn owing() -> Vec<i16> {
    StateKind::ALL.into_iter().filter(|kind| !kind.clocks().is_empty()).map(state_code).collect()
}

/// A page of a bucket, by id.
pub(crate) async fn page(conn: &mut PgConnection, bucket: i16, after: Uuid, limit: i64) -> sqlx::Result<Vec<Open>> {
    sqlx::query_as!(
        Open,
        r#"SELECT case_bucket(id) AS "bucket!", id, sequence, state, village FROM suspicion
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
        r#"SELECT case_bucket(id) AS "bucket!", id, sequence, state, village FROM suspicion
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
