//! Inboxes by unit, the monitor's lights in them, screens that follow the cases, and cases that may be of one matter.

use dafei_contracts::{
    Event,
    dispatch::v1::{self as api, InboxKind, LightColour},
    events::v1 as ev,
    types::v1 as types,
};
use dafei_kernel::{agency::Agency, ids, owner::Post, role::Role, time::Instant};
use dafei_testkit::eventually;
use jiff::SignedDuration;
use serde_json::json;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    access::reason,
    agency_systems::System,
    caller::{Caller, lead},
    suite::{CITY, COUNTY, OTHER_COUNTY, OTHER_TOWNSHIP, PATIENCE, Suite, TOWNSHIP, enterprise, region},
    turns::{open, opening},
};

async fn inbox(caller: &Caller, kind: InboxKind) -> Vec<api::InboxItem> {
    let request = api::ListInboxRequest { kind: kind.into(), ..Default::default() };
    caller.inboxes().list_inbox(request).await.expect("an inbox").into_inner().items
}

async fn cases(caller: &Caller, kind: InboxKind) -> Vec<String> {
    inbox(caller, kind).await.into_iter().map(|item| item.case.expect("a case").case_id).collect()
}

fn ids_of(cases: &[Uuid]) -> Vec<String> {
    cases.iter().map(Uuid::to_string).collect()
}

impl Suite {
    /// A light of the monitor, as the event of this sequence of its obligation.
    async fn light(
        &self,
        (case, clock): (Uuid, &str),
        owner: &Post,
        sequence: i64,
        event: fn(ev::Obligation) -> Event,
    ) {
        let id = ids::derived(&["obligation", &case.to_string(), clock, &owner.to_string()]);
        let owner = types::Owner { post: Some(owner.into()), persons: Vec::new() };
        let due = self.app.clock.now() + SignedDuration::from_hours(1);
        let obligation = ev::Obligation {
            obligation_id: id.to_string(),
            clock: clock.to_owned(),
            case_id: case.to_string(),
            leg: 1,
            loop_owner: Some(owner.clone()),
            direct: Some(owner),
            due: Some(due.into()),
            ..Default::default()
        };
        let meta = ev::EventMeta {
            aggregate_id: id.to_string(),
            sequence,
            region_path: format!("{CITY}/{COUNTY}/{TOWNSHIP}"),
            received_at: Some(self.app.clock.now().into()),
            ..Default::default()
        };
        self.told_by("sla-monitor", meta, event(obligation)).await;
    }
}

fn warned(obligation: ev::Obligation) -> Event {
    ev::Warned { obligation: Some(obligation), ..Default::default() }.into()
}

fn breached(obligation: ev::Obligation) -> Event {
    ev::Breached { obligation: Some(obligation), ..Default::default() }.into()
}

/// A calendar has moved the limit by a day.
fn extended(mut obligation: ev::Obligation) -> Event {
    let due: Instant = obligation.due.expect("a limit").try_into().expect("an instant");
    obligation.due = Some((due + SignedDuration::from_hours(24)).into());
    ev::Extended { obligation: Some(obligation), ..Default::default() }.into()
}

