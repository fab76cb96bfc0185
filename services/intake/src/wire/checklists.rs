//! Checklists as the API carries them.

use dafei_contracts::{
    convert::{self, ConvertError},
    intake::v1 as api,
};
use dafei_intake_core::checklist::{Checklist, MAX_KINDS, MAX_STEPS, ObjectKind, Step};
use dafei_kernel::{
    region::{Level, Region},
    sector::Sector,
};
use uuid::Uuid;

use crate::store::checklists::Version;

/// A version.
pub(crate) fn checklist(version: &Version) -> api::Checklist {
    let body = &version.body.0;
    let kind = |kind: &ObjectKind| api::ObjectKind { id: kind.id.clone(), name: kind.name.clone() };
    let step = |step: &Step| api::Step {
        id: step.id.clone(),
        text: step.text.clone(),
        standard: step.standard.clone(),
        example: step.example.clone(),
        example_evidence_id: step.example_evidence.map(|id| id.to_string()).unwrap_or_default(),
        required: step.required,
        object_kinds: step.kinds.clone(),
    };
    api::Checklist {
        checklist_id: version.id.clone(),
        version: u32::try_from(version.version).unwrap_or(0),
        sector: body.sector.code().to_owned(),
        county: Region::new(Level::County, &version.county).ok().as_ref().map(Into::into),
        title: body.title.clone(),
        object_kinds: body.kinds.iter().map(kind).collect(),
        steps: body.steps.iter().map(step).collect(),
        put_at: Some(version.put_at.0.into()),
    }
}

/// What a new version shall say; whether it can be used is the core's to judge.
pub(crate) fn contents(request: &api::PutChecklistRequest) -> Result<Checklist, ConvertError> {
    let sector: Sector = match request.sector.as_str() {
        "" => return Err(ConvertError::required("sector")),
        code => code.parse().map_err(|_| ConvertError::unknown("sector", "UNKNOWN_SECTOR", code, "没有这个领域"))?,
    };
    // The rest of what is over the limit is not looked at: the core names the list.
    let kinds = request.object_kinds.iter().take(MAX_KINDS + 1);
    let steps = request.steps.iter().take(MAX_STEPS + 1).enumerate();
    Ok(Checklist {
        sector,
        title: request.title.trim().to_owned(),
        kinds: kinds.map(|kind| ObjectKind { id: kind.id.clone(), name: kind.name.trim().to_owned() }).collect(),
        steps: steps.map(|(at, given)| step(at, given)).collect::<Result<_, _>>()?,
    })
}

fn step(at: usize, step: &api::Step) -> Result<Step, ConvertError> {
    let picture = |text: &str| convert::uuid(&format!("steps[{at}].example_evidence_id"), text);
    let example_evidence: Option<Uuid> =
        Some(step.example_evidence_id.as_str()).filter(|text| !text.is_empty()).map(picture).transpose()?;
    Ok(Step {
        id: step.id.clone(),
        text: step.text.trim().to_owned(),
        standard: step.standard.trim().to_owned(),
        example: step.example.trim().to_owned(),
        example_evidence,
        required: step.required,
        kinds: step.object_kinds.clone(),
    })
}
