//! The public and those who deal with it: an informant without a token, the office that announces rewards, the bank that pays them.

use anyhow::Context as _;
use dafei_contracts::{
    intake::v1::{
        self as intake, claim_service_client::ClaimServiceClient,
        public_reward_service_client::PublicRewardServiceClient,
        reward_office_service_client::RewardOfficeServiceClient, submit_tip_request::Part,
        tip_handling_service_client::TipHandlingServiceClient, tip_service_client::TipServiceClient,
    },
    types::v1::{Region, Subject},
};
use tonic::{Status, transport::Channel};

use crate::{
    actors::{Actor, request_id},
    client::{Service, Suite},
};

/// An informant: nobody in particular, with a code of his own.
pub struct Informant {
    channel: Channel,
    /// What only the informant knows.
    pub code: String,
}

impl Informant {
    /// Someone who takes the code that the suite offers.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn with_offered_code(suite: &Suite) -> anyhow::Result<Self> {
        let channel = suite.anonymous(Service::Intake);
        let answer = TipServiceClient::new(channel.clone()).offer_code(intake::OfferCodeRequest {}).await?;
        let code = answer.into_inner().code.context("没有返回代码")?.text;
        Ok(Self { channel, code })
    }

    fn code(&self) -> Option<intake::InformantCode> {
        Some(intake::InformantCode { text: self.code.clone() })
    }

    /// Submits a tip with a photo; its receipt.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn tip(
        &self,
        act: &str,
        subject: Subject,
        (place, accused): (Region, Vec<Region>),
        text: &str,
        photo: Vec<u8>,
    ) -> Result<String, Status> {
        let tip = intake::NewTip {
            request_id: request_id(),
            code: self.code(),
            act: act.to_owned(),
            subject: Some(subject),
            place: Some(place),
            text: text.to_owned(),
            accused,
            ..Default::default()
        };
        let photo = intake::TipPhoto { index: 0, chunk: photo.into() };
        let parts = [Part::Tip(tip), Part::Photo(photo)].map(|part| intake::SubmitTipRequest { part: Some(part) });
        let mut client = TipServiceClient::new(self.channel.clone());
        Ok(client.submit_tip(tokio_stream::iter(parts)).await?.into_inner().receipt)
    }

    /// How far the tip is.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn status(&self, receipt: &str) -> Result<intake::GetTipStatusResponse, Status> {
        let request = intake::GetTipStatusRequest { receipt: receipt.to_owned(), code: self.code() };
        Ok(TipServiceClient::new(self.channel.clone()).get_tip_status(request).await?.into_inner())
    }
}

/// What everyone may read of a region's rewards.
///
/// # Errors
/// When the suite refuses or does not answer.
pub async fn announcements(suite: &Suite, region: Region) -> Result<Vec<intake::Announcement>, Status> {
    let mut client = PublicRewardServiceClient::new(suite.anonymous(Service::Intake));
    let request = intake::ListAnnouncementsRequest { region: Some(region), ..Default::default() };
    Ok(client.list_announcements(request).await?.into_inner().announcements)
}

impl Actor<'_> {
    /// The tips of the actor's desk.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn tips(&self) -> Result<Vec<intake::Tip>, Status> {
        let mut client = TipHandlingServiceClient::new(self.intake());
        Ok(client.list_tips(intake::ListTipsRequest::default()).await?.into_inner().tips)
    }

    /// Names the bank and the standard by which rewards of the actor's region are paid.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn prepare_rewards(&self, max_fen: i64, branch: &str, today: &str) -> Result<(), Status> {
        let mut client = RewardOfficeServiceClient::new(self.intake());
        let standard = intake::RewardStandard {
            region: Some(self.region()),
            kind: "verified".to_owned(),
            title: "举报属实".to_owned(),
            min_fen: 10_000,
            max_fen,
            basis: "举报奖励办法".to_owned(),
            valid_from: today.to_owned(),
            ..Default::default()
        };
        let request = intake::PutRewardStandardRequest { request_id: request_id(), standard: Some(standard) };
        client.put_reward_standard(request).await?;
        let branch = intake::BankBranch {
            code: branch.to_owned(),
            name: "城区支行".to_owned(),
            address: "解放路1号".to_owned(),
        };
        let request = intake::PutRewardBankRequest {
            request_id: request_id(),
            region: Some(self.region()),
            code: "LSBANK".to_owned(),
            name: "指定银行".to_owned(),
            branches: vec![branch],
        };
        client.put_reward_bank(request).await?;
        Ok(())
    }

    /// The tips whose reward can be announced.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn announceable(&self) -> Result<Vec<intake::AnnounceableTip>, Status> {
        let request = intake::ListAnnounceableTipsRequest { region: Some(self.region()), ..Default::default() };
        let mut client = RewardOfficeServiceClient::new(self.intake());
        Ok(client.list_announceable_tips(request).await?.into_inner().tips)
    }

    /// Announces a reward; its public number.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn announce(&self, tip_id: &str, amount_fen: i64, claim_until: &str) -> Result<String, Status> {
        let request = intake::AnnounceRewardRequest {
            request_id: request_id(),
            tip_id: tip_id.to_owned(),
            amount_fen,
            text: "经查实，举报属实，请举报人凭举报代码到指定银行领取奖励".to_owned(),
            claim_until: claim_until.to_owned(),
        };
        let answer = RewardOfficeServiceClient::new(self.intake()).announce_reward(request).await?.into_inner();
        let announcement = answer.reward.and_then(|reward| reward.announcement);
        announcement.map(|announcement| announcement.number).ok_or_else(|| Status::internal("no announcement"))
    }

    /// Reserves a reward at the counter.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn reserve(
        &self,
        number: &str,
        code: &str,
        branch: &str,
    ) -> Result<intake::ReserveClaimResponse, Status> {
        let request = intake::ReserveClaimRequest {
            request_id: request_id(),
            announcement_number: number.to_owned(),
            code: Some(intake::InformantCode { text: code.to_owned() }),
            branch: branch.to_owned(),
        };
        Ok(ClaimServiceClient::new(self.intake()).reserve_claim(request).await?.into_inner())
    }

    /// Records that the money was handed out; what was paid, in fen.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn pay(&self, reservation_id: &str, serial: &str) -> Result<i64, Status> {
        let request = intake::ConfirmPayoutRequest {
            request_id: request_id(),
            reservation_id: reservation_id.to_owned(),
            bank_serial: serial.to_owned(),
        };
        Ok(ClaimServiceClient::new(self.intake()).confirm_payout(request).await?.into_inner().amount_fen)
    }
}
