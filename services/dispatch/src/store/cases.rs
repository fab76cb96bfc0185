//! The cases: loaded under their row locks, written by batch, listed by region.

use dafei_dispatch_core::case::{Case, Stage};
use dafei_kernel::{
    region::{Level, Region},
    subject::Subject,
    time::Instant,
};
use dafei_messaging::pg::PgInstant;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    filtered::{self, Kinds},
    inbox::source_code,
};
use crate::wire;

/// What an enterprise is known by.
fn credit_code(subject: &Subject) -> Option<&str> {
    match subject {
        Subject::Enterprise { credit_code, .. } => Some(credit_code.as_str()),
        Subject::Den { .. } => None,
    }
}

/// A case as stored.
pub(crate) struct CaseRow {
    pub(crate) case: Case,
    /// Head of the chain over its published events.
    pub(crate) chain_head: String,
}

/// Loads and locks these cases, and those that have these instructions, in the order of their ids: every writer does, so none waits
/// for another in a circle.
pub(crate) async fn lock(conn: &mut PgConnection, ids: &[Uuid], instructions: &[Uuid]) -> sqlx::Result<Vec<CaseRow>> {
    if ids.is_empty() && instructions.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"SELECT body AS "body: Json<Case>", chain_head FROM case_file
           WHERE id = ANY(ARRAY(SELECT UNNEST($1::uuid[])
                                UNION SELECT case_id FROM instruction WHERE id = ANY($2::uuid[])))
           ORDER BY id FOR NO KEY UPDATE"#,
        ids,
        instructions
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| CaseRow { case: row.body.0, chain_head: row.chain_head }).collect())
}

/// As [`lock`], leaving out the cases that another transaction has.
pub(crate) async fn lock_free(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<CaseRow>> {
    let rows = sqlx::query!(
        r#"SELECT body AS "body: Json<Case>", chain_head FROM case_file
           WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| CaseRow { case: row.body.0, chain_head: row.chain_head }).collect())
}

/// Columns of a batch, for UNNEST.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    states: Vec<i16>,
    closed: Vec<bool>,
    merged: Vec<Option<Uuid>>,
    versions: Vec<i64>,
    unverified: Vec<Option<PgInstant>>,
    heads: Vec<&'a str>,
    bodies: Vec<Json<&'a Case>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[(&'a Case, &'a str)]) -> Self {
        let mut columns = Self::default();
        for (case, head) in rows {
            columns.ids.push(case.facts.id);
            columns.states.push(state_code(&case.stage));
            columns.closed.push(matches!(case.stage, Stage::Closed { .. }));
            columns.merged.push(case.merged_into());
            columns.versions.push(case.sequence);
            columns.unverified.push(case.unverified_since().map(PgInstant));
            columns.heads.push(head);
            columns.bodies.push(Json(case));
        }
        columns
    }
}

fn state_code(stage: &Stage) -> i16 {
    i16::try_from(i32::from(wire::state(stage.kind()))).unwrap_or(0)
}

