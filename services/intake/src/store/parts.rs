//! How far each city, county and township of the roster was announced.

use std::collections::HashMap;

use dafei_kernel::region::Region;
use sqlx::PgConnection;

/// Sequence of a part's last event and the head of their chain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    pub(crate) sequence: i64,
    pub(crate) chain_head: String,
}

/// Taken by every import until its end: the roster has one writer at a time.
const LOCK: &str = "dafei intake roster import";

/// Waits until no other import runs, and keeps others waiting until the end of the transaction.
pub(crate) async fn alone(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(r#"SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text AS "locked""#, LOCK).fetch_one(conn).await?;
    Ok(())
}

/// The parts of these regions that were announced before, by region (`level:code`).
pub(crate) async fn of(conn: &mut PgConnection, regions: &[&Region]) -> sqlx::Result<HashMap<String, Part>> {
    let (levels, codes) = keys(regions.iter().copied());
    let rows = sqlx::query!(
        "SELECT p.level, p.code, p.sequence, p.chain_head
         FROM UNNEST($1::text[], $2::text[]) AS k (level, code) JOIN roster_part p USING (level, code)",
        &levels as &[&str],
        &codes as &[&str]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (format!("{}:{}", row.level, row.code), Part { sequence: row.sequence, chain_head: row.chain_head }))
        .collect())
}

/// Writes how far these parts are announced now.
pub(crate) async fn save(conn: &mut PgConnection, parts: &[(&Region, Part)]) -> sqlx::Result<()> {
    let (levels, codes) = keys(parts.iter().map(|(region, _)| *region));
    let sequences: Vec<i64> = parts.iter().map(|(_, part)| part.sequence).collect();
    let heads: Vec<&str> = parts.iter().map(|(_, part)| part.chain_head.as_str()).collect();
    sqlx::query!(
        "INSERT INTO roster_part (level, code, sequence, chain_head)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[])
         ON CONFLICT (level, code) DO UPDATE SET sequence = EXCLUDED.sequence, chain_head = EXCLUDED.chain_head",
        &levels as &[&str],
        &codes as &[&str],
        &sequences,
        &heads as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn keys<'a>(regions: impl Iterator<Item = &'a Region>) -> (Vec<&'a str>, Vec<&'a str>) {
    regions.map(|region| (region.level().code(), region.code().as_str())).unzip()
}
