//! The shadow of a rebuild: facts as they were told, and one statement that makes cells of them and compares these with the served ones.

use std::collections::BTreeMap;

use dafei_messaging::sessions;
use dafei_reporting_core::LeafUnit;
use futures::StreamExt;
use sqlx::{PgConnection, PgPool, postgres::PgCopyIn};
use uuid::Uuid;

use super::copy::{HEADER, NOTE, TRAILER};

/// The key of the session lock that a running rebuild holds, in the space of two-part keys: the migrations' and the consumers' locks have
/// one-part keys.
const LOCK: (i32, i32) = (4, 404);

/// A connection of its own that holds the rebuild's lock as long as it lives; none when a rebuild runs, in whatever replica.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn lock(pool: &PgPool) -> sqlx::Result<Option<PgConnection>> {
    let mut conn = sessions::long(pool).await?;
    let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1, $2) AS "locked!""#, LOCK.0, LOCK.1)
        .fetch_one(&mut conn)
        .await?;
    Ok(locked.then_some(conn))
}

/// Whether some session holds the rebuild's lock.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn is_locked(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM pg_locks
               WHERE locktype = 'advisory' AND granted AND classid::bigint = $1 AND objid::bigint = $2 AND objsubid = 2
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           ) AS "locked!""#,
        i64::from(LOCK.0),
        i64::from(LOCK.1)
    )
    .fetch_one(conn)
    .await
}

/// Begins the one snapshot in which the raw log and the served cells are read. What counts commits its events and its cells together, so
/// in any snapshot the cells are exactly those of the events, and no consumer waits for it. As long as it is open, row versions that fall
/// dead anywhere in this database stay on disk: for the minutes of a rebuild that is little.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn begin_snapshot(reader: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(reader).await?;
    Ok(())
}

/// Empties the shadow.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn clear_shadow(writer: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("TRUNCATE shadow_fact, shadow_unit, shadow_served").execute(writer).await?;
    Ok(())
}

/// Copies what is served, as the reader's snapshot has it: cells, and the notes below the form as cells of columns above 100.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn copy_served(reader: &mut PgConnection, writer: &mut PgConnection) -> sqlx::Result<()> {
    for (from, to) in [
        (
            "SELECT unit_id, month, sector, col, value FROM cell WHERE value <> 0
             UNION ALL SELECT unit_id, month, '', 106::smallint, verified_true FROM tip_note WHERE verified_true <> 0
             UNION ALL SELECT unit_id, month, '', (100 + col)::smallint, count(*) FROM secretary_note GROUP BY unit_id, month, col",
            "shadow_served",
        ),
        ("SELECT unit_id, kind, region_level, region_code, agency FROM unit", "shadow_unit"),
    ] {
        let mut rows = reader.copy_out_raw(&format!("COPY ({from}) TO STDOUT (FORMAT binary)")).await?;
        let mut copy = writer.copy_in_raw(&format!("COPY {to} FROM STDIN (FORMAT binary)")).await?;
        while let Some(bytes) = rows.next().await {
            copy.send(bytes?).await?;
        }
        copy.finish().await?;
    }
    Ok(())
}

/// Facts on their way into the shadow.
pub struct FactCopy<'a>(PgCopyIn<&'a mut PgConnection>);

impl<'a> FactCopy<'a> {
    /// Begins.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn begin(writer: &'a mut PgConnection) -> sqlx::Result<Self> {
        let mut copy = writer
            .copy_in_raw(
                "COPY shadow_fact (fact_id, entry_id, told, unit_id, month, sector, col, amount, distinct_key)
                 FROM STDIN (FORMAT binary)",
            )
            .await?;
        copy.send(&HEADER[..]).await?;
        Ok(Self(copy))
    }

    /// Adds rows.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn send(&mut self, rows: &[u8]) -> sqlx::Result<()> {
        self.0.send(rows).await?;
        Ok(())
    }

    /// Ends.
    ///
    /// # Errors
    /// When PostgreSQL refuses a row or is away.
    pub async fn finish(mut self) -> sqlx::Result<()> {
        self.0.send(&TRAILER[..]).await?;
        self.0.finish().await?;
        Ok(())
    }
}

