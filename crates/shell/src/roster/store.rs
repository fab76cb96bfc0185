//! Writing the roster's tables.

use std::collections::HashSet;

use dafei_kernel::{
    region::{Level, Region},
    roster::{Enterprise, Holder, RegionEntry, RosterPart},
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, migrate::Migrator};

use super::{CHANNEL, RosterError};

/// The roster's tables; versions 50 to 99.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Rows that one statement writes, about: a statement has whole parts.
const ROWS: usize = 2_000;

/// Waits until nobody else changes the roster; held until the transaction ends. What [`replace`] and a refresh under it say is then the
/// order of the commits.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn lock(conn: &mut PgConnection) -> Result<(), RosterError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('dafei.roster'))").execute(conn).await?;
    Ok(())
}

/// Replaces parts, in their order, under [`lock`]: what a part no longer names is gone. Answers with the revision that they have then; each
/// call has the next one.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn replace(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<i64, RosterError> {
    let mut rest = parts;
    while !rest.is_empty() {
        let chunk = rest.split_at(bounded(rest));
        delete(conn, chunk.0).await?;
        insert_regions(conn, chunk.0).await?;
        insert_holders(conn, chunk.0).await?;
        insert_enterprises(conn, chunk.0).await?;
        rest = chunk.1;
    }
    let (levels, codes) = keys(parts.iter().map(|part| &part.region));
    let revision = sqlx::query_scalar!(
        r#"WITH next AS (SELECT COALESCE(max(revision), 0) + 1 AS revision FROM roster_part),
                moved AS (INSERT INTO roster_part (level, code, revision)
                          SELECT DISTINCT k.level, k.code, next.revision FROM UNNEST($1::text[], $2::text[]) AS k(level, code), next
                          ON CONFLICT (level, code) DO UPDATE SET revision = EXCLUDED.revision)
           SELECT revision AS "revision!" FROM next, pg_notify($3, '')"#,
        &levels,
        &codes,
        CHANNEL
    )
    .fetch_one(conn)
    .await?;
    Ok(revision)
}

/// How many parts go into one round of statements: what stands in two parts, because it has moved, goes by the later one.
fn bounded(parts: &[RosterPart]) -> usize {
    let (mut rows, mut regions, mut codes) = (0, HashSet::new(), HashSet::new());
    for (at, part) in parts.iter().enumerate() {
        rows += part.regions.len() + part.holders.len() + part.enterprises.len();
        let new = part.regions.iter().all(|entry| regions.insert(&entry.region))
            && part.enterprises.iter().all(|enterprise| codes.insert(&enterprise.credit_code));
        if at > 0 && (rows > ROWS || !new) {
            return at;
        }
    }
    parts.len()
}

/// Levels and codes of regions, for UNNEST.
pub(super) fn keys<'a>(regions: impl Iterator<Item = &'a Region>) -> (Vec<String>, Vec<String>) {
    regions.map(|region| (region.level().code().to_owned(), region.code().to_string())).unzip()
}

