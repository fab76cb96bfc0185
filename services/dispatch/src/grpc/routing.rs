//! The routing table and the townships' authority: read, checked, tried out, replaced and explained.

mod explain;
mod shadow;
mod texts;

use dafei_contracts::dispatch::v1::{self as api, routing_service_server::RoutingService};
use dafei_dispatch_core::routing::Proposal;
use dafei_runtime::identity::principal;
use dafei_shell::scope;
use tonic::{Request, Response, Status};

use super::Grpc;
use crate::store::routing::Kind;

/// What a table proposes, as it is told.
fn route(proposal: Proposal) -> api::ProposedRoute {
    api::ProposedRoute {
        lead: proposal.lead.code().to_owned(),
        co_handlers: proposal.co_handlers.iter().map(|agency| agency.code().to_owned()).collect(),
        enforcement: proposal.enforcement.code().to_owned(),
        rule: proposal.rule,
        version: proposal.version,
    }
}

#[tonic::async_trait]
impl RoutingService for Grpc {
    async fn get_routing_table(
        &self,
        request: Request<api::GetRoutingTableRequest>,
    ) -> Result<Response<api::GetRoutingTableResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let found = self.routing_text(caller, Kind::Routing, body.county.as_ref(), &body.version).await?;
        Ok(Response::new(api::GetRoutingTableResponse { table: Some(found) }))
    }

    async fn list_routing_versions(
        &self,
        request: Request<api::ListRoutingVersionsRequest>,
    ) -> Result<Response<api::ListRoutingVersionsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let page = (body.page_size, body.page_token.as_str());
        let (versions, next_page_token) = self.versions(caller, Kind::Routing, body.county.as_ref(), page).await?;
        Ok(Response::new(api::ListRoutingVersionsResponse { versions, next_page_token }))
    }

    async fn check_routing_table(
        &self,
        request: Request<api::CheckRoutingTableRequest>,
    ) -> Result<Response<api::CheckRoutingTableResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let draft = self.draft(caller, Kind::Routing, body.county.as_ref(), &body.text)?;
        Ok(Response::new(api::CheckRoutingTableResponse { problems: self.problems(&draft).await? }))
    }

    async fn shadow_routing_table(
        &self,
        request: Request<api::ShadowRoutingTableRequest>,
    ) -> Result<Response<api::ShadowRoutingTableResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        Ok(Response::new(self.shadow(caller, body).await?))
    }

    async fn replace_routing_table(
        &self,
        request: Request<api::ReplaceRoutingTableRequest>,
    ) -> Result<Response<api::ReplaceRoutingTableResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let draft = self.draft(caller, Kind::Routing, None, &body.text)?;
        let ask =
            texts::replacement(caller, "ReplaceRoutingTable", (&body.request_id, body), draft, body.expected_revision)?;
        let answer = |new: &_| api::ReplaceRoutingTableResponse { table: Some(texts::wire(new)) };
        Ok(Response::new(self.replace(ask, answer).await?))
    }

    async fn replace_county_routing(
        &self,
        request: Request<api::ReplaceCountyRoutingRequest>,
    ) -> Result<Response<api::ReplaceCountyRoutingResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let county = body.county.clone().unwrap_or_default();
        let draft = self.draft(caller, Kind::Routing, Some(&county), &body.text)?;
        let ask = texts::replacement(
            caller,
            "ReplaceCountyRouting",
            (&body.request_id, body),
            draft,
            body.expected_revision,
        )?;
        let answer = |new: &_| api::ReplaceCountyRoutingResponse { table: Some(texts::wire(new)) };
        Ok(Response::new(self.replace(ask, answer).await?))
    }

    async fn explain_route(
        &self,
        request: Request<api::ExplainRouteRequest>,
    ) -> Result<Response<api::ExplainRouteResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, &scope::CASE_READERS)?;
        Ok(Response::new(self.explain(caller, body).await?))
    }

    async fn get_township_authority(
        &self,
        request: Request<api::GetTownshipAuthorityRequest>,
    ) -> Result<Response<api::GetTownshipAuthorityResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let found = self.routing_text(caller, Kind::Authority, body.county.as_ref(), &body.version).await?;
        Ok(Response::new(api::GetTownshipAuthorityResponse { authority: Some(found) }))
    }

    async fn list_authority_versions(
        &self,
        request: Request<api::ListAuthorityVersionsRequest>,
    ) -> Result<Response<api::ListAuthorityVersionsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let page = (body.page_size, body.page_token.as_str());
        let (versions, next_page_token) = self.versions(caller, Kind::Authority, body.county.as_ref(), page).await?;
        Ok(Response::new(api::ListAuthorityVersionsResponse { versions, next_page_token }))
    }

    async fn check_township_authority(
        &self,
        request: Request<api::CheckTownshipAuthorityRequest>,
    ) -> Result<Response<api::CheckTownshipAuthorityResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let draft = self.draft(caller, Kind::Authority, body.county.as_ref(), &body.text)?;
        Ok(Response::new(api::CheckTownshipAuthorityResponse { problems: self.problems(&draft).await? }))
    }

    async fn replace_township_authority(
        &self,
        request: Request<api::ReplaceTownshipAuthorityRequest>,
    ) -> Result<Response<api::ReplaceTownshipAuthorityResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let draft = self.draft(caller, Kind::Authority, body.county.as_ref(), &body.text)?;
        let ask = texts::replacement(
            caller,
            "ReplaceTownshipAuthority",
            (&body.request_id, body),
            draft,
            body.expected_revision,
        )?;
        let answer = |new: &_| api::ReplaceTownshipAuthorityResponse { authority: Some(texts::wire(new)) };
        Ok(Response::new(self.replace(ask, answer).await?))
    }
}
