//! `BreachService`: breaches that stand, by region, whether their lights came in time, and a stream of what is announced.

use dafei_contracts::{
    convert::{self, ConvertError},
    sla::v1::{self as pb, breach_service_server::BreachService},
};
use dafei_kernel::{
    clock::SharedClock,
    owner::Post,
    region::{Region, RegionPath},
    sector::Sector,
    time::Instant,
};
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{
    faults, paging,
    roster::RosterView,
    scope,
    watch::{self, Answers, Cursor, Watches},
};
use dafei_sla_core::Clock;
use jiff::SignedDuration;
use sqlx::PgPool;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    deadlines, item,
    watch::{BreachWatch, bound_to},
};
use crate::store::read::{self, Asked, Where};

/// The longest time of which the fairness is told at once.
const LONGEST: SignedDuration = SignedDuration::from_hours(100 * 24);

/// Serves breaches.
#[derive(Clone)]
pub struct Breaches {
    pool: PgPool,
    roster: RosterView,
    clock: SharedClock,
    watches: Watches,
}

/// Cursor of a page: microseconds of the last limit, and the obligation's id.
type PageCursor = (i64, Uuid);

impl Breaches {
    /// Reads from `pool`.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, clock: SharedClock, watches: Watches) -> Self {
        Self { pool, roster, clock, watches }
    }

    /// The region asked for, which the caller may look at.
    fn region(
        &self,
        principal: &Principal,
        wire: Option<&dafei_contracts::types::v1::Region>,
    ) -> Result<(Region, RegionPath), Fault> {
        scope::require(principal, &scope::CASE_READERS)?;
        let region = convert::region("region", wire).map_err(faults::convert)?;
        let path = scope::require_region(principal, &self.roster.current(), "region", &region)?;
        Ok((region, path))
    }

    /// Where to look: a post's own breaches where one is named.
    fn place(&self, region: &Region, direct: Option<&dafei_contracts::types::v1::Post>) -> Result<Where, Fault> {
        let roster = self.roster.current();
        let Some(direct) = direct else { return Ok(Where::of(region, &roster)) };
        let post = Post::try_from(direct).map_err(|error| faults::convert(error.under("direct")))?;
        if roster.contains(region, &post.region) { Ok(Where::Post(post)) } else { Err(scope::out_of_scope()) }
    }

    fn asked(request: &pb::ListBreachesRequest, after: Option<PageCursor>, size: i64) -> Result<Asked, Fault> {
        if !request.clock.is_empty() {
            deadlines::clock(&request.clock)?;
        }
        if !request.sector.is_empty() && request.sector.parse::<Sector>().is_err() {
            let unknown = ConvertError::unknown("sector", "UNKNOWN_SECTOR", &request.sector, "领域代码");
            return Err(faults::convert(unknown));
        }
        let until = optional("due_until", request.due_until)?;
        let after = match after {
            // No id is below nil: what lies at the end itself is left out.
            None => until.map_or((Instant::MAX, Uuid::max()), |until| (until, Uuid::nil())),
            Some((micros, id)) => (paging::instant(micros)?, id),
        };
        Ok(Asked {
            clock: request.clock.clone(),
            sector: request.sector.clone(),
            open_only: request.open_only,
            undelivered_only: request.undelivered_only,
            from: optional("due_from", request.due_from)?.unwrap_or(Instant::UNIX_EPOCH),
            after,
            // One more than asked for says whether there is a next page.
            limit: size + 1,
        })
    }

    async fn list(&self, region: &Region, request: pb::ListBreachesRequest) -> Result<pb::ListBreachesResponse, Fault> {
        let size = paging::page_size(request.page_size, 50, 500)?;
        let filter = pb::ListBreachesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
        let after = paging::decode::<PageCursor>(&request.page_token, &filter)?;
        let asked = Self::asked(&request, after, size)?;
        let place = self.place(region, request.direct.as_ref())?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let mut watch_token = String::new();
        if after.is_none() {
            // Before the list: what is announced between the two is seen twice, and never not at all.
            let cursor = Cursor::before(&mut conn, self.watches.stream()).await.map_err(faults::database)?;
            watch_token = cursor.map(|cursor| cursor.token(&bound_to(region))).unwrap_or_default();
        }
        let mut records = read::breaches(&mut *conn, &place, &asked).await.map_err(faults::database)?;
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
        let (roster, now) = (self.roster.current(), self.clock.now());
        let breaches = records.iter().map(|record| item::item(record, &roster, now)).collect();
        Ok(pb::ListBreachesResponse { breaches, next_page_token, watch_token })
    }

    async fn fairness(
        &self,
        region: &Region,
        request: &pb::GetFairnessRequest,
    ) -> Result<pb::GetFairnessResponse, Fault> {
        let from = convert::instant("due_from", request.due_from).map_err(faults::convert)?;
        let until = convert::instant("due_until", request.due_until).map_err(faults::convert)?;
        if until <= from || until.duration_since(from) > LONGEST {
            return Err(Fault::field(
                "due_until",
                "OUT_OF_RANGE",
                "lies after due_from, by at most 100 days",
                "截止时间应晚于起始时间，且不超过100天",
            ));
        }
        let place = Where::of(region, &self.roster.current());
        let mut found = read::fairness(&self.pool, &place, from, until).await.map_err(faults::database)?;
        let order = |code: &str| Clock::CASES.into_iter().chain(Clock::DUTIES).position(|clock| clock.code() == code);
        found.sort_by_key(|one| order(&one.clock));
        let clocks = found.into_iter().map(|one| pb::ClockFairness {
            clock: one.clock,
            breaches: one.breaches,
            warned_in_time: one.warned_in_time,
            told_in_time: one.told_in_time,
            undelivered: one.undelivered,
        });
        Ok(pb::GetFairnessResponse { clocks: clocks.collect() })
    }
}

fn optional(field: &'static str, at: Option<dafei_contracts::timestamp::Timestamp>) -> Result<Option<Instant>, Fault> {
    at.map(|at| convert::instant(field, Some(at))).transpose().map_err(faults::convert)
}

#[tonic::async_trait]
impl BreachService for Breaches {
    type WatchBreachesStream = Answers<pb::WatchBreachesResponse>;

    async fn list_breaches(
        &self,
        request: Request<pb::ListBreachesRequest>,
    ) -> Result<Response<pb::ListBreachesResponse>, Status> {
        let (region, _) = self.region(identity::principal(&request)?, request.get_ref().region.as_ref())?;
        Ok(Response::new(self.list(&region, request.into_inner()).await?))
    }

    async fn watch_breaches(
        &self,
        request: Request<pb::WatchBreachesRequest>,
    ) -> Result<Response<Self::WatchBreachesStream>, Status> {
        let caller = identity::principal(&request)?;
        let (region, path) = self.region(caller, request.get_ref().region.as_ref())?;
        let place = {
            let mut conn = self.pool.acquire().await.map_err(faults::database)?;
            watch::start(&mut conn, self.watches.stream(), &request.get_ref().watch_token, &bound_to(&region)).await?
        };
        let follow = BreachWatch { roster: self.roster.clone(), region, path };
        Ok(Response::new(self.watches.open(follow, place, caller.expires).await?))
    }

    async fn get_fairness(
        &self,
        request: Request<pb::GetFairnessRequest>,
    ) -> Result<Response<pb::GetFairnessResponse>, Status> {
        let (region, _) = self.region(identity::principal(&request)?, request.get_ref().region.as_ref())?;
        Ok(Response::new(self.fairness(&region, request.get_ref()).await?))
    }
}
