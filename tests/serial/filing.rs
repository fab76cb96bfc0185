//! The monthly table from reporting to the monitor: what is filed in time stops its clock, what is not is a breach.

use dafei_contracts::{
    reporting::v1::{FileTableRequest, FilingUnit, GetDraftRequest, filing_service_client::FilingServiceClient},
    sla::v1::{DutyItem, DutyLight, ListDutiesRequest, deadline_service_client::DeadlineServiceClient},
};
use dafei_kernel::{
    ids::IdSource as _,
    role::Role,
    time::{Month, start_of_day},
};
use dafei_tests::{World, wire};
use dafei_tools::{
    client::{Caller, Service},
    exercise::{self, Target},
};
use jiff::{SignedDuration, civil::date};

const FILES: &str = "township:371311001";
const DOES_NOT: &str = "township:371311002";

/// Looks at the draft of a township and files it, as its centre does.
async fn file(world: &World, township: &str, month: &str) {
    let centre = Caller::new(Role::TownshipCentre, township.parse().expect("a region"));
    let bearer = world.keys.bearer(&centre).expect("a token");
    let mut client = FilingServiceClient::new(world.suite.with(Service::Reporting, &bearer));
    let unit = FilingUnit {
        kind: "township".to_owned(),
        region: Some(wire(township).expect("a region")),
        agency: String::new(),
    };
    let request = GetDraftRequest { unit: Some(unit.clone()), month: month.to_owned() };
    let draft = client.get_draft(request).await.expect("a draft").into_inner().draft.expect("a draft");
    let request = FileTableRequest {
        request_id: dafei_kernel::ids::SystemIds.random().to_string(),
        unit: Some(unit),
        month: month.to_owned(),
        draft_digest: draft.digest,
        filled_in_by: "王填表".to_owned(),
    };
    let filed = client.file_table(request).await.expect("it is filed").into_inner().table.expect("a version");
    assert_eq!(filed.version, 1);
}

/// How a township's M1 about a month stands.
async fn m1(world: &World, township: &str, month: &str) -> DutyItem {
    let office = Caller::new(Role::CityOffice, "city:371300".parse().expect("a region"));
    let bearer = world.keys.bearer(&office).expect("a token");
    let mut client = DeadlineServiceClient::new(world.suite.with(Service::SlaMonitor, &bearer));
    let request = ListDutiesRequest {
        region: Some(wire(township).expect("a region")),
        period: month.to_owned(),
        ..ListDutiesRequest::default()
    };
    let duties = client.list_duties(request).await.expect("a list").into_inner().duties;
    duties.into_iter().find(|duty| duty.clock == "M1").expect("the township owes its table")
}

#[tokio::test]
async fn a_table_that_is_filed_in_time_stops_its_clock_and_one_that_is_not_is_a_breach() {
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    // The first whole month: who came into the roster within a month owes no table of it.
    let month = Month::of(now).next();
    let (text, after) = (month.to_string(), month.next());
    let day = |day: i8| start_of_day(date(after.year(), after.month(), day));
    exercise::run(&world.suite, &world.keys, Target::At(day(2))).await.expect("the clock moves");
    file(&world, FILES, &text).await;
    let over = day(4).checked_add(SignedDuration::from_secs(1)).expect("in range");
    exercise::run(&world.suite, &world.keys, Target::At(over)).await.expect("the clock moves");
    let (filed, missing) = (m1(&world, FILES, &text).await, m1(&world, DOES_NOT, &text).await);
    assert_eq!((filed.done, filed.light()), (1, DutyLight::Green), "{filed:?}");
    assert_eq!((missing.done, missing.light()), (0, DutyLight::Red), "{missing:?}");
    assert_eq!(missing.due, Some(day(4).into()));
}
