//! Checklists: versions that are added and never changed.

use std::collections::HashMap;

use dafei_intake_core::checklist::Checklist;
use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};

/// A version as kept.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) version: i32,
    /// Code of the county whose own it is; empty for the built-in one.
    pub(crate) county: String,
    pub(crate) body: Json<Checklist>,
    pub(crate) put_at: PgInstant,
}

/// Waits until no other version is put; held until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('dafei.intake.checklists'))").execute(conn).await?;
    Ok(())
}

/// Adds a version.
pub(crate) async fn insert(conn: &mut PgConnection, new: &Version, put_by: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO checklist (id, version, sector, county, body, put_at, put_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new.id,
        new.version,
        new.body.sector.code(),
        new.county,
        &new.body as &Json<Checklist>,
        new.put_at as PgInstant,
        put_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest version of each checklist of a county; of the built-in ones for the empty code.
pub(crate) async fn newest(conn: &mut PgConnection, county: &str) -> sqlx::Result<Vec<Version>> {
    sqlx::query_as!(
        Version,
        r#"SELECT DISTINCT ON (id) id, version, county, body AS "body: Json<Checklist>", put_at AS "put_at: PgInstant"
           FROM checklist WHERE county = $1 ORDER BY id, version DESC"#,
        county
    )
    .fetch_all(conn)
    .await
}

/// One version; the newest for 0.
pub(crate) async fn get(conn: &mut PgConnection, id: &str, version: i32) -> sqlx::Result<Option<Version>> {
    sqlx::query_as!(
        Version,
        r#"SELECT id, version, county, body AS "body: Json<Checklist>", put_at AS "put_at: PgInstant"
           FROM checklist WHERE id = $1 AND (version = $2 OR $2 = 0) ORDER BY version DESC LIMIT 1"#,
        id,
        version
    )
    .fetch_optional(conn)
    .await
}

/// The versions that patrols have answered, with their counties.
pub(crate) async fn named(
    conn: &mut PgConnection,
    asked: &[(&str, i32)],
) -> sqlx::Result<HashMap<(String, i32), (String, Checklist)>> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<&str> = asked.iter().map(|(id, _)| *id).collect();
    let versions: Vec<i32> = asked.iter().map(|(_, version)| *version).collect();
    let rows = sqlx::query!(
        r#"SELECT c.id, c.version, c.county, c.body AS "body: Json<Checklist>"
           FROM UNNEST($1::text[], $2::integer[]) AS asked (id, version)
           CROSS JOIN LATERAL (SELECT * FROM checklist WHERE id = asked.id AND version = asked.version LIMIT 1) c"#,
        &ids as &[&str],
        &versions
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.id, row.version), (row.county, row.body.0))).collect())
}

/// Adds those built-in checklists that are not the newest version of theirs.
pub(crate) async fn add_changed(conn: &mut PgConnection, builtin: Vec<Checklist>, now: Instant) -> sqlx::Result<()> {
    lock(conn).await?;
    let known: HashMap<String, Version> =
        newest(conn, "").await?.into_iter().map(|one| (one.id.clone(), one)).collect();
    for checklist in builtin {
        let id = checklist.sector.code();
        let before = known.get(id);
        if before.is_some_and(|before| before.body.0 == checklist) {
            continue;
        }
        let new = Version {
            id: id.to_owned(),
            version: before.map_or(1, |before| before.version + 1),
            county: String::new(),
            body: Json(checklist),
            put_at: PgInstant(now),
        };
        insert(conn, &new, "").await?;
    }
    Ok(())
}
