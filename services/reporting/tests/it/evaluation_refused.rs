//! What is not opened, scored, closed or seen.

use dafei_contracts::reporting::v1::{CloseEvaluationRequest, OpenEvaluationRequest, Points, SubmitSheetRequest};
use dafei_kernel::{agency::Agency, role::Role};
use tonic::{Code, Status};

use crate::{
    evaluation::{EMERGENCY, OTHER_CENTRE, POLICE, QUARTER, closing, opening, sheet, wire},
    events::region,
    filing::{CENTRE, COUNTY_OFFICE},
    filing_refused::is,
    world::{CITY_OFFICE, Caller, World},
};

const FOREIGN_OFFICE: Caller<'static> = (Role::CountyOffice, "county:371311", None);
const FOREIGN_CENTRE: Caller<'static> = (Role::TownshipCentre, "township:371311004", None);
const MEMBER: Caller<'static> = (Role::GridMember, "village:371302001001", None);
const COMMANDER: Caller<'static> = (Role::CountyCommander, "county:371302", None);

fn denied(status: &Status, reason: &str) {
    is(status, Code::PermissionDenied, "", reason);
}

fn stands(status: &Status, reason: &str) {
    is(status, Code::FailedPrecondition, "", reason);
}

async fn opened() -> World {
    let world = World::start().await;
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    world
}

#[tokio::test]
async fn only_the_county_s_own_office_opens_and_closes() {
    let world = World::start().await;
    for (caller, reason) in [
        (CITY_OFFICE, "NOT_OWN_OFFICE"),
        (POLICE, "NOT_OWN_OFFICE"),
        (CENTRE, "NOT_OWN_OFFICE"),
        (FOREIGN_OFFICE, "OUT_OF_SCOPE"),
        (MEMBER, "ROLE_NOT_ALLOWED"),
    ] {
        denied(&world.open(caller, opening()).await.expect_err(reason), reason);
        denied(&world.close(caller, closing(false)).await.expect_err(reason), reason);
    }
}

#[tokio::test]
async fn a_round_is_of_a_county_and_of_a_quarter_that_has_begun_and_is_opened_once() {
    let world = opened().await;
    let of = |county: &str, quarter: &str| OpenEvaluationRequest {
        county: Some(region(county)),
        quarter: quarter.to_owned(),
        ..opening()
    };
    for (request, field, reason) in [
        (of("county:371302", "2027-Q1"), "quarter", "QUARTER_IN_FUTURE"),
        (of("county:371302", "2026-11"), "quarter", "INVALID_QUARTER"),
        (of("county:371302", ""), "quarter", "REQUIRED"),
        (of("city:371300", QUARTER), "county.level", "WRONG_LEVEL"),
        (of("county:371399", QUARTER), "county", "UNKNOWN_REGION"),
        (OpenEvaluationRequest { county: None, ..opening() }, "county", "REQUIRED"),
    ] {
        let refused = world.open(COUNTY_OFFICE, request).await.expect_err(reason);
        is(&refused, Code::InvalidArgument, field, reason);
    }
    stands(&world.open(COUNTY_OFFICE, opening()).await.expect_err("once"), "ALREADY_OPENED");
    let empty = of("county:371311", QUARTER);
    stands(&world.open(FOREIGN_OFFICE, empty).await.expect_err("no departments"), "NOBODY_TO_EVALUATE");
    assert_eq!(world.told().await.len(), 1, "refusals tell nothing");
}

#[tokio::test]
async fn no_sheet_comes_before_the_opening_or_after_the_closing() {
    let world = World::start().await;
    stands(&world.submit(CENTRE, sheet(POLICE, 80, "")).await.expect_err("not yet"), "NOT_OPENED");
    let missing = world.evaluation(COUNTY_OFFICE).await.expect_err("no round");
    assert_eq!(missing.code(), Code::NotFound);
    stands(&world.close(COUNTY_OFFICE, closing(false)).await.expect_err("no round"), "NOT_OPENED");
    world.open(COUNTY_OFFICE, opening()).await.expect("opened");
    world.score_all().await;
    world.at("2027-01-02T09:00:00");
    world.close(COUNTY_OFFICE, closing(false)).await.expect("closed");
    stands(&world.submit(CENTRE, sheet(POLICE, 80, "")).await.expect_err("too late"), "EVALUATION_CLOSED");
    stands(&world.close(COUNTY_OFFICE, closing(false)).await.expect_err("once"), "EVALUATION_CLOSED");
    for change in [
        "UPDATE evaluation_sheet SET total = 100",
        "DELETE FROM evaluation_sheet",
        "UPDATE evaluation SET results = ''",
        "DELETE FROM evaluation",
        "INSERT INTO evaluation_pair VALUES ('371302', '2026-Q4', 'a', 'b')",
        "UPDATE evaluation_pair SET evaluated = 'x'",
    ] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(change)).execute(&world.db.pool).await.expect_err(change);
        assert!(refused.to_string().contains("stay"), "{refused}");
    }
}

