//! What an agency's login lets through that its own software would never send: each is answered, and nobody else notices.

use dafei_contracts::{Event, Stream};
use dafei_kernel::agency::Agency;
use dafei_messaging::dead_letters;
use serde_json::{Value, json};

use crate::{
    agency_systems::System,
    suite::{Suite, lead},
};

const VILLAGE_CODE: &str = "371302001001";
const NUL: &str = "a\0b";

/// A place in what is sent, and the reason and the field that its receipt names.
type Text = (&'static str, &'static str, &'static str);

/// What is sent, and where in it a NUL is put: the kind, the body, and each text of it.
fn texts() -> Vec<(&'static str, Value, Vec<Text>)> {
    let measure = |kind: &str, body: Value| {
        json!({"kind": "RESULT_KIND_FINAL", "text": "已罚", "confirmedActs": ["FW-1"],
            "measures": [{"measureId": "1", "decidedAt": "2026-03-02T00:40:00Z", kind: body}],
            "exemptions": [{"measure": "WITHOUT_EXCEPTION_STOP_PRODUCTION", "reason": "无生产"}]})
    };
    let place = json!({"level": "village", "code": VILLAGE_CODE});
    let firm = json!({"enterprise": {"creditCode": "91350100M000100Y43", "name": "某公司"}});
    let inspection = |subject: Value| {
        json!({"inspection": {"region": place, "subject": subject, "sector": "hazardous-chemicals", "situation": "检查",
            "inspectedAt": "2026-03-02T00:30:00Z", "acts": [{"act": "HC-99", "actText": "其他", "caseId": ""}],
            "measures": [{"measureId": "1", "decidedAt": "2026-03-02T00:40:00Z", "closeDown": {"note": "拆除"}}]}})
    };
    let finding = json!({"finding": {"act": "HC-99", "actText": "其他", "subject": {"den": {"place": "旧仓库"}}, "place": place,
        "description": "发现"}});
    vec![
        ("accepted", json!({"by": "值班室"}), vec![("/accepted/by", "INVALID", "accepted.by")]),
        (
            "response",
            json!({"plan": "到场"}),
            vec![
                ("/feedbackId", "INVALID", "feedback_id"),
                ("/instructionId", "INVALID", "instruction_id"),
                ("/agency", "UNKNOWN_AGENCY", "agency"),
                ("/region/level", "UNKNOWN_LEVEL", "region.level"),
                ("/region/code", "INVALID_REGION_CODE", "region.code"),
                ("/response/plan", "INVALID", "response.plan"),
            ],
        ),
        (
            "result",
            measure("closeDown", json!({"note": "拆除"})),
            vec![
                ("/result/text", "INVALID", "result.text"),
                ("/result/confirmedActs/0", "UNKNOWN_ACT", "result.confirmed_acts[0]"),
                ("/result/measures/0/measureId", "INVALID", "result.measures[0].measure_id"),
                ("/result/measures/0/closeDown/note", "INVALID", "result.measures[0].close_down.note"),
                ("/result/exemptions/0/reason", "INVALID", "result.exemptions[0].reason"),
            ],
        ),
        (
            "result",
            measure("fine", json!({"amountFen": "100", "decisionNumber": "1", "mitigation": "从轻"})),
            vec![
                ("/result/measures/0/fine/decisionNumber", "INVALID", "result.measures[0].fine.decision_number"),
                ("/result/measures/0/fine/mitigation", "INVALID", "result.measures[0].fine.mitigation"),
            ],
        ),
        (
            "result",
            measure("stopProduction", json!({"orderNumber": "1"})),
            vec![(
                "/result/measures/0/stopProduction/orderNumber",
                "INVALID",
                "result.measures[0].stop_production.order_number",
            )],
        ),
        (
            "result",
            measure("criminalTransfer", json!({"documentNumber": "1", "persons": 1})),
            vec![(
                "/result/measures/0/criminalTransfer/documentNumber",
                "INVALID",
                "result.measures[0].criminal_transfer.document_number",
            )],
        ),
        (
            "result",
            measure("cutOff", json!({"utility": "UTILITY_WATER", "addressee": "水厂", "orderNumber": "1"})),
            vec![
                ("/result/measures/0/cutOff/addressee", "INVALID", "result.measures[0].cut_off.addressee"),
                ("/result/measures/0/cutOff/orderNumber", "INVALID", "result.measures[0].cut_off.order_number"),
            ],
        ),
        (
            "result",
            measure("enforcement", json!({"by": "ENFORCED_BY_COURT", "decisionNumber": "1"})),
            vec![(
                "/result/measures/0/enforcement/decisionNumber",
                "INVALID",
                "result.measures[0].enforcement.decision_number",
            )],
        ),
        (
            "declined",
            json!({"reason": "不属职责", "legalBasis": "规定"}),
            vec![
                ("/declined/reason", "INVALID", "declined.reason"),
                ("/declined/legalBasis", "INVALID", "declined.legal_basis"),
            ],
        ),
        (
            "extension",
            json!({"workingDays": 3, "reason": "等待"}),
            vec![("/extension/reason", "INVALID", "extension.reason")],
        ),
        (
            "compliance",
            json!({"compliance": {"measureId": "1", "outcome": "COMPLIANCE_OUTCOME_COMPLIED",
                "establishedAt": "2026-03-02T00:50:00Z", "note": "已缴"}}),
            vec![
                ("/compliance/compliance/measureId", "INVALID", "compliance.compliance.measure_id"),
                ("/compliance/compliance/note", "INVALID", "compliance.compliance.note"),
            ],
        ),
        (
            "dailyWork",
            inspection(json!({"den": {"place": "旧仓库"}})),
            vec![
                ("/dailyWork/inspection/region/code", "INVALID_REGION_CODE", "daily_work.inspection.region.code"),
                ("/dailyWork/inspection/subject/den/place", "INVALID", "daily_work.inspection.subject.den.place"),
                ("/dailyWork/inspection/sector", "UNKNOWN_SECTOR", "daily_work.inspection.sector"),
                ("/dailyWork/inspection/situation", "INVALID", "daily_work.inspection.situation"),
                ("/dailyWork/inspection/acts/0/act", "UNKNOWN_ACT", "daily_work.inspection.acts[0].act"),
                ("/dailyWork/inspection/acts/0/actText", "INVALID", "daily_work.inspection.acts[0].act_text"),
                ("/dailyWork/inspection/acts/0/caseId", "INVALID", "daily_work.inspection.acts[0].case_id"),
                (
                    "/dailyWork/inspection/measures/0/measureId",
                    "INVALID",
                    "daily_work.inspection.measures[0].measure_id",
                ),
                (
                    "/dailyWork/inspection/measures/0/closeDown/note",
                    "INVALID",
                    "daily_work.inspection.measures[0].close_down.note",
                ),
            ],
        ),
        (
            "dailyWork",
            inspection(firm),
            vec![
                (
                    "/dailyWork/inspection/subject/enterprise/creditCode",
                    "INVALID_CREDIT_CODE",
                    "daily_work.inspection.subject.enterprise.credit_code",
                ),
                (
                    "/dailyWork/inspection/subject/enterprise/name",
                    "INVALID",
                    "daily_work.inspection.subject.enterprise.name",
                ),
            ],
        ),
        (
            "dailyWork",
            finding,
            vec![
                ("/dailyWork/finding/act", "UNKNOWN_ACT", "daily_work.finding.act"),
                ("/dailyWork/finding/actText", "INVALID", "daily_work.finding.act_text"),
                ("/dailyWork/finding/subject/den/place", "INVALID", "daily_work.finding.subject.den.place"),
                ("/dailyWork/finding/place/code", "INVALID_REGION_CODE", "daily_work.finding.place.code"),
                ("/dailyWork/finding/description", "INVALID", "daily_work.finding.description"),
            ],
        ),
    ]
}

async fn no_dead_letters(suite: &Suite) {
    let mut conn = suite.db.pool.acquire().await.expect("a connection");
    let counts = dead_letters::counts(&mut conn).await.expect("counts");
    assert!(counts.is_empty(), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nul_in_any_text_of_a_feedback_is_refused_by_a_receipt_that_names_the_field() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    let mut expected = Vec::new();
    for (body, content, places) in texts() {
        let kind = if body == "dailyWork" { "daily-work" } else { body };
        let instruction = if body == "dailyWork" { "" } else { id.as_str() };
        let feedback = system.feedback("", instruction, body, content);
        for (place, reason, field) in places {
            let mut payload = feedback.clone();
            payload["feedbackId"] = json!(format!("N-{}", expected.len()));
            *payload.pointer_mut(place).unwrap_or_else(|| panic!("{place} is not there")) = json!(NUL);
            system.publish(kind, payload.to_string()).await;
            expected.push((place, reason, field));
        }
    }
    for (place, reason, field) in expected {
        let receipt = system.receipt().await;
        assert_eq!(receipt["status"], json!("RECEIPT_STATUS_REJECTED"), "{place}: {receipt}");
        assert_eq!((&receipt["reason"], &receipt["field"]), (&json!(reason), &json!(field)), "{place}: {receipt}");
    }
    system.send("N-0", &id, "response", json!({"plan": "今日到场"})).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    no_dead_letters(&suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_none_neither_hold_up_the_feedback_behind_them_nor_what_dispatch_publishes() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    let trace = format!("NATS/1.0\r\ntraceparent: {}\r\n\r\n", "x".repeat(65_400));
    let headers: [&[u8]; 5] = [
        b"NATS/1.0\r\nno colon\r\n\r\n",
        b"NATS/1.0\r\nlone: a\rb\r\n\r\n",
        b"NATS/1.0\r\nbytes: \xff\xfe\r\n\r\n",
        b"NATS/1.0\r\nnul: a\0b\r\n\r\n",
        trace.as_bytes(),
    ];
    let (subject, payload) =
        (system.subject("accepted"), system.feedback("H-1", &id, "accepted", json!({})).to_string());
    for bad in headers {
        suite.nats.publish_raw(subject.as_bytes(), bad, payload.as_bytes()).await;
    }
    for status in ["ACCEPTED", "DUPLICATE", "DUPLICATE", "DUPLICATE", "DUPLICATE"] {
        assert_eq!(system.receipt().await["status"], json!(format!("RECEIPT_STATUS_{status}")));
    }
    system.send("H-2", &id, "response", json!({"plan": "今日到场"})).await;
    assert_eq!(system.receipt().await["status"], json!("RECEIPT_STATUS_ACCEPTED"));
    let case = suite.admin().case(case.case_id.parse().expect("an id")).await.expect("the case");
    assert_eq!(lead(&case).plan, "今日到场");
    no_dead_letters(&suite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agency_writes_at_length_gets_a_short_receipt_and_a_short_event() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let blank = " ".repeat(950_000);
    let payload = system.feedback(&blank, "", "dailyWork", json!({"finding": {}}));
    system.publish("daily-work", payload.to_string()).await;
    assert_eq!(system.receipt().await["reason"], json!("REQUIRED"));
    let mut payload = system.feedback("L-1", "", "accepted", json!({}));
    payload["agency"] = json!("长".repeat(300_000));
    system.publish("accepted", payload.to_string()).await;
    assert_eq!(system.receipt().await["reason"], json!("UNKNOWN_AGENCY"));
    let inspection = json!({"inspection": {"region": {"level": "village", "code": VILLAGE_CODE},
        "subject": {"den": {"place": "旧仓库"}}, "sector": "hazardous-chemicals", "inspectedAt": "2026-03-02T00:30:00Z",
        "situation": format!("检查{blank}")}});
    let mut payload = system.feedback("L-2", "", "dailyWork", inspection);
    payload.as_object_mut().expect("an object").remove("instructionId");
    system.publish("daily-work", payload.to_string()).await;
    let receipt = system.receipt().await;
    assert_eq!(receipt["status"], json!("RECEIPT_STATUS_ACCEPTED"), "{receipt}");
    let events = suite.published(Stream::Dispatch, 1).await;
    let Event::DailyWorkReported(told) = &events[0] else { panic!("{events:?}") };
    assert_eq!(told.inspection.as_ref().expect("an inspection").situation, "检查");
    no_dead_letters(&suite).await;
}
