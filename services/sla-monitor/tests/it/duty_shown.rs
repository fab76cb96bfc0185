//! Duties by gRPC: a unit's list, previews, explanations.

use dafei_contracts::sla::v1::{
    DutyItem, DutyLight, ExplainDeadlineRequest, ListDutiesRequest, ObligationState, PreviewDeadlineRequest,
};
use dafei_kernel::role::Role;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    events::{CITY, COUNTY, OTHER_COUNTY, VILLAGE, at, wire_region},
    villages::Village,
    world::{START, World},
};

fn request(region: &str, period: &str) -> ListDutiesRequest {
    ListDutiesRequest { region: Some(wire_region(region)), period: period.to_owned(), ..Default::default() }
}

async fn list(world: &World, period: &str) -> Vec<DutyItem> {
    let request = world.request(Role::VillageSecretary, VILLAGE, request(VILLAGE, period));
    world.deadlines().list_duties(request).await.unwrap().into_inner().duties
}

fn of<'a>(duties: &'a [DutyItem], clock: &str) -> &'a DutyItem {
    duties.iter().find(|duty| duty.clock == clock).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_village_sees_how_far_it_is_with_what_it_owes() {
    let world = World::start().await;
    let mut village = Village::known();
    assert_eq!(list(&world, "").await.len(), 1, "in the week of its entry it owes its notices alone");
    world.go("2026-12-02T10:00:00+08:00").await;
    world.tell(&[village.patrolled(&["2026-12-01T09:00:00+08:00", "2026-12-01T17:00:00+08:00"])]).await;
    world.tell(&[village.broadcast("2026-12-01T07:00:00+08:00")]).await;
    let duties = list(&world, "").await;
    let clocks: Vec<&str> = duties.iter().map(|duty| duty.clock.as_str()).collect();
    assert_eq!(clocks, ["W1", "W2", "N1"]);
    let patrols = of(&duties, "W1");
    assert_eq!((patrols.done, patrols.needed, patrols.state()), (2, 3, ObligationState::Open));
    assert_eq!((patrols.light(), patrols.obligation_id.as_str()), (DutyLight::Green, ""));
    assert_eq!((patrols.period.as_str(), patrols.due), ("2026-W49", Some(at("2026-12-07T00:00:00+08:00").into())));
    let broadcast = of(&duties, "W2");
    assert_eq!((broadcast.done, broadcast.state()), (1, ObligationState::Settled));
    assert_eq!(broadcast.fulfilled_at, Some(at("2026-12-01T07:00:00+08:00").into()));
    world.go("2026-12-06T10:00:00+08:00").await;
    assert_eq!(of(&list(&world, "").await, "W1").light(), DutyLight::Yellow);
    world.go("2026-12-08T10:00:00+08:00").await;
    let missed = list(&world, "2026-W49").await;
    assert_eq!(missed.len(), 2);
    assert_eq!((of(&missed, "W1").light(), of(&missed, "W1").state()), (DutyLight::Red, ObligationState::Missed));
    assert_eq!(of(&list(&world, "").await, "W1").period, "2026-W50", "a missed week is not open");
    let breaches = world.standing(Role::VillageSecretary, VILLAGE).await.unwrap();
    assert_eq!(breaches.len(), 1);
    assert_eq!(breaches[0].state(), ObligationState::Missed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_units_duties_are_listed_page_by_page_for_those_above_it_only() {
    let world = World::start().await;
    world.go("2026-12-02T10:00:00+08:00").await;
    let page = async |role, region: &str, message: ListDutiesRequest| {
        world.deadlines().list_duties(world.request(role, region, message)).await.map(tonic::Response::into_inner)
    };
    let (mut token, mut clocks) = (String::new(), Vec::new());
    loop {
        let message = ListDutiesRequest { page_size: 1, page_token: token, ..request(VILLAGE, "") };
        let answer = page(Role::CountyOffice, COUNTY, message).await.unwrap();
        clocks.extend(answer.duties.into_iter().map(|duty| duty.clock));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(clocks, ["W1", "W2", "N1"]);
    let outside = page(Role::CountyOffice, OTHER_COUNTY, request(VILLAGE, "")).await.unwrap_err();
    assert_eq!(outside.code(), Code::PermissionDenied);
    let refused = async |message| {
        let status = page(Role::CityOffice, CITY, message).await.unwrap_err();
        status.get_error_details().bad_request().unwrap().field_violations[0].field.clone()
    };
    assert_eq!(refused(request(VILLAGE, "2026-W54")).await, "period");
    assert_eq!(refused(request("work-area:371302001-east", "")).await, "region");
    let agency = ListDutiesRequest { agency: "fire-brigade".to_owned(), ..request(COUNTY, "") };
    assert_eq!(refused(agency).await, "agency");
    let village = ListDutiesRequest { agency: "fire-rescue".to_owned(), ..request(VILLAGE, "") };
    assert_eq!(refused(village).await, "region");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_periodic_clock_is_previewed_from_any_instant_of_its_period() {
    let world = World::without_firing(START).await;
    let preview = async |clock: &str, start: &str, unit_kind: &str| {
        let start = Some(at(start).into());
        let message = PreviewDeadlineRequest {
            clock: clock.to_owned(),
            start,
            unit_kind: unit_kind.to_owned(),
            ..Default::default()
        };
        world.deadlines().preview_deadline(world.request(Role::Bank, CITY, message)).await.map(|answer| {
            let answer = answer.into_inner();
            (answer.warn_at.unwrap(), answer.due.unwrap())
        })
    };
    let expected = |warn: &str, due: &str| (at(warn).into(), at(due).into());
    let week = expected("2027-01-02T06:00:00+08:00", "2027-01-04T00:00:00+08:00");
    assert_eq!(preview("W1", "2026-12-31T23:59:59+08:00", "").await.unwrap(), week);
    let leaf = expected("2026-12-03T00:00:00+08:00", "2026-12-04T00:00:00+08:00");
    assert_eq!(preview("M1", "2026-12-20T10:00:00+08:00", "township").await.unwrap(), leaf);
    let city = expected("2026-12-04T18:00:00+08:00", "2026-12-06T00:00:00+08:00");
    assert_eq!(preview("M1", "2026-12-20T10:00:00+08:00", "city").await.unwrap(), city);
    let (_, notices) = preview("N1", "2026-12-02T10:00:00+08:00", "").await.unwrap();
    assert_eq!(notices, at("2027-01-02T00:00:00+08:00").into());
    for kind in ["", "village", "street"] {
        let refused = preview("M1", "2026-12-20T10:00:00+08:00", kind).await.unwrap_err();
        let details = refused.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "unit_kind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_week_is_explained() {
    let world = World::start().await;
    world.go("2026-12-08T10:00:00+08:00").await;
    let id = of(&list(&world, "2026-W49").await, "W1").obligation_id.clone();
    let message = ExplainDeadlineRequest { obligation_id: id };
    let request = world.request(Role::VillageSecretary, VILLAGE, message);
    let answer = world.deadlines().explain_deadline(request).await.unwrap().into_inner();
    let text: Vec<String> = answer.lines.into_iter().map(|line| line.text).collect();
    let text = text.join("\n");
    for part in [
        "W1 每周巡查，周期 2026-W49，应完成：巡查3次（通知规定；条款 C1",
        "起算：2026-11-30 00:00:00",
        "截止：2026-12-06 24:00，到该时刻即为超期；逾期即终结",
        "黄灯：2026-12-05 06:00:00，即起算至截止的75%处。",
        "直接责任：前园村村居支部书记，李书记",
        "结果：到期未完成",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert_eq!(answer.obligation.unwrap().state(), ObligationState::Missed);
}
