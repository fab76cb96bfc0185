//! The township centre's steps.

use dafei_contracts::dispatch::v1::{self as api, township_service_server::TownshipService};
use dafei_dispatch_core::case::Command;
use dafei_kernel::role::Role;
use dafei_runtime::identity::principal;
use dafei_shell::{faults, scope};
use tonic::{Request, Response, Status};

use super::{Grpc, text, to_case, write};
use crate::wire::{REASON, TEXT};

const ROLES: &[Role] = &[Role::TownshipCentre];

#[tonic::async_trait]
impl TownshipService for Grpc {
    async fn instruct_agency(
        &self,
        request: Request<api::InstructAgencyRequest>,
    ) -> Result<Response<api::InstructAgencyResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let agency = dafei_contracts::convert::agency("agency", &body.agency).map_err(faults::convert)?;
        let command = Command::InstructAgency { agency, text: text("text", &body.text, TEXT)? };
        let action = to_case(caller, (&body.case_id, body.expected_version), command)?;
        let case = self.write(write(caller, "InstructAgency", &body.request_id, body, action)?).await?;
        Ok(Response::new(api::InstructAgencyResponse { case: Some(case) }))
    }

    async fn escalate(
        &self,
        request: Request<api::EscalateRequest>,
    ) -> Result<Response<api::EscalateResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let command = Command::Escalate { reason: text("reason", &body.reason, REASON)? };
        let action = to_case(caller, (&body.case_id, body.expected_version), command)?;
        let case = self.write(write(caller, "Escalate", &body.request_id, body, action)?).await?;
        Ok(Response::new(api::EscalateResponse { case: Some(case) }))
    }

    async fn accept_result(
        &self,
        request: Request<api::AcceptResultRequest>,
    ) -> Result<Response<api::AcceptResultResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let command = Command::AcceptResult { public_text: text("public_text", &body.public_text, TEXT)? };
        let action = to_case(caller, (&body.case_id, body.expected_version), command)?;
        let case = self.write(write(caller, "AcceptResult", &body.request_id, body, action)?).await?;
        Ok(Response::new(api::AcceptResultResponse { case: Some(case) }))
    }
}
