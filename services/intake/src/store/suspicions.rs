//! Suspicions: loaded under their row locks, written by batch, listed by region.

use dafei_intake_core::suspicion::{Facts, State, StateKind, Suspicion};
use dafei_kernel::{
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::heads::Head;
use crate::wire;

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
        r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<State>", version, sequence, chain_head
           FROM suspicion WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    let row = |facts: Json<Facts>, body: Json<State>, version, sequence, chain| Row {
        suspicion: Suspicion { facts: facts.0, state: body.0, version },
        head: Head { sequence, chain },
    };
    Ok(rows.into_iter().map(|r| row(r.facts, r.body, r.version, r.sequence, r.chain_head)).collect())
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
        }
        columns
    }
}

/// Writes new suspicions.
pub(crate) async fn insert(conn: &mut PgConnection, rows: &[(&Suspicion, &Head)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(rows);
    let codes = |level| -> Vec<&str> {
        rows.iter()
            .map(|(suspicion, _)| suspicion.facts.path.at(level).map_or("", |region| region.code().as_str()))
            .collect()
    };
    let (counties, townships, villages) = (codes(Level::County), codes(Level::Township), codes(Level::Village));
    let recorded: Vec<PgInstant> = rows.iter().map(|(one, _)| PgInstant(one.facts.received_at)).collect();
    let facts: Vec<Json<&Facts>> = rows.iter().map(|(one, _)| Json(&one.facts)).collect();
    sqlx::query!(
        "INSERT INTO suspicion (id, county, township, village, state, version, sequence, chain_head, recorded_at, facts, body)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[],
                              $8::text[], $9::timestamptz[], $10::jsonb[], $11::jsonb[])",
        &columns.ids,
        &counties as &[&str],
        &townships as &[&str],
        &villages as &[&str],
        &columns.states,
        &columns.versions,
        &columns.sequences,
        &columns.chains as &[&str],
        &recorded as &[PgInstant],
        &facts as &[Json<&Facts>],
        &columns.bodies as &[Json<&State>]
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
                body = u.body
         FROM UNNEST($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::jsonb[])
              AS u (id, state, version, sequence, chain_head, body)
         WHERE s.id = u.id",
        &columns.ids,
        &columns.states,
        &columns.versions,
        &columns.sequences,
        &columns.chains as &[&str],
        &columns.bodies as &[Json<&State>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn suspicion(facts: Json<Facts>, body: Json<State>, version: i64) -> Suspicion {
    Suspicion { facts: facts.0, state: body.0, version }
}

/// One suspicion, without a lock.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Suspicion>> {
    let row = sqlx::query!(
        r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<State>", version FROM suspicion WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| suspicion(row.facts, row.body, row.version)))
}

/// Which suspicions to list: of a region, in these states (all when empty), before the last of the page before.
pub(crate) struct Filter<'a> {
    pub(crate) region: &'a Region,
    /// Villages of the region, when it is a work area.
    pub(crate) villages: Vec<String>,
    pub(crate) states: Vec<i16>,
    pub(crate) before: Option<(Instant, Uuid)>,
    pub(crate) limit: i64,
}

/// One query per column that a region is looked for by, so that each has its index.
macro_rules! page {
    ($conn:expr, $filter:expr, $where:literal $(, $region:expr)?) => {{
        let (at, id) = $filter.before.unwrap_or((Instant::MAX, Uuid::max()));
        let rows = sqlx::query!(
            r#"SELECT facts AS "facts: Json<Facts>", body AS "body: Json<State>", version FROM suspicion
               WHERE ($1::smallint[] = '{}' OR state = ANY($1)) AND (recorded_at, id) < ($2, $3) AND "# + $where
                + r#" ORDER BY recorded_at DESC, id DESC LIMIT $4"#,
            &$filter.states,
            PgInstant(at) as PgInstant,
            id,
            $filter.limit
            $(, $region)?
        )
        .fetch_all($conn)
        .await?;
        Ok(rows.into_iter().map(|row| suspicion(row.facts, row.body, row.version)).collect())
    }};
}

/// A page of suspicions, newest first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &Filter<'_>) -> sqlx::Result<Vec<Suspicion>> {
    let code = filter.region.code().as_str();
    match filter.region.level() {
        Level::City => page!(conn, filter, "TRUE"),
        Level::County => page!(conn, filter, "county = $5", code),
        Level::Township => page!(conn, filter, "township = $5", code),
        Level::Village => page!(conn, filter, "village = $5", code),
        Level::WorkArea => page!(conn, filter, "village = ANY($5)", &filter.villages),
    }
}
