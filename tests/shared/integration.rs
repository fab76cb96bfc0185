//! The examples of docs/integration.md, run as they stand there: an agency's system in Python on NATS, and a gRPC platform that learns the API
//! by reflection.

use std::process::Stdio;

use dafei_contracts::{
    dispatch::v1::CaseState,
    intake::v1::{ListInspectionsRequest, inspection_service_client::InspectionServiceClient},
    types::v1::Region,
};
use dafei_kernel::{agency::Agency, role::Role};
use dafei_tests::{World, den};
use dafei_tools::{
    agency,
    client::{Service, setting},
};
use tokio::{io::AsyncWriteExt as _, process::Command};

fn example(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples").join(name)
}

async fn python(script: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(setting("DAFEI_PYTHON").expect("the venv of ./dev"))
        .arg(example(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).await.expect("written");
    drop(stdin);
    let output =
        tokio::time::timeout(dafei_tests::PATIENCE, child.wait_with_output()).await.expect("in time").expect("it ran");
    assert!(output.status.success(), "{script} failed: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("utf-8")
}

#[tokio::test]
async fn the_python_agency_of_the_documentation_does_a_whole_instruction() {
    const COUNTY: &str = "county:371327";
    let world = World::from_env().expect("the suite");
    let member = world.actor(Role::GridMember, "village:371327102262").expect("a member");
    let secretary = world.actor(Role::VillageSecretary, "village:371327102262").expect("a secretary");
    let centre = world.actor(Role::TownshipCentre, "township:371327102").expect("a centre");
    let office = world.actor(Role::CountyOffice, COUNTY).expect("an office");
    let county = COUNTY.parse().expect("a county");
    let credentials =
        agency::issue(&world.suite, &world.keys, Agency::EmergencyManagement, &county).await.expect("credentials");

    let id = member.suspect("FW-1", den("旧仓库"), "制作烟花").await.expect("a suspicion").case_id;
    member.notify(&id).await.expect("told");
    secretary.report_up(&id).await.expect("up");
    centre.escalate(&id, "超出职权").await.expect("escalated");
    office.propose(&id).await.expect("a proposal");
    office.assign(&id, "处置").await.expect("assigned");

    let credentials = serde_json::to_string(&credentials).expect("json");
    let said = python("agency_system.py", &["--once"], &credentials).await;
    assert!(said.contains(&id), "{said}");
    office.case_in(&id, CaseState::DepartmentResult).await.expect("the result is at the office");
}

#[tokio::test]
async fn the_python_agency_of_the_documentation_tells_of_an_inspection_that_is_counted_once() {
    const TOWNSHIP: &str = "township:371329101";
    let world = World::from_env().expect("the suite");
    let township = TOWNSHIP.parse().expect("a township");
    let credentials = agency::issue(&world.suite, &world.keys, Agency::Energy, &township).await.expect("credentials");
    let credentials = serde_json::to_string(&credentials).expect("json");
    let now = dafei_tools::exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let work = serde_json::json!({"inspection": {
        "region": {"level": "township", "code": "371329101"},
        "subject": {"enterprise": {"creditCode": "91350100M000100Y43", "name": "测试企业"}},
        "sector": "hazardous-chemicals", "enforcement": true, "inspectedAt": now.to_string(), "acts": [{"act": "HC-1"}],
    }});
    let file = std::env::temp_dir().join(format!("dafei-daily-work-{}.json", std::process::id()));
    std::fs::write(&file, work.to_string()).expect("written");
    let arguments = ["--once", "--daily-work", file.to_str().expect("a path")];
    for status in ["RECEIPT_STATUS_ACCEPTED", "RECEIPT_STATUS_DUPLICATE"] {
        let said = python("agency_system.py", &arguments, &credentials).await;
        assert!(said.contains(status), "{said}");
    }
    std::fs::remove_file(&file).expect("removed");
    let sector = "hazardous-chemicals".to_owned();
    let counted = |table: &_| dafei_tests::cells(table).get(&(sector.clone(), 1)) == Some(&1);
    world.table("township", TOWNSHIP, "", &dafei_tests::month(now), counted).await.expect("the table");
    let bearer = dafei_tools::client::Caller::new(Role::TownshipCentre, township);
    let bearer = world.keys.bearer(&bearer).expect("a token");
    let mut inspections = InspectionServiceClient::new(world.suite.with(Service::Intake, &bearer));
    let (level, code) = ("township".to_owned(), "371329101".to_owned());
    let request = ListInspectionsRequest { region: Some(Region { level, code }), ..Default::default() };
    let kept = inspections.list_inspections(request).await.expect("a page").into_inner().inspections;
    assert_eq!(kept.len(), 1, "{kept:?}");
}

#[tokio::test]
async fn the_python_platform_of_the_documentation_reads_a_table_by_reflection() {
    let world = World::from_env().expect("the suite");
    let caller = dafei_tools::client::Caller::new(Role::CountyOffice, "county:371328".parse().expect("a county"));
    let token = world.keys.token(&caller, std::time::Duration::from_secs(600)).expect("a token");
    let address = setting("DAFEI_REPORTING_ADDR").expect("an address");
    let now = dafei_tools::exercise::now(&world.suite, &world.keys).await.expect("a clock");
    let month = dafei_tests::month(now);
    let arguments = [address.trim_start_matches("http://"), "county-office", "county", "371328", &month];
    let said = python("monthly_table.py", &arguments, &token).await;
    assert!(said.contains("危险化学品") && said.contains("合计"), "{said}");
}
