//! `DeadlineService`: previews for anyone with a token; obligations and their explanations for those whose region they lie in.

use dafei_contracts::{
    convert,
    sla::v1::{self as pb, deadline_service_server::DeadlineService},
    types::v1 as types,
};
use dafei_kernel::{
    clock::SharedClock,
    region::{Level, Region},
};
use dafei_runtime::{identity, status::Fault};
use dafei_shell::{faults, roster::RosterView, scope};
use dafei_sla_core::{Clock, deadline::deadline};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{duties, item, may_see};
use crate::{store::read, terms::TermsView};

/// Serves deadlines.
#[derive(Clone)]
pub struct Deadlines {
    pub(super) pool: PgPool,
    pub(super) roster: RosterView,
    pub(super) terms: TermsView,
    pub(super) clock: SharedClock,
}

impl Deadlines {
    /// Computes by these terms, reads from `pool`; what runs is what runs at the clock's instant.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, terms: TermsView, clock: SharedClock) -> Self {
        Self { pool, roster, terms, clock }
    }

    /// The county of the region that is named, if one is.
    fn county(&self, named: Option<&types::Region>) -> Result<Option<Region>, Fault> {
        if named.is_none() {
            return Ok(None);
        }
        let region = convert::region("region", named).map_err(faults::convert)?;
        let path = self.roster.current().path(&region).ok_or_else(|| {
            let detail = format!("{region} is not in the roster");
            Fault::field("region", "UNKNOWN_REGION", detail, "没有这个行政区划")
        })?;
        Ok(path.at(Level::County).cloned())
    }

    async fn preview(&self, request: &pb::PreviewDeadlineRequest) -> Result<pb::PreviewDeadlineResponse, Fault> {
        if request.clock.is_empty() {
            return Err(faults::convert(convert::ConvertError::required("clock")));
        }
        let clock = clock(&request.clock)?;
        let start = convert::instant("start", request.start).map_err(faults::convert)?;
        let county = self.county(request.region.as_ref())?;
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let in_force = self.terms.refresh(&mut conn).await.map_err(faults::database)?;
        let rules = in_force.rules.at(county.as_ref(), start);
        let found = match rules.duty(clock) {
            Some(rule) => duties::preview(rules, rule, start, &request.unit_kind)?,
            None => deadline(rules, &in_force.calendar, clock, start),
        };
        let timing = found.timing();
        Ok(pb::PreviewDeadlineResponse {
            warn_at: Some(timing.warn_at.into()),
            due: Some(timing.due.into()),
            due_inclusive: timing.due_inclusive,
            provisional: found.inputs.provisional,
            rule_version: found.inputs.rule_version.clone(),
            calendar_version: found.calendar_version().to_owned(),
            lines: found.lines().into_iter().map(item::line).collect(),
        })
    }
}

/// A clock by its code.
pub(super) fn clock(code: &str) -> Result<Clock, Fault> {
    code.parse()
        .map_err(|_| faults::convert(convert::ConvertError::unknown("clock", "UNKNOWN_CLOCK", code, "时限代码")))
}

#[tonic::async_trait]
impl DeadlineService for Deadlines {
    async fn preview_deadline(
        &self,
        request: Request<pb::PreviewDeadlineRequest>,
    ) -> Result<Response<pb::PreviewDeadlineResponse>, Status> {
        identity::principal(&request)?;
        Ok(Response::new(self.preview(request.get_ref()).await?))
    }

    async fn explain_deadline(
        &self,
        request: Request<pb::ExplainDeadlineRequest>,
    ) -> Result<Response<pb::ExplainDeadlineResponse>, Status> {
        let principal = identity::principal(&request)?;
        scope::require(principal, &scope::CASE_READERS)?;
        let id = &request.get_ref().obligation_id;
        let uuid = convert::uuid("obligation_id", id).map_err(faults::convert)?;
        let found = read::one(&self.pool, uuid).await.map_err(faults::database)?;
        let (record, inputs) = found.ok_or_else(|| Fault::not_found("obligation", id.clone(), "没有这项时限责任"))?;
        let roster = self.roster.current();
        may_see(principal, &item::path(&record)?, &roster)?;
        Ok(Response::new(pb::ExplainDeadlineResponse {
            obligation: Some(item::item(&record, &roster, self.clock.now())),
            lines: item::lines(&record, &inputs, &roster, self.clock.now()),
            inputs_json: inputs.to_json(),
        }))
    }

    async fn list_obligations(
        &self,
        request: Request<pb::ListObligationsRequest>,
    ) -> Result<Response<pb::ListObligationsResponse>, Status> {
        let principal = identity::principal(&request)?;
        scope::require(principal, &scope::CASE_READERS)?;
        let id = &request.get_ref().case_id;
        let case = convert::uuid("case_id", id).map_err(faults::convert)?;
        let records = read::of_case(&self.pool, case).await.map_err(faults::database)?;
        let first = records.first().ok_or_else(|| Fault::not_found("case", id.clone(), "没有这个案件的时限记录"))?;
        let (roster, now) = (self.roster.current(), self.clock.now());
        may_see(principal, &item::path(first)?, &roster)?;
        let total = read::facts_of(&self.pool, case).await.map_err(faults::database)?.total();
        Ok(Response::new(pb::ListObligationsResponse {
            obligations: records.iter().map(|record| item::item(record, &roster, now)).collect(),
            found_at: total.found_at.map(Into::into),
            closed_at: total.closed_at.map(Into::into),
            total_seconds: total.seconds(now),
        }))
    }

    async fn list_duties(
        &self,
        request: Request<pb::ListDutiesRequest>,
    ) -> Result<Response<pb::ListDutiesResponse>, Status> {
        let principal = identity::principal(&request)?;
        Ok(Response::new(duties::list(self, principal, request.get_ref()).await?))
    }
}
