//! The daily anchors, how the cases stood at them, and the histories that they are checked against.

use dafei_contracts::Stream;
use dafei_dispatch_core::case::Case;
use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use futures::{Stream as Flow, TryStreamExt};
use jiff::civil::Date;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// Key of the lock under which one replica at a time makes an anchor.
const LOCK: i64 = 0x0da_fe1_a4c;

/// An anchor as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) number: i64,
    /// The day that had ended.
    pub(crate) day: Date,
    pub(crate) anchored_at: Instant,
    pub(crate) cases: i64,
    pub(crate) digest: String,
    /// Head of the chain over the events that told of them, after this one's.
    pub(crate) chain_head: String,
}

/// The cases of one bucket, or its open steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) bucket: i16,
    pub(crate) cases: i64,
    pub(crate) digest: String,
}

/// How a case stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) case: Uuid,
    pub(crate) version: i64,
    pub(crate) chain_head: String,
}

fn date(text: &str) -> sqlx::Result<Date> {
    text.parse().map_err(|error: jiff::Error| sqlx::Error::Decode(error.into()))
}

macro_rules! anchors {
    ($conn:expr, $tail:literal $(, $argument:expr)*) => {{
        let rows = sqlx::query!(
            r#"SELECT number, day::text AS "day!", anchored_at AS "anchored_at: PgInstant", cases, digest, chain_head
               FROM anchor "# + $tail
            $(, $argument)*
        )
        .fetch_all($conn)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Anchor {
                    number: row.number,
                    day: date(&row.day)?,
                    anchored_at: row.anchored_at.into(),
                    cases: row.cases,
                    digest: row.digest,
                    chain_head: row.chain_head,
                })
            })
            .collect::<sqlx::Result<Vec<Anchor>>>()
    }};
}

/// The last anchor.
pub(crate) async fn last(conn: &mut PgConnection) -> sqlx::Result<Option<Anchor>> {
    Ok(anchors!(conn, "ORDER BY number DESC LIMIT 1")?.pop())
}

/// A page of anchors, newest first.
pub(crate) async fn list(conn: &mut PgConnection, before: i64, limit: i64) -> sqlx::Result<Vec<Anchor>> {
    anchors!(conn, "WHERE number < $1 ORDER BY number DESC LIMIT $2", before, limit)
}

/// The anchor of a day.
pub(crate) async fn of_day(conn: &mut PgConnection, day: Date) -> sqlx::Result<Option<Anchor>> {
    Ok(anchors!(conn, "WHERE day = ($1::text)::date", day.to_string())?.pop())
}

/// When the first event of a case was recorded.
pub(crate) async fn beginning(conn: &mut PgConnection) -> sqlx::Result<Option<Instant>> {
    let at =
        sqlx::query_scalar!(r#"SELECT min(recorded_at) AS "at: PgInstant" FROM event_log"#).fetch_one(conn).await?;
    Ok(at.map(Instant::from))
}

/// Takes the right to make an anchor, for this transaction.
pub(crate) async fn try_lock(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "got!""#, LOCK).fetch_one(conn).await
}

/// The cases that changed since an instant, or all, and stand otherwise than at the anchor before. A transaction may record its events
/// under an earlier instant than its commit: the caller looks back far enough.
pub(crate) fn changed(conn: &mut PgConnection, since: Option<Instant>) -> impl Flow<Item = sqlx::Result<Leaf>> + Send {
    sqlx::query!(
        "SELECT c.id, c.version, c.chain_head FROM case_file c
         WHERE ($1::timestamptz IS NULL
                OR c.id IN (SELECT aggregate_id FROM event_log WHERE recorded_at >= $1 AND stream = $2))
           AND NOT EXISTS (SELECT FROM case_leaf l WHERE l.bucket = case_bucket(c.id) AND l.case_id = c.id
                                                     AND l.version = c.version AND l.chain_head = c.chain_head)",
        since.map(PgInstant) as Option<PgInstant>,
        Stream::Dispatch.name()
    )
    .fetch(conn)
    .map_ok(|row| Leaf { case: row.id, version: row.version, chain_head: row.chain_head })
}

/// Keeps how cases stood for an anchor that is being made.
pub(crate) async fn keep(conn: &mut PgConnection, number: i64, leaves: &[Leaf]) -> sqlx::Result<()> {
    let cases: Vec<Uuid> = leaves.iter().map(|leaf| leaf.case).collect();
    let versions: Vec<i64> = leaves.iter().map(|leaf| leaf.version).collect();
    let heads: Vec<&str> = leaves.iter().map(|leaf| leaf.chain_head.as_str()).collect();
    sqlx::query!(
        "INSERT INTO case_leaf (bucket, case_id, number, version, chain_head)
         SELECT case_bucket(u.case_id), u.case_id, $1, u.version, u.chain_head
         FROM UNNEST($2::uuid[], $3::bigint[], $4::text[]) AS u (case_id, version, chain_head)",
        number,
        &cases,
        &versions,
        &heads as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what an anchor that was never finished had kept.
pub(crate) async fn forget(conn: &mut PgConnection, number: i64) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM case_leaf WHERE number = $1", number).execute(conn).await?;
    Ok(())
}

/// All cases as they stand, by bucket.
pub(crate) async fn buckets(conn: &mut PgConnection) -> sqlx::Result<Vec<Bucket>> {
    sqlx::query_as!(
        Bucket,
        r#"SELECT case_bucket(id) AS "bucket!", count(*) AS "cases!",
                  encode(sha256(convert_to(string_agg(id || ' ' || version || ' ' || chain_head || E'\n', '' ORDER BY id), 'UTF8')),
                         'hex') AS "digest!"
           FROM case_file GROUP BY 1 ORDER BY 1"#
    )
    .fetch_all(conn)
    .await
}

/// Writes an anchor with its buckets.
pub(crate) async fn insert(conn: &mut PgConnection, anchor: &Anchor, buckets: &[Bucket]) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO anchor (number, day, anchored_at, cases, digest, chain_head)
         VALUES ($1, ($2::text)::date, $3, $4, $5, $6)",
        anchor.number,
        anchor.day.to_string(),
        PgInstant(anchor.anchored_at) as PgInstant,
        anchor.cases,
        anchor.digest,
        anchor.chain_head
    )
    .execute(&mut *conn)
    .await?;
    let (numbers, cases): (Vec<i16>, Vec<i64>) = buckets.iter().map(|one| (one.bucket, one.cases)).unzip();
    let digests: Vec<&str> = buckets.iter().map(|one| one.digest.as_str()).collect();
    sqlx::query!(
        "INSERT INTO anchor_bucket (number, bucket, cases, digest)
         SELECT $1, u.* FROM UNNEST($2::smallint[], $3::bigint[], $4::text[]) AS u",
        anchor.number,
        &numbers,
        &cases,
        &digests as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The buckets of an anchor.
pub(crate) async fn anchored(conn: &mut PgConnection, number: i64) -> sqlx::Result<Vec<Bucket>> {
    sqlx::query_as!(Bucket, "SELECT bucket, cases, digest FROM anchor_bucket WHERE number = $1 ORDER BY bucket", number)
        .fetch_all(conn)
        .await
}

/// What a bucket's kept cases come to as of an anchor; none when it has none.
pub(crate) async fn kept_bucket(conn: &mut PgConnection, number: i64, bucket: i16) -> sqlx::Result<Option<Bucket>> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "cases!",
                  encode(sha256(convert_to(string_agg(case_id || ' ' || version || ' ' || chain_head || E'\n', '' ORDER BY case_id),
                                           'UTF8')), 'hex') AS digest
           FROM (SELECT DISTINCT ON (case_id) case_id, version, chain_head FROM case_leaf
                 WHERE bucket = $1 AND number <= $2 ORDER BY case_id, number DESC) l"#,
        bucket,
        number
    )
    .fetch_one(conn)
    .await?;
    Ok(row.digest.map(|digest| Bucket { bucket, cases: row.cases, digest }))
}

