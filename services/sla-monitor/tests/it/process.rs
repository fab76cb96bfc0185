//! The process itself: it says what is due and how far it is, follows the exercise's clock, publishes, and ends in order.

use std::{os::unix::process::ExitStatusExt as _, process::Stdio, time::Duration};

use async_nats::jetstream;
use dafei_contracts::{
    Stream,
    ops::v1::{GetStatusRequest, GetStatusResponse, SetClockRequest, ops_service_client::OpsServiceClient},
};
use dafei_kernel::{
    clock::{Clock as _, SystemClock},
    role::Role,
    time::Instant,
};
use dafei_messaging::streams::{StreamSpec, ensure_streams};
use dafei_runtime::identity::mint::{Minter, TokenRequest};
use dafei_shell::start::migrators;
use dafei_sla_monitor::MIGRATOR;
use dafei_testkit::{ReservedPort, TestDb, TestNats, eventually};
use jiff::SignedDuration;
use tokio::process::{Child, Command};
use tonic::{Request, transport::Channel};

use crate::{
    events::{CITY, Case, Told, at},
    world::{SOON, START},
};

struct Process {
    child: Child,
    channel: Channel,
    bearer: String,
    _port: ReservedPort,
}

impl Process {
    fn start(db: &TestDb, nats: &TestNats, minter: &Minter) -> Self {
        Self::start_with(db, nats, minter, START, "")
    }

    /// A process that crashes at a point, where one is named.
    fn start_with(db: &TestDb, nats: &TestNats, minter: &Minter, now: &str, crash_at: &str) -> Self {
        let port = ReservedPort::new();
        let address = format!("127.0.0.1:{}", port.number());
        let dir = std::env::temp_dir().join(format!("dafei-sla-{}-{}", std::process::id(), port.number()));
        std::fs::create_dir_all(&dir).unwrap();
        let jwks = dir.join("jwks.json");
        std::fs::write(&jwks, minter.jwks()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dafei-sla-monitor"));
        if !crash_at.is_empty() {
            command.env("TEST_CRASH_AT", crash_at);
        }
        let child = command
            .env("DAFEI_SLA_MONITOR_LISTEN", &address)
            .env("DAFEI_SLA_MONITOR_DATABASE_URL", &db.url)
            .env("DAFEI_NATS_URL", nats.url())
            .env("DAFEI_JWKS", &jwks)
            .env("DAFEI_JWT_ISSUER", "issuer")
            .env("DAFEI_JWT_AUDIENCE", "dafei")
            .env("DAFEI_ENVIRONMENT", "test")
            .env("DAFEI_MODE", "exercise")
            .env("DAFEI_EXERCISE_START", now)
            .env("DAFEI_SHUTDOWN_SECONDS", "60")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let token = minter.sign(&TokenRequest {
            subject: "operator".to_owned(),
            name: None,
            role: Role::Admin,
            region: CITY.parse().unwrap(),
            agency: None,
            work_area: None,
            issuer: "issuer".to_owned(),
            audience: "dafei".to_owned(),
            expires: SystemClock.now() + SignedDuration::from_hours(1),
        });
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Self { child, channel, bearer: format!("Bearer {}", token.unwrap()), _port: port }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.parse().unwrap());
        request
    }

    async fn status(&self, what: &str, fits: impl Fn(&GetStatusResponse) -> bool) -> GetStatusResponse {
        eventually(SOON, what, || async {
            let request = self.request(GetStatusRequest {});
            let status = OpsServiceClient::new(self.channel.clone()).get_status(request).await.ok()?.into_inner();
            fits(&status).then_some(status)
        })
        .await
    }

    async fn crashed(mut self) {
        let ended = tokio::time::timeout(SOON, self.child.wait()).await.expect("it comes to the point").unwrap();
        assert!(ended.signal().is_some(), "{ended}");
    }

    async fn set_clock(&self, now: Instant) {
        let request = self.request(SetClockRequest { now: Some(now.into()) });
        OpsServiceClient::new(self.channel.clone()).set_clock(request).await.unwrap();
    }

