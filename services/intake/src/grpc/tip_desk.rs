//! The desk of the units that tips go to. Reads are made under the database's role for them, which reaches nothing that proves an informant.

use dafei_contracts::{
    convert,
    intake::v1::{self as api, tip_handling_service_server::TipHandlingService},
};
use dafei_intake_core::tip::{Tip, WINDOW_DAYS, likeness};
use dafei_kernel::{region::Level, role::Role, time::Instant};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, paging, scope};
use futures::stream::BoxStream;
use jiff::SignedDuration;
use sqlx::{Postgres, Transaction};
use tonic::{Request, Response, Status};

use super::{Cursor, Grpc, before, evidence::parts, request_key};
use crate::{
    app::{
        evidence::open_copy,
        tips::{Linking, absent, forward, link},
    },
    images::COPY_TYPE,
    store::{
        evidence::{self, Evidence},
        roles::{Acting, Officer},
        tips,
    },
    wire,
};

/// Posts that handle tips. Nobody else reads one: not the auditor, not operations.
const HANDLERS: &[Role] = &[Role::TownshipCentre, Role::CountyOffice, Role::CityOffice];
const CITY: &[Role] = &[Role::CityOffice];

/// Tips that are compared with one, of the same act and of the same enterprise.
const COMPARED: i64 = 500;
/// Suggestions of one answer.
const SUGGESTED: usize = 20;
/// Linked tips of one answer.
const LINKED: i64 = 200;

impl Grpc {
    /// A transaction in the officer's role.
    async fn as_officer(&self) -> Result<Transaction<'static, Postgres>, Fault> {
        let mut tx = self.app.pool.begin().await.map_err(faults::database)?;
        Acting::<Officer>::take(&mut tx).await.map_err(faults::database)?;
        Ok(tx)
    }

    /// Whether a tip is for the caller's eyes: its recipient lies in the caller's region, and that region is not one that it accuses.
    fn sees(&self, caller: &Principal, tip: &Tip) -> bool {
        let roster = self.app.roster.current();
        roster.contains(&caller.region, tip.body.recipient.region())
            && !tip.facts.accused.iter().any(|unit| roster.contains(unit, &caller.region))
    }

    /// A tip that is for the caller's eyes. One that is not is not there.
    async fn seen(&self, tx: &mut Transaction<'static, Postgres>, caller: &Principal, id: &str) -> Result<Tip, Fault> {
        let id = convert::uuid("tip_id", id).map_err(faults::convert)?;
        let tip = tips::get(tx, id).await.map_err(faults::database)?;
        tip.filter(|tip| self.sees(caller, tip)).ok_or_else(absent)
    }

    async fn list_page(&self, caller: &Principal, body: &api::ListTipsRequest) -> Result<api::ListTipsResponse, Fault> {
        let region = match &body.region {
            None => caller.region.clone(),
            asked => convert::region("region", asked.as_ref()).map_err(faults::convert)?,
        };
        scope::require_region(caller, &self.app.roster.current(), "region", &region)?;
        if !matches!(region.level(), Level::City | Level::County | Level::Township) {
            let zh = "应填写市、县区或者乡镇";
            return Err(Fault::field("region.level", "WRONG_LEVEL", "no tip goes to a village or a work area", zh));
        }
        let act = match body.act.as_str() {
            "" => None,
            code => Some(convert::act("act", code).map_err(faults::convert)?.code()),
        };
        let size = paging::page_size(body.page_size, 50, 500)?;
        let asked = api::ListTipsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let filter = tips::Filter {
            region: &region,
            states: states(&body.states)?,
            act,
            before: before(paging::decode(&body.page_token, &asked)?)?,
            limit: size + 1,
        };
        let mut rows = tips::list(&mut *self.as_officer().await?, &filter).await.map_err(faults::database)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > size;
        rows.truncate(size);
        let cursor = rows.last().filter(|_| full);
        let cursor = cursor.map(|last| -> Cursor { (last.facts.received_hour.as_microsecond(), last.facts.id) });
        Ok(api::ListTipsResponse {
            tips: rows.iter().filter(|tip| self.sees(caller, tip)).map(wire::tips::tip).collect(),
            next_page_token: cursor.map(|cursor| paging::encode(&cursor, &asked)).unwrap_or_default(),
        })
    }

    async fn suggestions(&self, caller: &Principal, tip_id: &str) -> Result<Vec<api::SuggestedTip>, Fault> {
        let mut tx = self.as_officer().await?;
        let one = self.seen(&mut tx, caller, tip_id).await?;
        let window = SignedDuration::from_hours(24 * WINDOW_DAYS);
        let hour = one.facts.received_hour;
        let span = (hour.checked_sub(window).unwrap_or(Instant::MIN), hour.checked_add(window).unwrap_or(Instant::MAX));
        let others = tips::alike(&mut tx, &one, span, COMPARED).await.map_err(faults::database)?;
        let mut alike: Vec<_> = others
            .iter()
            .filter(|other| self.sees(caller, other))
            .filter_map(|other| Some((likeness(&one.facts, &other.facts)?, other)))
            .collect();
        alike
            .sort_by_key(|(likeness, other)| (std::cmp::Reverse(*likeness), other.facts.received_hour, other.facts.id));
        alike.truncate(SUGGESTED);
        let suggested = alike
            .into_iter()
            .map(|(likeness, other)| api::SuggestedTip { tip: Some(wire::tips::tip(other)), likeness: likeness.0 });
        Ok(suggested.collect())
    }

    /// A photo of a tip that is for the caller's eyes.
    async fn tip_photo(&self, caller: &Principal, body: &api::GetTipPhotoRequest) -> Result<Evidence, Fault> {
        let id = convert::uuid("evidence_id", &body.evidence_id).map_err(faults::convert)?;
        let tip = self.seen(&mut self.as_officer().await?, caller, &body.tip_id).await?;
        let none = || Fault::not_found("evidence", "", "没有这张照片");
        if !tip.facts.evidence.contains(&id) {
            return Err(none());
        }
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let photo = evidence::find(&mut conn, id).await.map_err(faults::database)?;
        photo.ok_or_else(none)
    }
}

