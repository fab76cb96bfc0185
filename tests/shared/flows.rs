//! Both branches of the loop, with an agency's system that knows NATS alone, and the table at the end.

use std::collections::BTreeMap;

use dafei_contracts::{
    dispatch::v1::CaseState,
    types::v1::{CloseDown, Fine, Measure, StopProduction, measure::Kind},
};
use dafei_kernel::{agency::Agency, role::Role, time::Instant};
use dafei_tests::{Place, World, brief, cells, den, enterprise, month};
use dafei_tools::{agency, agency_system::AgencySystem, exercise};
use serde_json::json;

fn measure(id: &str, at: Instant, kind: Kind) -> Measure {
    Measure { measure_id: id.to_owned(), decided_at: Some(at.into()), comply_by: None, kind: Some(kind) }
}

fn fine(fen: i64) -> Kind {
    Kind::Fine(Fine { amount_fen: fen, decision_number: "1".to_owned(), mitigation: String::new() })
}

fn table(entries: &[(&str, usize, i64)]) -> BTreeMap<(String, usize), i64> {
    entries.iter().map(|(sector, column, value)| (((*sector).to_owned(), *column), *value)).collect()
}

#[tokio::test]
async fn a_den_within_the_townships_authority_is_closed_by_its_agency_and_counted_in_the_townships_table() {
    const AT: Place =
        Place { county: "county:371321", township: "township:371321101", village: "village:371321101200" };
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let member = world.actor(Role::GridMember, AT.village).expect("a member");
    let secretary = world.actor(Role::VillageSecretary, AT.village).expect("a secretary");
    let centre = world.actor(Role::TownshipCentre, AT.township).expect("a centre");
    let station = world.agency(Role::TownshipAgency, AT.township, Agency::MarketRegulation).expect("an agency");

    assert_eq!(member.patrol("村东厂房", "无异常").await.expect("a patrol"), 1);
    let id = member.suspect("HC-9", den("村北院内"), "充装液化气").await.expect("a suspicion").case_id;
    member.notify(&id).await.expect("told");
    secretary.persuade(&id, false, "不听").await.expect("refused");
    secretary.report_up(&id).await.expect("up");
    let case = centre.instruct(&id, "market-regulation", "查处").await.expect("instructed");
    let instruction = case.instructions.last().expect("an instruction").instruction_id.clone();
    let measures = vec![
        measure("close", now, Kind::CloseDown(CloseDown { note: "拆除".to_owned() })),
        measure("fine", now, fine(3_000_000)),
    ];
    station.work_off(&instruction, None, "已取缔", &["HC-9"], measures).await.expect("a result");
    centre.accept_result(&id, "已取缔").await.expect("accepted");
    assert_eq!(secretary.publish(&id).await.expect("published"), "已取缔");
    centre.case_in(&id, CaseState::Closed).await.expect("closed");

    let ledger = world
        .obligations(&id, |list| {
            list.iter()
                .any(|item| item.obligation.as_ref().is_some_and(|o| o.clock == "P1") && item.stopped_at.is_some())
        })
        .await
        .expect("a ledger");
    let clocks: Vec<String> = brief(&ledger).into_iter().map(|(clock, ..)| clock).collect();
    let mut sorted = clocks.clone();
    sorted.sort();
    assert_eq!(sorted, ["P1", "T1", "T2", "V1", "V2", "V3"], "{clocks:?}");
    assert!(
        brief(&ledger)
            .iter()
            .all(|(_, _, state, breached, late)| { state == "OBLIGATION_STATE_SETTLED" && !breached && *late == 0 })
    );

    let wanted = table(&[
        ("hazardous-chemicals", 2, 1),
        ("hazardous-chemicals", 4, 3_000_000),
        ("hazardous-chemicals", 7, 1),
        ("total", 2, 1),
        ("total", 4, 3_000_000),
        ("total", 7, 1),
    ]);
    for (kind, region) in [("township", AT.township), ("county-office", AT.county)] {
        world.table(kind, region, "", &month(now), |table| cells(table) == wanted).await.expect("the table");
    }
}

