//! The process with more to do than it can: what it refuses, what it keeps, and that all is as before afterwards.

use std::{process::Stdio, time::Duration};

use dafei_contracts::intake::v1::{
    self as api, roster_service_client::RosterServiceClient, suspicion_service_client::SuspicionServiceClient,
};
use dafei_intake::MIGRATOR;
use dafei_kernel::clock::{Clock as _, SystemClock};
use dafei_runtime::identity::mint::{Minter, TokenRequest};
use dafei_shell::start::migrators;
use dafei_testkit::{ReservedPort, TestDb, eventually};
use futures::{StreamExt as _, stream::FuturesUnordered};
use jiff::SignedDuration;
use sqlx::{Executor as _, PgPool, Postgres, Transaction};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::world::{ADMIN, Caller, MEMBER, REGIONS, SOON, den, new_id, region};

/// Calls that the process takes at the same time, and that are sent to it.
const LIMIT: usize = 4;
const SENT: usize = 16;

/// The service as it is deployed, with a small limit. NATS is away: acknowledged is what PostgreSQL has.
struct Process {
    db: TestDb,
    channel: Channel,
    minter: Minter,
    _child: Child,
    _files: TempDir,
    _port: ReservedPort,
}

impl Process {
    async fn start(timeout: Duration) -> Self {
        let db = TestDb::new(&migrators(&MIGRATOR)).await;
        let files = tempfile::tempdir().expect("a directory");
        let minter = Minter::generate().expect("a key");
        let jwks = files.path().join("jwks.json");
        std::fs::write(&jwks, minter.jwks()).expect("keys");
        let port = ReservedPort::new();
        let address = format!("127.0.0.1:{}", port.number());
        let child = Command::new(env!("CARGO_BIN_EXE_dafei-intake"))
            .env("DAFEI_INTAKE_LISTEN", &address)
            .env("DAFEI_INTAKE_DATABASE_URL", &db.url)
            .env("DAFEI_INTAKE_CODE_PEPPER", "a-pepper-of-at-least-thirty-two-characters")
            .env("DAFEI_PHOTOS", files.path().join("photos"))
            .env("DAFEI_NATS_URL", "nats://127.0.0.1:1")
            .env("DAFEI_JWKS", &jwks)
            .env("DAFEI_JWT_ISSUER", "issuer")
            .env("DAFEI_JWT_AUDIENCE", "dafei")
            .env("DAFEI_ENVIRONMENT", "test")
            .env("DAFEI_DATABASE_POOL", "4")
            .env("DAFEI_GRPC_IN_FLIGHT", LIMIT.to_string())
            .env("DAFEI_GRPC_TIMEOUT_SECONDS", timeout.as_secs().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the process");
        let channel = Channel::from_shared(format!("http://{address}")).expect("a URI").connect_lazy();
        let process = Self { db, channel, minter, _child: child, _files: files, _port: port };
        eventually(SOON, "the process is ready", || async { process.ready().await.then_some(()) }).await;
        let file = api::ImportRosterRequest {
            request_id: new_id(),
            file: api::RosterFile::Regions.into(),
            chunk: REGIONS.as_bytes().to_vec().into(),
            dry_run: false,
        };
        let request = process.request(ADMIN, tokio_stream::iter([file]));
        RosterServiceClient::new(process.channel.clone()).import_roster(request).await.expect("the roster");
        process
    }

    async fn ready(&self) -> bool {
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status == 1)
    }

    fn request<T>(&self, caller: Caller, message: T) -> Request<T> {
        let token = self.minter.sign(&TokenRequest {
            subject: format!("{}@{}", caller.0, caller.1),
            name: None,
            role: caller.0,
            region: region(caller.1),
            agency: None,
            work_area: None,
            issuer: "issuer".to_owned(),
            audience: "dafei".to_owned(),
            expires: SystemClock.now() + SignedDuration::from_hours(1),
        });
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", token.expect("a token"));
        request.metadata_mut().insert("authorization", bearer.parse().expect("a header"));
        request
    }

    /// Records a den; answers the request that it sent as well.
    async fn record(&self, sent: api::RecordSuspicionRequest) -> (api::RecordSuspicionRequest, Result<Uuid, Status>) {
        let mut client = SuspicionServiceClient::new(self.channel.clone());
        let answer = client.record_suspicion(self.request(MEMBER, sent.clone())).await;
        let id = answer.map(|answer| answer.into_inner().suspicion.expect("what was recorded").case_id);
        (sent, id.map(|id| id.parse().expect("an id")))
    }

    async fn recorded(&self) -> Vec<Uuid> {
        sqlx::query_scalar("SELECT id FROM suspicion ORDER BY id").fetch_all(&self.db.pool).await.expect("the rows")
    }
}

