//! Suspicions: loaded under their row locks, written by batch, listed by region.

use dafei_intake_core::suspicion::{Facts, State, StateKind, Suspicion};
use dafei_kernel::{
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// A suspicion as stored, with what its events need.
#[derive(Debug, Clone)]
pub(crate) struct SuspicionRow {
    pub(crate) suspicion: Suspicion,
    /// Sequence of its last event on the bus.
    pub(crate) sequence: i64,
    /// Head of the chain over those events.
    pub(crate) chain_head: String,
}

/// Number of a state in the tables: that of the API's `SuspicionState`.
pub(crate) const fn state_code(kind: StateKind) -> i16 {
    match kind {
        StateKind::Recorded => 1,
        StateKind::Notified => 2,
        StateKind::Heeded => 3,
        StateKind::Refused => 4,
        StateKind::ReportedUp => 5,
        StateKind::OutcomeAvailable => 6,
        StateKind::Published => 7,
        StateKind::ClosedAtVillage => 8,
        StateKind::Withdrawn => 9,
    }
}

struct Row {
    version: i64,
    sequence: i64,
    chain_head: String,
    facts: Json<Facts>,
    standing: Json<State>,
}

impl From<Row> for SuspicionRow {
    fn from(row: Row) -> Self {
        let suspicion = Suspicion { facts: row.facts.0, state: row.standing.0, version: row.version };
        Self { suspicion, sequence: row.sequence, chain_head: row.chain_head }
    }
}

/// Loads and locks suspicions in the order of their ids: every writer does, so none waits for another in a circle.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<SuspicionRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT version, sequence, chain_head, facts AS "facts: Json<Facts>", standing AS "standing: Json<State>"
           FROM suspicion WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// One suspicion, without a lock.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Suspicion>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT version, sequence, chain_head, facts AS "facts: Json<Facts>", standing AS "standing: Json<State>"
           FROM suspicion WHERE id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| SuspicionRow::from(row).suspicion))
}

/// Writes new suspicions, each with who recorded it.
pub(crate) async fn insert(conn: &mut PgConnection, rows: &[(&SuspicionRow, &str)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let facts = || rows.iter().map(|(row, _)| &row.suspicion.facts);
    let code = |level| -> Vec<&str> {
        facts().map(|facts| facts.path.at(level).map_or("", |region| region.code().as_str())).collect()
    };
    let ids: Vec<Uuid> = facts().map(|facts| facts.id).collect();
    let recorded: Vec<PgInstant> = facts().map(|facts| PgInstant(facts.received_at)).collect();
    let bodies: Vec<Json<&Facts>> = facts().map(Json).collect();
    let by: Vec<&str> = rows.iter().map(|(_, by)| *by).collect();
    let columns = Columns::of(rows.iter().map(|(row, _)| *row));
    sqlx::query!(
        "INSERT INTO suspicion (id, county, township, village, state, version, sequence, chain_head, recorded_at, recorded_by,
                                facts, standing)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[],
                              $8::text[], $9::timestamptz[], $10::text[], $11::jsonb[], $12::jsonb[])",
        &ids,
        &code(Level::County) as &[&str],
        &code(Level::Township) as &[&str],
        &code(Level::Village) as &[&str],
        &columns.states,
        &columns.versions,
        &columns.sequences,
        &columns.heads as &[&str],
        &recorded as &[PgInstant],
        &by as &[&str],
        &bodies as &[Json<&Facts>],
        &columns.standings as &[Json<&State>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes suspicions that are there.
pub(crate) async fn update(conn: &mut PgConnection, rows: &[&SuspicionRow]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.suspicion.facts.id).collect();
    let columns = Columns::of(rows.iter().copied());
    sqlx::query!(
        "UPDATE suspicion s
         SET state = u.state, version = u.version, sequence = u.sequence, chain_head = u.chain_head, standing = u.standing
         FROM UNNEST($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::jsonb[])
              AS u (id, state, version, sequence, chain_head, standing)
         WHERE s.id = u.id",
        &ids,
        &columns.states,
        &columns.versions,
        &columns.sequences,
        &columns.heads as &[&str],
        &columns.standings as &[Json<&State>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What changes, as columns for UNNEST.
#[derive(Default)]
struct Columns<'a> {
    states: Vec<i16>,
    versions: Vec<i64>,
    sequences: Vec<i64>,
    heads: Vec<&'a str>,
    standings: Vec<Json<&'a State>>,
}

impl<'a> Columns<'a> {
    fn of(rows: impl Iterator<Item = &'a SuspicionRow>) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.states.push(state_code(row.suspicion.state.kind()));
            columns.versions.push(row.suspicion.version);
            columns.sequences.push(row.sequence);
            columns.heads.push(&row.chain_head);
            columns.standings.push(Json(&row.suspicion.state));
        }
        columns
    }
}

/// Which suspicions to list: of a region, in these states, before the last of the page before.
pub(crate) struct Filter<'a> {
    pub(crate) region: &'a Region,
    /// Villages of the region, when it is a work area.
    pub(crate) villages: Vec<String>,
    pub(crate) states: Vec<i16>,
    pub(crate) before: Option<(Instant, Uuid)>,
    pub(crate) limit: i64,
}

/// One query per column that a region is looked for by. Each state, and each village of a work area, is one range of the column's index,
/// read from its newest end and no further than the page.
macro_rules! page {
    ($conn:expr, $filter:expr, $keys:expr, $where:literal) => {{
        let (at, id) = $filter.before.unwrap_or((Instant::MAX, Uuid::max()));
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT s.version AS "version!", s.sequence AS "sequence!", s.chain_head AS "chain_head!",
                      s.facts AS "facts!: Json<Facts>", s.standing AS "standing!: Json<State>"
               FROM UNNEST($1::smallint[]) AS wanted (state)
               CROSS JOIN UNNEST($5::text[]) AS key (code)
               CROSS JOIN LATERAL (
                   SELECT * FROM suspicion c
                   WHERE c.state = wanted.state AND (c.recorded_at, c.id) < ($2, $3)"# + $where
                + r#" ORDER BY c.recorded_at DESC, c.id DESC LIMIT $4) s
               ORDER BY s.recorded_at DESC, s.id DESC LIMIT $4"#,
            &$filter.states,
            PgInstant(at) as PgInstant,
            id,
            $filter.limit,
            $keys
        )
        .fetch_all($conn)
        .await?;
        Ok(rows.into_iter().map(|row| SuspicionRow::from(row).suspicion).collect())
    }};
}

/// A page of suspicions, newest first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &Filter<'_>) -> sqlx::Result<Vec<Suspicion>> {
    let one = [filter.region.code().to_string()];
    match filter.region.level() {
        // One deployment serves one city.
        Level::City => page!(conn, filter, &one, ""),
        Level::County => page!(conn, filter, &one, " AND c.county = key.code"),
        Level::Township => page!(conn, filter, &one, " AND c.township = key.code"),
        Level::Village => page!(conn, filter, &one, " AND c.village = key.code"),
        Level::WorkArea => page!(conn, filter, &filter.villages, " AND c.village = key.code"),
    }
}
