//! Rewards: what everyone may read, and what the offices do (clauses D1, D3).

use dafei_contracts::{
    convert::{self, ConvertError},
    intake::v1::{
        self as api, public_reward_service_server::PublicRewardService,
        reward_office_service_server::RewardOfficeService,
    },
};
use dafei_intake_core::reward::standard::{self, Standard};
use dafei_kernel::{
    region::{Level, Region},
    role::Role,
    time::{Instant, civil_date, end_of_day, start_of_day},
};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, paging, scope};
use jiff::civil::Date;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Cursor, Grpc, before, optional_text, request_key, text};
use crate::{
    app::{self, Announce, Data, Withdraw, offices},
    store::{
        reward_data::{self, Branch, Hotline, RewardBank},
        rewardable, rewards,
        roles::{Acting, Officer, Public},
    },
    wire::rewards as wire,
};

const OFFICES: &[Role] = &[Role::CountyOffice, Role::CityOffice];

/// Longest text of an announcement, in characters.
const TEXT: usize = 2_000;
/// Longest name, title or note, in characters.
const NAME: usize = 200;
/// Longest reason, basis or address, in characters.
const REASON: usize = 500;
/// Most branches of a bank.
const BRANCHES: usize = 100;
/// Longest claim window, in days.
const LONGEST_WINDOW: i64 = 730;

/// Day and number of the last announcement of a page.
type After = (i64, String);

/// A county or the city, which have offices.
fn office(field: &str, region: Option<&dafei_contracts::types::v1::Region>) -> Result<Region, Fault> {
    let region = convert::region(field, region).map_err(faults::convert)?;
    if matches!(region.level(), Level::City | Level::County) {
        return Ok(region);
    }
    Err(Fault::field(format!("{field}.level"), "WRONG_LEVEL", "is neither county nor city", "请选择县区或市"))
}

/// Day and number before which a page begins.
fn position(cursor: Option<After>) -> Result<(Instant, String), Fault> {
    let Some((micros, number)) = cursor else { return Ok((Instant::MAX, String::new())) };
    Ok((paging::instant(micros)?, number))
}

/// Cuts a page of one row too many, and says whether there was one.
pub(super) fn cut<T>(rows: &mut Vec<T>, size: i64) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let full = rows.len() > size;
    rows.truncate(size);
    full
}

impl Grpc {
    /// The caller's office, and a region of it.
    fn of_office(
        &self,
        caller: &Principal,
        field: &str,
        region: Option<&dafei_contracts::types::v1::Region>,
    ) -> Result<Region, Fault> {
        scope::require(caller, OFFICES)?;
        let region = office(field, region)?;
        scope::require_region(caller, &self.app.roster.current(), field, &region)?;
        Ok(region)
    }

    async fn standard_of(&self, region: &Region) -> Result<api::GetRewardStandardResponse, Fault> {
        let unknown =
            || Fault::field("region", "UNKNOWN_REGION", format!("{region} is not in the roster"), "没有这个行政区划");
        let path = self.app.roster.current().path(region).ok_or_else(unknown)?;
        let nearest = offices(&path);
        let mut tx = self.app.pool.begin().await.map_err(faults::database)?;
        let mut public = Acting::<Public>::take(&mut tx).await.map_err(faults::database)?;
        let mut hotlines = reward_data::hotlines(&mut public, &nearest).await.map_err(faults::database)?;
        let current =
            reward_data::standards(&mut public, &nearest, self.app.clock.now()).await.map_err(faults::database)?;
        wire::by_nearness(&mut hotlines, &nearest);
        Ok(api::GetRewardStandardResponse {
            hotlines: hotlines.iter().map(wire::hotline).collect(),
            standards: standard::nearest(current, &path).iter().map(wire::standard).collect(),
        })
    }

