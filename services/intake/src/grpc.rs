//! The gRPC services: check, hand to the writer or read, convert. No rules here.

mod checklists;
mod claims;
mod evidence;
mod evidence_accesses;
mod inspections;
mod open_steps;
mod pages;
mod patrol_entry;
mod patrol_lists;
mod patrols;
mod publicity;
mod rewards;
mod roster;
mod suspicions;
mod tip_desk;
mod tips;

use std::sync::Arc;

use dafei_contracts::{
    convert,
    intake::v1::{
        checklist_service_server::ChecklistServiceServer, claim_service_server::ClaimServiceServer,
        evidence_service_server::EvidenceServiceServer, hotline_service_server::HotlineServiceServer,
        inspection_service_server::InspectionServiceServer, open_step_service_server::OpenStepServiceServer,
        patrol_service_server::PatrolServiceServer, public_reward_service_server::PublicRewardServiceServer,
        publicity_service_server::PublicityServiceServer, reward_office_service_server::RewardOfficeServiceServer,
        roster_service_server::RosterServiceServer, suspicion_service_server::SuspicionServiceServer,
        tip_handling_service_server::TipHandlingServiceServer, tip_service_server::TipServiceServer,
    },
};
use dafei_intake_core::suspicion::{Reason, Rejection};
use dafei_kernel::time::Instant;
use dafei_messaging::{batch::SubmitError, requests::RequestKey};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::{faults, paging, scope};
use prost::Message;
use tonic::service::{Routes, RoutesBuilder};
use uuid::Uuid;

use self::patrols::{UPLOAD_BYTES, Uploads};
use crate::{
    app::{Action, App, Queue, Write},
    work::{Refusal, state_zh},
};

/// The names of the services, for health and reflection.
pub const SERVICES: [&str; 14] = [
    "dafei.intake.v1.ChecklistService",
    "dafei.intake.v1.SuspicionService",
    "dafei.intake.v1.OpenStepService",
    "dafei.intake.v1.PatrolService",
    "dafei.intake.v1.EvidenceService",
    "dafei.intake.v1.RosterService",
    "dafei.intake.v1.InspectionService",
    "dafei.intake.v1.PublicityService",
    "dafei.intake.v1.TipService",
    "dafei.intake.v1.HotlineService",
    "dafei.intake.v1.TipHandlingService",
    "dafei.intake.v1.PublicRewardService",
    "dafei.intake.v1.RewardOfficeService",
    "dafei.intake.v1.ClaimService",
];

/// Paths that are open to everyone, without a token.
pub const PUBLIC: [&str; 2] = ["/dafei.intake.v1.TipService/", "/dafei.intake.v1.PublicRewardService/"];
/// Paths that leave no trace, no log line and no metric: who gives a tip, looks for a reward or claims it is not to be found.
pub const SILENT: [&str; 4] = [
    "/dafei.intake.v1.ClaimService/",
    "/dafei.intake.v1.TipService/",
    "/dafei.intake.v1.HotlineService/",
    "/dafei.intake.v1.PublicRewardService/",
];

/// All services of intake.
#[derive(Clone)]
pub struct Grpc {
    app: Arc<App>,
    queue: Queue,
    uploads: Uploads,
}

impl Grpc {
    /// The services over the app, its writer and the writer of uploads.
    #[must_use]
    pub fn new(app: Arc<App>, queue: Queue, uploads: Queue) -> Self {
        Self { app, queue, uploads: Uploads::new(uploads) }
    }

