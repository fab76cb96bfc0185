//! Inspections as the API and the events carry them.

use dafei_contracts::{
    convert::{self, ConvertError},
    events::v1 as ev,
    intake::v1 as api,
};
use dafei_intake_core::inspection::ActFound;
use dafei_kernel::region::{Level, Region};

use super::{ids, optional_id};
use crate::store::inspections::Inspection;

/// Longest text of an act xx-99, in characters.
const ACT_TEXT: usize = 500;

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

/// An act as given; whether it fits the inspection is the rules' to say.
pub(crate) fn given_act(wire: &ev::InspectionAct) -> Result<ActFound, ConvertError> {
    Ok(ActFound {
        act: convert::act("act", &wire.act)?,
        text: convert::optional_text("act_text", &wire.act_text, ACT_TEXT)?,
        case: if wire.case_id.is_empty() { None } else { Some(convert::uuid("case_id", &wire.case_id)?) },
    })
}

/// The place of an inspection: a village or a township.
pub(crate) fn place(wire: Option<&dafei_contracts::types::v1::Region>) -> Result<Region, ConvertError> {
    let region = convert::region("region", wire)?;
    if matches!(region.level(), Level::Village | Level::Township) {
        return Ok(region);
    }
    Err(ConvertError {
        field: "region.level".to_owned(),
        reason: "WRONG_LEVEL",
        description: "is neither a village nor a township".to_owned(),
        description_zh: "应填写村居或乡镇".to_owned(),
    })
}
