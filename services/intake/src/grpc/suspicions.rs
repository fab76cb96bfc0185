//! The village's steps.

use dafei_contracts::{
    convert,
    intake::v1::{self as api, suspicion_service_server::SuspicionService},
};
use dafei_intake_core::suspicion::{Command, Finding, Reporter};
use dafei_kernel::{
    region::{Level, Region},
    role::Role,
    roster::RosterIndex,
};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
    telemetry,
};
use dafei_shell::{faults, paging, scope};
use prost::Message;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Cursor, Grpc, before, optional_text, text};
use crate::{
    app::{Action, Answer},
    store::suspicions::{self, Filter},
    wire,
    work::Order,
};

const FINDERS: &[Role] = &[Role::GridMember, Role::VillageSecretary, Role::WorkAreaSecretary];
const VILLAGE: &[Role] = &[Role::GridMember, Role::VillageSecretary];
const SECRETARY: &[Role] = &[Role::VillageSecretary];

/// Longest description, in characters.
const DESCRIPTION: usize = 4_000;
/// Longest note or posted text, in characters.
const TEXT: usize = 2_000;
/// Longest reason or act text, in characters.
const REASON: usize = 500;

fn order(caller: &Principal, case: Uuid, command: Command) -> Action {
    Action::Suspicion(Box::new(Order {
        case,
        command,
        actor: Some(scope::post(caller)),
        traceparent: telemetry::current_traceparent(),
    }))
}

impl Grpc {
    /// A step of the caller with a suspicion; the writer checks that it is of the caller's village.
    async fn step(
        &self,
        caller: &Principal,
        method: &str,
        (request_id, case_id): (&str, &str),
        payload: &impl Message,
        command: Command,
    ) -> Result<Option<api::Suspicion>, Fault> {
        let case = convert::uuid("case_id", case_id).map_err(faults::convert)?;
        self.submit(caller, method, request_id, payload, order(caller, case, command)).await
    }

    async fn submit(
        &self,
        caller: &Principal,
        method: &str,
        request_id: &str,
        payload: &impl Message,
        action: Action,
    ) -> Result<Option<api::Suspicion>, Fault> {
        match self.write(caller, method, request_id, payload, action).await? {
            Answer::Suspicion(suspicion) => Ok(Some(*suspicion)),
            Answer::Patrol(_) | Answer::Patrols(_) => Err(Fault::internal("a step was answered with a patrol")),
        }
    }

    fn finding(&self, caller: &Principal, body: &api::RecordSuspicionRequest) -> Result<Finding, Fault> {
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
        })
    }

    async fn list(
        &self,
        caller: &Principal,
        body: &api::ListSuspicionsRequest,
    ) -> Result<api::ListSuspicionsResponse, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let roster = self.app.roster.current();
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &roster, "region", &region)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let asked = api::ListSuspicionsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let filter = Filter {
            villages: villages_of(&roster, &region),
            region: &region,
            states: states(&body.states)?,
            before: before(paging::decode(&body.page_token, &asked)?)?,
            limit: size + 1,
        };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut rows = suspicions::list(&mut conn, &filter).await.map_err(faults::database)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > size;
        rows.truncate(size);
        let cursor = rows
            .last()
            .filter(|_| full)
            .map(|last| -> Cursor { (last.facts.received_at.as_microsecond(), last.facts.id) });
        Ok(api::ListSuspicionsResponse {
            suspicions: rows.iter().map(wire::suspicion).collect(),
            next_page_token: cursor.map(|cursor| paging::encode(&cursor, &asked)).unwrap_or_default(),
        })
    }
}

/// Villages of a work area.
pub(super) fn villages_of(roster: &RosterIndex, region: &Region) -> Vec<String> {
    let township =
        roster.get(region).filter(|_| region.level() == Level::WorkArea).and_then(|area| area.parent.as_ref());
    let of_area = |village: &&Region| roster.get(village).is_some_and(|entry| entry.work_area.as_ref() == Some(region));
    township
        .map(|township| roster.children(township).filter(of_area).map(|village| village.code().to_string()).collect())
        .unwrap_or_default()
}

fn states(values: &[i32]) -> Result<Vec<i16>, Fault> {
    let state = |(at, value): (usize, &i32)| match api::SuspicionState::try_from(*value) {
        Ok(state) if state != api::SuspicionState::Unspecified => Ok(i16::try_from(*value).unwrap_or(0)),
        _ => Err(Fault::field(format!("states[{at}]"), "INVALID", "is no state", "没有这种状态")),
    };
    values.iter().enumerate().map(state).collect()
}