    async fn announcements(
        &self,
        body: &api::ListAnnouncementsRequest,
    ) -> Result<api::ListAnnouncementsResponse, Fault> {
        let region = office("region", body.region.as_ref())?;
        let size = paging::page_size(body.page_size, 50, 200)?;
        let asked = api::ListAnnouncementsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let (at, number) = position(paging::decode(&body.page_token, &asked)?)?;
        let states = wire::states(&body.states, api::AnnouncementState::Expired).map_err(faults::convert)?;
        let filter = rewards::Filter { region: &region, states, before: (at, &number), limit: size + 1 };
        let mut tx = self.app.pool.begin().await.map_err(faults::database)?;
        let mut public = Acting::<Public>::take(&mut tx).await.map_err(faults::database)?;
        let mut rows = rewards::published(&mut public, &filter).await.map_err(faults::database)?;
        let full = cut(&mut rows, size);
        let last = rows.last().filter(|_| full);
        let next = last.map(|last| -> After { (last.announced_day.as_microsecond(), last.number.clone()) });
        let now = self.app.clock.now();
        Ok(api::ListAnnouncementsResponse {
            announcements: rows.iter().map(|row| wire::announcement(row, now)).collect(),
            next_page_token: next.map(|next| paging::encode(&next, &asked)).unwrap_or_default(),
        })
    }

    async fn rewards(
        &self,
        region: &Region,
        body: &api::ListRewardsRequest,
    ) -> Result<api::ListRewardsResponse, Fault> {
        let size = paging::page_size(body.page_size, 50, 200)?;
        let asked = api::ListRewardsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let (at, number) = position(paging::decode(&body.page_token, &asked)?)?;
        let states = wire::states(&body.states, api::AnnouncementState::Withdrawn).map_err(faults::convert)?;
        let filter = rewards::Filter { region, states, before: (at, &number), limit: size + 1 };
        let mut tx = self.app.pool.begin().await.map_err(faults::database)?;
        let mut officer = Acting::<Officer>::take(&mut tx).await.map_err(faults::database)?;
        let mut rows = rewards::list(&mut officer, &filter).await.map_err(faults::database)?;
        let full = cut(&mut rows, size);
        let last = rows.last().filter(|_| full);
        let next = last.map(|last| -> After { (last.announced_day.as_microsecond(), last.number.clone()) });
        let now = self.app.clock.now();
        Ok(api::ListRewardsResponse {
            rewards: rows.iter().map(|row| wire::reward(row, now)).collect(),
            next_page_token: next.map(|next| paging::encode(&next, &asked)).unwrap_or_default(),
        })
    }

    async fn announceable(
        &self,
        region: &Region,
        body: &api::ListAnnounceableTipsRequest,
    ) -> Result<api::ListAnnounceableTipsResponse, Fault> {
        let size = paging::page_size(body.page_size, 50, 200)?;
        let asked = api::ListAnnounceableTipsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let cursor: Option<Cursor> = paging::decode(&body.page_token, &asked)?;
        let after = before(cursor)?.unwrap_or((Instant::UNIX_EPOCH, Uuid::nil()));
        let mut tx = self.app.pool.begin().await.map_err(faults::database)?;
        let mut officer = Acting::<Officer>::take(&mut tx).await.map_err(faults::database)?;
        let mut rows = rewardable::list(&mut officer, region, after, size + 1).await.map_err(faults::database)?;
        let full = cut(&mut rows, size);
        let last = rows.last().filter(|_| full);
        let next = last.map(|last| -> Cursor { (last.received_hour.as_microsecond(), last.id) });
        Ok(api::ListAnnounceableTipsResponse {
            tips: rows.iter().map(wire::tip).collect(),
            next_page_token: next.map(|next| paging::encode(&next, &asked)).unwrap_or_default(),
        })
    }

