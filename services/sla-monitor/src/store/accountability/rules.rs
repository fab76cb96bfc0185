//! What counties laid down for the posts of their villages.

use std::collections::HashMap;

use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::accountability::VillageRules;
use sqlx::{PgConnection, types::Json};

/// A version of a county's rules.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) version: i64,
    pub(crate) valid_from: Instant,
    pub(crate) by: Post,
    pub(crate) rules: VillageRules,
}

/// The rules that hold in these counties; those that have laid down nothing are left out.
pub(crate) async fn of_counties(
    conn: &mut PgConnection,
    counties: &[String],
) -> sqlx::Result<HashMap<String, VillageRules>> {
    let rows = sqlx::query!(
        r#"SELECT c.code AS "code!", r.body AS "body!: Json<VillageRules>" FROM UNNEST($1::text[]) AS c (code)
           CROSS JOIN LATERAL (SELECT body FROM village_rules WHERE county = c.code ORDER BY version DESC LIMIT 1) r"#,
        counties
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.code, row.body.0)).collect())
}

/// The last versions of a county, newest first.
pub(crate) async fn history(conn: &mut PgConnection, county: &str, limit: i64) -> sqlx::Result<Vec<Version>> {
    let rows = sqlx::query!(
        r#"SELECT version, valid_from AS "valid_from: PgInstant", by_post AS "by_post: Json<Post>", body AS "body: Json<VillageRules>"
           FROM village_rules WHERE county = $1 ORDER BY version DESC LIMIT $2"#,
        county,
        limit
    )
    .fetch_all(conn)
    .await?;
    let versions = rows.into_iter().map(|row| Version {
        version: row.version,
        valid_from: row.valid_from.0,
        by: row.by_post.0,
        rules: row.body.0,
    });
    Ok(versions.collect())
}

/// Adds a version; false when another was faster.
pub(crate) async fn insert(conn: &mut PgConnection, county: &str, new: &Version) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO village_rules (county, version, valid_from, by_post, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        county,
        new.version,
        PgInstant(new.valid_from) as PgInstant,
        Json(&new.by) as Json<&Post>,
        Json(&new.rules) as Json<&VillageRules>
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
