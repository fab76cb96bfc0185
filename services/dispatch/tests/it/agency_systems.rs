//! An agency's own system on NATS: its durable, its instructions, and its acknowledgements.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::jetstream;
use dafei_contracts::{Event, Stream, dispatch::v1 as api, events::v1 as ev, types::v1 as types};
use dafei_dispatch::consumers::Acks;
use dafei_kernel::{agency::Agency, clock::Clock, role::Role, time::Instant};
use dafei_messaging::{
    consumer::{Delivered, Handler},
    streams::ensure_streams,
};
use dafei_testkit::eventually;
use futures::StreamExt;
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::reason;
use crate::suite::{COUNTY, PATIENCE, Suite, TOWNSHIP, lead, new_id, region, streams};

/// What an agency's client does that only knows NATS.
pub(crate) struct System {
    js: async_nats::jetstream::Context,
    registered: api::RegisterAgencySystemResponse,
    agency: Agency,
    region: &'static str,
}

impl System {
    pub(crate) async fn register(suite: &Suite, agency: Agency) -> Self {
        Self::register_at(suite, agency, COUNTY).await
    }

    pub(crate) async fn register_at(suite: &Suite, agency: Agency, region: &'static str) -> Self {
        let registered = suite.admin().register(agency, region).await.expect("registered");
        let mut js = suite.nats.jetstream().await;
        js.set_timeout(PATIENCE);
        Self { js, registered, agency, region }
    }

    /// The next message of the durable, acknowledged.
    pub(crate) async fn next(&self) -> (String, Value) {
        // It may be made a moment after the registration.
        let consumer: async_nats::jetstream::consumer::PullConsumer = eventually(PATIENCE, "the durable", async || {
            let stream = self.js.get_stream(&self.registered.stream).await.ok()?;
            stream.get_consumer(&self.registered.durable).await.ok()
        })
        .await;
        let mut messages = consumer.fetch().max_messages(1).expires(PATIENCE).messages().await.expect("messages");
        let message = messages.next().await.expect("a message in time").expect("a message");
        message.double_ack().await.expect("acknowledged");
        let kind = message.headers.as_ref().and_then(|headers| headers.get("ce-type")).expect("a type").to_string();
        (kind, serde_json::from_slice(&message.payload).expect("JSON"))
    }

    /// The next receipt.
    pub(crate) async fn receipt(&self) -> Value {
        let (kind, receipt) = self.next().await;
        assert_eq!(kind, "dafei.events.v1.Receipt", "{receipt}");
        receipt
    }

    /// A feedback with its envelope.
    pub(crate) fn feedback(&self, id: &str, instruction: &str, kind: &str, body: Value) -> Value {
        let mut feedback = json!({
            "feedbackId": id,
            "instructionId": instruction,
            "agency": self.agency.code(),
            "region": {"level": region(self.region).level().code(), "code": region(self.region).code().as_str()},
        });
        feedback[kind] = body;
        feedback
    }

    /// Where its feedback of a kind goes.
    pub(crate) fn subject(&self, kind: &str) -> String {
        format!("{}{kind}", self.registered.feedback_prefix)
    }

    pub(crate) async fn publish(&self, kind: &str, payload: impl Into<Vec<u8>>) {
        self.publish_to(self.subject(kind), payload).await;
    }

    pub(crate) async fn publish_to(&self, subject: String, payload: impl Into<Vec<u8>>) {
        let stored = self.js.publish(subject, payload.into().into()).await.expect("published");
        stored.await.expect("stored");
    }

    pub(crate) async fn send(&self, id: &str, instruction: &str, kind: &str, body: Value) {
        self.publish(kind, self.feedback(id, instruction, kind, body).to_string()).await;
    }
}

