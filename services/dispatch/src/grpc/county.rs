//! The steps of the office that assigns departments: a county's, or the city's where the city has the case.

use dafei_contracts::{
    convert::{self, ConvertError},
    dispatch::v1::{self as api, county_service_server::CountyService},
};
use dafei_dispatch_core::{
    case::{Choice, Command},
    routing::SubjectKind,
};
use dafei_kernel::{agency::Agency, role::Role};
use dafei_runtime::{identity::principal, status::Fault};
use dafei_shell::{faults, scope};
use tonic::{Request, Response, Status};

use super::{Grpc, no_case, text, to_case, write};
use crate::{
    store::cases,
    wire::{REASON, TEXT},
};

const ROLES: &[Role] = &[Role::CountyOffice, Role::CityOffice];

/// Most co-handlers: all agencies but the lead.
const CO_HANDLERS: usize = 13;

fn choice(body: &api::AssignDepartmentRequest) -> Result<Choice, ConvertError> {
    if body.co_handlers.len() > CO_HANDLERS {
        return Err(ConvertError::invalid("co_handlers", "has more than 13 entries"));
    }
    let co_handler = |(place, code): (usize, &String)| convert::agency(&format!("co_handlers[{place}]"), code);
    Ok(Choice {
        lead: convert::optional_agency("lead", &body.lead)?,
        co_handlers: body.co_handlers.iter().enumerate().map(co_handler).collect::<Result<_, _>>()?,
        deviation_reason: convert::optional_text("deviation_reason", &body.deviation_reason, REASON)?,
    })
}

#[tonic::async_trait]
impl CountyService for Grpc {
    async fn propose_department(
        &self,
        request: Request<api::ProposeDepartmentRequest>,
    ) -> Result<Response<api::ProposeDepartmentResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let id = convert::uuid("case_id", &body.case_id).map_err(faults::convert)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let case = cases::get(&mut conn, id).await.map_err(faults::database)?.ok_or_else(|| no_case(id))?;
        if scope::post(caller) != case.facts.office() {
            return Err(scope::out_of_scope().into());
        }
        let (industry, kind) = SubjectKind::of(&case.facts.subject);
        let rules = self.app.rules.refresh(&mut conn).await.map_err(faults::database)?;
        let proposal = rules
            .routing
            .propose(case.facts.county.as_ref(), case.facts.act, industry, kind)
            .ok_or_else(|| Fault::internal("a checked routing table has no lead"))?;
        Ok(Response::new(api::ProposeDepartmentResponse {
            lead: proposal.lead.code().to_owned(),
            co_handlers: proposal.co_handlers.iter().map(|agency: &Agency| agency.code().to_owned()).collect(),
            rule: proposal.rule,
            basis: proposal.basis,
            version: proposal.version,
        }))
    }

    async fn assign_department(
        &self,
        request: Request<api::AssignDepartmentRequest>,
    ) -> Result<Response<api::AssignDepartmentResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let choice = choice(body).map_err(faults::convert)?;
        let command = Command::AssignDepartment { choice, text: text("text", &body.text, TEXT)? };
        let action = to_case(caller, (&body.case_id, body.expected_version), command)?;
        let case = self.write(write(caller, "AssignDepartment", &body.request_id, body, action)?).await?;
        Ok(Response::new(api::AssignDepartmentResponse { case: Some(case) }))
    }

    async fn feed_back(
        &self,
        request: Request<api::FeedBackRequest>,
    ) -> Result<Response<api::FeedBackResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let command = Command::FeedBack {
            text: text("text", &body.text, TEXT)?,
            public_text: text("public_text", &body.public_text, TEXT)?,
        };
        let action = to_case(caller, (&body.case_id, body.expected_version), command)?;
        let case = self.write(write(caller, "FeedBack", &body.request_id, body, action)?).await?;
        Ok(Response::new(api::FeedBackResponse { case: Some(case) }))
    }

    async fn decide_extension(
        &self,
        request: Request<api::DecideExtensionRequest>,
    ) -> Result<Response<api::DecideExtensionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let command = Command::DecideExtension {
            instruction: convert::uuid("instruction_id", &body.instruction_id).map_err(faults::convert)?,
            working_days: (body.working_days > 0).then_some(body.working_days),
            reason: text("reason", &body.reason, REASON)?,
        };
        let action = to_case(caller, (&body.case_id, body.expected_version), command)?;
        let case = self.write(write(caller, "DecideExtension", &body.request_id, body, action)?).await?;
        Ok(Response::new(api::DecideExtensionResponse { case: Some(case) }))
    }
}
