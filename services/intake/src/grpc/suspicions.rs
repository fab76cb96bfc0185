//! The village's steps.

mod asked;
mod likely;
mod list;
mod shown;

use dafei_contracts::{
    convert,
    intake::v1::{self as api, suspicion_service_server::SuspicionService},
};
use dafei_intake_core::suspicion::Command;
use dafei_kernel::role::Role;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
    telemetry,
};
use dafei_shell::{faults, scope};
use prost::Message;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Cursor, Grpc, before, optional_text, text};
use crate::{
    acting::Acting,
    app::{Action, Answer},
    wire,
    work::Order,
};
pub(super) use list::villages_of;

const FINDERS: &[Role] = &[Role::GridMember, Role::VillageSecretary, Role::WorkAreaSecretary];
const VILLAGE: &[Role] = &[Role::GridMember, Role::VillageSecretary];
const SECRETARY: &[Role] = &[Role::VillageSecretary];
const REOPENERS: &[Role] = &[Role::GridMember, Role::VillageSecretary, Role::TownshipCentre];
const MERGERS: &[Role] = &[Role::VillageSecretary, Role::TownshipCentre];

/// Longest description, in characters.
const DESCRIPTION: usize = 4_000;
/// Longest note or posted text, in characters.
const TEXT: usize = 2_000;
/// Longest reason or act text, in characters.
const REASON: usize = 500;

/// A step as a request names it: its id, the case, and the version that the caller has seen.
type Named<'a> = (&'a str, &'a str, i64);

/// Names the step of a request.
macro_rules! named {
    ($body:expr) => {
        ($body.request_id.as_str(), $body.case_id.as_str(), $body.expected_version)
    };
}

fn order(caller: &Principal, case: Uuid, command: Command, expected_version: Option<i64>) -> Action {
    Action::Suspicion(Box::new(Order {
        case,
        command,
        actor: Some(Acting::of(caller)),
        expected_version,
        traceparent: telemetry::current_traceparent(),
    }))
}

impl Grpc {
    /// A step of the caller with a suspicion; the writer checks that it is of the caller's village.
    async fn step(
        &self,
        caller: &Principal,
        method: &str,
        (request_id, case_id, expected_version): Named<'_>,
        payload: &impl Message,
        command: Command,
    ) -> Result<Option<api::Suspicion>, Fault> {
        let case = convert::uuid("case_id", case_id).map_err(faults::convert)?;
        let expected = asked::version(expected_version)?;
        self.submit(caller, method, request_id, payload, order(caller, case, command, expected)).await
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
        let action = order(caller, finding.id, Command::Record(Box::new(finding)), None);
        let suspicion = self.submit(caller, "RecordSuspicion", &body.request_id, body, action).await?;
        let likely_duplicates = self.suggested(caller, suspicion.as_ref()).await;
        Ok(Response::new(api::RecordSuspicionResponse { suspicion, likely_duplicates }))
    }

    async fn notify_secretary(
        &self,
        request: Request<api::NotifySecretaryRequest>,
    ) -> Result<Response<api::NotifySecretaryResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, VILLAGE)?;
        let suspicion = self.step(caller, "NotifySecretary", named!(body), body, Command::Notify).await?;
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
        let suspicion = self.step(caller, "RecordPersuasion", named!(body), body, command).await?;
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
        let suspicion = self.step(caller, "RecordRevisit", named!(body), body, command).await?;
        Ok(Response::new(api::RecordRevisitResponse { suspicion }))
    }

    async fn report_up(
        &self,
        request: Request<api::ReportUpRequest>,
    ) -> Result<Response<api::ReportUpResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, VILLAGE)?;
        let reporter = asked::reporter(caller, body)?;
        let suspicion = self.step(caller, "ReportUp", named!(body), body, Command::ReportUp(reporter)).await?;
        Ok(Response::new(api::ReportUpResponse { suspicion }))
    }

    async fn flag_suspected_crime(
        &self,
        request: Request<api::FlagSuspectedCrimeRequest>,
    ) -> Result<Response<api::FlagSuspectedCrimeResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, SECRETARY)?;
        let command = Command::SuspectCrime { reason: text("reason", &body.reason, REASON)? };
        let suspicion = self.step(caller, "FlagSuspectedCrime", named!(body), body, command).await?;
        Ok(Response::new(api::FlagSuspectedCrimeResponse { suspicion }))
    }

    async fn reopen_suspicion(
        &self,
        request: Request<api::ReopenSuspicionRequest>,
    ) -> Result<Response<api::ReopenSuspicionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, REOPENERS)?;
        let command = Command::Reopen {
            reason: text("reason", &body.reason, REASON)?,
            evidence: wire::photos(&body.evidence_ids).map_err(faults::convert)?,
        };
        let suspicion = self.step(caller, "ReopenSuspicion", named!(body), body, command).await?;
        Ok(Response::new(api::ReopenSuspicionResponse { suspicion }))
    }

    async fn merge_suspicion(
        &self,
        request: Request<api::MergeSuspicionRequest>,
    ) -> Result<Response<api::MergeSuspicionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, MERGERS)?;
        let command = Command::Merge {
            into: convert::uuid("into_case_id", &body.into_case_id).map_err(faults::convert)?,
            reason: text("reason", &body.reason, REASON)?,
        };
        let suspicion = self.step(caller, "MergeSuspicion", named!(body), body, command).await?;
        Ok(Response::new(api::MergeSuspicionResponse { suspicion }))
    }

    async fn find_duplicates(
        &self,
        request: Request<api::FindDuplicatesRequest>,
    ) -> Result<Response<api::FindDuplicatesResponse>, Status> {
        let caller = principal(&request)?;
        let suspicion = self.readable(caller, &request.get_ref().case_id).await?;
        let duplicates = self.likely(caller, &suspicion.facts).await?;
        Ok(Response::new(api::FindDuplicatesResponse { duplicates }))
    }

    async fn record_help(
        &self,
        request: Request<api::RecordHelpRequest>,
    ) -> Result<Response<api::RecordHelpResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, VILLAGE)?;
        let command = Command::Help(Box::new(self.help(body)?));
        let suspicion = self.step(caller, "RecordHelp", named!(body), body, command).await?;
        Ok(Response::new(api::RecordHelpResponse { suspicion }))
    }

    async fn withdraw_suspicion(
        &self,
        request: Request<api::WithdrawSuspicionRequest>,
    ) -> Result<Response<api::WithdrawSuspicionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, SECRETARY)?;
        let command = Command::Withdraw { reason: text("reason", &body.reason, REASON)? };
        let suspicion = self.step(caller, "WithdrawSuspicion", named!(body), body, command).await?;
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
        let suspicion = self.step(caller, "PublishResult", named!(body), body, command).await?;
        Ok(Response::new(api::PublishResultResponse { suspicion }))
    }

    async fn get_suspicion(
        &self,
        request: Request<api::GetSuspicionRequest>,
    ) -> Result<Response<api::GetSuspicionResponse>, Status> {
        let caller = principal(&request)?;
        Ok(Response::new(self.shown(caller, &request.get_ref().case_id).await?))
    }

    async fn list_suspicions(
        &self,
        request: Request<api::ListSuspicionsRequest>,
    ) -> Result<Response<api::ListSuspicionsResponse>, Status> {
        let caller = principal(&request)?;
        Ok(Response::new(self.list(caller, request.get_ref()).await?))
    }
}
