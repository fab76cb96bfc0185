//! The roster: imports and changes; its regions are for everyone who has a token.

mod changes;
mod reads;

use dafei_contracts::{
    convert::ConvertError,
    intake::v1::{self as api, roster_service_server::RosterService},
};
use dafei_intake_core::roster::{Change, File};
use dafei_kernel::{role::Role, roster::RosterIndex};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::{Grpc, request_key};
use crate::app::{Asked, Upload, change, dry_run, import};
use changes::{ADMIN, COUNTY};

fn file(value: i32) -> Result<File, Fault> {
    match api::RosterFile::try_from(value) {
        Ok(api::RosterFile::Regions) => Ok(File::Regions),
        Ok(api::RosterFile::Holders) => Ok(File::Holders),
        Ok(api::RosterFile::Enterprises) => Ok(File::Enterprises),
        Ok(api::RosterFile::Unspecified) => Err(faults::convert(ConvertError::required("file"))),
        Err(_) => Err(faults::convert(ConvertError::invalid("file", "is no kind of file"))),
    }
}

impl Grpc {
    /// Who asks for a change: one of the roles; what it asks for, by its hash.
    fn asked(
        caller: &Principal,
        roles: &[Role],
        method: &str,
        request_id: &str,
        payload: &impl Message,
    ) -> Result<Asked, Fault> {
        scope::require(caller, roles)?;
        Ok(Asked {
            request: request_key(caller, method, request_id)?,
            payload_hash: faults::payload_hash(payload),
            actor: scope::post(caller),
        })
    }

    /// Reads a change out of a request and carries it out.
    async fn change<B, A: Message + Default>(
        &self,
        (caller, asked, body): (&Principal, Asked, &B),
        read: impl FnOnce(&Principal, &RosterIndex, &B) -> Result<Change, Fault>,
        answer: impl FnOnce(bool) -> A,
    ) -> Result<Response<A>, Status> {
        let wanted = |roster: &RosterIndex| read(caller, roster, body);
        Ok(Response::new(change(&self.app, asked, wanted, answer).await?))
    }
}

#[tonic::async_trait]
impl RosterService for Grpc {
    async fn import_roster(
        &self,
        request: Request<Streaming<api::ImportRosterRequest>>,
    ) -> Result<Response<api::ImportRosterResponse>, Status> {
        let caller = principal(&request)?.clone();
        scope::require(&caller, ADMIN)?;
        // A file may hold rows of all of the city.
        scope::require_city(&caller)?;
        let mut parts = request.into_inner();
        let first = parts.message().await?.unwrap_or_default();
        let request = request_key(&caller, "ImportRoster", &first.request_id)?;
        let actor = scope::post(&caller);
        let mut upload = Upload::begin(file(first.file)?);
        upload.add(first.chunk).await?;
        while let Some(part) = parts.message().await? {
            upload.add(part.chunk).await?;
        }
        let (file, payload_hash) = upload.end().await?;
        let answer = if first.dry_run {
            dry_run(&self.app, &actor, file).await?
        } else {
            import(&self.app, Asked { request, payload_hash, actor }, file).await?
        };
        Ok(Response::new(answer))
    }

    async fn put_region(
        &self,
        request: Request<api::PutRegionRequest>,
    ) -> Result<Response<api::PutRegionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let asked = Self::asked(caller, ADMIN, "PutRegion", &body.request_id, body)?;
        let answer = |changed| api::PutRegionResponse { changed };
        self.change((caller, asked, body), changes::put_region, answer).await
    }

    async fn remove_region(
        &self,
        request: Request<api::RemoveRegionRequest>,
    ) -> Result<Response<api::RemoveRegionResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let asked = Self::asked(caller, ADMIN, "RemoveRegion", &body.request_id, body)?;
        self.change((caller, asked, body), changes::remove_region, |_| api::RemoveRegionResponse {}).await
    }

    async fn put_work_area(
        &self,
        request: Request<api::PutWorkAreaRequest>,
    ) -> Result<Response<api::PutWorkAreaResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let asked = Self::asked(caller, COUNTY, "PutWorkArea", &body.request_id, body)?;
        let answer = |changed| api::PutWorkAreaResponse { changed };
        self.change((caller, asked, body), changes::put_work_area, answer).await
    }

    async fn appoint_holder(
        &self,
        request: Request<api::AppointHolderRequest>,
    ) -> Result<Response<api::AppointHolderResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let asked = Self::asked(caller, COUNTY, "AppointHolder", &body.request_id, body)?;
        let answer = |changed| api::AppointHolderResponse { changed };
        self.change((caller, asked, body), changes::appoint, answer).await
    }

    async fn end_tenure(
        &self,
        request: Request<api::EndTenureRequest>,
    ) -> Result<Response<api::EndTenureResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let asked = Self::asked(caller, COUNTY, "EndTenure", &body.request_id, body)?;
        let answer = |changed| api::EndTenureResponse { changed };
        self.change((caller, asked, body), changes::end_tenure, answer).await
    }

    async fn put_enterprise(
        &self,
        request: Request<api::PutEnterpriseRequest>,
    ) -> Result<Response<api::PutEnterpriseResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let asked = Self::asked(caller, COUNTY, "PutEnterprise", &body.request_id, body)?;
        let answer = |changed| api::PutEnterpriseResponse { changed, warnings: changes::hints(body) };
        self.change((caller, asked, body), changes::put_enterprise, answer).await
    }

    async fn remove_enterprise(
        &self,
        request: Request<api::RemoveEnterpriseRequest>,
    ) -> Result<Response<api::RemoveEnterpriseResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let asked = Self::asked(caller, COUNTY, "RemoveEnterprise", &body.request_id, body)?;
        self.change((caller, asked, body), changes::remove_enterprise, |_| api::RemoveEnterpriseResponse {}).await
    }

    async fn get_region(
        &self,
        request: Request<api::GetRegionRequest>,
    ) -> Result<Response<api::GetRegionResponse>, Status> {
        principal(&request)?;
        let now = self.app.clock.now();
        Ok(Response::new(reads::region(&self.app.roster.current(), request.get_ref(), now)?))
    }

    async fn list_regions(
        &self,
        request: Request<api::ListRegionsRequest>,
    ) -> Result<Response<api::ListRegionsResponse>, Status> {
        principal(&request)?;
        Ok(Response::new(reads::regions(&self.app.roster.current(), request.get_ref())?))
    }

    async fn get_holders(
        &self,
        request: Request<api::GetHoldersRequest>,
    ) -> Result<Response<api::GetHoldersResponse>, Status> {
        principal(&request)?;
        Ok(Response::new(reads::holders(&self.app.roster.current(), request.get_ref())?))
    }

    async fn list_enterprises(
        &self,
        request: Request<api::ListEnterprisesRequest>,
    ) -> Result<Response<api::ListEnterprisesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        Ok(Response::new(reads::enterprises(caller, &self.app.roster.current(), body)?))
    }

    async fn get_roster_totals(
        &self,
        request: Request<api::GetRosterTotalsRequest>,
    ) -> Result<Response<api::GetRosterTotalsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        Ok(Response::new(reads::totals(caller, &self.app.roster.current(), body)?))
    }
}