/// Writes new cases with the heads of their chains. None has a result that its tips could wait behind.
pub(crate) async fn insert(conn: &mut PgConnection, rows: &[(&Case, &str)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(rows);
    let code = |region: &Region| region.code().to_string();
    let counties: Vec<Option<String>> = rows.iter().map(|(case, _)| case.facts.county.as_ref().map(code)).collect();
    let townships: Vec<Option<String>> = rows.iter().map(|(case, _)| case.facts.township.as_ref().map(code)).collect();
    let villages: Vec<Option<String>> = rows.iter().map(|(case, _)| case.facts.village.as_ref().map(code)).collect();
    let acts: Vec<&str> = rows.iter().map(|(case, _)| case.facts.act.code()).collect();
    let sectors: Vec<&str> = rows.iter().map(|(case, _)| case.facts.act.sector().code()).collect();
    let sources: Vec<i16> = rows.iter().map(|(case, _)| source_code(case)).collect();
    let credit_codes: Vec<Option<&str>> = rows.iter().map(|(case, _)| credit_code(&case.facts.subject)).collect();
    let reached: Vec<PgInstant> = rows.iter().map(|(case, _)| PgInstant(case.facts.reached_at)).collect();
    sqlx::query!(
        "INSERT INTO case_file (id, county, township, village, state, closed, merged_into, version, chain_head, reached_at, body,
                                act, sector, source, credit_code)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::bool[], $7::uuid[], $8::bigint[],
                              $9::text[], $10::timestamptz[], $11::jsonb[], $12::text[], $13::text[], $14::smallint[], $15::text[])",
        &columns.ids,
        &counties as &[Option<String>],
        &townships as &[Option<String>],
        &villages as &[Option<String>],
        &columns.states,
        &columns.closed,
        &columns.merged as &[Option<Uuid>],
        &columns.versions,
        &columns.heads as &[&str],
        &reached as &[PgInstant],
        &columns.bodies as &[Json<&Case>],
        &acts as &[&str],
        &sectors as &[&str],
        &sources,
        &credit_codes as &[Option<&str>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes cases that are there, with the heads of their chains.
pub(crate) async fn update(conn: &mut PgConnection, rows: &[(&Case, &str)]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(rows);
    sqlx::query!(
        "UPDATE case_file c
         SET state = u.state, closed = u.closed, merged_into = u.merged_into, version = u.version, chain_head = u.chain_head,
             body = u.body, unverified_since = u.unverified_since
         FROM UNNEST($1::uuid[], $2::smallint[], $3::bool[], $4::uuid[], $5::bigint[], $6::text[], $7::jsonb[], $8::timestamptz[])
              AS u (id, state, closed, merged_into, version, chain_head, body, unverified_since)
         WHERE c.id = u.id",
        &columns.ids,
        &columns.states,
        &columns.closed,
        &columns.merged as &[Option<Uuid>],
        &columns.versions,
        &columns.heads as &[&str],
        &columns.bodies as &[Json<&Case>],
        &columns.unverified as &[Option<PgInstant>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Since when the closed case waits longest whose tips have no verdict; none where no case does.
pub(crate) async fn unverified_since(conn: &mut PgConnection) -> sqlx::Result<Option<Instant>> {
    let since = sqlx::query_scalar!(
        r#"SELECT unverified_since AS "unverified_since!: PgInstant" FROM case_file
           WHERE unverified_since IS NOT NULL ORDER BY unverified_since, id LIMIT 1"#
    )
    .fetch_optional(conn)
    .await?;
    Ok(since.map(Instant::from))
}

/// The cases whose tips have waited since then or longer, the longest first.
pub(crate) async fn unverified(conn: &mut PgConnection, since: Instant, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "SELECT id FROM case_file WHERE unverified_since <= $1 ORDER BY unverified_since, id LIMIT $2",
        PgInstant(since) as PgInstant,
        limit
    )
    .fetch_all(conn)
    .await
}

/// These cases and those in which they ended, on to the last. Without locks: any of them may be merged before it is
/// locked.
pub(crate) async fn with_successors(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"WITH RECURSIVE way (id) AS (
               SELECT UNNEST($1::uuid[])
               UNION
               SELECT c.merged_into FROM way JOIN case_file c ON c.id = way.id WHERE c.merged_into IS NOT NULL)
           SELECT id AS "id!" FROM way"#,
        ids
    )
    .fetch_all(conn)
    .await
}

/// One case, without a lock.
pub(crate) async fn get(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Case>> {
    let body = sqlx::query_scalar!(r#"SELECT body AS "body: Json<Case>" FROM case_file WHERE id = $1"#, id)
        .fetch_optional(conn)
        .await?;
    Ok(body.map(|body| body.0))
}

/// The case that has an instruction, without a lock.
pub(crate) async fn of_instruction(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Case>> {
    let body = sqlx::query_scalar!(
        r#"SELECT c.body AS "body: Json<Case>" FROM instruction i JOIN case_file c ON c.id = i.case_id WHERE i.id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(body.map(|body| body.0))
}

/// Which cases to list: of a region, in these states (all when empty), before the last of the page before.
pub(crate) struct CaseFilter<'a> {
    pub(crate) region: &'a Region,
    /// Villages of the region, when it is a work area.
    pub(crate) villages: Vec<String>,
    pub(crate) states: Vec<i16>,
    /// All states asked for are open ones: the small index serves.
    pub(crate) open_only: bool,
    /// Only these acts and sources; none where the filter does not name any.
    pub(crate) kinds: Option<Kinds>,
    /// Reached from the first to before the second.
    pub(crate) reached: (Instant, Instant),
    pub(crate) before: Option<(Instant, Uuid)>,
    pub(crate) limit: i64,
}

/// One query per column that a region is looked for by, so that each has its index; `$sql` narrows the case.
macro_rules! page {
    ($conn:expr, $filter:expr, $where:literal $(, $region:expr)?) => {{
        let (at, id) = $filter.start();
        let bodies = sqlx::query_scalar!(
            r#"SELECT body AS "body: Json<Case>" FROM case_file
               WHERE ($1::smallint[] = '{}' OR state = ANY($1)) AND (reached_at, id) < ($2, $3) AND reached_at >= $5 AND "# + $where
                + r#" ORDER BY reached_at DESC, id DESC LIMIT $4"#,
            &$filter.states,
            PgInstant(at) as PgInstant,
            id,
            $filter.limit,
            PgInstant($filter.reached.0) as PgInstant
            $(, $region)?
        )
        .fetch_all($conn)
        .await?;
        Ok(bodies.into_iter().map(|body| body.0).collect())
    }};
}

impl CaseFilter<'_> {
    /// Behind which key the page begins: that of the page before, or the end of the time asked for.
    pub(crate) fn start(&self) -> (Instant, Uuid) {
        let end = (self.reached.1, Uuid::nil());
        self.before.map_or(end, |before| before.min(end))
    }
}

/// A page of cases, newest first.
pub(crate) async fn list(conn: &mut PgConnection, filter: &CaseFilter<'_>) -> sqlx::Result<Vec<Case>> {
    if let Some(kinds) = &filter.kinds {
        return filtered::list(conn, filter, kinds).await;
    }
    let code = filter.region.code().to_string();
    match (filter.region.level(), filter.open_only) {
        (Level::City, false) => page!(conn, filter, "TRUE"),
        (Level::City, true) => page!(conn, filter, "NOT closed"),
        (Level::County, false) => page!(conn, filter, "county = $6", code),
        (Level::County, true) => page!(conn, filter, "county = $6 AND NOT closed", code),
        (Level::Township, false) => page!(conn, filter, "township = $6", code),
        (Level::Township, true) => page!(conn, filter, "township = $6 AND NOT closed", code),
        (Level::Village, _) => page!(conn, filter, "village = $6", code),
        (Level::WorkArea, _) => page!(conn, filter, "village = ANY($6)", &filter.villages),
    }
}
