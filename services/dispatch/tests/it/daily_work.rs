//! 日常工作 by NATS (clauses B5, C19): inspections are told to intake once, findings open a case, what is wrong is answered and the next is taken.

use dafei_contracts::{Event, Stream, dispatch::v1::CaseState, events::v1 as ev};
use dafei_kernel::agency::Agency;
use serde_json::{Value, json};

use crate::{
    agency_systems::System,
    suite::{OTHER_TOWNSHIP, Suite, VILLAGE, region},
};

const VILLAGE_CODE: &str = "371302001001";

/// A feedback with daily work; the envelope names no instruction.
fn daily(system: &System, id: &str, work: Value) -> Value {
    let mut payload = system.feedback(id, "", "dailyWork", work);
    payload.as_object_mut().expect("an object").remove("instructionId");
    payload
}

async fn told(system: &System, payload: &Value) -> Value {
    system.publish("daily-work", payload.to_string()).await;
    system.receipt().await
}

fn inspection() -> Value {
    json!({
        "region": {"level": "village", "code": VILLAGE_CODE},
        "subject": {"den": {"place": "旧仓库"}},
        "sector": "hazardous-chemicals", "enforcement": true,
        "inspectedAt": "2026-03-02T00:30:00Z", "situation": "检查储存场所",
        "acts": [{"act": "HC-1"}],
        "measures": [{"measureId": "a", "decidedAt": "2026-03-02T00:40:00Z", "fine": {"amountFen": "300000"}}]
    })
}

fn finding() -> Value {
    json!({
        "act": "HC-3", "subject": {"den": {"place": "旧仓库"}},
        "place": {"level": "village", "code": VILLAGE_CODE},
        "description": "巡查时发现", "foundAt": "2026-03-02T00:50:00Z"
    })
}