/// What lay below the townships before, the parts that are gone, and what the posts and enterprises of all of these and of what the parts name
/// now were. The regions that are named stay in place, to be written over.
async fn delete(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    let (levels, codes) =
        keys(parts.iter().flat_map(|part| part.regions.iter().map(|entry| &entry.region).chain([&part.region])));
    let gone = |part: &&RosterPart| part.regions.iter().all(|entry| entry.region != part.region);
    let (gone_levels, gone_codes) = keys(parts.iter().filter(gone).map(|part| &part.region));
    let townships: Vec<String> = parts
        .iter()
        .filter(|part| part.region.level() == Level::Township)
        .map(|part| part.region.code().to_string())
        .collect();
    sqlx::query!(
        "WITH below AS (
             DELETE FROM roster_region WHERE parent_level = 'township' AND parent_code = ANY($3) RETURNING level, code),
         own AS (
             DELETE FROM roster_region r USING UNNEST($4::text[], $5::text[]) AS k(level, code)
             WHERE r.level = k.level AND r.code = k.code),
         touched AS (SELECT level, code FROM below UNION SELECT * FROM UNNEST($1::text[], $2::text[])),
         holders AS (DELETE FROM roster_holder h USING touched t WHERE h.level = t.level AND h.code = t.code)
         DELETE FROM roster_enterprise e USING touched t WHERE e.level = t.level AND e.code = t.code",
        &levels,
        &codes,
        &townships,
        &gone_levels,
        &gone_codes
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_regions(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    let rows: Vec<&RegionEntry> = parts.iter().flat_map(|part| &part.regions).collect();
    let (levels, codes) = keys(rows.iter().map(|entry| &entry.region));
    let names: Vec<&str> = rows.iter().map(|entry| entry.name.as_str()).collect();
    let parent_levels: Vec<Option<&str>> =
        rows.iter().map(|entry| entry.parent.as_ref().map(|parent| parent.level().code())).collect();
    let parent_codes: Vec<Option<&str>> =
        rows.iter().map(|entry| entry.parent.as_ref().map(|parent| parent.code().as_str())).collect();
    let work_areas: Vec<Option<&str>> =
        rows.iter().map(|entry| entry.work_area.as_ref().map(|area| area.code().as_str())).collect();
    let households: Vec<i32> = rows.iter().map(|entry| i32::try_from(entry.households).unwrap_or(i32::MAX)).collect();
    sqlx::query!(
        "INSERT INTO roster_region (level, code, name, parent_level, parent_code, work_area, households)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[])
         ON CONFLICT (level, code) DO UPDATE SET name = EXCLUDED.name, parent_level = EXCLUDED.parent_level,
             parent_code = EXCLUDED.parent_code, work_area = EXCLUDED.work_area, households = EXCLUDED.households",
        &levels,
        &codes,
        &names as &[&str],
        &parent_levels as &[Option<&str>],
        &parent_codes as &[Option<&str>],
        &work_areas as &[Option<&str>],
        &households
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_holders(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    let rows: Vec<&Holder> = parts.iter().flat_map(|part| &part.holders).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let (levels, codes) = keys(rows.iter().map(|holder| &holder.region));
    let roles: Vec<String> = rows.iter().map(|holder| holder.role.code().to_owned()).collect();
    let agencies: Vec<String> =
        rows.iter().map(|holder| holder.agency.map(|agency| agency.code().to_owned()).unwrap_or_default()).collect();
    let persons: Vec<String> = rows.iter().map(|holder| holder.person.clone()).collect();
    let from: Vec<PgInstant> = rows.iter().map(|holder| holder.valid_from.into()).collect();
    let until: Vec<Option<PgInstant>> = rows.iter().map(|holder| holder.valid_until.map(Into::into)).collect();
    sqlx::query!(
        "INSERT INTO roster_holder (level, code, role, agency, person, valid_from, valid_until)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                              $6::timestamptz[], $7::timestamptz[])
         ON CONFLICT DO NOTHING",
        &levels,
        &codes,
        &roles,
        &agencies,
        &persons,
        &from as &[PgInstant],
        &until as &[Option<PgInstant>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_enterprises(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    let rows: Vec<&Enterprise> = parts.iter().flat_map(|part| &part.enterprises).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let (levels, codes) = keys(rows.iter().map(|enterprise| &enterprise.region));
    let credit_codes: Vec<String> = rows.iter().map(|enterprise| enterprise.credit_code.to_string()).collect();
    let names: Vec<String> = rows.iter().map(|enterprise| enterprise.name.clone()).collect();
    let industries: Vec<String> = rows.iter().map(|enterprise| enterprise.industry.code().to_owned()).collect();
    let regulators: Vec<String> = rows
        .iter()
        .map(|enterprise| enterprise.regulator.map(|agency| agency.code().to_owned()).unwrap_or_default())
        .collect();
    let employees: Vec<i32> =
        rows.iter().map(|enterprise| i32::try_from(enterprise.employees).unwrap_or(i32::MAX)).collect();
    sqlx::query!(
        "INSERT INTO roster_enterprise (credit_code, name, industry, regulator, level, code, employees)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[])
         ON CONFLICT (credit_code) DO UPDATE SET name = EXCLUDED.name, industry = EXCLUDED.industry,
             regulator = EXCLUDED.regulator, level = EXCLUDED.level, code = EXCLUDED.code,
             employees = EXCLUDED.employees",
        &credit_codes,
        &names,
        &industries,
        &regulators,
        &levels,
        &codes,
        &employees
    )
    .execute(conn)
    .await?;
    Ok(())
}
