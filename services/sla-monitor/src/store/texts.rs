//! The texts of the rules with their history.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;

/// A text with its place in the history.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The county whose own it is; none for the whole city's.
    pub(crate) county: Option<Region>,
    pub(crate) revision: i64,
    pub(crate) version: String,
    pub(crate) text: String,
    pub(crate) from: Instant,
    pub(crate) kept: Instant,
    /// Who replaced the one before, and by which account; none where it came with the service.
    pub(crate) by: Option<(Post, String)>,
}

/// The columns that name who did something: role, level, region, account; all empty for the service itself.
pub(crate) fn columns(by: Option<&(Post, String)>) -> [String; 4] {
    by.map_or_else(Default::default, |(post, account)| {
        [
            post.role.code().to_owned(),
            post.region.level().code().to_owned(),
            post.region.code().to_string(),
            account.clone(),
        ]
    })
}

/// Who did something, from its columns.
pub(crate) fn person(role: &str, level: &str, region: &str, account: String) -> Option<(Post, String)> {
    let region = Region::new(level.parse().ok()?, region).ok()?;
    Some((Post { role: role.parse().ok()?, region, agency: None }, account))
}

/// The serials of the last texts of the rules and of the calendar; 0 before the first.
pub(crate) async fn serials(conn: &mut PgConnection) -> sqlx::Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"SELECT (SELECT COALESCE(max(serial), 0) FROM rules_text) AS "rules!",
                  (SELECT COALESCE(max(revision), 0) FROM calendar_text) AS "calendar!""#
    )
    .fetch_one(conn)
    .await?;
    Ok((row.rules, row.calendar))
}

/// Keeps a text, under the lock of the facts.
pub(crate) async fn append(conn: &mut PgConnection, new: &Stored) -> sqlx::Result<()> {
    let [role, level, region, account] = columns(new.by.as_ref());
    sqlx::query!(
        "INSERT INTO rules_text (serial, county, revision, version, text, in_force_from, replaced_at, role, level, region, account)
         SELECT COALESCE(max(serial), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM rules_text",
        code(new.county.as_ref()),
        new.revision,
        new.version,
        new.text,
        PgInstant(new.from) as PgInstant,
        PgInstant(new.kept) as PgInstant,
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
        Stored {
            county: Region::new(Level::County, &row.county).ok(),
            revision: row.revision,
            version: row.version,
            text: row.text,
            from: row.from.into(),
            kept: row.kept.into(),
            by: person(&row.role, &row.level, &row.region, row.account),
        }
    }};
}

/// All texts, the city's and the counties'.
pub(crate) async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Stored>> {
    let rows = sqlx::query!(
        r#"SELECT county, revision, version, text, in_force_from AS "from: PgInstant", replaced_at AS "kept: PgInstant", role, level,
                  region, account
           FROM rules_text ORDER BY serial"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| stored!(row)).collect())
}

/// The text of a version.
pub(crate) async fn of_version(
    conn: &mut PgConnection,
    of: Option<&Region>,
    version: &str,
) -> sqlx::Result<Option<Stored>> {
    let row = sqlx::query!(
        r#"SELECT county, revision, version, text, in_force_from AS "from: PgInstant", replaced_at AS "kept: PgInstant", role, level,
                  region, account
           FROM rules_text WHERE county = $1 AND version = $2"#,
        code(of),
        version
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| stored!(row)))
}

/// The text in force at an instant; of the city the first when it is asked for what was before.
pub(crate) async fn at(conn: &mut PgConnection, of: Option<&Region>, at: Instant) -> sqlx::Result<Option<Stored>> {
    let row = sqlx::query!(
        r#"SELECT county, revision, version, text, in_force_from AS "from: PgInstant", replaced_at AS "kept: PgInstant", role, level,
                  region, account
           FROM rules_text WHERE county = $1 AND (in_force_from <= $2 OR (county = '' AND revision = 1)) ORDER BY revision DESC LIMIT 1"#,
        code(of),
        PgInstant(at) as PgInstant
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| stored!(row)))
}

/// The newest revision; 0 when there is none.
pub(crate) async fn newest(conn: &mut PgConnection, of: Option<&Region>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"SELECT COALESCE(max(revision), 0) AS "newest!" FROM rules_text WHERE county = $1"#, code(of))
        .fetch_one(conn)
        .await
}

/// A page of the versions before a revision, newest first, without their texts.
pub(crate) async fn list(
    conn: &mut PgConnection,
    of: Option<&Region>,
    before: i64,
    limit: i64,
) -> sqlx::Result<Vec<Stored>> {
    let rows = sqlx::query!(
        r#"SELECT county, revision, version, '' AS "text!", in_force_from AS "from: PgInstant", replaced_at AS "kept: PgInstant", role,
                  level, region, account
           FROM rules_text WHERE county = $1 AND revision < $2 ORDER BY revision DESC LIMIT $3"#,
        code(of),
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| stored!(row)).collect())
}

fn code(county: Option<&Region>) -> &str {
    county.map_or("", |county| county.code().as_str())
}
