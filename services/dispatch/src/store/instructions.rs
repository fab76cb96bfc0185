//! What each unit has to do, and when an instruction counts as delivered at the latest.

use dafei_dispatch_core::case::{Case, Instruction, InstructionState};
use dafei_kernel::{owner::Post, time::Instant};
use dafei_messaging::pg::PgInstant;
use jiff::SignedDuration;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::inbox::source_code;
use crate::wire;

/// What of an instruction its row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    state: InstructionState,
    open: bool,
    delivered: bool,
    reached: bool,
    resends: i16,
}

impl Shown {
    pub(crate) fn of(instruction: &Instruction) -> Self {
        Self {
            state: instruction.state(),
            open: instruction.is_open(),
            delivered: instruction.delivery.is_some(),
            reached: instruction.arrival().is_some(),
            resends: i16::try_from(instruction.resent.len()).unwrap_or(i16::MAX),
        }
    }
}

fn state_code(shown: Shown) -> i16 {
    i16::try_from(i32::from(wire::instruction_state(shown.state))).unwrap_or(0)
}

/// Writes new instructions of cases.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    rows: &[(&Case, &Instruction)],
    assumed_after: SignedDuration,
) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|(_, one)| one.id).collect();
    let cases: Vec<Uuid> = rows.iter().map(|(case, _)| case.facts.id).collect();
    let agencies: Vec<&str> = rows.iter().map(|(_, one)| one.post.agency.map_or("", |agency| agency.code())).collect();
    let levels: Vec<&str> = rows.iter().map(|(_, one)| one.post.region.level().code()).collect();
    let regions: Vec<&str> = rows.iter().map(|(_, one)| one.post.region.code().as_str()).collect();
    let shown: Vec<Shown> = rows.iter().map(|(_, one)| Shown::of(one)).collect();
    let states: Vec<i16> = shown.iter().map(|shown| state_code(*shown)).collect();
    let open: Vec<bool> = shown.iter().map(|shown| shown.open).collect();
    let delivered: Vec<bool> = shown.iter().map(|shown| shown.delivered).collect();
    let issued: Vec<PgInstant> = rows.iter().map(|(_, one)| PgInstant(one.issued_at)).collect();
    let reached: Vec<bool> = shown.iter().map(|shown| shown.reached).collect();
    let counties: Vec<Option<&str>> =
        rows.iter().map(|(case, _)| case.facts.county.as_ref().map(|county| county.code().as_str())).collect();
    let townships: Vec<Option<&str>> =
        rows.iter().map(|(case, _)| case.facts.township.as_ref().map(|township| township.code().as_str())).collect();
    let acts: Vec<&str> = rows.iter().map(|(case, _)| case.facts.act.code()).collect();
    let sectors: Vec<&str> = rows.iter().map(|(case, _)| case.facts.act.sector().code()).collect();
    let sources: Vec<i16> = rows.iter().map(|(case, _)| source_code(case)).collect();
    let assumed: Vec<PgInstant> = rows
        .iter()
        .map(|(_, one)| PgInstant(one.issued_at.saturating_add(assumed_after).unwrap_or(Instant::MAX)))
        .collect();
    sqlx::query!(
        "INSERT INTO instruction (id, case_id, agency, level, region, state, open, delivered, issued_at, assumed_at, act, sector, source,
                                  reached, county, township)
         SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bool[],
                              $8::bool[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::smallint[],
                              $14::bool[], $15::text[], $16::text[])",
        &ids,
        &cases,
        &agencies as &[&str],
        &levels as &[&str],
        &regions as &[&str],
        &states,
        &open,
        &delivered,
        &issued as &[PgInstant],
        &assumed as &[PgInstant],
        &acts as &[&str],
        &sectors as &[&str],
        &sources,
        &reached,
        &counties as &[Option<&str>],
        &townships as &[Option<&str>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes where instructions stand now.
pub(crate) async fn update(conn: &mut PgConnection, rows: &[(Uuid, Shown)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|(id, _)| *id).collect();
    let states: Vec<i16> = rows.iter().map(|(_, shown)| state_code(*shown)).collect();
    let open: Vec<bool> = rows.iter().map(|(_, shown)| shown.open).collect();
    let delivered: Vec<bool> = rows.iter().map(|(_, shown)| shown.delivered).collect();
    let reached: Vec<bool> = rows.iter().map(|(_, shown)| shown.reached).collect();
    let declined: Vec<bool> = rows.iter().map(|(_, shown)| shown.state == InstructionState::Declined).collect();
    let resends: Vec<i16> = rows.iter().map(|(_, shown)| shown.resends).collect();
    sqlx::query!(
        "UPDATE instruction i SET state = u.state, open = u.open, delivered = u.delivered, declined = u.declined,
                reached = u.reached, resends = u.resends
         FROM UNNEST($1::uuid[], $2::smallint[], $3::bool[], $4::bool[], $5::bool[], $6::bool[], $7::smallint[])
              AS u (id, state, open, delivered, declined, reached, resends)
         WHERE i.id = u.id",
        &ids,
        &states,
        &open,
        &delivered,
        &declined,
        &reached,
        &resends
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A page of a unit's open instructions, oldest first, each with its case.
pub(crate) async fn inbox(
    conn: &mut PgConnection,
    unit: &Post,
    after: Option<(Instant, Uuid)>,
    limit: i64,
) -> sqlx::Result<Vec<(Uuid, Case)>> {
    let (at, id) = after.unwrap_or((Instant::UNIX_EPOCH, Uuid::nil()));
    let rows = sqlx::query!(
        r#"SELECT i.id, c.body AS "body: Json<Case>"
           FROM (SELECT id, case_id, issued_at FROM instruction
                 WHERE agency = $1 AND level = $2 AND region = $3 AND open AND (issued_at, id) > ($4, $5)
                 ORDER BY issued_at, id LIMIT $6) i
           JOIN case_file c ON c.id = i.case_id ORDER BY i.issued_at, i.id"#,
        unit.agency.map_or("", |agency| agency.code()),
        unit.region.level().code(),
        unit.region.code().as_str(),
        PgInstant(at) as PgInstant,
        id,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.body.0)).collect())
}

/// An instruction that counts as delivered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) id: Uuid,
    pub(crate) case: Uuid,
    pub(crate) assumed_at: Instant,
}

/// Undelivered instructions whose time has come by `now`, the longest overdue first.
pub(crate) async fn due(conn: &mut PgConnection, now: Instant, limit: i64) -> sqlx::Result<Vec<Due>> {
    let rows = sqlx::query!(
        r#"SELECT id, case_id, assumed_at AS "assumed_at: PgInstant" FROM instruction
           WHERE open AND NOT delivered AND assumed_at <= $1 ORDER BY assumed_at, id LIMIT $2"#,
        PgInstant(now) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| Due { id: row.id, case: row.case_id, assumed_at: row.assumed_at.into() }).collect())
}

/// When the next instruction will count as delivered.
pub(crate) async fn next_due(conn: &mut PgConnection) -> sqlx::Result<Option<Instant>> {
    let at = sqlx::query_scalar!(
        r#"SELECT assumed_at AS "assumed_at: PgInstant" FROM instruction
           WHERE open AND NOT delivered ORDER BY assumed_at, id LIMIT 1"#
    )
    .fetch_optional(conn)
    .await?;
    Ok(at.map(Instant::from))
}