/// Leaves the direct gets of the agencies' stream to a copy that has another agency's messages alone: what a replica is that lags.
async fn only_a_lagging_copy_answers_directly(js: &jetstream::Context, other: &str) {
    let stream = js.get_stream(Stream::Agency.name()).await.expect("the stream");
    let mut agency = stream.cached_info().config.clone();
    let mirror = jetstream::stream::Source {
        name: agency.name.clone(),
        filter_subject: Some(format!("dafei.v1.agency.{other}.>")),
        ..Default::default()
    };
    let behind = jetstream::stream::Config {
        name: "BEHIND".to_owned(),
        mirror: Some(mirror),
        mirror_direct: true,
        ..Default::default()
    };
    js.create_stream(behind).await.expect("the copy");
    agency.allow_direct = false;
    js.update_stream(&agency).await.expect("it answers no more itself");
    eventually(PATIENCE, "the copy answers", || async {
        let missing = stream.direct_get(1).await.err()?;
        (missing.kind() == jetstream::stream::DirectGetErrorKind::NotFound).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_counts_though_a_replica_that_lags_does_not_know_the_message() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    suite.published(Stream::Agency, 3).await;
    only_a_lagging_copy_answers_directly(&suite.js, Agency::PublicSecurity.code()).await;
    system.next().await;
    eventually(PATIENCE, "the acknowledgement delivers", || async {
        lead(&suite.admin().case(case.case_id.parse().ok()?).await.ok()?).delivered_at
    })
    .await;
}

/// The server's samples of acknowledgements of the first three messages of the agencies' stream, stored at `stored_at`.
fn samples(stored_at: Instant) -> Vec<Delivered> {
    let sample = |place: u64| Delivered {
        subject: "$JS.EVENT.METRIC.CONSUMER.ACK.DAFEI_AGENCY.A_x".to_owned(),
        headers: BTreeMap::new(),
        event_id: Uuid::nil(),
        event_type: String::new(),
        source: String::new(),
        aggregate_id: Uuid::nil(),
        sequence: 0,
        recorded_at: stored_at,
        traceparent: None,
        payload: json!({"stream": Stream::Agency.name(), "stream_seq": place}).to_string().into(),
        stream_sequence: place,
        stored_at,
    };
    (1..=3).map(sample).collect()
}

async fn take(suite: &Suite, samples: &[Delivered]) {
    let mut tx = suite.db.pool.begin().await.expect("a transaction");
    let acks = Acks::new(Arc::clone(&suite.app), suite.js.clone());
    acks.apply(&mut tx, samples).await.expect("taken");
    tx.commit().await.expect("committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_before_the_stream_was_made_anew_says_nothing_of_what_stands_in_its_place_now() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    suite.published(Stream::Agency, 3).await;
    let stream = suite.js.get_stream(Stream::Agency.name()).await.expect("the stream");
    let made = dafei_messaging::relay::created(&stream).expect("an instant");
    let delivered = async || {
        let case = suite.admin().case(case.case_id.parse().expect("an id")).await.expect("the case");
        lead(&case).delivered_at.is_some()
    };
    take(&suite, &samples(made - Duration::from_millis(1))).await;
    assert!(!delivered().await);
    take(&suite, &samples(made)).await;
    assert!(delivered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_of_a_stream_that_is_gone_are_not_waited_for() {
    let suite = Suite::start().await;
    suite.assigned().await;
    suite.published(Stream::Agency, 3).await;
    suite.js.delete_stream(Stream::Agency.name()).await.expect("gone");
    tokio::time::timeout(PATIENCE, take(&suite, &samples(suite.clock.now()))).await.expect("at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_does_its_part_over_nats_alone() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    assert_eq!(system.registered.durable, "A_emergency-management_county_371302");
    assert_eq!(system.registered.filter_subject, "dafei.v1.agency.emergency-management.county.371302.>");
    assert_eq!(system.registered.feedback_prefix, "dafei.v1.feedback.emergency-management.county.371302.");
    let case = suite.assigned().await;
    let case_id = case.case_id.parse().expect("an id");
    suite.advance(SignedDuration::from_mins(2));
    let (kind, instruction) = system.next().await;
    assert_eq!(kind, "dafei.events.v1.Instruction");
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    assert_eq!(id, lead(&case).instruction_id);
    assert_eq!(instruction["assignee"]["lead"], json!(true));
    let delivered = eventually(PATIENCE, "the acknowledgement delivers", || async {
        let case = suite.admin().case(case_id).await.ok()?;
        lead(&case).delivered_at
    })
    .await;
    assert_eq!(delivered, suite.clock.now().into());
    suite.advance(SignedDuration::from_mins(3));
    system.send("F-1", &id, "accepted", json!({"by": "张三"})).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    system.send("F-2", &id, "response", json!({"plan": "今日到场"})).await;
    let receipt = system.receipt().await;
    assert_eq!((&receipt["feedbackId"], &receipt["instructionId"]), (&json!("F-2"), &json!(id)));
    let measure =
        json!({"measureId": "罚1", "decidedAt": suite.clock.now().to_string(), "fine": {"amountFen": "500000"}});
    let result =
        json!({"kind": "RESULT_KIND_INTERIM", "text": "已查封", "confirmedActs": ["HC-3"], "measures": [measure]});
    system.send("F-3", &id, "result", result).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    let done = suite.state(case_id, api::CaseState::DepartmentResult).await;
    assert_eq!(lead(&done).responded_at, Some(suite.clock.now().into()));
    assert_eq!(lead(&done).result_kind(), types::ResultKind::Interim);
    suite.office().feed_back(case_id).await.expect("fed back");
    let events = suite.published(Stream::Dispatch, 9).await;
    let delivered = events.iter().find_map(|event| match event {
        Event::InstructionDelivered(event) => Some(event.means()),
        _ => None,
    });
    assert_eq!(delivered, Some(ev::DeliveryMeans::Consumer));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_fourteen_agencies_hears_of_the_case_it_leads_and_of_nobody_elses_part() {
    let suite = Suite::start().await;
    let mut systems = Vec::new();
    for agency in Agency::ALL {
        systems.push(System::register(&suite, *agency).await);
    }
    assert_eq!(systems.len(), 14);
    let mut expected = Vec::new();
    for agency in Agency::ALL {
        let case = suite.escalated().await;
        let request = api::AssignDepartmentRequest {
            request_id: new_id(),
            case_id: case.to_string(),
            lead: agency.code().to_owned(),
            deviation_reason: "该单位最先到场".to_owned(),
            text: "依法查处".to_owned(),
            ..Default::default()
        };
        let assigned = suite.office().county().assign_department(request).await.expect("assigned").into_inner();
        let case = assigned.case.expect("a case");
        expected.push(lead(&case).instruction_id.clone());
    }
    for (system, id) in systems.iter().zip(&expected) {
        // The table adds co-handlers to some cases; those instructions come on the same queue.
        loop {
            let (kind, instruction) = system.next().await;
            assert_eq!(kind, "dafei.events.v1.Instruction");
            assert_eq!(instruction["assignee"]["post"]["agency"], json!(system.agency.code()));
            if instruction["assignee"]["lead"] == json!(true) {
                assert_eq!(instruction["instructionId"], json!(id), "{}", system.agency.code());
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_returns_a_wrong_assignment_over_nats() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    system.send("F-1", &id, "declined", json!({"reason": "不属职责"})).await;
    let receipt = system.receipt().await;
    assert_eq!(
        (&receipt["reason"], &receipt["field"]),
        (&json!("LEGAL_BASIS_REQUIRED"), &json!("declined.legal_basis"))
    );
    system.send("F-1", &id, "declined", json!({"reason": "不属职责", "legalBasis": "职责分工规定"})).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"), "what was rejected may be mended");
    suite.state(case.case_id.parse().expect("an id"), api::CaseState::AtOffice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_twice_is_one_system_and_a_wiped_bus_gets_its_durable_again() {
    let mut suite = Suite::start().await;
    System::register(&suite, Agency::Energy).await;
    let system = System::register(&suite, Agency::Energy).await;
    suite.admin().register(Agency::PublicSecurity, TOWNSHIP).await.expect("registered");
    let admin = suite.caller(Role::Admin, COUNTY, None);
    let all = admin.systems().list_agency_systems(api::ListAgencySystemsRequest::default()).await;
    assert_eq!(reason(&all.expect_err("they are of all counties")), "OUT_OF_SCOPE");
    let request = api::ListAgencySystemsRequest { page_size: 1, page_token: String::new() };
    let first = suite.admin().systems().list_agency_systems(request).await.expect("a page").into_inner();
    assert_eq!(first.systems[0].durable, "A_energy_county_371302");
    let request = api::ListAgencySystemsRequest { page_size: 1, page_token: first.next_page_token };
    let second = suite.admin().systems().list_agency_systems(request).await.expect("a page").into_inner();
    assert_eq!(second.systems[0].durable, "A_public-security_township_371302001");
    suite.nats.wipe().await;
    suite.js = suite.nats.jetstream().await;
    eventually(PATIENCE, "the streams are made anew", || async { ensure_streams(&suite.js, &streams()).await.ok() })
        .await;
    eventually(2 * PATIENCE, "the durable is made anew", || async {
        let stream = suite.js.get_stream(&system.registered.stream).await.ok()?;
        stream.consumer_info(&system.registered.durable).await.ok()
    })
    .await;
}