fn states(values: &[i32]) -> Result<Vec<i16>, Fault> {
    let state = |(at, value): (usize, &i32)| match api::TipState::try_from(*value) {
        Ok(api::TipState::Unspecified | api::TipState::Waiting) | Err(_) => {
            Err(Fault::field(format!("states[{at}]"), "INVALID", "is no state to look for", "没有这种状态"))
        }
        Ok(state) => Ok(i16::try_from(i32::from(state)).unwrap_or(0)),
    };
    values.iter().enumerate().map(state).collect()
}

#[tonic::async_trait]
impl TipHandlingService for Grpc {
    async fn get_tip(&self, request: Request<api::GetTipRequest>) -> Result<Response<api::GetTipResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, HANDLERS)?;
        let mut tx = self.as_officer().await?;
        let tip = self.seen(&mut tx, caller, &body.tip_id).await?;
        let linked = tips::linked(&mut tx, tip.facts.id, LINKED).await.map_err(faults::database)?;
        let linked = linked.into_iter().map(|(id, link)| api::LinkedTip { tip_id: id.to_string(), adds: link.adds });
        Ok(Response::new(api::GetTipResponse { tip: Some(wire::tips::tip(&tip)), linked: linked.collect() }))
    }

    type GetTipPhotoStream = BoxStream<'static, Result<api::GetTipPhotoResponse, Status>>;

    async fn get_tip_photo(
        &self,
        request: Request<api::GetTipPhotoRequest>,
    ) -> Result<Response<Self::GetTipPhotoStream>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, HANDLERS)?;
        let object = open_copy(&self.app, self.tip_photo(caller, body).await?).await?;
        let part = |media_type, size, chunk| api::GetTipPhotoResponse { media_type, size, chunk };
        Ok(Response::new(parts(COPY_TYPE.to_owned(), object, part)))
    }

    async fn list_tips(
        &self,
        request: Request<api::ListTipsRequest>,
    ) -> Result<Response<api::ListTipsResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, HANDLERS)?;
        Ok(Response::new(self.list_page(caller, request.get_ref()).await?))
    }

    async fn suggest_linked_tips(
        &self,
        request: Request<api::SuggestLinkedTipsRequest>,
    ) -> Result<Response<api::SuggestLinkedTipsResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, HANDLERS)?;
        let suggestions = self.suggestions(caller, &request.get_ref().tip_id).await?;
        Ok(Response::new(api::SuggestLinkedTipsResponse { suggestions }))
    }

    async fn link_tips(
        &self,
        request: Request<api::LinkTipsRequest>,
    ) -> Result<Response<api::LinkTipsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, HANDLERS)?;
        let linking = Linking {
            tip: convert::uuid("tip_id", &body.tip_id).map_err(faults::convert)?,
            first: convert::uuid("first_tip_id", &body.first_tip_id).map_err(faults::convert)?,
            adds: body.adds,
        };
        let request = (request_key(caller, "LinkTips", &body.request_id)?, faults::payload_hash(body));
        Ok(Response::new(link(&self.app, request, &caller.region, &linking).await?))
    }

    async fn forward_tip(
        &self,
        request: Request<api::ForwardTipRequest>,
    ) -> Result<Response<api::ForwardTipResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, CITY)?;
        let tip = convert::uuid("tip_id", &body.tip_id).map_err(faults::convert)?;
        let county = convert::region("county", body.county.as_ref()).map_err(faults::convert)?;
        let request = (request_key(caller, "ForwardTip", &body.request_id)?, faults::payload_hash(body));
        Ok(Response::new(forward(&self.app, request, &caller.region, (tip, &county)).await?))
    }
}
