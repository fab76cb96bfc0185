//! Reading the roster's tables, part by part.

use std::collections::{HashMap, HashSet};

use dafei_kernel::{
    agency::Agency,
    credit_code::CreditCode,
    region::{Level, Region},
    roster::{Enterprise, Holder, RegionEntry, RosterPart},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;

use super::{RosterError, store::keys};

/// Parts that are read with one statement a table.
pub(super) const CHUNK: usize = 500;

fn parsed<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, RosterError> {
    result.map_err(|error| RosterError::Index(error.to_string()))
}

fn region(level: &str, code: &str) -> Result<Region, RosterError> {
    parsed(Region::new(parsed(level.parse::<Level>())?, code))
}

fn agency(code: &str) -> Result<Option<Agency>, RosterError> {
    if code.is_empty() { Ok(None) } else { parsed(code.parse()).map(Some) }
}

/// The parts that were changed after a revision, with theirs; from the top down.
pub(super) async fn newer(conn: &mut PgConnection, revision: i64) -> Result<Vec<(Region, i64)>, RosterError> {
    let rows = sqlx::query!("SELECT level, code, revision FROM roster_part WHERE revision > $1", revision)
        .fetch_all(conn)
        .await?;
    let mut parts = rows
        .into_iter()
        .map(|row| Ok((region(&row.level, &row.code)?, row.revision)))
        .collect::<Result<Vec<_>, RosterError>>()?;
    parts.sort();
    Ok(parts)
}

/// The id of the transaction that the connection is in.
pub(super) async fn transaction(conn: &mut PgConnection) -> Result<String, RosterError> {
    Ok(sqlx::query_scalar!(r#"SELECT pg_current_xact_id()::text AS "id!""#).fetch_one(conn).await?)
}

/// Of the transactions that are named, those that have ended.
pub(super) async fn ended(
    conn: &mut PgConnection,
    ahead: &HashMap<Region, String>,
) -> Result<HashSet<String>, RosterError> {
    if ahead.is_empty() {
        return Ok(HashSet::new());
    }
    let mut transactions: Vec<&str> = ahead.values().map(String::as_str).collect();
    transactions.sort_unstable();
    transactions.dedup();
    let rows = sqlx::query!(
        r#"SELECT id AS "id!", COALESCE(pg_xact_status(id::xid8), 'aborted') AS "status!" FROM UNNEST($1::text[]) AS asked (id)"#,
        &transactions as &[&str]
    )
    .fetch_all(conn)
    .await?;
    let ended = rows.into_iter().filter(|row| row.status != "in progress");
    Ok(ended.map(|row| row.id).collect())
}

/// These parts as they stand; one that is gone has no regions.
pub(super) async fn parts(conn: &mut PgConnection, wanted: &[Region]) -> Result<Vec<RosterPart>, RosterError> {
    let mut parts: HashMap<Region, RosterPart> = wanted.iter().map(|region| (region.clone(), empty(region))).collect();
    // In which part each region is.
    let mut places: HashMap<Region, Region> = HashMap::new();
    for entry in regions(conn, wanted).await? {
        // The parts' own regions, so that equal codes are held once.
        let at = if parts.contains_key(&entry.region) { Some(&entry.region) } else { entry.parent.as_ref() };
        let Some(part) = at.and_then(|at| parts.get_mut(at)) else { continue };
        places.insert(entry.region.clone(), part.region.clone());
        let shared = entry.parent.as_ref().filter(|parent| **parent == part.region).map(|_| part.region.clone());
        part.regions.push(RegionEntry { parent: shared.or(entry.parent), ..entry });
    }
    let (levels, codes) = keys(places.keys());
    for holder in holders(conn, &levels, &codes).await? {
        if let Some(part) = places.get(&holder.region).and_then(|at| parts.get_mut(at)) {
            part.holders.push(holder);
        }
    }
    for enterprise in enterprises(conn, &levels, &codes).await? {
        if let Some(part) = places.get(&enterprise.region).and_then(|at| parts.get_mut(at)) {
            part.enterprises.push(enterprise);
        }
    }
    Ok(wanted.iter().filter_map(|region| parts.remove(region)).collect())
}

fn empty(region: &Region) -> RosterPart {
    RosterPart { region: region.clone(), regions: Vec::new(), holders: Vec::new(), enterprises: Vec::new() }
}

/// The parts' own regions and what lies below their townships.
async fn regions(conn: &mut PgConnection, parts: &[Region]) -> Result<Vec<RegionEntry>, RosterError> {
    let (levels, codes) = keys(parts.iter());
    let (_, townships) = keys(parts.iter().filter(|part| part.level() == Level::Township));
    sqlx::query!(
        r#"SELECT r.level AS "level!", r.code AS "code!", r.name AS "name!", r.parent_level, r.parent_code, r.work_area,
                  r.households AS "households!"
           FROM UNNEST($1::text[], $2::text[]) AS k(level, code)
           JOIN roster_region r ON r.level = k.level AND r.code = k.code
           UNION ALL
           SELECT level, code, name, parent_level, parent_code, work_area, households
           FROM roster_region WHERE parent_level = 'township' AND parent_code = ANY($3)"#,
        &levels,
        &codes,
        &townships
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        Ok(RegionEntry {
            region: region(&row.level, &row.code)?,
            name: row.name,
            parent: row.parent_level.zip(row.parent_code).map(|(level, code)| region(&level, &code)).transpose()?,
            work_area: row.work_area.map(|code| region(Level::WorkArea.code(), &code)).transpose()?,
            households: u32::try_from(row.households).unwrap_or(0),
        })
    })
    .collect()
}

async fn holders(conn: &mut PgConnection, levels: &[String], codes: &[String]) -> Result<Vec<Holder>, RosterError> {
    sqlx::query!(
        r#"SELECT h.role, h.level, h.code, h.agency, h.person, h.valid_from AS "valid_from: PgInstant",
                  h.valid_until AS "valid_until: PgInstant"
           FROM UNNEST($1::text[], $2::text[]) AS k(level, code)
           JOIN roster_holder h ON h.level = k.level AND h.code = k.code"#,
        levels,
        codes
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        Ok(Holder {
            role: parsed(row.role.parse())?,
            region: region(&row.level, &row.code)?,
            agency: agency(&row.agency)?,
            person: row.person,
            valid_from: row.valid_from.into(),
            valid_until: row.valid_until.map(Instant::from),
        })
    })
    .collect()
}

async fn enterprises(
    conn: &mut PgConnection,
    levels: &[String],
    codes: &[String],
) -> Result<Vec<Enterprise>, RosterError> {
    sqlx::query!(
        "SELECT e.credit_code, e.name, e.industry, e.regulator, e.level, e.code, e.employees
         FROM UNNEST($1::text[], $2::text[]) AS k(level, code)
         JOIN roster_enterprise e ON e.level = k.level AND e.code = k.code",
        levels,
        codes
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        Ok(Enterprise {
            credit_code: parsed(CreditCode::parse(&row.credit_code))?,
            name: row.name,
            industry: parsed(row.industry.parse())?,
            regulator: agency(&row.regulator)?,
            region: region(&row.level, &row.code)?,
            employees: u32::try_from(row.employees).unwrap_or(0),
        })
    })
    .collect()
}
