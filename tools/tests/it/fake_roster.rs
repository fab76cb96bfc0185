//! The roster as intake tells it, of two counties on two pages.

use dafei_contracts::{
    intake::v1::{self as intake, roster_service_server::RosterService},
    types::v1 as types,
};
use tonic::{Request, Response, Status, Streaming};

/// Answers what is below the city; nobody asks anything else.
pub(crate) struct FakeRoster;

fn nobody_asks<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("nobody asks"))
}

#[tonic::async_trait]
impl RosterService for FakeRoster {
    async fn list_regions(
        &self,
        request: Request<intake::ListRegionsRequest>,
    ) -> Result<Response<intake::ListRegionsResponse>, Status> {
        let (code, next) = if request.get_ref().page_token.is_empty() { ("371302", "2") } else { ("371311", "") };
        let region = Some(types::Region { level: "county".to_owned(), code: code.to_owned() });
        let regions = vec![intake::RegionItem { region, name: code.to_owned() }];
        Ok(Response::new(intake::ListRegionsResponse { regions, next_page_token: next.to_owned() }))
    }

    async fn import_roster(
        &self,
        _: Request<Streaming<intake::ImportRosterRequest>>,
    ) -> Result<Response<intake::ImportRosterResponse>, Status> {
        nobody_asks()
    }

    async fn put_region(
        &self,
        _: Request<intake::PutRegionRequest>,
    ) -> Result<Response<intake::PutRegionResponse>, Status> {
        nobody_asks()
    }

    async fn remove_region(
        &self,
        _: Request<intake::RemoveRegionRequest>,
    ) -> Result<Response<intake::RemoveRegionResponse>, Status> {
        nobody_asks()
    }

    async fn put_work_area(
        &self,
        _: Request<intake::PutWorkAreaRequest>,
    ) -> Result<Response<intake::PutWorkAreaResponse>, Status> {
        nobody_asks()
    }

    async fn appoint_holder(
        &self,
        _: Request<intake::AppointHolderRequest>,
    ) -> Result<Response<intake::AppointHolderResponse>, Status> {
        nobody_asks()
    }

    async fn end_tenure(
        &self,
        _: Request<intake::EndTenureRequest>,
    ) -> Result<Response<intake::EndTenureResponse>, Status> {
        nobody_asks()
    }

    async fn put_enterprise(
        &self,
        _: Request<intake::PutEnterpriseRequest>,
    ) -> Result<Response<intake::PutEnterpriseResponse>, Status> {
        nobody_asks()
    }

    async fn remove_enterprise(
        &self,
        _: Request<intake::RemoveEnterpriseRequest>,
    ) -> Result<Response<intake::RemoveEnterpriseResponse>, Status> {
        nobody_asks()
    }

    async fn get_region(
        &self,
        _: Request<intake::GetRegionRequest>,
    ) -> Result<Response<intake::GetRegionResponse>, Status> {
        nobody_asks()
    }

    async fn get_holders(
        &self,
        _: Request<intake::GetHoldersRequest>,
    ) -> Result<Response<intake::GetHoldersResponse>, Status> {
        nobody_asks()
    }

    async fn list_enterprises(
        &self,
        _: Request<intake::ListEnterprisesRequest>,
    ) -> Result<Response<intake::ListEnterprisesResponse>, Status> {
        nobody_asks()
    }

    async fn get_roster_totals(
        &self,
        _: Request<intake::GetRosterTotalsRequest>,
    ) -> Result<Response<intake::GetRosterTotalsResponse>, Status> {
        nobody_asks()
    }
}