    /// Their routes; no message may be larger than `max_message_bytes`.
    #[must_use]
    pub fn routes(self, max_message_bytes: usize) -> Routes {
        let mut routes = RoutesBuilder::default();
        routes
            .add_service(SuspicionServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(ChecklistServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(
                PatrolServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes.min(UPLOAD_BYTES)),
            )
            .add_service(OpenStepServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(EvidenceServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(InspectionServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(PublicityServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(RosterServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(TipServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(HotlineServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(TipHandlingServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(PublicRewardServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(RewardOfficeServiceServer::new(self.clone()).max_decoding_message_size(max_message_bytes))
            .add_service(ClaimServiceServer::new(self).max_decoding_message_size(max_message_bytes));
        routes.routes()
    }

    /// Writes, and answers what was answered first.
    async fn write(
        &self,
        caller: &Principal,
        method: &str,
        request_id: &str,
        payload: &impl Message,
        action: Action,
    ) -> Result<crate::app::Answer, Fault> {
        let request = Some((request_key(caller, method, request_id)?, faults::payload_hash(payload)));
        self.queue.submit(Write { request, action }).await.map_err(|error| match error {
            SubmitError::Rejected(refusal) => refusal.into(),
            other => faults::submit(other),
        })
    }
}

/// A request id is unique per caller and method.
fn request_key(caller: &Principal, method: &str, request_id: &str) -> Result<RequestKey, Fault> {
    Ok(RequestKey {
        subject: caller.subject.clone(),
        method: method.to_owned(),
        request_id: faults::request_id(request_id)?.to_string(),
    })
}

/// A text that must be there, as the caller typed it.
fn text(field: &str, value: &str, max: usize) -> Result<String, Fault> {
    convert::bounded(field, value, max).map_err(faults::convert)
}

/// A text that may be empty.
fn optional_text(field: &str, value: &str, max: usize) -> Result<String, Fault> {
    convert::optional_text(field, value, max).map_err(faults::convert)
}

/// Cursor of a page: microseconds of the last row's instant, and its id.
type Cursor = (i64, Uuid);

fn before(cursor: Option<Cursor>) -> Result<Option<(Instant, Uuid)>, Fault> {
    cursor.map(|(micros, id)| Ok((paging::instant(micros)?, id))).transpose()
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejection) => rejected(rejection),
            Refusal::OutOfScope => scope::out_of_scope(),
            Refusal::NoEvidence(at) => Self::field(
                format!("evidence_ids[{at}]"),
                "EVIDENCE_NOT_FOUND",
                "is no photo of this village",
                "本村居没有这张照片，请重新上传",
            ),
            Refusal::OtherVersion(current) => Self::OtherVersion { current },
            Refusal::NoAnswerEvidence(answer, at) => {
                Self::from(Refusal::NoEvidence(at)).under(&format!("answers[{answer}]"))
            }
            Refusal::PatrolKeyReused => Self::field(
                "patrol_key",
                "PATROL_KEY_REUSED",
                "was used for another patrol of the village",
                "该巡查编号已用于另一次巡查",
            ),
            Refusal::Unfinished => Self::internal("a patrol's problems were not recorded"),
            Refusal::RequestIdReused => Self::AlreadyExists {
                reason: "REQUEST_ID_REUSED".into(),
                description_zh: "请求编号已用于另一份内容".into(),
            },
            Refusal::Event(error) => Self::internal(error),
            Refusal::Answer(error) => Self::internal(error),
        }
    }
}

fn rejected(rejection: Rejection) -> Fault {
    let Rejection { reason, state, goes_on_as } = rejection;
    let (code, zh, english) = (reason.code(), reason.zh(), rejection.to_string());
    match (reason.field(), reason, state) {
        (Some(field), _, _) => Fault::field(field, code, english, zh),
        (None, Reason::NoSuchCase, _) | (None, _, None) => Fault::not_found("case", "", zh),
        (None, _, Some(state)) => {
            let words = match goes_on_as {
                Some(other) => format!("{zh}（当前状态：{}；已并入：{other}）", state_zh(state)),
                None => format!("{zh}（当前状态：{}）", state_zh(state)),
            };
            let subject = goes_on_as.map_or_else(|| state.code().to_owned(), |other| other.to_string());
            Fault::precondition(code, format!("case/{subject}"), english, words)
        }
    }
}
