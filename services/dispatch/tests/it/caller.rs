//! Somebody with a token, and what they ask of the service.

use dafei_contracts::{
    dispatch::v1::{
        self as api, agency_service_client::AgencyServiceClient,
        agency_system_service_client::AgencySystemServiceClient, case_service_client::CaseServiceClient,
        case_turn_service_client::CaseTurnServiceClient, county_service_client::CountyServiceClient,
        delivery_service_client::DeliveryServiceClient, directive_service_client::DirectiveServiceClient,
        inbox_service_client::InboxServiceClient, proof_service_client::ProofServiceClient,
        routing_service_client::RoutingServiceClient, township_service_client::TownshipServiceClient,
    },
    types::v1 as types,
};
use dafei_kernel::agency::Agency;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use uuid::Uuid;

use crate::suite::{new_id, wire_region};

/// Puts a token on every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Authorized = InterceptedService<Channel, Bearer>;

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Caller {
    channel: Authorized,
    bearer: MetadataValue<Ascii>,
}

impl Caller {
    pub(crate) fn new(channel: Channel, bearer: MetadataValue<Ascii>) -> Self {
        Self { channel: InterceptedService::new(channel, Bearer(bearer.clone())), bearer }
    }

    /// The same by another way.
    pub(crate) fn by(&self, channel: Channel) -> Self {
        Self::new(channel, self.bearer.clone())
    }

    pub(crate) fn cases(&self) -> CaseServiceClient<Authorized> {
        CaseServiceClient::new(self.channel.clone())
    }

    pub(crate) fn township(&self) -> TownshipServiceClient<Authorized> {
        TownshipServiceClient::new(self.channel.clone())
    }

    pub(crate) fn county(&self) -> CountyServiceClient<Authorized> {
        CountyServiceClient::new(self.channel.clone())
    }

    pub(crate) fn agency(&self) -> AgencyServiceClient<Authorized> {
        AgencyServiceClient::new(self.channel.clone())
    }

    pub(crate) fn directives(&self) -> DirectiveServiceClient<Authorized> {
        DirectiveServiceClient::new(self.channel.clone())
    }

    pub(crate) fn deliveries(&self) -> DeliveryServiceClient<Authorized> {
        DeliveryServiceClient::new(self.channel.clone())
    }

    pub(crate) fn inboxes(&self) -> InboxServiceClient<Authorized> {
        InboxServiceClient::new(self.channel.clone())
    }

    pub(crate) fn proof(&self) -> ProofServiceClient<Authorized> {
        ProofServiceClient::new(self.channel.clone())
    }

    pub(crate) fn turns(&self) -> CaseTurnServiceClient<Authorized> {
        CaseTurnServiceClient::new(self.channel.clone())
    }

    pub(crate) fn systems(&self) -> AgencySystemServiceClient<Authorized> {
        AgencySystemServiceClient::new(self.channel.clone())
    }

