//! kill -9 of each process in the middle of the loop: after its restart all goes on, nothing is lost or doubled. And the bus wiped and filled
//! again.

use std::process::Stdio;

use dafei_contracts::{
    dispatch::v1::{CaseState, ListCaseHistoryRequest, case_service_client::CaseServiceClient},
    types::v1::{Fine, Measure, measure::Kind},
};
use dafei_kernel::{agency::Agency, role::Role};
use dafei_tests::{World, cells, den, month};
use dafei_tools::{
    agency,
    agency_system::AgencySystem,
    client::{Caller, Service, setting},
    exercise, refill,
};
use serde_json::json;
use tokio::process::Command;

const COUNTY: &str = "county:371312";
const TOWNSHIP: &str = "township:371312004";
const VILLAGE: &str = "village:371312004201";

async fn dev(arguments: &[&str]) {
    let home = setting("DAFEI_HOME").expect("the suite's home");
    let done = Command::new(setting("DAFEI_DEV").expect("./dev"))
        .args(["--home", &home])
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("DAFEI_PYTHON")
        .output()
        .await
        .expect("./dev runs");
    assert!(done.status.success(), "./dev {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Does a step; when the part that was just killed refuses or drops it, again until it is done. A step that was done before its answer was
/// lost is refused as out of order, which counts as done.
async fn insist<T, F>(what: &str, mut step: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let deadline = tokio::time::Instant::now() + dafei_tests::PATIENCE;
    loop {
        match step().await {
            Ok(value) => return Some(value),
            Err(error) => {
                let code = error.downcast_ref::<tonic::Status>().map(tonic::Status::code);
                if code == Some(tonic::Code::FailedPrecondition) {
                    return None;
                }
                assert!(tokio::time::Instant::now() < deadline, "{what}: {error:#}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Kills a part while the loop runs, starts it again, and drives the case to its end.
async fn survives(part: &str) {
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let member = world.actor(Role::GridMember, VILLAGE).expect("a member");
    let secretary = world.actor(Role::VillageSecretary, VILLAGE).expect("a secretary");
    let centre = world.actor(Role::TownshipCentre, TOWNSHIP).expect("a centre");
    let station = world.agency(Role::TownshipAgency, TOWNSHIP, Agency::MarketRegulation).expect("an agency");
    let unit = |ready: i64| {
        let world = &world;
        async move {
            world
                .table("township", TOWNSHIP, "", &month(now), move |table| {
                    cells(table).get(&("hazardous-chemicals".to_owned(), 2)).copied().unwrap_or(0) >= ready
                })
                .await
                .expect("the table")
        }
    };
    let before = cells(&unit(0).await).get(&("hazardous-chemicals".to_owned(), 2)).copied().unwrap_or(0);

    let id = member.suspect("HC-9", den("院内"), "充装").await.expect("a suspicion").case_id;
    member.notify(&id).await.expect("told");
    secretary.report_up(&id).await.expect("up");
    // Right behind the acknowledgement: what was acknowledged must survive.
    dev(&["part", "kill", part]).await;
    dev(&["part", "start", part]).await;
    insist("instruct", || centre.instruct(&id, "market-regulation", "查处")).await;
    let case = insist("read", || centre.case_in(&id, CaseState::WithTownshipAgency)).await.expect("the case");
    let instruction = case.instructions.last().expect("an instruction").instruction_id.clone();
    dev(&["part", "kill", part]).await;
    dev(&["part", "start", part]).await;
    let fine = Fine { amount_fen: 100, decision_number: "1".to_owned(), mitigation: String::new() };
    let measures = vec![Measure {
        measure_id: "fine".to_owned(),
        decided_at: Some(now.into()),
        comply_by: None,
        kind: Some(Kind::Fine(fine)),
    }];
    insist("result", || station.work_off(&instruction, None, "已取缔", &["HC-9"], measures.clone())).await;
    insist("accept", || centre.accept_result(&id, "已取缔")).await;
    insist("publish", || secretary.publish(&id)).await;
    insist("close", || centre.case_in(&id, CaseState::Closed)).await;

    insist("settle", || exercise::settle(&world.suite, &world.keys)).await;
    let after = cells(&unit(before + 1).await);
    assert_eq!(after[&("hazardous-chemicals".to_owned(), 2)], before + 1, "counted once");
    assert_eq!(after[&("hazardous-chemicals".to_owned(), 4)], (before + 1) * 100, "fined once");
    let ledger = world.obligations(&id, |list| list.len() >= 5).await.expect("a ledger");
    assert!(ledger.iter().all(|item| !item.breached), "no time has passed");
    let mut clocks: Vec<&str> =
        ledger.iter().filter_map(|item| item.obligation.as_ref()).map(|o| o.clock.as_str()).collect();
    clocks.sort_unstable();
    assert_eq!(clocks, ["P1", "T1", "T2", "V1", "V2", "V3"], "each clock once");
    let sequences = sequences(&world, &id).await;
    assert!(sequences.len() >= 6, "the case's history: {sequences:?}");
    assert!(sequences.iter().copied().eq(1..=sequences.len() as i64), "without holes: {sequences:?}");
}

async fn sequences(world: &World, id: &str) -> Vec<i64> {
    let bearer =
        world.keys.bearer(&Caller::new(Role::CountyOffice, COUNTY.parse().expect("a county"))).expect("a token");
    let mut client = CaseServiceClient::new(world.suite.with(Service::Dispatch, &bearer));
    let request = ListCaseHistoryRequest { case_id: id.to_owned(), ..Default::default() };
    let items = client.list_case_history(request).await.expect("a history").into_inner().items;
    items.iter().map(|item| item.sequence).collect()
}

#[tokio::test]
async fn the_loop_survives_the_killing_of_intake() {
    survives("intake").await;
}

#[tokio::test]
async fn the_loop_survives_the_killing_of_dispatch() {
    survives("dispatch").await;
}

#[tokio::test]
async fn the_loop_survives_the_killing_of_the_sla_monitor() {
    survives("sla-monitor").await;
}

#[tokio::test]
async fn the_loop_survives_the_killing_of_reporting() {
    survives("reporting").await;
}

#[tokio::test]
async fn the_loop_survives_the_killing_of_nats() {
    survives("nats").await;
}

#[tokio::test]
async fn the_loop_survives_the_killing_of_postgresql() {
    survives("postgres").await;
}

/// A department's system with work of two cases: one it has handed in, the other it has only taken off its queue.
struct Department {
    credentials: agency::Credentials,
    open: String,
    case: String,
}

impl Department {
    const LEAD: Agency = Agency::EmergencyManagement;

    async fn begin(world: &World) -> Self {
        let county = COUNTY.parse().expect("a county");
        let credentials = agency::issue(&world.suite, &world.keys, Self::LEAD, &county).await.expect("credentials");
        let mut system = AgencySystem::connect(&credentials).await.expect("connected");
        let (done, _) = Self::instructed(world, &mut system).await;
        Self::hands_in(&mut system, &done).await;
        let (open, case) = Self::instructed(world, &mut system).await;
        Self { credentials, open, case }
    }

    /// A case that is assigned to the department, and the instruction that its system takes; both ids.
    async fn instructed(world: &World, system: &mut AgencySystem) -> (String, String) {
        let member = world.actor(Role::GridMember, VILLAGE).expect("a member");
        let id = member.suspect("FW-1", den("废弃砖厂"), "制作烟花").await.expect("a suspicion").case_id;
        member.notify(&id).await.expect("told");
        world.actor(Role::VillageSecretary, VILLAGE).expect("a secretary").report_up(&id).await.expect("up");
        world.actor(Role::TownshipCentre, TOWNSHIP).expect("a centre").escalate(&id, "超出职权").await.expect("up");
        let office = world.actor(Role::CountyOffice, COUNTY).expect("an office");
        office.propose(&id).await.expect("a proposal");
        office.assign(&id, "处置").await.expect("assigned");
        let instruction = system.next("instruction").await.expect("an instruction");
        assert_eq!(instruction["caseId"], id.as_str());
        (instruction["instructionId"].as_str().expect("its id").to_owned(), id)
    }

    async fn hands_in(system: &mut AgencySystem, instruction: &str) {
        let result = json!({"kind": "RESULT_KIND_INTERIM", "text": "已制止", "confirmedActs": ["FW-1"]});
        for (kind, body) in [("response", json!({"plan": "现场处置"})), ("result", result)] {
            let receipt = system.feed_back(kind, instruction, body).await.expect("a receipt");
            assert_eq!(receipt["status"], "RECEIPT_STATUS_ACCEPTED", "{receipt}");
        }
    }

    /// The first that comes is the instruction that was open, under its id; what was done is not played again. And it can be handed in.
    async fn goes_on(&mut self, world: &World) {
        let mut system = insist("the queue", || AgencySystem::connect(&self.credentials)).await.expect("connected");
        let again = system.next("instruction").await.expect("the open instruction");
        assert_eq!(again["instructionId"], self.open.as_str(), "{again}");
        // What is sent before there is a stream for it gets no receipt, and is to be sent again.
        insist("the stream of feedback", || async {
            let bus = refill::connect_bus().await?;
            Ok(async_nats::jetstream::new(bus).get_stream("DAFEI_FEEDBACK").await.map(drop)?)
        })
        .await;
        Self::hands_in(&mut system, &self.open).await;
        let office = world.actor(Role::CountyOffice, COUNTY).expect("an office");
        office.case_in(&self.case, CaseState::DepartmentResult).await.expect("the result is at the office");
    }
}

#[tokio::test]
async fn a_wiped_bus_is_filled_again_from_the_event_logs_with_all_open_work_and_the_loop_goes_on() {
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let table = |ready: bool| {
        let world = &world;
        async move { world.table("county-office", COUNTY, "", &month(now), move |_| ready).await.expect("a table") }
    };
    let before = cells(&table(true).await);
    let mut department = Department::begin(&world).await;
    dev(&["part", "wipe-bus"]).await;
    insist("refill", || async {
        let done = Command::new(setting("DAFEI_TOOL")?).arg("refill").output().await?;
        anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    })
    .await;
    department.goes_on(&world).await;
    survives("reporting").await;
    let after = cells(&table(true).await);
    for (cell, value) in before {
        let one_more = after.get(&cell).copied().unwrap_or(0);
        assert!(one_more >= value, "{cell:?} went from {value} to {one_more}");
    }
    // The one case since the wipe, and nothing counted again.
    let act = ("hazardous-chemicals".to_owned(), 2);
    let fines = ("hazardous-chemicals".to_owned(), 4);
    assert_eq!(after[&fines], after[&act] * 100, "each case fined once");
}
