//! What is not corrected and not filed.

use dafei_contracts::reporting::v1::{FileTableRequest, FilingUnit, GetFiledTableRequest, ListFilingsRequest};
use dafei_kernel::{agency::Agency, role::Role};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    events::{Case, POLICE_STATION, fine},
    filing::{CENTRE, COUNTY_OFFICE, NOVEMBER, city, correction, county, department, filing, id, township},
    world::{CITY_OFFICE, Caller, World, unit},
};

/// Code, field or subject, and reason of a refusal.
pub(crate) fn why(status: &Status) -> (Code, String, String) {
    let details = status.get_error_details();
    let field = details.bad_request().and_then(|bad| bad.field_violations.first()).map(|first| first.field.clone());
    assert!(details.localized_message().is_some(), "a clerk is told in Chinese: {status:?}");
    (status.code(), field.unwrap_or_default(), details.error_info().map(|info| info.reason.clone()).unwrap_or_default())
}

pub(crate) fn is(status: &Status, code: Code, field: &str, reason: &str) {
    assert_eq!(why(status), (code, field.to_owned(), reason.to_owned()), "{status:?}");
}

#[tokio::test]
async fn only_a_unit_s_own_post_corrects_and_files() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    let police = Some(Agency::PublicSecurity);
    let cases: [(Caller<'_>, FilingUnit, &str); 7] = [
        (COUNTY_OFFICE, township(), "NOT_OWN_UNIT"),
        (CITY_OFFICE, county(), "NOT_OWN_UNIT"),
        ((Role::TownshipAgency, "township:371302001", police), township(), "NOT_OWN_UNIT"),
        ((Role::CountyDepartment, "county:371302", police), department(), "NOT_OWN_UNIT"),
        ((Role::TownshipCentre, "township:371302002", None), township(), "OUT_OF_SCOPE"),
        ((Role::CountyOffice, "county:371311", None), county(), "OUT_OF_SCOPE"),
        ((Role::GridMember, "village:371302001001", None), township(), "ROLE_NOT_ALLOWED"),
    ];
    for (caller, unit, reason) in cases {
        let refused = world.try_file(caller, filing(unit.clone(), "any")).await.expect_err("not its own");
        is(&refused, Code::PermissionDenied, "", reason);
        let refused = world.correct(caller, correction(unit, "", 11, 1, "原因")).await.expect_err("not its own");
        is(&refused, Code::PermissionDenied, "", reason);
    }
}

#[tokio::test]
async fn a_month_is_filed_once_it_has_ended_and_exists() {
    let world = World::start().await;
    let digest = world.draft(CENTRE, township()).await.expect("a draft of a month that goes on").digest;
    let refused = world.try_file(CENTRE, filing(township(), &digest)).await.expect_err("it has not ended");
    is(&refused, Code::FailedPrecondition, "", "MONTH_NOT_ENDED");
    for (month, reason) in [("2026-12", "MONTH_IN_FUTURE"), ("2026-13", "INVALID_MONTH"), ("", "REQUIRED")] {
        let request = FileTableRequest { month: month.to_owned(), ..filing(township(), &digest) };
        is(&world.try_file(CENTRE, request).await.expect_err(month), Code::InvalidArgument, "month", reason);
    }
    // 24:00 of the last day.
    world.december(1, "00:00:00");
    world.try_file(CENTRE, filing(township(), &digest)).await.expect("it has ended");
}

#[tokio::test]
async fn the_same_is_filed_once_and_only_what_was_looked_at() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    let digest = world.draft(CENTRE, township()).await.expect("a draft").digest;
    let request = filing(township(), &digest);
    let first = world.try_file(CENTRE, request.clone()).await.expect("filed");
    assert_eq!(world.try_file(CENTRE, request).await.expect("the same call"), first);
    let twice = world.try_file(CENTRE, filing(township(), &digest)).await.expect_err("nothing has changed");
    is(&twice, Code::FailedPrecondition, "", "ALREADY_FILED");

    let fined = Case::open(1, "FS-2").measure(POLICE_STATION, "m1", "2026-11-12T12:00:00+08:00", fine(1_000));
    world.tell(&fined.told).await;
    let stale = world.try_file(CENTRE, filing(township(), &digest)).await.expect_err("it is another by now");
    is(&stale, Code::FailedPrecondition, "", "DRAFT_CHANGED");
    let versions: i64 =
        sqlx::query_scalar("SELECT count(*) FROM filed_table").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(versions, 1, "a refusal leaves nothing behind");
}

