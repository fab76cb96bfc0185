//! How far instructions come, and sending once more what did not arrive.

use dafei_contracts::dispatch::v1::{self as api, DeliveryState};
use dafei_kernel::{agency::Agency, role::Role};
use dafei_testkit::eventually;
use jiff::SignedDuration;
use serde_json::json;
use tonic::{Code, Status};

use crate::{
    access::reason,
    agency_systems::System,
    caller::{Caller, lead},
    suite::{CITY, COUNTY, OTHER_COUNTY, PATIENCE, Suite, TOWNSHIP, VILLAGE, WORK_AREA, new_id, wire_region},
};

async fn way(caller: &Caller, instruction: &str) -> api::Delivery {
    let request = api::GetDeliveryRequest { instruction_id: instruction.to_owned() };
    caller.deliveries().get_delivery(request).await.expect("its way").into_inner().delivery.expect("its way")
}

async fn undelivered(caller: &Caller, text: &str, agency: &str) -> Result<Vec<String>, Status> {
    let request = api::ListUndeliveredRequest {
        region: Some(wire_region(text)),
        agency: agency.to_owned(),
        ..Default::default()
    };
    let answer = caller.deliveries().list_undelivered(request).await?.into_inner();
    let ids = answer.deliveries.into_iter().map(|one| one.instruction.expect("an instruction").instruction_id);
    Ok(ids.collect())
}

