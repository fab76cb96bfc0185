//! Suspicions: loaded under their row locks, written by batch.

use std::collections::HashSet;

use dafei_intake_core::{
    duplicates,
    suspicion::{Facts, State, StateKind, Suspicion},
};
use dafei_kernel::{credit_code::CreditCode, region::Level, subject::Position};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::heads::Head;
use crate::wire;

/// The suspicion of a row that was read with the columns of one.
macro_rules! suspicion {
    ($row:ident) => {
        Suspicion {
            facts: $row.facts.0,
            state: $row.body.0,
            suspected_crime: $row.suspected_crime,
            last_step: $row.last_step,
            version: $row.version,
        }
    };
}
pub(super) use suspicion;

/// A suspicion as stored.
pub(crate) struct Row {
    pub(crate) suspicion: Suspicion,
    /// Sequence of its last published event, and the chain over them.
    pub(crate) head: Head,
}

/// Loads and locks suspicions in the order of their ids: every writer does, so none waits for another in a circle.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Row>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<State>", suspected_crime, last_step, version, sequence,
                  chain_head
           FROM suspicion WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    let held = rows.into_iter().map(|row| {
        let head = Head { sequence: row.sequence, chain: row.chain_head };
        Row { suspicion: suspicion!(row), head }
    });
    Ok(held.collect())
}

/// Which of these have reports that were merged into them. Asked under their locks: a merge locks the report that goes on, too.
pub(crate) async fn absorbing(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashSet<Uuid>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let found = sqlx::query_scalar!(
        r#"SELECT DISTINCT merged_into AS "into!" FROM suspicion WHERE merged_into = ANY($1)"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().collect())
}

/// The number under which a state is stored and looked for: that of the API.
pub(crate) fn state_code(kind: StateKind) -> i16 {
    i16::try_from(i32::from(wire::state(kind))).unwrap_or(0)
}

/// Columns of a batch, for UNNEST.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    states: Vec<i16>,
    versions: Vec<i64>,
    sequences: Vec<i64>,
    chains: Vec<&'a str>,
    bodies: Vec<Json<&'a State>>,
    crimes: Vec<bool>,
    steps: Vec<Option<Uuid>>,
    ended: Vec<bool>,
    merged: Vec<Option<Uuid>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[(&'a Suspicion, &'a Head)]) -> Self {
        let mut columns = Self::default();
        for (suspicion, head) in rows {
            columns.ids.push(suspicion.facts.id);
            columns.states.push(state_code(suspicion.state.kind()));
            columns.versions.push(suspicion.version);
            columns.sequences.push(head.sequence);
            columns.chains.push(&head.chain);
            columns.bodies.push(Json(&suspicion.state));
            columns.crimes.push(suspicion.suspected_crime);
            columns.steps.push(suspicion.last_step);
            columns.ended.push(suspicion.state.kind().is_terminal());
            columns.merged.push(suspicion.state.merged_into());
        }
        columns
    }
}

/// What new suspicions are looked for by, for UNNEST.
#[derive(Default)]
struct Found<'a> {
    counties: Vec<&'a str>,
    townships: Vec<&'a str>,
    villages: Vec<&'a str>,
    acts: Vec<&'a str>,
    recorded: Vec<PgInstant>,
    found: Vec<PgInstant>,
    skewed: Vec<bool>,
    codes: Vec<Option<&'a str>>,
    latitudes: Vec<Option<i32>>,
    longitudes: Vec<Option<i32>>,
    facts: Vec<Json<&'a Facts>>,
}

impl<'a> Found<'a> {
    fn of(rows: &[(&'a Suspicion, &'a Head)]) -> Self {
        let mut columns = Self::default();
        for (suspicion, _) in rows {
            let facts = &suspicion.facts;
            let code = |level| facts.path.at(level).map_or("", |region| region.code().as_str());
            let position = duplicates::position(&facts.subject);
            columns.counties.push(code(Level::County));
            columns.townships.push(code(Level::Township));
            columns.villages.push(code(Level::Village));
            columns.acts.push(facts.act.code());
            columns.recorded.push(PgInstant(facts.received_at));
            columns.found.push(PgInstant(facts.found_at));
            columns.skewed.push(facts.skewed);
            columns.codes.push(duplicates::credit_code(&facts.subject).map(CreditCode::as_str));
            columns.latitudes.push(position.as_ref().map(Position::lat_e7));
            columns.longitudes.push(position.as_ref().map(Position::lon_e7));
            columns.facts.push(Json(facts));
        }
        columns
    }
}

/// Writes new suspicions.
pub(crate) async fn insert(conn: &mut PgConnection, rows: &[(&Suspicion, &Head)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let (columns, found) = (Columns::of(rows), Found::of(rows));
    sqlx::query!(
        "INSERT INTO suspicion (id, state, version, sequence, chain_head, body, suspected_crime, last_step, ended, merged_into,
                                county, township, village, act, recorded_at, found_at, skewed, credit_code, lat_e7, lon_e7, facts)
         SELECT * FROM UNNEST($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::jsonb[], $7::bool[],
                              $8::uuid[], $9::bool[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::text[],
                              $15::timestamptz[], $16::timestamptz[], $17::bool[], $18::text[], $19::integer[],
                              $20::integer[], $21::jsonb[])",
        &columns.ids,
        &columns.states,
        &columns.versions,
        &columns.sequences,
        &columns.chains as &[&str],
        &columns.bodies as &[Json<&State>],
        &columns.crimes,
        &columns.steps as &[Option<Uuid>],
        &columns.ended,
        &columns.merged as &[Option<Uuid>],
        &found.counties as &[&str],
        &found.townships as &[&str],
        &found.villages as &[&str],
        &found.acts as &[&str],
        &found.recorded as &[PgInstant],
        &found.found as &[PgInstant],
        &found.skewed,
        &found.codes as &[Option<&str>],
        &found.latitudes as &[Option<i32>],
        &found.longitudes as &[Option<i32>],
        &found.facts as &[Json<&Facts>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes suspicions that are there.
pub(crate) async fn update(conn: &mut PgConnection, rows: &[(&Suspicion, &Head)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(rows);
    sqlx::query!(
        "UPDATE suspicion s SET state = u.state, version = u.version, sequence = u.sequence, chain_head = u.chain_head,
                body = u.body, suspected_crime = u.suspected_crime, last_step = u.last_step, ended = u.ended,
                merged_into = u.merged_into
         FROM UNNEST($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::jsonb[], $7::bool[], $8::uuid[],
                     $9::bool[], $10::uuid[])
              AS u (id, state, version, sequence, chain_head, body, suspected_crime, last_step, ended, merged_into)
         WHERE s.id = u.id",
        &columns.ids,
        &columns.states,
        &columns.versions,
        &columns.sequences,
        &columns.chains as &[&str],
        &columns.bodies as &[Json<&State>],
        &columns.crimes,
        &columns.steps as &[Option<Uuid>],
        &columns.ended,
        &columns.merged as &[Option<Uuid>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One suspicion, without a lock.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Suspicion>> {
    let row = sqlx::query!(
        r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<State>", suspected_crime, last_step, version
           FROM suspicion WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| suspicion!(row)))
}

/// What was found by the reports that were merged into one, the first `limit` of them.
pub(crate) async fn merged(conn: &mut PgConnection, into: Uuid, limit: i64) -> sqlx::Result<Vec<Facts>> {
    let rows = sqlx::query_scalar!(
        r#"SELECT facts AS "facts: Json<Facts>" FROM suspicion WHERE merged_into = $1 ORDER BY id LIMIT $2"#,
        into,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|facts| facts.0).collect())
}
