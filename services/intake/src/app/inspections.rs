//! Recording an inspection (clauses A3, C17, C19).

use dafei_contracts::{events::v1 as ev, intake::v1 as api};
use dafei_intake_core::inspection::{self as rules, Record};
use dafei_kernel::{owner::Post, region::RegionPath};
use dafei_messaging::{log, requests::RequestKey};
use dafei_runtime::{status::Fault, telemetry};
use dafei_shell::{
    faults,
    once::{self, Begun, Once},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::{App, photos},
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
    pub(crate) record: Record,
    pub(crate) enforcement: bool,
    pub(crate) situation: String,
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
    rules::check(&new.record, once.now).map_err(|flaw| {
        let (reason, zh) = (flaw.reason.code(), flaw.reason.zh());
        Fault::field(flaw.field.clone(), reason, flaw.to_string(), zh)
    })?;
    photos::within(once.conn(), &new.evidence, &app.roster.current(), new.path.leaf()).await?;
    let Record { subject, sector, inspected_at, acts, measures, outside_scope, in_roster: _ } = new.record;
    let inspection = Inspection {
        id: app.ids.ordered(once.now),
        region: new.path.leaf().clone(),
        by: new.by,
        subject,
        sector,
        enforcement: new.enforcement,
        outside_scope,
        inspected_at,
        received_at: once.now,
        situation: new.situation,
        acts,
        measures,
        evidence: new.evidence,
    };
    inspections::insert(once.conn(), &inspection, &new.path).await.map_err(faults::database)?;
    publish(app, once.conn(), &inspection, &new.path).await?;
    let answer = api::RecordInspectionResponse { inspection: Some(inspections_wire::inspection(&inspection)) };
    once.finish(answer).await
}

/// An inspection has one event, so its head is kept nowhere.
async fn publish(app: &App, conn: &mut PgConnection, inspection: &Inspection, path: &RegionPath) -> Result<(), Fault> {
    let meta = Meta {
        aggregate: inspection.id,
        sequence: 1,
        path,
        actor: Some(&inspection.by),
        received_at: inspection.received_at,
        claimed_at: Some(inspection.inspected_at),
        chain: String::new(),
    };
    let (event, trace) = (told(inspection), telemetry::current_traceparent());
    let row = work::row(app, inspection.received_at, event.into(), meta, trace, &mut Head::default())
        .map_err(Fault::internal)?;
    log::append(conn, &[row]).await.map_err(|error| once::failed(error.into()))
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