#[tokio::test]
async fn nobody_scores_himself_his_own_side_or_another_county() {
    let world = opened().await;
    let foreign: Caller<'_> = (Role::CountyDepartment, "county:371311", Some(Agency::PublicSecurity));
    let fire: Caller<'_> = (Role::CountyDepartment, "county:371302", Some(Agency::FireRescue));
    for (caller, evaluated, reason) in [
        (CENTRE, CENTRE, "SELF_EVALUATION"),
        (CENTRE, OTHER_CENTRE, "WRONG_DIRECTION"),
        (POLICE, EMERGENCY, "WRONG_DIRECTION"),
        (CENTRE, COUNTY_OFFICE, "WRONG_DIRECTION"),
        (CENTRE, foreign, "NOT_EVALUATED"),
        (CENTRE, fire, "NOT_EVALUATED"),
        (POLICE, FOREIGN_CENTRE, "NOT_EVALUATED"),
    ] {
        let refused = world.submit(caller, sheet(evaluated, 80, "")).await.expect_err(reason);
        is(&refused, Code::InvalidArgument, "evaluated", reason);
    }
    for (caller, evaluated, reason) in [
        (COUNTY_OFFICE, POLICE, "NOT_EVALUATOR"),
        (COMMANDER, POLICE, "NOT_EVALUATOR"),
        (fire, CENTRE, "NOT_EVALUATOR"),
        (FOREIGN_CENTRE, POLICE, "OUT_OF_SCOPE"),
        (foreign, CENTRE, "OUT_OF_SCOPE"),
        (MEMBER, POLICE, "ROLE_NOT_ALLOWED"),
    ] {
        denied(&world.submit(caller, sheet(evaluated, 80, "")).await.expect_err(reason), reason);
    }
    let nobody = SubmitSheetRequest { evaluated: None, ..sheet(POLICE, 80, "") };
    is(&world.submit(CENTRE, nobody).await.expect_err("whom"), Code::InvalidArgument, "evaluated", "REQUIRED");
    assert_eq!(world.evaluation(COUNTY_OFFICE).await.expect("a round").submitted, 0);
}

#[tokio::test]
async fn a_sheet_has_each_criterion_once_within_its_points_and_a_word_below_the_mark() {
    let world = opened().await;
    let with = |change: fn(&mut Vec<Points>)| {
        let mut request = sheet(POLICE, 80, "");
        change(&mut request.points);
        request
    };
    for (request, field, reason) in [
        (with(|points| points[0].points = 21), "points[0].points", "OUT_OF_RANGE"),
        (with(|points| points[2].criterion = "smile".to_owned()), "points[2].criterion", "UNKNOWN_CRITERION"),
        (with(|points| points[2].criterion = "response".to_owned()), "points[2].criterion", "DUPLICATE_CRITERION"),
        (with(|points| points.truncate(5)), "points", "CRITERION_MISSING"),
        (with(Vec::clear), "points", "CRITERION_MISSING"),
        (sheet(POLICE, 59, " "), "remark", "REMARK_REQUIRED"),
        (sheet(POLICE, 59, &"迟".repeat(501)), "remark", "TOO_LONG"),
    ] {
        let refused = world.submit(CENTRE, request).await.expect_err(reason);
        is(&refused, Code::InvalidArgument, field, reason);
    }
    let again = SubmitSheetRequest { request_id: "again".to_owned(), ..sheet(POLICE, 80, "") };
    is(&world.submit(CENTRE, again).await.expect_err("no id"), Code::InvalidArgument, "request_id", "INVALID");
    world.submit(CENTRE, sheet(POLICE, 60, "")).await.expect("the mark itself needs no word");
    world.submit(CENTRE, sheet(POLICE, 59, "迟到两次")).await.expect("a word is enough");
}

#[tokio::test]
async fn a_round_is_closed_when_its_quarter_has_ended_and_with_missing_sheets_only_after_the_limit() {
    let world = opened().await;
    world.score_all().await;
    world.at("2026-12-31T23:59:59.999999");
    stands(&world.close(COUNTY_OFFICE, closing(true)).await.expect_err("it goes on"), "QUARTER_NOT_ENDED");
    let other = opened().await;
    other.at("2027-01-15T23:59:59.999999");
    stands(&other.close(COUNTY_OFFICE, closing(false)).await.expect_err("missing"), "SHEETS_MISSING");
    stands(&other.close(COUNTY_OFFICE, closing(true)).await.expect_err("too early"), "LIMIT_NOT_PASSED");
    other.at("2027-01-16T00:00:00");
    stands(&other.close(COUNTY_OFFICE, closing(false)).await.expect_err("not said"), "SHEETS_MISSING");
    other.close(COUNTY_OFFICE, closing(true)).await.expect("closed");
    let reused = CloseEvaluationRequest { without_missing: true, ..closing(false) };
    stands(&other.close(COUNTY_OFFICE, reused).await.expect_err("once"), "EVALUATION_CLOSED");
}

#[tokio::test]
async fn others_than_those_concerned_see_nothing() {
    let world = opened().await;
    for caller in [FOREIGN_OFFICE, FOREIGN_CENTRE] {
        denied(&world.evaluation(caller).await.expect_err("another county"), "OUT_OF_SCOPE");
        denied(&world.sheets(caller, None).await.expect_err("another county"), "OUT_OF_SCOPE");
        denied(&world.missing(caller).await.expect_err("another county"), "OUT_OF_SCOPE");
    }
    let auditor: Caller<'_> = (Role::Auditor, "township:371302001", None);
    denied(&world.evaluation(auditor).await.expect_err("an auditor of one township"), "OUT_OF_SCOPE");
    denied(&world.sheets(COMMANDER, None).await.expect_err("no sheets"), "ROLE_NOT_ALLOWED");
    denied(&world.evaluation(MEMBER).await.expect_err("no table either"), "ROLE_NOT_ALLOWED");
    let mut post = wire(POLICE);
    post.role = "chief".to_owned();
    let request = SubmitSheetRequest { evaluated: Some(post), ..sheet(POLICE, 80, "") };
    let refused = world.submit(CENTRE, request).await.expect_err("no role");
    is(&refused, Code::InvalidArgument, "evaluated.role", "UNKNOWN_ROLE");
}
