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

/// Adds facts; those that are known already stay as they are.
pub(crate) async fn add(conn: &mut PgConnection, facts: &[CaseFact]) -> sqlx::Result<()> {
    let cases: Vec<Uuid> = facts.iter().map(|fact| fact.case_id).collect();
    let sources: Vec<&str> = facts.iter().map(|fact| fact.fact.source.code()).collect();
    let sequences: Vec<i64> = facts.iter().map(|fact| fact.fact.sequence).collect();
    let bodies: Vec<Json<&Fact>> = facts.iter().map(|fact| Json(&fact.fact)).collect();
    sqlx::query!(
        "INSERT INTO case_fact (case_id, source, sequence, body)
         SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::jsonb[])
         ON CONFLICT DO NOTHING",
        &cases,
        &sources as &[&str],
        &sequences,
        &bodies as &[Json<&Fact>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// All facts of these cases.
pub(crate) async fn of_cases(conn: &mut PgConnection, cases: &[Uuid]) -> sqlx::Result<Vec<CaseFacts>> {
    let rows =
        sqlx::query!(r#"SELECT case_id, body AS "body: Json<Fact>" FROM case_fact WHERE case_id = ANY($1)"#, cases)
            .fetch_all(conn)
            .await?;
    let mut found: HashMap<Uuid, CaseFacts> = cases.iter().map(|case| (*case, CaseFacts::new(*case))).collect();
    for row in rows {
        if let Some(case) = found.get_mut(&row.case_id) {
            case.add(row.body.0);
        }
    }
    Ok(found.into_values().collect())
}

/// Forgets all facts that the streams tell, and the watermarks, for a rebuild: obligations and what was announced of them stay, and what the
/// reconciler found, which no stream tells.
pub(crate) async fn clear(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("DELETE FROM case_fact WHERE source <> 'reconciler'").execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM watermark").execute(conn).await?;
    Ok(())
}
