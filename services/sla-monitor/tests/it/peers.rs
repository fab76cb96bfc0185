//! Intake and dispatch as the reconciler sees them: they answer from what a test says is open.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use dafei_contracts::{
    dispatch::v1::{self as dispatch, proof_service_server as proof},
    intake::v1::{self as intake, open_step_service_server as steps},
    open_steps::{Digest, bucket},
    timestamp::Timestamp,
};
use dafei_kernel::{
    clock::{Clock as _, ControlledClock},
    ids::{IdSource as _, SystemIds},
};
use dafei_sla_monitor::config::PeerSettings;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use uuid::Uuid;

/// The token that both ask for.
pub(crate) const TOKEN: &str = "a-token-of-the-monitor";

/// What both say.
#[derive(Clone)]
pub(crate) struct Peers {
    intake: Arc<Mutex<Vec<intake::OpenStep>>>,
    dispatch: Arc<Mutex<Vec<dispatch::OpenStep>>>,
    clock: ControlledClock,
    lists: Arc<AtomicUsize>,
    digests: Arc<AtomicUsize>,
    /// Digests that may be told.
    pub(crate) gate: Arc<Semaphore>,
}

impl Peers {
    /// Serves both at one address; the settings that lead there.
    pub(crate) async fn serve(clock: &ControlledClock) -> (Self, PeerSettings) {
        let peers = Self {
            intake: Arc::default(),
            dispatch: Arc::default(),
            clock: clock.clone(),
            lists: Arc::default(),
            digests: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder()
            .add_service(steps::OpenStepServiceServer::new(peers.clone()))
            .add_service(proof::ProofServiceServer::new(peers.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let token_file = std::env::temp_dir().join(format!("dafei-sla-token-{}", SystemIds.random()));
        std::fs::write(&token_file, format!("{TOKEN}\n")).unwrap();
        let settings =
            PeerSettings { intake: address.clone(), dispatch: address, token_file, ca: None, identity: None };
        (peers, settings)
    }

    /// These are the village's open steps.
    pub(crate) fn village(&self, mut steps: Vec<intake::OpenStep>) {
        steps.sort_by(|one, other| (&one.case_id, &one.clock).cmp(&(&other.case_id, &other.clock)));
        *self.intake.lock().unwrap() = steps;
    }

    /// These are the open steps above.
    pub(crate) fn above(&self, mut steps: Vec<dispatch::OpenStep>) {
        steps.sort_by(|one, other| {
            (&one.case_id, &one.clock, &one.instruction_id).cmp(&(&other.case_id, &other.clock, &other.instruction_id))
        });
        *self.dispatch.lock().unwrap() = steps;
    }

    /// How many pages were listed.
    pub(crate) fn lists(&self) -> usize {
        self.lists.load(Ordering::SeqCst)
    }

    /// How many digests were asked for.
    pub(crate) fn digests(&self) -> usize {
        self.digests.load(Ordering::SeqCst)
    }

    /// A digest is asked for; it is told when the gate is open.
    async fn asked<T>(&self, request: &Request<T>) -> Result<Timestamp, Status> {
        authorized(request)?;
        self.digests.fetch_add(1, Ordering::SeqCst);
        let _open = self.gate.acquire().await.map_err(|_| Status::unavailable("it is away"))?;
        Ok(self.clock.now().into())
    }
}

fn authorized<T>(request: &Request<T>) -> Result<(), Status> {
    let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    (shown == Some(&format!("Bearer {TOKEN}"))).then_some(()).ok_or_else(|| Status::unauthenticated("another token"))
}

fn uuid(text: &str) -> Uuid {
    text.parse().unwrap()
}

/// A page of the steps of a bucket, by case, as both services cut them.
fn page<T: Clone>(all: &[T], case: impl Fn(&T) -> &str, number: u32, size: i32, token: &str) -> (Vec<T>, String) {
    let mut cases: Vec<&str> = all.iter().map(&case).filter(|id| bucket(uuid(id)) == number && *id > token).collect();
    cases.dedup();
    let size = usize::try_from(size).unwrap();
    let next = cases.get(size - 1).map(|last| (*last).to_owned()).unwrap_or_default();
    cases.truncate(size);
    (all.iter().filter(|step| cases.contains(&case(step))).cloned().collect(), next)
}

/// The digests of all buckets that hold something.
fn digests(steps: impl Iterator<Item = (Uuid, i64, String, Option<Uuid>)>) -> Vec<(u32, String, i64)> {
    let mut found: std::collections::BTreeMap<u32, Digest> = std::collections::BTreeMap::new();
    for (case, version, clock, instruction) in steps {
        found.entry(bucket(case)).or_default().add(case, version, &clock, instruction);
    }
    found.into_iter().map(|(bucket, digest)| (bucket, digest.clone().finish(), digest.steps())).collect()
}

#[tonic::async_trait]
impl steps::OpenStepService for Peers {
    async fn digest_open_steps(
        &self,
        request: Request<intake::DigestOpenStepsRequest>,
    ) -> Result<Response<intake::DigestOpenStepsResponse>, Status> {
        let as_of = Some(self.asked(&request).await?);
        let steps = self.intake.lock().unwrap().clone();
        let lines = steps.into_iter().map(|step| (uuid(&step.case_id), step.sequence, step.clock, None));
        let bucket = |(bucket, digest, steps)| intake::OpenStepBucket { bucket, cases: 0, steps, digest };
        let buckets = digests(lines).into_iter().map(bucket).collect();
        Ok(Response::new(intake::DigestOpenStepsResponse { as_of, log_position: 0, buckets }))
    }

    async fn list_open_steps(
        &self,
        request: Request<intake::ListOpenStepsRequest>,
    ) -> Result<Response<intake::ListOpenStepsResponse>, Status> {
        authorized(&request)?;
        self.lists.fetch_add(1, Ordering::SeqCst);
        let asked = request.into_inner();
        let all = self.intake.lock().unwrap();
        let (steps, next_page_token) =
            page(&all, |step| &step.case_id, asked.bucket, asked.page_size, &asked.page_token);
        Ok(Response::new(intake::ListOpenStepsResponse { steps, next_page_token }))
    }
}

#[tonic::async_trait]
impl proof::ProofService for Peers {
    async fn digest_open_steps(
        &self,
        request: Request<dispatch::DigestOpenStepsRequest>,
    ) -> Result<Response<dispatch::DigestOpenStepsResponse>, Status> {
        let as_of = Some(self.asked(&request).await?);
        let steps = self.dispatch.lock().unwrap().clone();
        let lines = steps.into_iter().map(|step| {
            let instruction = (!step.instruction_id.is_empty()).then(|| uuid(&step.instruction_id));
            (uuid(&step.case_id), step.version, step.clock, instruction)
        });
        let bucket = |(bucket, digest, steps)| dispatch::OpenStepBucket { bucket, cases: 0, steps, digest };
        let buckets = digests(lines).into_iter().map(bucket).collect();
        Ok(Response::new(dispatch::DigestOpenStepsResponse { as_of, log_position: 0, buckets }))
    }

    async fn list_open_steps(
        &self,
        request: Request<dispatch::ListOpenStepsRequest>,
    ) -> Result<Response<dispatch::ListOpenStepsResponse>, Status> {
        authorized(&request)?;
        self.lists.fetch_add(1, Ordering::SeqCst);
        let asked = request.into_inner();
        let all = self.dispatch.lock().unwrap();
        let (steps, next_page_token) =
            page(&all, |step| &step.case_id, asked.bucket, asked.page_size, &asked.page_token);
        Ok(Response::new(dispatch::ListOpenStepsResponse { steps, next_page_token }))
    }

    async fn verify_case_history(
        &self,
        _: Request<dispatch::VerifyCaseHistoryRequest>,
    ) -> Result<Response<dispatch::VerifyCaseHistoryResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn list_anchors(
        &self,
        _: Request<dispatch::ListAnchorsRequest>,
    ) -> Result<Response<dispatch::ListAnchorsResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn verify_anchor(
        &self,
        _: Request<dispatch::VerifyAnchorRequest>,
    ) -> Result<Response<dispatch::VerifyAnchorResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }
}