    /// A standard to keep: in force today or later.
    fn standard(&self, caller: &Principal, wire: Option<&api::RewardStandard>) -> Result<Standard, Fault> {
        scope::require(caller, OFFICES)?;
        let given = wire.ok_or_else(|| faults::convert(ConvertError::required("standard")))?;
        let region = self.of_office(caller, "standard.region", given.region.as_ref())?;
        let valid_from = wire::date("standard.valid_from", &given.valid_from).map_err(faults::convert)?;
        if valid_from < civil_date(self.app.clock.now()) {
            let zh = "奖励标准不能倒签，请从今天或以后开始执行";
            return Err(Fault::field("standard.valid_from", "TIME_IN_PAST", "is before today", zh));
        }
        let (min, max) = (
            wire::fen("standard.min_fen", given.min_fen).map_err(faults::convert)?,
            wire::fen("standard.max_fen", given.max_fen).map_err(faults::convert)?,
        );
        if min > max {
            return Err(faults::convert(ConvertError::invalid("standard.max_fen", "is below min_fen")));
        }
        let kind = wire::token("standard.kind", &given.kind, 1..=40, wire::small).map_err(faults::convert)?;
        Ok(Standard {
            region,
            kind,
            title: text("standard.title", &given.title, NAME)?,
            scope: wire::scope(given).map_err(faults::convert)?,
            min,
            max,
            basis: optional_text("standard.basis", &given.basis, REASON)?,
            valid_from: start_of_day(valid_from),
        })
    }

    /// End of a claim window whose last day is given.
    fn window(&self, text: &str) -> Result<Instant, Fault> {
        let last = wire::date("claim_until", text).map_err(faults::convert)?;
        let today = civil_date(self.app.clock.now());
        let days = days_between(today, last);
        if (1..=LONGEST_WINDOW).contains(&days) {
            return Ok(end_of_day(last));
        }
        let en = format!("is not 1 to {LONGEST_WINDOW} days ahead");
        Err(Fault::field("claim_until", "OUT_OF_RANGE", en, "领取期限应为明天起两年之内"))
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    start_of_day(to).duration_since(start_of_day(from)).as_hours() / 24
}

fn branches(given: &[api::BankBranch]) -> Result<Vec<Branch>, Fault> {
    if given.is_empty() {
        return Err(faults::convert(ConvertError::required("branches")));
    }
    if given.len() > BRANCHES {
        return Err(Fault::field(
            "branches",
            "TOO_MANY",
            format!("are more than {BRANCHES}"),
            format!("网点超过{BRANCHES}个"),
        ));
    }
    let mut known: Vec<Branch> = Vec::with_capacity(given.len());
    for (at, branch) in given.iter().enumerate() {
        let field = |name: &str| format!("branches[{at}].{name}");
        let code = wire::token(&field("code"), &branch.code, 2..=20, wire::capital).map_err(faults::convert)?;
        if known.iter().any(|other| other.code == code) {
            return Err(Fault::field(field("code"), "TWICE", "is there twice", "网点代码重复"));
        }
        let name = text(&field("name"), &branch.name, NAME)?;
        let address = optional_text(&field("address"), &branch.address, REASON)?;
        known.push(Branch { code, name, address });
    }
    Ok(known)
}

#[tonic::async_trait]
impl PublicRewardService for Grpc {
    async fn get_reward_standard(
        &self,
        request: Request<api::GetRewardStandardRequest>,
    ) -> Result<Response<api::GetRewardStandardResponse>, Status> {
        let region = convert::region("region", request.get_ref().region.as_ref()).map_err(faults::convert)?;
        Ok(Response::new(self.standard_of(&region).await?))
    }

