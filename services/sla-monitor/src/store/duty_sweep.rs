//! Going through the units when a period's yellow light comes.

use std::collections::BTreeMap;

use dafei_kernel::{region::RegionPath, time::Instant};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::{
    Clock,
    duty::unit::{Unit, UnitKind},
};
use sqlx::{PgConnection, PgExecutor, PgPool};

/// The period that comes next of a duty and kind of unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) clock: Clock,
    pub(crate) kind: UnitKind,
    pub(crate) period: String,
    /// Its yellow light.
    pub(crate) at: Instant,
    /// The last unit that was gone through.
    pub(crate) after: String,
}

/// Sets pointers where there are none.
pub(crate) async fn arm(conn: &mut PgConnection, pointers: &[Pointer]) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO duty_sweep (clock, kind, period, at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::timestamptz[])
         ON CONFLICT DO NOTHING",
        &pointers.iter().map(|pointer| pointer.clock.code()).collect::<Vec<_>>() as &[&str],
        &pointers.iter().map(|pointer| pointer.kind.code()).collect::<Vec<_>>() as &[&str],
        &pointers.iter().map(|pointer| pointer.period.as_str()).collect::<Vec<_>>() as &[&str],
        &pointers.iter().map(|pointer| PgInstant(pointer.at)).collect::<Vec<_>>() as &[PgInstant]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// All pointers, locked.
pub(crate) async fn all(conn: &mut PgConnection) -> sqlx::Result<Vec<Pointer>> {
    let rows = sqlx::query!(
        r#"SELECT clock, kind, period, at AS "at: PgInstant", after FROM duty_sweep ORDER BY clock, kind FOR UPDATE"#
    )
    .fetch_all(conn)
    .await?;
    let pointer = |clock: &str, kind: &str, period, at: PgInstant, after| {
        Some(Pointer { clock: clock.parse().ok()?, kind: UnitKind::from_code(kind)?, period, at: at.0, after })
    };
    Ok(rows.into_iter().filter_map(|row| pointer(&row.clock, &row.kind, row.period, row.at, row.after)).collect())
}

/// Since when there are units, by kind.
pub(crate) async fn first_units(conn: &mut PgConnection) -> sqlx::Result<Vec<(UnitKind, Instant)>> {
    let rows = sqlx::query!(r#"SELECT kind, min(since) AS "since!: PgInstant" FROM duty_unit GROUP BY kind"#)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().filter_map(|row| Some((UnitKind::from_code(&row.kind)?, row.since.0))).collect())
}

/// When each clock's next period is gone through.
pub(crate) async fn next(pool: &PgPool) -> sqlx::Result<Vec<(Clock, Instant)>> {
    let rows = sqlx::query!(r#"SELECT clock, at AS "at: PgInstant" FROM duty_sweep"#).fetch_all(pool).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.clock.parse().ok()?, row.at.0))).collect())
}

/// The earliest pointer that is due, each clock by its own horizon, and that nobody else is at.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    horizons: &BTreeMap<Clock, Instant>,
) -> sqlx::Result<Option<Pointer>> {
    let row = sqlx::query!(
        r#"SELECT s.clock, s.kind, s.period, s.at AS "at: PgInstant", s.after
           FROM duty_sweep s JOIN UNNEST($1::text[], $2::timestamptz[]) AS h (clock, horizon) ON h.clock = s.clock
           WHERE s.at <= h.horizon ORDER BY s.at, s.clock, s.kind LIMIT 1 FOR UPDATE OF s SKIP LOCKED"#,
        &horizons.keys().map(|clock| clock.code()).collect::<Vec<_>>() as &[&str],
        &horizons.values().map(|at| PgInstant(*at)).collect::<Vec<_>>() as &[PgInstant]
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| {
        Some(Pointer {
            clock: row.clock.parse().ok()?,
            kind: UnitKind::from_code(&row.kind)?,
            period: row.period,
            at: row.at.0,
            after: row.after,
        })
    }))
}

/// Keeps how far a pointer is.
pub(crate) async fn advance(conn: &mut PgConnection, pointer: &Pointer) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE duty_sweep SET period = $3, at = $4, after = $5 WHERE clock = $1 AND kind = $2",
        pointer.clock.code(),
        pointer.kind.code(),
        pointer.period,
        PgInstant(pointer.at) as PgInstant,
        pointer.after
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A unit that was in the roster when the duty began, and what it did.
pub(crate) struct Owing {
    pub(crate) unit: Unit,
    pub(crate) path: RegionPath,
    pub(crate) left_at: Option<Instant>,
    pub(crate) acts: Vec<Instant>,
}

/// The next units behind the pointer that were there at `start`, in the order of their names.
pub(crate) async fn scan(
    executor: impl PgExecutor<'_>,
    pointer: &Pointer,
    start: Instant,
    limit: i64,
) -> sqlx::Result<Vec<Owing>> {
    let rows = sqlx::query!(
        r#"WITH here AS (
               SELECT unit, path, left_at FROM duty_unit
               WHERE kind = $1 AND unit > $2 AND since <= $3 AND (until IS NULL OR until > $3) ORDER BY unit LIMIT $4)
           SELECT h.unit, h.path, h.left_at AS "left_at: PgInstant", p.acts AS "acts?: Vec<PgInstant>"
           -- The acts of these units alone: a join would read those of all.
           FROM here h LEFT JOIN LATERAL (
               SELECT acts FROM duty_progress d WHERE d.clock = $5 AND d.period = $6 AND d.unit = h.unit LIMIT 1) p ON true
           ORDER BY h.unit"#,
        pointer.kind.code(),
        pointer.after,
        PgInstant(start) as PgInstant,
        limit,
        pointer.clock.code(),
        pointer.period
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Owing {
                unit: row.unit.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                path: row.path.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                left_at: row.left_at.map(Instant::from),
                acts: row.acts.unwrap_or_default().into_iter().map(Instant::from).collect(),
            })
        })
        .collect()
}
