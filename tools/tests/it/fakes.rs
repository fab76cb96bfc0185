//! Four services that answer operations' calls as the real ones do, and note what they were told.

use std::{
    collections::BTreeMap,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use dafei_contracts::{
    dispatch::v1::{self as dispatch, agency_system_service_server as agency},
    events::v1::Obligation,
    intake::v1::roster_service_server::RosterServiceServer,
    ops::v1::{self as ops, ops_service_server as operations},
    sla::v1::{self as sla, breach_service_server as breaches},
};
use dafei_kernel::time::Instant;
use futures::{Stream, StreamExt as _};
use tokio::{net::TcpListener, process::Command, sync::broadcast, task::JoinHandle};
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream};
use tonic::{Request, Response, Status};

use crate::fake_roster::FakeRoster;

/// Looks at a service after its clock was set that find it busy.
const BUSY: u32 = 3;

/// The four services.
pub(crate) struct FakeSuite {
    pub(crate) world: Arc<Mutex<World>>,
    keys: tempfile::TempDir,
    addresses: BTreeMap<&'static str, String>,
    servers: Vec<JoinHandle<()>>,
}

/// What they know and were told.
pub(crate) struct World {
    pub(crate) clocks: BTreeMap<&'static str, Instant>,
    pub(crate) busy: BTreeMap<&'static str, u32>,
    pub(crate) dues: BTreeMap<&'static str, Vec<Instant>>,
    /// Every setting of sla-monitor's clock.
    pub(crate) moves: Vec<Instant>,
    /// Settings of a clock while some service was still busy.
    pub(crate) hasty: u32,
    pub(crate) exercise: bool,
    lights: broadcast::Sender<sla::WatchBreachesResponse>,
}

pub(crate) fn instant(text: &str) -> Instant {
    text.parse().expect("an instant")
}

impl FakeSuite {
    /// All clocks at this instant.
    pub(crate) async fn start(now: &str) -> Self {
        let names = ["intake", "dispatch", "sla-monitor", "reporting"];
        let world = World {
            clocks: names.map(|name| (name, instant(now))).into(),
            busy: BTreeMap::new(),
            dues: BTreeMap::new(),
            moves: Vec::new(),
            hasty: 0,
            exercise: true,
            lights: broadcast::Sender::new(64),
        };
        let world = Arc::new(Mutex::new(world));
        let (mut addresses, mut servers) = (BTreeMap::new(), Vec::new());
        for name in names {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            addresses.insert(name, format!("http://{}", listener.local_addr().expect("an address")));
            servers.push(tokio::spawn(serve(Fake { name, world: Arc::clone(&world) }, listener)));
        }
        let keys = tempfile::tempdir().expect("a directory");
        dafei_tools::keys::init(keys.path()).expect("keys");
        Self { world, keys, addresses, servers }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no fake has panicked")
    }

    /// The binary, pointed at these services.
    pub(crate) fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dafei"));
        command.args(arguments).kill_on_drop(true);
        for (name, address) in &self.addresses {
            command.env(format!("DAFEI_{}_ADDR", name.to_uppercase().replace('-', "_")), address);
        }
        command.env("DAFEI_KEYS_DIR", self.keys.path()).env("DAFEI_CITY", "371300");
        command.env("DAFEI_JWT_ISSUER", "i").env("DAFEI_JWT_AUDIENCE", "a");
        command
    }

    /// Runs the binary; whether it succeeded, and what it said.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (bool, String) {
        self.run_in(arguments, None).await
    }

    /// The same with a NATS server whose configuration is in a directory.
    pub(crate) async fn run_in(&self, arguments: &[&str], nats: Option<(&str, &Path)>) -> (bool, String) {
        let mut command = self.tool(arguments);
        if let Some((url, dir)) = nats {
            command.env("DAFEI_NATS_URL", url).env("DAFEI_NATS_DIR", dir);
        }
        let output = command.output().await.expect("the binary runs");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.success(), text)
    }
}

impl Drop for FakeSuite {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn serve(fake: Fake, listener: TcpListener) {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    tonic::transport::Server::builder()
        .add_service(health)
        .add_service(operations::OpsServiceServer::new(fake.clone()))
        .add_service(breaches::BreachServiceServer::new(fake.clone()))
        .add_service(agency::AgencySystemServiceServer::new(fake))
        .add_service(RosterServiceServer::new(FakeRoster))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await
        .expect("the fake runs until it is stopped");
}

#[derive(Clone)]
struct Fake {
    name: &'static str,
    world: Arc<Mutex<World>>,
}

impl Fake {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no fake has panicked")
    }
}

