//! What is known of photos; their bytes lie in the object store.

use std::collections::HashMap;

use bytes::Bytes;
use dafei_kernel::{region::Region, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

/// A photo to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewEvidence {
    pub(crate) id: Uuid,
    /// The name of its objects.
    pub(crate) object: Uuid,
    pub(crate) source: Source,
    /// Of the public copy.
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) uploaded_at: Instant,
}

/// Where a photo's bytes are when its row is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the store, both what was sent and the public copy.
    Stored(Original),
    /// Here: the public copy of a tip's photo, until its hour is over.
    Held(Bytes),
}

/// What was sent, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Original {
    pub(crate) region: Region,
    pub(crate) sha256: [u8; 32],
    pub(crate) media_type: &'static str,
}

/// A photo as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Where it belongs; none for a photo of a tip.
    pub(crate) region: Option<Region>,
    pub(crate) object: Uuid,
    /// Kind of the original, when there is one.
    pub(crate) media_type: Option<String>,
    /// The public copy, while it is not in the store yet.
    pub(crate) held: Option<Bytes>,
}

/// A public copy that is to go to the store.
pub(crate) struct Held {
    pub(crate) object: Uuid,
    pub(crate) bytes: Bytes,
}

/// Notes a name before objects are put under it.
pub(crate) async fn begin(conn: &mut PgConnection, object: Uuid, sweep_after: Instant) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO evidence_unfinished (object, sweep_after) VALUES ($1, $2)",
        object,
        PgInstant(sweep_after) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps a photo; false when the sweep has given up its objects. One that is there already stays, and the sweep removes the other's objects.
pub(crate) async fn insert(conn: &mut PgConnection, photo: &NewEvidence) -> sqlx::Result<bool> {
    let (original, held) = match &photo.source {
        Source::Stored(original) => (Some(original), None),
        Source::Held(bytes) => (None, Some(bytes)),
    };
    if original.is_some() && !still_unfinished(conn, photo.object).await? {
        return Ok(false);
    }
    let kept = sqlx::query!(
        "INSERT INTO evidence (id, region, object, sha256, media_type, width, height, uploaded_at, held)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        photo.id,
        original.map(|original| original.region.to_string()),
        photo.object,
        original.map(|original| original.sha256.as_slice()),
        original.map(|original| original.media_type),
        side(photo.width),
        side(photo.height),
        PgInstant(photo.uploaded_at) as PgInstant,
        held.map(Bytes::as_ref)
    )
    .execute(&mut *conn)
    .await?;
    if original.is_some() && kept.rows_affected() > 0 {
        finished(conn, &[photo.object]).await?;
    }
    Ok(true)
}

/// Whether the sweep has not taken a name; it waits for us from here on.
async fn still_unfinished(conn: &mut PgConnection, object: Uuid) -> sqlx::Result<bool> {
    let held = sqlx::query_scalar!("SELECT object FROM evidence_unfinished WHERE object = $1 FOR UPDATE", object)
        .fetch_optional(conn)
        .await?;
    Ok(held.is_some())
}

fn side(points: u32) -> i32 {
    i32::try_from(points).unwrap_or(i32::MAX)
}

/// A photo; none when it is not there.
pub(crate) async fn find(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Evidence>> {
    let row = sqlx::query!("SELECT region, object, media_type, held FROM evidence WHERE id = $1", id)
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        let region = row.region.as_deref().map(region).transpose()?;
        Ok(Evidence { region, object: row.object, media_type: row.media_type, held: row.held.map(Bytes::from) })
    })
    .transpose()
}

/// Where photos belong; those that are not there, or of a tip, are left out.
pub(crate) async fn regions(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Region>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows =
        sqlx::query!(r#"SELECT id, region AS "region!" FROM evidence WHERE id = ANY($1) AND region IS NOT NULL"#, ids)
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(|row| Ok((row.id, region(&row.region)?))).collect()
}

fn region(text: &str) -> sqlx::Result<Region> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Names that were given up, locked; other sweepers pass them over.
pub(crate) async fn given_up(conn: &mut PgConnection, now: Instant, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT object FROM evidence_unfinished WHERE sweep_after < $1 ORDER BY sweep_after LIMIT $2
         FOR UPDATE SKIP LOCKED",
        PgInstant(now) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await
}

/// Forgets names: their objects are removed, or a row keeps them.
pub(crate) async fn finished(conn: &mut PgConnection, objects: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM evidence_unfinished WHERE object = ANY($1)", objects).execute(conn).await?;
    Ok(())
}

/// Copies that are held from before an hour, in no order of theirs, locked.
pub(crate) async fn held(conn: &mut PgConnection, hour: Instant, limit: i64) -> sqlx::Result<Vec<Held>> {
    let rows = sqlx::query!(
        r#"SELECT object, held AS "held!" FROM evidence WHERE held IS NOT NULL AND uploaded_at < $1 ORDER BY object LIMIT $2
           FOR UPDATE SKIP LOCKED"#,
        PgInstant(hour) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Held { object: row.object, bytes: row.held.into() }).collect())
}

/// Lets go of copies that are in the store now.
pub(crate) async fn let_go(conn: &mut PgConnection, objects: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!("UPDATE evidence SET held = NULL WHERE object = ANY($1)", objects).execute(conn).await?;
    Ok(())
}
