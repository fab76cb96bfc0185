//! Answers by request id (AIP-155): a replay gets the first answer, whatever happened to the connection in between.

use std::collections::HashMap;

use dafei_kernel::time::Instant;
use sqlx::{PgConnection, PgPool};

use crate::{lock, pg::PgInstant};

/// What a request id is unique within: who calls and which method.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey {
    /// The token's subject.
    pub subject: String,
    /// The method's full name.
    pub method: String,
    /// The caller's id.
    pub request_id: String,
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// What it answered.
    pub key: RequestKey,
    /// Hash of the request's payload: another payload under the same id is an error of the caller.
    pub payload_hash: Vec<u8>,
    /// The answer, encoded as the service likes.
    pub answer: Vec<u8>,
    /// When it was given.
    pub recorded_at: Instant,
}

/// Waits until no other transaction is at the same request, and keeps it for this one until its end. A repeat that comes while the first is
/// being done waits here, and [`find`] then tells it the first answer; else it would be judged by what the first has done, and refused. The first lock
/// of its transaction: who waits for it holds nothing that another waits for.
///
/// # Errors
/// When it takes longer than a statement waits for a lock, or the database does not answer.
pub async fn lock(connection: &mut PgConnection, key: &RequestKey) -> sqlx::Result<()> {
    let RequestKey { subject, method, request_id } = key;
    let number = lock::number(&format!("dafei request {subject} {method} {request_id}"));
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", number).execute(connection).await?;
    Ok(())
}

/// Those of `keys` that were answered before. Looked up under the locks of what the requests are about, or of the requests themselves ([`lock`]).
///
/// # Errors
/// When the database does not answer.
pub async fn find(
    connection: &mut PgConnection,
    keys: &[RequestKey],
) -> sqlx::Result<HashMap<RequestKey, StoredRequest>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let subjects: Vec<&str> = keys.iter().map(|key| key.subject.as_str()).collect();
    let methods: Vec<&str> = keys.iter().map(|key| key.method.as_str()).collect();
    let ids: Vec<&str> = keys.iter().map(|key| key.request_id.as_str()).collect();
    let rows = sqlx::query!(
        // LATERAL with a limit: the index is probed for each key, whatever the planner thinks of the table's size.
        r#"SELECT r.subject, r.method, r.request_id, r.payload_hash, r.answer, r.recorded_at AS "recorded_at: PgInstant"
           FROM UNNEST($1::text[], $2::text[], $3::text[]) AS asked (subject, method, request_id)
           CROSS JOIN LATERAL (
               SELECT * FROM request
               WHERE subject = asked.subject AND method = asked.method AND request_id = asked.request_id LIMIT 1
           ) r"#,
        &subjects as &[&str],
        &methods as &[&str],
        &ids as &[&str]
    )
    .fetch_all(connection)
    .await?;
    let answers = rows.into_iter().map(|row| {
        let key = RequestKey { subject: row.subject, method: row.method, request_id: row.request_id };
        let answer = StoredRequest {
            key: key.clone(),
            payload_hash: row.payload_hash,
            answer: row.answer,
            recorded_at: row.recorded_at.0,
        };
        (key, answer)
    });
    Ok(answers.collect())
}

/// Keeps the answers of a batch; in its transaction.
///
/// # Errors
/// A unique violation when another replica answered one of them meanwhile (the batch is run again, and the lookup finds that answer), or when the database does not answer.
pub async fn store(connection: &mut PgConnection, requests: &[StoredRequest]) -> sqlx::Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let subjects: Vec<&str> = requests.iter().map(|request| request.key.subject.as_str()).collect();
    let methods: Vec<&str> = requests.iter().map(|request| request.key.method.as_str()).collect();
    let ids: Vec<&str> = requests.iter().map(|request| request.key.request_id.as_str()).collect();
    let hashes: Vec<&[u8]> = requests.iter().map(|request| request.payload_hash.as_slice()).collect();
    let answers: Vec<&[u8]> = requests.iter().map(|request| request.answer.as_slice()).collect();
    let instants: Vec<PgInstant> = requests.iter().map(|request| PgInstant(request.recorded_at)).collect();
    sqlx::query!(
        "INSERT INTO request (subject, method, request_id, payload_hash, answer, recorded_at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::timestamptz[])",
        &subjects as &[&str],
        &methods as &[&str],
        &ids as &[&str],
        &hashes as &[&[u8]],
        &answers as &[&[u8]],
        &instants as &[PgInstant]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets answers given before `older_than`, at most `limit`; says how many. What another replica is forgetting is left to it.
///
/// # Errors
/// When the database does not answer.
pub async fn purge(pool: &PgPool, older_than: Instant, limit: i64) -> sqlx::Result<u64> {
    // By the rows' places: whatever the planner thinks of the table's size, no more of it is read than goes.
    let done = sqlx::query!(
        "DELETE FROM request WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM request WHERE recorded_at < $1 ORDER BY recorded_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
        PgInstant(older_than) as PgInstant,
        limit
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
