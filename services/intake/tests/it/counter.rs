//! What the tests of rewards share: a county with a standard and a bank, tips that were found true, tellers at their counters.

use dafei_contracts::intake::v1::{
    self as api, claim_service_client::ClaimServiceClient, public_reward_service_client::PublicRewardServiceClient,
    reward_office_service_client::RewardOfficeServiceClient,
};
use dafei_intake::config::RewardSettings;
use dafei_intake_core::code::Code;
use dafei_kernel::role::Role;
use tonic::{Status, transport::Channel};
use uuid::Uuid;

use crate::world::{CITY, Caller, REGIONS, World, new_id, rewards, wire};

pub(crate) const COUNTY: &str = "county:371302";
pub(crate) const OFFICE: Caller = (Role::CountyOffice, COUNTY);
pub(crate) const CITY_OFFICE: Caller = (Role::CityOffice, CITY);
pub(crate) const AUDITOR: Caller = (Role::Auditor, CITY);
pub(crate) const TELLER: Caller = (Role::Bank, COUNTY);
pub(crate) const CODE: &str = "K7M2PX";
pub(crate) const WRONG: &str = "K7M2PY";
pub(crate) const BRANCH: &str = "LS-01";
/// States of tips.
pub(crate) const WAITING: i16 = 1;
pub(crate) const RECEIVED: i16 = 2;
pub(crate) const TRUE: i16 = 4;
pub(crate) const FALSE: i16 = 5;

/// A tip to be put in place.
pub(crate) struct GivenTip<'a> {
    pub(crate) recipient: &'a str,
    pub(crate) state: i16,
    pub(crate) code: Option<&'a str>,
    /// The first tip of its matter, where it is a later one.
    pub(crate) first: Option<&'a str>,
    /// The case in which it was verified, where that is told.
    pub(crate) case: Option<&'a str>,
}

/// A tip to the first township that was found true, with [`CODE`].
pub(crate) const TIP: GivenTip<'static> =
    GivenTip { recipient: "township:371302001", state: TRUE, code: Some(CODE), first: None, case: None };

/// A teller, known by a number.
#[derive(Clone, Copy)]
pub(crate) struct Counter<'w> {
    pub(crate) world: &'w World,
    pub(crate) teller: usize,
}

impl World {
    /// With the small roster, a standard of 100 to 100,000 yuan and a bank.
    pub(crate) async fn with_rewards() -> Self {
        Self::with_reward_settings(rewards()).await
    }

    pub(crate) async fn with_reward_settings(settings: RewardSettings) -> Self {
        let world = Self::empty_paying(settings).await;
        world.import(api::RosterFile::Regions, REGIONS).await.expect("a good file");
        world.put_standard(OFFICE, standard(COUNTY, "all", 10_000, 10_000_000)).await.expect("kept");
        world.put_bank().await;
        world
    }

    pub(crate) fn offices(&self) -> RewardOfficeServiceClient<Channel> {
        RewardOfficeServiceClient::new(self.channel())
    }

    /// Without a token.
    pub(crate) fn public(&self) -> PublicRewardServiceClient<Channel> {
        PublicRewardServiceClient::new(self.channel())
    }

    pub(crate) fn counters(&self) -> ClaimServiceClient<Channel> {
        ClaimServiceClient::new(self.channel())
    }

    pub(crate) async fn put_standard(&self, caller: Caller, standard: api::RewardStandard) -> Result<(), Status> {
        let message = api::PutRewardStandardRequest { request_id: new_id(), standard: Some(standard) };
        self.offices().put_reward_standard(self.request(caller, message)).await.map(drop)
    }

    pub(crate) async fn put_bank(&self) {
        let branch = |code: &str| api::BankBranch {
            code: code.to_owned(),
            name: "兰山支行".to_owned(),
            address: "沂蒙路1号".to_owned(),
        };
        let message = api::PutRewardBankRequest {
            request_id: new_id(),
            region: Some(wire(COUNTY)),
            code: "LSB".to_owned(),
            name: "兰山农商银行".to_owned(),
            branches: [BRANCH, "LS-02", "LS-03"].map(branch).to_vec(),
        };
        self.offices().put_reward_bank(self.request(OFFICE, message)).await.expect("named");
    }

    /// Puts a tip in place as it stands after it was handled.
    pub(crate) async fn tip(&self, tip: GivenTip<'_>) -> String {
        let (id, salt) =
            (Uuid::parse_str(&new_id()).expect("an id"), *Uuid::parse_str(&new_id()).expect("an id").as_bytes());
        let (level, code) = tip.recipient.split_once(':').expect("a region");
        let county = (level != "city").then(|| if code.starts_with("371302001") { "371302" } else { "371371" });
        let hash = match tip.code {
            None => None,
            Some(code) => {
                Some(self.app.codes.hash(&Code::parse(code).expect("a code"), salt).await.expect("a hash").to_vec())
            }
        };
        let mut body = serde_json::json!({});
        if let Some(first) = tip.first {
            body["first_tip_id"] = first.into();
        }
        if let Some(case) = tip.case {
            body["verdict"] = serde_json::json!({"case": case});
        }
        sqlx::query(
            "INSERT INTO tip (id, case_id, recipient_level, recipient_code, county, act, state, received_hour, version,
                              sequence, chain_head, facts, body)
             VALUES ($1, gen_random_uuid(), $2, $3, $4, 'HC-3', $5, '2026-11-20T01:00:00Z', 1, 1, '', '{}', $6::jsonb)",
        )
        .bind(id)
        .bind(level)
        .bind(code)
        .bind(county)
        .bind(tip.state)
        .bind(body.to_string())
        .execute(&self.db.pool)
        .await
        .expect("a tip");
        sqlx::query("INSERT INTO tip_secret (tip_id, receipt, salt, code_hash) VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(receipt(&id.to_string()))
            .bind(hash.as_ref().map(|_| salt.to_vec()))
            .bind(hash)
            .execute(&self.db.pool)
            .await
            .expect("its secret");
        id.to_string()
    }