async fn retry(caller: &Caller, instruction: &str) -> Result<(), Status> {
    let request = api::RetryDeliveryRequest { request_id: new_id(), instruction_id: instruction.to_owned() };
    caller.deliveries().retry_delivery(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instruction_is_sent_then_delivered_then_seen() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let id = lead(&case).instruction_id.clone();
    let office = suite.office();
    eventually(PATIENCE, "it is on the bus", || async {
        (way(&office, &id).await.state() == DeliveryState::Sent).then_some(())
    })
    .await;
    assert!(way(&office, &id).await.by_system);
    let co_handler = case.instructions.iter().find(|one| !one.lead).expect("a co-handler");
    assert!(!way(&office, &co_handler.instruction_id).await.by_system, "it reads by gRPC");
    system.next().await;
    eventually(PATIENCE, "the acknowledgement counts", || async {
        (way(&office, &id).await.state() == DeliveryState::Delivered).then_some(())
    })
    .await;
    system.send("S-1", &id, "accepted", json!({"by": "值班室"})).await;
    system.receipt().await;
    assert_eq!(way(&office, &id).await.state(), DeliveryState::Seen);
    let elsewhere = suite.caller(Role::CountyOffice, OTHER_COUNTY, None);
    let request = api::GetDeliveryRequest { instruction_id: id };
    let refused = elsewhere.deliveries().get_delivery(request).await.expect_err("not its case");
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_arrive_is_listed_also_once_its_delivery_was_assumed_and_is_sent_once_more() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (id, office) = (lead(&case).instruction_id.clone(), suite.office());
    assert_eq!(undelivered(&office, COUNTY, "").await.expect("a list").len(), 3);
    assert_eq!(undelivered(&office, COUNTY, "emergency-management").await.expect("a list").first(), Some(&id));
    let admin = suite.admin();
    assert_eq!(undelivered(&admin, CITY, "postal").await.expect("a list"), [""; 0]);
    suite.advance(SignedDuration::from_mins(31));
    eventually(PATIENCE, "the clocks run", || async { way(&office, &id).await.assumed.then_some(()) }).await;
    assert_eq!(undelivered(&office, COUNTY, "").await.expect("a list").len(), 3, "and yet it did not arrive");
    retry(&office, &id).await.expect("sent once more");
    let (first, again) = (system.next().await, system.next().await);
    assert_eq!((first.0.as_str(), again.0.as_str()), ("dafei.events.v1.Instruction", "dafei.events.v1.Instruction"));
    assert_eq!(first.1["instructionId"], again.1["instructionId"]);
    assert_eq!((&first.1["meta"]["sequence"], &again.1["meta"]["sequence"]), (&json!("1"), &json!("2")));
    let arrived = eventually(PATIENCE, "it arrived in truth", || async {
        let way = way(&office, &id).await;
        (way.state() == DeliveryState::Delivered).then_some(way)
    })
    .await;
    assert_eq!((arrived.assumed, arrived.resent.len()), (false, 1));
    let delivered = arrived.instruction.expect("an instruction").delivered_at;
    assert!(delivered < arrived.arrived_at, "the clocks began before, and both are kept");
    assert_eq!(undelivered(&office, COUNTY, "emergency-management").await.expect("a list"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_only_after_its_delivery_was_assumed_has_arrived() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let (id, office) = (lead(&case).instruction_id.clone(), suite.office());
    suite.advance(SignedDuration::from_mins(31));
    eventually(PATIENCE, "the clocks run", || async { way(&office, &id).await.assumed.then_some(()) }).await;
    assert!(undelivered(&office, COUNTY, "").await.expect("a list").contains(&id));
    suite.department(Agency::EmergencyManagement).read(&id).await.expect("read");
    assert_eq!(way(&office, &id).await.state(), DeliveryState::Seen);
    assert!(!undelivered(&office, COUNTY, "").await.expect("a list").contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_is_not_played_to_its_agency_again() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let id = lead(&case).instruction_id.clone();
    suite.department(Agency::EmergencyManagement).read(&id).await.expect("read");
    let seen = retry(&suite.office(), &id).await.expect_err("seen");
    assert_eq!((seen.code(), reason(&seen)), (Code::FailedPrecondition, "INSTRUCTION_SEEN".to_owned()));
    let role = retry(&suite.department(Agency::EmergencyManagement), &id).await.expect_err("not its to send");
    assert_eq!(reason(&role), "ROLE_NOT_ALLOWED");
    let elsewhere = retry(&suite.caller(Role::CountyOffice, OTHER_COUNTY, None), &id).await.expect_err("not its");
    assert_eq!(reason(&elsewhere), "OUT_OF_SCOPE");
    assert_eq!(reason(&undelivered(&suite.centre(), COUNTY, "").await.expect_err("above it")), "OUT_OF_SCOPE");
    assert_eq!(reason(&undelivered(&suite.office(), COUNTY, "police").await.expect_err("no agency")), "UNKNOWN_AGENCY");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_region_is_sent_once_more_in_one_call_and_a_replay_sends_none_again() {
    let suite = Suite::start().await;
    let first = suite.assigned().await;
    suite.assigned().await;
    suite.department(Agency::EmergencyManagement).read(&lead(&first).instruction_id).await.expect("read");
    let request =
        api::RetryDeliveriesRequest { request_id: new_id(), region: Some(wire_region(COUNTY)), agency: String::new() };
    let mut office = suite.office().deliveries();
    let sent = office.retry_deliveries(request.clone()).await.expect("sent").into_inner();
    assert_eq!((sent.instruction_ids.len(), sent.more), (5, false), "all but the one that was read");
    suite.assigned().await;
    let again = office.retry_deliveries(request).await.expect("a replay").into_inner();
    assert_eq!(again, sent, "the first answer");
    for id in &again.instruction_ids {
        assert_eq!(way(&suite.office(), id).await.resent.len(), 1, "once");
    }
    assert_eq!(undelivered(&suite.centre(), TOWNSHIP, "").await.expect("a list").len(), 8, "of its own cases");
}

fn of_region(request_id: &str, text: &str, agency: &str) -> api::RetryDeliveriesRequest {
    let agency = agency.to_owned();
    api::RetryDeliveriesRequest { request_id: request_id.to_owned(), region: Some(wire_region(text)), agency }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_a_bulk_stands_for_one_region_and_agency() {
    let suite = Suite::start().await;
    suite.assigned().await;
    let (id, mut office) = (new_id(), suite.office().deliveries());
    office.retry_deliveries(of_region(&id, COUNTY, "")).await.expect("sent");
    for other in [of_region(&id, TOWNSHIP, ""), of_region(&id, COUNTY, "emergency-management")] {
        let refused = office.retry_deliveries(other).await.expect_err("another request");
        assert_eq!((refused.code(), reason(&refused)), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    }
}

impl Suite {
    /// More rows than a bulk takes, like those that are there and longer overdue, with this level and number of times sent once more.
    async fn many_more(&self, level: &str, resends: i16) {
        sqlx::query(
            "INSERT INTO instruction (id, case_id, agency, level, region, state, open, delivered, issued_at, assumed_at, county, township, resends)
             SELECT gen_random_uuid(), case_id, agency, $1, region, state, open, delivered, issued_at, assumed_at - interval '1 day',
                    county, township, $2
             FROM (SELECT * FROM instruction LIMIT 1) one, generate_series(1, 201)",
        )
        .bind(level)
        .bind(resends)
        .execute(&self.db.pool)
        .await
        .expect("rows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_again_too_often_does_not_stand_before_what_was_not() {
    let suite = Suite::start().await;
    suite.assigned().await;
    suite.many_more("county", 50).await;
    let sent = suite.office().deliveries().retry_deliveries(of_region(&new_id(), COUNTY, "")).await.expect("sent");
    assert_eq!((sent.get_ref().instruction_ids.len(), sent.get_ref().more), (3, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instruction_is_sent_once_more_fifty_times_and_its_row_says_so() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let (id, office) = (lead(&case).instruction_id.clone(), suite.office());
    for _ in 0..50 {
        retry(&office, &id).await.expect("sent once more");
    }
    let refused = retry(&office, &id).await.expect_err("too often");
    assert_eq!(reason(&refused), "TOO_MANY_RECORDS");
    let sent = office.deliveries().retry_deliveries(of_region(&new_id(), COUNTY, "")).await.expect("sent").into_inner();
    assert_eq!(sent.instruction_ids.len(), 2);
    assert!(!sent.instruction_ids.contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offices_orders_do_not_stand_before_those_that_the_centre_may_repeat() {
    let suite = Suite::start().await;
    suite.assigned().await;
    let case = suite.report().await;
    let own = suite.centre().instruct(case, Agency::EmergencyManagement).await.expect("instructed");
    suite.many_more("county", 0).await;
    let sent = suite.centre().deliveries().retry_deliveries(of_region(&new_id(), TOWNSHIP, "")).await.expect("sent");
    assert_eq!(sent.get_ref().instruction_ids, [lead(&own).instruction_id.clone()]);
    assert!(!sent.get_ref().more);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_village_or_a_work_area_is_not_answered_with_what_lies_outside_it() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    for below in [VILLAGE, WORK_AREA] {
        assert_eq!(
            reason(&undelivered(&suite.centre(), below, "").await.expect_err("below a township")),
            "WRONG_LEVEL"
        );
        let request = api::RetryDeliveriesRequest {
            request_id: new_id(),
            region: Some(wire_region(below)),
            agency: String::new(),
        };
        let refused = suite.centre().deliveries().retry_deliveries(request).await.expect_err("below a township");
        assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "WRONG_LEVEL".to_owned()));
    }
    assert!(way(&suite.office(), &lead(&case).instruction_id).await.resent.is_empty(), "nothing was sent");
}
