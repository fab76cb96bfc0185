//! Posts at work, as clients of the gRPC services: what the demo, the benches and the black-box tests act with.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use dafei_contracts::{
    dispatch::v1::{
        self as dispatch, Case, CaseState, agency_service_client::AgencyServiceClient,
        case_service_client::CaseServiceClient, county_service_client::CountyServiceClient,
        township_service_client::TownshipServiceClient,
    },
    events::v1::PersuasionOutcome,
    intake::v1::{
        self as intake, Suspicion, evidence_service_client::EvidenceServiceClient,
        patrol_service_client::PatrolServiceClient, suspicion_service_client::SuspicionServiceClient,
    },
    types::v1::{Den, Exemption, Measure, Region, ResultKind, Subject, WithoutException, measure::Kind, subject},
};
use dafei_kernel::{
    agency::Agency,
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use tonic::Status;

use crate::client::{Authed, Bearer, Caller, Keys, Service, Suite};

/// What follows a JPEG's quantisation: a frame of one grey block of 8 x 8, a code of one bit for each of its two values, and the block.
const GREY: &[u8] = &[
    0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0, // frame
    0xff, 0xc4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // code of the mean
    0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // code of the rest
    0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x3f, // scan
    0xff, 0xd9,
];

/// A small JPEG; the number in its comment makes it a photo of its own without changing what it shows.
#[must_use]
pub fn photo_bytes(number: u64) -> Vec<u8> {
    [&[0xff, 0xd8, 0xff, 0xfe, 0, 10][..], &number.to_be_bytes(), &[0xff, 0xdb, 0, 67, 0], &[1; 64], GREY].concat()
}

/// A post at work: its token, its region, and the calls that it makes.
pub struct Actor<'a> {
    suite: &'a Suite,
    bearer: Bearer,
    region: Region,
    /// The id of all its requests; each has one of its own without it.
    repeated: Option<String>,
}

pub(crate) fn request_id() -> String {
    SystemIds.random().to_string()
}

/// What is not there yet, or cannot be told just now.
#[must_use]
pub fn is_passing(code: tonic::Code) -> bool {
    matches!(code, tonic::Code::NotFound | tonic::Code::Unavailable | tonic::Code::ResourceExhausted)
}

