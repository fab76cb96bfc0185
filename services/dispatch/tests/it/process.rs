//! The process itself: it starts without NATS, says how far it is, and ends in order.

use std::{process::Stdio, time::Duration};

use dafei_contracts::ops::v1::{
    GetStatusRequest, ListDeadLettersRequest, ReplayDeadLettersRequest, SetClockRequest,
    ops_service_client::OpsServiceClient,
};
use dafei_dispatch::MIGRATOR;
use dafei_kernel::{
    clock::{Clock, SystemClock},
    role::Role,
};
use dafei_runtime::identity::mint::{Minter, TokenRequest};
use dafei_shell::start::migrators;
use dafei_testkit::{ReservedPort, TestDb, TestNats, eventually};
use jiff::SignedDuration;
use tokio::process::Command;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::{
    access::reason,
    suite::{CITY, COUNTY, PATIENCE, region},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_process_starts_and_keeps_its_streams_there_and_shows_its_watermark() {
    let migrators = migrators(&MIGRATOR);
    let (db, nats) = tokio::join!(TestDb::new(&migrators), TestNats::start());
    let js = nats.jetstream().await;
    let intake = crate::suite::streams().remove(0);
    dafei_messaging::streams::ensure_streams(&js, &[intake]).await.expect("intake's stream");
    let minter = Minter::generate().expect("a key");
    let dir = std::env::temp_dir().join(format!("dafei-dispatch-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let jwks = dir.join("jwks.json");
    std::fs::write(&jwks, minter.jwks()).expect("keys");
    let port = ReservedPort::new();
    let address = format!("127.0.0.1:{}", port.number());
    let mut process = Command::new(env!("CARGO_BIN_EXE_dafei-dispatch"))
        .env("DAFEI_DISPATCH_LISTEN", &address)
        .env("DAFEI_DISPATCH_DATABASE_URL", &db.url)
        .env("DAFEI_NATS_URL", nats.url())
        .env("DAFEI_JWKS", &jwks)
        .env("DAFEI_JWT_ISSUER", "issuer")
        .env("DAFEI_JWT_AUDIENCE", "dafei")
        .env("DAFEI_ENVIRONMENT", "test")
        .env("DAFEI_MODE", "exercise")
        .env("DAFEI_EXERCISE_START", "2026-03-02T01:00:00Z")
        .env("DAFEI_SHUTDOWN_SECONDS", "60")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the process");
    let bearer = |place: &str| {
        let token = minter.sign(&TokenRequest {
            subject: "operator".to_owned(),
            name: None,
            role: Role::Admin,
            region: region(place),
            agency: None,
            work_area: None,
            issuer: "issuer".to_owned(),
            audience: "dafei".to_owned(),
            expires: SystemClock.now() + SignedDuration::from_hours(1),
        });
        format!("Bearer {}", token.expect("a token")).parse::<MetadataValue<_>>().expect("a header")
    };
    let channel = Channel::from_shared(format!("http://{address}")).expect("a URI").connect_lazy();
    let status = eventually(PATIENCE, "the watermark moves once all consumers have caught up", || async {
        let mut request = Request::new(GetStatusRequest {});
        request.metadata_mut().insert("authorization", bearer(CITY));
        let status = OpsServiceClient::new(channel.clone()).get_status(request).await.ok()?.into_inner();
        status.published_through.is_some().then_some(status)
    })
    .await;
    let start: jiff::Timestamp = "2026-03-02T01:00:00Z".parse().expect("an instant");
    assert_eq!((status.service.as_str(), status.exercise), ("dispatch", true));
    assert_eq!(status.done_through, Some(start.into()));
    assert_eq!(status.consumers.len(), 4);
    assert!(js.get_stream("DAFEI_FEEDBACK").await.is_ok() && js.get_stream("DAFEI_DELIVERY").await.is_ok());
    county_admin_is_refused(OpsServiceClient::new(channel), bearer(COUNTY)).await;
    let number = process.id().expect("it runs").to_string();
    let signalled = Command::new("kill").args(["-TERM", &number]).status().await.expect("kill");
    assert!(signalled.success());
    let ended = tokio::time::timeout(Duration::from_secs(90), process.wait()).await.expect("in time").expect("ended");
    assert!(ended.success(), "{ended}");
    let _ = std::fs::remove_dir_all(&dir);
}

/// A service is one for the whole city: what operations does to it is not a county's to do.
async fn county_admin_is_refused(mut client: OpsServiceClient<Channel>, bearer: MetadataValue<Ascii>) {
    fn with<T>(message: T, bearer: &MetadataValue<Ascii>) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", bearer.clone());
        request
    }
    let now = Some(SystemClock.now().into());
    let refused = [
        client.get_status(with(GetStatusRequest {}, &bearer)).await.map(drop),
        client.set_clock(with(SetClockRequest { now }, &bearer)).await.map(drop),
        client.list_dead_letters(with(ListDeadLettersRequest::default(), &bearer)).await.map(drop),
        client.replay_dead_letters(with(ReplayDeadLettersRequest::default(), &bearer)).await.map(drop),
    ];
    for status in refused {
        assert_eq!(reason(&status.expect_err("a county's admin")), "OUT_OF_SCOPE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_can_migrate_and_end_without_the_bus() {
    let db = TestDb::new(&[]).await;
    let migrate = |argument: &'static str| {
        Command::new(env!("CARGO_BIN_EXE_dafei-dispatch"))
            .arg(argument)
            .env("DAFEI_DISPATCH_LISTEN", "127.0.0.1:0")
            .env("DAFEI_DISPATCH_DATABASE_URL", &db.url)
            .env("DAFEI_NATS_URL", "nats://127.0.0.1:1")
            .env("DAFEI_JWKS", "/nowhere/jwks.json")
            .env("DAFEI_JWT_ISSUER", "issuer")
            .env("DAFEI_JWT_AUDIENCE", "dafei")
            .stdout(Stdio::null())
            .status()
    };
    // The second time there is nothing left to do.
    for _ in 0..2 {
        assert!(migrate("migrate").await.expect("the process").success());
    }
    let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .fetch_one(&db.pool)
        .await
        .expect("the ledger of migrations");
    let known: usize = migrators(&MIGRATOR).iter().map(|migrator| migrator.iter().count()).sum();
    assert_eq!(usize::try_from(applied).ok(), Some(known));
    assert!(!migrate("migrat").await.expect("the process").success(), "an unknown argument does not serve");
}
