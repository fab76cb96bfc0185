//! Notices: checked, listed.

use dafei_contracts::{
    convert::{self, ConvertError},
    intake::v1 as api,
};
use dafei_intake_core::suspicion::Reason;
use dafei_kernel::subject::Position;
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};

use super::{listed, number, written};
use crate::{
    acting::Acting,
    app::{self, AskedStandings, NewNotice, Removal},
    grpc::{Grpc, pages, request_key, text},
    store::notices::{self, Filter},
    wire::{self, publicity as publicity_wire},
};

/// Most copies at one place.
const COPIES: u32 = 1_000;
/// Longest place in words, in characters.
const PLACE: usize = 200;
/// Longest reason, in characters.
const REASON: usize = 500;

impl Grpc {
    pub(super) fn new_notice(&self, caller: &Principal, body: &api::PostNoticeRequest) -> Result<NewNotice, Fault> {
        let path = written(caller, &self.app.roster.current(), body.village.as_ref())?;
        let reward = publicity_wire::given_kind(body.kind).map_err(faults::convert)?;
        let evidence = wire::photos(&body.evidence_ids).map_err(faults::convert)?;
        if evidence.is_empty() {
            let reason = Reason::PhotoRequired;
            return Err(Fault::field("evidence_ids", reason.code(), "needs at least one photo", reason.zh()));
        }
        Ok(NewNotice {
            request: (request_key(caller, "PostNotice", &body.request_id)?, faults::payload_hash(body)),
            actor: Acting::of(caller),
            path,
            reward: reward.ok_or_else(|| faults::convert(ConvertError::required("kind")))?,
            copies: number("copies", body.copies, 1, COPIES)?,
            position: position(body).map_err(faults::convert)?,
            place: text("place", &body.place, PLACE)?,
            posted_at: convert::instant("posted_at", body.posted_at).map_err(faults::convert)?,
            evidence,
            replaces: match body.replaces.as_str() {
                "" => None,
                id => Some(convert::uuid("replaces", id).map_err(faults::convert)?),
            },
        })
    }

    /// The removal of a notice of a village of the caller's.
    pub(super) async fn removal(&self, caller: &Principal, body: &api::RemoveNoticeRequest) -> Result<Removal, Fault> {
        scope::require(caller, super::ROLES)?;
        let request = (request_key(caller, "RemoveNotice", &body.request_id)?, faults::payload_hash(body));
        let id = convert::uuid("notice_id", &body.notice_id).map_err(faults::convert)?;
        let reason = text("reason", &body.reason, REASON)?;
        let at = convert::optional_instant("removed_at", body.removed_at).map_err(faults::convert)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let notice = notices::get(&mut conn, id).await.map_err(faults::database)?;
        let notice = notice.ok_or_else(|| Fault::not_found("notice", id.to_string(), "没有这张公告"))?;
        let path = scope::require_region(caller, &self.app.roster.current(), "notice_id", &notice.village)?;
        Ok(Removal { request, actor: Acting::of(caller), path, notice, reason, at })
    }

    pub(super) async fn notices(
        &self,
        caller: &Principal,
        body: &api::ListNoticesRequest,
    ) -> Result<api::ListNoticesResponse, Fault> {
        let roster = self.app.roster.current();
        let region = listed(caller, &roster, body.region.as_ref())?;
        let asked = api::ListNoticesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let of = pages::of_region(&roster, &region, (body.page_size, &body.page_token), &asked)?;
        let limit = of.limit;
        let reward = publicity_wire::given_kind(body.kind).map_err(faults::convert)?;
        let filter = Filter { of, reward, hanging_only: body.hanging_only };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut rows = notices::list(&mut conn, &filter).await.map_err(faults::database)?;
        let next_page_token = pages::cut(&mut rows, limit, &asked, |last| (last.posted_at, last.id));
        Ok(api::ListNoticesResponse { notices: rows.iter().map(publicity_wire::notice).collect(), next_page_token })
    }

    pub(super) async fn standings(
        &self,
        caller: &Principal,
        body: &api::ListNoticeStandingsRequest,
    ) -> Result<api::ListNoticeStandingsResponse, Fault> {
        let roster = self.app.roster.current();
        let region = listed(caller, &roster, body.region.as_ref())?;
        let asked = api::ListNoticeStandingsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let size = paging::page_size(body.page_size, 50, 500)?;
        let page = AskedStandings {
            region: &region,
            only_lacking: body.only_lacking,
            after: paging::decode(&body.page_token, &asked)?,
            limit: usize::try_from(size).unwrap_or(usize::MAX),
        };
        let (standings, next) = app::list_standings(&self.app, &roster, &page).await?;
        let next_page_token = next.map(|place| paging::encode(&place, &asked)).unwrap_or_default();
        Ok(api::ListNoticeStandingsResponse { standings, next_page_token })
    }
}

fn position(body: &api::PostNoticeRequest) -> Result<Position, ConvertError> {
    let wire = body.position.as_ref().ok_or_else(|| ConvertError::required("position"))?;
    Position::try_from(wire)
}