#[tokio::test]
async fn a_bad_correction_names_its_field_and_leaves_nothing() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    let long = "长".repeat(501);
    let cases = [
        (correction(township(), "", 11, 5, " "), "reason", "REQUIRED"),
        (correction(township(), "", 11, 5, &long), "reason", "TOO_LONG"),
        (correction(township(), "", 11, 5, "a\0"), "reason", "INVALID"),
        (correction(township(), "", 11, -1, "原因"), "amount", "BELOW_ZERO"),
        (correction(township(), "", 11, i64::MAX, "原因"), "amount", "OUT_OF_RANGE"),
        (correction(township(), "", 13, 1, "原因"), "column", "UNKNOWN_COLUMN"),
        (correction(township(), "fishing", 11, 1, "原因"), "sector", "UNKNOWN_SECTOR"),
        (correction(unit("village", "township:371302001", ""), "", 11, 1, "原因"), "unit.kind", "UNKNOWN_UNIT_KIND"),
    ];
    for (request, field, reason) in cases {
        is(&world.correct(CENTRE, request).await.expect_err(reason), Code::InvalidArgument, field, reason);
    }
    let mut request = correction(township(), "", 11, 1, "原因");
    request.request_id = "again".to_owned();
    let status = world.correct(CENTRE, request).await.expect_err("no request id");
    assert_eq!((status.code(), why(&status).1), (Code::InvalidArgument, "request_id".to_owned()));
    assert!(world.draft(CENTRE, township()).await.expect("a draft").corrections.is_empty());
}

#[tokio::test]
async fn what_does_not_exist_is_said_so() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    let nobody = unit("county-department", "county:371302", "postal");
    is(
        &world.draft(CITY_OFFICE, nobody).await.expect_err("no such post"),
        Code::InvalidArgument,
        "unit.agency",
        "UNKNOWN_UNIT",
    );
    let nowhere = unit("township", "township:371302099", "");
    is(
        &world.draft(CITY_OFFICE, nowhere).await.expect_err("no such region"),
        Code::InvalidArgument,
        "unit.region",
        "UNKNOWN_REGION",
    );
    let message = GetFiledTableRequest { unit: Some(township()), month: NOVEMBER.to_owned(), version: 1 };
    let status =
        world.filings().get_filed_table(world.request(CITY_OFFICE, message)).await.expect_err("nothing is filed");
    assert_eq!(status.code(), Code::NotFound);
    let list = |unit, states| ListFilingsRequest {
        unit: Some(unit),
        month: NOVEMBER.to_owned(),
        states,
        ..Default::default()
    };
    for (request, field, reason) in
        [(list(township(), vec![]), "unit.kind", "NO_OFFICE"), (list(city(), vec![9]), "states", "UNKNOWN_STATE")]
    {
        let status = world.filings().list_filings(world.request(CITY_OFFICE, request)).await.expect_err(reason);
        is(&status, Code::InvalidArgument, field, reason);
    }
    let mut request = filing(township(), "");
    is(
        &world.try_file(CENTRE, request.clone()).await.expect_err("no digest"),
        Code::InvalidArgument,
        "draft_digest",
        "REQUIRED",
    );
    (request.draft_digest, request.filled_in_by, request.request_id) = ("x".to_owned(), String::new(), id());
    assert_eq!(why(&world.try_file(CENTRE, request).await.expect_err("nobody filled it in")).1, "filled_in_by");
}

#[tokio::test]
async fn a_draft_whose_rows_and_totals_do_not_fit_is_neither_shown_nor_filed() {
    let world = World::start().await;
    let case = Case::open(1, "MI-1").measure(POLICE_STATION, "m1", "2026-11-12T12:00:00+08:00", fine(500_000));
    world.tell(&case.told).await;
    world.december(2, "09:00:00");
    let draft_digest = world.draft(CENTRE, township()).await.expect("a draft").digest;
    sqlx::query("UPDATE cell SET value = value + 1").execute(&world.db.pool).await.expect("changed");
    assert_eq!(world.draft(CENTRE, township()).await.expect_err("an alarm").code(), Code::Internal);
    let filed = world.try_file(CENTRE, filing(township(), &draft_digest)).await;
    assert_eq!(filed.expect_err("an alarm").code(), Code::Internal);
}
