//! What is not drawn and what is not recorded of spot checks.

use dafei_contracts::reporting::v1::{
    CheckOutcome, DrawSampleRequest, ListSamplesRequest, RecordSpotCheckRequest, SampleKind,
};
use dafei_kernel::role::Role;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    events::region,
    filing::{CENTRE, COUNTY_OFFICE},
    filing_refused::{is, why},
    spot_checks::{CITY, COUNTY, LOTTERY, checking, drawing, villages},
    world::{CITY_OFFICE, Caller, World},
};

#[tokio::test]
async fn only_the_city_s_office_draws_and_records() {
    let world = villages().await;
    let sample = world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Village, LOTTERY, 2)).await.expect("drawn");
    let others: [Caller<'_>; 4] =
        [COUNTY_OFFICE, CENTRE, (Role::Auditor, CITY, None), (Role::VillageSecretary, "village:371302001001", None)];
    for caller in others {
        let refused = world.draw(caller, drawing(COUNTY, SampleKind::Village, "another seed", 2)).await;
        is(&refused.expect_err("not drawn"), Code::PermissionDenied, "", "ROLE_NOT_ALLOWED");
        let check = checking(&sample, 1, CheckOutcome::InOrder, "2026-11-30T12:00:00+08:00");
        let refused = world.check(caller, check).await.expect_err("not recorded");
        is(&refused, Code::PermissionDenied, "", "ROLE_NOT_ALLOWED");
    }
    let secretary = (Role::VillageSecretary, "village:371302001001", None);
    let refused = world.sample(secretary, &sample).await.expect_err("not seen");
    is(&refused, Code::PermissionDenied, "", "ROLE_NOT_ALLOWED");
    let elsewhere = (Role::TownshipCentre, "township:371311004", None);
    assert_eq!(world.sample(elsewhere, &sample).await.expect_err("another's").code(), Code::NotFound);
    let request = ListSamplesRequest { region: Some(region(CITY)), ..ListSamplesRequest::default() };
    let refused =
        world.spot_checks().list_samples(world.request(COUNTY_OFFICE, request)).await.expect_err("the city's");
    is(&refused, Code::PermissionDenied, "", "OUT_OF_SCOPE");
    let refused = world.population(COUNTY_OFFICE, &sample).await.expect_err("nobody was there yet");
    is(&refused, Code::FailedPrecondition, "", "SAMPLE_NOT_CHECKED");
}

#[tokio::test]
async fn a_seed_is_used_once_for_a_region_and_kind() {
    let world = villages().await;
    let first = drawing(COUNTY, SampleKind::Village, LOTTERY, 2);
    let sample = world.draw(CITY_OFFICE, first.clone()).await.expect("drawn");
    let spaced = format!("  {LOTTERY} ");
    for (seed, size) in [(LOTTERY, 2), (LOTTERY, 3), (spaced.as_str(), 2)] {
        let refused = world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Village, seed, size)).await;
        let refused = refused.expect_err("drawn already");
        is(&refused, Code::FailedPrecondition, "", "SEED_USED");
        let details = refused.get_error_details();
        let subject = &details.precondition_failure().expect("what is in the way").violations[0].subject;
        assert_eq!(*subject, format!("sample/{}", sample.sample_id), "the sample that was drawn with it");
    }
    assert_eq!(world.draw(CITY_OFFICE, first).await.expect("told again"), sample);
    world.draw(CITY_OFFICE, drawing(CITY, SampleKind::Village, LOTTERY, 2)).await.expect("another region");
    let refused = world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Case, LOTTERY, 2)).await.expect_err("no case");
    is(&refused, Code::FailedPrecondition, "", "NOTHING_TO_DRAW");
}

#[tokio::test]
async fn a_bad_draw_names_its_field() {
    let world = villages().await;
    let good = || drawing(COUNTY, SampleKind::Village, LOTTERY, 2);
    let cases = [
        (DrawSampleRequest { seed: "12345".to_owned(), ..good() }, "seed", "TOO_SHORT"),
        (DrawSampleRequest { seed: "1".repeat(101), ..good() }, "seed", "TOO_LONG"),
        (DrawSampleRequest { seed: String::new(), ..good() }, "seed", "REQUIRED"),
        (DrawSampleRequest { size: 0, ..good() }, "size", "OUT_OF_RANGE"),
        (DrawSampleRequest { size: 501, ..good() }, "size", "OUT_OF_RANGE"),
        (DrawSampleRequest { kind: 0, ..good() }, "kind", "REQUIRED"),
        (DrawSampleRequest { kind: 9, ..good() }, "kind", "UNKNOWN_KIND"),
        (DrawSampleRequest { region: Some(region("village:371302001001")), ..good() }, "region", "WRONG_LEVEL"),
        (DrawSampleRequest { region: Some(region("county:371399")), ..good() }, "region", "UNKNOWN_REGION"),
        (DrawSampleRequest { request_id: String::new(), ..good() }, "request_id", "REQUIRED"),
    ];
    for (request, field, reason) in cases {
        is(&world.draw(CITY_OFFICE, request).await.expect_err(reason), Code::InvalidArgument, field, reason);
    }
    let drawn: i64 =
        sqlx::query_scalar("SELECT count(*) FROM spot_sample").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(drawn, 0);
}

#[tokio::test]
async fn a_bad_check_names_its_field_and_leaves_nothing() {
    let world: World = villages().await;
    let sample = world.draw(CITY_OFFICE, drawing(COUNTY, SampleKind::Village, LOTTERY, 2)).await.expect("drawn");
    world.december(2, "09:00:00");
    let good = || checking(&sample, 1, CheckOutcome::Problem, "2026-12-01T10:00:00+08:00");
    let at = |text: &str| Some(text.parse::<dafei_kernel::time::Instant>().expect("an instant").into());
    let cases = [
        (RecordSpotCheckRequest { checked_at: at("2026-11-30T11:59:59+08:00"), ..good() }, "checked_at", "BEFORE_DRAW"),
        (
            RecordSpotCheckRequest { checked_at: at("2026-12-02T09:00:01+08:00"), ..good() },
            "checked_at",
            "TIME_IN_FUTURE",
        ),
        (RecordSpotCheckRequest { checked_at: None, ..good() }, "checked_at", "REQUIRED"),
        (RecordSpotCheckRequest { note: " ".to_owned(), ..good() }, "note", "REQUIRED"),
        (RecordSpotCheckRequest { note: "长".repeat(1_001), ..good() }, "note", "TOO_LONG"),
        (RecordSpotCheckRequest { number: 3, ..good() }, "number", "UNKNOWN_NUMBER"),
        (RecordSpotCheckRequest { number: 0, ..good() }, "number", "UNKNOWN_NUMBER"),
        (RecordSpotCheckRequest { means: 0, ..good() }, "means", "REQUIRED"),
        (RecordSpotCheckRequest { outcome: 9, ..good() }, "outcome", "UNKNOWN_OUTCOME"),
        (RecordSpotCheckRequest { sample_id: "1".to_owned(), ..good() }, "sample_id", "INVALID"),
    ];
    for (request, field, reason) in cases {
        is(&world.check(CITY_OFFICE, request).await.expect_err(reason), Code::InvalidArgument, field, reason);
    }
    let unknown = RecordSpotCheckRequest { sample_id: crate::filing::id(), ..good() };
    assert_eq!(why(&world.check(CITY_OFFICE, unknown).await.expect_err("no such sample")).0, Code::NotFound);
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM spot_check").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!(kept, 0);
}
