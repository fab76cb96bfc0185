//! Photos. Bytes in PostgreSQL; another place for them would be another of these modules.

use std::collections::HashMap;

use dafei_kernel::{region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

/// A photo to keep.
pub(crate) struct NewEvidence<'a> {
    pub(crate) id: Uuid,
    pub(crate) village: &'a Region,
    pub(crate) sha256: &'a [u8],
    pub(crate) media_type: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) uploaded_at: Instant,
}

/// Keeps a photo; one that is there stays.
pub(crate) async fn insert(conn: &mut PgConnection, photo: &NewEvidence<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO evidence (id, village, sha256, media_type, bytes, uploaded_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO NOTHING",
        photo.id,
        photo.village.code().as_str(),
        photo.sha256,
        photo.media_type,
        photo.bytes,
        PgInstant(photo.uploaded_at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The villages of photos; those that are not there are left out.
pub(crate) async fn villages(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!("SELECT id, village FROM evidence WHERE id = ANY($1)", ids).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.village)).collect())
}
