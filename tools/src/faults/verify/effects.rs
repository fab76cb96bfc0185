//! What the other services made of the events: obligations, facts and figures; and that nothing waits any more.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Databases, Promised, What, findings::Findings};

/// The clocks of a case that went all its way through the township's branch, and of one through the county's.
const TOWNSHIP: &[&str] = &["P1", "T1", "T2", "V1", "V2", "V3"];
const COUNTY: &[&str] = &["K1", "K2", "K3", "K4", "P1", "T1", "V1", "V2", "V3"];
/// The columns of the monthly table in which such a case counts at all.
const COLUMNS: &[i16] = &[2, 7];

/// Each finished case has each of its clocks once, stopped and announced as such once, and none was breached.
pub(super) async fn obligations(
    promised: &Promised,
    databases: &mut Databases,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let rows: Vec<(Uuid, Uuid, String, bool, bool)> = sqlx::query_as(
        "SELECT id, case_id, clock, breached, end_announced IS NOT NULL FROM obligation WHERE case_id = ANY($1)",
    )
    .bind(promised.ids())
    .fetch_all(&mut databases.sla)
    .await?;
    let told: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT aggregate_id, count(*) FROM event_log WHERE event_type LIKE '%.Settled' OR event_type LIKE '%.Cancelled' GROUP BY 1",
    )
    .fetch_all(&mut databases.sla)
    .await?;
    let told: BTreeMap<Uuid, i64> = told.into_iter().collect();
    let mut clocks: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for (id, case, clock, breached, ended) in rows {
        let times = usize::try_from(told.get(&id).copied().unwrap_or(0)).unwrap_or(usize::MAX);
        if breached {
            findings.doubled(format!("sla-monitor: a breach of {clock} of {case}"));
        }
        if promised.cases.get(&case).is_some_and(|writes| writes.contains(&What::Published)) {
            findings.count(&format!("sla-monitor: the end of {clock} of {case}"), usize::from(ended), 1);
            findings.count(&format!("sla-monitor: word of the end of {clock} of {case}"), times, 1);
        }
        clocks.entry(case).or_default().push(clock);
    }
    for (case, writes) in promised.cases.iter().filter(|(_, writes)| writes.contains(&What::Published)) {
        let wanted = if writes.contains(&What::Assigned) { COUNTY } else { TOWNSHIP };
        let mut found = clocks.remove(case).unwrap_or_default();
        found.sort_unstable();
        let mut lacking: Vec<&str> = wanted.to_vec();
        for clock in &found {
            match lacking.iter().position(|known| known == clock) {
                Some(at) => drop(lacking.remove(at)),
                None => findings.doubled(format!("sla-monitor: {clock} of {case} among {found:?}")),
            }
        }
        for clock in lacking {
            findings.lost(format!("sla-monitor: {clock} of {case}"));
        }
    }
    Ok(())
}

/// Each finished case counts in its columns, once at each unit; and every cell is the sum of its facts.
pub(super) async fn figures(
    promised: &Promised,
    databases: &mut Databases,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let rows: Vec<(Uuid, i16, i64, i64)> = sqlx::query_as(
        "SELECT case_id, col, count(*), count(DISTINCT (unit_id, source)) FROM fact WHERE case_id = ANY($1) GROUP BY 1, 2",
    )
    .bind(promised.ids())
    .fetch_all(&mut databases.reporting)
    .await?;
    let facts: BTreeMap<(Uuid, i16), (i64, i64)> =
        rows.into_iter().map(|(case, col, all, different)| ((case, col), (all, different))).collect();
    for ((case, col), (all, different)) in &facts {
        if all != different {
            findings.doubled(format!("reporting: {all} facts of {case} in column {col} at {different} units"));
        }
    }
    for case in promised.with(What::Published) {
        for col in COLUMNS.iter().filter(|col| !facts.contains_key(&(case, **col))) {
            findings.lost(format!("reporting: {case} in column {col}"));
        }
    }
    cells(databases, findings).await?;
    let (twice,): (i64,) =
        sqlx::query_as("SELECT count(*) - count(DISTINCT (source, aggregate_id, sequence)) FROM received")
            .fetch_one(&mut databases.reporting)
            .await?;
    findings.count("reporting: events received twice", usize::try_from(twice)?, 0);
    Ok(())
}

async fn cells(databases: &mut Databases, findings: &mut Findings) -> anyhow::Result<()> {
    let wrong: Vec<(Uuid, i32, String, i16, i64, i64)> = sqlx::query_as(
        "WITH counted AS (
             SELECT unit_id, month, sector, col,
                    (COALESCE(sum(amount) FILTER (WHERE distinct_key IS NULL), 0) + count(DISTINCT distinct_key))::bigint AS value
             FROM fact GROUP BY 1, 2, 3, 4)
         SELECT unit_id, month, sector, col, COALESCE(cell.value, 0), COALESCE(counted.value, 0)
         FROM cell FULL JOIN counted USING (unit_id, month, sector, col)
         WHERE COALESCE(cell.value, 0) <> COALESCE(counted.value, 0)",
    )
    .fetch_all(&mut databases.reporting)
    .await?;
    for (unit, month, sector, col, shown, counted) in wrong {
        let what = format!("reporting: column {col} of {sector} in {month} at {unit} shows {shown}, facts {counted}");
        if shown < counted { findings.lost(what) } else { findings.doubled(what) }
    }
    Ok(())
}

/// No outbox has anything left, and no consumer has put anything aside.
pub(super) async fn leftovers(databases: &mut Databases, findings: &mut Findings) -> anyhow::Result<()> {
    for (service, connection) in databases.all() {
        for (what, query) in [
            ("events in the outbox", "SELECT count(*) FROM outbox"),
            ("parked events", "SELECT count(*) FROM parked_event"),
            ("dead letters", "SELECT count(*) FROM dead_letter WHERE replayed_at IS NULL"),
        ] {
            let (left,): (i64,) = sqlx::query_as(query).fetch_one(&mut *connection).await?;
            if left > 0 {
                findings.lost(format!("{}: {left} {what}", service.name()));
            }
        }
    }
    Ok(())
}
