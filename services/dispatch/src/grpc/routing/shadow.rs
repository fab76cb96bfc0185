//! The shadow check: which open cases a text would send elsewhere.

use dafei_contracts::dispatch::v1 as api;
use dafei_dispatch_core::{
    case::Facts,
    routing::{Proposal, SubjectKind, Table},
};
use dafei_kernel::time::Instant;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging};
use uuid::Uuid;

use super::route;
use crate::{
    app::routing as app,
    grpc::Grpc,
    store::routing::{self as store, Kind},
};

impl Grpc {
    pub(super) async fn shadow(
        &self,
        caller: &Principal,
        body: &api::ShadowRoutingTableRequest,
    ) -> Result<api::ShadowRoutingTableResponse, Fault> {
        let draft = self.draft(caller, Kind::Routing, body.county.as_ref(), &body.text)?;
        let limit = paging::page_size(body.page_size, 500, 1_000)?;
        let filter = api::ShadowRoutingTableRequest {
            county: body.county.clone(),
            text: body.text.clone(),
            ..Default::default()
        };
        let before: Option<(Instant, Uuid)> = paging::decode(&body.page_token, &filter)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let rules = self.app.rules.refresh(&mut conn).await.map_err(faults::database)?;
        let candidate = app::check(&self.app, &rules, &draft).await?.map_err(|problems| app::refused(&problems))?;
        let then = candidate.table.ok_or_else(|| Fault::internal("a routing text makes no table"))?;
        let cases = store::open_cases(&mut conn, draft.county.as_ref(), before, limit).await;
        let cases = cases.map_err(faults::database)?;
        let full = i64::try_from(cases.len()) == Ok(limit);
        let next = cases.last().filter(|_| full).map(|facts| paging::encode(&(facts.reached_at, facts.id), &filter));
        Ok(api::ShadowRoutingTableResponse {
            moves: cases.iter().filter_map(|facts| moved(facts, &rules.routing, &then)).collect(),
            looked_at: u32::try_from(cases.len()).unwrap_or(u32::MAX),
            next_page_token: next.unwrap_or_default(),
        })
    }
}

/// The move of a case, if the tables send it to different agencies.
fn moved(facts: &Facts, now: &Table, then: &Table) -> Option<api::RouteMove> {
    let (industry, kind) = SubjectKind::of(&facts.subject);
    let by = |table: &Table| table.propose(facts.county.as_ref(), facts.act, industry, kind);
    let (now, then) = (by(now)?, by(then)?);
    let agencies = |route: &Proposal| (route.lead, route.co_handlers.clone(), route.enforcement);
    (agencies(&now) != agencies(&then)).then(|| api::RouteMove {
        case_id: facts.id.to_string(),
        act: facts.act.code().to_owned(),
        now: Some(route(now)),
        then: Some(route(then)),
    })
}
