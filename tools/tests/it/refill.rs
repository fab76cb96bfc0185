//! Filling a wiped NATS again.

use std::process::Output;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use bytes::Bytes;
use dafei_contracts::{Event, events::v1 as ev};
use dafei_messaging::{event::NewEvent, log};
use dafei_testkit::{TestDb, TestNats};
use dafei_tools::client::Service;
use sqlx::migrate::Migrator;
use uuid::Uuid;

use crate::fakes::{FakeSuite, instant};

/// A database of intake whose log has two events.
async fn two_events() -> TestDb {
    let db = TestDb::new(&[&dafei_messaging::MIGRATOR]).await;
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
    db
}

async fn refill(suite: &FakeSuite, nats: &TestNats, db: &TestDb, name: &str) -> Output {
    let mut command = suite.tool(&["refill", name]);
    command.env("DAFEI_NATS_URL", nats.url()).env("DAFEI_INTAKE_DATABASE_URL", &db.url);
    command.output().await.expect("the binary runs")
}

fn says(output: &Output, what: &str) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains(what)
}

#[tokio::test]
async fn the_events_of_a_service_s_log_are_in_its_stream_again() {
    let (db, nats) = (two_events().await, TestNats::start().await);
    let suite = FakeSuite::start("2026-11-23T08:00:00Z").await;
    let output = refill(&suite, &nats, &db, Service::Intake.name()).await;
    assert!(says(&output, "2 条事件"), "{output:?}");
    let stream = nats.jetstream().await.get_stream("DAFEI_INTAKE").await.expect("the stream");
    let first = stream.get_raw_message(1).await.expect("the first event");
    assert_eq!(first.subject.as_str(), "dafei.v1.roster._._.snapshot");
    assert_eq!(stream.cached_info().state.messages, 2);
    assert!(!refill(&suite, &nats, &db, "police").await.status.success(), "there is no such service");
}

#[tokio::test]
async fn of_a_stream_that_is_left_alone_the_tool_says_how_many_of_the_oldest_messages_have_expired() {
    let (db, nats) = (two_events().await, TestNats::start().await);
    let suite = FakeSuite::start("2026-11-23T08:00:00Z").await;
    refill(&suite, &nats, &db, Service::Intake.name()).await;
    let output = refill(&suite, &nats, &db, Service::Intake.name()).await;
    assert!(says(&output, "完好"), "{output:?}");
    let js = nats.jetstream().await;
    let stream = js.get_stream("DAFEI_INTAKE").await.expect("the stream");
    // As by its age, the first is gone.
    let config = Config { max_messages: 1, discard: DiscardPolicy::Old, ..stream.cached_info().config.clone() };
    js.update_stream(&config).await.expect("room for one");
    let output = refill(&suite, &nats, &db, Service::Intake.name()).await;
    assert!(says(&output, "最早的 1 条消息已过期"), "{output:?}");
    assert!(says(&output, "nats stream rm DAFEI_INTAKE"), "{output:?}");
    assert!(!says(&output, "完好"), "{output:?}");
}

/// An event of an instruction, as dispatch logs it for one agency.
fn for_agency(number: u128, sequence: i64, kind: &str, event: &Event) -> NewEvent {
    NewEvent {
        stream: "DAFEI_AGENCY",
        subject: format!("dafei.v1.agency.energy.county.371302.{kind}"),
        event_type: event.kind().event_type.to_owned(),
        source: "dafei/dispatch".to_owned(),
        aggregate_id: Uuid::from_u128(number),
        sequence,
        event_id: Uuid::from_u128(number * 10 + u128::from(sequence.unsigned_abs())),
        recorded_at: instant("2026-11-23T08:00:00Z"),
        traceparent: None,
        payload: event.to_json().expect("JSON").into(),
    }
}

/// The tables of dispatch.
static DISPATCH: Migrator = sqlx::migrate!("../services/dispatch/migrations");

