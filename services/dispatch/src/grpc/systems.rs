//! The agencies' own systems on NATS.

use dafei_contracts::{
    convert,
    dispatch::v1::{self as api, agency_system_service_server::AgencySystemService},
};
use dafei_kernel::role::Role;
use dafei_runtime::{identity::principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use tonic::{Request, Response, Status};

use super::{Grpc, write};
use crate::{app::Action, store::systems, unit::Unit};

const ROLES: &[Role] = &[Role::Admin];

#[tonic::async_trait]
impl AgencySystemService for Grpc {
    async fn register_agency_system(
        &self,
        request: Request<api::RegisterAgencySystemRequest>,
    ) -> Result<Response<api::RegisterAgencySystemResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let agency = convert::agency("agency", &body.agency).map_err(faults::convert)?;
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &self.app.roster.current(), "region", &region)?;
        let unit = Unit { agency, region };
        if unit.post().is_none() {
            let wrong = Fault::field(
                "region",
                "NO_AGENCIES_THERE",
                "agencies are at city, county and township",
                "村和工作区没有部门",
            );
            return Err(wrong.into());
        }
        let action = Action::Register(unit.clone());
        let write = write(caller, "RegisterAgencySystem", &body.request_id, body, action)?;
        let answer: api::RegisterAgencySystemResponse = self.write(write).await?;
        self.systems.registered(&unit).await;
        Ok(Response::new(answer))
    }

    async fn list_agency_systems(
        &self,
        request: Request<api::ListAgencySystemsRequest>,
    ) -> Result<Response<api::ListAgencySystemsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        scope::require_city(caller)?;
        let size = paging::page_size(body.page_size, 100, 1_000)?;
        let filter = api::ListAgencySystemsRequest::default();
        let after: Option<(String, String, String)> = paging::decode(&body.page_token, &filter)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let units = systems::list(&mut conn, after.as_ref(), size).await.map_err(faults::database)?;
        let full = i64::try_from(units.len()) == Ok(size);
        let next = units.last().filter(|_| full).map(|unit| paging::encode(&unit.key(), &filter));
        Ok(Response::new(api::ListAgencySystemsResponse {
            systems: units
                .iter()
                .map(|unit| api::AgencySystem {
                    agency: unit.agency.code().to_owned(),
                    region: Some((&unit.region).into()),
                    durable: unit.durable(),
                })
                .collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}
