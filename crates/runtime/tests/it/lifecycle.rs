//! The end of a process: its order, its deadline, and what a failing task does to it.

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dafei_runtime::{
    BoxError,
    config::{Common, Service},
    identity::{Verifier, mint::Minter},
    lifecycle::{Lifecycle, Stage},
    telemetry::Telemetry,
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{AUDIENCE, ISSUER, Probe, call, common, eventually, good, serve, settings, who, within};

fn success(code: ExitCode) -> bool {
    code == ExitCode::SUCCESS
}

fn life() -> Lifecycle {
    Lifecycle::new(&common(), Telemetry::none())
}

fn identity() -> (Arc<Verifier>, String) {
    let minter = Minter::generate().unwrap();
    let verifier = Verifier::from_jwks(&minter.jwks(), ISSUER, AUDIENCE).unwrap();
    (verifier, minter.sign(&good()).unwrap())
}

/// A task that notes when it was told to end.
fn noting(life: &mut Lifecycle, stage: Stage, name: &'static str, notes: &Arc<Mutex<Vec<&'static str>>>) {
    let (token, notes) = (life.token(stage), Arc::clone(notes));
    life.spawn_stage(stage, name, async move {
        token.cancelled().await;
        notes.lock().unwrap().push(name);
        Ok::<_, BoxError>(())
    });
}

#[tokio::test]
async fn a_call_in_flight_is_answered_between_the_end_of_the_consumers_and_that_of_the_writers() {
    let (verifier, token) = identity();
    let (probe, notes) = (Probe::default(), Arc::new(Mutex::new(Vec::new())));
    let mut life = life();
    // In an order that is not the one of the end.
    noting(&mut life, Stage::Relay, "relay", &notes);
    noting(&mut life, Stage::Writer, "writer", &notes);
    noting(&mut life, Stage::Consumer, "consumer", &notes);
    let (readiness, held) = (life.readiness(), Arc::clone(&probe.held));
    let served = serve(life, probe, verifier).await;
    let channel = served.channel().await;
    let header = format!("Bearer {token}");
    let calling = {
        let (channel, notes) = (channel.clone(), Arc::clone(&notes));
        tokio::spawn(async move {
            let answer = call(&channel, "Hold", &[("authorization", &header)]).await;
            notes.lock().unwrap().push("call");
            answer
        })
    };
    within(held.arrived.acquire()).await.unwrap().forget();
    assert!(readiness.is_ready());

    served.trigger.cancel();
    eventually(|| async { notes.lock().unwrap().contains(&"consumer") }).await;
    assert!(!readiness.is_ready());
    // New connections are refused while the old call still waits.
    eventually(|| async { tokio::net::TcpStream::connect(served.address).await.is_err() }).await;
    assert_eq!(*notes.lock().unwrap(), ["consumer"]);
    held.release.add_permits(1);
    assert_eq!(within(calling).await.unwrap().unwrap(), "released");
    drop(channel);
    assert!(success(within(served.exit).await.unwrap()));
    let order = notes.lock().unwrap().clone();
    let place = |name| order.iter().position(|note| *note == name).unwrap();
    assert!(place("consumer") < place("writer") && place("writer") < place("relay"), "{order:?}");
}

#[tokio::test]
async fn a_failing_task_brings_the_process_down_and_the_others_end_in_order() {
    let (verifier, _) = identity();
    let notes = Arc::new(Mutex::new(Vec::new()));
    let mut life = life();
    noting(&mut life, Stage::Writer, "writer", &notes);
    life.spawn_stage(Stage::Relay, "relay", async { Err("the stream went backwards") });
    let served = serve(life, Probe::default(), verifier).await;
    assert!(!success(within(served.exit).await.unwrap()));
    assert_eq!(*notes.lock().unwrap(), ["writer"]);
}

#[tokio::test]
async fn a_panicking_task_brings_the_process_down() {
    let (verifier, _) = identity();
    let mut life = life();
    life.spawn_stage::<_, BoxError>(Stage::Writer, "writer", async { panic!("out of ink") });
    let served = serve(life, Probe::default(), verifier).await;
    assert!(!success(within(served.exit).await.unwrap()));
}

#[tokio::test]
async fn a_task_that_has_done_its_work_does_not_end_the_process() {
    let (verifier, token) = identity();
    let mut life = life();
    life.spawn_stage(Stage::Consumer, "once", async { Ok::<_, BoxError>(()) });
    let served = serve(life, Probe::default(), verifier).await;
    assert_eq!(who(&served.channel().await, &token).await.unwrap(), "office-1");
    assert!(success(served.end().await));
}

#[tokio::test]
async fn a_task_that_does_not_end_is_cut_off_at_the_deadline() {
    let (verifier, _) = identity();
    let source = settings().with("DAFEI_SHUTDOWN_SECONDS", "1");
    let mut life = Lifecycle::new(&Common::read(&source, Service::Intake).unwrap(), Telemetry::none());
    life.spawn_stage::<_, BoxError>(Stage::Writer, "deaf", std::future::pending());
    let served = serve(life, Probe::default(), verifier).await;
    assert!(!success(served.end().await));
}

#[tokio::test]
async fn a_watcher_of_the_health_is_told_and_does_not_hold_up_the_end() {
    let (verifier, _) = identity();
    let served = serve(life(), Probe::default(), verifier).await;
    let mut health = HealthClient::new(served.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut statuses = Vec::new();
    let trigger = served.trigger.clone();
    within(async {
        while let Ok(Some(message)) = watch.message().await {
            statuses.push(message.status);
            if message.status == 1 {
                trigger.cancel();
            }
        }
    })
    .await;
    assert_eq!(statuses.last(), Some(&2), "not serving is the last word: {statuses:?}");
    drop(health);
    assert!(success(within(served.exit).await.unwrap()));
}

#[tokio::test]
async fn readiness_follows_the_probe() {
    let (verifier, _) = identity();
    let database = Arc::new(AtomicBool::new(false));
    let mut life = life();
    let probe = Arc::clone(&database);
    life.readiness_probe(Duration::from_millis(5), move || {
        let up = probe.load(Ordering::SeqCst);
        async move { up }
    });
    let readiness = life.readiness();
    let served = serve(life, Probe::default(), verifier).await;
    let mut health = HealthClient::new(served.channel().await);
    let status = health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status;
    assert_eq!(status, 2, "not serving before the first yes");
    database.store(true, Ordering::SeqCst);
    within(readiness.ready()).await;
    let status = health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status;
    assert_eq!(status, 1);
    database.store(false, Ordering::SeqCst);
    eventually(|| async { !readiness.is_ready() }).await;
    drop(health);
    assert!(success(served.end().await));
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let source = settings().with("DAFEI_INTAKE_LISTEN", &address);
    let life = Lifecycle::new(&Common::read(&source, Service::Intake).unwrap(), Telemetry::none());
    assert!(life.bind().await.unwrap_err().to_string().contains(&address));
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let (verifier, token) = identity();
    let served = serve(life(), Probe::default(), verifier).await;
    let header = format!("Bearer {token}");
    let status = call(&served.channel().await, "Nothing", &[("authorization", &header)]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}
