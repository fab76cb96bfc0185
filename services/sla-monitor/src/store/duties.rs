//! Duties: the acts that fulfil them, how villages stand with their notices, and the obligations of those that have to be recorded.

use std::collections::HashMap;

use dafei_kernel::{
    owner::Owner,
    region::{Level, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::{
    Clock, End, EndKind, Inputs,
    duty::{standing::Standing, unit::Unit},
};
use sqlx::{PgConnection, PgPool, types::Json};
use uuid::Uuid;

use super::{
    horizon::Needs,
    record::{Record, records},
};

/// Advisory lock under which acts are added and duties are recorded: what records a duty must see every act that was added before, and who
/// adds an act every duty that was recorded before.
const LOCK: i64 = 0x6461_6665_0300_0003;

/// Waits until nobody else adds acts or records duties.
pub(crate) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(r#"SELECT pg_advisory_xact_lock($1)::text AS "locked""#, LOCK).fetch_one(conn).await?;
    Ok(())
}

/// A duty whose acts are kept: clock, period, unit.
pub(crate) type Key = (Clock, String, Unit);

/// The three columns of keys.
fn columns<'a>(keys: impl Iterator<Item = &'a Key> + Clone) -> (Vec<&'static str>, Vec<&'a str>, Vec<String>) {
    (
        keys.clone().map(|(clock, _, _)| clock.code()).collect(),
        keys.clone().map(|(_, period, _)| period.as_str()).collect(),
        keys.map(|(_, _, unit)| unit.to_string()).collect(),
    )
}

/// The acts that are kept of these duties, in the order of the keys.
pub(crate) async fn acts(conn: &mut PgConnection, keys: &[Key]) -> sqlx::Result<Vec<Vec<Instant>>> {
    let (clocks, periods, units) = columns(keys.iter());
    let rows = sqlx::query!(
        r#"SELECT k.at AS "at!", p.acts AS "acts!: Vec<PgInstant>"
           FROM UNNEST($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (clock, period, unit, at)
           JOIN duty_progress p USING (clock, period, unit)"#,
        &clocks as &[&str],
        &periods as &[&str],
        &units
    )
    .fetch_all(conn)
    .await?;
    let mut found = vec![Vec::new(); keys.len()];
    for row in rows {
        let slot = usize::try_from(row.at - 1).ok().and_then(|at| found.get_mut(at));
        if let Some(slot) = slot {
            *slot = row.acts.into_iter().map(Instant::from).collect();
        }
    }
    Ok(found)
}

/// Keeps the acts of duties, of which each has at least one.
pub(crate) async fn keep(conn: &mut PgConnection, kept: &[(Key, Vec<Instant>)]) -> sqlx::Result<()> {
    let flat = || kept.iter().flat_map(|(key, acts)| acts.iter().map(move |_| key));
    let (clocks, periods, units) = columns(flat());
    let ats: Vec<PgInstant> = kept.iter().flat_map(|(_, acts)| acts.iter().copied().map(PgInstant)).collect();
    sqlx::query!(
        "INSERT INTO duty_progress (clock, period, unit, acts)
         SELECT clock, period, unit, array_agg(at ORDER BY at)
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS k (clock, period, unit, at)
         GROUP BY clock, period, unit
         ON CONFLICT (clock, period, unit) DO UPDATE SET acts = excluded.acts",
        &clocks as &[&str],
        &periods as &[&str],
        &units,
        &ats as &[PgInstant]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How these villages stand; those of which nothing is known stand as at first.
pub(crate) async fn standings(conn: &mut PgConnection, units: &[String]) -> sqlx::Result<HashMap<String, Standing>> {
    let rows =
        sqlx::query!(r#"SELECT unit, body AS "body: Json<Standing>" FROM duty_standing WHERE unit = ANY($1)"#, units)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (row.unit, row.body.0)).collect())
}

/// Keeps how villages stand.
pub(crate) async fn keep_standings(conn: &mut PgConnection, standings: &HashMap<String, Standing>) -> sqlx::Result<()> {
    let units: Vec<&str> = standings.keys().map(String::as_str).collect();
    let bodies: Vec<Json<&Standing>> = standings.values().map(Json).collect();
    sqlx::query!(
        "INSERT INTO duty_standing (unit, body) SELECT * FROM UNNEST($1::text[], $2::jsonb[])
         ON CONFLICT (unit) DO UPDATE SET body = excluded.body",
        &units as &[&str],
        &bodies as &[Json<&Standing>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A duty that is recorded.
pub(crate) struct New<'a> {
    pub(crate) id: Uuid,
    pub(crate) basis: Uuid,
    pub(crate) inputs: &'a Inputs,
    pub(crate) unit: String,
    pub(crate) period: String,
    pub(crate) leg: u32,
    pub(crate) needs: Needs,
    pub(crate) path: RegionPath,
    pub(crate) direct: Owner,
    pub(crate) loop_owner: Owner,
    pub(crate) end: Option<End>,
    pub(crate) next_fire_at: Option<Instant>,
}

/// Records duties; those that are recorded already stay as they are.
pub(crate) async fn insert(conn: &mut PgConnection, new: &[New<'_>]) -> sqlx::Result<()> {
    let mut bases: Vec<(Uuid, &Inputs)> = new.iter().map(|new| (new.basis, new.inputs)).collect();
    bases.sort_by_key(|(id, _)| *id);
    bases.dedup_by_key(|(id, _)| *id);
    sqlx::query!(
        "INSERT INTO obligation_basis (id, inputs) SELECT * FROM UNNEST($1::uuid[], $2::jsonb[]) ON CONFLICT DO NOTHING",
        &bases.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        &bases.iter().map(|(_, inputs)| Json(*inputs)).collect::<Vec<_>>() as &[Json<&Inputs>]
    )
    .execute(&mut *conn)
    .await?;
    let at = |pick: fn(&New<'_>) -> Instant| new.iter().map(|new| PgInstant(pick(new))).collect::<Vec<_>>();
    let code = |level: Level| -> Vec<Option<&str>> {
        new.iter().map(|new| new.path.at(level).map(|region| region.code().as_str())).collect()
    };
    sqlx::query!(
        "INSERT INTO obligation (id, basis, unit, period, clock, leg, needs, city, county, township, village, region_path, direct,
                                 loop_owner, sector, rule_version, calendar_version, provisional, started_at, warn_at, due,
                                 due_inclusive, first_reminder, ends_with_breach, end_kind, ended_at, next_fire_at)
         SELECT id, basis, unit, period, clock, leg, needs, city, county, township, village, region_path, direct, loop_owner, '',
                rule_version, '', false, started_at, warn_at, due, false, first_reminder, ends_with_breach, end_kind, ended_at,
                next_fire_at
         FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::text[],
                     $10::text[], $11::text[], $12::text[], $13::jsonb[], $14::jsonb[], $15::text[], $16::timestamptz[],
                     $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::bool[], $21::text[], $22::timestamptz[],
                     $23::timestamptz[])
              AS n (id, basis, unit, period, clock, leg, needs, city, county, township, village, region_path, direct, loop_owner,
                    rule_version, started_at, warn_at, due, first_reminder, ends_with_breach, end_kind, ended_at, next_fire_at)
         ON CONFLICT DO NOTHING",
        &new.iter().map(|new| new.id).collect::<Vec<_>>(),
        &new.iter().map(|new| new.basis).collect::<Vec<_>>(),
        &new.iter().map(|new| new.unit.as_str()).collect::<Vec<_>>() as &[&str],
        &new.iter().map(|new| new.period.as_str()).collect::<Vec<_>>() as &[&str],
        &new.iter().map(|new| new.inputs.clock.code()).collect::<Vec<_>>() as &[&str],
        &new.iter().map(|new| i32::try_from(new.leg).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &new.iter().map(|new| new.needs.code()).collect::<Vec<_>>() as &[&str],
        &code(Level::City) as &[Option<&str>],
        &code(Level::County) as &[Option<&str>],
        &code(Level::Township) as &[Option<&str>],
        &code(Level::Village) as &[Option<&str>],
        &new.iter().map(|new| new.path.to_string()).collect::<Vec<_>>(),
        &new.iter().map(|new| Json(&new.direct)).collect::<Vec<_>>() as &[Json<&Owner>],
        &new.iter().map(|new| Json(&new.loop_owner)).collect::<Vec<_>>() as &[Json<&Owner>],
        &new.iter().map(|new| new.inputs.rule_version.as_str()).collect::<Vec<_>>() as &[&str],
        &at(|new| new.inputs.timing.started_at) as &[PgInstant],
        &at(|new| new.inputs.timing.warn_at) as &[PgInstant],
        &at(|new| new.inputs.timing.due) as &[PgInstant],
        &at(|new| new.inputs.timing.first_reminder) as &[PgInstant],
        &new.iter().map(|new| new.inputs.timing.ends_with_breach()).collect::<Vec<_>>(),
        &new.iter().map(|new| new.end.map(|end| end.kind.code())).collect::<Vec<_>>() as &[Option<&str>],
        &new.iter().map(|new| new.end.map(|end| PgInstant(end.at))).collect::<Vec<_>>() as &[Option<PgInstant>],
        &new.iter().map(|new| new.next_fire_at.map(PgInstant)).collect::<Vec<_>>() as &[Option<PgInstant>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What these units still owe, locked in the order of the ids.
pub(crate) async fn open_of_units(conn: &mut PgConnection, units: &[String]) -> sqlx::Result<Vec<Record>> {
    records!("WHERE unit = ANY($1) AND end_kind IS NULL ORDER BY id FOR UPDATE", units).fetch_all(conn).await
}

/// What fell away from these units, and nobody was told so yet; locked in the order of the ids.
pub(crate) async fn cancelled_of_units(conn: &mut PgConnection, units: &[String]) -> sqlx::Result<Vec<Record>> {
    records!("WHERE unit = ANY($1) AND end_kind = 'cancelled' AND end_announced IS NULL ORDER BY id FOR UPDATE", units)
        .fetch_all(conn)
        .await
}

/// What becomes of a recorded duty.
pub(crate) struct Change {
    pub(crate) id: Uuid,
    pub(crate) end: Option<End>,
    pub(crate) next_fire_at: Option<Instant>,
}

/// Keeps how duties ended.
pub(crate) async fn update(conn: &mut PgConnection, changes: &[Change]) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE obligation o SET end_kind = c.end_kind, ended_at = c.ended_at, next_fire_at = c.next_fire_at
         FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS c (id, end_kind, ended_at, next_fire_at)
         WHERE o.id = c.id",
        &changes.iter().map(|change| change.id).collect::<Vec<_>>(),
        &changes.iter().map(|change| change.end.map(|end| EndKind::code(end.kind))).collect::<Vec<_>>() as &[Option<&str>],
        &changes.iter().map(|change| change.end.map(|end| PgInstant(end.at))).collect::<Vec<_>>() as &[Option<PgInstant>],
        &changes.iter().map(|change| change.next_fire_at.map(PgInstant)).collect::<Vec<_>>() as &[Option<PgInstant>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The recorded duties of a unit that are open, and those about a period.
pub(crate) async fn of_unit(pool: &PgPool, unit: &str, periods: &[String]) -> sqlx::Result<Vec<Record>> {
    records!("WHERE unit = $1 AND (end_kind IS NULL OR period = ANY($2)) ORDER BY due, clock", unit, periods)
        .fetch_all(pool)
        .await
}

/// Forgets who is in the roster and what was done, for a rebuild. What was recorded, and up to which period, stays.
pub(crate) async fn clear(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM duty_unit").execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM duty_part").execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM duty_progress").execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM duty_standing").execute(conn).await?;
    Ok(())
}