fn settled(obligation: ev::Obligation) -> Event {
    ev::Settled { meta: None, obligation: Some(obligation), late_seconds: 5 }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unit_has_in_its_inbox_what_it_owes_and_nothing_else() {
    let suite = Suite::start().await;
    let (waits, goes_up) = (suite.report().await, suite.report().await);
    assert_eq!(cases(&suite.centre(), InboxKind::Open).await, ids_of(&[waits, goes_up]), "the longest there first");
    let elsewhere = suite.caller(Role::TownshipCentre, OTHER_TOWNSHIP, None);
    assert_eq!(cases(&elsewhere, InboxKind::Open).await, [""; 0]);
    suite.centre().escalate(goes_up).await.expect("escalated");
    assert_eq!(cases(&suite.centre(), InboxKind::Open).await, ids_of(&[waits]));
    assert_eq!(cases(&suite.office(), InboxKind::Open).await, ids_of(&[goes_up]));
    assert_eq!(cases(&suite.caller(Role::CountyOffice, OTHER_COUNTY, None), InboxKind::Open).await, [""; 0]);
    let assigned = suite.office().assign(goes_up).await.expect("assigned");
    assert_eq!(cases(&suite.office(), InboxKind::Open).await, [""; 0], "the departments have it");
    let department = suite.department(Agency::EmergencyManagement);
    let items = inbox(&department, InboxKind::Open).await;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].instruction_id, lead(&assigned).instruction_id);
    assert_eq!(cases(&suite.department(Agency::Postal), InboxKind::Open).await, [""; 0]);
    assert_eq!(cases(&suite.station(Agency::EmergencyManagement), InboxKind::Open).await, [""; 0], "another level");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_stands_apart_for_whoever_returned_it_and_whoever_has_it_again() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let id: Uuid = case.case_id.parse().expect("an id");
    let department = suite.department(Agency::EmergencyManagement);
    assert_eq!(cases(&suite.office(), InboxKind::Returned).await, [""; 0]);
    department.decline(&lead(&case).instruction_id, "责任办法第三条").await.expect("returned");
    assert_eq!(cases(&suite.office(), InboxKind::Returned).await, ids_of(&[id]));
    assert_eq!(cases(&suite.office(), InboxKind::Open).await, ids_of(&[id]));
    assert_eq!(cases(&department, InboxKind::Returned).await, ids_of(&[id]));
    assert_eq!(cases(&department, InboxKind::Open).await, [""; 0]);
    suite.office().assign(id).await.expect("assigned again");
    assert_eq!(cases(&suite.office(), InboxKind::Returned).await, [""; 0]);
    let below = suite.report().await;
    let instructed = suite.centre().instruct(below, Agency::PublicSecurity).await.expect("instructed");
    suite.station(Agency::PublicSecurity).decline(&lead(&instructed).instruction_id, "").await.expect("declined");
    assert_eq!(cases(&suite.centre(), InboxKind::Returned).await, ids_of(&[below]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monitor_s_lights_come_and_go_in_the_inbox_of_the_one_who_owes() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    let centre = Post { role: Role::TownshipCentre, region: region(TOWNSHIP), agency: None };
    let shows = async |kind: InboxKind, expected: usize| {
        eventually(PATIENCE, &format!("{expected} of {kind:?}"), || async {
            let items = inbox(&suite.centre(), kind).await;
            (items.len() == expected).then_some(items)
        })
        .await
    };
    suite.light((case, "T1"), &centre, 1, warned).await;
    let lit = shows(InboxKind::DueSoon, 1).await;
    assert_eq!((lit[0].lights[0].clock.as_str(), lit[0].lights[0].colour()), ("T1", LightColour::Yellow));
    assert_eq!(inbox(&suite.centre(), InboxKind::Open).await[0].lights.len(), 1, "seen there, too");
    suite.light((case, "T1"), &centre, 2, extended).await;
    eventually(PATIENCE, "the moved limit", || async {
        let moved = inbox(&suite.centre(), InboxKind::DueSoon).await;
        (moved[0].lights[0].due != lit[0].lights[0].due).then_some(())
    })
    .await;
    suite.light((case, "T1"), &centre, 3, breached).await;
    let red = shows(InboxKind::Overdue, 1).await;
    assert_eq!(red[0].lights[0].colour(), LightColour::Red);
    shows(InboxKind::DueSoon, 0).await;
    let elsewhere = suite.caller(Role::TownshipCentre, OTHER_TOWNSHIP, None);
    assert_eq!(cases(&elsewhere, InboxKind::Overdue).await, [""; 0]);
    suite.light((case, "T1"), &centre, 4, settled).await;
    shows(InboxKind::Overdue, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_is_narrowed_and_paged_without_a_gap_while_more_comes() {
    let suite = Suite::start().await;
    let mut reported = Vec::new();
    for _ in 0..5 {
        reported.push(suite.report().await);
    }
    let centre = suite.centre();
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            api::ListInboxRequest { kind: InboxKind::Open.into(), page_size: 2, page_token, ..Default::default() };
        let page = centre.inboxes().list_inbox(request).await.expect("a page").into_inner();
        seen.extend(page.items.into_iter().map(|item| item.case.expect("a case").case_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        if seen.len() == 2 {
            reported.push(suite.report().await);
        }
    }
    assert_eq!(seen, ids_of(&reported));
    let narrowed = async |change: fn(&mut api::ListInboxRequest)| {
        let mut request = api::ListInboxRequest { kind: InboxKind::Open.into(), ..Default::default() };
        change(&mut request);
        centre.inboxes().list_inbox(request).await.map(|answer| answer.into_inner().items.len())
    };
    assert_eq!(narrowed(|asked| asked.act = "HC-3".to_owned()).await.expect("a list"), 6);
    assert_eq!(narrowed(|asked| asked.act = "FW-1".to_owned()).await.expect("a list"), 0);
    assert_eq!(narrowed(|asked| asked.sector = "hazardous-chemicals".to_owned()).await.expect("a list"), 6);
    assert_eq!(narrowed(|asked| asked.source = ev::CaseSource::PublicTip.into()).await.expect("a list"), 0);
    let refused = |answer: Result<usize, Status>| reason(&answer.expect_err("refused"));
    assert_eq!(refused(narrowed(|asked| asked.act = "XX-1".to_owned()).await), "UNKNOWN_ACT");
    assert_eq!(refused(narrowed(|asked| asked.sector = "weather".to_owned()).await), "UNKNOWN_SECTOR");
    assert_eq!(refused(narrowed(|asked| asked.source = 99).await), "UNKNOWN_SOURCE");
    assert_eq!(refused(narrowed(|asked| asked.kind = 0).await), "REQUIRED");
    assert_eq!(refused(narrowed(|asked| asked.page_size = -1).await), "INVALID_PAGE_SIZE");
    let request = api::ListInboxRequest { kind: InboxKind::Open.into(), page_size: 2, ..Default::default() };
    let page_token = centre.inboxes().list_inbox(request.clone()).await.expect("a page").into_inner().next_page_token;
    let foreign = suite.office().inboxes().list_inbox(api::ListInboxRequest { page_token, ..request }).await;
    assert_eq!(reason(&foreign.expect_err("another's token")), "INVALID_PAGE_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_that_may_be_of_one_matter_are_suggested_to_whoever_has_them() {
    let suite = Suite::start().await;
    let (case, twin) = (suite.report().await, suite.report().await);
    let company = suite.report_on(enterprise(Agency::Energy)).await;
    let same_company = suite.report_on(enterprise(Agency::Energy)).await;
    let suggested = async |caller: &Caller, case: Uuid| {
        let request = api::SuggestDuplicatesRequest { case_id: case.to_string() };
        let answer = caller.inboxes().suggest_duplicates(request).await?.into_inner();
        let ids = answer
            .candidates
            .iter()
            .map(|one| (one.case.as_ref().expect("a case").case_id.clone(), one.same_enterprise));
        Ok::<_, Status>(ids.collect::<Vec<_>>())
    };
    let centre = suite.centre();
    assert_eq!(suggested(&centre, case).await.expect("suggested"), [(twin.to_string(), false)]);
    assert_eq!(suggested(&centre, company).await.expect("suggested"), [(same_company.to_string(), true)]);
    let elsewhere = suite.caller(Role::TownshipCentre, OTHER_TOWNSHIP, None);
    assert_eq!(reason(&suggested(&elsewhere, case).await.expect_err("not its case")), "OUT_OF_SCOPE");
    let near = |metres: i32| types::Subject {
        kind: Some(types::subject::Kind::Den(types::Den {
            place: format!("路边{metres}"),
            industry: String::new(),
            position: Some(types::Position { latitude_e7: 350_000_000 + metres * 90, longitude_e7: 1_180_000_000 }),
        })),
    };
    let here = suite.report_on(near(0)).await;
    let (far, close) = (suite.report_on(near(1_500)).await, suite.report_on(near(100)).await);
    let beyond = suite.report_on(near(5_000)).await;
    let found = suggested(&centre, here).await.expect("suggested");
    let placed: Vec<_> = found.iter().map(|(id, _)| id.clone()).take(2).collect();
    assert_eq!(placed, ids_of(&[close, far]), "the nearest first");
    assert!(!found.iter().any(|(id, _)| *id == beyond.to_string()), "too far to be the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_city_is_shown_what_may_be_of_one_matter_with_its_own_case_and_could_end_in_it() {
    let suite = Suite::start().await;
    let city = suite.caller(Role::CityOffice, CITY, None);
    let own = async || open(&city, opening(ev::CaseSource::DailyCheck)).await.expect("the city's own").case_id;
    let (case, twin) = (own().await, own().await);
    let of_a_county = suite.report().await;
    let suggested = async |case: String| {
        let request = api::SuggestDuplicatesRequest { case_id: case };
        let answer = city.inboxes().suggest_duplicates(request).await.expect("suggested").into_inner();
        answer.candidates.into_iter().map(|one| one.case.expect("a case").case_id).collect::<Vec<_>>()
    };
    assert_eq!(suggested(case).await, [twin], "a county's case ends in none of the city's");
    assert_eq!(suggested(of_a_county.to_string()).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_overdue_asks_for_no_more_time() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let department = suite.department(Agency::EmergencyManagement);
    let post = Post { role: Role::CountyDepartment, region: region(COUNTY), agency: Some(Agency::EmergencyManagement) };
    suite.light((case.case_id.parse().expect("an id"), "K3"), &post, 1, breached).await;
    eventually(PATIENCE, "the red light", || async {
        (!inbox(&department, InboxKind::Overdue).await.is_empty()).then_some(())
    })
    .await;
    let request = api::RequestExtensionRequest {
        request_id: crate::suite::new_id(),
        instruction_id: lead(&case).instruction_id.clone(),
        working_days: 3,
        reason: "等待鉴定".to_owned(),
    };
    let late = department.agency().request_extension(request).await.expect_err("too late");
    assert_eq!((late.code(), reason(&late)), (Code::FailedPrecondition, "EXTENSION_TOO_LATE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_overdue_asks_for_no_more_time_over_nats_either() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    let post = Post { role: Role::CountyDepartment, region: region(COUNTY), agency: Some(Agency::EmergencyManagement) };
    suite.light((case.case_id.parse().expect("an id"), "K3"), &post, 1, breached).await;
    let department = suite.department(Agency::EmergencyManagement);
    eventually(PATIENCE, "the red light", || async {
        (!inbox(&department, InboxKind::Overdue).await.is_empty()).then_some(())
    })
    .await;
    suite.advance(SignedDuration::from_hours(2));
    system.send("E-1", &id, "extension", json!({"workingDays": 3, "reason": "等待鉴定"})).await;
    let receipt = system.receipt().await;
    assert_eq!(receipt["status"], json!("RECEIPT_STATUS_REJECTED"), "{receipt}");
    assert_eq!((&receipt["reason"], &receipt["field"]), (&json!("EXTENSION_TOO_LATE"), &json!("instruction_id")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_limit_was_not_asked_late_however_late_it_is_taken() {
    let suite = Suite::start().await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let (_, instruction) = system.next().await;
    let id = instruction["instructionId"].as_str().expect("an id").to_owned();
    let post = Post { role: Role::CountyDepartment, region: region(COUNTY), agency: Some(Agency::EmergencyManagement) };
    suite.light((case.case_id.parse().expect("an id"), "K3"), &post, 1, breached).await;
    let department = suite.department(Agency::EmergencyManagement);
    eventually(PATIENCE, "the red light", || async {
        (!inbox(&department, InboxKind::Overdue).await.is_empty()).then_some(())
    })
    .await;
    // The light is on already; the instant that counts is the bus's, and lies before the limit.
    system.send("E-1", &id, "extension", json!({"workingDays": 3, "reason": "等待鉴定"})).await;
    let receipt = system.receipt().await;
    assert_eq!(receipt["status"], json!("RECEIPT_STATUS_ACCEPTED"), "{receipt}");
}
