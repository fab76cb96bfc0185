//! `BreachService`: breaches that stand, by region, and a stream of what is announced.

use dafei_contracts::{
    convert,
    sla::v1::{self as pb, breach_service_server::BreachService},
};
use dafei_kernel::{region::Region, time::Instant};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{faults, paging, roster::RosterView, scope};
use sqlx::PgPool;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    deadlines, item,
    watch::{Ticks, Watcher},
};
use crate::store::read::{self, Asked, Where};

/// Serves breaches.
#[derive(Clone, Debug)]
pub struct Breaches {
    pool: PgPool,
    roster: RosterView,
    ticks: Ticks,
    ending: CancellationToken,
}

/// Cursor of a page: microseconds of the last limit, and the obligation's id.
type PageCursor = (i64, Uuid);

impl Breaches {
    /// Reads from `pool`; streams are woken by `ticks` and end with `ending`.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, ticks: Ticks, ending: CancellationToken) -> Self {
        Self { pool, roster, ticks, ending }
    }

    /// The region asked for, which the caller may look at.
    fn region(
        &self,
        principal: &Principal,
        wire: Option<&dafei_contracts::types::v1::Region>,
    ) -> Result<Region, Fault> {
        scope::require(principal, &scope::CASE_READERS)?;
        let region = convert::region("region", wire).map_err(faults::convert)?;
        scope::require_region(principal, &self.roster.current(), "region", &region)?;
        Ok(region)
    }

    async fn list(&self, region: &Region, request: pb::ListBreachesRequest) -> Result<pb::ListBreachesResponse, Fault> {
        if !request.clock.is_empty() {
            deadlines::clock(&request.clock)?;
        }
        let size = paging::page_size(request.page_size, 50, 500)?;
        let filter = pb::ListBreachesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let after = match paging::decode::<PageCursor>(&request.page_token, &filter)? {
            None => (Instant::MAX, Uuid::max()),
            Some((micros, id)) => (Instant::from_microsecond(micros).map_err(Fault::internal)?, id),
        };
        // One more than asked for says whether there is a next page.
        let asked = Asked { clock: request.clock, open_only: request.open_only, after, limit: size + 1 };
        let place = Where::of(region, &self.roster.current());
        let mut records = read::breaches(&self.pool, &place, &asked).await.map_err(faults::database)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let full = records.len() > size;
        records.truncate(size);
        let next_page_token = match records.last() {
            Some(last) if full => {
                let cursor: PageCursor = (last.due.0.as_microsecond(), last.id);
                paging::encode(&cursor, &filter)
            }
            Some(_) | None => String::new(),
        };
        Ok(pb::ListBreachesResponse { breaches: records.iter().map(item::item).collect(), next_page_token })
    }

    async fn watch(
        &self,
        region: Region,
        request: pb::WatchBreachesRequest,
    ) -> Result<ReceiverStream<Result<pb::WatchBreachesResponse, Status>>, Fault> {
        let filter = pb::WatchBreachesRequest { resume_token: String::new(), ..request.clone() };
        let resumed = paging::decode::<i64>(&request.resume_token, &filter).map_err(|_| {
            Fault::field(
                "resume_token",
                "INVALID_RESUME_TOKEN",
                "is not a token of a stream of this region",
                "续传标记与所看的地区不符，请重新开始",
            )
        })?;
        let after = match resumed {
            Some(position) => position,
            None => read::last_position(&self.pool).await.map_err(faults::database)?,
        };
        let watcher = Watcher { pool: self.pool.clone(), roster: self.roster.clone(), region, filter, after };
        Ok(watcher.start(&self.ticks, self.ending.clone()))
    }
}

#[tonic::async_trait]
impl BreachService for Breaches {
    type WatchBreachesStream = ReceiverStream<Result<pb::WatchBreachesResponse, Status>>;

    async fn list_breaches(
        &self,
        request: Request<pb::ListBreachesRequest>,
    ) -> Result<Response<pb::ListBreachesResponse>, Status> {
        let region = self.region(identity::principal(&request)?, request.get_ref().region.as_ref())?;
        Ok(Response::new(self.list(&region, request.into_inner()).await?))
    }

    async fn watch_breaches(
        &self,
        request: Request<pb::WatchBreachesRequest>,
    ) -> Result<Response<Self::WatchBreachesStream>, Status> {
        let region = self.region(identity::principal(&request)?, request.get_ref().region.as_ref())?;
        Ok(Response::new(self.watch(region, request.into_inner()).await?))
    }
}
