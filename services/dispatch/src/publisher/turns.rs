//! The events of the turns that a case can take beside its way through the tiers.

use dafei_contracts::{Event as Public, events::v1 as ev};
use dafei_dispatch_core::case::{Case, Event, Tier};
use dafei_kernel::time::Instant;

use super::By;
use crate::wire;

/// Exposed with this text; none: taken back.
fn exposed(case: &Case, tier: Tier, text: Option<&str>) -> ev::CaseExposed {
    ev::CaseExposed {
        meta: None,
        case_id: case.facts.id.to_string(),
        tier: wire::tier(tier).into(),
        public_text: text.unwrap_or_default().to_owned(),
        retracted: text.is_none(),
        sector: case.facts.act.sector().code().to_owned(),
    }
}

pub(super) fn of(case: &Case, event: &Event) -> Option<Public> {
    let case_id = case.facts.id.to_string();
    Some(match event {
        Event::ExtensionRequested { instruction, working_days, reason, at } => {
            let by = By::of(case, *instruction);
            ev::ExtensionRequested {
                meta: None,
                case_id,
                assignee: by.assignee(),
                leg: by.leg(),
                working_days: *working_days,
                reason: reason.clone(),
                requested_at: Some((*at).into()),
            }
            .into()
        }
        Event::ExtensionDecided { instruction, working_days, asked_at, reason, .. } => {
            extension_decided(case, By::of(case, *instruction), *working_days, *asked_at, reason).into()
        }
        Event::ReworkOrdered { rejected, assignee, leg, reason, .. } => ev::ReworkOrdered {
            meta: None,
            case_id,
            rejected: By::of(case, *rejected).assignee(),
            assignee: Some(wire::assignee(assignee)),
            leg: *leg,
            tier: By::of(case, assignee.instruction).tier().into(),
            reason: reason.clone(),
        }
        .into(),
        Event::ComplianceRecorded { instruction, measure, compliance, .. } => ev::ComplianceRecorded {
            meta: None,
            case_id,
            measure: case.measures.get(measure).map(Into::into),
            by: By::of(case, *instruction).post(),
            compliance: Some((measure.as_str(), compliance).into()),
        }
        .into(),
        Event::Urged { tier, urging } => {
            let (to, text) = (Some((&urging.to).into()), urging.text.clone());
            let instruction_id = urging.instruction.map(|id| id.to_string()).unwrap_or_default();
            ev::CaseUrged { meta: None, case_id, tier: wire::tier(*tier).into(), to, text, instruction_id }.into()
        }
        Event::Supervised { tier, supervision } => {
            let text = supervision.text.clone();
            ev::CaseSupervised { meta: None, case_id, tier: wire::tier(*tier).into(), text }.into()
        }
        Event::AccidentRecorded { tier, accident, .. } => {
            let (accident, place) = (Some((&**accident).into()), case.facts.place.as_ref().map(Into::into));
            ev::AccidentRecorded { meta: None, case_id, tier: wire::tier(*tier).into(), accident, place }.into()
        }
        Event::AccessoryRecorded { tier, accessory, .. } => {
            let accessory = Some((&**accessory).into());
            ev::AccessoryRecorded { meta: None, case_id, tier: wire::tier(*tier).into(), accessory }.into()
        }
        Event::Exposed { tier, text, .. } => exposed(case, *tier, Some(text)).into(),
        Event::ExposureRetracted { tier, .. } => exposed(case, *tier, None).into(),
        Event::ReopeningRequested { tier, request } => {
            let reason = request.reason.clone();
            ev::ReopeningRequested { meta: None, case_id, tier: wire::tier(*tier).into(), reason }.into()
        }
        Event::ReopeningRefused { tier, reason, .. } => {
            let reason = reason.clone();
            ev::ReopeningRefused { meta: None, case_id, tier: wire::tier(*tier).into(), reason }.into()
        }
        Event::Reopened { tier, reason, .. } => {
            let reason = reason.clone();
            ev::CaseReopened { meta: None, case_id, tier: wire::tier(*tier).into(), reason }.into()
        }
        _ => return None,
    })
}

fn extension_decided(
    case: &Case,
    by: By<'_>,
    working_days: Option<u32>,
    asked_at: Instant,
    reason: &str,
) -> ev::ExtensionDecided {
    ev::ExtensionDecided {
        meta: None,
        case_id: case.facts.id.to_string(),
        assignee: by.assignee(),
        leg: by.leg(),
        granted: working_days.is_some(),
        working_days: working_days.and(by.0).map_or(0, |instruction| instruction.granted_extensions().1),
        reason: reason.to_owned(),
        requested_at: Some(asked_at.into()),
    }
}