/// Adds leaf units that facts of the shadow have.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn add_shadow_units(writer: &mut PgConnection, units: &BTreeMap<Uuid, LeafUnit>) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = units.keys().copied().collect();
    let parts: Vec<_> = units.values().map(LeafUnit::unit).collect();
    sqlx::query!(
        "INSERT INTO shadow_unit (unit_id, kind, region_level, region_code, agency)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
         ON CONFLICT DO NOTHING",
        &ids,
        &parts.iter().map(|unit| unit.kind().code()).collect::<Vec<_>>() as &[&str],
        &parts.iter().map(|unit| unit.region().level().code()).collect::<Vec<_>>() as &[&str],
        &parts.iter().map(|unit| unit.region().code().to_string()).collect::<Vec<_>>(),
        &parts.iter().map(|unit| unit.agency().map_or("", |agency| agency.code())).collect::<Vec<_>>() as &[&str],
    )
    .execute(writer)
    .await?;
    Ok(())
}

/// Makes the shadow's cells and compares them with the served ones; keeps the first `examples` that differ and says how many do.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn compare(writer: &mut PgConnection, rebuild_id: Uuid, examples: i64) -> sqlx::Result<i64> {
    // Facts are sorted in memory as far as this goes, then on disk. Without statistics the planner would sort them once more for their cells.
    sqlx::raw_sql("SET work_mem = '64MB'; ANALYZE shadow_fact, shadow_served").execute(&mut *writer).await?;
    sqlx::query_scalar!(
        r#"WITH first AS MATERIALIZED (
               SELECT DISTINCT ON (fact_id) fact_id, unit_id, month, sector, col, amount, distinct_key
               FROM shadow_fact WHERE entry_id IS NULL AND col < $3 ORDER BY fact_id, told
           ), true_tip AS (
               SELECT unit_id, month, (first.col + $3)::smallint AS col
               FROM first JOIN (SELECT DISTINCT fact_id FROM shadow_fact WHERE entry_id IS NULL AND col >= $3) noted USING (fact_id)
           ), standing AS (
               SELECT unit_id, month, sector, col, amount
               FROM (SELECT *, max(told) OVER (PARTITION BY entry_id) AS last FROM shadow_fact WHERE entry_id IS NOT NULL) word
               WHERE told = last AND fact_id IS NOT NULL
           ), counted AS (
               SELECT unit_id, month, sector, col, amount FROM first WHERE distinct_key IS NULL
               UNION ALL
               SELECT unit_id, month, sector, col, 1 FROM first WHERE distinct_key IS NOT NULL
               GROUP BY unit_id, month, sector, col, distinct_key
               UNION ALL
               SELECT unit_id, month, '', col, 1 FROM true_tip
               UNION ALL
               SELECT unit_id, month, sector, col, amount FROM standing
           ), shadow AS (
               SELECT unit_id, month, sector, col, sum(amount)::bigint AS value FROM counted GROUP BY unit_id, month, sector, col
           ), differing AS (
               SELECT unit_id, month, sector, col, COALESCE(served.value, 0) AS served, COALESCE(shadow.value, 0) AS shadow
               FROM shadow_served served FULL JOIN shadow USING (unit_id, month, sector, col)
               WHERE COALESCE(served.value, 0) <> COALESCE(shadow.value, 0)
           ), kept AS (
               INSERT INTO rebuild_example (rebuild_id, place, kind, region_level, region_code, agency, month, sector, col, served, shadow)
               SELECT $1, row_number() OVER (ORDER BY month, region_code, kind, agency, sector, col, unit_id), kind, region_level,
                      region_code, agency, month, sector, col, served, shadow
               FROM differing JOIN shadow_unit USING (unit_id)
               ORDER BY month, region_code, kind, agency, sector, col, unit_id LIMIT $2
           )
           SELECT count(*) AS "count!" FROM differing"#,
        rebuild_id,
        examples,
        NOTE
    )
    .fetch_one(writer)
    .await
}
