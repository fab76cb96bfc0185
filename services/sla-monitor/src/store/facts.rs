//! The facts of cases.

use std::collections::HashMap;

use dafei_sla_core::{CaseFacts, Fact};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::facts::CaseFact;

/// Advisory lock under which facts are added: both publishers' facts of one case meet in one ledger, and the later must see the earlier.
const LOCK: i64 = 0x6461_6665_0300_0001;

/// Waits for the other consumer's transaction. Taken before anything else is locked, and by nothing that waits for rows of its own.
pub(crate) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(r#"SELECT pg_advisory_xact_lock($1)::text AS "locked""#, LOCK).fetch_one(conn).await?;
    Ok(())
}

/// Facts by columns.
struct Columns<'a> {
    cases: Vec<Uuid>,
    sources: Vec<&'static str>,
    sequences: Vec<i64>,
    bodies: Vec<Json<&'a Fact>>,
}

impl<'a> Columns<'a> {
    fn of(facts: &'a [CaseFact]) -> Self {
        Self {
            cases: facts.iter().map(|fact| fact.case_id).collect(),
            sources: facts.iter().map(|fact| fact.fact.source.code()).collect(),
            sequences: facts.iter().map(|fact| fact.fact.sequence).collect(),
            bodies: facts.iter().map(|fact| Json(&fact.fact)).collect(),
        }
    }
}

/// Adds facts; those that are known already stay as they are.
pub(crate) async fn add(conn: &mut PgConnection, facts: &[CaseFact]) -> sqlx::Result<()> {
    let columns = Columns::of(facts);
    sqlx::query!(
        "INSERT INTO case_fact (case_id, source, sequence, body)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::jsonb[])
         ON CONFLICT DO NOTHING",
        &columns.cases,
        &columns.sources as &[&str],
        &columns.sequences,
        &columns.bodies as &[Json<&Fact>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds facts as [`add`] does, and answers with all facts of their cases; under [`lock`], so that nothing comes between.
pub(crate) async fn add_and_read(
    conn: &mut PgConnection,
    told: &[CaseFact],
    cases: &[Uuid],
) -> sqlx::Result<Vec<CaseFacts>> {
    let columns = Columns::of(told);
    // Reads what was there before: what is added is known, and need not come back.
    let before = sqlx::query_as!(
        Row,
        r#"WITH added AS (
               INSERT INTO case_fact (case_id, source, sequence, body)
               SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::jsonb[])
               ON CONFLICT DO NOTHING)
           SELECT f.case_id AS "case_id!", f.body AS "body!: Json<Fact>" FROM UNNEST($5::uuid[]) AS asked (id)
           CROSS JOIN LATERAL (SELECT case_id, body FROM case_fact WHERE case_id = asked.id OFFSET 0) f"#,
        &columns.cases,
        &columns.sources as &[&str],
        &columns.sequences,
        &columns.bodies as &[Json<&Fact>],
        cases
    )
    .fetch_all(conn)
    .await?;
    // Those that were there go first: a fact that is told again stays as it is.
    let told = told.iter().map(|fact| (fact.case_id, fact.fact.clone()));
    Ok(by_case(cases, before.into_iter().map(|row| (row.case_id, row.body.0)).chain(told)))
}

/// All facts of these cases.
pub(crate) async fn of_cases(conn: &mut PgConnection, cases: &[Uuid]) -> sqlx::Result<Vec<CaseFacts>> {
    let rows = sqlx::query_as!(
        Row,
        // LATERAL with an offset: the index is probed for each case, also while the planner knows nothing of the table.
        r#"SELECT f.case_id AS "case_id!", f.body AS "body!: Json<Fact>" FROM UNNEST($1::uuid[]) AS asked (id)
           CROSS JOIN LATERAL (SELECT case_id, body FROM case_fact WHERE case_id = asked.id OFFSET 0) f"#,
        cases
    )
    .fetch_all(conn)
    .await?;
    Ok(by_case(cases, rows.into_iter().map(|row| (row.case_id, row.body.0))))
}

/// A fact as it is read.
struct Row {
    case_id: Uuid,
    body: Json<Fact>,
}

/// The sets of these cases; of a fact that comes twice the first counts.
fn by_case(cases: &[Uuid], facts: impl Iterator<Item = (Uuid, Fact)>) -> Vec<CaseFacts> {
    let mut found: HashMap<Uuid, CaseFacts> = cases.iter().map(|case| (*case, CaseFacts::new(*case))).collect();
    for (case, fact) in facts {
        if let Some(set) = found.get_mut(&case) {
            set.add(fact);
        }
    }
    found.into_values().collect()
}

/// Forgets all facts that the streams tell, and the watermarks, for a rebuild: obligations and what was announced of them stay, and what the
/// reconciler found, which no stream tells.
pub(crate) async fn clear(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM case_fact WHERE source <> 'reconciler'").execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM watermark").execute(conn).await?;
    Ok(())
}
