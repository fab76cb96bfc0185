//! Who looked at what.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::Codes;

/// A reading, of one entry or of none.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) id: Uuid,
    pub(crate) at: Instant,
    pub(crate) subject: String,
    pub(crate) post: Post,
    pub(crate) what: String,
    pub(crate) entry: Option<Uuid>,
    pub(crate) ledger: String,
}

/// Writes readings of one caller down; `path` leads to the caller's region.
pub(crate) async fn insert(conn: &mut PgConnection, accesses: &[Access], path: &RegionPath) -> sqlx::Result<()> {
    let Some(first) = accesses.first() else { return Ok(()) };
    let codes = Codes::of(path);
    sqlx::query!(
        "INSERT INTO accountability_access (id, entry_id, accessed_at, subject, post, city, county, township, place, what, ledger)
         SELECT u.id, u.entry_id, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM UNNEST($1::uuid[], $2::uuid[]) AS u (id, entry_id)",
        &accesses.iter().map(|access| access.id).collect::<Vec<_>>(),
        &accesses.iter().map(|access| access.entry).collect::<Vec<_>>() as &[Option<Uuid>],
        PgInstant(first.at) as PgInstant,
        first.subject,
        Json(&first.post) as Json<&Post>,
        codes.city,
        codes.county,
        codes.township,
        codes.place,
        first.what,
        first.ledger
    )
    .execute(conn)
    .await?;
    Ok(())
}

macro_rules! page {
    ($where:literal, $conn:expr, $asked:expr, $code:expr) => {{
        let rows = sqlx::query!(
            r#"SELECT id, accessed_at AS "accessed_at: PgInstant", subject, post AS "post: Json<Post>", what, entry_id, ledger
               FROM accountability_access
               WHERE "# + $where + r#" AND (accessed_at, id) < ($2, $3) AND ($4::uuid IS NULL OR entry_id = $4)
               ORDER BY accessed_at DESC, id DESC LIMIT $5"#,
            $code,
            PgInstant($asked.after.0) as PgInstant,
            $asked.after.1,
            $asked.entry,
            $asked.limit
        )
        .fetch_all($conn)
        .await?;
        let accesses = rows.into_iter().map(|row| Access {
            id: row.id,
            at: row.accessed_at.0,
            subject: row.subject,
            post: row.post.0,
            what: row.what,
            entry: row.entry_id,
            ledger: row.ledger,
        });
        Ok(accesses.collect())
    }};
}

/// What is asked for.
pub(crate) struct Asked {
    /// Only of this entry.
    pub(crate) entry: Option<Uuid>,
    /// Instant and id of the last one seen.
    pub(crate) after: (Instant, Uuid),
    pub(crate) limit: i64,
}

/// Readings by posts of a region and of what lies in it, newest first.
pub(crate) async fn page(conn: &mut PgConnection, region: &Region, asked: &Asked) -> sqlx::Result<Vec<Access>> {
    let code = region.code().as_str();
    match region.level() {
        Level::City => page!("city = $1", conn, asked, code),
        Level::County => page!("county = $1 AND county <> ''", conn, asked, code),
        Level::Township => page!("township = $1 AND township <> ''", conn, asked, code),
        Level::Village | Level::WorkArea => page!("place = $1 AND place <> ''", conn, asked, code),
    }
}
