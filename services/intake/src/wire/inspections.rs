//! Inspections as the API and the events carry them.

use dafei_contracts::{events::v1 as ev, intake::v1 as api};
use dafei_kernel::inspection::ActFound;

use super::{ids, optional_id};
use crate::store::inspections::Inspection;

/// An inspection as the API shows it.
pub(crate) fn inspection(inspection: &Inspection) -> api::Inspection {
    api::Inspection {
        inspection_id: inspection.id.to_string(),
        region: Some((&inspection.region).into()),
        by: Some((&inspection.by).into()),
        subject: Some((&inspection.subject).into()),
        sector: inspection.sector.code().to_owned(),
        enforcement: inspection.enforcement,
        inspected_at: Some(inspection.inspected_at.into()),
        received_at: Some(inspection.received_at.into()),
        situation: inspection.situation.clone(),
        acts: acts(&inspection.acts),
        measures: inspection.measures.iter().map(Into::into).collect(),
        outside_scope: inspection.outside_scope,
        evidence_ids: ids(&inspection.evidence),
    }
}

/// Acts that were found.
pub(crate) fn acts(acts: &[ActFound]) -> Vec<ev::InspectionAct> {
    let act = |found: &ActFound| ev::InspectionAct {
        act: found.act.code().to_owned(),
        act_text: found.text.clone(),
        case_id: optional_id(found.case),
    };
    acts.iter().map(act).collect()
}

/// What a caller told, as an agency's system tells it.
pub(crate) fn report(body: &api::RecordInspectionRequest) -> ev::InspectionReport {
    ev::InspectionReport {
        region: body.region.clone(),
        subject: body.subject.clone(),
        sector: body.sector.clone(),
        enforcement: body.enforcement,
        inspected_at: body.inspected_at,
        situation: body.situation.clone(),
        acts: body.acts.clone(),
        measures: body.measures.clone(),
        outside_scope: body.outside_scope,
    }
}