#[tokio::test]
async fn a_den_beyond_the_township_goes_to_a_department_whose_system_knows_nats_alone() {
    const AT: Place =
        Place { county: "county:371322", township: "township:371322101", village: "village:371322101296" };
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let member = world.actor(Role::GridMember, AT.village).expect("a member");
    let secretary = world.actor(Role::VillageSecretary, AT.village).expect("a secretary");
    let centre = world.actor(Role::TownshipCentre, AT.township).expect("a centre");
    let office = world.actor(Role::CountyOffice, AT.county).expect("an office");
    let lead = Agency::EmergencyManagement;
    let credentials = agency::issue(&world.suite, &world.keys, lead, &AT.county.parse().expect("a county"))
        .await
        .expect("credentials");
    let mut system = AgencySystem::connect(&credentials).await.expect("connected");

    let id = member.suspect("FW-1", den("废弃砖厂"), "制作烟花").await.expect("a suspicion").case_id;
    member.notify(&id).await.expect("told");
    secretary.report_up(&id).await.expect("up");
    centre.escalate(&id, "超出职权").await.expect("escalated");
    let proposal = office.propose(&id).await.expect("a proposal");
    assert_eq!((proposal.lead.as_str(), proposal.rule.is_empty()), (lead.code(), false));
    office.assign(&id, "处置").await.expect("assigned");

    let instruction = system.next("instruction").await.expect("an instruction");
    assert_eq!(instruction["caseId"], id.as_str());
    let number = instruction["instructionId"].as_str().expect("its number").to_owned();

    let foreign = json!({"kind": "RESULT_KIND_FINAL", "text": "x", "confirmedActs": ["NO-1"]});
    let refused = system.feed_back("result", &number, foreign).await.expect("a receipt");
    assert_eq!(refused["status"], "RECEIPT_STATUS_REJECTED", "{refused}");

    for (kind, body) in [("accepted", json!({"by": "值班员"})), ("response", json!({"plan": "现场处置"}))] {
        let receipt = system.feed_back(kind, &number, body.clone()).await.expect("a receipt");
        assert_eq!(receipt["status"], "RECEIPT_STATUS_ACCEPTED", "{receipt}");
        let again = system.feed_back(kind, &number, body).await.expect("a receipt");
        assert_eq!(again["status"], "RECEIPT_STATUS_DUPLICATE", "{again}");
    }
    let result = json!({
        "kind": "RESULT_KIND_INTERIM",
        "text": "已制止",
        "confirmedActs": ["FW-1"],
        "measures": [
            {"measureId": "close", "decidedAt": now.to_string(), "closeDown": {"note": "拆除"}},
            {"measureId": "crime", "decidedAt": now.to_string(), "criminalMeasure": {"persons": 3}},
        ],
    });
    // The refused one had the id that this helper gives to a result: a corrected feedback takes a new one.
    let receipt = system.feed_back_as("corrected", "result", &number, result).await.expect("a receipt");
    assert_eq!(receipt["status"], "RECEIPT_STATUS_ACCEPTED", "{receipt}");
    office.feed_back(&id, "已制止", "窝点已取缔").await.expect("fed back");
    secretary.publish(&id).await.expect("published");
    centre.case_in(&id, CaseState::Closed).await.expect("closed");

    let wanted = table(&[
        ("fireworks", 2, 1),
        ("fireworks", 5, 3),
        ("fireworks", 7, 1),
        ("total", 2, 1),
        ("total", 5, 3),
        ("total", 7, 1),
    ]);
    world
        .table("county-department", AT.county, lead.code(), &month(now), |table| cells(table) == wanted)
        .await
        .expect("the department's table");
    let township = world.table("township", AT.township, "", &month(now), |_| true).await.expect("a table");
    assert!(cells(&township).is_empty(), "a case that went up belongs to the department: {:?}", cells(&township));
}

#[tokio::test]
async fn an_enterprises_case_skips_persuasion_and_ends_at_its_regulator() {
    const AT: Place =
        Place { county: "county:371323", township: "township:371323002", village: "village:371323002001" };
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let member = world.actor(Role::GridMember, AT.village).expect("a member");
    let centre = world.actor(Role::TownshipCentre, AT.township).expect("a centre");
    let office = world.actor(Role::CountyOffice, AT.county).expect("an office");
    let regulator = Agency::IndustryInformation;

    let subject = enterprise("91350100M000100Y43", regulator.code());
    let id = member.suspect("HC-4", subject, "超范围使用").await.expect("a suspicion").case_id;
    let persuasion = member.notify(&id).await;
    assert!(persuasion.is_err(), "an enterprise's case is at the centre already");
    let refused = centre.instruct(&id, "market-regulation", "查处").await;
    assert!(refused.is_err(), "an enterprise is beyond the township's authority by default");
    centre.escalate(&id, "行业监管部门负责").await.expect("escalated");
    assert_eq!(office.propose(&id).await.expect("a proposal").lead, regulator.code());
    let case = office.assign(&id, "查处").await.expect("assigned");
    let lead = case.instructions.iter().find(|instruction| instruction.lead).expect("a lead");
    let department = world.agency(Role::CountyDepartment, AT.county, regulator).expect("a department");
    let measures = vec![
        measure("stop", now, Kind::StopProduction(StopProduction { order_number: "1".to_owned() })),
        measure("fine", now, fine(12_345_678)),
    ];
    department.work_off(&lead.instruction_id, Some("核查"), "停产整顿", &["HC-4"], measures).await.expect("a result");
    office.feed_back(&id, "已停产", "已责令停产").await.expect("fed back");
    world.actor(Role::VillageSecretary, AT.village).expect("a secretary").publish(&id).await.expect("published");
    centre.case_in(&id, CaseState::Closed).await.expect("closed");

    let wanted = self::table(&[
        ("hazardous-chemicals", 2, 1),
        ("hazardous-chemicals", 3, 1),
        ("hazardous-chemicals", 4, 12_345_678),
        ("total", 2, 1),
        ("total", 3, 1),
        ("total", 4, 12_345_678),
    ]);
    let table = world
        .table("county-department", AT.county, regulator.code(), &month(now), |table| cells(table) == wanted)
        .await
        .expect("the department's table");
    assert_eq!(table.total.expect("合计").texts[3], "12.35");
}

#[tokio::test]
async fn heeded_persuasion_closes_in_the_village_after_the_revisit_and_counts_nothing() {
    const VILLAGE: &str = "village:371324002201";
    let world = World::from_env().expect("the suite");
    let member = world.actor(Role::GridMember, VILLAGE).expect("a member");
    let secretary = world.actor(Role::VillageSecretary, VILLAGE).expect("a secretary");
    let id = member.suspect("FS-2", den("超市后门"), "堵塞通道").await.expect("a suspicion").case_id;
    member.notify(&id).await.expect("told");
    secretary.persuade(&id, true, "当场清理").await.expect("heeded");
    member.revisit(&id, "已清空").await.expect("re-visited");
    assert!(secretary.report_up(&id).await.is_err(), "a closed report does not go up");
    let ledger = world
        .obligations(&id, |list| list.len() == 4 && list.iter().all(|item| item.stopped_at.is_some()))
        .await
        .expect("a ledger");
    let mut clocks: Vec<String> = brief(&ledger).into_iter().map(|(clock, ..)| clock).collect();
    clocks.sort();
    assert_eq!(clocks, ["V1", "V2", "V3", "V4"]);
}