/// Retries what the next service may not know yet: an event takes a moment to get there.
async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<Option<T>, Status>>,
{
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match ask().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(status) if is_passing(status.code()) => {}
            Err(status) => return Err(status).with_context(|| what.to_owned()),
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("{what}：30 秒内没有等到");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

impl<'a> Actor<'a> {
    /// Whoever holds a role of a region.
    ///
    /// # Errors
    /// When the region is none or the token cannot be made.
    pub fn new(suite: &'a Suite, keys: &Keys, role: Role, region: &str) -> anyhow::Result<Self> {
        Self::of(suite, keys, &Caller::new(role, region.parse()?))
    }

    /// Whoever holds a role of an agency in a region.
    ///
    /// # Errors
    /// When the region is none or the token cannot be made.
    pub fn agency(suite: &'a Suite, keys: &Keys, role: Role, region: &str, agency: Agency) -> anyhow::Result<Self> {
        Self::of(suite, keys, &Caller::new(role, region.parse()?).of(agency))
    }

    fn of(suite: &'a Suite, keys: &Keys, caller: &Caller) -> anyhow::Result<Self> {
        Ok(Self { suite, bearer: keys.bearer(caller)?, region: (&caller.region).into(), repeated: None })
    }

    /// The same post, all of whose requests have this id: a call whose answer was lost is made again by it, and has its effect once.
    #[must_use]
    pub fn repeating(&self, request_id: &str) -> Self {
        let (bearer, region) = (self.bearer.clone(), self.region.clone());
        Self { suite: self.suite, bearer, region, repeated: Some(request_id.to_owned()) }
    }

    /// The same post, whose calls carry on a trace.
    ///
    /// # Errors
    /// When the `traceparent` cannot stand in a header.
    pub fn in_trace(&self, traceparent: &str) -> anyhow::Result<Self> {
        let (bearer, region) = (self.bearer.in_trace(traceparent)?, self.region.clone());
        Ok(Self { suite: self.suite, bearer, region, repeated: self.repeated.clone() })
    }

    fn request_id(&self) -> String {
        self.repeated.clone().unwrap_or_else(request_id)
    }

    pub(crate) fn intake(&self) -> Authed {
        self.suite.with(Service::Intake, &self.bearer)
    }

    fn dispatch(&self) -> Authed {
        self.suite.with(Service::Dispatch, &self.bearer)
    }

    pub(crate) fn region(&self) -> Region {
        self.region.clone()
    }

    /// Uploads a photo of the actor's village; its evidence id.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn photo(&self) -> anyhow::Result<String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let bytes = photo_bytes(NUMBER.fetch_add(1, Ordering::Relaxed));
        let part = intake::UploadEvidenceRequest {
            request_id: self.request_id(),
            place: Some(self.region.clone()),
            chunk: bytes.into(),
        };
        let mut client = EvidenceServiceClient::new(self.intake());
        let answer = client.upload_evidence(tokio_stream::iter([part])).await?;
        Ok(answer.into_inner().evidence_id)
    }

    /// Records a patrol with a photo; the village's patrols of the week.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn patrol(&self, object: &str, situation: &str) -> anyhow::Result<u32> {
        let message = intake::RecordPatrolRequest {
            request_id: self.request_id(),
            village: Some(self.region.clone()),
            object: object.to_owned(),
            situation: situation.to_owned(),
            evidence_ids: vec![self.photo().await?],
            ..Default::default()
        };
        let mut client = PatrolServiceClient::new(self.intake());
        Ok(client.record_patrol(message).await?.into_inner().patrols_this_week)
    }

    fn suspicions(&self) -> SuspicionServiceClient<Authed> {
        SuspicionServiceClient::new(self.intake())
    }

    /// Records a suspicion with a photo.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn suspect(&self, act: &str, subject: Subject, seen: &str) -> anyhow::Result<Suspicion> {
        let message = intake::RecordSuspicionRequest {
            request_id: self.request_id(),
            village: Some(self.region.clone()),
            act: act.to_owned(),
            subject: Some(subject),
            description: seen.to_owned(),
            evidence_ids: vec![self.photo().await?],
            ..Default::default()
        };
        let answer = self.suspicions().record_suspicion(message).await?.into_inner();
        answer.suspicion.context("没有返回线索")
    }

    /// Records a suspicion of a den without a photo; the case's id.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn suspect_plainly(&self, act: &str, place: &str) -> anyhow::Result<String> {
        let den = Den { place: place.to_owned(), position: None, industry: String::new() };
        let message = intake::RecordSuspicionRequest {
            request_id: self.request_id(),
            village: Some(self.region.clone()),
            act: act.to_owned(),
            subject: Some(Subject { kind: Some(subject::Kind::Den(den)) }),
            description: "现场发现".to_owned(),
            ..Default::default()
        };
        let answer = self.suspicions().record_suspicion(message).await?.into_inner();
        Ok(answer.suspicion.context("没有返回线索")?.case_id)
    }

    /// Tells the secretary.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn notify(&self, case_id: &str) -> anyhow::Result<()> {
        let message = intake::NotifySecretaryRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            ..Default::default()
        };
        self.suspicions().notify_secretary(message).await?;
        Ok(())
    }

    /// Records persuasion.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn persuade(&self, case_id: &str, heeded: bool, note: &str) -> anyhow::Result<()> {
        let outcome = if heeded { PersuasionOutcome::Heeded } else { PersuasionOutcome::Refused };
        let message = intake::RecordPersuasionRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            outcome: outcome.into(),
            note: note.to_owned(),
            ..Default::default()
        };
        self.suspicions().record_persuasion(message).await?;
        Ok(())
    }

    /// Records a re-visit that found the act stopped.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn revisit(&self, case_id: &str, note: &str) -> anyhow::Result<()> {
        let message = intake::RecordRevisitRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            stopped: true,
            note: note.to_owned(),
            evidence_ids: vec![self.photo().await?],
            ..Default::default()
        };
        self.suspicions().record_revisit(message).await?;
        Ok(())
    }

    /// Reports to the township centre.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn report_up(&self, case_id: &str) -> anyhow::Result<()> {
        let message = intake::ReportUpRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            ..Default::default()
        };
        self.suspicions().report_up(message).await?;
        Ok(())
    }

    /// Publishes the outcome once it has reached the village; the text.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn publish(&self, case_id: &str) -> anyhow::Result<String> {
        let text = until("村居等待查处结果", || async {
            let message = intake::GetSuspicionRequest { case_id: case_id.to_owned() };
            let answer = self.suspicions().get_suspicion(message).await?.into_inner();
            Ok(answer.suspicion.map(|suspicion| suspicion.public_text).filter(|text| !text.is_empty()))
        })
        .await?;
        let photo = self.photo().await?;
        self.publish_with(case_id, &text, &photo).await?;
        Ok(text)
    }

    /// Publishes a text with a photo that was uploaded before, as soon as intake knows the outcome.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn publish_with(&self, case_id: &str, text: &str, photo: &str) -> anyhow::Result<()> {
        let message = intake::PublishResultRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            text: text.to_owned(),
            evidence_ids: vec![photo.to_owned()],
            ..Default::default()
        };
        until("公开查处结果", || async {
            match self.suspicions().publish_result(message.clone()).await {
                Ok(_) => Ok(Some(())),
                // The outcome is on its way from dispatch.
                Err(status) if status.code() == tonic::Code::FailedPrecondition => Ok(None),
                Err(status) => Err(status),
            }
        })
        .await
    }

    /// The case, once it is in one of the states.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn case_in(&self, case_id: &str, state: CaseState) -> anyhow::Result<Case> {
        until(&format!("案件进入 {}", state.as_str_name()), || async {
            let message = dispatch::GetCaseRequest { case_id: case_id.to_owned() };
            let mut client = CaseServiceClient::new(self.dispatch());
            let case = client.get_case(message).await?.into_inner().case;
            Ok(case.filter(|case| case.state() == state))
        })
        .await
    }

    /// The case as it stands.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn case_now(&self, case_id: &str) -> Result<Option<Case>, Status> {
        let message = dispatch::GetCaseRequest { case_id: case_id.to_owned() };
        Ok(CaseServiceClient::new(self.dispatch()).get_case(message).await?.into_inner().case)
    }

    fn township(&self) -> TownshipServiceClient<Authed> {
        TownshipServiceClient::new(self.dispatch())
    }

    fn county(&self) -> CountyServiceClient<Authed> {
        CountyServiceClient::new(self.dispatch())
    }

    /// Instructs a township agency.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn instruct(&self, case_id: &str, agency: &str, text: &str) -> anyhow::Result<Case> {
        self.case_in(case_id, CaseState::AtCentre).await?;
        self.instruct_now(case_id, agency, text).await
    }

    /// Instructs a township agency in a case that is at the centre.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn instruct_now(&self, case_id: &str, agency: &str, text: &str) -> anyhow::Result<Case> {
        let message = dispatch::InstructAgencyRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            agency: agency.to_owned(),
            text: text.to_owned(),
            expected_version: 0,
        };
        let answer = self.township().instruct_agency(message).await?.into_inner();
        answer.case.context("没有返回案件")
    }

    /// Passes the case to the county office.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn escalate(&self, case_id: &str, reason: &str) -> anyhow::Result<()> {
        self.case_in(case_id, CaseState::AtCentre).await?;
        self.escalate_now(case_id, reason).await
    }

    /// Passes a case that is at the centre to the county office.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn escalate_now(&self, case_id: &str, reason: &str) -> anyhow::Result<()> {
        let message = dispatch::EscalateRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            reason: reason.to_owned(),
            expected_version: 0,
        };
        self.township().escalate(message).await?;
        Ok(())
    }

    /// Accepts the township agency's result.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn accept_result(&self, case_id: &str, public_text: &str) -> anyhow::Result<()> {
        self.case_in(case_id, CaseState::TownshipResult).await?;
        self.accept_result_now(case_id, public_text).await
    }

    /// Accepts a result that is at the centre.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn accept_result_now(&self, case_id: &str, public_text: &str) -> anyhow::Result<()> {
        let message = dispatch::AcceptResultRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            public_text: public_text.to_owned(),
            expected_version: 0,
        };
        self.township().accept_result(message).await?;
        Ok(())
    }

    /// What the routing table proposes.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn propose(&self, case_id: &str) -> anyhow::Result<dispatch::ProposeDepartmentResponse> {
        self.case_in(case_id, CaseState::AtOffice).await?;
        let message = dispatch::ProposeDepartmentRequest { case_id: case_id.to_owned() };
        Ok(self.county().propose_department(message).await?.into_inner())
    }

    /// Assigns as proposed.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn assign(&self, case_id: &str, text: &str) -> anyhow::Result<Case> {
        let message = dispatch::AssignDepartmentRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            text: text.to_owned(),
            ..Default::default()
        };
        let answer = self.county().assign_department(message).await?.into_inner();
        answer.case.context("没有返回案件")
    }

    /// Feeds the department's result back to the township.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn feed_back(&self, case_id: &str, text: &str, public_text: &str) -> anyhow::Result<()> {
        self.case_in(case_id, CaseState::DepartmentResult).await?;
        self.feed_back_now(case_id, text, public_text).await
    }

    /// Feeds a result that is at the office back to the township.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn feed_back_now(&self, case_id: &str, text: &str, public_text: &str) -> anyhow::Result<()> {
        let message = dispatch::FeedBackRequest {
            request_id: self.request_id(),
            case_id: case_id.to_owned(),
            text: text.to_owned(),
            public_text: public_text.to_owned(),
            expected_version: 0,
        };
        self.county().feed_back(message).await?;
        Ok(())
    }

    /// The agency without a system reads its instruction: that is its delivery.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn read(&self, instruction_id: &str) -> anyhow::Result<()> {
        let message = dispatch::ReadInstructionRequest { instruction_id: instruction_id.to_owned() };
        AgencyServiceClient::new(self.dispatch()).read_instruction(message).await?;
        Ok(())
    }

    /// The agency without a system: reads its instruction, responds where asked to, and hands in its result.
    ///
    /// # Errors
    /// When the suite refuses or does not answer.
    pub async fn work_off(
        &self,
        instruction_id: &str,
        plan: Option<&str>,
        text: &str,
        acts: &[&str],
        measures: Vec<Measure>,
    ) -> anyhow::Result<()> {
        let mut client = AgencyServiceClient::new(self.dispatch());
        let instruction_id = instruction_id.to_owned();
        let read = dispatch::ReadInstructionRequest { instruction_id: instruction_id.clone() };
        client.read_instruction(read).await?;
        if let Some(plan) = plan {
            let message = dispatch::RespondRequest {
                request_id: self.request_id(),
                instruction_id: instruction_id.clone(),
                plan: plan.to_owned(),
            };
            client.respond(message).await?;
        }
        let message = dispatch::SubmitResultRequest {
            request_id: self.request_id(),
            instruction_id,
            kind: ResultKind::Final.into(),
            text: text.to_owned(),
            confirmed_acts: acts.iter().map(|act| (*act).to_owned()).collect(),
            exemptions: if acts.is_empty() { Vec::new() } else { exempted(&measures) },
            measures,
            outside_scope: false,
        };
        client.submit_result(message).await?;
        Ok(())
    }
}

/// Those of the four that are to be taken without exception (四个一律, clause F3) for which there is no measure, each with its reason.
#[must_use]
pub fn exempted(measures: &[Measure]) -> Vec<Exemption> {
    let taken: Vec<WithoutException> = measures
        .iter()
        .filter_map(|measure| match measure.kind.as_ref()? {
            Kind::CloseDown(_) => Some(WithoutException::CloseDown),
            Kind::Fine(_) => Some(WithoutException::MaximumFine),
            Kind::StopProduction(_) => Some(WithoutException::StopProduction),
            Kind::CriminalMeasure(_) | Kind::CriminalTransfer(_) => Some(WithoutException::LegalLiability),
            Kind::CutOff(_) | Kind::Enforcement(_) => None,
        })
        .collect();
    let all = [
        (WithoutException::CloseDown, "不属于应取缔的窝点"),
        (WithoutException::MaximumFine, "由有管辖权的部门另案处罚"),
        (WithoutException::StopProduction, "无生产可停"),
        (WithoutException::LegalLiability, "尚不构成犯罪"),
    ];
    all.into_iter()
        .filter(|(which, _)| !taken.contains(which))
        .map(|(which, reason)| Exemption { measure: which.into(), reason: reason.to_owned() })
        .collect()
}
