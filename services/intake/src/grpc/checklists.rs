//! Checklists (clause B2): read by everyone with a token, put by the county's office or the administrator.

use std::collections::HashMap;

use dafei_contracts::{
    convert,
    intake::v1::{self as api, checklist_service_server::ChecklistService},
    types::v1 as types,
};
use dafei_kernel::{
    region::{Level, Region},
    role::Role,
    sector::Sector,
};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use tonic::{Request, Response, Status};

use super::{Grpc, patrol_entry::flawed, request_key, text};
use crate::{
    app::{NewVersion, put},
    store::checklists::{self, Version},
    wire,
};

/// Longest id of a checklist that is asked for, in characters.
pub(super) const ID: usize = 80;

const ROLES: &[Role] = &[Role::Admin, Role::CountyOffice];

fn county(region: Option<&types::Region>) -> Result<Region, Fault> {
    let region = convert::region("county", region).map_err(faults::convert)?;
    if region.level() == Level::County {
        return Ok(region);
    }
    Err(Fault::field("county.level", "WRONG_LEVEL", "is not a county", "应填写县区"))
}

impl Grpc {
    async fn checklist(&self, body: &api::GetChecklistRequest) -> Result<api::Checklist, Fault> {
        let checklist_id = text("checklist_id", &body.checklist_id, ID)?;
        let version = i32::try_from(body.version).unwrap_or(i32::MAX);
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let found = checklists::get(&mut conn, &checklist_id, version).await.map_err(faults::database)?;
        found
            .map(|version| wire::checklists::checklist(&version))
            .ok_or_else(|| Fault::not_found("checklist", format!("{checklist_id}/{}", body.version), "没有这个清单"))
    }

    async fn checklists(&self, body: &api::ListChecklistsRequest) -> Result<Vec<api::Checklist>, Fault> {
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut in_force: HashMap<Sector, Version> = HashMap::new();
        let mut put = |versions: Vec<Version>| {
            in_force.extend(versions.into_iter().map(|version| (version.body.sector, version)));
        };
        put(checklists::newest(&mut conn, "").await.map_err(faults::database)?);
        if body.county.is_some() {
            let county = county(body.county.as_ref())?;
            put(checklists::newest(&mut conn, county.code().as_str()).await.map_err(faults::database)?);
        }
        let in_order = Sector::ALL.iter().filter_map(|sector| in_force.get(sector));
        Ok(in_order.map(wire::checklists::checklist).collect())
    }

    async fn put_checklist(
        &self,
        caller: &Principal,
        body: &api::PutChecklistRequest,
    ) -> Result<api::PutChecklistResponse, Fault> {
        scope::require(caller, ROLES)?;
        let request = (request_key(caller, "PutChecklist", &body.request_id)?, faults::payload_hash(body));
        let county = county(body.county.as_ref())?;
        scope::require_region(caller, &self.app.roster.current(), "county", &county)?;
        let checklist = wire::checklists::contents(body).map_err(faults::convert)?;
        let flaws = checklist.flaws();
        if !flaws.is_empty() {
            return Err(flawed(&flaws));
        }
        put(&self.app, NewVersion { request, county, checklist, by: caller.subject.clone() }).await
    }
}

#[tonic::async_trait]
impl ChecklistService for Grpc {
    async fn get_checklist(
        &self,
        request: Request<api::GetChecklistRequest>,
    ) -> Result<Response<api::GetChecklistResponse>, Status> {
        principal(&request)?;
        let checklist = Some(self.checklist(request.get_ref()).await?);
        Ok(Response::new(api::GetChecklistResponse { checklist }))
    }

    async fn list_checklists(
        &self,
        request: Request<api::ListChecklistsRequest>,
    ) -> Result<Response<api::ListChecklistsResponse>, Status> {
        principal(&request)?;
        let checklists = self.checklists(request.get_ref()).await?;
        Ok(Response::new(api::ListChecklistsResponse { checklists }))
    }

    async fn put_checklist(
        &self,
        request: Request<api::PutChecklistRequest>,
    ) -> Result<Response<api::PutChecklistResponse>, Status> {
        Ok(Response::new(self.put_checklist(principal(&request)?, request.get_ref()).await?))
    }
}
