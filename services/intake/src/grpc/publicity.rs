//! Publicity (clauses D5 to D7).

mod broadcasts;
mod leaflets;
mod notices;

use dafei_contracts::{
    convert::{self, ConvertError},
    intake::v1::{self as api, publicity_service_server::PublicityService},
    types::v1 as types,
};
use dafei_kernel::{
    region::{Region, RegionPath},
    role::Role,
    roster::RosterIndex,
};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use tonic::{Request, Response, Status};

use super::Grpc;
use crate::{app, wire};

/// Who posts, speaks and hands out: the village, its work area, its township's centre.
const ROLES: &[Role] = &[Role::VillageSecretary, Role::GridMember, Role::WorkAreaSecretary, Role::TownshipCentre];

/// The village of a write, which lies in the writer's region.
fn written(caller: &Principal, roster: &RosterIndex, village: Option<&types::Region>) -> Result<RegionPath, Fault> {
    scope::require(caller, ROLES)?;
    let village = wire::village("village", village).map_err(faults::convert)?;
    scope::require_region(caller, roster, "village", &village)
}

/// The region of a list, which lies in the reader's.
fn listed(caller: &Principal, roster: &RosterIndex, region: Option<&types::Region>) -> Result<Region, Fault> {
    scope::require(caller, &scope::CASE_READERS)?;
    let region = convert::region("region", region).map_err(faults::convert)?;
    scope::require_region(caller, roster, "region", &region)?;
    Ok(region)
}

/// A number from `low` to `high`.
fn number(field: &str, value: u32, low: u32, high: u32) -> Result<u32, Fault> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(faults::convert(ConvertError {
        field: field.to_owned(),
        reason: "OUT_OF_RANGE",
        description: format!("is not from {low} to {high}"),
        description_zh: format!("应为{low}至{high}"),
    }))
}

#[tonic::async_trait]
impl PublicityService for Grpc {
    async fn post_notice(
        &self,
        request: Request<api::PostNoticeRequest>,
    ) -> Result<Response<api::PostNoticeResponse>, Status> {
        let new = self.new_notice(principal(&request)?, request.get_ref())?;
        Ok(Response::new(app::post_notice(&self.app, new).await?))
    }

    async fn remove_notice(
        &self,
        request: Request<api::RemoveNoticeRequest>,
    ) -> Result<Response<api::RemoveNoticeResponse>, Status> {
        let removal = self.removal(principal(&request)?, request.get_ref()).await?;
        Ok(Response::new(app::remove_notice(&self.app, removal).await?))
    }

    async fn list_notices(
        &self,
        request: Request<api::ListNoticesRequest>,
    ) -> Result<Response<api::ListNoticesResponse>, Status> {
        Ok(Response::new(self.notices(principal(&request)?, request.get_ref()).await?))
    }

    async fn get_notice_standing(
        &self,
        request: Request<api::GetNoticeStandingRequest>,
    ) -> Result<Response<api::GetNoticeStandingResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, &scope::CASE_READERS)?;
        let village = wire::village("village", request.get_ref().village.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &self.app.roster.current(), "village", &village)?;
        Ok(Response::new(app::notice_standing(&self.app, &village).await?))
    }

    async fn list_notice_standings(
        &self,
        request: Request<api::ListNoticeStandingsRequest>,
    ) -> Result<Response<api::ListNoticeStandingsResponse>, Status> {
        Ok(Response::new(self.standings(principal(&request)?, request.get_ref()).await?))
    }

    async fn record_broadcast(
        &self,
        request: Request<api::RecordBroadcastRequest>,
    ) -> Result<Response<api::RecordBroadcastResponse>, Status> {
        let new = self.new_broadcast(principal(&request)?, request.get_ref())?;
        Ok(Response::new(app::record_broadcast(&self.app, new).await?))
    }

    async fn list_broadcasts(
        &self,
        request: Request<api::ListBroadcastsRequest>,
    ) -> Result<Response<api::ListBroadcastsResponse>, Status> {
        Ok(Response::new(self.broadcasts(principal(&request)?, request.get_ref()).await?))
    }

    async fn distribute_leaflets(
        &self,
        request: Request<api::DistributeLeafletsRequest>,
    ) -> Result<Response<api::DistributeLeafletsResponse>, Status> {
        let new = self.new_distribution(principal(&request)?, request.get_ref())?;
        Ok(Response::new(app::distribute(&self.app, new).await?))
    }

    async fn list_leaflets(
        &self,
        request: Request<api::ListLeafletsRequest>,
    ) -> Result<Response<api::ListLeafletsResponse>, Status> {
        Ok(Response::new(self.leaflets(principal(&request)?, request.get_ref()).await?))
    }

    async fn get_publicity_coverage(
        &self,
        request: Request<api::GetPublicityCoverageRequest>,
    ) -> Result<Response<api::GetPublicityCoverageResponse>, Status> {
        Ok(Response::new(self.coverage(principal(&request)?, request.get_ref()).await?))
    }
}
