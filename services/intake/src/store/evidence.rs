//! Photos. Everything that knows where their bytes lie is in this module, so that they can move to an object store.

use std::collections::HashSet;

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

/// A photo with the village that it was sent in for.
#[derive(Debug, Clone)]
pub(crate) struct Photo {
    /// Follows from the bytes.
    pub(crate) id: Uuid,
    pub(crate) sha256: [u8; 32],
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) village: String,
}

/// Keeps photos. Those whose bytes are there already are not written again.
pub(crate) async fn keep(conn: &mut PgConnection, photos: &[&Photo], now: Instant) -> sqlx::Result<()> {
    if photos.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = photos.iter().map(|photo| photo.id).collect();
    let hashes: Vec<&[u8]> = photos.iter().map(|photo| photo.sha256.as_slice()).collect();
    let media_types: Vec<&str> = photos.iter().map(|photo| photo.media_type).collect();
    let bytes: Vec<&[u8]> = photos.iter().map(|photo| photo.bytes.as_slice()).collect();
    let villages: Vec<&str> = photos.iter().map(|photo| photo.village.as_str()).collect();
    sqlx::query!(
        "INSERT INTO evidence (id, sha256, media_type, bytes, received_at)
         SELECT id, sha256, media_type, bytes, $5
         FROM UNNEST($1::uuid[], $2::bytea[], $3::text[], $4::bytea[]) AS new (id, sha256, media_type, bytes)
         ORDER BY id
         ON CONFLICT (id) DO NOTHING",
        &ids,
        &hashes as &[&[u8]],
        &media_types as &[&str],
        &bytes as &[&[u8]],
        PgInstant(now) as PgInstant
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO evidence_village (evidence_id, village, received_at)
         SELECT id, village, $3 FROM UNNEST($1::uuid[], $2::text[]) AS new (id, village)
         ORDER BY id, village
         ON CONFLICT DO NOTHING",
        &ids,
        &villages as &[&str],
        PgInstant(now) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// For which villages these photos were sent in: pairs of photo and village code.
pub(crate) async fn villages(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashSet<(Uuid, String)>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query!("SELECT evidence_id, village FROM evidence_village WHERE evidence_id = ANY($1)", ids)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.evidence_id, row.village)).collect())
}
