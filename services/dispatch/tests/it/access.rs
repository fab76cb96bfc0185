//! Who may do what where and when: each refusal has its code, its stable reason and a sentence for clerks.

use dafei_contracts::{
    dispatch::v1 as api,
    timestamp::Timestamp,
    types::v1::{self as types, ResultKind},
};
use dafei_kernel::{agency::Agency, clock::Clock, role::Role};
use jiff::SignedDuration;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::suite::{
    CITY, COUNTY, OTHER_COUNTY, OTHER_TOWNSHIP, OTHER_VILLAGE, Suite, TOWNSHIP, VILLAGE, WORK_AREA, fine, lead, new_id,
    wire_region,
};

/// The stable reason of a refusal, which always comes with words for clerks.
pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let words = details.localized_message().expect("words for clerks");
    assert!(words.locale == "zh-CN" && !words.message.is_empty(), "{status:?}");
    details.error_info().expect("a reason").reason.clone()
}

fn field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    details.bad_request().expect("a field").field_violations[0].field.clone()
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("refused");
    (status.code(), reason(&status))
}

fn pair(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_post_whose_step_it_is_may_do_it() {
    let suite = Suite::start().await;
    let case = suite.escalated().await;
    let role = pair(Code::PermissionDenied, "ROLE_NOT_ALLOWED");
    let scope = pair(Code::PermissionDenied, "OUT_OF_SCOPE");
    assert_eq!(refused(suite.office().instruct(case, Agency::Postal).await), role);
    assert_eq!(refused(suite.centre().assign(case).await), role);
    assert_eq!(refused(suite.admin().feed_back(case).await), role);
    let elsewhere = suite.caller(Role::TownshipCentre, OTHER_TOWNSHIP, None);
    assert_eq!(refused(elsewhere.escalate(case).await), scope);
    let other_office = suite.caller(Role::CountyOffice, OTHER_COUNTY, None);
    assert_eq!(refused(other_office.assign(case).await), scope);
    let propose = api::ProposeDepartmentRequest { case_id: case.to_string() };
    assert_eq!(refused(other_office.county().propose_department(propose).await), scope);
    let assigned = suite.office().assign(case).await.expect("assigned");
    let id = &lead(&assigned).instruction_id;
    let others = [
        (suite.department(Agency::Energy), "WRONG_AGENCY"),
        (suite.caller(Role::CountyDepartment, OTHER_COUNTY, Some(Agency::EmergencyManagement)), "OUT_OF_SCOPE"),
        (suite.station(Agency::EmergencyManagement), "WRONG_LEVEL"),
    ];
    for (other, why) in &others {
        let not_its = pair(Code::PermissionDenied, why);
        assert_eq!(refused(other.read(id).await), not_its);
        assert_eq!(refused(other.accept(id).await), not_its);
        assert_eq!(refused(other.respond(id).await), not_its);
        assert_eq!(refused(other.decline(id, "规定").await), not_its);
        assert_eq!(refused(other.submit(id, ResultKind::Final, Vec::new()).await), not_its);
        assert!(other.inbox().await.is_empty());
    }
    assert_eq!(refused(suite.office().respond(id).await), role);
    assert_eq!(refused(suite.department(Agency::Energy).register(Agency::Energy, COUNTY).await), role);
    let untouched = suite.admin().case(case).await.expect("the case");
    assert_eq!(untouched.version, assigned.version, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_seen_where_it_lies_and_above() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    let sees = [
        (Role::VillageSecretary, VILLAGE),
        (Role::WorkAreaSecretary, WORK_AREA),
        (Role::TownshipPrincipal, TOWNSHIP),
        (Role::CountyCommander, COUNTY),
        (Role::CityOffice, CITY),
        (Role::Auditor, CITY),
    ];
    for (role, region) in sees {
        suite.caller(role, region, None).case(case).await.unwrap_or_else(|status| panic!("{role}: {status}"));
    }
    let blind = [
        (Role::VillageSecretary, OTHER_VILLAGE),
        (Role::TownshipCentre, OTHER_TOWNSHIP),
        (Role::CountyOffice, OTHER_COUNTY),
    ];
    for (role, region) in blind {
        let status = suite.caller(role, region, None).case(case).await.expect_err("out of scope");
        assert_eq!((status.code(), reason(&status)), pair(Code::PermissionDenied, "OUT_OF_SCOPE"), "{role}");
    }
    let bank = suite.caller(Role::Bank, CITY, None);
    assert_eq!(refused(bank.case(case).await), pair(Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    let unknown = suite.admin().case(Uuid::nil()).await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_out_of_order_is_refused_with_the_state_that_stands_against_it() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    let wrong = |reason: &str| pair(Code::FailedPrecondition, reason);
    let (centre, office) = (suite.centre(), suite.office());
    assert_eq!(refused(centre.accept_result(case).await), wrong("NO_RESULT_YET"));
    assert_eq!(refused(office.assign(case).await), wrong("NOT_ESCALATED"));
    assert_eq!(refused(office.feed_back(case).await), wrong("NOT_ESCALATED"));
    centre.escalate(case).await.expect("escalated");
    let status = centre.instruct(case, Agency::PublicSecurity).await.expect_err("gone up");
    assert_eq!(reason(&status), "ALREADY_ESCALATED");
    let details = status.get_error_details();
    let violation = &details.precondition_failure().expect("which").violations[0];
    assert_eq!(violation.subject, "case/AT_OFFICE");
    assert_eq!(refused(office.feed_back(case).await), wrong("NO_RESULT_YET"));
    let assigned = office.assign(case).await.expect("assigned");
    assert_eq!(refused(office.assign(case).await), wrong("ALREADY_ASSIGNED"));
    let department = suite.department(Agency::EmergencyManagement);
    let id = &lead(&assigned).instruction_id;
    department.respond(id).await.expect("a plan");
    assert_eq!(refused(department.respond(id).await), wrong("ALREADY_RESPONDED"));
    department.submit(id, ResultKind::Final, Vec::new()).await.expect("a result");
    assert_eq!(refused(department.decline(id, "规定").await), wrong("INSTRUCTION_DONE"));
    assert_eq!(refused(department.respond(id).await), wrong("INSTRUCTION_DONE"));
    assert_eq!(refused(department.submit(id, ResultKind::Interim, Vec::new()).await), wrong("RESULT_ALREADY_FINAL"));
    office.feed_back(case).await.expect("fed back");
    assert_eq!(refused(office.feed_back(case).await), wrong("OUTCOME_AVAILABLE"));
    let nobody = department.respond(&new_id()).await.expect_err("unknown");
    assert_eq!(nobody.code(), Code::NotFound);
    assert_eq!(centre.escalate(Uuid::nil()).await.expect_err("unknown").code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_wrong_is_named() {
    let suite = Suite::start().await;
    let assigned = suite.assigned().await;
    let id = &lead(&assigned).instruction_id;
    let department = suite.department(Agency::EmergencyManagement);
    let now = suite.clock.now();
    let zero = department.submit(id, ResultKind::Final, vec![fine("1", 5, now), fine("2", 0, now)]).await;
    assert_eq!(field(&zero.expect_err("zero")), "measures[1].fine.amount_fen");
    let ahead = fine("1", 5, now + SignedDuration::from_mins(6));
    let ahead = department.submit(id, ResultKind::Final, vec![ahead]).await.expect_err("the future");
    assert_eq!((field(&ahead), reason(&ahead)), ("measures[0].decided_at".to_owned(), "TIME_IN_FUTURE".to_owned()));
    for seconds in [i64::MIN, -62_135_596_801, 253_402_300_800] {
        let decided_at = Some(Timestamp { seconds, nanos: 0 });
        let measure = types::Measure { decided_at, ..fine("1", 5, now) };
        let refused = department.submit(id, ResultKind::Final, vec![measure]).await.expect_err("no instant");
        assert_eq!((refused.code(), field(&refused)), (Code::InvalidArgument, "measures[0].decided_at".to_owned()));
    }
    let many = (0..51).map(|n| fine(&n.to_string(), 5, now)).collect();
    let many = department.submit(id, ResultKind::Final, many).await;
    assert_eq!(field(&many.expect_err("51 measures")), "measures");
    let unspecified = department.submit(id, ResultKind::Unspecified, Vec::new()).await;
    assert_eq!(field(&unspecified.expect_err("no kind")), "kind");
    let long = api::RespondRequest { request_id: new_id(), instruction_id: id.clone(), plan: "长".repeat(2_001) };
    let long = department.agency().respond(long).await.expect_err("too long");
    assert_eq!((field(&long), reason(&long)), ("plan".to_owned(), "TOO_LONG".to_owned()));
    let no_id =
        api::RespondRequest { request_id: String::new(), instruction_id: id.clone(), plan: "到场".to_owned() };
    assert_eq!(field(&department.agency().respond(no_id).await.expect_err("no request id")), "request_id");
    let case = suite.escalated().await;
    let assign = |lead: &str, co_handlers: &[&str]| api::AssignDepartmentRequest {
        request_id: new_id(),
        case_id: case.to_string(),
        lead: lead.to_owned(),
        co_handlers: co_handlers.iter().map(|code| (*code).to_owned()).collect(),
        deviation_reason: String::new(),
        text: "依法查处".to_owned(),
        expected_version: 0,
    };
    let office = suite.office();
    let mut county = office.county();
    assert_eq!(field(&county.assign_department(assign("police", &[])).await.expect_err("unknown")), "lead");
    assert_eq!(
        field(&county.assign_department(assign("transport", &[])).await.expect_err("no reason")),
        "deviation_reason"
    );
    let twice = county.assign_department(assign("", &["energy", "energy"])).await.expect_err("twice");
    assert_eq!(field(&twice), "co_handlers[1]");
    let instruct = api::InstructAgencyRequest {
        request_id: new_id(),
        case_id: "7".to_owned(),
        agency: "postal".to_owned(),
        text: "立即查处".to_owned(),
        expected_version: 0,
    };
    let mut township = suite.centre().township();
    assert_eq!(field(&township.instruct_agency(instruct).await.expect_err("no id")), "case_id");
    let list = api::ListCasesRequest { region: Some(wire_region(TOWNSHIP)), states: vec![99], ..Default::default() };
    assert_eq!(field(&suite.admin().cases().list_cases(list).await.expect_err("no state")), "states[0]");
    let register = suite.admin().register(Agency::Postal, VILLAGE).await;
    assert_eq!(field(&register.expect_err("a village")), "region");
    let register = suite.admin().register(Agency::Postal, "county:371399").await.expect_err("unknown");
    assert_eq!((field(&register), reason(&register)), ("region".to_owned(), "UNKNOWN_REGION".to_owned()));
}