/// The inspections that were told to intake.
fn reported(events: &[Event]) -> Vec<&ev::DailyWorkReported> {
    events
        .iter()
        .filter_map(|event| if let Event::DailyWorkReported(event) = event { Some(event) } else { None })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspection_that_is_sent_twice_is_told_to_intake_once() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let payload = daily(&system, "D-1", json!({"inspection": inspection()}));
    let receipt = told(&system, &payload).await;
    assert_eq!(receipt["status"], json!("RECEIPT_STATUS_ACCEPTED"), "{receipt}");
    assert!(receipt.get("caseId").is_none(), "an inspection opens no case");
    assert_eq!(told(&system, &payload).await["status"], json!("RECEIPT_STATUS_DUPLICATE"));
    let mut other = payload.clone();
    other["dailyWork"]["inspection"]["enforcement"] = json!(false);
    assert_eq!(told(&system, &other).await["reason"], json!("FEEDBACK_ID_REUSED"));
    let next = daily(&system, "D-2", json!({"inspection": inspection()}));
    assert_eq!(told(&system, &next).await["status"], json!("RECEIPT_STATUS_ACCEPTED"));

    let events = suite.published(Stream::Dispatch, 2).await;
    let [first, second] = reported(&events)[..] else { panic!("{events:?}") };
    assert_ne!(first.inspection_id, second.inspection_id);
    assert_eq!(events[0].subject().expect("a subject").to_string(), "dafei.v1.county.371302.daily-work-reported");
    let meta = first.meta.as_ref().expect("a meta");
    assert_eq!((meta.aggregate_id.as_str(), meta.sequence), (first.inspection_id.as_str(), 1));
    let by = first.by.as_ref().expect("a post");
    assert_eq!((by.role.as_str(), by.agency.as_str()), ("county-department", "emergency-management"));
    let report = first.inspection.as_ref().expect("what was told");
    assert_eq!((report.acts.len(), report.measures.len(), report.enforcement), (1, 1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_opens_one_case_that_its_receipt_names_and_the_agency_goes_on_with() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let payload = daily(&system, "D-1", json!({"finding": finding()}));
    let receipt = told(&system, &payload).await;
    assert_eq!(receipt["status"], json!("RECEIPT_STATUS_ACCEPTED"), "{receipt}");
    let case = receipt["caseId"].as_str().expect("the case").parse().expect("an id");
    let again = told(&system, &payload).await;
    assert_eq!(again["status"], json!("RECEIPT_STATUS_DUPLICATE"));
    assert_eq!((&again["caseId"], &again["instructionId"]), (&receipt["caseId"], &receipt["instructionId"]));
    let opened = suite.state(case, CaseState::WithDepartment).await;
    assert_eq!(opened.place, Some((&region(VILLAGE)).into()));
    let step = receipt["instructionId"].as_str().expect("what its steps name").to_owned();
    assert_eq!(opened.instructions[0].instruction_id, step);
    let result = json!({"kind": "RESULT_KIND_INTERIM", "text": "已责令停止", "confirmedActs": ["HC-3"]});
    system.send("D-2", &step, "result", result).await;
    let receipt = system.receipt().await;
    assert_eq!(receipt["status"], json!("RECEIPT_STATUS_ACCEPTED"), "{receipt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_daily_work_is_answered_with_its_field_and_the_next_is_taken() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let change = |of: Value, name: &str, value: Value| {
        let mut work = of;
        work[name] = value;
        work
    };
    let seen = |name, value| json!({"inspection": change(inspection(), name, value)});
    let found = |name, value| json!({"finding": change(finding(), name, value)});
    let elsewhere = || json!({"level": "township", "code": "371311001"});
    let fine = json!([{"measureId": "a", "decidedAt": "2026-03-02T00:40:00Z", "fine": {"amountFen": "0"}}]);
    let cases = [
        (json!({}), "REQUIRED", "daily_work"),
        (json!({"inspection": {}}), "REQUIRED", "daily_work.inspection.region"),
        (
            seen("region", json!({"level": "county", "code": "371302"})),
            "WRONG_LEVEL",
            "daily_work.inspection.region.level",
        ),
        (seen("region", elsewhere()), "UNKNOWN_REGION", "daily_work.inspection.region"),
        (
            seen("subject", json!({"enterprise": {"creditCode": "9"}})),
            "INVALID_CREDIT_CODE",
            "daily_work.inspection.subject.enterprise.credit_code",
        ),
        (seen("sector", json!("steel")), "UNKNOWN_SECTOR", "daily_work.inspection.sector"),
        (seen("inspectedAt", json!("2026-03-03T00:00:00Z")), "TIME_IN_FUTURE", "daily_work.inspection.inspected_at"),
        (seen("acts", json!([{"act": "FW-1"}])), "ACT_OF_OTHER_SECTOR", "daily_work.inspection.acts[0].act"),
        (seen("acts", json!([])), "MEASURE_WITHOUT_ACT", "daily_work.inspection.measures"),
        (seen("measures", fine), "FINE_NOT_POSITIVE", "daily_work.inspection.measures[0].fine.amount_fen"),
        (seen("photos", json!([])), "UNKNOWN_FIELD", "dailyWork.inspection.photos"),
        (found("act", json!("XX-1")), "UNKNOWN_ACT", "daily_work.finding.act"),
        (found("description", json!(" ")), "REQUIRED", "daily_work.finding.description"),
        (found("place", elsewhere()), "UNKNOWN_REGION", "daily_work.finding.place"),
        (found("foundAt", json!("2026-03-03T00:00:00Z")), "TIME_IN_FUTURE", "daily_work.finding.found_at"),
    ];
    for (work, reason, field) in cases {
        let receipt = told(&system, &daily(&system, "B-1", work.clone())).await;
        assert_eq!(receipt["status"], json!("RECEIPT_STATUS_REJECTED"), "{work}");
        assert_eq!((&receipt["reason"], &receipt["field"]), (&json!(reason), &json!(field)), "{work}");
        assert!(receipt.get("caseId").is_none(), "{work}");
    }
    let mut taken = inspection();
    taken["situation"] = json!("只有这一条受理");
    let good = || daily(&system, "B-1", json!({"inspection": taken}));
    let mut foreign = good();
    foreign["agency"] = json!("public-security");
    let receipt = told(&system, &foreign).await;
    assert_eq!((&receipt["reason"], &receipt["field"]), (&json!("FOREIGN_SUBJECT"), &json!("agency")));
    let mut foreign = good();
    foreign["region"]["code"] = json!("371311");
    let receipt = told(&system, &foreign).await;
    assert_eq!((&receipt["reason"], &receipt["field"]), (&json!("FOREIGN_SUBJECT"), &json!("region")));
    let receipt = told(&system, &json!(["no feedback"])).await;
    assert_eq!(receipt["reason"], json!("INVALID_FORMAT"));
    assert_eq!(told(&system, &good()).await["status"], json!("RECEIPT_STATUS_ACCEPTED"), "the rejected id is free");
    let events = suite.published(Stream::Dispatch, 1).await;
    let first = reported(&events)[0].inspection.as_ref().map(|inspection| inspection.situation.as_str());
    assert_eq!(first, Some("只有这一条受理"), "nothing rejected has an effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_tells_only_of_its_own_township() {
    let suite = Suite::start().await;
    let station = System::register_at(&suite, Agency::EmergencyManagement, crate::suite::TOWNSHIP).await;
    let mut elsewhere = inspection();
    elsewhere["region"] = json!({"level": "township", "code": region(OTHER_TOWNSHIP).code().as_str()});
    let receipt = told(&station, &daily(&station, "D-1", json!({"inspection": elsewhere}))).await;
    assert_eq!(receipt["field"], json!("daily_work.inspection.region"));
    assert_eq!(receipt["reason"], json!("OUT_OF_REGION"));
    let receipt = told(&station, &daily(&station, "D-1", json!({"finding": finding()}))).await;
    assert_eq!(receipt["status"], json!("RECEIPT_STATUS_ACCEPTED"), "{receipt}");
    let case = receipt["caseId"].as_str().expect("the case").parse().expect("an id");
    suite.state(case, CaseState::WithTownshipAgency).await;
}
