//! Reading cases.

use dafei_contracts::{
    convert,
    dispatch::v1::{self as api, case_service_server::CaseService},
};
use dafei_dispatch_core::case::{Case, learns_of_tips};
use dafei_kernel::{
    region::{Level, Region},
    time::Instant,
};
use dafei_messaging::log;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, paging, scope};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Grpc, filter::Checked, no_case};
use crate::{
    store::{
        cases::{self, CaseFilter},
        filtered::Kinds,
    },
    wire,
};

/// That a public tip was verified in the case.
const TIP_VERIFIED: &str = "dafei.events.v1.TipVerified";

impl Grpc {
    /// A case that the caller may see.
    pub(super) async fn visible(&self, caller: &Principal, case_id: &str) -> Result<Case, Fault> {
        let id = convert::uuid("case_id", case_id).map_err(faults::convert)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let case = cases::get(&mut conn, id).await.map_err(faults::database)?.ok_or_else(|| no_case(id))?;
        // By the regions of its opening, or by those of now: a roster changes, a case stays.
        let within = case.facts.path.is_within(&caller.region)
            || scope::contains(caller, &self.app.roster.current(), case.facts.lowest());
        if within { Ok(case) } else { Err(scope::out_of_scope()) }
    }

    /// The villages of a work area; none for other regions.
    fn villages(&self, region: &Region) -> Vec<String> {
        if region.level() != Level::WorkArea {
            return Vec::new();
        }
        let roster = self.app.roster.current();
        let township = roster.get(region).and_then(|entry| entry.parent.clone());
        let villages = township.iter().flat_map(|township| roster.children(township));
        villages
            .filter(|village| village.level() == Level::Village && roster.contains(region, village))
            .map(|village| village.code().to_string())
            .collect()
    }
}

/// The states asked for as columns hold them, and whether all of them are open ones.
fn states(wire: &[i32]) -> Result<(Vec<i16>, bool), Fault> {
    let mut states = Vec::with_capacity(wire.len());
    for (place, state) in wire.iter().enumerate() {
        match api::CaseState::try_from(*state) {
            Ok(known) if known != api::CaseState::Unspecified => states.push(known),
            _ => {
                let field = format!("states[{place}]");
                return Err(Fault::field(field, "UNKNOWN_STATE", "is no state of a case", "没有这个案件状态"));
            }
        }
    }
    let open = !states.is_empty() && !states.contains(&api::CaseState::Closed);
    let codes = states.into_iter().filter_map(|state| i16::try_from(i32::from(state)).ok()).collect();
    Ok((codes, open))
}

#[tonic::async_trait]
impl CaseService for Grpc {
    async fn get_case(&self, request: Request<api::GetCaseRequest>) -> Result<Response<api::GetCaseResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, &scope::CASE_READERS)?;
        let case = self.visible(caller, &request.get_ref().case_id).await?;
        Ok(Response::new(api::GetCaseResponse { case: Some(wire::case(&case, &scope::post(caller))) }))
    }

    async fn list_cases(
        &self,
        request: Request<api::ListCasesRequest>,
    ) -> Result<Response<api::ListCasesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, &scope::CASE_READERS)?;
        let region = convert::region("region", body.region.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &self.app.roster.current(), "region", &region)?;
        let (states, open_only) = states(&body.states)?;
        let limit = paging::page_size(body.page_size, 50, 500)?;
        let checked = Checked::of(body.filter.as_ref())?;
        let token_filter = api::ListCasesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let before: Option<(Instant, Uuid)> = paging::decode(&body.page_token, &token_filter)?;
        let narrowed = checked.acts.is_some() || checked.sources.is_some();
        let kinds = narrowed.then(|| Kinds { acts: checked.all_acts(), sources: checked.all_sources() });
        let (villages, reached) = (self.villages(&region), checked.reached);
        let filter = CaseFilter { villages, region: &region, states, open_only, kinds, reached, before, limit };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let watch_token = match before {
            None => self.watch_token(&mut conn, &region).await?,
            Some(_) => String::new(),
        };
        let cases = cases::list(&mut conn, &filter).await.map_err(faults::database)?;
        let full = i64::try_from(cases.len()) == Ok(limit);
        let next = cases
            .last()
            .filter(|_| full)
            .map(|case| paging::encode(&(case.facts.reached_at, case.facts.id), &token_filter));
        let reader = scope::post(caller);
        Ok(Response::new(api::ListCasesResponse {
            cases: cases.iter().map(|case| wire::case(case, &reader)).collect(),
            next_page_token: next.unwrap_or_default(),
            watch_token,
        }))
    }

    async fn list_case_history(
        &self,
        request: Request<api::ListCaseHistoryRequest>,
    ) -> Result<Response<api::ListCaseHistoryResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, &scope::CASE_READERS)?;
        let size = paging::page_size(body.page_size, 100, 500)?;
        let token_filter = api::ListCaseHistoryRequest { case_id: body.case_id.clone(), ..Default::default() };
        let after: i64 = paging::decode(&body.page_token, &token_filter)?.unwrap_or(0);
        let case = self.visible(caller, &body.case_id).await?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let events = log::history(&mut conn, case.facts.id, after, size).await.map_err(faults::database)?;
        let full = i64::try_from(events.len()) == Ok(size);
        let next = events.last().filter(|_| full).map(|event| paging::encode(&event.sequence, &token_filter));
        // A tip can have come to a village's case, and nobody below the township may learn that there is one.
        let all = learns_of_tips(caller.region.level());
        Ok(Response::new(api::ListCaseHistoryResponse {
            items: events
                .into_iter()
                .filter(|event| all || event.event_type != TIP_VERIFIED)
                .map(|event| api::HistoryItem {
                    sequence: event.sequence,
                    r#type: event.event_type,
                    recorded_at: Some(event.recorded_at.into()),
                    payload_json: String::from_utf8_lossy(&event.payload).into_owned(),
                })
                .collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}
