//! The turns that a case can take at any tier.

use dafei_contracts::{
    convert,
    dispatch::v1::{self as api, case_turn_service_server::CaseTurnService},
};
use dafei_dispatch_core::case::Command;
use dafei_kernel::role::Role;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{Grpc, text, to_case, write};
use crate::wire::{REASON, TEXT};

/// The posts that have a case and decide on it.
const HOLDERS: &[Role] = &[Role::TownshipCentre, Role::CountyOffice, Role::CityOffice];
/// The posts above whoever owes a step, and the centre over its agencies.
const URGING: &[Role] = &[Role::TownshipCentre, Role::CountyOffice, Role::CountyCommander, Role::CityOffice];
/// The posts that look at a case from above.
const ABOVE: &[Role] = &[Role::CountyOffice, Role::CountyCommander, Role::CityOffice];
/// The posts that may have opened a case here.
const OPENERS: &[Role] = &[
    Role::TownshipCentre,
    Role::TownshipAgency,
    Role::CountyOffice,
    Role::CountyDepartment,
    Role::CityOffice,
    Role::CityDepartment,
];
/// The posts that may ask that a case be taken up again.
const ASKING: &[Role] =
    &[Role::VillageSecretary, Role::TownshipCentre, Role::CountyOffice, Role::CountyCommander, Role::CityOffice];
/// The posts that work on a case, and those above it.
const RECORDING: &[Role] = &[
    Role::TownshipCentre,
    Role::TownshipAgency,
    Role::CountyOffice,
    Role::CountyDepartment,
    Role::CountyCommander,
    Role::CityOffice,
    Role::CityDepartment,
];

/// The request id, the case, and the version of it that the caller has seen.
type Named<'a> = (&'a str, &'a str, i64);

macro_rules! named {
    ($body:expr) => {
        ($body.request_id.as_str(), $body.case_id.as_str(), $body.expected_version)
    };
}

impl Grpc {
    async fn turn(
        &self,
        caller: &Principal,
        method: &str,
        (request_id, case_id, expected_version): Named<'_>,
        body: &impl Message,
        command: Command,
    ) -> Result<Option<api::Case>, Fault> {
        let action = to_case(caller, (case_id, expected_version), command)?;
        Ok(Some(self.write(write(caller, method, request_id, body, action)?).await?))
    }
}

