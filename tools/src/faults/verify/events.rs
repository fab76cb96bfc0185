//! Event logs: of each acknowledged write the events that it causes, once each, and each aggregate's history without a hole.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Databases, Promised, What, findings::Findings};
use crate::client::Service;

/// Who logs it, and its type without the package.
type Name = (Service, &'static str);

/// The events that a write causes, at once or as soon as the next service has heard of it.
fn caused(what: What) -> &'static [Name] {
    use Service::{Dispatch, Intake};
    match what {
        What::Recorded => &[(Intake, "SuspicionRecorded")],
        What::Notified => &[(Intake, "SecretaryNotified")],
        What::ReportedUp => &[(Intake, "ReportedUp"), (Dispatch, "CaseOpened")],
        What::Instructed => &[(Dispatch, "AgencyInstructed")],
        What::Escalated => &[(Dispatch, "Escalated")],
        What::Assigned => &[(Dispatch, "DepartmentInstructed")],
        What::AgencyResult => &[
            (Dispatch, "InstructionDelivered"),
            (Dispatch, "ResultSubmitted"),
            (Dispatch, "ActConfirmed"),
            (Dispatch, "MeasureRecorded"),
        ],
        What::DepartmentResult => &[
            (Dispatch, "InstructionDelivered"),
            (Dispatch, "DepartmentResponded"),
            (Dispatch, "ResultSubmitted"),
            (Dispatch, "ActConfirmed"),
            (Dispatch, "MeasureRecorded"),
        ],
        What::Responded => &[(Dispatch, "InstructionDelivered"), (Dispatch, "DepartmentResponded")],
        What::HandedIn => &[(Dispatch, "ResultSubmitted"), (Dispatch, "ActConfirmed"), (Dispatch, "MeasureRecorded")],
        What::Accepted => &[(Dispatch, "OutcomeAvailable")],
        What::FedBack => &[(Dispatch, "FedBack"), (Dispatch, "OutcomeAvailable")],
        What::Published => &[(Intake, "ResultPublished"), (Dispatch, "CaseClosed")],
    }
}

pub(super) async fn logged(
    promised: &Promised,
    databases: &mut Databases,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let ids = promised.ids();
    let mut counts: BTreeMap<(Uuid, &'static str, String), usize> = BTreeMap::new();
    for (service, connection) in databases.all() {
        let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
            "SELECT aggregate_id, event_type, sequence FROM event_log WHERE aggregate_id = ANY($1) ORDER BY aggregate_id, sequence",
        )
        .bind(&ids)
        .fetch_all(&mut *connection)
        .await?;
        for (case, event_type, _) in rows {
            let name = event_type.rsplit('.').next().unwrap_or_default().to_owned();
            *counts.entry((case, service.name(), name)).or_default() += 1;
        }
        holes(service, connection, findings).await?;
    }
    for (case, writes) in &promised.cases {
        for (service, name) in writes.iter().flat_map(|what| caused(*what)) {
            let found = counts.remove(&(*case, service.name(), (*name).to_owned())).unwrap_or(0);
            findings.count(&format!("{}: {name} of {case}", service.name()), found, 1);
        }
    }
    for (case, writes) in &promised.perhaps {
        for (service, name) in writes.iter().flat_map(|what| caused(*what)) {
            let found = counts.remove(&(*case, service.name(), (*name).to_owned())).unwrap_or(0);
            findings.count(&format!("{}: {name} of {case}", service.name()), found, found.min(1));
        }
    }
    for ((case, service, name), count) in counts {
        findings.doubled(format!("{service}: {count} {name} of {case}, which no write caused"));
    }
    Ok(())
}

/// The sequences of every aggregate run from 1 without a hole, and no event has the id of another.
async fn holes(service: Service, connection: &mut sqlx::PgConnection, findings: &mut Findings) -> anyhow::Result<()> {
    let rows: Vec<(String, Uuid, i64, i64, i64)> = sqlx::query_as(
        "SELECT source, aggregate_id, count(*), count(DISTINCT sequence), max(sequence) FROM event_log
         GROUP BY 1, 2 HAVING count(*) <> max(sequence) OR count(DISTINCT sequence) <> count(*)",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (source, aggregate, count, different, last) in rows {
        let what = format!("{}: history of {aggregate} by {source}: {count} events up to {last}", service.name());
        if different < count { findings.doubled(what) } else { findings.lost(what) }
    }
    let (twice,): (i64,) =
        sqlx::query_as("SELECT count(*) - count(DISTINCT event_id) FROM event_log").fetch_one(connection).await?;
    findings.count(&format!("{}: ids of two events", service.name()), usize::try_from(twice)?, 0);
    Ok(())
}
