//! Answers, cases and instructions in the databases of intake and dispatch.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::{Databases, Promised, What, findings::Findings};
use crate::client::Service;

/// Each acknowledged write has its answer kept, under one method, or under those of a unit that responds and hands in with one id.
pub(super) async fn answers(
    promised: &Promised,
    databases: &mut Databases,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for (service, connection) in databases.all() {
        let asked: Vec<&str> =
            promised.requests.iter().filter(|(_, keeper)| *keeper == service).map(|(id, _)| id.as_str()).collect();
        let kept: Vec<(String, i64)> = sqlx::query_as(
            "SELECT request_id, count(*) - count(DISTINCT method) FROM request WHERE request_id = ANY($1) GROUP BY 1",
        )
        .bind(&asked as &[&str])
        .fetch_all(connection)
        .await?;
        let known: BTreeMap<&str, i64> = kept.iter().map(|(id, more)| (id.as_str(), *more)).collect();
        for id in asked {
            match known.get(id) {
                None => findings.lost(format!("{}: the answer to {id}", service.name())),
                Some(0) => {}
                Some(_) => findings.doubled(format!("{}: the answer to {id}", service.name())),
            }
        }
    }
    Ok(())
}

/// The suspicions are those that were acknowledged, and the cases those that were reported up: no more and no less.
pub(super) async fn sets(
    promised: &Promised,
    databases: &mut Databases,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let suspicions = ids(&mut databases.intake, "SELECT id FROM suspicion").await?;
    compare("intake: suspicion", promised, What::Recorded, &suspicions, findings);
    let cases = ids(&mut databases.dispatch, "SELECT id FROM case_file").await?;
    compare("dispatch: case", promised, What::ReportedUp, &cases, findings);
    let unfinished = &promised.with(What::Recorded) - &promised.with(What::Published);
    for id in unfinished.difference(&promised.perhaps_with(What::Published)) {
        findings.lost(format!("the load did not bring {id} to its end"));
    }
    let open = ids(&mut databases.dispatch, "SELECT id FROM case_file WHERE NOT closed").await?;
    for id in promised.with(What::Published).intersection(&open) {
        findings.lost(format!("dispatch: the closing of {id}"));
    }
    Ok(())
}

async fn ids(connection: &mut PgConnection, query: &'static str) -> sqlx::Result<BTreeSet<Uuid>> {
    let rows: Vec<(Uuid,)> = sqlx::query_as(query).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

fn compare(what: &str, promised: &Promised, by: What, found: &BTreeSet<Uuid>, findings: &mut Findings) {
    let told = promised.with(by);
    for id in told.difference(found) {
        findings.lost(format!("{what} {id}"));
    }
    for id in found.difference(&(&told | &promised.perhaps_with(by))) {
        findings.doubled(format!("{what} {id}, which nobody was told of"));
    }
}

/// Each case has the instructions of one assignment, and each of them went out to its agency once.
pub(super) async fn instructions(
    promised: &Promised,
    databases: &mut Databases,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let rows: Vec<(Uuid, Uuid, String)> =
        sqlx::query_as("SELECT id, case_id, agency FROM instruction").fetch_all(&mut databases.dispatch).await?;
    let sent: Vec<(String, i64)> = sqlx::query_as(
        "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'instructionId', count(*) FROM event_log
         WHERE stream = 'DAFEI_AGENCY' AND event_type LIKE '%.Instruction' GROUP BY 1",
    )
    .fetch_all(&mut databases.dispatch)
    .await?;
    let sent: BTreeMap<String, i64> = sent.into_iter().collect();
    let mut agencies: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for (id, case_id, agency) in rows {
        let times = usize::try_from(sent.get(&id.to_string()).copied().unwrap_or(0)).unwrap_or(usize::MAX);
        findings.count(&format!("dispatch: instruction {id} to {agency}"), times, 1);
        agencies.entry(case_id).or_default().push(agency);
    }
    for (case, writes) in &promised.cases {
        let told = agencies.remove(case).unwrap_or_default();
        let wanted = writes.iter().any(|what| matches!(what, What::Instructed | What::Assigned));
        if wanted && told.is_empty() {
            findings.lost(format!("{}: instructions of {case}", Service::Dispatch.name()));
        }
        let different = told.iter().collect::<BTreeSet<_>>().len();
        findings.count(&format!("dispatch: instructions of {case} to the same unit"), told.len(), different);
    }
    Ok(())
}