    pub(crate) async fn announce(
        &self,
        caller: Caller,
        request: api::AnnounceRewardRequest,
    ) -> Result<api::Reward, Status> {
        let answer = self.offices().announce_reward(self.request(caller, request)).await?;
        Ok(answer.into_inner().reward.expect("as kept"))
    }

    /// Announces a reward for a new tip; its public number.
    pub(crate) async fn announced(&self) -> String {
        let tip = self.tip(TIP).await;
        number(&self.announce(OFFICE, announcement(&tip)).await.expect("announced"))
    }

    pub(crate) fn counter(&self, teller: usize) -> Counter<'_> {
        Counter { world: self, teller }
    }

    pub(crate) async fn refusals(&self) -> Vec<api::Refusal> {
        let message = api::ListRefusalsRequest { day: "2026-11-23".to_owned(), page_size: 1_000, ..Default::default() };
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let message = api::ListRefusalsRequest { page_token, ..message.clone() };
            let page =
                self.counters().list_refusals(self.request(AUDITOR, message)).await.expect("a page").into_inner();
            all.extend(page.refusals);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// How often claims were refused for a cause.
    pub(crate) async fn refused_for(&self, cause: api::RefusalCause) -> usize {
        self.refusals().await.iter().filter(|refusal| refusal.cause() == cause).count()
    }

    pub(crate) async fn published(&self, number: &str) -> api::Announcement {
        let message = api::ListAnnouncementsRequest { region: Some(wire(CITY)), page_size: 200, ..Default::default() };
        let page = self.public().list_announcements(message).await.expect("a page").into_inner();
        page.announcements.into_iter().find(|one| one.number == number).expect("it is published")
    }

    pub(crate) async fn withdraw_reward(&self, number: &str) -> Result<api::Reward, Status> {
        let message = api::WithdrawAnnouncementRequest {
            request_id: new_id(),
            number: number.to_owned(),
            reason: "金额有误".to_owned(),
        };
        let answer = self.offices().withdraw_announcement(self.request(OFFICE, message)).await?;
        Ok(answer.into_inner().reward.expect("as kept"))
    }

    /// Id of an announcement.
    pub(crate) async fn reward_id(&self, number: &str) -> String {
        let id: Uuid = sqlx::query_scalar("SELECT id FROM reward WHERE number = $1")
            .bind(number)
            .fetch_one(&self.db.pool)
            .await
            .expect("it is there");
        id.to_string()
    }
}

impl Counter<'_> {
    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.world.request_of(format!("teller-{}", self.teller), TELLER, message)
    }

    pub(crate) async fn reserve(&self, number: &str, code: &str) -> Result<api::ReserveClaimResponse, Status> {
        self.send(claim(number, code)).await
    }

    pub(crate) async fn send(&self, claim: api::ReserveClaimRequest) -> Result<api::ReserveClaimResponse, Status> {
        let request = self.request(claim);
        Ok(self.world.counters().reserve_claim(request).await?.into_inner())
    }

    pub(crate) async fn confirm(&self, id: &str, serial: &str) -> Result<api::ConfirmPayoutResponse, Status> {
        let request = self.request(api::ConfirmPayoutRequest {
            request_id: new_id(),
            reservation_id: id.to_owned(),
            bank_serial: serial.to_owned(),
        });
        Ok(self.world.counters().confirm_payout(request).await?.into_inner())
    }

    pub(crate) async fn cancel(&self, id: &str) -> Result<(), Status> {
        let request = self.request(api::CancelClaimRequest {
            request_id: new_id(),
            reservation_id: id.to_owned(),
            reason: api::CancelReason::ClaimantLeft.into(),
        });
        self.world.counters().cancel_claim(request).await.map(drop)
    }
}

pub(crate) fn claim(number: &str, code: &str) -> api::ReserveClaimRequest {
    api::ReserveClaimRequest {
        request_id: new_id(),
        announcement_number: number.to_owned(),
        code: Some(api::InformantCode { text: code.to_owned() }),
        branch: BRANCH.to_owned(),
    }
}

pub(crate) fn standard(region: &str, kind: &str, min_fen: i64, max_fen: i64) -> api::RewardStandard {
    api::RewardStandard {
        region: Some(wire(region)),
        kind: kind.to_owned(),
        title: "举报非法储存".to_owned(),
        min_fen,
        max_fen,
        basis: "兰山区举报奖励办法".to_owned(),
        valid_from: "2026-11-23".to_owned(),
        ..Default::default()
    }
}

/// Of 1,000 yuan, to be claimed within the year.
pub(crate) fn announcement(tip: &str) -> api::AnnounceRewardRequest {
    api::AnnounceRewardRequest {
        request_id: new_id(),
        tip_id: tip.to_owned(),
        amount_fen: 100_000,
        text: "2026年11月群众举报的非法储存危险化学品行为经查属实，请举报人凭代码领取奖励".to_owned(),
        claim_until: "2026-12-31".to_owned(),
    }
}

pub(crate) fn number(reward: &api::Reward) -> String {
    reward.announcement.as_ref().expect("what is published").number.clone()
}

/// The receipt's number of a tip that was put in place.
pub(crate) fn receipt(tip: &str) -> String {
    format!("H{}", &tip.replace('-', "")[..11])
}
