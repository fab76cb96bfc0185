//! The public's entrance for tips, and the telephone clerk's. Neither asks who sends: headers and addresses are not looked at.

use dafei_contracts::{
    convert,
    intake::v1::{
        self as api, hotline_service_server::HotlineService, submit_tip_request::Part, tip_service_server::TipService,
    },
    types::v1 as types,
};
use dafei_intake_core::{
    code::Code,
    photo::MAX_BYTES,
    suspicion::Reason,
    tip::{Accused, Receipt, recipient},
};
use dafei_kernel::{
    region::{Level, Region},
    role::Role,
    roster::RosterIndex,
};
use dafei_runtime::{identity::principal, status::Fault};
use dafei_shell::{faults, scope};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status, Streaming};

use super::{Grpc, evidence::add, optional_text, text};
use crate::{
    app::{
        evidence::clean_photo,
        tips::{NewTip, status, submit},
    },
    images::refused,
    wire,
};

const CLERKS: &[Role] = &[Role::HotlineClerk];

/// Longest tip, in characters.
const TEXT: usize = 4_000;
/// Longest act text, in characters.
const ACT_TEXT: usize = 500;
/// Most units that a tip accuses.
const ACCUSED: usize = 10;
/// Most photos of a tip.
const PHOTOS: u32 = 6;

/// A code as it was typed.
pub(super) fn code(field: &str, wire: &api::InformantCode) -> Result<Code, Fault> {
    Code::parse(&wire.text).map_err(|error| Fault::field(field, error.reason(), error.to_string(), error.zh()))
}

/// The code of a tip; one that is easily guessed must be confirmed.
fn chosen(tip: &api::NewTip) -> Result<Option<Code>, Fault> {
    let Some(wire) = &tip.code else { return Ok(None) };
    let code = code("code", wire)?;
    match code.weakness().filter(|_| !tip.confirm_weak_code) {
        None => Ok(Some(code)),
        Some(weakness) => Err(Fault::precondition(
            "WEAK_CODE",
            format!("code/{}", weakness.reason()),
            "the code is easily guessed: confirm_weak_code must be set",
            weakness.zh(),
        )),
    }
}

/// An enterprise of which only the name is known becomes that of the roster.
fn subject(roster: &RosterIndex, wire: Option<&types::Subject>) -> Result<dafei_kernel::subject::Subject, Fault> {
    if let Some(types::Subject { kind: Some(types::subject::Kind::Enterprise(named)) }) = wire
        && named.credit_code.trim().is_empty()
    {
        let name = named.name.trim();
        let mut known = roster.enterprises().filter(|known| !name.is_empty() && known.name == name);
        let (Some(known), None) = (known.next(), known.next()) else {
            let zh = "没有查到该企业，请填写统一社会信用代码，或者按地点举报";
            return Err(Fault::field("subject.enterprise", "UNKNOWN_ENTERPRISE", "is not one of the roster", zh));
        };
        let found = types::Enterprise { credit_code: known.credit_code.to_string(), ..Default::default() };
        let found = types::Subject { kind: Some(types::subject::Kind::Enterprise(found)) };
        return wire::subject(roster, Some(&found)).map_err(faults::convert);
    }
    wire::subject(roster, wire).map_err(faults::convert)
}

/// The place as far as it is known; the city when nothing is.
fn place(roster: &RosterIndex, wire: Option<&types::Region>) -> Result<Region, Fault> {
    if wire.is_some() {
        return convert::region("place", wire).map_err(faults::convert);
    }
    let city = roster.of_level(Level::City).map(|entry| entry.region.clone()).min();
    city.ok_or_else(|| unknown("place"))
}

fn unknown(field: &str) -> Fault {
    Fault::field(field, "UNKNOWN_REGION", "is not in the roster", "没有这个行政区划")
}