/// A page of a bucket's cases as of an anchor, with the version that each has now; none where the case is gone.
pub(crate) async fn kept(
    conn: &mut PgConnection,
    (number, bucket): (i64, i16),
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<(Leaf, Option<i64>)>> {
    let rows = sqlx::query!(
        r#"SELECT l.case_id, l.version, l.chain_head, c.version AS "now?"
           FROM (SELECT DISTINCT ON (case_id) case_id, version, chain_head FROM case_leaf
                 WHERE bucket = $1 AND number <= $2 AND case_id > $3 ORDER BY case_id, number DESC LIMIT $4) l
           LEFT JOIN case_file c ON c.id = l.case_id ORDER BY l.case_id"#,
        bucket,
        number,
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    let leaf = |case, version, chain_head| Leaf { case, version, chain_head };
    Ok(rows.into_iter().map(|row| (leaf(row.case_id, row.version, row.chain_head), row.now)).collect())
}

/// The events of cases, by case and sequence: each with its bytes as stored.
pub(crate) fn histories<'a>(
    conn: &'a mut PgConnection,
    cases: &'a [Uuid],
) -> impl Flow<Item = sqlx::Result<(Uuid, i64, Vec<u8>)>> + Send + 'a {
    sqlx::query!(
        "SELECT aggregate_id, sequence, payload FROM event_log WHERE aggregate_id = ANY($1) ORDER BY aggregate_id, sequence",
        cases
    )
    .fetch(conn)
    .map_ok(|row| (row.aggregate_id, row.sequence, row.payload))
}

/// A case with the head of its chain and its version as the row says them.
pub(crate) async fn case(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<(Case, Leaf)>> {
    let row =
        sqlx::query!(r#"SELECT body AS "body: Json<Case>", version, chain_head FROM case_file WHERE id = $1"#, id)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(|row| (row.body.0, Leaf { case: id, version: row.version, chain_head: row.chain_head })))
}

/// A page of a bucket's open cases, by id.
pub(crate) async fn open(conn: &mut PgConnection, bucket: i16, after: Uuid, limit: i64) -> sqlx::Result<Vec<Case>> {
    let bodies = sqlx::query_scalar!(
        r#"SELECT body AS "body: Json<Case>" FROM case_file
           WHERE NOT closed AND case_bucket(id) = $1 AND id > $2 ORDER BY id LIMIT $3"#,
        bucket,
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(bodies.into_iter().map(|body| body.0).collect())
}

/// All open cases, by bucket and id.
pub(crate) fn all_open(conn: &mut PgConnection) -> impl Flow<Item = sqlx::Result<(i16, Case)>> + Send {
    sqlx::query!(
        r#"SELECT case_bucket(id) AS "bucket!", body AS "body: Json<Case>" FROM case_file
           WHERE NOT closed ORDER BY case_bucket(id), id"#
    )
    .fetch(conn)
    .map_ok(|row| (row.bucket, row.body.0))
}

/// Place of the last event in the log, as far as this snapshot sees it.
pub(crate) async fn position(conn: &mut PgConnection) -> sqlx::Result<i64> {
    let last = sqlx::query_scalar!("SELECT max(position) FROM event_log").fetch_one(conn).await?;
    Ok(last.unwrap_or(0))
}
