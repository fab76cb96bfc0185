//! Who may see which table, and what is refused.

use dafei_contracts::reporting::v1::{FilingUnit, ListCellFactsRequest};
use dafei_kernel::{agency::Agency, role::Role};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::world::{CITY_OFFICE, World, unit};

const NOVEMBER: &str = "2026-11";

fn township() -> FilingUnit {
    unit("township", "township:371302001", "")
}

/// Field and reason of the first violation, with the status of a refusal.
pub(crate) fn violation(status: &Status) -> (Code, String, String) {
    let details = status.get_error_details();
    let field = details.bad_request().and_then(|bad| bad.field_violations.first()).map(|first| first.field.clone());
    let reason = details.error_info().map(|info| info.reason.clone());
    assert!(details.localized_message().is_some(), "a clerk is told in Chinese: {status:?}");
    (status.code(), field.unwrap_or_default(), reason.unwrap_or_default())
}

#[tokio::test]
async fn a_post_sees_the_units_of_its_region_and_no_others() {
    let world = World::start().await;
    let county = || unit("county-office", "county:371302", "");
    let zone = || unit("township", "township:371311004", "");
    let allowed = [
        ((Role::TownshipCentre, "township:371302001", None), township()),
        ((Role::TownshipAgency, "township:371302001", Some(Agency::PublicSecurity)), township()),
        ((Role::CountyOffice, "county:371302", None), township()),
        ((Role::CountyDepartment, "county:371302", Some(Agency::EmergencyManagement)), county()),
        // Administered by the zone, though coded under 371311.
        ((Role::CountyOffice, "county:371371", None), zone()),
        (CITY_OFFICE, county()),
    ];
    for (caller, unit) in allowed {
        assert!(world.try_table(caller, unit.clone(), NOVEMBER).await.is_ok(), "{caller:?} {unit:?}");
    }
    let refused = [
        ((Role::TownshipCentre, "township:371302002", None), township(), "OUT_OF_SCOPE"),
        ((Role::TownshipCentre, "township:371302001", None), county(), "OUT_OF_SCOPE"),
        ((Role::CountyOffice, "county:371311", None), zone(), "OUT_OF_SCOPE"),
        ((Role::CountyOffice, "county:371302", None), unit("city-office", "city:371300", ""), "OUT_OF_SCOPE"),
        ((Role::GridMember, "village:371302001001", None), township(), "ROLE_NOT_ALLOWED"),
        ((Role::Bank, "city:371300", None), township(), "ROLE_NOT_ALLOWED"),
    ];
    for (caller, unit, reason) in refused {
        let status = world.try_table(caller, unit.clone(), NOVEMBER).await.expect_err("out of scope");
        let (code, _, why) = violation(&status);
        assert_eq!((code, why.as_str()), (Code::PermissionDenied, reason), "{caller:?} {unit:?}");
    }
    let status = world.anonymous(township(), NOVEMBER).await.expect_err("no token");
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_bad_request_names_its_field() {
    let world = World::start().await;
    let cases = [
        (township(), "", "month", "REQUIRED"),
        (township(), "2026-13", "month", "INVALID_MONTH"),
        (township(), "2026-1", "month", "INVALID_MONTH"),
        (township(), "十一月", "month", "INVALID_MONTH"),
        (township(), "2026-12", "month", "MONTH_IN_FUTURE"),
        (unit("township", "township:371302999", ""), NOVEMBER, "unit.region", "UNKNOWN_REGION"),
        (unit("township", "township:37130", ""), NOVEMBER, "unit.region.code", "INVALID_REGION_CODE"),
        (unit("township", "county:371302", ""), NOVEMBER, "unit.region", "WRONG_LEVEL"),
        (unit("village", "township:371302001", ""), NOVEMBER, "unit.kind", "UNKNOWN_UNIT_KIND"),
        (unit("", "township:371302001", ""), NOVEMBER, "unit.kind", "REQUIRED"),
        (unit("county-department", "county:371302", ""), NOVEMBER, "unit.agency", "REQUIRED"),
        (unit("county-department", "county:371302", "navy"), NOVEMBER, "unit.agency", "UNKNOWN_AGENCY"),
        (unit("county-office", "county:371302", "transport"), NOVEMBER, "unit.agency", "NOT_ALLOWED"),
    ];
    for (unit, month, field, reason) in cases {
        let status = world.try_table(CITY_OFFICE, unit.clone(), month).await.expect_err("a bad request");
        let expected = (Code::InvalidArgument, field.to_owned(), reason.to_owned());
        assert_eq!(violation(&status), expected, "{unit:?} {month}");
    }
}

#[tokio::test]
async fn a_month_that_has_just_begun_has_an_empty_table() {
    let world = World::start().await;
    world.clock.set("2026-12-01T00:00:00+08:00".parse().expect("an instant"));
    let table = world.table(township(), "2026-12").await;
    assert!(table.total.is_some_and(|row| row.values.iter().all(|value| *value == 0)));
}

#[tokio::test]
async fn a_bad_list_of_facts_names_its_field() {
    let world = World::start().await;
    let good = ListCellFactsRequest {
        unit: Some(township()),
        month: NOVEMBER.to_owned(),
        column: 2,
        ..ListCellFactsRequest::default()
    };
    assert!(world.facts(good.clone()).await.is_ok());
    let cases = [
        (ListCellFactsRequest { column: 0, ..good.clone() }, "column"),
        (ListCellFactsRequest { column: 13, ..good.clone() }, "column"),
        (ListCellFactsRequest { sector: "magic".to_owned(), ..good.clone() }, "sector"),
        (ListCellFactsRequest { page_size: -1, ..good.clone() }, "page_size"),
        (ListCellFactsRequest { page_token: "x".to_owned(), ..good.clone() }, "page_token"),
        (ListCellFactsRequest { unit: None, ..good }, "unit"),
    ];
    for (request, field) in cases {
        let status = world.facts(request).await.expect_err("a bad request");
        assert_eq!(violation(&status).1, field);
    }
}
