//! The village's open steps, by which the monitor proves that it has every clock.

use std::pin::pin;

use dafei_contracts::{
    intake::v1::{self as api, open_step_service_server::OpenStepService},
    open_steps::Digest,
};
use dafei_intake_core::suspicion::StateKind;
use dafei_kernel::{
    owner::Post,
    region::{Level, Region},
    role::Role,
};
use dafei_runtime::{identity::principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use futures::TryStreamExt;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::Grpc;
use crate::store::{
    open_steps::{self, Open, Starts},
    suspicions::state_code,
};

/// Those who may read all open steps; only of the city, since they are of all its villages.
const ROLES: &[Role] = &[Role::Service, Role::Auditor, Role::Admin];
/// Digests and their place in the log are of one snapshot.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The clocks that run in the state of a row.
fn clocks(open: &Open) -> &'static [&'static str] {
    let kind = StateKind::ALL.into_iter().find(|kind| state_code(*kind) == open.state);
    kind.map_or(&[], StateKind::clocks)
}

/// The open steps of a suspicion, each with its owner: the finder until the secretary is told, the secretary from then on.
fn steps(open: &Open, starts: &Starts) -> Vec<api::OpenStep> {
    let village = || Region::new(Level::Village, &open.village).ok();
    let of_village = |role| Some(Post { role, region: village()?, agency: None });
    let shown = clocks(open).iter().map(|clock| {
        let (owner, started_at) = match (*clock, &starts.found) {
            ("V1", Some((at, finder))) => (finder.clone().or_else(|| of_village(Role::GridMember)), Some(*at)),
            ("V1", None) => (of_village(Role::GridMember), None),
            ("V2", _) => (of_village(Role::VillageSecretary), starts.told),
            ("V4", _) => (of_village(Role::VillageSecretary), starts.heeded),
            _ => (of_village(Role::VillageSecretary), starts.goes_up),
        };
        api::OpenStep {
            case_id: open.id.to_string(),
            sequence: open.sequence,
            clock: (*clock).to_owned(),
            owner: owner.as_ref().map(Into::into),
            started_at: started_at.map(Into::into),
        }
    });
    shown.collect()
}

#[tonic::async_trait]
impl OpenStepService for Grpc {
    async fn digest_open_steps(
        &self,
        request: Request<api::DigestOpenStepsRequest>,
    ) -> Result<Response<api::DigestOpenStepsResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, ROLES)?;
        scope::require_city(caller)?;
        let mut snapshot = self.app.pool.begin_with(SNAPSHOT).await.map_err(faults::database)?;
        let log_position = open_steps::position(&mut snapshot).await.map_err(faults::database)?;
        let as_of = self.app.clock.now();
        let mut buckets: Vec<(api::OpenStepBucket, Digest)> = Vec::new();
        let mut all = pin!(open_steps::all(&mut snapshot));
        while let Some(open) = all.try_next().await.map_err(faults::database)? {
            let bucket = u32::try_from(open.bucket).unwrap_or(0);
            if buckets.last().is_none_or(|(last, _)| last.bucket != bucket) {
                buckets.push((api::OpenStepBucket { bucket, ..Default::default() }, Digest::default()));
            }
            let Some((sums, digest)) = buckets.last_mut() else { continue };
            sums.cases += 1;
            for clock in clocks(&open) {
                digest.add(open.id, open.sequence, clock, None);
            }
        }
        let digested = buckets.into_iter().map(|(sums, digest)| api::OpenStepBucket {
            steps: digest.steps(),
            digest: digest.finish(),
            ..sums
        });
        let buckets = digested.collect();
        Ok(Response::new(api::DigestOpenStepsResponse { as_of: Some(as_of.into()), log_position, buckets }))
    }

    async fn list_open_steps(
        &self,
        request: Request<api::ListOpenStepsRequest>,
    ) -> Result<Response<api::ListOpenStepsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        scope::require_city(caller)?;
        let bucket = i16::try_from(body.bucket)
            .ok()
            .filter(|bucket| *bucket < 256)
            .ok_or_else(|| Fault::field("bucket", "OUT_OF_RANGE", "is 0 to 255", "分组编号应为0至255"))?;
        let size = paging::page_size(body.page_size, 200, 1_000)?;
        let filter = api::ListOpenStepsRequest { bucket: body.bucket, ..Default::default() };
        let after: Uuid = paging::decode(&body.page_token, &filter)?.unwrap_or(Uuid::nil());
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let page = open_steps::page(&mut conn, bucket, after, size).await.map_err(faults::database)?;
        let ids: Vec<Uuid> = page.iter().map(|open| open.id).collect();
        let starts = open_steps::starts(&mut conn, &ids).await.map_err(faults::database)?;
        let full = i64::try_from(page.len()) == Ok(size);
        let next = page.last().filter(|_| full).map(|open| paging::encode(&open.id, &filter));
        let unknown = Starts::default();
        let steps = page.iter().flat_map(|open| steps(open, starts.get(&open.id).unwrap_or(&unknown)));
        Ok(Response::new(api::ListOpenStepsResponse {
            steps: steps.collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}
