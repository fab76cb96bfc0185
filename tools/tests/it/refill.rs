//! Filling a wiped NATS again.

use bytes::Bytes;
use dafei_messaging::{event::NewEvent, log};
use dafei_testkit::{TestDb, TestNats};
use dafei_tools::client::Service;
use uuid::Uuid;

use crate::fakes::{FakeSuite, instant};

#[tokio::test]
async fn the_events_of_a_service_s_log_are_in_its_stream_again() {
    let (db, nats) = (TestDb::new(&[&dafei_messaging::MIGRATOR]).await, TestNats::start().await);
    let event = |sequence: i64| NewEvent {
        stream: "DAFEI_INTAKE",
        subject: "dafei.v1.roster._._.snapshot".to_owned(),
        event_type: "dafei.events.v1.RosterSnapshot".to_owned(),
        source: "dafei/intake".to_owned(),
        aggregate_id: Uuid::from_u128(1),
        sequence,
        event_id: Uuid::from_u128(sequence.unsigned_abs().into()),
        recorded_at: instant("2026-11-23T08:00:00Z"),
        traceparent: None,
        payload: Bytes::from_static(b"{}"),
    };
    let mut tx = db.pool.begin().await.expect("a transaction");
    log::append(&mut tx, &[event(1), event(2)]).await.expect("logged");
    tx.commit().await.expect("committed");
    let suite = FakeSuite::start("2026-11-23T08:00:00Z").await;
    let refill = |name: &'static str| {
        let mut command = suite.tool(&["refill", name]);
        command.env("DAFEI_NATS_URL", nats.url()).env("DAFEI_INTAKE_DATABASE_URL", &db.url);
        async move { command.output().await.expect("the binary runs") }
    };
    let output = refill(Service::Intake.name()).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("2 条事件"), "{output:?}");
    let stream = nats.jetstream().await.get_stream("DAFEI_INTAKE").await.expect("the stream");
    let first = stream.get_raw_message(1).await.expect("the first event");
    assert_eq!(first.subject.as_str(), "dafei.v1.roster._._.snapshot");
    assert_eq!(stream.cached_info().state.messages, 2);
    assert!(!refill("police").await.status.success(), "there is no such service");
}
