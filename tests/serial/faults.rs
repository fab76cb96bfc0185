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
    client::{Caller, Service, setting},
    exercise,
};
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

#[tokio::test]
async fn a_wiped_bus_is_filled_again_from_the_event_logs_and_the_loop_goes_on() {
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let table = |ready: bool| {
        let world = &world;
        async move { world.table("county-office", COUNTY, "", &month(now), move |_| ready).await.expect("a table") }
    };
    let before = cells(&table(true).await);
    dev(&["part", "wipe-bus"]).await;
    insist("refill", || async {
        let done = Command::new(setting("DAFEI_TOOL")?).arg("refill").output().await?;
        anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    })
    .await;
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
