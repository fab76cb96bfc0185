//! `SpotCheckService`: the city's spot checks by phone and unannounced visits (抽查, clause E2).

mod draw;
mod record;
mod wire;

use std::sync::Arc;

use dafei_contracts::{
    convert,
    reporting::v1::{self as pb, spot_check_service_server::SpotCheckService},
};
use dafei_kernel::{
    clock::SharedClock,
    ids::IdSource,
    region::{Level, RegionPath},
    role::Role,
    roster::RosterIndex,
};
use dafei_reporting_core::spot_check::Weighted;
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{faults, paging, roster::RosterView, scope};
use sqlx::PgPool;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::store::spot_checks::{self as store, Bounds, Sample};

/// Who draws and records.
const DRAWERS: [Role; 1] = [Role::CityOffice];
/// Who sees samples: the city's office, and in their region those who answer for what was checked.
const READERS: [Role; 7] = [
    Role::CityOffice,
    Role::CountyOffice,
    Role::CountyCommander,
    Role::TownshipCentre,
    Role::TownshipPrincipal,
    Role::Auditor,
    Role::Admin,
];

/// Serves spot checks.
#[derive(Clone)]
pub struct SpotChecks {
    pool: PgPool,
    roster: RosterView,
    clock: SharedClock,
    ids: Arc<dyn IdSource>,
}

/// What a caller sees of samples.
struct Seen {
    /// Of which county and township.
    bounds: Bounds,
    /// Whether before anybody was there: posts below the city must not know whom an unannounced visit will meet.
    beforehand: bool,
}

/// The codes of a path's county and township: they bound what lies in its last region.
fn bounds(path: &RegionPath) -> Bounds {
    let code = |level| path.at(level).map(|region| region.code().to_string());
    Bounds { county: code(Level::County), township: code(Level::Township) }
}

impl SpotChecks {
    /// Serves from `pool`.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, clock: SharedClock, ids: Arc<dyn IdSource>) -> Self {
        Self { pool, roster, clock, ids }
    }

    fn seen(caller: &Principal, roster: &RosterIndex) -> Result<Seen, Fault> {
        scope::require(caller, &READERS)?;
        let path = scope::require_region(caller, roster, "region", &caller.region)?;
        Ok(Seen { bounds: bounds(&path), beforehand: path.leaf().level() == Level::City })
    }

    /// A sample that lies in the caller's region, or that the caller's region lies in.
    async fn sample(&self, seen: &Seen, sample_id: &str) -> Result<Sample, Fault> {
        let id = convert::uuid("sample_id", sample_id).map_err(faults::convert)?;
        let mut found = store::samples(&self.pool, Some(id), &seen.bounds, None, 1).await.map_err(faults::database)?;
        found.pop().ok_or_else(|| unknown(id))
    }

    async fn get(&self, caller: &Principal, body: &pb::GetSampleRequest) -> Result<pb::GetSampleResponse, Fault> {
        let seen = Self::seen(caller, &self.roster.current())?;
        let sample = self.sample(&seen, &body.sample_id).await?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let drawn = store::drawn(&mut *conn, sample.sample_id, None, &seen.bounds).await.map_err(faults::database)?;
        let checks = store::checks(&mut *conn, sample.sample_id).await.map_err(faults::database)?;
        let mut shown = wire::drawn(drawn, &checks)?;
        shown.retain(|one| seen.beforehand || !one.checks.is_empty());
        let head = wire::sample(&sample, seen.beforehand)?;
        Ok(pb::GetSampleResponse { sample: Some(pb::Sample { drawn: shown, ..head }) })
    }

    async fn population(
        &self,
        caller: &Principal,
        body: &pb::ListPopulationRequest,
    ) -> Result<pb::ListPopulationResponse, Fault> {
        let seen = Self::seen(caller, &self.roster.current())?;
        let sample = self.sample(&seen, &body.sample_id).await?;
        if !seen.beforehand && sample.unchecked > 0 {
            let english = format!("{} of the drawn are not checked yet", sample.unchecked);
            let zh = "抽查尚未全部完成，暂不公布抽样名单";
            return Err(Fault::precondition("SAMPLE_NOT_CHECKED", format!("sample/{}", body.sample_id), english, zh));
        }
        let size = paging::page_size(body.page_size, 1_000, 5_000)?;
        let filter = pb::ListPopulationRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let after: Option<String> = paging::decode(&body.page_token, &filter)?;
        let mut rows = store::population(&self.pool, sample.sample_id, &seen.bounds, after.as_deref(), size + 1)
            .await
            .map_err(faults::database)?;
        let limit = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > limit;
        rows.truncate(limit);
        let next_page_token = match rows.last() {
            Some(last) if full => paging::encode(&last.id, &filter),
            Some(_) | None => String::new(),
        };
        let population = rows.into_iter().map(|Weighted { id, weight }| pb::Weighted { id, weight }).collect();
        Ok(pb::ListPopulationResponse { population, next_page_token })
    }

    async fn list(&self, caller: &Principal, body: &pb::ListSamplesRequest) -> Result<pb::ListSamplesResponse, Fault> {
        let roster = self.roster.current();
        let seen = Self::seen(caller, &roster)?;
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        let path = scope::require_region(caller, &roster, "region", &region)?;
        let size = paging::page_size(body.page_size, 20, 100)?;
        let filter = pb::ListSamplesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let before: Option<i64> = paging::decode(&body.page_token, &filter)?;
        let mut rows =
            store::samples(&self.pool, None, &bounds(&path), before, size + 1).await.map_err(faults::database)?;
        let limit = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > limit;
        rows.truncate(limit);
        let next_page_token = match rows.last() {
            Some(last) if full => paging::encode(&last.number, &filter),
            Some(_) | None => String::new(),
        };
        let samples = rows.iter().map(|row| wire::sample(row, seen.beforehand)).collect::<Result<_, _>>()?;
        Ok(pb::ListSamplesResponse { samples, next_page_token })
    }
}

fn unknown(id: Uuid) -> Fault {
    Fault::not_found("sample", id.to_string(), "没有这次抽查，或者不在您的管辖范围内")
}

#[tonic::async_trait]
impl SpotCheckService for SpotChecks {
    async fn draw_sample(
        &self,
        request: Request<pb::DrawSampleRequest>,
    ) -> Result<Response<pb::DrawSampleResponse>, Status> {
        Ok(Response::new(self.draw(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn get_sample(
        &self,
        request: Request<pb::GetSampleRequest>,
    ) -> Result<Response<pb::GetSampleResponse>, Status> {
        Ok(Response::new(self.get(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_population(
        &self,
        request: Request<pb::ListPopulationRequest>,
    ) -> Result<Response<pb::ListPopulationResponse>, Status> {
        Ok(Response::new(self.population(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn list_samples(
        &self,
        request: Request<pb::ListSamplesRequest>,
    ) -> Result<Response<pb::ListSamplesResponse>, Status> {
        Ok(Response::new(self.list(identity::principal(&request)?, request.get_ref()).await?))
    }

    async fn record_spot_check(
        &self,
        request: Request<pb::RecordSpotCheckRequest>,
    ) -> Result<Response<pb::RecordSpotCheckResponse>, Status> {
        Ok(Response::new(self.record(identity::principal(&request)?, request.get_ref()).await?))
    }
}