fn accused(roster: &RosterIndex, wire: &[types::Region]) -> Result<Vec<Region>, Fault> {
    if wire.len() > ACCUSED {
        let zh = format!("被举报单位不得超过{ACCUSED}个");
        return Err(Fault::field("accused", "TOO_MANY", format!("has more than {ACCUSED} units"), zh));
    }
    let mut units = Vec::with_capacity(wire.len());
    for (at, wire) in wire.iter().enumerate() {
        let field = format!("accused[{at}]");
        let unit = convert::region(&field, Some(wire)).map_err(faults::convert)?;
        if roster.path(&unit).is_none() {
            return Err(unknown(&field));
        }
        if !units.contains(&unit) {
            units.push(unit);
        }
    }
    Ok(units)
}

impl Grpc {
    /// A tip as it was sent, checked; without its photos.
    fn new_tip(&self, tip: &api::NewTip) -> Result<NewTip, Fault> {
        let roster = self.app.roster.current();
        let act = convert::act("act", &tip.act).map_err(faults::convert)?;
        let act_text = optional_text("act_text", &tip.act_text, ACT_TEXT)?;
        let wrong = match (act.needs_text(), act_text.is_empty()) {
            (true, true) => Some((Reason::ActTextRequired, "is required for this act")),
            (false, false) => Some((Reason::ActTextNotAllowed, "is not allowed for this act")),
            (true, false) | (false, true) => None,
        };
        if let Some((reason, english)) = wrong {
            return Err(Fault::field("act_text", reason.code(), english, reason.zh()));
        }
        let place = place(&roster, tip.place.as_ref())?;
        let path = roster.path(&place).ok_or_else(|| unknown("place"))?;
        let accused = accused(&roster, &tip.accused)?;
        let recipient = recipient(&roster, &path, &accused).map_err(|error: Accused| {
            let zh = "举报涉及市级单位的，请向上级机关或者纪检监察机关反映";
            Fault::field("accused", "ACCUSES_CITY", error.to_string(), zh)
        })?;
        Ok(NewTip {
            request_id: faults::request_id(&tip.request_id)?,
            digest: Sha256::digest(tip.encode_to_vec()).into(),
            act,
            act_text,
            subject: subject(&roster, tip.subject.as_ref())?,
            place,
            accused,
            text: text("text", &tip.text, TEXT)?,
            recipient,
            code: chosen(tip)?,
            photos: Vec::new(),
        })
    }

    /// Receives a tip's photos one after another; of each only the copy without metadata is kept.
    async fn receive_photos(
        &self,
        tip: &mut NewTip,
        mut parts: Streaming<api::SubmitTipRequest>,
    ) -> Result<(), Status> {
        let mut next = parts.message().await?;
        if next.is_none() {
            return Ok(());
        }
        let _room = self.app.photos.room_of_tips().await?;
        let mut digest = Sha256::new_with_prefix(tip.digest);
        let mut index = 0;
        let mut bytes = Vec::new();
        while let Some(part) = next {
            let part = photo_part(part)?;
            if part.index == index + 1 && !bytes.is_empty() {
                self.keep_photo(tip, index, std::mem::take(&mut bytes)).await?;
                index += 1;
            }
            if part.index != index || index >= PHOTOS {
                let zh = format!("照片应按顺序上传，不得超过{PHOTOS}张");
                return Err(Fault::field("photo.index", "OUT_OF_ORDER", "is not the next of at most 6", zh).into());
            }
            add(&mut bytes, &part.chunk, MAX_BYTES).map_err(|fault| fault.under("photo"))?;
            digest.update(part.index.to_le_bytes());
            digest.update(&part.chunk);
            next = parts.message().await?;
        }
        self.keep_photo(tip, index, bytes).await?;
        tip.digest = digest.finalize().into();
        Ok(())
    }

    async fn keep_photo(&self, tip: &mut NewTip, index: u32, bytes: Vec<u8>) -> Result<(), Fault> {
        let copy = self.app.photos.cleaner.clean(bytes.into()).await;
        let copy = copy.map_err(|refusal| refused(&format!("photo[{index}].chunk"), refusal))?;
        tip.photos.push(clean_photo(&self.app, copy));
        Ok(())
    }
}