    async fn list_announcements(
        &self,
        request: Request<api::ListAnnouncementsRequest>,
    ) -> Result<Response<api::ListAnnouncementsResponse>, Status> {
        Ok(Response::new(self.announcements(request.get_ref()).await?))
    }
}

#[tonic::async_trait]
impl RewardOfficeService for Grpc {
    async fn put_hotline(
        &self,
        request: Request<api::PutHotlineRequest>,
    ) -> Result<Response<api::PutHotlineResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, OFFICES)?;
        let given = body.hotline.as_ref().ok_or_else(|| faults::convert(ConvertError::required("hotline")))?;
        let hotline = Hotline {
            region: self.of_office(caller, "hotline.region", given.region.as_ref())?,
            number: wire::token("hotline.number", &given.number, 3..=20, wire::dialled).map_err(faults::convert)?,
            note: optional_text("hotline.note", &given.note, NAME)?,
        };
        let request = (request_key(caller, "PutHotline", &body.request_id)?, faults::payload_hash(body));
        Ok(Response::new(app::put_reward_data(&self.app, request, &Data::Hotline(hotline, body.ended)).await?))
    }

    async fn put_reward_standard(
        &self,
        request: Request<api::PutRewardStandardRequest>,
    ) -> Result<Response<api::PutRewardStandardResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let standard = self.standard(caller, body.standard.as_ref())?;
        let request = (request_key(caller, "PutRewardStandard", &body.request_id)?, faults::payload_hash(body));
        Ok(Response::new(app::put_reward_data(&self.app, request, &Data::Standard(standard)).await?))
    }

    async fn put_reward_bank(
        &self,
        request: Request<api::PutRewardBankRequest>,
    ) -> Result<Response<api::PutRewardBankResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let bank = RewardBank {
            region: self.of_office(caller, "region", body.region.as_ref())?,
            code: wire::token("code", &body.code, 2..=20, wire::capital).map_err(faults::convert)?,
            name: text("name", &body.name, NAME)?,
            branches: branches(&body.branches)?,
        };
        let request = (request_key(caller, "PutRewardBank", &body.request_id)?, faults::payload_hash(body));
        Ok(Response::new(app::put_reward_data(&self.app, request, &Data::Bank(bank)).await?))
    }

    async fn list_announceable_tips(
        &self,
        request: Request<api::ListAnnounceableTipsRequest>,
    ) -> Result<Response<api::ListAnnounceableTipsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let region = self.of_office(caller, "region", body.region.as_ref())?;
        Ok(Response::new(self.announceable(&region, body).await?))
    }

    async fn announce_reward(
        &self,
        request: Request<api::AnnounceRewardRequest>,
    ) -> Result<Response<api::AnnounceRewardResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, OFFICES)?;
        let amount = wire::fen("amount_fen", body.amount_fen).ok().filter(|amount| amount.get() > 0);
        let ask = Announce {
            request: request_key(caller, "AnnounceReward", &body.request_id)?,
            payload_hash: faults::payload_hash(body),
            officer: caller.clone(),
            tip: convert::uuid("tip_id", &body.tip_id).map_err(faults::convert)?,
            amount: amount.ok_or_else(|| faults::convert(ConvertError::invalid("amount_fen", "is not over 0")))?,
            text: text("text", &body.text, TEXT)?,
            until: self.window(&body.claim_until)?,
        };
        Ok(Response::new(app::announce(&self.app, ask).await?))
    }

    async fn withdraw_announcement(
        &self,
        request: Request<api::WithdrawAnnouncementRequest>,
    ) -> Result<Response<api::WithdrawAnnouncementResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, OFFICES)?;
        let ask = Withdraw {
            request: request_key(caller, "WithdrawAnnouncement", &body.request_id)?,
            payload_hash: faults::payload_hash(body),
            officer: caller.clone(),
            number: wire::number("number", &body.number).map_err(faults::convert)?,
            reason: text("reason", &body.reason, REASON)?,
        };
        Ok(Response::new(app::withdraw(&self.app, ask).await?))
    }

    async fn list_rewards(
        &self,
        request: Request<api::ListRewardsRequest>,
    ) -> Result<Response<api::ListRewardsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        let region = self.of_office(caller, "region", body.region.as_ref())?;
        Ok(Response::new(self.rewards(&region, body).await?))
    }
}
