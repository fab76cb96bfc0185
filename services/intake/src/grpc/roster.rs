//! The roster: import by the administrator; its regions are for everyone who has a token.

use dafei_contracts::{
    convert::{self, ConvertError},
    intake::v1::{self as api, roster_service_server::RosterService},
};
use dafei_intake_core::roster::File;
use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    role::Role,
    roster::RosterIndex,
    time::Instant,
};
use dafei_runtime::{identity::principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use tonic::{Request, Response, Status, Streaming};

use super::{Grpc, evidence::add, request_key, suspicions::villages_of};
use crate::app::{Upload, import};

const ROLES: &[Role] = &[Role::Admin];

/// Most bytes of a file.
const MAX_BYTES: usize = 64 * 1024 * 1024;

fn file(value: i32) -> Result<File, Fault> {
    match api::RosterFile::try_from(value) {
        Ok(api::RosterFile::Regions) => Ok(File::Regions),
        Ok(api::RosterFile::Holders) => Ok(File::Holders),
        Ok(api::RosterFile::Enterprises) => Ok(File::Enterprises),
        Ok(api::RosterFile::Unspecified) => Err(faults::convert(ConvertError::required("file"))),
        Err(_) => Err(faults::convert(ConvertError::invalid("file", "is no kind of file"))),
    }
}

fn known(roster: &RosterIndex, field: &str, region: &Region) -> Result<(), Fault> {
    if roster.get(region).is_some() {
        return Ok(());
    }
    Err(Fault::field(field, "UNKNOWN_REGION", format!("{region} is not in the roster"), "没有这个行政区划"))
}

/// The region's posts that someone holds at an instant.
fn holders(roster: &RosterIndex, region: &Region, at: Instant) -> Vec<dafei_contracts::types::v1::Owner> {
    let mut posts: Vec<Post> = roster
        .holders(region)
        .iter()
        .map(|holder| Post { role: holder.role, region: holder.region.clone(), agency: holder.agency })
        .collect();
    posts.sort();
    posts.dedup();
    posts
        .iter()
        .map(|post| roster.owner_at(post, at))
        .filter(|owner| !owner.persons.is_empty())
        .map(|owner| (&owner).into())
        .collect()
}

/// The regions directly below one, in the order of their levels and codes; for a work area its villages.
fn below(roster: &RosterIndex, parent: Option<&Region>) -> Vec<Region> {
    match parent {
        None => {
            let mut cities: Vec<Region> = roster.of_level(Level::City).map(|entry| entry.region.clone()).collect();
            cities.sort();
            cities
        }
        Some(area) if area.level() == Level::WorkArea => {
            villages_of(roster, area).iter().filter_map(|code| Region::new(Level::Village, code).ok()).collect()
        }
        Some(parent) => roster.children(parent).cloned().collect(),
    }
}

#[tonic::async_trait]
impl RosterService for Grpc {
    async fn import_roster(
        &self,
        request: Request<Streaming<api::ImportRosterRequest>>,
    ) -> Result<Response<api::ImportRosterResponse>, Status> {
        let caller = principal(&request)?.clone();
        scope::require(&caller, ROLES)?;
        let mut parts = request.into_inner();
        let first = parts.message().await?.unwrap_or_default();
        let mut upload = Upload {
            request: request_key(&caller, "ImportRoster", &first.request_id)?,
            actor: scope::post(&caller),
            file: file(first.file)?,
            bytes: Vec::new(),
        };
        add(&mut upload.bytes, &first.chunk, MAX_BYTES)?;
        while let Some(part) = parts.message().await? {
            add(&mut upload.bytes, &part.chunk, MAX_BYTES)?;
        }
        Ok(Response::new(import(&self.app, upload).await?))
    }

    async fn get_region(
        &self,
        request: Request<api::GetRegionRequest>,
    ) -> Result<Response<api::GetRegionResponse>, Status> {
        principal(&request)?;
        let region = convert::region("region", request.get_ref().region.as_ref()).map_err(faults::convert)?;
        let roster = self.app.roster.current();
        known(&roster, "region", &region)?;
        let path = roster.path(&region).map(|path| path.regions().iter().map(Into::into).collect());
        Ok(Response::new(api::GetRegionResponse {
            name: roster.get(&region).map(|entry| entry.name.clone()).unwrap_or_default(),
            path: path.unwrap_or_default(),
            holders: holders(&roster, &region, self.app.clock.now()),
        }))
    }

    async fn list_regions(
        &self,
        request: Request<api::ListRegionsRequest>,
    ) -> Result<Response<api::ListRegionsResponse>, Status> {
        principal(&request)?;
        let body = request.get_ref();
        let roster = self.app.roster.current();
        let parent = body.parent.as_ref().map(|parent| convert::region("parent", Some(parent)));
        let parent = parent.transpose().map_err(faults::convert)?;
        if let Some(parent) = &parent {
            known(&roster, "parent", parent)?;
        }
        let size = usize::try_from(paging::page_size(body.page_size, 100, 1_000)?).unwrap_or(usize::MAX);
        let asked = api::ListRegionsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<Region> = paging::decode(&body.page_token, &asked)?;
        let mut regions = below(&roster, parent.as_ref());
        regions.retain(|region| after.as_ref().is_none_or(|after| region > after));
        let full = regions.len() > size;
        regions.truncate(size);
        let next = regions.last().filter(|_| full).map(|last| paging::encode(last, &asked));
        let item = |region: &Region| api::RegionItem {
            region: Some(region.into()),
            name: roster.get(region).map(|entry| entry.name.clone()).unwrap_or_default(),
        };
        Ok(Response::new(api::ListRegionsResponse {
            regions: regions.iter().map(item).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}
