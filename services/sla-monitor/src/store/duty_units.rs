//! Who is in the roster since when, and where.

use std::collections::HashMap;

use dafei_kernel::{
    region::{Region, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::duty::{member::Member, unit::Unit};
use sqlx::{PgConnection, PgExecutor};

/// What stands in a column is not what was written there.
fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// Kinds and names of units, as the table has them.
fn columns<'a>(units: impl Iterator<Item = &'a Unit>) -> (Vec<&'static str>, Vec<String>) {
    units.map(|unit| (unit.kind().code(), unit.to_string())).unzip()
}

/// Who is there and is named by these parts, or is one of these units.
pub(crate) async fn present(conn: &mut PgConnection, parts: &[String], units: &[Unit]) -> sqlx::Result<Vec<Member>> {
    let (kinds, units) = columns(units.iter());
    let rows = sqlx::query!(
        r#"SELECT unit AS "unit!", part AS "part!", path AS "path!" FROM duty_unit WHERE until IS NULL AND part = ANY($1)
           UNION
           SELECT d.unit, d.part, d.path
           FROM UNNEST($2::text[], $3::text[]) AS k (kind, unit) JOIN duty_unit d USING (kind, unit) WHERE d.until IS NULL"#,
        parts,
        &kinds as &[&str],
        &units
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Member {
                unit: row.unit.parse::<Unit>().map_err(unreadable)?,
                part: row.part.parse::<Region>().map_err(unreadable)?,
                path: row.path.parse::<RegionPath>().map_err(unreadable)?,
            })
        })
        .collect()
}

/// Units leave the roster, each at its instant.
pub(crate) async fn leave(conn: &mut PgConnection, units: &[(Unit, Instant)]) -> sqlx::Result<()> {
    let (kinds, names) = columns(units.iter().map(|(unit, _)| unit));
    sqlx::query!(
        "WITH gone AS (
             SELECT d.kind, d.unit, d.entered, g.at
             FROM UNNEST($1::text[], $2::text[], $3::timestamptz[]) AS g (kind, unit, at)
             JOIN duty_unit d ON d.kind = g.kind AND d.unit = g.unit AND d.until IS NULL)
         UPDATE duty_unit d SET until = COALESCE(d.until, GREATEST(d.since, gone.at)), left_at = gone.at
         FROM gone WHERE d.kind = gone.kind AND d.unit = gone.unit AND d.entered = gone.entered",
        &kinds as &[&str],
        &names,
        &units.iter().map(|(_, at)| PgInstant(*at)).collect::<Vec<_>>() as &[PgInstant]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The last stay of a unit in the roster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    pub(crate) entered: Instant,
    pub(crate) left_at: Option<Instant>,
}

/// The last stay of each of these units, of those that ever were there.
pub(crate) async fn last(conn: &mut PgConnection, units: &[Unit]) -> sqlx::Result<HashMap<String, Last>> {
    let (kinds, units) = columns(units.iter());
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (d.unit) d.unit, d.entered AS "entered: PgInstant", d.left_at AS "left_at: PgInstant"
           FROM UNNEST($1::text[], $2::text[]) AS k (kind, unit) JOIN duty_unit d USING (kind, unit)
           ORDER BY d.unit, d.since DESC"#,
        &kinds as &[&str],
        &units
    )
    .fetch_all(conn)
    .await?;
    let last = |entered: PgInstant, left_at: Option<PgInstant>| Last {
        entered: entered.0,
        left_at: left_at.map(Instant::from),
    };
    Ok(rows.into_iter().map(|row| (row.unit, last(row.entered, row.left_at))).collect())
}

/// A place in which a unit is from an instant on, and since when it is in the roster at all.
pub(crate) struct Place {
    pub(crate) member: Member,
    pub(crate) since: Instant,
    pub(crate) entered: Instant,
}

/// Units are in places from now on, and in no other; whoever had left is back.
pub(crate) async fn place(conn: &mut PgConnection, places: &[Place]) -> sqlx::Result<()> {
    let (kinds, units) = columns(places.iter().map(|place| &place.member.unit));
    let since: Vec<PgInstant> = places.iter().map(|place| PgInstant(place.since)).collect();
    let entered: Vec<PgInstant> = places.iter().map(|place| PgInstant(place.entered)).collect();
    sqlx::query!(
        "UPDATE duty_unit d SET until = COALESCE(d.until, GREATEST(d.since, p.since)), left_at = NULL
         FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS p (kind, unit, since, entered)
         WHERE d.kind = p.kind AND d.unit = p.unit AND d.entered = p.entered",
        &kinds as &[&str],
        &units,
        &since as &[PgInstant],
        &entered as &[PgInstant]
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO duty_unit (kind, unit, since, entered, part, path)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
         ON CONFLICT (kind, unit, since) DO UPDATE
             SET until = NULL, left_at = NULL, entered = excluded.entered, part = excluded.part, path = excluded.path",
        &kinds as &[&str],
        &units,
        &since as &[PgInstant],
        &entered as &[PgInstant],
        &places.iter().map(|place| place.member.part.to_string()).collect::<Vec<_>>(),
        &places.iter().map(|place| place.member.path.to_string()).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Where a unit was, and when it left for good.
pub(crate) struct Stay {
    pub(crate) since: Instant,
    pub(crate) until: Option<Instant>,
    pub(crate) left_at: Option<Instant>,
}

/// All places of a unit, in their order.
pub(crate) async fn stays(executor: impl PgExecutor<'_>, unit: &Unit) -> sqlx::Result<Vec<Stay>> {
    let rows = sqlx::query!(
        r#"SELECT since AS "since: PgInstant", until AS "until: PgInstant", left_at AS "left_at: PgInstant"
           FROM duty_unit WHERE kind = $1 AND unit = $2 ORDER BY since"#,
        unit.kind().code(),
        unit.to_string()
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Stay {
            since: row.since.0,
            until: row.until.map(Instant::from),
            left_at: row.left_at.map(Instant::from),
        })
        .collect())
}
