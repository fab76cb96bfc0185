//! Writing obligations: what the ledger says of them, and what was announced.

use dafei_kernel::{
    owner::Owner,
    region::{Level, RegionPath},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use dafei_sla_core::{End, Inputs, Notice, Obligation};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    WAKE,
    horizon::Needs,
    record::{Record, ended, records},
};

/// The obligations of these cases, locked in the order of their ids.
pub(crate) async fn of_cases(conn: &mut PgConnection, cases: &[Uuid]) -> sqlx::Result<Vec<Record>> {
    records!("WHERE case_id = ANY($1) ORDER BY id FOR UPDATE", cases).fetch_all(conn).await
}

/// What facts decide of an obligation, as it is stored.
pub(crate) struct Known {
    pub(crate) id: Uuid,
    pub(crate) leg: i32,
    pub(crate) sector: String,
    /// The owners of whom no person is known; of those with persons no further fact changes anything.
    pub(crate) unnamed_direct: Option<Json<Owner>>,
    pub(crate) unnamed_loop_owner: Option<Json<Owner>>,
    pub(crate) started_at: PgInstant,
    end_kind: Option<String>,
    ended_at: Option<PgInstant>,
}

impl Known {
    pub(crate) fn end(&self) -> Option<End> {
        ended(self.end_kind.as_deref(), self.ended_at)
    }
}

/// What is known of the obligations of these cases. Nothing is locked: most are as they should be.
pub(crate) async fn known_of(conn: &mut PgConnection, cases: &[Uuid]) -> sqlx::Result<Vec<Known>> {
    sqlx::query_as!(
        Known,
        // LATERAL with an offset: the index is probed for each case, also while the planner knows nothing of the table.
        r#"SELECT o.id AS "id!", o.leg AS "leg!", o.sector AS "sector!",
                  CASE WHEN o.direct -> 'persons' = '[]' THEN o.direct END AS "unnamed_direct: Json<Owner>",
                  CASE WHEN o.loop_owner -> 'persons' = '[]' THEN o.loop_owner END AS "unnamed_loop_owner: Json<Owner>",
                  o.started_at AS "started_at!: PgInstant", o.end_kind, o.ended_at AS "ended_at: PgInstant"
           FROM UNNEST($1::uuid[]) AS asked (id)
           CROSS JOIN LATERAL (
               SELECT id, leg, sector, direct, loop_owner, started_at, end_kind, ended_at
               FROM obligation WHERE case_id = asked.id OFFSET 0
           ) o"#,
        cases
    )
    .fetch_all(conn)
    .await
}

/// Those of these obligations that are recorded, locked in the order of their ids.
pub(crate) async fn locked(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Record>> {
    records!("WHERE id = ANY($1) ORDER BY id FOR UPDATE", ids).fetch_all(conn).await
}

/// Obligations of which something is to be announced at or before `horizon`, earliest first, that nobody else is at.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    needs: Needs,
    horizon: Instant,
    limit: i64,
) -> sqlx::Result<Vec<Record>> {
    records!(
        "WHERE needs = $1 AND next_fire_at <= $2 ORDER BY next_fire_at, id LIMIT $3 FOR UPDATE SKIP LOCKED",
        needs.code(),
        PgInstant(horizon) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await
}

/// The earliest instant at which something is to be announced, by what is waited for.
pub(crate) async fn next_fire(executor: impl sqlx::PgExecutor<'_>) -> sqlx::Result<Vec<(Needs, Instant)>> {
    // A look into the index for each; a minimum by groups would read all of it.
    let rows = sqlx::query!(
        r#"SELECT n.needs AS "needs!",
                  (SELECT o.next_fire_at FROM obligation o WHERE o.needs = n.needs AND o.next_fire_at IS NOT NULL
                   ORDER BY o.next_fire_at LIMIT 1) AS "next: PgInstant"
           FROM UNNEST($1::text[]) AS n (needs)"#,
        &Needs::ALL.map(Needs::code) as &[&str]
    )
    .fetch_all(executor)
    .await?;
    let of = |code: &str| Needs::ALL.into_iter().find(|needs| needs.code() == code);
    Ok(rows.into_iter().filter_map(|row| Some((of(&row.needs)?, row.next?.0))).collect())
}

/// An obligation that was not known before, with its owners of that instant.
pub(crate) struct New {
    pub(crate) obligation: Obligation,
    pub(crate) direct: Owner,
    pub(crate) loop_owner: Owner,
    pub(crate) next_fire_at: Option<Instant>,
}

/// What may change of an obligation when further facts of its case come in.
pub(crate) struct Change {
    pub(crate) id: Uuid,
    pub(crate) leg: u32,
    pub(crate) sector: String,
    pub(crate) direct: Owner,
    pub(crate) loop_owner: Owner,
    pub(crate) end: Option<End>,
    pub(crate) next_fire_at: Option<Instant>,
}

fn instants(instants: impl Iterator<Item = Instant>) -> Vec<PgInstant> {
    instants.map(PgInstant).collect()
}

fn optional(instants: impl Iterator<Item = Option<Instant>>) -> Vec<Option<PgInstant>> {
    instants.map(|at| at.map(PgInstant)).collect()
}

fn leg(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn codes<'a>(paths: impl Iterator<Item = &'a RegionPath>, level: Level) -> Vec<Option<&'a str>> {
    paths.map(|path| path.at(level).map(|region| region.code().as_str())).collect()
}