/// Holds what every report must write to, until it is rolled back.
async fn held(pool: &PgPool) -> Transaction<'static, Postgres> {
    let mut tx = pool.begin().await.expect("a transaction");
    tx.execute("LOCK TABLE suspicion IN ACCESS EXCLUSIVE MODE").await.expect("the lock");
    tx
}

fn retry_info(status: &Status) -> Duration {
    let info = status.get_details_retry_info().unwrap_or_else(|| panic!("no RetryInfo: {status:?}"));
    info.retry_delay.expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_was_not_done_what_is_acknowledged_is_kept_and_all_pass_again_below_the_limit() {
    let process = Process::start(Duration::from_secs(120)).await;
    let lock = held(&process.db.pool).await;
    let mut sent: FuturesUnordered<_> = (0..SENT).map(|_| process.record(den_of_now())).collect();
    let mut refused = Vec::new();
    while refused.len() < SENT - LIMIT {
        let (request, answer) = tokio::time::timeout(SOON, sent.next()).await.expect("refused at once").expect("one");
        let status = answer.expect_err("nothing is recorded behind the lock");
        let reason = status.get_details_error_info().expect("a reason").reason;
        assert_eq!((status.code(), reason.as_str()), (Code::ResourceExhausted, "OVERLOADED"));
        assert!(retry_info(&status) >= Duration::from_secs(1));
        refused.push(request);
    }
    eventually(SOON, "health is not shed", || async { process.ready().await.then_some(()) }).await;
    lock.rollback().await.expect("the lock is given back");
    let mut acknowledged = Vec::new();
    while let Some((_, answer)) = tokio::time::timeout(SOON, sent.next()).await.expect("the others are answered") {
        acknowledged.push(answer.expect("what was taken is done"));
    }
    acknowledged.sort_unstable();
    assert_eq!(acknowledged.len(), LIMIT);
    assert_eq!(process.recorded().await, acknowledged, "no more and no less than what was acknowledged");
    for request in refused {
        acknowledged.push(process.record(request).await.1.expect("below the limit it passes"));
    }
    acknowledged.sort_unstable();
    assert_eq!(process.recorded().await, acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_stuck_database_callers_are_told_to_come_back_and_the_same_request_passes_when_it_is_free() {
    // A statement waits for a lock for half of that.
    let process = Process::start(Duration::from_secs(24)).await;
    let lock = held(&process.db.pool).await;
    let looked = async {
        process.db.until_waiting(1).await;
        // So long that the probe of the database has looked meanwhile.
        tokio::time::sleep(Duration::from_secs(4)).await;
        eventually(Duration::from_secs(6), "a statement that waits is no database that is away", || async {
            process.ready().await.then_some(())
        })
        .await;
    };
    let (answered, ()) = tokio::join!(tokio::time::timeout(SOON, process.record(den_of_now())), looked);
    let (request, answer) = answered.expect("answered in time");
    let status = answer.expect_err("the table is locked");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    retry_info(&status);
    lock.rollback().await.expect("the lock is given back");
    let id = process.record(request).await.1.expect("the same request passes");
    assert_eq!(process.recorded().await, [id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_pool_is_exhausted_stays_ready_and_tells_callers_to_come_back() {
    // A statement waits for a lock for half of that, longer than a caller waits for the pool.
    let process = Process::start(Duration::from_secs(24)).await;
    let lock = held(&process.db.pool).await;
    // They wait for the lock and hold the whole pool; one of them waits for the pool.
    let list = || async {
        let message = api::ListSuspicionsRequest { region: Some(crate::world::wire(ADMIN.1)), ..Default::default() };
        let mut client = SuspicionServiceClient::new(process.channel.clone());
        client.list_suspicions(process.request(ADMIN, message)).await
    };
    let mut lists: FuturesUnordered<_> = (0..LIMIT).map(|_| list()).collect();
    let mut first = true;
    while let Some(answer) = tokio::time::timeout(SOON, lists.next()).await.expect("answered in time") {
        let status = answer.expect_err("the table is locked");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        retry_info(&status);
        // The one that waited for the pool is told first; the others hold it for some seconds more.
        if std::mem::take(&mut first) {
            eventually(Duration::from_secs(6), "it has much to do and is not away", || async {
                process.ready().await.then_some(())
            })
            .await;
        }
    }
    lock.rollback().await.expect("the lock is given back");
    eventually(SOON, "lists pass again", || async { list().await.ok() }).await;
}

/// A den that is found now by the machine's clock.
fn den_of_now() -> api::RecordSuspicionRequest {
    api::RecordSuspicionRequest { request_id: new_id(), ..den() }
}
