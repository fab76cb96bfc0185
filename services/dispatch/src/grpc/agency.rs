//! The steps of an agency or department that has no system on NATS.

use dafei_contracts::{
    convert,
    dispatch::v1::{self as api, agency_service_server::AgencyService},
};
use dafei_dispatch_core::case::{Case, Command, Means, Step, may};
use dafei_kernel::{role::Role, time::Instant};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, paging, scope};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Grpc, opening::own_instruction, text, to_instruction, write};
use crate::{
    app::Write,
    store::{cases, instructions, lights},
    wire::{self, REASON, TEXT},
    work::Refusal,
};

const ROLES: &[Role] = &[Role::TownshipAgency, Role::CountyDepartment, Role::CityDepartment];

fn no_instruction(id: Uuid) -> Fault {
    Fault::not_found("instruction", id.to_string(), "没有这条指令")
}

impl Grpc {
    /// A step of the caller's unit with one of its instructions.
    async fn step<M: prost::Message>(
        &self,
        caller: &Principal,
        method: &str,
        (request_id, instruction_id, body): (&str, &str, &M),
        step: Step,
    ) -> Result<api::Instruction, Fault> {
        let action = to_instruction(caller, instruction_id, step)?;
        self.write(write(caller, method, request_id, body, action)?).await
    }

    /// Whether the red light of the result is on for the caller's instruction.
    async fn overdue(&self, caller: &Principal, id: Uuid) -> Result<bool, Fault> {
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let case = cases::of_instruction(&mut conn, id).await.map_err(faults::database)?;
        let Some(case) = case else { return Ok(false) };
        let lit =
            lights::in_cases(&mut conn, &scope::post(caller), &[case.facts.id]).await.map_err(faults::database)?;
        Ok(lit.iter().any(|light| light.red && light.clock == "K3"))
    }

    /// The case of an instruction of the caller's unit.
    async fn own_case(&self, caller: &Principal, id: Uuid) -> Result<Case, Fault> {
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let case = cases::of_instruction(&mut conn, id).await.map_err(faults::database)?;
        let case = case.ok_or_else(|| no_instruction(id))?;
        let read = Command::Instruction { id, step: Step::Deliver(Means::Rpc) };
        may(&scope::post(caller), &case, &read).map_err(Refusal::from)?;
        Ok(case)
    }
}

#[tonic::async_trait]
impl AgencyService for Grpc {
    async fn list_instructions(
        &self,
        request: Request<api::ListInstructionsRequest>,
    ) -> Result<Response<api::ListInstructionsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        // The unit is the filter: a token of another's inbox is none of this one's.
        let filter = dafei_contracts::types::v1::Post::from(&scope::post(caller));
        let after: Option<(Instant, Uuid)> = paging::decode(&body.page_token, &filter)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let rows = instructions::inbox(&mut conn, &scope::post(caller), after, size).await.map_err(faults::database)?;
        let shown: Vec<_> = rows.iter().filter_map(|(id, case)| Some((case, case.instruction(*id)?))).collect();
        let full = i64::try_from(rows.len()) == Ok(size);
        let next = shown.last().filter(|_| full).map(|(_, one)| paging::encode(&(one.issued_at, one.id), &filter));
        Ok(Response::new(api::ListInstructionsResponse {
            instructions: shown.iter().map(|(case, one)| wire::instruction(case, one)).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn read_instruction(
        &self,
        request: Request<api::ReadInstructionRequest>,
    ) -> Result<Response<api::ReadInstructionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let id = convert::uuid("instruction_id", &body.instruction_id).map_err(faults::convert)?;
        let mut case = self.own_case(caller, id).await?;
        if case.instruction(id).is_some_and(|one| one.arrival().is_none() && one.is_open()) {
            let action = to_instruction(caller, &body.instruction_id, Step::Deliver(Means::Rpc))?;
            let _: api::Instruction = self.write(Write { request: None, action }).await?;
            case = self.own_case(caller, id).await?;
        }
        let instruction = case.instruction(id).map(|one| wire::instruction(&case, one));
        let case = Some(wire::case(&case, &scope::post(caller)));
        Ok(Response::new(api::ReadInstructionResponse { instruction, case }))
    }

    async fn accept_instruction(
        &self,
        request: Request<api::AcceptInstructionRequest>,
    ) -> Result<Response<api::AcceptInstructionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let ids = (body.request_id.as_str(), body.instruction_id.as_str(), body);
        let instruction = self.step(caller, "AcceptInstruction", ids, Step::Accept).await?;
        Ok(Response::new(api::AcceptInstructionResponse { instruction: Some(instruction) }))
    }

    async fn respond(&self, request: Request<api::RespondRequest>) -> Result<Response<api::RespondResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let step = Step::Respond { plan: text("plan", &body.plan, TEXT)? };
        let ids = (body.request_id.as_str(), body.instruction_id.as_str(), body);
        let instruction = self.step(caller, "Respond", ids, step).await?;
        Ok(Response::new(api::RespondResponse { instruction: Some(instruction) }))
    }