/// Keeps obligations that were not known before.
pub(crate) async fn insert(conn: &mut PgConnection, new: &[New]) -> sqlx::Result<()> {
    let each = || new.iter().map(|new| &new.obligation);
    let paths = || each().map(|one| &one.path);
    let inputs = || each().map(|one| &one.deadline.inputs);
    let timings = || each().map(|one| *one.deadline.timing());
    sqlx::query!(
        "WITH basis AS (
             INSERT INTO obligation_basis (id, inputs) SELECT * FROM UNNEST($1::uuid[], $15::jsonb[])
             -- Of a row that was lost the basis may be left.
             ON CONFLICT (id) DO UPDATE SET inputs = excluded.inputs)
         INSERT INTO obligation (id, case_id, clock, leg, city, county, township, village, region_path, direct, loop_owner, sector,
                                 rule_version, calendar_version, provisional, started_at, warn_at, due, due_inclusive,
                                 first_reminder, end_kind, ended_at, next_fire_at, notice, instruction)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[],
                              $9::text[], $10::jsonb[], $11::jsonb[], $12::text[], $13::text[], $14::text[],
                              $16::bool[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::bool[],
                              $21::timestamptz[], $22::text[], $23::timestamptz[], $24::timestamptz[], $25::text[], $26::uuid[])",
        &each().map(|one| one.id).collect::<Vec<_>>(),
        &each().map(|one| one.case_id).collect::<Vec<_>>(),
        &each().map(|one| one.clock.code()).collect::<Vec<_>>() as &[&str],
        &each().map(|one| leg(one.leg)).collect::<Vec<_>>(),
        &codes(paths(), Level::City) as &[Option<&str>],
        &codes(paths(), Level::County) as &[Option<&str>],
        &codes(paths(), Level::Township) as &[Option<&str>],
        &codes(paths(), Level::Village) as &[Option<&str>],
        &paths().map(ToString::to_string).collect::<Vec<_>>(),
        &new.iter().map(|new| Json(&new.direct)).collect::<Vec<_>>() as &[Json<&Owner>],
        &new.iter().map(|new| Json(&new.loop_owner)).collect::<Vec<_>>() as &[Json<&Owner>],
        &each().map(|one| one.sector.map_or("", dafei_kernel::sector::Sector::code)).collect::<Vec<_>>() as &[&str],
        &inputs().map(|inputs| inputs.rule_version.as_str()).collect::<Vec<_>>() as &[&str],
        &each().map(|one| one.deadline.calendar_version()).collect::<Vec<_>>() as &[&str],
        &inputs().map(Json).collect::<Vec<_>>() as &[Json<&Inputs>],
        &inputs().map(|inputs| inputs.provisional).collect::<Vec<_>>(),
        &instants(timings().map(|timing| timing.started_at)) as &[PgInstant],
        &instants(timings().map(|timing| timing.warn_at)) as &[PgInstant],
        &instants(timings().map(|timing| timing.due)) as &[PgInstant],
        &timings().map(|timing| timing.due_inclusive).collect::<Vec<_>>(),
        &instants(timings().map(|timing| timing.first_reminder)) as &[PgInstant],
        &each().map(|one| one.end.map(|end| end.kind.code())).collect::<Vec<_>>() as &[Option<&str>],
        &optional(each().map(|one| one.end.map(|end| end.at))) as &[Option<PgInstant>],
        &optional(new.iter().map(|new| new.next_fire_at)) as &[Option<PgInstant>],
        &each().map(|one| one.notice.map(Notice::code)).collect::<Vec<_>>() as &[Option<&str>],
        &each().map(|one| one.instruction).collect::<Vec<_>>() as &[Option<Uuid>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps what further facts have changed.
pub(crate) async fn update(conn: &mut PgConnection, changes: &[Change]) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE obligation o
         SET leg = c.leg, sector = c.sector, direct = c.direct, loop_owner = c.loop_owner, end_kind = c.end_kind, ended_at = c.ended_at,
             next_fire_at = c.next_fire_at
         FROM UNNEST($1::uuid[], $2::int[], $3::text[], $4::jsonb[], $5::jsonb[], $6::text[], $7::timestamptz[], $8::timestamptz[])
              AS c (id, leg, sector, direct, loop_owner, end_kind, ended_at, next_fire_at)
         WHERE o.id = c.id",
        &changes.iter().map(|change| change.id).collect::<Vec<_>>(),
        &changes.iter().map(|change| leg(change.leg)).collect::<Vec<_>>(),
        &changes.iter().map(|change| change.sector.as_str()).collect::<Vec<_>>() as &[&str],
        &changes.iter().map(|change| Json(&change.direct)).collect::<Vec<_>>() as &[Json<&Owner>],
        &changes.iter().map(|change| Json(&change.loop_owner)).collect::<Vec<_>>() as &[Json<&Owner>],
        &changes.iter().map(|change| change.end.map(|end| end.kind.code())).collect::<Vec<_>>() as &[Option<&str>],
        &optional(changes.iter().map(|change| change.end.map(|end| end.at))) as &[Option<PgInstant>],
        &optional(changes.iter().map(|change| change.next_fire_at)) as &[Option<PgInstant>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was announced of an obligation, and when something is to be announced next.
pub(crate) struct Fired {
    pub(crate) id: Uuid,
    /// It was told now that the limit is provisional; kept apart, since it is rare.
    pub(crate) provisional: bool,
    pub(crate) warned_at: Option<Instant>,
    pub(crate) warned_told: Option<Instant>,
    pub(crate) breached: bool,
    pub(crate) breached_told: Option<Instant>,
    pub(crate) reminders: u32,
    pub(crate) end_announced: Option<&'static str>,
    pub(crate) annulled: bool,
    pub(crate) next_fire_at: Option<Instant>,
    pub(crate) sequence: i64,
    pub(crate) chain_head: String,
}

/// Keeps what was announced.
pub(crate) async fn save_fired(conn: &mut PgConnection, fired: &[Fired]) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE obligation o
         SET warned_at = f.warned_at, breached = f.breached, reminders = f.reminders, end_announced = f.end_announced,
             annulled = f.annulled, next_fire_at = f.next_fire_at, sequence = f.sequence, chain_head = f.chain_head,
             warned_told = f.warned_told, breached_told = f.breached_told,
             end_kind = CASE WHEN o.end_kind IS NULL AND o.ends_with_breach AND f.breached THEN 'missed' ELSE o.end_kind END,
             ended_at = CASE WHEN o.end_kind IS NULL AND o.ends_with_breach AND f.breached THEN o.due ELSE o.ended_at END
         FROM UNNEST($1::uuid[], $2::timestamptz[], $3::bool[], $4::int[], $5::text[], $6::bool[], $7::timestamptz[], $8::bigint[],
                     $9::text[], $10::timestamptz[], $11::timestamptz[])
              AS f (id, warned_at, breached, reminders, end_announced, annulled, next_fire_at, sequence, chain_head, warned_told,
                    breached_told)
         WHERE o.id = f.id",
        &fired.iter().map(|fired| fired.id).collect::<Vec<_>>(),
        &optional(fired.iter().map(|fired| fired.warned_at)) as &[Option<PgInstant>],
        &fired.iter().map(|fired| fired.breached).collect::<Vec<_>>(),
        &fired.iter().map(|fired| leg(fired.reminders)).collect::<Vec<_>>(),
        &fired.iter().map(|fired| fired.end_announced).collect::<Vec<_>>() as &[Option<&str>],
        &fired.iter().map(|fired| fired.annulled).collect::<Vec<_>>(),
        &optional(fired.iter().map(|fired| fired.next_fire_at)) as &[Option<PgInstant>],
        &fired.iter().map(|fired| fired.sequence).collect::<Vec<_>>(),
        &fired.iter().map(|fired| fired.chain_head.as_str()).collect::<Vec<_>>() as &[&str],
        &optional(fired.iter().map(|fired| fired.warned_told)) as &[Option<PgInstant>],
        &optional(fired.iter().map(|fired| fired.breached_told)) as &[Option<PgInstant>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Owners in place of those with which an obligation was recorded.
pub(crate) struct Named {
    pub(crate) id: Uuid,
    pub(crate) direct: Owner,
    pub(crate) loop_owner: Owner,
}

/// Keeps the owners of obligations.
pub(crate) async fn name(conn: &mut PgConnection, named: &[Named]) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE obligation o SET direct = n.direct, loop_owner = n.loop_owner
         FROM UNNEST($1::uuid[], $2::jsonb[], $3::jsonb[]) AS n (id, direct, loop_owner) WHERE o.id = n.id",
        &named.iter().map(|named| named.id).collect::<Vec<_>>(),
        &named.iter().map(|named| Json(&named.direct)).collect::<Vec<_>>() as &[Json<&Owner>],
        &named.iter().map(|named| Json(&named.loop_owner)).collect::<Vec<_>>() as &[Json<&Owner>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Wakes firing at the commit.
pub(crate) async fn wake(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(r#"SELECT pg_notify($1, '')::text AS "notified""#, WAKE).fetch_one(conn).await?;
    Ok(())
}
