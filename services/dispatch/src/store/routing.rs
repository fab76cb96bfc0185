//! The texts of the routing table and of the townships' authority with their history, and the open cases that a new text would move.

use dafei_dispatch_core::case::Facts;
use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// Which of the two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 派单表.
    Routing,
    /// 乡镇职权.
    Authority,
}

impl Kind {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Authority => "authority",
        }
    }
}

/// A text with its place in the history.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The county whose own it is; none for the whole city's.
    pub(crate) county: Option<Region>,
    pub(crate) revision: i64,
    pub(crate) version: String,
    pub(crate) text: String,
    pub(crate) since: Instant,
    /// Who replaced the one before, and by which account; none where it came from the service's file.
    pub(crate) by: Option<(Post, String)>,
}

/// Waits until nobody else replaces a text; held until the transaction ends, so serials follow the order of the commits.
pub(crate) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('dafei.routing'))").execute(conn).await?;
    Ok(())
}

/// The serial of the last replacement; 0 before the first.
pub(crate) async fn serial(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT COALESCE(max(serial), 0) AS "serial!" FROM routing_text"#).fetch_one(conn).await
}

/// Puts a text in force, under [`lock`].
pub(crate) async fn append(conn: &mut PgConnection, kind: Kind, new: &Stored) -> sqlx::Result<()> {
    let (role, level, region, account) = match &new.by {
        Some((post, account)) => {
            (post.role.code(), post.region.level().code(), post.region.code().to_string(), account.as_str())
        }
        None => ("", "", String::new(), ""),
    };
    sqlx::query!(
        "INSERT INTO routing_text (serial, kind, county, revision, version, text, in_force_since, role, level, region, account)
         SELECT COALESCE(max(serial), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM routing_text",
        kind.code(),
        county_code(new.county.as_ref()),
        new.revision,
        new.version,
        new.text,
        PgInstant(new.since) as PgInstant,
        role,
        level,
        region,
        account
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A row with its text, from whichever query.
macro_rules! stored {
    ($row:expr) => {{
        let row = $row;
        let post = row.role.parse().ok().zip(region(&row.level, &row.region));
        Stored {
            county: county(&row.county),
            revision: row.revision,
            version: row.version,
            text: row.text,
            since: row.since.into(),
            by: post.map(|(role, region)| (Post { role, region, agency: None }, row.account)),
        }
    }};
}

/// All texts of a kind that are in force: the city's and the counties'.
pub(crate) async fn in_force(conn: &mut PgConnection, kind: Kind) -> sqlx::Result<Vec<Stored>> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (county) county, revision, version, text, in_force_since AS "since: PgInstant", role, level, region, account
           FROM routing_text WHERE kind = $1 ORDER BY county, revision DESC"#,
        kind.code()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| stored!(row)).collect())
}

/// One text: of a version, or the one in force when none is named.
pub(crate) async fn find(
    conn: &mut PgConnection,
    kind: Kind,
    of: Option<&Region>,
    version: Option<&str>,
) -> sqlx::Result<Option<Stored>> {
    let row = sqlx::query!(
        r#"SELECT county, revision, version, text, in_force_since AS "since: PgInstant", role, level, region, account
           FROM routing_text WHERE kind = $1 AND county = $2 AND ($3::text IS NULL OR version = $3)
           ORDER BY revision DESC LIMIT 1"#,
        kind.code(),
        county_code(of),
        version
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| stored!(row)))
}

/// A page of the versions before a revision, newest first, without their texts.
pub(crate) async fn list(
    conn: &mut PgConnection,
    kind: Kind,
    of: Option<&Region>,
    before: i64,
    limit: i64,
) -> sqlx::Result<Vec<Stored>> {
    let rows = sqlx::query!(
        r#"SELECT county, revision, version, '' AS "text!", in_force_since AS "since: PgInstant", role, level, region, account
           FROM routing_text WHERE kind = $1 AND county = $2 AND revision < $3 ORDER BY revision DESC LIMIT $4"#,
        kind.code(),
        county_code(of),
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| stored!(row)).collect())
}

/// A page of the facts of open cases of the city or of a county, newest first, before the last of the page before.
pub(crate) async fn open_cases(
    conn: &mut PgConnection,
    of: Option<&Region>,
    before: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<Facts>> {
    let (at, id) = before.unwrap_or((Instant::MAX, Uuid::max()));
    let at = PgInstant(at);
    let facts: Vec<Json<Facts>> = match of {
        None => {
            sqlx::query_scalar!(
                r#"SELECT body -> 'facts' AS "facts!: Json<Facts>" FROM case_file
                   WHERE NOT closed AND (reached_at, id) < ($1, $2) ORDER BY reached_at DESC, id DESC LIMIT $3"#,
                at as PgInstant,
                id,
                limit
            )
            .fetch_all(conn)
            .await?
        }
        Some(county) => {
            sqlx::query_scalar!(
                r#"SELECT body -> 'facts' AS "facts!: Json<Facts>" FROM case_file
                   WHERE NOT closed AND county = $4 AND (reached_at, id) < ($1, $2)
                   ORDER BY reached_at DESC, id DESC LIMIT $3"#,
                at as PgInstant,
                id,
                limit,
                county.code().as_str()
            )
            .fetch_all(conn)
            .await?
        }
    };
    Ok(facts.into_iter().map(|facts| facts.0).collect())
}

fn county_code(county: Option<&Region>) -> &str {
    county.map_or("", |county| county.code().as_str())
}

fn county(code: &str) -> Option<Region> {
    Region::new(Level::County, code).ok()
}

fn region(level: &str, code: &str) -> Option<Region> {
    Region::new(level.parse().ok()?, code).ok()
}
