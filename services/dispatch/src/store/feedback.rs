//! The ids of feedback that each unit has used. Only the feedback consumer writes here, one replica at a time.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;

use crate::unit::Unit;

/// What is known of one id of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) unit: Unit,
    pub(crate) feedback_id: String,
    /// SHA-256 of the content that was taken; none while all that came was rejected.
    pub(crate) content_hash: Option<Vec<u8>>,
    pub(crate) instruction_id: String,
    /// Receipts so far: the sequence of the last.
    pub(crate) receipts: i64,
    /// Head of the chain over its receipts.
    pub(crate) chain_head: String,
}

/// Those of the ids that were used before.
pub(crate) async fn find(conn: &mut PgConnection, keys: &[(Unit, String)]) -> sqlx::Result<Vec<Used>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let agencies: Vec<&str> = keys.iter().map(|(unit, _)| unit.agency.code()).collect();
    let levels: Vec<&str> = keys.iter().map(|(unit, _)| unit.region.level().code()).collect();
    let regions: Vec<&str> = keys.iter().map(|(unit, _)| unit.region.code().as_str()).collect();
    let ids: Vec<&str> = keys.iter().map(|(_, id)| id.as_str()).collect();
    let rows = sqlx::query!(
        "SELECT f.agency, f.level, f.region, f.feedback_id, f.content_hash, f.instruction_id, f.receipts, f.chain_head
         FROM (SELECT DISTINCT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[])
               AS k (agency, level, region, feedback_id)) k
         JOIN feedback f USING (agency, level, region, feedback_id)",
        &agencies as &[&str],
        &levels as &[&str],
        &regions as &[&str],
        &ids as &[&str]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Used {
                unit: Unit::from_codes(&row.agency, &row.level, &row.region)?,
                feedback_id: row.feedback_id,
                content_hash: row.content_hash,
                instruction_id: row.instruction_id,
                receipts: row.receipts,
                chain_head: row.chain_head,
            })
        })
        .collect())
}

/// Writes what is known now; each id once.
pub(crate) async fn save(conn: &mut PgConnection, rows: &[&Used], at: Instant) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let agencies: Vec<&str> = rows.iter().map(|row| row.unit.agency.code()).collect();
    let levels: Vec<&str> = rows.iter().map(|row| row.unit.region.level().code()).collect();
    let regions: Vec<&str> = rows.iter().map(|row| row.unit.region.code().as_str()).collect();
    let ids: Vec<&str> = rows.iter().map(|row| row.feedback_id.as_str()).collect();
    let hashes: Vec<Option<&[u8]>> = rows.iter().map(|row| row.content_hash.as_deref()).collect();
    let instructions: Vec<&str> = rows.iter().map(|row| row.instruction_id.as_str()).collect();
    let receipts: Vec<i64> = rows.iter().map(|row| row.receipts).collect();
    let heads: Vec<&str> = rows.iter().map(|row| row.chain_head.as_str()).collect();
    sqlx::query!(
        "INSERT INTO feedback (agency, level, region, feedback_id, content_hash, instruction_id, receipts, chain_head, first_at)
         SELECT u.*, $9::timestamptz
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::bigint[], $8::text[]) AS u
         ON CONFLICT (agency, level, region, feedback_id) DO UPDATE
         SET content_hash = excluded.content_hash, instruction_id = excluded.instruction_id,
             receipts = excluded.receipts, chain_head = excluded.chain_head",
        &agencies as &[&str],
        &levels as &[&str],
        &regions as &[&str],
        &ids as &[&str],
        &hashes as &[Option<&[u8]>],
        &instructions as &[&str],
        &receipts,
        &heads as &[&str],
        PgInstant(at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}
