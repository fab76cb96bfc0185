//! The lights of the monitor, as long as they are on.

use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::pg::PgInstant;
use sqlx::PgConnection;
use uuid::Uuid;

/// A light on somebody's step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Light {
    pub(crate) obligation: Uuid,
    pub(crate) case: Uuid,
    pub(crate) clock: String,
    pub(crate) owner: Post,
    pub(crate) red: bool,
    pub(crate) due: Instant,
}

/// A light as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) case: Uuid,
    pub(crate) clock: String,
    pub(crate) red: bool,
    pub(crate) due: Instant,
}

fn agency(post: &Post) -> &'static str {
    post.agency.map_or("", dafei_kernel::agency::Agency::code)
}

/// Turns lights on, or to red.
pub(crate) async fn on(conn: &mut PgConnection, lights: &[Light]) -> sqlx::Result<()> {
    if lights.is_empty() {
        return Ok(());
    }
    let obligations: Vec<Uuid> = lights.iter().map(|light| light.obligation).collect();
    let cases: Vec<Uuid> = lights.iter().map(|light| light.case).collect();
    let clocks: Vec<&str> = lights.iter().map(|light| light.clock.as_str()).collect();
    let roles: Vec<&str> = lights.iter().map(|light| light.owner.role.code()).collect();
    let regions: Vec<&str> = lights.iter().map(|light| light.owner.region.code().as_str()).collect();
    let agencies: Vec<&str> = lights.iter().map(|light| agency(&light.owner)).collect();
    let red: Vec<bool> = lights.iter().map(|light| light.red).collect();
    let due: Vec<PgInstant> = lights.iter().map(|light| PgInstant(light.due)).collect();
    sqlx::query!(
        "INSERT INTO light (obligation, case_id, clock, role, region, agency, red, due)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::timestamptz[])
         ON CONFLICT (obligation) DO UPDATE SET red = light.red OR excluded.red",
        &obligations,
        &cases,
        &clocks as &[&str],
        &roles as &[&str],
        &regions as &[&str],
        &agencies as &[&str],
        &red,
        &due as &[PgInstant]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The limits of these obligations were moved.
pub(crate) async fn moved(conn: &mut PgConnection, limits: &[(Uuid, Instant)]) -> sqlx::Result<()> {
    if limits.is_empty() {
        return Ok(());
    }
    let obligations: Vec<Uuid> = limits.iter().map(|(obligation, _)| *obligation).collect();
    let due: Vec<PgInstant> = limits.iter().map(|(_, due)| PgInstant(*due)).collect();
    sqlx::query!(
        "UPDATE light SET due = moved.due FROM UNNEST($1::uuid[], $2::timestamptz[]) AS moved (obligation, due)
         WHERE light.obligation = moved.obligation",
        &obligations,
        &due as &[PgInstant]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Turns lights off.
pub(crate) async fn off(conn: &mut PgConnection, obligations: &[Uuid]) -> sqlx::Result<()> {
    if !obligations.is_empty() {
        sqlx::query!("DELETE FROM light WHERE obligation = ANY($1)", obligations).execute(conn).await?;
    }
    Ok(())
}

/// A page of a unit's lights of one colour, by their limits: the case and the place in the page's order.
pub(crate) async fn of_unit(
    conn: &mut PgConnection,
    unit: &Post,
    red: bool,
    after: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<(Uuid, Instant, Uuid)>> {
    let (due, obligation) = after.unwrap_or((Instant::UNIX_EPOCH, Uuid::nil()));
    let rows = sqlx::query!(
        r#"SELECT case_id, due AS "due: PgInstant", obligation FROM light
           WHERE role = $1 AND region = $2 AND agency = $3 AND red = $4 AND (due, obligation) > ($5, $6)
           ORDER BY due, obligation LIMIT $7"#,
        unit.role.code(),
        unit.region.code().as_str(),
        agency(unit),
        red,
        PgInstant(due) as PgInstant,
        obligation,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.case_id, row.due.into(), row.obligation)).collect())
}

/// The lights of a unit in cases, the earliest limit first.
pub(crate) async fn in_cases(conn: &mut PgConnection, unit: &Post, cases: &[Uuid]) -> sqlx::Result<Vec<Shown>> {
    let rows = sqlx::query!(
        r#"SELECT case_id, clock, red, due AS "due: PgInstant" FROM light
           WHERE case_id = ANY($1) AND role = $2 AND region = $3 AND agency = $4 ORDER BY due"#,
        cases,
        unit.role.code(),
        unit.region.code().as_str(),
        agency(unit)
    )
    .fetch_all(conn)
    .await?;
    let shown = |(case, clock, red, due): (Uuid, String, bool, PgInstant)| Shown { case, clock, red, due: due.into() };
    Ok(rows.into_iter().map(|row| shown((row.case_id, row.clock, row.red, row.due))).collect())
}

/// Since when the time for a result has been over, for those of the instructions whose own red light is on.
pub(crate) async fn results_overdue(
    conn: &mut PgConnection,
    instructions: &[Uuid],
) -> sqlx::Result<Vec<(Uuid, Instant)>> {
    if instructions.is_empty() {
        return Ok(Vec::new());
    }
    // Townships have no K3: what is lit by it is a department's.
    let rows = sqlx::query!(
        r#"SELECT i.id, l.due AS "due: PgInstant" FROM instruction i
           JOIN light l ON l.case_id = i.case_id AND l.role = i.level || '-department' AND l.region = i.region
               AND l.agency = i.agency
           WHERE i.id = ANY($1) AND l.clock = 'K3' AND l.red"#,
        instructions
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.due.into())).collect())
}