fn token<T>(request: &Request<T>) -> Result<(), Status> {
    request.metadata().get("authorization").map(drop).ok_or_else(|| Status::unauthenticated("no token"))
}

#[tonic::async_trait]
impl operations::OpsService for Fake {
    async fn get_status(
        &self,
        request: Request<ops::GetStatusRequest>,
    ) -> Result<Response<ops::GetStatusResponse>, Status> {
        token(&request)?;
        let mut world = self.world();
        let now = world.clocks[self.name];
        let busy = world.busy.entry(self.name).or_default();
        let left = *busy;
        *busy = left.saturating_sub(1);
        let next_due = world.dues.get(self.name).and_then(|dues| dues.iter().filter(|due| **due > now).min().copied());
        Ok(Response::new(ops::GetStatusResponse {
            service: self.name.to_owned(),
            now: Some(now.into()),
            exercise: world.exercise,
            outbox_pending: u64::from(left),
            published_through: Some(now.into()),
            next_due: next_due.map(Into::into),
            ..ops::GetStatusResponse::default()
        }))
    }

    async fn set_clock(
        &self,
        request: Request<ops::SetClockRequest>,
    ) -> Result<Response<ops::SetClockResponse>, Status> {
        token(&request)?;
        let to = request.into_inner().now.and_then(|now| Instant::try_from(now).ok());
        let to = to.ok_or_else(|| Status::invalid_argument("now"))?;
        let mut world = self.world();
        if world.clocks[self.name] != to && world.busy.get(self.name).is_some_and(|left| *left > 0) {
            world.hasty += 1;
        }
        world.clocks.insert(self.name, to);
        world.busy.insert(self.name, BUSY);
        if self.name == "sla-monitor" {
            world.moves.push(to);
            if world.dues.get(self.name).is_some_and(|dues| dues.contains(&to)) {
                let obligation = Obligation {
                    clock: "K3".to_owned(),
                    case_id: "a-case".to_owned(),
                    leg: 1,
                    ..Obligation::default()
                };
                let light = sla::WatchBreachesResponse {
                    fact: "breached".to_owned(),
                    obligation: Some(obligation),
                    at: Some(to.into()),
                    watch_token: String::new(),
                };
                // Nobody may be watching.
                let _ = world.lights.send(light);
            }
        }
        Ok(Response::new(ops::SetClockResponse { now: Some(to.into()) }))
    }

    async fn list_dead_letters(
        &self,
        _: Request<ops::ListDeadLettersRequest>,
    ) -> Result<Response<ops::ListDeadLettersResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn replay_dead_letters(
        &self,
        _: Request<ops::ReplayDeadLettersRequest>,
    ) -> Result<Response<ops::ReplayDeadLettersResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl breaches::BreachService for Fake {
    type WatchBreachesStream = Pin<Box<dyn Stream<Item = Result<sla::WatchBreachesResponse, Status>> + Send>>;

    async fn get_fairness(
        &self,
        _: Request<sla::GetFairnessRequest>,
    ) -> Result<Response<sla::GetFairnessResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn list_breaches(
        &self,
        _: Request<sla::ListBreachesRequest>,
    ) -> Result<Response<sla::ListBreachesResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn watch_breaches(
        &self,
        request: Request<sla::WatchBreachesRequest>,
    ) -> Result<Response<Self::WatchBreachesStream>, Status> {
        token(&request)?;
        let lights = BroadcastStream::new(self.world().lights.subscribe());
        Ok(Response::new(Box::pin(lights.map(|light| light.map_err(|error| Status::data_loss(error.to_string()))))))
    }
}

#[tonic::async_trait]
impl agency::AgencySystemService for Fake {
    async fn register_agency_system(
        &self,
        request: Request<dispatch::RegisterAgencySystemRequest>,
    ) -> Result<Response<dispatch::RegisterAgencySystemResponse>, Status> {
        token(&request)?;
        let request = request.into_inner();
        let region = request.region.ok_or_else(|| Status::invalid_argument("region"))?;
        let (agency, level, code) = (request.agency, region.level, region.code);
        Ok(Response::new(dispatch::RegisterAgencySystemResponse {
            stream: "DAFEI_AGENCY".to_owned(),
            durable: format!("A_{agency}_{level}_{code}"),
            filter_subject: format!("dafei.v1.agency.{agency}.{level}.{code}.>"),
            feedback_prefix: format!("dafei.v1.feedback.{agency}.{level}.{code}."),
        }))
    }

    async fn list_agency_systems(
        &self,
        _: Request<dispatch::ListAgencySystemsRequest>,
    ) -> Result<Response<dispatch::ListAgencySystemsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}
