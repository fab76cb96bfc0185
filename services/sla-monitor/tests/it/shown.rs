//! Previews, explanations and lists by gRPC: what they say, and to whom.

use dafei_contracts::sla::v1::{
    ExplainDeadlineRequest, GetFairnessRequest, ListBreachesRequest, ListObligationsRequest, ObligationState,
    PreviewDeadlineRequest,
};
use dafei_kernel::{role::Role, workdays::Calendar};
use dafei_sla_core::{Inputs, deadline::check};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::{
    events::{CITY, COUNTY, Case, OTHER_COUNTY, OTHER_PATH, TOWNSHIP, VILLAGE, at, department, wire_post, wire_region},
    world::{START, World},
};

fn field(status: &Status) -> (Code, String, String) {
    let details = status.get_error_details();
    let violation = details.bad_request().unwrap().field_violations.first().unwrap().clone();
    (status.code(), violation.field, violation.reason)
}

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default())
}

fn preview(clock: &str, start: Option<&str>) -> PreviewDeadlineRequest {
    PreviewDeadlineRequest { clock: clock.to_owned(), start: start.map(|start| at(start).into()), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_with_a_token_may_preview_a_deadline() {
    let world = World::without_firing(START).await;
    let request = world.request(Role::Bank, CITY, preview("K3", Some("2026-02-11T10:00:00+08:00")));
    let answer = world.deadlines().preview_deadline(request).await.unwrap().into_inner();
    assert_eq!(answer.due, Some(at("2026-02-26T00:00:00+08:00").into()));
    assert_eq!(answer.warn_at, Some(at("2026-02-25T00:00:00+08:00").into()));
    assert_eq!((answer.due_inclusive, answer.provisional), (false, false));
    assert_eq!(answer.calendar_version, "cn-2026.1");
    assert!(answer.lines.iter().any(|line| line.text.contains("2026-02-14 周六")), "{:?}", answer.lines);
    let anonymous = world.deadlines().preview_deadline(Request::new(preview("K3", None))).await.unwrap_err();
    assert_eq!(anonymous.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_preview_names_its_field() {
    let world = World::without_firing(START).await;
    let refused = async |message| {
        let request = world.request(Role::Bank, CITY, message);
        field(&world.deadlines().preview_deadline(request).await.unwrap_err())
    };
    let invalid = |name: &str, reason: &str| (Code::InvalidArgument, name.to_owned(), reason.to_owned());
    assert_eq!(refused(preview("", Some(START))).await, invalid("clock", "REQUIRED"));
    assert_eq!(refused(preview("K9", Some(START))).await, invalid("clock", "UNKNOWN_CLOCK"));
    assert_eq!(refused(preview("K3", None)).await, invalid("start", "REQUIRED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_tells_the_deadline_the_owners_and_the_outcome() {
    let world = World::start().await;
    let case = Case::new(1).found(START).notified("2026-11-23T09:30:00+08:00");
    world.tell(&case.told).await;
    world.go("2026-11-23T09:30:00+08:00").await;
    let items = world.obligations(case.id).await;
    let id = items[0].obligation.as_ref().unwrap().obligation_id.clone();
    let request = world.request(Role::GridMember, VILLAGE, ExplainDeadlineRequest { obligation_id: id });
    let answer = world.deadlines().explain_deadline(request).await.unwrap().into_inner();
    let text: Vec<String> = answer.lines.into_iter().map(|line| line.text).collect();
    let text = text.join("\n");
    for part in [
        "V1 告知村支部书记，1小时",
        "截止：2026-11-23 09:00:00，含该时刻",
        "直接责任：前园村网格员，张网格",
        "闭环责任：前园村村居支部书记，王书记",
        "2026-11-23 09:30:00完成，超期30分。",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(answer.obligation.unwrap().late_seconds, 1_800);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_carries_its_stored_inputs_for_a_check_without_the_suite() {
    let world = World::without_firing(START).await;
    let case = Case::new(1).delivered("2026-11-20T08:00:00.25+08:00", department(1, "transport", true));
    world.tell(&case.told).await;
    let items = world.obligations(case.id).await;
    for clock in ["K2", "K3"] {
        let obligation =
            items.iter().filter_map(|item| item.obligation.as_ref()).find(|one| one.clock == clock).unwrap();
        let message = ExplainDeadlineRequest { obligation_id: obligation.obligation_id.clone() };
        let request = world.request(Role::CountyOffice, COUNTY, message);
        let answer = world.deadlines().explain_deadline(request).await.unwrap().into_inner();
        let inputs: Inputs = serde_json::from_str(&answer.inputs_json).unwrap();
        assert_eq!(inputs.clock.code(), clock);
        assert_eq!(inputs.start, at("2026-11-20T08:00:00.25+08:00"));
        assert_eq!(Some(inputs.timing.due.into()), obligation.due);
        assert!(!answer.inputs_json.contains('\n'));
        assert_eq!(inputs.to_json(), answer.inputs_json, "always written the same way");
        assert_eq!(check::verify(&inputs, Some(&Calendar::builtin())), []);
        let told: Vec<String> = answer.lines.into_iter().map(|line| line.text).collect();
        assert!(told.starts_with(&inputs.lines()), "the check tells the same lines");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn obligations_are_shown_to_posts_of_their_region_only() {
    let world = World::without_firing(START).await;
    let case = Case::new(1).found(START);
    world.tell(&case.told).await;
    let id = world.obligations(case.id).await[0].obligation.as_ref().unwrap().obligation_id.clone();
    let list = async |role, region: &str, case_id: String| {
        let request = world.request(role, region, ListObligationsRequest { case_id });
        world.deadlines().list_obligations(request).await.map(|answer| answer.into_inner().obligations.len())
    };
    assert_eq!(list(Role::TownshipAgency, TOWNSHIP, case.id.to_string()).await.ok(), None, "an agency is named");
    assert_eq!(list(Role::TownshipCentre, TOWNSHIP, case.id.to_string()).await.unwrap(), 1);
    let outside = list(Role::CountyOffice, OTHER_COUNTY, case.id.to_string()).await.unwrap_err();
    assert_eq!(reason(&outside), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
    let bank = list(Role::Bank, CITY, case.id.to_string()).await.unwrap_err();
    assert_eq!(reason(&bank), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    let unknown = list(Role::CityOffice, CITY, uuid::Uuid::from_u128(9).to_string()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let malformed = list(Role::CityOffice, CITY, "nine".to_owned()).await.unwrap_err();
    assert_eq!(field(&malformed).1, "case_id");
    let request = world.request(Role::CountyOffice, OTHER_COUNTY, ExplainDeadlineRequest { obligation_id: id });
    let outside = world.deadlines().explain_deadline(request).await.unwrap_err();
    assert_eq!(reason(&outside).1, "OUT_OF_SCOPE");
    let area = Some("371302001-east");
    let message = ListObligationsRequest { case_id: case.id.to_string() };
    let request = world.request_in(Role::WorkAreaSecretary, "work-area:371302001-east", area, message);
    assert_eq!(world.deadlines().list_obligations(request).await.unwrap().into_inner().obligations.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn breaches_are_listed_by_region_newest_limit_first_page_by_page() {
    let world = World::start().await;
    for number in 0..5 {
        let minute = format!("2026-11-23T08:0{number}:00+08:00");
        world.tell(&Case::new(number).found(&minute).told).await;
    }
    let done = Case::new(5).found("2026-11-23T08:05:00+08:00").notified("2026-11-23T09:30:00+08:00");
    world.tell(&done.told).await;
    world.tell(&Case::at_path(6, OTHER_PATH).found(START).told).await;
    world.tell(&Case::new(7).delivered("2026-11-20T08:00:00+08:00", department(1, "transport", true)).told).await;
    world.go("2026-11-23T09:30:00+08:00").await;
    let list = async |role, region: &str, clock: &str, open_only, page_size, page_token| {
        let message = ListBreachesRequest {
            region: Some(wire_region(region)),
            clock: clock.to_owned(),
            open_only,
            page_size,
            page_token,
            ..Default::default()
        };
        let request = world.request(role, region, message);
        world.breaches().list_breaches(request).await.map(tonic::Response::into_inner)
    };
    let (mut token, mut dues, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = list(Role::CountyOffice, COUNTY, "V1", false, 4, token).await.unwrap();
        dues.extend(page.breaches.iter().map(|item| item.obligation.as_ref().unwrap().due.unwrap()));
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let other = list(Role::CountyOffice, COUNTY, "V2", false, 4, token.clone()).await.unwrap_err();
        assert_eq!(field(&other).2, "INVALID_PAGE_TOKEN");
    }
    assert_eq!((dues.len(), pages), (6, 2));
    assert!(dues.is_sorted_by(|newer, older| newer > older));
    let count = async |role, region: &str, clock: &str, open_only| {
        list(role, region, clock, open_only, 0, String::new()).await.unwrap().breaches.len()
    };
    assert_eq!(count(Role::CountyOffice, COUNTY, "V1", true).await, 5, "one was done, late");
    assert_eq!(count(Role::CountyOffice, COUNTY, "", false).await, 7, "with the K2 of the weekend");
    assert_eq!(count(Role::CityOffice, CITY, "V1", false).await, 7);
    assert_eq!(count(Role::VillageSecretary, VILLAGE, "V1", false).await, 6);
    assert_eq!(count(Role::CountyOffice, OTHER_COUNTY, "", false).await, 1);
    let asked = ListBreachesRequest { region: Some(wire_region(COUNTY)), ..Default::default() };
    for micros in [i64::MAX, i64::MIN, dafei_kernel::time::Instant::MIN.as_microsecond()] {
        let forged = dafei_shell::paging::encode(&(micros, uuid::Uuid::nil()), &asked);
        let forged = list(Role::CountyOffice, COUNTY, "", false, 0, forged).await.unwrap_err();
        assert_eq!(field(&forged).2, "INVALID_PAGE_TOKEN", "{micros}");
    }
    let outside = list(Role::CountyOffice, "county:371399", "", false, 0, String::new()).await.unwrap_err();
    assert_eq!(field(&outside).2, "UNKNOWN_REGION");
    let denied = world.standing(Role::CountyOffice, OTHER_COUNTY).await;
    assert!(denied.is_ok());
    let message = ListBreachesRequest { region: Some(wire_region(COUNTY)), ..Default::default() };
    let denied = world.breaches().list_breaches(world.request(Role::CountyOffice, OTHER_COUNTY, message)).await;
    assert_eq!(reason(&denied.unwrap_err()).1, "OUT_OF_SCOPE");
    let area = "work-area:371302001-east";
    let message = ListBreachesRequest { region: Some(wire_region(area)), clock: "V1".to_owned(), ..Default::default() };
    let request = world.request_in(Role::WorkAreaSecretary, area, Some("371302001-east"), message);
    assert_eq!(world.breaches().list_breaches(request).await.unwrap().into_inner().breaches.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_obligation_shows_where_it_stands() {
    let world = World::start().await;
    let case = Case::new(1).found(START);
    world.tell(&case.told).await;
    world.go("2026-11-23T10:00:00+08:00").await;
    let item = world.obligations(case.id).await.remove(0);
    assert_eq!(item.state(), ObligationState::Open);
    assert_eq!(item.warned_at, Some(at("2026-11-23T08:45:00+08:00").into()));
    assert_eq!((item.breached, item.reminders, item.stopped_at), (true, 1, None));
    let obligation = item.obligation.unwrap();
    assert_eq!(obligation.rule_version, "linyi-2020-17.5");
    assert_eq!((obligation.calendar_version.as_str(), obligation.leg), ("", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn breaches_are_narrowed_to_a_post_a_time_and_to_what_nobody_was_told_of() {
    let world = World::start().await;
    let told = Case::new(1).delivered("2026-11-20T08:00:00+08:00", department(1, "transport", true));
    let untold = Case::new(2).taken_as_delivered("2026-11-20T09:00:00+08:00", department(2, "fire-rescue", true));
    for case in [&told, &untold] {
        world.tell(&case.told).await;
    }
    world.go("2026-11-23T09:30:00+08:00").await;
    let list = async |narrow: ListBreachesRequest| {
        let message = ListBreachesRequest { region: Some(wire_region(COUNTY)), clock: "K2".to_owned(), ..narrow };
        let request = world.request(Role::CountyOffice, COUNTY, message);
        let listed = world.breaches().list_breaches(request).await.unwrap().into_inner().breaches;
        listed.into_iter().map(|item| item.obligation.unwrap().case_id).collect::<Vec<_>>()
    };
    let any = ListBreachesRequest::default;
    assert_eq!(list(any()).await, [untold.id.to_string(), told.id.to_string()]);
    assert_eq!(list(ListBreachesRequest { undelivered_only: true, ..any() }).await, [untold.id.to_string()]);
    let transport = wire_post("county-department", COUNTY, "transport");
    assert_eq!(list(ListBreachesRequest { direct: Some(transport), ..any() }).await, [told.id.to_string()]);
    // The limits are 20:00 and 21:00; an end is not in its time, a beginning is.
    let nine = Some(at("2026-11-20T21:00:00+08:00").into());
    assert_eq!(list(ListBreachesRequest { due_until: nine, ..any() }).await, [told.id.to_string()]);
    assert_eq!(list(ListBreachesRequest { due_from: nine, ..any() }).await, [untold.id.to_string()]);
    assert!(list(ListBreachesRequest { sector: "mines".to_owned(), ..any() }).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_shows_its_whole_time_from_the_finding_to_its_closing() {
    let world = World::start().await;
    let case = Case::new(1).found(START);
    world.tell(&case.told).await;
    let list = async || {
        let message = ListObligationsRequest { case_id: case.id.to_string() };
        let request = world.request(Role::CityOffice, CITY, message);
        world.deadlines().list_obligations(request).await.unwrap().into_inner()
    };
    world.go("2026-11-23T10:00:00+08:00").await;
    let open = list().await;
    assert_eq!((open.found_at, open.closed_at, open.total_seconds), (Some(at(START).into()), None, 7_200));
    let withdrawn = Case::new(1).found(START).withdrawn("2026-11-23T09:00:00+08:00");
    world.tell(&withdrawn.told[1..]).await;
    let closed = list().await;
    assert_eq!((closed.closed_at, closed.total_seconds), (Some(at("2026-11-23T09:00:00+08:00").into()), 3_600));
}

#[tokio::test(flavor = "multi_thread")]
async fn fairness_tells_which_breaches_had_their_lights_in_time() {
    let world = World::start().await;
    world.tell(&Case::new(1).found(START).told).await;
    world.go("2026-11-23T09:30:00+08:00").await;
    // What is learnt of when its limit is long past had no yellow light, and a late red one.
    world.tell(&Case::new(2).found("2026-11-23T08:10:00+08:00").told).await;
    world.go("2026-11-23T09:40:00+08:00").await;
    let ask = async |from: &str, until: &str| {
        let message = GetFairnessRequest {
            region: Some(wire_region(COUNTY)),
            due_from: Some(at(from).into()),
            due_until: Some(at(until).into()),
        };
        world.breaches().get_fairness(world.request(Role::CountyOffice, COUNTY, message)).await
    };
    let clocks = ask("2026-11-23T00:00:00+08:00", "2026-11-24T00:00:00+08:00").await.unwrap().into_inner().clocks;
    let v1 = &clocks[0];
    assert_eq!((v1.clock.as_str(), v1.breaches, v1.warned_in_time, v1.told_in_time), ("V1", 2, 1, 1));
    let refused = ask("2026-11-23T00:00:00+08:00", "2027-11-24T00:00:00+08:00").await.unwrap_err();
    let details = refused.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "due_until");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_hands_over_to_the_stream_without_a_gap() {
    let world = World::start().await;
    world.tell(&Case::new(1).found(START).told).await;
    world.go("2026-11-23T09:30:00+08:00").await;
    let message = ListBreachesRequest { region: Some(wire_region(COUNTY)), ..Default::default() };
    let request = world.request(Role::CountyOffice, COUNTY, message);
    let listed = world.breaches().list_breaches(request).await.unwrap().into_inner();
    assert_eq!(listed.breaches.len(), 1);
    assert_ne!(listed.watch_token, "", "from now on would not be from the list on");
    let settled = Case::new(1).found(START).notified("2026-11-23T09:31:00+08:00");
    world.tell(&settled.told[1..]).await;
    world.go("2026-11-23T09:32:00+08:00").await;
    let mut stream = crate::watched::watch_as(&world, Role::CountyOffice, COUNTY, &listed.watch_token).await.unwrap();
    let facts = async |stream: &mut _| crate::watched::next(stream).await.fact;
    loop {
        // The list may have been read before the relay had said that the lights were out.
        let fact = facts(&mut stream).await;
        if fact == "settled" {
            break;
        }
        assert!(["warned", "breached"].contains(&fact.as_str()), "{fact}");
    }
}
