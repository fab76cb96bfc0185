//! The roster's tables.

use dafei_kernel::{
    credit_code::CreditCode,
    region::{Level, Region},
    roster::{Enterprise, Holder, RosterIndex},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, migrate::Migrator};

use super::{
    CHANNEL, RosterError,
    index::{self, RosterPart, RosterRegion},
};

/// The roster's tables; versions 50 to 99.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Reads everything into an index.
pub(super) async fn read(conn: &mut PgConnection) -> Result<RosterIndex, RosterError> {
    let parts = RosterPart {
        // Only the regions' own parents count when an index is filled.
        region: Region::new(Level::City, "000000").map_err(|error| RosterError::Index(error.to_string()))?,
        regions: regions(conn).await?,
        holders: holders(conn).await?,
        enterprises: enterprises(conn).await?,
    };
    Ok(index::fill(parts))
}

fn parsed<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, RosterError> {
    result.map_err(|error| RosterError::Index(error.to_string()))
}

fn region(level: &str, code: &str) -> Result<Region, RosterError> {
    parsed(Region::new(parsed(level.parse::<Level>())?, code))
}

async fn regions(conn: &mut PgConnection) -> Result<Vec<RosterRegion>, RosterError> {
    sqlx::query!("SELECT level, code, name, parent_level, parent_code, work_area FROM roster_region")
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| {
            Ok(RosterRegion {
                region: region(&row.level, &row.code)?,
                name: row.name,
                parent: row.parent_level.zip(row.parent_code).map(|(level, code)| region(&level, &code)).transpose()?,
                work_area: row.work_area.map(|code| region(Level::WorkArea.code(), &code)).transpose()?,
            })
        })
        .collect()
}

async fn holders(conn: &mut PgConnection) -> Result<Vec<Holder>, RosterError> {
    sqlx::query!(
        r#"SELECT role, level, code, agency, person, valid_from AS "valid_from: PgInstant",
                  valid_until AS "valid_until: PgInstant"
           FROM roster_holder ORDER BY level, code, role, agency, valid_from, person"#
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

async fn enterprises(conn: &mut PgConnection) -> Result<Vec<Enterprise>, RosterError> {
    sqlx::query!("SELECT credit_code, name, industry, regulator, level, code, employees FROM roster_enterprise")
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

fn agency(code: &str) -> Result<Option<dafei_kernel::agency::Agency>, RosterError> {
    if code.is_empty() { Ok(None) } else { parsed(code.parse()).map(Some) }
}

/// Replaces parts: what a part no longer names is gone.
pub(super) async fn replace(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    delete(conn, parts).await?;
    insert_regions(conn, parts).await?;
    insert_holders(conn, parts).await?;
    insert_enterprises(conn, parts).await?;
    sqlx::query!("SELECT pg_notify($1, '')", CHANNEL).execute(conn).await?;
    Ok(())
}

/// Levels and codes of regions, for UNNEST.
fn keys<'a>(regions: impl Iterator<Item = &'a Region>) -> (Vec<String>, Vec<String>) {
    regions.map(|region| (region.level().code().to_owned(), region.code().to_string())).unzip()
}

/// The part's region, what lay below a township before, and what the part names now.
async fn delete(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    let (levels, codes) =
        keys(parts.iter().flat_map(|part| part.regions.iter().map(|entry| &entry.region).chain([&part.region])));
    let townships: Vec<String> = parts
        .iter()
        .filter(|part| part.region.level() == Level::Township)
        .map(|part| part.region.code().to_string())
        .collect();
    sqlx::query!(
        "WITH gone AS (
             DELETE FROM roster_region r
             USING (SELECT * FROM UNNEST($1::text[], $2::text[]) AS k(level, code)
                    UNION SELECT level, code FROM roster_region
                    WHERE parent_level = 'township' AND parent_code = ANY($3)) k
             WHERE r.level = k.level AND r.code = k.code
             RETURNING r.level, r.code),
         touched AS (SELECT level, code FROM gone UNION SELECT * FROM UNNEST($1::text[], $2::text[])),
         holders AS (DELETE FROM roster_holder h USING touched t WHERE h.level = t.level AND h.code = t.code)
         DELETE FROM roster_enterprise e USING touched t WHERE e.level = t.level AND e.code = t.code",
        &levels,
        &codes,
        &townships
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_regions(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    let rows: Vec<&RosterRegion> = parts.iter().flat_map(|part| &part.regions).collect();
    let (levels, codes) = keys(rows.iter().map(|entry| &entry.region));
    let names: Vec<String> = rows.iter().map(|entry| entry.name.clone()).collect();
    let parent_levels: Vec<Option<String>> =
        rows.iter().map(|entry| entry.parent.as_ref().map(|parent| parent.level().code().to_owned())).collect();
    let parent_codes: Vec<Option<String>> =
        rows.iter().map(|entry| entry.parent.as_ref().map(|parent| parent.code().to_string())).collect();
    let work_areas: Vec<Option<String>> =
        rows.iter().map(|entry| entry.work_area.as_ref().map(|area| area.code().to_string())).collect();
    sqlx::query!(
        "INSERT INTO roster_region (level, code, name, parent_level, parent_code, work_area)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])",
        &levels,
        &codes,
        &names,
        &parent_levels as &[Option<String>],
        &parent_codes as &[Option<String>],
        &work_areas as &[Option<String>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_holders(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    let rows: Vec<&Holder> = parts.iter().flat_map(|part| &part.holders).collect();
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
