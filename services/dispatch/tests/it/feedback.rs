//! Bad feedback: each kind gets its receipt, changes nothing, and stops nobody.

use dafei_contracts::dispatch::v1 as api;
use dafei_kernel::{agency::Agency, clock::Clock};
use dafei_messaging::dead_letters;
use dafei_testkit::eventually;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    agency_systems::System,
    suite::{Options, PATIENCE, Suite, lead, new_id},
};

async fn rejected(system: &System) -> (String, String) {
    let receipt = system.receipt().await;
    assert_eq!(receipt["status"], json!("RECEIPT_STATUS_REJECTED"), "{receipt}");
    assert!(receipt["message"].as_str().is_some_and(|message| !message.is_empty()), "{receipt}");
    let text = |name: &str| receipt[name].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("field"))
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_feedback_gets_a_receipt_with_the_reason_and_the_consumer_goes_on() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    let co_handlers = &case.instructions.iter().find(|one| !one.lead).expect("a co-handler").instruction_id;
    let plan = || json!({"plan": "今日到场"});
    let with = |name: &str, value: Value| {
        let mut feedback = system.feedback("B-1", &id, "response", plan());
        feedback[name] = value;
        feedback.to_string()
    };
    let now = suite.clock.now();
    let future = (now + SignedDuration::from_mins(6)).to_string();
    let late = json!({"kind": "RESULT_KIND_FINAL", "text": "已罚", "measures": [{"measureId": "1", "decidedAt": future, "closeDown": {}}]});
    let free = json!({"kind": "RESULT_KIND_FINAL", "text": "已罚", "measures": [{"measureId": "1", "decidedAt": now.to_string(), "fine": {}}]});
    // Before what PostgreSQL knows, and before what the suite takes.
    let decided = |at: &str| {
        let measure = json!({"measureId": "1", "decidedAt": at, "closeDown": {}});
        let body = json!({"kind": "RESULT_KIND_FINAL", "text": "已罚", "measures": [measure]});
        system.feedback("B-1", &id, "result", body).to_string()
    };
    let cases: Vec<(&str, String, &str, &str)> = vec![
        ("result", decided("-004713-11-23T00:00:00Z"), "INVALID", "result.measures[0].decided_at"),
        ("result", decided("0000-12-31T23:59:59Z"), "INVALID", "result.measures[0].decided_at"),
        ("result", decided("9999-12-30T00:00:00Z"), "TIME_IN_FUTURE", "result.measures[0].decided_at"),
        ("response", "{not json".to_owned(), "BROKEN_JSON", ""),
        ("response", "[]".to_owned(), "INVALID_FORMAT", ""),
        ("response", with("urgent", json!(true)), "UNKNOWN_FIELD", "urgent"),
        ("response", with("feedbackId", json!("")), "REQUIRED", "feedback_id"),
        ("response", with("agency", json!("postal")), "FOREIGN_SUBJECT", "agency"),
        ("response", with("region", json!({"level": "county", "code": "371311"})), "FOREIGN_SUBJECT", "region"),
        ("result", with("agency", json!("emergency-management")), "KIND_MISMATCH", "response"),
        ("response", with("instructionId", json!("7")), "INVALID", "instruction_id"),
        ("response", with("instructionId", json!(new_id())), "UNKNOWN_INSTRUCTION", "instruction_id"),
        ("response", with("instructionId", json!(co_handlers)), "WRONG_AGENCY", "instruction_id"),
        ("response", with("response", json!({"plan": ""})), "REQUIRED", "response.plan"),
        (
            "result",
            system.feedback("B-1", &id, "result", late).to_string(),
            "TIME_IN_FUTURE",
            "result.measures[0].decided_at",
        ),
        (
            "result",
            system.feedback("B-1", &id, "result", free).to_string(),
            "FINE_NOT_POSITIVE",
            "result.measures[0].fine.amount_fen",
        ),
    ];
    for (kind, payload, reason, field) in cases {
        system.publish(kind, payload.clone()).await;
        assert_eq!(rejected(&system).await, (reason.to_owned(), field.to_owned()), "{payload}");
    }
    system.send("B-1", &id, "response", plan()).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"), "the id of rejected ones is free");
    system.send("B-2", &id, "response", plan()).await;
    assert_eq!(rejected(&system).await, ("ALREADY_RESPONDED".to_owned(), "instruction_id".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_counts_once_and_stands_for_one_content() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    let mut receipts = Vec::new();
    for _ in 0..3 {
        system.send("F-1", &id, "response", json!({"plan": "今日到场"})).await;
        receipts.push(system.receipt().await);
    }
    let statuses: Vec<_> = receipts.iter().map(|receipt| receipt["status"].as_str().expect("one")).collect();
    assert_eq!(statuses, ["RECEIPT_STATUS_ACCEPTED", "RECEIPT_STATUS_DUPLICATE", "RECEIPT_STATUS_DUPLICATE"]);
    system.send("F-1", &id, "response", json!({"plan": "明日到场"})).await;
    receipts.push(system.receipt().await);
    assert_eq!(receipts[3]["reason"], json!("FEEDBACK_ID_REUSED"));
    let sequences: Vec<_> = receipts.iter().map(|receipt| receipt["meta"]["sequence"].as_str().expect("one")).collect();
    assert_eq!(sequences, ["1", "2", "3", "4"], "the receipts of an id are one aggregate");
    assert!(receipts[1..].iter().all(|receipt| receipt["meta"]["aggregateId"] == receipts[0]["meta"]["aggregateId"]));
    let case = suite.admin().case(case.case_id.parse().expect("an id")).await.expect("the case");
    assert_eq!(lead(&case).plan, "今日到场");
    let other = System::register(&suite, Agency::PublicSecurity).await;
    let (_, instruction) = other.next().await;
    let own = instruction["instructionId"].as_str().expect("an id").to_owned();
    other.send("F-1", &own, "response", json!({"plan": "配合"})).await;
    assert_eq!(other.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"), "ids are the unit's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_be_told_of_is_left_to_the_operator_and_the_next_is_taken() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    system.publish_to("dafei.v1.feedback.police.county.371302.response".to_owned(), "{}").await;
    system.send("F-1", &id, "response", json!({"plan": "今日到场"})).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    let mut conn = suite.db.pool.acquire().await.expect("a connection");
    let counts = dead_letters::counts(&mut conn).await.expect("counts");
    assert_eq!(counts.iter().map(|count| count.open).sum::<i64>(), 1, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_counts_when_the_bus_stored_it_however_late_dispatch_takes_it() {
    let suite = Suite::with(Options { system_clock: true, feedback_later: true }).await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    system.send("F-1", &id, "response", json!({"plan": "今日到场"})).await;
    let stored = suite.app.clock.now();
    // Time passes before dispatch looks.
    eventually(PATIENCE, "a second passes", || async {
        (suite.app.clock.now().duration_since(stored) > SignedDuration::from_secs(1)).then_some(())
    })
    .await;
    suite.start_feedback();
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    let case: api::Case = suite.admin().case(case.case_id.parse().expect("an id")).await.expect("the case");
    let responded = lead(&case).responded_at.expect("a response");
    let responded: jiff::Timestamp = responded.try_into().expect("an instant");
    assert!(responded <= stored, "{responded} is after {stored}");
}