    async fn submit_result(
        &self,
        request: Request<api::SubmitResultRequest>,
    ) -> Result<Response<api::SubmitResultResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let report = wire::result_report(
            (body.kind, &body.text),
            (&body.confirmed_acts, body.outside_scope),
            &body.measures,
            &body.exemptions,
        )
        .map_err(faults::convert)?;
        let ids = (body.request_id.as_str(), body.instruction_id.as_str(), body);
        let instruction = self.step(caller, "SubmitResult", ids, Step::SubmitResult(report)).await?;
        Ok(Response::new(api::SubmitResultResponse { instruction: Some(instruction) }))
    }

    async fn decline_instruction(
        &self,
        request: Request<api::DeclineInstructionRequest>,
    ) -> Result<Response<api::DeclineInstructionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let legal_basis = convert::optional_text("legal_basis", &body.legal_basis, REASON).map_err(faults::convert)?;
        let step = Step::Decline { reason: text("reason", &body.reason, REASON)?, legal_basis };
        let ids = (body.request_id.as_str(), body.instruction_id.as_str(), body);
        let instruction = self.step(caller, "DeclineInstruction", ids, step).await?;
        Ok(Response::new(api::DeclineInstructionResponse { instruction: Some(instruction) }))
    }

    async fn request_extension(
        &self,
        request: Request<api::RequestExtensionRequest>,
    ) -> Result<Response<api::RequestExtensionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let (working_days, reason) = (body.working_days, text("reason", &body.reason, REASON)?);
        let id = convert::uuid("instruction_id", &body.instruction_id).map_err(faults::convert)?;
        // As far as the monitor has said; it has the last word: what was asked after the limit moves nothing.
        let overdue = self.overdue(caller, id).await?;
        let step = Step::RequestExtension { working_days, reason, overdue };
        let ids = (body.request_id.as_str(), body.instruction_id.as_str(), body);
        let instruction = self.step(caller, "RequestExtension", ids, step).await?;
        Ok(Response::new(api::RequestExtensionResponse { instruction: Some(instruction) }))
    }

    async fn record_compliance(
        &self,
        request: Request<api::RecordComplianceRequest>,
    ) -> Result<Response<api::RecordComplianceResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let read = body.compliance.as_ref().ok_or_else(|| convert::ConvertError::required("compliance"));
        let read = read.and_then(|wire| convert::compliance(wire).map_err(|error| error.under("compliance")));
        let (measure, compliance) = read.map_err(faults::convert)?;
        let ids = (body.request_id.as_str(), body.instruction_id.as_str(), body);
        let step = Step::RecordCompliance { measure, compliance };
        let instruction = self.step(caller, "RecordCompliance", ids, step).await?;
        Ok(Response::new(api::RecordComplianceResponse { instruction: Some(instruction) }))
    }

    async fn report_finding(
        &self,
        request: Request<api::ReportFindingRequest>,
    ) -> Result<Response<api::ReportFindingResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let action = self.finding(caller, body)?;
        let case: api::Case = self.write(write(caller, "ReportFinding", &body.request_id, body, action)?).await?;
        let instruction_id = own_instruction(&case);
        Ok(Response::new(api::ReportFindingResponse { case: Some(case), instruction_id }))
    }
}
