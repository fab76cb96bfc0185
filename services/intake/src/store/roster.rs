//! The whole roster, read within the transaction that is to change it.

use dafei_intake_core::roster::Contents;
use dafei_kernel::{
    agency::Agency,
    credit_code::CreditCode,
    region::{Level, Region},
    roster::{Enterprise, Holder, RegionEntry},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;

/// Reads everything.
pub(crate) async fn contents(conn: &mut PgConnection) -> sqlx::Result<Contents> {
    Ok(Contents::new(regions(conn).await?, holders(conn).await?, enterprises(conn).await?))
}

/// A code that is not one: someone else has written it.
fn parsed<T, E: std::error::Error + Send + Sync + 'static>(result: Result<T, E>) -> sqlx::Result<T> {
    result.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn region(level: &str, code: &str) -> sqlx::Result<Region> {
    parsed(Region::new(parsed(level.parse::<Level>())?, code))
}

fn agency(code: &str) -> sqlx::Result<Option<Agency>> {
    if code.is_empty() { Ok(None) } else { parsed(code.parse()).map(Some) }
}

async fn regions(conn: &mut PgConnection) -> sqlx::Result<Vec<RegionEntry>> {
    sqlx::query!("SELECT level, code, name, parent_level, parent_code, work_area FROM roster_region")
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(|row| {
            Ok(RegionEntry {
                region: region(&row.level, &row.code)?,
                name: row.name,
                parent: row.parent_level.zip(row.parent_code).map(|(level, code)| region(&level, &code)).transpose()?,
                work_area: row.work_area.map(|code| region(Level::WorkArea.code(), &code)).transpose()?,
            })
        })
        .collect()
}

async fn holders(conn: &mut PgConnection) -> sqlx::Result<Vec<Holder>> {
    sqlx::query!(
        r#"SELECT role, level, code, agency, person, valid_from AS "valid_from: PgInstant",
                  valid_until AS "valid_until: PgInstant"
           FROM roster_holder"#
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

async fn enterprises(conn: &mut PgConnection) -> sqlx::Result<Vec<Enterprise>> {
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
