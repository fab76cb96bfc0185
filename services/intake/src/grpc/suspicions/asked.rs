//! What requests ask, checked and converted.

use dafei_contracts::{convert, intake::v1 as api};
use dafei_intake_core::suspicion::{DirectCause, Finding, Help, Reporter};
use dafei_kernel::role::Role;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, scope};

use super::{DESCRIPTION, Grpc, REASON, TEXT, optional_text, text, wire};

/// The version that a caller has seen; none where it is 0.
pub(super) fn version(expected: i64) -> Result<Option<i64>, Fault> {
    if expected < 0 {
        return Err(Fault::field("expected_version", "INVALID", "is below zero", "版本号不能为负"));
    }
    Ok((expected > 0).then_some(expected))
}

/// Who reports up: the secretary, or a member with the cause for going past him (clause C4b).
pub(super) fn reporter(caller: &Principal, body: &api::ReportUpRequest) -> Result<Reporter, Fault> {
    let text = optional_text("direct_reason", &body.direct_reason, REASON)?;
    let cause = match api::DirectCause::try_from(body.direct_cause) {
        Ok(api::DirectCause::Unspecified) => None,
        Ok(api::DirectCause::SecretaryUnreachable) => Some(DirectCause::SecretaryUnreachable),
        Ok(api::DirectCause::SecretaryImplicated) => Some(DirectCause::SecretaryImplicated),
        Ok(api::DirectCause::Other) => Some(DirectCause::Other),
        Err(_) => return Err(Fault::field("direct_cause", "INVALID", "is no cause", "没有这种直接上报原因")),
    };
    let not_allowed =
        |field| Err(Fault::field(field, "NOT_ALLOWED", "is a grid member's", "只有网格员直接上报才填写原因"));
    match (caller.role == Role::GridMember, cause) {
        (true, Some(cause)) => Ok(Reporter::Member { cause, text }),
        (true, None) => Err(Fault::field("direct_cause", "REQUIRED", "is required", "网格员直接上报须选择原因")),
        (false, Some(_)) => not_allowed("direct_cause"),
        (false, None) if !text.is_empty() => not_allowed("direct_reason"),
        (false, None) => Ok(Reporter::Secretary),
    }
}

impl Grpc {
    pub(super) fn finding(&self, caller: &Principal, body: &api::RecordSuspicionRequest) -> Result<Finding, Fault> {
        let roster = self.app.roster.current();
        let village = wire::village("village", body.village.as_ref()).map_err(faults::convert)?;
        let path = scope::require_region(caller, &roster, "village", &village)?;
        Ok(Finding {
            id: self.app.ids.ordered(self.app.clock.now()),
            path,
            act: convert::act("act", &body.act).map_err(faults::convert)?,
            act_text: optional_text("act_text", &body.act_text, REASON)?,
            subject: wire::subject(&roster, body.subject.as_ref()).map_err(faults::convert)?,
            description: text("description", &body.description, DESCRIPTION)?,
            device: wire::device(body.device_time, body.device_sent_at).map_err(faults::convert)?,
            evidence: wire::photos(&body.evidence_ids).map_err(faults::convert)?,
            suspected_crime: body.suspected_crime,
            by_secretary: caller.role == Role::VillageSecretary,
        })
    }

    pub(super) fn help(&self, body: &api::RecordHelpRequest) -> Result<Help, Fault> {
        let now = self.app.clock.now();
        let at = convert::optional_instant("helped_at", body.helped_at).map_err(faults::convert)?.unwrap_or(now);
        faults::check_claimed("helped_at", at, now)?;
        Ok(Help {
            id: self.app.ids.ordered(now),
            agency: convert::agency("agency", &body.agency).map_err(faults::convert)?,
            note: text("note", &body.note, TEXT)?,
            at,
            evidence: wire::photos(&body.evidence_ids).map_err(faults::convert)?,
        })
    }
}