#[tonic::async_trait]
impl CaseTurnService for Grpc {
    async fn open_case(
        &self,
        request: Request<api::OpenCaseRequest>,
    ) -> Result<Response<api::OpenCaseResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, HOLDERS)?;
        let action = self.opening(caller, body)?;
        let case = self.write(write(caller, "OpenCase", &body.request_id, body, action)?).await?;
        Ok(Response::new(api::OpenCaseResponse { case: Some(case) }))
    }

    async fn order_rework(
        &self,
        request: Request<api::OrderReworkRequest>,
    ) -> Result<Response<api::OrderReworkResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, HOLDERS)?;
        let command = Command::OrderRework { reason: text("reason", &body.reason, REASON)? };
        let case = self.turn(caller, "OrderRework", named!(body), body, command).await?;
        Ok(Response::new(api::OrderReworkResponse { case }))
    }

    async fn urge_case(
        &self,
        request: Request<api::UrgeCaseRequest>,
    ) -> Result<Response<api::UrgeCaseResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, URGING)?;
        let named = (!body.instruction_id.is_empty()).then_some(&body.instruction_id);
        let instruction = named.map(|id| convert::uuid("instruction_id", id)).transpose().map_err(faults::convert)?;
        let command = Command::Urge { by: scope::post(caller), instruction, text: text("text", &body.text, REASON)? };
        let case = self.turn(caller, "UrgeCase", named!(body), body, command).await?;
        Ok(Response::new(api::UrgeCaseResponse { case }))
    }

    async fn supervise_case(
        &self,
        request: Request<api::SuperviseCaseRequest>,
    ) -> Result<Response<api::SuperviseCaseResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ABOVE)?;
        let command = Command::Supervise { by: scope::post(caller), text: text("text", &body.text, REASON)? };
        let case = self.turn(caller, "SuperviseCase", named!(body), body, command).await?;
        Ok(Response::new(api::SuperviseCaseResponse { case }))
    }

    async fn merge_case(
        &self,
        request: Request<api::MergeCaseRequest>,
    ) -> Result<Response<api::MergeCaseResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, HOLDERS)?;
        // Whether it may be told is the writer's to say: it sees both cases.
        let command = Command::Merge {
            told: false,
            into: convert::uuid("into_case_id", &body.into_case_id).map_err(faults::convert)?,
            reason: text("reason", &body.reason, REASON)?,
        };
        let case = self.turn(caller, "MergeCase", named!(body), body, command).await?;
        Ok(Response::new(api::MergeCaseResponse { case }))
    }

    async fn withdraw_case(
        &self,
        request: Request<api::WithdrawCaseRequest>,
    ) -> Result<Response<api::WithdrawCaseResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, OPENERS)?;
        let command = Command::TakeBack { reason: text("reason", &body.reason, REASON)? };
        let case = self.turn(caller, "WithdrawCase", named!(body), body, command).await?;
        Ok(Response::new(api::WithdrawCaseResponse { case }))
    }

    async fn request_reopening(
        &self,
        request: Request<api::RequestReopeningRequest>,
    ) -> Result<Response<api::RequestReopeningResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ASKING)?;
        let command =
            Command::RequestReopening { by: scope::post(caller), reason: text("reason", &body.reason, REASON)? };
        let case = self.turn(caller, "RequestReopening", named!(body), body, command).await?;
        Ok(Response::new(api::RequestReopeningResponse { case }))
    }

    async fn decide_reopening(
        &self,
        request: Request<api::DecideReopeningRequest>,
    ) -> Result<Response<api::DecideReopeningResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, HOLDERS)?;
        let command = Command::DecideReopening { granted: body.granted, reason: text("reason", &body.reason, REASON)? };
        let case = self.turn(caller, "DecideReopening", named!(body), body, command).await?;
        Ok(Response::new(api::DecideReopeningResponse { case }))
    }

    async fn record_accident(
        &self,
        request: Request<api::RecordAccidentRequest>,
    ) -> Result<Response<api::RecordAccidentResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, RECORDING)?;
        let accident = super::opening::accident(body.accident.as_ref())?;
        let command = Command::RecordAccident(Box::new(accident));
        let case = self.turn(caller, "RecordAccident", named!(body), body, command).await?;
        Ok(Response::new(api::RecordAccidentResponse { case }))
    }

    async fn record_accessory(
        &self,
        request: Request<api::RecordAccessoryRequest>,
    ) -> Result<Response<api::RecordAccessoryResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, RECORDING)?;
        let accessory = body.accessory.as_ref().ok_or_else(|| convert::ConvertError::required("accessory"));
        let accessory = accessory.and_then(|wire| convert::accessory(wire).map_err(|error| error.under("accessory")));
        let command = Command::RecordAccessory(Box::new(accessory.map_err(faults::convert)?));
        let case = self.turn(caller, "RecordAccessory", named!(body), body, command).await?;
        Ok(Response::new(api::RecordAccessoryResponse { case }))
    }

    async fn expose_case(
        &self,
        request: Request<api::ExposeCaseRequest>,
    ) -> Result<Response<api::ExposeCaseResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ABOVE)?;
        let command = match (body.retract, body.public_text.is_empty()) {
            (false, _) => Command::Expose { text: text("public_text", &body.public_text, TEXT)? },
            (true, true) => Command::RetractExposure,
            (true, false) => {
                let zh = "撤回曝光时不填公开内容";
                return Err(Fault::field("public_text", "NOT_ALLOWED", "is empty when it is taken back", zh).into());
            }
        };
        let case = self.turn(caller, "ExposeCase", named!(body), body, command).await?;
        Ok(Response::new(api::ExposeCaseResponse { case }))
    }
}
