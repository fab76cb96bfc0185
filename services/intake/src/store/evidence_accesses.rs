//! Who has seen the originals of photos. Rows are added and read, never changed.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// That somebody has seen an original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) id: Uuid,
    pub(crate) evidence: Uuid,
    pub(crate) subject: String,
    pub(crate) post: Post,
    pub(crate) reason: String,
    pub(crate) at: Instant,
}

/// Whose accesses are looked for.
pub(crate) enum Filter<'a> {
    Evidence(Uuid),
    Region(&'a Region),
    /// Villages of a work area.
    Villages(&'a [String]),
}

/// Writes an access down; `path` leads to where the photo belongs.
pub(crate) async fn insert(conn: &mut PgConnection, access: &Access, path: &RegionPath) -> sqlx::Result<()> {
    let code = |level| path.at(level).map(|region| region.code().as_str());
    sqlx::query!(
        "INSERT INTO evidence_access (id, evidence_id, county, township, village, subject, post, reason, accessed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        access.id,
        access.evidence,
        code(Level::County),
        code(Level::Township),
        code(Level::Village),
        access.subject,
        Json(&access.post) as Json<&Post>,
        access.reason,
        PgInstant(access.at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One query per column that is looked for by, so that each has its index.
macro_rules! page {
    ($conn:expr, $before:expr, $limit:expr, $where:literal $(, $value:expr)?) => {{
        let (at, id) = $before.unwrap_or((Instant::MAX, Uuid::max()));
        let rows = sqlx::query!(
            r#"SELECT id, evidence_id, subject, post AS "post: Json<Post>", reason, accessed_at AS "accessed_at: PgInstant"
               FROM evidence_access WHERE (accessed_at, id) < ($1, $2) AND "# + $where
                + r#" ORDER BY accessed_at DESC, id DESC LIMIT $3"#,
            PgInstant(at) as PgInstant,
            id,
            $limit
            $(, $value)?
        )
        .fetch_all($conn)
        .await?;
        let accesses = rows.into_iter().map(|row| Access {
            id: row.id,
            evidence: row.evidence_id,
            subject: row.subject,
            post: row.post.0,
            reason: row.reason,
            at: row.accessed_at.0,
        });
        Ok(accesses.collect())
    }};
}

/// A page of accesses, newest first, before the last of the page before.
pub(crate) async fn list(
    conn: &mut PgConnection,
    filter: &Filter<'_>,
    before: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<Access>> {
    match filter {
        Filter::Evidence(id) => page!(conn, before, limit, "evidence_id = $4", id),
        Filter::Villages(villages) => page!(conn, before, limit, "village = ANY($4)", villages),
        Filter::Region(region) => {
            let code = region.code().as_str();
            match region.level() {
                Level::City => page!(conn, before, limit, "TRUE"),
                Level::County => page!(conn, before, limit, "county = $4", code),
                Level::Township => page!(conn, before, limit, "township = $4", code),
                Level::Village | Level::WorkArea => page!(conn, before, limit, "village = $4", code),
            }
        }
    }
}