fn photo_part(part: api::SubmitTipRequest) -> Result<api::TipPhoto, Fault> {
    match part.part {
        Some(Part::Photo(photo)) => Ok(photo),
        Some(Part::Tip(_)) => Err(Fault::field("tip", "SENT_TWICE", "comes once, first", "举报内容只能发送一次")),
        None => Err(Fault::field("photo", "REQUIRED", "is required", "必须填写")),
    }
}

#[tonic::async_trait]
impl TipService for Grpc {
    async fn offer_code(&self, _: Request<api::OfferCodeRequest>) -> Result<Response<api::OfferCodeResponse>, Status> {
        self.app.tips.admit_ask()?;
        let mut code = Code::offered(self.app.ids.random().as_u128());
        while code.weakness().is_some() {
            code = Code::offered(self.app.ids.random().as_u128());
        }
        let code = Some(api::InformantCode { text: code.expose().to_owned() });
        Ok(Response::new(api::OfferCodeResponse { code }))
    }

    async fn check_code(
        &self,
        request: Request<api::CheckCodeRequest>,
    ) -> Result<Response<api::CheckCodeResponse>, Status> {
        self.app.tips.admit_ask()?;
        let typed = request.into_inner().code.unwrap_or_default();
        let code = code("code", &typed)?;
        let weakness = code.weakness();
        Ok(Response::new(api::CheckCodeResponse {
            weakness: weakness.map(|weakness| weakness.reason().to_owned()).unwrap_or_default(),
            weakness_zh: weakness.map(|weakness| weakness.zh().to_owned()).unwrap_or_default(),
            folded: code.expose() != typed.text,
        }))
    }

    async fn submit_tip(
        &self,
        request: Request<Streaming<api::SubmitTipRequest>>,
    ) -> Result<Response<api::SubmitTipResponse>, Status> {
        self.app.tips.admit_submit()?;
        let mut parts = request.into_inner();
        let Some(Part::Tip(tip)) = parts.message().await?.and_then(|first| first.part) else {
            return Err(Fault::field("tip", "REQUIRED", "is the first message", "必须先发送举报内容").into());
        };
        let mut tip = self.new_tip(&tip).map_err(|fault| fault.under("tip"))?;
        self.receive_photos(&mut tip, parts).await?;
        Ok(Response::new(submit(&self.app, tip).await?))
    }

    async fn get_tip_status(
        &self,
        request: Request<api::GetTipStatusRequest>,
    ) -> Result<Response<api::GetTipStatusResponse>, Status> {
        self.app.tips.admit_ask()?;
        let body = request.into_inner();
        let receipt = Receipt::parse(&body.receipt)
            .map_err(|error| Fault::field("receipt", "INVALID_RECEIPT", error.to_string(), "回执编号有误，请核对"))?;
        let code = body.code.as_ref().map(|typed| code("code", typed)).transpose()?;
        let (progress, announced) = status(&self.app, &receipt, code.as_ref()).await?;
        Ok(Response::new(api::GetTipStatusResponse {
            progress: wire::tips::progress(progress).into(),
            progress_zh: progress.zh().to_owned(),
            announcement_number: announced.unwrap_or_default(),
        }))
    }
}

#[tonic::async_trait]
impl HotlineService for Grpc {
    async fn record_phone_tip(
        &self,
        request: Request<api::RecordPhoneTipRequest>,
    ) -> Result<Response<api::RecordPhoneTipResponse>, Status> {
        scope::require(principal(&request)?, CLERKS)?;
        let tip = request.into_inner().tip.unwrap_or_default();
        let tip = self.new_tip(&tip).map_err(|fault| fault.under("tip"))?;
        let taken = submit(&self.app, tip).await?;
        Ok(Response::new(api::RecordPhoneTipResponse { receipt: taken.receipt }))
    }
}