    async fn terminate(mut self) {
        let number = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &number]).status().await.unwrap().success());
        let ended = tokio::time::timeout(Duration::from_secs(90), self.child.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

async fn publish(js: &jetstream::Context, told: &Told) {
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", told.id().to_string());
    headers.insert("ce-type", told.event.kind().event_type);
    headers.insert("ce-source", dafei_shell::publish::source(told.service));
    headers.insert("ce-time", START);
    headers.insert("ce-subject", told.aggregate.to_string());
    headers.insert("ce-sequence", told.sequence.to_string());
    let subject = told.event.subject().unwrap().to_string();
    js.publish_with_headers(subject, headers, told.event.to_json().unwrap().into()).await.unwrap().await.unwrap();
}

async fn watermarks(js: &jetstream::Context, through: Instant) {
    for service in ["intake", "dispatch"] {
        let payload = format!("{{\"through\":\"{through}\"}}");
        js.publish(format!("dafei.v1.watermark.{service}"), payload.into()).await.unwrap().await.unwrap();
    }
}

async fn published(js: &jetstream::Context, subjects: &str) -> u64 {
    let stream = js.get_stream(Stream::Sla.name()).await.unwrap();
    let mut subjects = stream.info_with_subjects(subjects).await.unwrap();
    let mut count = 0;
    while let Some(subject) = futures_next(&mut subjects).await {
        count += subject;
    }
    count
}

async fn futures_next(subjects: &mut jetstream::stream::InfoWithSubjects) -> Option<u64> {
    use tokio_stream::StreamExt as _;
    subjects.next().await.map(|subject| u64::try_from(subject.unwrap().1).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_fires_by_the_exercises_clock_and_a_restart_loses_and_doubles_nothing() {
    let (db, nats) = (TestDb::new(&migrators(&MIGRATOR)).await, TestNats::start().await);
    let mut js = nats.jetstream().await;
    js.set_timeout(SOON);
    let specs: Vec<StreamSpec> = [Stream::Intake, Stream::Dispatch]
        .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()))
        .into();
    ensure_streams(&js, &specs).await.unwrap();
    let minter = Minter::generate().unwrap();
    let mut process = Process::start(&db, &nats, &minter);
    publish(&js, &Case::new(1).found(START).told[0]).await;
    watermarks(&js, at(START)).await;
    let warn_at = at("2026-11-23T08:45:00+08:00");
    let ready = |status: &GetStatusResponse| {
        status.next_due == Some(warn_at.into()) && status.done_through == Some(at(START).into())
    };
    let status = process.status("yellow is next, and all before it is done", ready).await;
    assert!(status.exercise);
    // Reporting's stream is not there yet: its consumer waits for it and holds up nothing.
    assert_eq!(status.consumers.len(), 3);
    process.set_clock(warn_at).await;
    watermarks(&js, warn_at).await;
    process.status("yellow is told", |status| status.done_through == Some(warn_at.into())).await;
    // Killed without warning, and started again: the clock, the lights and what is next are as they were.
    process.child.kill().await.unwrap();
    process = Process::start(&db, &nats, &minter);
    let red = at("2026-11-23T09:00:00.000001+08:00");
    let status = process.status("red is next", |status| status.next_due == Some(red.into())).await;
    assert_eq!(status.now, Some(warn_at.into()));
    process.set_clock(red).await;
    watermarks(&js, red).await;
    process
        .status("red is told and published", |status| {
            status.done_through == Some(red.into()) && status.outbox_pending == 0
        })
        .await;
    let lights = "dafei.v1.sla.>";
    eventually(SOON, "both lights are on the bus", || async { (published(&js, lights).await == 2).then_some(()) })
        .await;
    // By itself the breach has opened an entry, and those charged are told.
    let told = "dafei.v1.accountability.371302.opened";
    eventually(SOON, "the notice is on the bus", || async { (published(&js, told).await == 1).then_some(()) }).await;
    process.terminate().await;
}

/// Whatever a crash leaves half done is done once when the service is there again.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_of_firing_each_breach_is_told_once() {
    let minter = Minter::generate().unwrap();
    for point in [
        "consumer.before-commit",
        "consumer.after-commit",
        "firing.claimed",
        "firing.before-commit",
        "firing.after-commit",
        "relay.before-publish",
        "relay.after-publish",
        "relay.after-settlement",
    ] {
        let (db, nats) = (TestDb::new(&migrators(&MIGRATOR)).await, TestNats::start().await);
        let mut js = nats.jetstream().await;
        js.set_timeout(SOON);
        let specs: Vec<StreamSpec> = [Stream::Intake, Stream::Dispatch]
            .map(|stream| StreamSpec::new(stream.name(), stream.subjects().iter().copied()))
            .into();
        ensure_streams(&js, &specs).await.unwrap();
        let late = "2026-11-23T09:30:00+08:00";
        for number in 1..=3 {
            publish(&js, &Case::new(number).found(START).told[0]).await;
        }
        watermarks(&js, at(late)).await;
        Process::start_with(&db, &nats, &minter, late, point).crashed().await;
        let process = Process::start_with(&db, &nats, &minter, late, "");
        process
            .status(point, |status| status.done_through == Some(at(late).into()) && status.outbox_pending == 0)
            .await;
        eventually(SOON, point, || async { (published(&js, "dafei.v1.sla.>").await >= 3).then_some(()) }).await;
        let stream = js.get_stream(Stream::Sla.name()).await.unwrap();
        let mut subjects = stream.info_with_subjects("dafei.v1.sla.>").await.unwrap();
        let mut told = Vec::new();
        while let Some(subject) = tokio_stream::StreamExt::next(&mut subjects).await {
            let (subject, count) = subject.unwrap();
            told.push((subject.rsplit('.').next().unwrap().to_owned(), count));
        }
        assert_eq!(told, [("breached".to_owned(), 3)], "{point}");
        process.terminate().await;
    }
}
