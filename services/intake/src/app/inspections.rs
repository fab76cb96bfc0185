//! Recording an inspection (clauses A3, C17, C19): by an inspector's call, or from an agency's own system, whose word dispatch has taken.

use std::collections::HashSet;

use dafei_contracts::{
    catalogue::EventError,
    convert::{self, ConvertError, Inspected},
    events::v1 as ev,
    intake::v1 as api,
};
use dafei_kernel::{
    inspection::{self as rules, Flaw, Record},
    owner::Post,
    region::RegionPath,
    roster::RosterIndex,
    time::Instant,
};
use dafei_messaging::{consumer::HandlerError, event::NewEvent, log, requests::RequestKey};
use dafei_runtime::{status::Fault, telemetry};
use dafei_shell::{
    faults,
    once::{self, Begun, Once},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::{App, photos},
    consumer::retry,
    publisher::Meta,
    store::{
        heads::Head,
        inspections::{self, Inspection},
    },
    wire::{self, inspections as inspections_wire},
    work,
};

/// An inspection on its way; the path leads to the place.
pub(crate) struct NewInspection {
    pub(crate) request: (RequestKey, [u8; 32]),
    pub(crate) by: Post,
    pub(crate) path: RegionPath,
    pub(crate) told: Inspected,
    pub(crate) evidence: Vec<Uuid>,
}

/// Records an inspection.
///
/// # Errors
/// When its parts do not fit together, a photo is not of the place, or the database is away.
pub(crate) async fn record(app: &App, new: NewInspection) -> Result<api::RecordInspectionResponse, Fault> {
    let (key, hash) = new.request;
    let mut once = match Once::begin(&app.pool, &*app.clock, key, &hash).await? {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    rules::check(&new.told.record, once.now).map_err(|flaw| {
        let (reason, zh) = (flaw.reason.code(), flaw.reason.zh());
        Fault::field(flaw.field.clone(), reason, flaw.to_string(), zh)
    })?;
    photos::within(once.conn(), &new.evidence, &app.roster.current(), new.path.leaf()).await?;
    let id = app.ids.ordered(once.now);
    let kept = (inspection(id, new.by, new.told, once.now, new.evidence), new.path);
    inspections::insert(once.conn(), &[&kept]).await.map_err(faults::database)?;
    let event = event(app, once.now, &kept, telemetry::current_traceparent()).map_err(Fault::internal)?;
    log::append(once.conn(), &[event]).await.map_err(|error| once::failed(error.into()))?;
    let answer = api::RecordInspectionResponse { inspection: Some(inspections_wire::inspection(&kept.0)) };
    once.finish(answer).await
}

/// An inspection that an agency's own system told of. Its id follows from the unit and the id of the feedback.
pub(crate) struct Reported {
    pub(crate) id: Uuid,
    pub(crate) by: Post,
    pub(crate) report: ev::InspectionReport,
    /// When the bus had it.
    pub(crate) at: Instant,
    pub(crate) traceparent: Option<String>,
}

/// Why what dispatch took cannot be recorded: the roster here is another than it was there.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Field(#[from] ConvertError),
    #[error(transparent)]
    Flaw(#[from] Flaw),
    #[error("region: not in the roster below the unit's region")]
    Region,
}

/// Records the inspections that dispatch has taken; one that is there already stays as it is.
///
/// # Errors
/// The first that cannot be recorded, by its place in the batch: it becomes a dead letter.
pub(crate) async fn take(
    app: &App,
    conn: &mut PgConnection,
    reported: Vec<(usize, Reported)>,
) -> Result<(), HandlerError> {
    if reported.is_empty() {
        return Ok(());
    }
    let roster = app.roster.current();
    let mut kept = Vec::with_capacity(reported.len());
    for (index, one) in reported {
        let trace = one.traceparent.clone();
        let read = read(&roster, one).map_err(|why| HandlerError::Reject { index, reason: why.to_string() })?;
        kept.push((index, read, trace));
    }
    let rows: Vec<_> = kept.iter().map(|(_, row, _)| row).collect();
    let new: HashSet<Uuid> = inspections::insert(conn, &rows).await?.into_iter().collect();
    let mut events = Vec::with_capacity(new.len());
    for (index, row, trace) in kept.iter().filter(|(_, row, _)| new.contains(&row.0.id)) {
        let event = event(app, app.clock.now(), row, trace.clone());
        events.push(event.map_err(|why| HandlerError::Reject { index: *index, reason: why.to_string() })?);
    }
    log::append(conn, &events).await.map_err(|error| retry(error.into()))
}

/// Checked as a call is, at the instant at which the bus had it: how late intake reads it refuses nothing.
fn read(roster: &RosterIndex, one: Reported) -> Result<(Inspection, RegionPath), Unfit> {
    let told = convert::inspection(roster, &one.report)?;
    let path = roster.path(&told.region).ok_or(Unfit::Region)?;
    if !roster.contains(&one.by.region, &told.region) {
        return Err(Unfit::Region);
    }
    rules::check(&told.record, one.at)?;
    Ok((inspection(one.id, one.by, told, one.at, Vec::new()), path))
}

fn inspection(id: Uuid, by: Post, told: Inspected, received_at: Instant, evidence: Vec<Uuid>) -> Inspection {
    let Record { subject, sector, inspected_at, acts, measures, outside_scope, in_roster: _ } = told.record;
    Inspection {
        id,
        region: told.region,
        by,
        subject,
        sector,
        enforcement: told.enforcement,
        outside_scope,
        inspected_at,
        received_at,
        situation: told.situation,
        acts,
        measures,
        evidence,
    }
}

/// An inspection has one event, so its head is kept nowhere.
fn event(
    app: &App,
    now: Instant,
    (inspection, path): &(Inspection, RegionPath),
    trace: Option<String>,
) -> Result<NewEvent, EventError> {
    let meta = Meta {
        aggregate: inspection.id,
        sequence: 1,
        path,
        actor: Some(&inspection.by),
        person: "",
        received_at: inspection.received_at,
        claimed_at: Some(inspection.inspected_at),
        chain: String::new(),
    };
    work::row(app, now, told(inspection).into(), meta, trace, &mut Head::default())
}

fn told(inspection: &Inspection) -> ev::InspectionRecorded {
    ev::InspectionRecorded {
        meta: None,
        inspection_id: inspection.id.to_string(),
        by: Some((&inspection.by).into()),
        subject: Some((&inspection.subject).into()),
        sector: inspection.sector.code().to_owned(),
        enforcement: inspection.enforcement,
        inspected_at: Some(inspection.inspected_at.into()),
        acts: inspections_wire::acts(&inspection.acts),
        measures: inspection.measures.iter().map(Into::into).collect(),
        outside_scope: inspection.outside_scope,
        evidence_ids: wire::ids(&inspection.evidence),
    }
}
