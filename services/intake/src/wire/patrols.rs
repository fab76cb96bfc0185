//! Patrols as the API shows them.

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::device_time::{self, DeviceTimes};

use super::ids;
use crate::store::{
    patrol_months::Tombstone,
    patrols::{Answered, KeptAnswer, Patrol, SKEWED, village},
};

/// A patrol.
pub(crate) fn patrol(patrol: &Patrol) -> api::Patrol {
    let body = &patrol.body;
    let device = DeviceTimes { happened: body.device_time, sent: body.device_sent_at };
    let offset = device_time::offset(device, patrol.received_at);
    let checklist = body.checklist.as_ref();
    api::Patrol {
        patrol_id: patrol.id.to_string(),
        village: village(patrol.village).as_ref().map(Into::into),
        object: body.object.clone(),
        situation: body.situation.clone(),
        evidence_ids: ids(&body.evidence),
        patrolled_at: Some(patrol.patrolled_at.into()),
        received_at: Some(patrol.received_at.into()),
        skewed: patrol.flags & SKEWED != 0,
        device_time: body.device_time.map(Into::into),
        device_offset_ms: offset.map(|micros| micros / 1_000),
        inspector: patrol.inspector.clone(),
        checklist_id: checklist.map(|answered| answered.id.clone()).unwrap_or_default(),
        checklist_version: checklist.map_or(0, version),
        object_kind: checklist.map(|answered| answered.kind.clone()).unwrap_or_default(),
        answers: checklist.map(|answered| answered.answers.iter().map(answer).collect()).unwrap_or_default(),
        reused_photos: patrol
            .reused
            .iter()
            .map(|reused| api::ReusedPhoto {
                evidence_id: reused.photo.to_string(),
                first_patrol_id: reused.first.to_string(),
            })
            .collect(),
        check_by_work_area: body.by_work_area,
    }
}

fn version(answered: &Answered) -> u32 {
    u32::try_from(answered.version).unwrap_or(0)
}

fn answer(answer: &KeptAnswer) -> api::KeptAnswer {
    api::KeptAnswer {
        step_id: answer.step.clone(),
        result: answer.result,
        note: answer.note.clone(),
        evidence_ids: ids(&answer.evidence),
        case_id: answer.case.map(|case| case.to_string()).unwrap_or_default(),
    }
}

/// What is left of a month.
pub(crate) fn tombstone(tombstone: &Tombstone) -> api::PatrolTombstone {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    api::PatrolTombstone {
        month: tombstone.month.clone(),
        patrols: count(tombstone.patrols),
        villages: u32::try_from(tombstone.villages).unwrap_or(0),
        first_at: tombstone.first_at.map(|at| at.0.into()),
        last_at: tombstone.last_at.map(|at| at.0.into()),
        sha256: tombstone.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
        dropped_at: Some(tombstone.dropped_at.0.into()),
        patrols_of_region: count(tombstone.of_region),
    }
}