/// How an instruction stands in dispatch's table.
async fn stands(db: &TestDb, number: u128, (state, open, reached): (i16, bool, bool)) {
    sqlx::query(
        "INSERT INTO instruction (id, case_id, agency, level, region, state, open, delivered, reached, issued_at, assumed_at)
         VALUES ($1, $1, 'energy', 'county', '371302', $2, $3, $4, $4, now(), now())",
    )
    .bind(Uuid::from_u128(number))
    .bind(state)
    .bind(open)
    .bind(reached)
    .execute(&db.pool)
    .await
    .expect("a row");
}

#[tokio::test]
async fn an_agency_finds_its_open_instructions_again_and_none_that_it_has_acknowledged() {
    let (db, nats) = (TestDb::new(&[&dafei_messaging::MIGRATOR, &DISPATCH]).await, TestNats::start().await);
    let id = |number: u128| Uuid::from_u128(number).to_string();
    let instruction = |number: u128| ev::Instruction { instruction_id: id(number), ..Default::default() }.into();
    let receipt = |number: u128, status: ev::ReceiptStatus| {
        ev::Receipt { instruction_id: id(number), status: status.into(), ..Default::default() }.into()
    };
    let notice = |number: u128| ev::InstructionNotice { instruction_id: id(number), ..Default::default() }.into();
    let (acknowledged, refused, untouched, signed, done) = (1, 2, 3, 4, 5);
    let rows = [
        (acknowledged, (2, true, true)),
        (refused, (2, true, true)),
        (untouched, (1, true, false)),
        // By gRPC: no event tells of it.
        (signed, (3, true, true)),
        (done, (5, false, true)),
    ];
    for (number, row) in rows {
        stands(&db, number, row).await;
    }
    // Written when the tool had already asked what still waits, and in no stream yet.
    let (late, receipt_of_late) = (6, for_agency(6, 2, "receipt", &receipt(6, ev::ReceiptStatus::Rejected)));
    let told = [
        for_agency(acknowledged, 1, "instruction", &instruction(acknowledged)),
        for_agency(refused, 1, "instruction", &instruction(refused)),
        for_agency(acknowledged, 2, "receipt", &receipt(acknowledged, ev::ReceiptStatus::Accepted)),
        for_agency(refused, 2, "receipt", &receipt(refused, ev::ReceiptStatus::Rejected)),
        for_agency(untouched, 1, "instruction", &instruction(untouched)),
        for_agency(signed, 1, "instruction", &instruction(signed)),
        for_agency(done, 1, "instruction", &instruction(done)),
        for_agency(untouched, 2, "notice", &notice(untouched)),
        for_agency(refused, 3, "notice", &notice(refused)),
    ];
    let mut tx = db.pool.begin().await.expect("a transaction");
    log::append(&mut tx, &told).await.expect("logged");
    sqlx::query("DELETE FROM outbox").execute(&mut *tx).await.expect("published");
    let unpublished = [for_agency(late, 1, "instruction", &instruction(late)), receipt_of_late];
    log::append(&mut tx, &unpublished).await.expect("logged");
    tx.commit().await.expect("committed");
    let suite = FakeSuite::start("2026-11-23T08:00:00Z").await;
    let mut command = suite.tool(&["refill", Service::Dispatch.name()]);
    command.env("DAFEI_NATS_URL", nats.url()).env("DAFEI_DISPATCH_DATABASE_URL", &db.url);
    let output = command.output().await.expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
    let stream = nats.jetstream().await.get_stream("DAFEI_AGENCY").await.expect("the stream");
    let mut found = Vec::new();
    for sequence in 1..=stream.cached_info().state.messages {
        let message = stream.get_raw_message(sequence).await.expect("a message");
        let kind = message.headers.get("ce-type").expect("a type").as_str();
        match Event::from_json(kind, &message.payload).expect("JSON of its type") {
            Some(Event::Instruction(event)) => found.push(event.instruction_id),
            Some(Event::InstructionNotice(event)) => found.push(format!("notice of {}", event.instruction_id)),
            Some(Event::Receipt(event)) => found.push(format!("receipt for {}", event.instruction_id)),
            other => panic!("nothing that agencies are told: {other:?}"),
        }
    }
    let told = [id(refused), id(untouched), format!("notice of {}", id(untouched))];
    let never_told = [id(late), format!("receipt for {}", id(late))];
    assert_eq!(found, [&told[..], &never_told[..]].concat());
}
