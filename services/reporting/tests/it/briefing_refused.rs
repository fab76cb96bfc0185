//! What is no briefing, and who may not release or acknowledge one: each with its own reason, and nothing is half-done.

use dafei_contracts::reporting::v1::{ListBriefingsRequest, ReleaseBriefingRequest};
use dafei_kernel::role::Role;
use tonic::{Code, Status};

use crate::{
    briefing::{PRINCIPAL, UNIT, WEEK, releasing},
    events::region,
    filing::{CENTRE, COUNTY_OFFICE},
    filing_refused::why,
    world::{CITY_OFFICE, Caller, World},
};

/// Refused with this code, and with this reason or for this field.
fn refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, what: &str) {
    let status = result.expect_err(what);
    let (told, field, reason) = why(&status);
    assert_eq!(told, code, "{what}: {status:?}");
    assert!(what == reason || what == field, "{what}: {field} {reason}");
}

#[tokio::test]
async fn no_briefing_is_made_of_such_a_unit_or_period() {
    let world = World::start().await;
    for (unit, period, reason) in [
        (UNIT, "", "REQUIRED"),
        (UNIT, "2026", "INVALID_PERIOD"),
        (UNIT, "2026-W54", "INVALID_PERIOD"),
        (UNIT, "2026-11", "NOT_A_WEEK"),
        ("county:371302", WEEK, "NOT_A_MONTH"),
        ("county:371302", "2026-Q3", "NOT_A_MONTH"),
        ("township:371302999", WEEK, "UNKNOWN_REGION"),
    ] {
        refused(world.briefing(CITY_OFFICE, unit, period).await, Code::InvalidArgument, reason);
    }
    let future = world.briefing(CITY_OFFICE, UNIT, "2026-W49").await;
    refused(future, Code::FailedPrecondition, "PERIOD_NOT_ENDED");
    let running = world.briefing(CITY_OFFICE, "county:371302", "2026-11").await;
    refused(running, Code::FailedPrecondition, "PERIOD_NOT_ENDED");
}

#[tokio::test]
async fn a_briefing_is_seen_from_its_own_region_up_and_by_nobody_below() {
    let world = World::start().await;
    let other: Caller<'_> = (Role::TownshipCentre, "township:371302002", None);
    refused(world.briefing(other, UNIT, WEEK).await, Code::PermissionDenied, "OUT_OF_SCOPE");
    let zone: Caller<'_> = (Role::CountyOffice, "county:371371", None);
    refused(world.briefing(zone, UNIT, WEEK).await, Code::PermissionDenied, "OUT_OF_SCOPE");
    for role in [Role::Bank, Role::HotlineClerk] {
        let caller: Caller<'_> = (role, "city:371300", None);
        refused(world.briefing(caller, UNIT, WEEK).await, Code::PermissionDenied, "ROLE_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn only_the_own_centre_releases_just_what_it_looked_at_once() {
    let world = World::start().await;
    let digest = world.briefing(CENTRE, UNIT, WEEK).await.expect("a draft").digest;
    for caller in [COUNTY_OFFICE, CITY_OFFICE, PRINCIPAL] {
        let result = world.try_brief(caller, releasing(UNIT, WEEK, &digest)).await;
        refused(result, Code::PermissionDenied, "NOT_OWN_UNIT");
    }
    let release = releasing(UNIT, WEEK, &digest);
    for (request, code, reason) in [
        (ReleaseBriefingRequest { draft_digest: String::new(), ..release.clone() }, Code::InvalidArgument, "REQUIRED"),
        (ReleaseBriefingRequest { request_id: "1".into(), ..release.clone() }, Code::InvalidArgument, "request_id"),
        (ReleaseBriefingRequest { remarks: "要".repeat(2001), ..release.clone() }, Code::InvalidArgument, "TOO_LONG"),
        (ReleaseBriefingRequest { remarks: "a\0".to_owned(), ..release.clone() }, Code::InvalidArgument, "INVALID"),
        (releasing(UNIT, WEEK, "another"), Code::FailedPrecondition, "DRAFT_CHANGED"),
    ] {
        refused(world.try_brief(CENTRE, request).await, code, reason);
    }
    let events: i64 =
        sqlx::query_scalar("SELECT count(*) FROM event_log").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(events, 0, "nothing is half-done");
    let first = world.try_brief(CENTRE, release.clone()).await.expect("released");
    assert_eq!(world.try_brief(CENTRE, release).await.expect("the first answer"), first);
    let twice = world.try_brief(CENTRE, releasing(UNIT, WEEK, &digest)).await;
    refused(twice, Code::FailedPrecondition, "ALREADY_RELEASED");
}

#[tokio::test]
async fn only_those_to_whom_it_is_addressed_acknowledge_it() {
    let world = World::start().await;
    world.brief(CENTRE, UNIT, WEEK).await;
    for caller in [CENTRE, CITY_OFFICE, (Role::CountyCommander, "county:371302", None)] {
        refused(world.acknowledge(caller, UNIT, WEEK).await, Code::PermissionDenied, "NOT_ADDRESSED");
    }
    let other: Caller<'_> = (Role::TownshipPrincipal, "township:371302002", None);
    refused(world.acknowledge(other, UNIT, WEEK).await, Code::PermissionDenied, "OUT_OF_SCOPE");
}

#[tokio::test]
async fn a_list_is_of_a_region_and_a_period_that_has_ended() {
    let world = World::start().await;
    let list =
        ListBriefingsRequest { region: Some(region("county:371302")), period: WEEK.to_owned(), ..Default::default() };
    for (request, code, reason) in [
        (ListBriefingsRequest { region: None, ..list.clone() }, Code::InvalidArgument, "region"),
        (ListBriefingsRequest { period: "2026-Q3".into(), ..list.clone() }, Code::InvalidArgument, "NOT_A_MONTH"),
        (
            ListBriefingsRequest { period: "2026-W49".into(), ..list.clone() },
            Code::FailedPrecondition,
            "PERIOD_NOT_ENDED",
        ),
        (ListBriefingsRequest { states: vec![9], ..list.clone() }, Code::InvalidArgument, "UNKNOWN_STATE"),
        (ListBriefingsRequest { page_size: -1, ..list.clone() }, Code::InvalidArgument, "page_size"),
        (ListBriefingsRequest { page_token: "x".into(), ..list.clone() }, Code::InvalidArgument, "page_token"),
    ] {
        refused(world.try_list_briefings(COUNTY_OFFICE, request).await, code, reason);
    }
    let zone = ListBriefingsRequest { region: Some(region("county:371371")), ..list };
    refused(world.try_list_briefings(COUNTY_OFFICE, zone).await, Code::PermissionDenied, "OUT_OF_SCOPE");
}