#[tonic::async_trait]
impl SuspicionService for Grpc {
    async fn record_suspicion(
        &self,
        request: Request<api::RecordSuspicionRequest>,
    ) -> Result<Response<api::RecordSuspicionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, FINDERS)?;
        let finding = self.finding(caller, body)?;
        let action = order(caller, finding.id, Command::Record(Box::new(finding)));
        let suspicion = self.submit(caller, "RecordSuspicion", &body.request_id, body, action).await?;
        Ok(Response::new(api::RecordSuspicionResponse { suspicion }))
    }

    async fn notify_secretary(
        &self,
        request: Request<api::NotifySecretaryRequest>,
    ) -> Result<Response<api::NotifySecretaryResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, VILLAGE)?;
        let ids = (body.request_id.as_str(), body.case_id.as_str());
        let suspicion = self.step(caller, "NotifySecretary", ids, body, Command::Notify).await?;
        Ok(Response::new(api::NotifySecretaryResponse { suspicion }))
    }

    async fn record_persuasion(
        &self,
        request: Request<api::RecordPersuasionRequest>,
    ) -> Result<Response<api::RecordPersuasionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, SECRETARY)?;
        let command = Command::Persuade {
            outcome: wire::asked_outcome("outcome", body.outcome).map_err(faults::convert)?,
            note: text("note", &body.note, TEXT)?,
        };
        let ids = (body.request_id.as_str(), body.case_id.as_str());
        let suspicion = self.step(caller, "RecordPersuasion", ids, body, command).await?;
        Ok(Response::new(api::RecordPersuasionResponse { suspicion }))
    }

    async fn record_revisit(
        &self,
        request: Request<api::RecordRevisitRequest>,
    ) -> Result<Response<api::RecordRevisitResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, VILLAGE)?;
        let command = Command::Revisit {
            stopped: body.stopped,
            note: optional_text("note", &body.note, TEXT)?,
            evidence: wire::photos(&body.evidence_ids).map_err(faults::convert)?,
        };
        let ids = (body.request_id.as_str(), body.case_id.as_str());
        let suspicion = self.step(caller, "RecordRevisit", ids, body, command).await?;
        Ok(Response::new(api::RecordRevisitResponse { suspicion }))
    }

    async fn report_up(
        &self,
        request: Request<api::ReportUpRequest>,
    ) -> Result<Response<api::ReportUpResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, VILLAGE)?;
        let direct_reason = optional_text("direct_reason", &body.direct_reason, REASON)?;
        let reporter = match caller.role {
            Role::GridMember => Reporter::Member { direct_reason },
            _ if direct_reason.is_empty() => Reporter::Secretary,
            _ => {
                let (en, zh) = ("is a grid member's", "只有网格员直接上报才填写理由");
                return Err(Fault::field("direct_reason", "NOT_ALLOWED", en, zh).into());
            }
        };
        let ids = (body.request_id.as_str(), body.case_id.as_str());
        let suspicion = self.step(caller, "ReportUp", ids, body, Command::ReportUp(reporter)).await?;
        Ok(Response::new(api::ReportUpResponse { suspicion }))
    }

    async fn withdraw_suspicion(
        &self,
        request: Request<api::WithdrawSuspicionRequest>,
    ) -> Result<Response<api::WithdrawSuspicionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, SECRETARY)?;
        let command = Command::Withdraw { reason: text("reason", &body.reason, REASON)? };
        let ids = (body.request_id.as_str(), body.case_id.as_str());
        let suspicion = self.step(caller, "WithdrawSuspicion", ids, body, command).await?;
        Ok(Response::new(api::WithdrawSuspicionResponse { suspicion }))
    }

    async fn publish_result(
        &self,
        request: Request<api::PublishResultRequest>,
    ) -> Result<Response<api::PublishResultResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, SECRETARY)?;
        let command = Command::Publish {
            text: text("text", &body.text, TEXT)?,
            evidence: wire::photos(&body.evidence_ids).map_err(faults::convert)?,
        };
        let ids = (body.request_id.as_str(), body.case_id.as_str());
        let suspicion = self.step(caller, "PublishResult", ids, body, command).await?;
        Ok(Response::new(api::PublishResultResponse { suspicion }))
    }

    async fn get_suspicion(
        &self,
        request: Request<api::GetSuspicionRequest>,
    ) -> Result<Response<api::GetSuspicionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, &scope::CASE_READERS)?;
        let id = convert::uuid("case_id", &body.case_id).map_err(faults::convert)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let suspicion = suspicions::get(&mut conn, id).await.map_err(faults::database)?;
        let suspicion = suspicion.ok_or_else(|| Fault::not_found("case", id.to_string(), "没有这条线索"))?;
        if !scope::contains(caller, &self.app.roster.current(), suspicion.facts.village()) {
            return Err(scope::out_of_scope().into());
        }
        Ok(Response::new(api::GetSuspicionResponse { suspicion: Some(wire::suspicion(&suspicion)) }))
    }

    async fn list_suspicions(
        &self,
        request: Request<api::ListSuspicionsRequest>,
    ) -> Result<Response<api::ListSuspicionsResponse>, Status> {
        let caller = principal(&request)?;
        Ok(Response::new(self.list(caller, request.get_ref()).await?))
    }
}
