//! The registered agency systems.

use dafei_kernel::time::Instant;
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;

use crate::unit::Unit;

/// Registers units; those that are registered stay as they are.
pub(crate) async fn register(conn: &mut PgConnection, units: &[Unit], at: Instant) -> sqlx::Result<()> {
    if units.is_empty() {
        return Ok(());
    }
    let agencies: Vec<&str> = units.iter().map(|unit| unit.agency.code()).collect();
    let levels: Vec<&str> = units.iter().map(|unit| unit.region.level().code()).collect();
    let regions: Vec<&str> = units.iter().map(|unit| unit.region.code().as_str()).collect();
    sqlx::query!(
        "INSERT INTO agency_system (agency, level, region, registered_at)
         SELECT u.*, $4::timestamptz FROM UNNEST($1::text[], $2::text[], $3::text[]) AS u
         ON CONFLICT DO NOTHING",
        &agencies as &[&str],
        &levels as &[&str],
        &regions as &[&str],
        PgInstant(at) as PgInstant
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A page of the systems in the order of agency, level and region. Rows that name no known agency or region are left out.
pub(crate) async fn list(
    conn: &mut PgConnection,
    after: Option<&(String, String, String)>,
    limit: i64,
) -> sqlx::Result<Vec<Unit>> {
    let (agency, level, region) = after.cloned().unwrap_or_default();
    let rows = sqlx::query!(
        "SELECT agency, level, region FROM agency_system WHERE (agency, level, region) > ($1, $2, $3)
         ORDER BY agency, level, region LIMIT $4",
        agency,
        level,
        region,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().filter_map(|row| Unit::from_codes(&row.agency, &row.level, &row.region)).collect())
}
