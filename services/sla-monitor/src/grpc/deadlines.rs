//! `DeadlineService`: previews for anyone with a token; obligations and their explanations for those whose region they lie in.

use std::sync::Arc;

use dafei_contracts::{
    convert,
    sla::v1::{self as pb, deadline_service_server::DeadlineService},
};
use dafei_kernel::clock::SharedClock;
use dafei_runtime::{identity, status::Fault};
use dafei_shell::{faults, roster::RosterView, scope};
use dafei_sla_core::{Clock, deadline::deadline};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{duties, item, may_see};
use crate::{ledger::Terms, store::read};

/// Serves deadlines.
#[derive(Clone)]
pub struct Deadlines {
    pub(super) pool: PgPool,
    pub(super) roster: RosterView,
    pub(super) terms: Arc<Terms>,
    pub(super) clock: SharedClock,
}

impl Deadlines {
    /// Computes by these terms, reads from `pool`; what runs is what runs at the clock's instant.
    #[must_use]
    pub const fn new(pool: PgPool, roster: RosterView, terms: Arc<Terms>, clock: SharedClock) -> Self {
        Self { pool, roster, terms, clock }
    }

    fn preview(&self, request: &pb::PreviewDeadlineRequest) -> Result<pb::PreviewDeadlineResponse, Fault> {
        if request.clock.is_empty() {
            return Err(faults::convert(convert::ConvertError::required("clock")));
        }
        let clock = clock(&request.clock)?;
        let start = convert::instant("start", request.start).map_err(faults::convert)?;
        let found = match self.terms.rules.duty(clock) {
            Some(rule) => duties::preview(&self.terms, rule, start, &request.unit_kind)?,
            None => deadline(&self.terms.rules, &self.terms.calendar, clock, start),
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
        Ok(Response::new(self.preview(request.get_ref())?))
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
            obligation: Some(item::item(&record)),
            lines: item::lines(&record, &inputs, &roster),
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
        may_see(principal, &item::path(first)?, &self.roster.current())?;
        Ok(Response::new(pb::ListObligationsResponse { obligations: records.iter().map(item::item).collect() }))
    }

    async fn list_duties(
        &self,
        request: Request<pb::ListDutiesRequest>,
    ) -> Result<Response<pb::ListDutiesResponse>, Status> {
        let principal = identity::principal(&request)?;
        Ok(Response::new(duties::list(self, principal, request.get_ref()).await?))
    }
}
