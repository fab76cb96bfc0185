//! What is not released, and what the public is not told.

use dafei_contracts::reporting::v1::{
    FilingUnit, GetReleasedTableRequest, ListExposuresRequest, ListReleasedTablesRequest, ReleaseTableRequest,
};
use dafei_kernel::{agency::Agency, role::Role};
use tonic::Code;

use crate::{
    disclosure::releasing,
    events::{Case, POLICE_STATION, fine, region},
    filing::{CENTRE, COUNTY_OFFICE, NOVEMBER, city, county, township},
    filing_refused::{is, why},
    world::{CITY_OFFICE, Caller, World, unit},
};

#[tokio::test]
async fn only_the_office_that_files_or_collects_a_table_releases_it() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    world.file(CENTRE, township()).await;
    let emergency = Some(Agency::EmergencyManagement);
    let cases: [(Caller<'_>, FilingUnit, &str); 8] = [
        (CENTRE, township(), "NOT_COLLECTED"),
        (CITY_OFFICE, township(), "NOT_COLLECTED"),
        ((Role::CountyCommander, "county:371302", None), county(), "NOT_COLLECTED"),
        ((Role::Admin, "city:371300", None), city(), "NOT_COLLECTED"),
        ((Role::CountyDepartment, "county:371302", emergency), county(), "NOT_COLLECTED"),
        ((Role::CountyOffice, "county:371371", None), township(), "OUT_OF_SCOPE"),
        (COUNTY_OFFICE, city(), "OUT_OF_SCOPE"),
        ((Role::VillageSecretary, "village:371302001001", None), township(), "ROLE_NOT_ALLOWED"),
    ];
    for (caller, of, reason) in cases {
        let refused = world.release(caller, of, 1).await.expect_err(reason);
        is(&refused, Code::PermissionDenied, "", reason);
    }
    assert_eq!(world.released(township()).await.expect_err("nothing is public").code(), Code::NotFound);
}

#[tokio::test]
async fn a_version_is_released_once_it_is_filed_once_and_never_after_a_newer_one() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    let release = async |version| world.release(COUNTY_OFFICE, township(), version).await;
    is(&release(1).await.expect_err("nothing is filed"), Code::FailedPrecondition, "", "NOT_FILED");
    world.file(CENTRE, township()).await;
    is(&release(2).await.expect_err("only the first is filed"), Code::FailedPrecondition, "", "NOT_FILED");
    release(1).await.expect("released");
    is(&release(1).await.expect_err("once"), Code::FailedPrecondition, "", "ALREADY_RELEASED");
    let fined = Case::open(1, "FS-2").measure(POLICE_STATION, "m1", "2026-11-12T12:00:00+08:00", fine(1_000));
    world.tell(&fined.told).await;
    world.file(CENTRE, township()).await;
    release(2).await.expect("a newer one");
    is(&release(1).await.expect_err("an older one"), Code::FailedPrecondition, "", "NEWER_RELEASED");
    is(&release(2).await.expect_err("once"), Code::FailedPrecondition, "", "ALREADY_RELEASED");
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM event_log WHERE event_type LIKE '%TableReleased'")
        .fetch_one(&world.db.pool)
        .await
        .expect("a count");
    assert_eq!(told, 2, "a refusal tells nobody");
}

#[tokio::test]
async fn a_bad_release_names_its_field() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    let good = || releasing(township(), 1);
    let cases = [
        (ReleaseTableRequest { version: 0, ..good() }, "version", "REQUIRED"),
        (ReleaseTableRequest { month: "2027-01".to_owned(), ..good() }, "month", "MONTH_IN_FUTURE"),
        (ReleaseTableRequest { month: "11".to_owned(), ..good() }, "month", "INVALID_MONTH"),
        (
            ReleaseTableRequest { unit: Some(unit("village", "township:371302001", "")), ..good() },
            "unit.kind",
            "UNKNOWN_UNIT_KIND",
        ),
        (
            ReleaseTableRequest { unit: Some(unit("township", "township:371302099", "")), ..good() },
            "unit.region",
            "UNKNOWN_REGION",
        ),
        (ReleaseTableRequest { request_id: "again".to_owned(), ..good() }, "request_id", "INVALID"),
    ];
    for (request, field, reason) in cases {
        let refused = world.try_release(COUNTY_OFFICE, request).await.expect_err(reason);
        is(&refused, Code::InvalidArgument, field, reason);
    }
    world.file(CENTRE, township()).await;
    let request = good();
    world.try_release(COUNTY_OFFICE, request.clone()).await.expect("released");
    let other = ReleaseTableRequest { version: 2, ..request };
    let refused = world.try_release(COUNTY_OFFICE, other).await.expect_err("another content");
    assert_eq!(why(&refused).2, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn the_public_is_told_what_is_wrong_and_nothing_below_a_county() {
    let world = World::start().await;
    let good = ListExposuresRequest::default;
    let cases = [
        (ListExposuresRequest { region: Some(region("township:371302001")), ..good() }, "region", "NOT_DISCLOSED"),
        (ListExposuresRequest { region: Some(region("county:371399")), ..good() }, "region", "UNKNOWN_REGION"),
        (ListExposuresRequest { sector: "fishing".to_owned(), ..good() }, "sector", "UNKNOWN_SECTOR"),
        (ListExposuresRequest { page_size: -1, ..good() }, "page_size", "INVALID_PAGE_SIZE"),
        (ListExposuresRequest { page_token: "x".to_owned(), ..good() }, "page_token", "INVALID_PAGE_TOKEN"),
    ];
    for (request, field, reason) in cases {
        let refused = world.public().list_exposures(request).await.expect_err(reason);
        is(&refused, Code::InvalidArgument, field, reason);
    }
    let good = ListReleasedTablesRequest::default;
    let cases = [
        (ListReleasedTablesRequest { month: "2026-13".to_owned(), ..good() }, "month", "INVALID_MONTH"),
        (ListReleasedTablesRequest { region: Some(region("county:371399")), ..good() }, "region", "UNKNOWN_REGION"),
        (ListReleasedTablesRequest { page_token: "x".to_owned(), ..good() }, "page_token", "INVALID_PAGE_TOKEN"),
    ];
    for (request, field, reason) in cases {
        let refused = world.public().list_released_tables(request).await.expect_err(reason);
        is(&refused, Code::InvalidArgument, field, reason);
    }
    let request = GetReleasedTableRequest { unit: Some(township()), month: String::new() };
    let refused = world.public().get_released_table(request).await.expect_err("which month");
    is(&refused, Code::InvalidArgument, "month", "REQUIRED");
    let request = GetReleasedTableRequest { unit: Some(township()), month: NOVEMBER.to_owned() };
    let refused = world.public().get_released_table(request).await.expect_err("not released");
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn a_token_that_the_public_made_up_is_told_so() {
    let world = World::start().await;
    let asked = ListExposuresRequest::default();
    for day in ["yesterday", "2026-11-31", "-009999-01-01", "a\0"] {
        let page_token = dafei_shell::paging::encode(&(day, uuid::Uuid::nil()), &asked);
        let request = ListExposuresRequest { page_token, ..asked.clone() };
        let refused = world.public().list_exposures(request).await.expect_err(day);
        is(&refused, Code::InvalidArgument, "page_token", "INVALID_PAGE_TOKEN");
    }
}
