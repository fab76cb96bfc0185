//! The months of patrols: their partitions, and what is left of one that was dropped.

use dafei_kernel::time::{Instant, Month};
use dafei_messaging::pg::PgInstant;
use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

/// Makes the partitions of so many months from that of an instant on.
pub(crate) async fn ensure(conn: &mut PgConnection, now: Instant, months: i32) -> sqlx::Result<()> {
    sqlx::query!("SELECT patrol_ensure_partitions($1, $2)", PgInstant(now) as PgInstant, months)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// A partition's table, `patrol_2026_11`.
fn table(month: Month) -> String {
    format!("patrol_{:04}_{:02}", month.year(), month.month())
}

/// The months before `kept` that have a partition, oldest first.
pub(crate) async fn before(conn: &mut PgConnection, kept: Month) -> sqlx::Result<Vec<Month>> {
    let names = sqlx::query_scalar!(
        r#"SELECT c.relname::text AS "name!" FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = 'patrol'::regclass AND c.relname ~ '^patrol_[0-9]{4}_[0-9]{2}$' AND c.relname < $1 ORDER BY c.relname"#,
        table(kept)
    )
    .fetch_all(conn)
    .await?;
    let month = |name: &String| {
        let (year, month) = name.strip_prefix("patrol_")?.split_once('_')?;
        Month::new(year.parse().ok()?, month.parse().ok()?).ok()
    };
    Ok(names.iter().filter_map(month).collect())
}

/// Waits until no other replica drops months; held until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('dafei.intake.patrol-months'))").execute(conn).await?;
    Ok(())
}

/// Leaves the tombstone of a month and drops its partition. Its rows are read once, as a stream: a month need not fit in memory.
pub(crate) async fn bury(conn: &mut PgConnection, month: Month, now: Instant) -> sqlx::Result<()> {
    let (name, table) = (month.to_string(), table(month));
    // Reading a month may take minutes, and nobody waits for it.
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *conn).await?;
    let sha256 = digest(conn, &table).await?;
    // The name is made of two numbers; a table cannot be a parameter.
    let summary = format!(
        "WITH villages AS (
             SELECT village, count(*)::integer AS patrols, min(patrolled_at) AS first_at, max(patrolled_at) AS last_at
             FROM {table} GROUP BY village
         ), month AS (
             INSERT INTO patrol_tombstone (month, patrols, villages, first_at, last_at, sha256, dropped_at)
             SELECT $1, coalesce(sum(patrols), 0), count(*), min(first_at), max(last_at), $2, $3 FROM villages RETURNING month
         )
         INSERT INTO patrol_tombstone_village (month, village, patrols) SELECT month.month, village, patrols FROM villages, month"
    );
    sqlx::query(AssertSqlSafe(summary)).bind(&name).bind(sha256).bind(PgInstant(now)).execute(&mut *conn).await?;
    // Dropping waits for all who read the table of patrols, and all others wait behind it: not for long.
    sqlx::query("SET LOCAL lock_timeout = '5s'").execute(&mut *conn).await?;
    sqlx::query(AssertSqlSafe(format!("DROP TABLE {table}"))).execute(&mut *conn).await?;
    sqlx::query("SET LOCAL lock_timeout = DEFAULT").execute(conn).await?;
    Ok(())
}

/// SHA-256 over the rows of a partition in the order of their ids, a line feed after each.
async fn digest(conn: &mut PgConnection, table: &str) -> sqlx::Result<Vec<u8>> {
    sqlx::query("SET LOCAL TimeZone = 'UTC'").execute(&mut *conn).await?;
    let sql = format!("SELECT to_jsonb(p)::text FROM {table} p ORDER BY id");
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(conn);
    let mut hash = Sha256::new();
    while let Some(row) = rows.try_next().await? {
        hash.update(row.try_get::<&str, _>(0)?);
        hash.update("\n");
    }
    Ok(hash.finalize().to_vec())
}

/// What is left of a month.
#[derive(Debug, Clone)]
pub(crate) struct Tombstone {
    pub(crate) month: String,
    pub(crate) patrols: i64,
    pub(crate) villages: i32,
    pub(crate) first_at: Option<PgInstant>,
    pub(crate) last_at: Option<PgInstant>,
    pub(crate) sha256: Vec<u8>,
    pub(crate) dropped_at: PgInstant,
    /// Of the villages that were asked for.
    pub(crate) of_region: i64,
}

/// A page of tombstones, newest first, with the patrols of some villages.
pub(crate) async fn tombstones(
    conn: &mut PgConnection,
    villages: &[i64],
    before: &str,
    limit: i64,
) -> sqlx::Result<Vec<Tombstone>> {
    sqlx::query_as!(
        Tombstone,
        r#"SELECT month, patrols, villages, first_at AS "first_at: PgInstant", last_at AS "last_at: PgInstant", sha256,
                  dropped_at AS "dropped_at: PgInstant",
                  coalesce((SELECT sum(v.patrols) FROM patrol_tombstone_village v
                            WHERE v.village = ANY($1) AND v.month = t.month), 0)::bigint AS "of_region!"
           FROM patrol_tombstone t WHERE month < $2 ORDER BY month DESC LIMIT $3"#,
        villages,
        before,
        limit
    )
    .fetch_all(conn)
    .await
}

/// The months that were dropped and hold patrols made between two instants, oldest first.
pub(crate) async fn dropped(conn: &mut PgConnection, from: Instant, until: Instant) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "SELECT month FROM patrol_tombstone WHERE last_at >= $1 AND first_at < $2 ORDER BY month",
        PgInstant(from) as PgInstant,
        PgInstant(until) as PgInstant
    )
    .fetch_all(conn)
    .await
}

/// Whether a month was dropped.
pub(crate) async fn is_dropped(conn: &mut PgConnection, month: Month) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!("SELECT month FROM patrol_tombstone WHERE month = $1", month.to_string());
    Ok(found.fetch_optional(conn).await?.is_some())
}
