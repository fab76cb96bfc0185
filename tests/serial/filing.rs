//! The monthly table and the briefings from reporting to the monitor: what is filed or released in time stops its clock, what is not is a breach.

use dafei_contracts::{
    reporting::v1::{
        FileTableRequest, FilingUnit, GetBriefingRequest, GetDraftRequest, ReleaseBriefingRequest,
        briefing_service_client::BriefingServiceClient, filing_service_client::FilingServiceClient,
    },
    sla::v1::{DutyItem, DutyLight, ListDutiesRequest, deadline_service_client::DeadlineServiceClient},
};
use dafei_kernel::{
    ids::IdSource as _,
    period::Cycle,
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
const COUNTY: &str = "county:371311";
const OTHER_COUNTY: &str = "county:371302";

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

/// Looks at the draft of a briefing and releases it, as the centre or office does.
async fn release(world: &World, role: Role, unit: &str, period: &str) {
    let caller = Caller::new(role, unit.parse().expect("a region"));
    let bearer = world.keys.bearer(&caller).expect("a token");
    let mut client = BriefingServiceClient::new(world.suite.with(Service::Reporting, &bearer));
    let unit = Some(wire(unit).expect("a region"));
    let request = GetBriefingRequest { unit: unit.clone(), period: period.to_owned() };
    let draft = client.get_briefing(request).await.expect("a draft").into_inner();
    let request = ReleaseBriefingRequest {
        request_id: dafei_kernel::ids::SystemIds.random().to_string(),
        unit,
        period: period.to_owned(),
        draft_digest: draft.digest,
        remarks: String::new(),
    };
    client.release_briefing(request).await.expect("it is released");
}

/// How a unit's duty about a period stands.
async fn duty(world: &World, clock: &str, unit: &str, period: &str) -> DutyItem {
    let office = Caller::new(Role::CityOffice, "city:371300".parse().expect("a region"));
    let bearer = world.keys.bearer(&office).expect("a token");
    let mut client = DeadlineServiceClient::new(world.suite.with(Service::SlaMonitor, &bearer));
    let request = ListDutiesRequest {
        region: Some(wire(unit).expect("a region")),
        period: period.to_owned(),
        ..ListDutiesRequest::default()
    };
    let duties = client.list_duties(request).await.expect("a list").into_inner().duties;
    duties.into_iter().find(|duty| duty.clock == clock).expect("the unit owes it")
}

#[tokio::test]
async fn a_table_or_briefing_that_is_there_in_time_stops_its_clock_and_one_that_is_not_is_a_breach() {
    let world = World::from_env().expect("the suite");
    let now = exercise::now(&world.suite, &world.keys).await.expect("a clock");
    // The first whole month: who came into the roster within a month owes no table of it.
    let month = Month::of(now).next();
    let (text, after) = (month.to_string(), month.next());
    let day = |day: i8| start_of_day(date(after.year(), after.month(), day));
    exercise::run(&world.suite, &world.keys, Target::At(day(2))).await.expect("the clock moves");
    file(&world, FILES, &text).await;
    let week = Cycle::Week.of(day(2)).prev();
    release(&world, Role::TownshipCentre, FILES, &week.to_string()).await;
    release(&world, Role::CountyOffice, COUNTY, &text).await;
    let over = day(4).checked_add(SignedDuration::from_secs(1)).expect("in range");
    exercise::run(&world.suite, &world.keys, Target::At(over)).await.expect("the clock moves");
    let (filed, missing) = (duty(&world, "M1", FILES, &text).await, duty(&world, "M1", DOES_NOT, &text).await);
    assert_eq!((filed.done, filed.light()), (1, DutyLight::Green), "{filed:?}");
    assert_eq!((missing.done, missing.light()), (0, DutyLight::Red), "{missing:?}");
    assert_eq!(missing.due, Some(day(4).into()));
    let both = week.next().end().max(day(6)).checked_add(SignedDuration::from_secs(1)).expect("in range");
    exercise::run(&world.suite, &world.keys, Target::At(both)).await.expect("the clock moves");
    let briefed = |duty: DutyItem| (duty.done, duty.light());
    let week = week.to_string();
    assert_eq!(briefed(duty(&world, "W3", FILES, &week).await), (1, DutyLight::Green));
    assert_eq!(briefed(duty(&world, "W3", DOES_NOT, &week).await), (0, DutyLight::Red));
    assert_eq!(briefed(duty(&world, "M2", COUNTY, &text).await), (1, DutyLight::Green));
    assert_eq!(briefed(duty(&world, "M2", OTHER_COUNTY, &text).await), (0, DutyLight::Red));
}