    pub(crate) fn routing(&self) -> RoutingServiceClient<Authorized> {
        RoutingServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn case(&self, case: Uuid) -> Result<api::Case, Status> {
        let answer = self.cases().get_case(api::GetCaseRequest { case_id: case.to_string() }).await?;
        Ok(answer.into_inner().case.expect("a case"))
    }

    pub(crate) async fn instruct(&self, case: Uuid, agency: Agency) -> Result<api::Case, Status> {
        let request = api::InstructAgencyRequest {
            request_id: new_id(),
            case_id: case.to_string(),
            agency: agency.code().to_owned(),
            text: "立即查处".to_owned(),
            expected_version: 0,
        };
        Ok(self.township().instruct_agency(request).await?.into_inner().case.expect("a case"))
    }

    pub(crate) async fn escalate(&self, case: Uuid) -> Result<api::Case, Status> {
        let request = api::EscalateRequest {
            request_id: new_id(),
            case_id: case.to_string(),
            reason: "超出乡镇职权".to_owned(),
            expected_version: 0,
        };
        Ok(self.township().escalate(request).await?.into_inner().case.expect("a case"))
    }

    pub(crate) async fn accept_result(&self, case: Uuid) -> Result<api::Case, Status> {
        let request = api::AcceptResultRequest {
            request_id: new_id(),
            case_id: case.to_string(),
            public_text: "已依法取缔".to_owned(),
            expected_version: 0,
        };
        Ok(self.township().accept_result(request).await?.into_inner().case.expect("a case"))
    }

    pub(crate) async fn assign(&self, case: Uuid) -> Result<api::Case, Status> {
        let request = api::AssignDepartmentRequest {
            request_id: new_id(),
            case_id: case.to_string(),
            text: "依法查处".to_owned(),
            ..Default::default()
        };
        Ok(self.county().assign_department(request).await?.into_inner().case.expect("a case"))
    }

    pub(crate) async fn feed_back(&self, case: Uuid) -> Result<api::Case, Status> {
        let request = api::FeedBackRequest {
            request_id: new_id(),
            case_id: case.to_string(),
            text: "部门已办结".to_owned(),
            public_text: "已依法取缔".to_owned(),
            expected_version: 0,
        };
        Ok(self.county().feed_back(request).await?.into_inner().case.expect("a case"))
    }

    pub(crate) async fn inbox(&self) -> Vec<api::Instruction> {
        let answer = self.agency().list_instructions(api::ListInstructionsRequest::default()).await;
        answer.expect("an inbox").into_inner().instructions
    }

    pub(crate) async fn read(&self, instruction: &str) -> Result<api::ReadInstructionResponse, Status> {
        let request = api::ReadInstructionRequest { instruction_id: instruction.to_owned() };
        Ok(self.agency().read_instruction(request).await?.into_inner())
    }

    pub(crate) async fn accept(&self, instruction: &str) -> Result<api::Instruction, Status> {
        let request = api::AcceptInstructionRequest { request_id: new_id(), instruction_id: instruction.to_owned() };
        Ok(self.agency().accept_instruction(request).await?.into_inner().instruction.expect("an instruction"))
    }

    pub(crate) async fn respond(&self, instruction: &str) -> Result<api::Instruction, Status> {
        let request = api::RespondRequest {
            request_id: new_id(),
            instruction_id: instruction.to_owned(),
            plan: "今日到场".to_owned(),
        };
        Ok(self.agency().respond(request).await?.into_inner().instruction.expect("an instruction"))
    }

    pub(crate) async fn decline(&self, instruction: &str, legal_basis: &str) -> Result<api::Instruction, Status> {
        let request = api::DeclineInstructionRequest {
            request_id: new_id(),
            instruction_id: instruction.to_owned(),
            reason: "不属职责".to_owned(),
            legal_basis: legal_basis.to_owned(),
        };
        Ok(self.agency().decline_instruction(request).await?.into_inner().instruction.expect("an instruction"))
    }

    pub(crate) async fn submit(
        &self,
        instruction: &str,
        kind: types::ResultKind,
        measures: Vec<types::Measure>,
    ) -> Result<api::Instruction, Status> {
        let request = api::SubmitResultRequest {
            request_id: new_id(),
            instruction_id: instruction.to_owned(),
            kind: kind.into(),
            text: "已查封".to_owned(),
            confirmed_acts: vec!["HC-3".to_owned()],
            measures,
            exemptions: crate::suite::exemptions(),
            outside_scope: false,
        };
        Ok(self.agency().submit_result(request).await?.into_inner().instruction.expect("an instruction"))
    }

    pub(crate) async fn history(&self, case: Uuid) -> Vec<api::HistoryItem> {
        let request = api::ListCaseHistoryRequest { case_id: case.to_string(), ..Default::default() };
        self.cases().list_case_history(request).await.expect("a history").into_inner().items
    }

    pub(crate) async fn register(
        &self,
        agency: Agency,
        text: &str,
    ) -> Result<api::RegisterAgencySystemResponse, Status> {
        let request = api::RegisterAgencySystemRequest {
            request_id: new_id(),
            agency: agency.code().to_owned(),
            region: Some(wire_region(text)),
        };
        Ok(self.systems().register_agency_system(request).await?.into_inner())
    }
}

/// The lead's instruction of the last assignment.
pub(crate) fn lead(case: &api::Case) -> &api::Instruction {
    case.instructions.iter().rev().find(|one| one.lead).expect("a lead")
}
