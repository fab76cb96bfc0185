//! Lists: by region and state, in pages, with tokens that belong to their list.

use dafei_contracts::dispatch::v1::{self as api, CaseState};
use dafei_kernel::{agency::Agency, role::Role};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::{
    access::reason,
    suite::{CITY, COUNTY, Caller, OTHER_COUNTY, OTHER_VILLAGE, Suite, TOWNSHIP, VILLAGE, WORK_AREA, wire_region},
};

pub(crate) async fn list(caller: &Caller, region: &str, states: &[CaseState], page_size: i32) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let request = api::ListCasesRequest {
            region: Some(wire_region(region)),
            states: states.iter().map(|state| i32::from(*state)).collect(),
            page_size,
            page_token: token,
            filter: None,
        };
        let page = caller.cases().list_cases(request).await.expect("a page").into_inner();
        pages.push(page.cases.iter().map(|case| case.case_id.clone()).collect());
        token = page.next_page_token;
        if token.is_empty() {
            return pages;
        }
    }
}

fn texts(cases: &[Uuid]) -> Vec<String> {
    cases.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_listed_newest_first_by_region_and_state_in_pages() {
    let suite = Suite::start().await;
    let mut cases = Vec::new();
    for _ in 0..5 {
        cases.push(suite.report().await);
        suite.advance(SignedDuration::from_mins(1));
    }
    suite.centre().escalate(cases[1]).await.expect("escalated");
    suite.centre().escalate(cases[3]).await.expect("escalated");
    cases.reverse();
    let admin = suite.admin();
    for region in [CITY, COUNTY, TOWNSHIP, VILLAGE, WORK_AREA] {
        let pages = list(&admin, region, &[], 2).await;
        assert_eq!(pages.concat(), texts(&cases), "{region}");
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1], "{region}");
        let at_office = list(&admin, region, &[CaseState::AtOffice], 50).await.concat();
        assert_eq!(at_office, texts(&[cases[1], cases[3]]), "{region}");
        let closed = list(&admin, region, &[CaseState::AtOffice, CaseState::Closed], 50).await.concat();
        assert_eq!(closed, at_office, "{region}");
    }
    assert!(list(&admin, OTHER_COUNTY, &[], 2).await.concat().is_empty());
    assert!(list(&admin, OTHER_VILLAGE, &[], 2).await.concat().is_empty());
    let centre = suite.centre();
    let above = api::ListCasesRequest { region: Some(wire_region(COUNTY)), ..Default::default() };
    let above = centre.cases().list_cases(above).await.expect_err("above its region");
    assert_eq!(reason(&above), "OUT_OF_SCOPE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_list_is_refused() {
    let suite = Suite::start().await;
    suite.report().await;
    suite.report().await;
    let admin = suite.admin();
    let request = |region: &str, page_token: String| api::ListCasesRequest {
        region: Some(wire_region(region)),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let page = admin.cases().list_cases(request(TOWNSHIP, String::new())).await.expect("a page").into_inner();
    let other = admin.cases().list_cases(request(COUNTY, page.next_page_token)).await.expect_err("another list");
    assert_eq!(reason(&other), "INVALID_PAGE_TOKEN");
    let negative = api::ListCasesRequest { page_size: -1, ..request(TOWNSHIP, String::new()) };
    let negative = admin.cases().list_cases(negative).await.expect_err("negative");
    assert_eq!(reason(&negative), "INVALID_PAGE_SIZE");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_has_the_units_open_instructions_oldest_first_in_pages() {
    let suite = Suite::start().await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        let case = suite.assigned().await;
        expected.push(crate::suite::lead(&case).instruction_id.clone());
        suite.advance(SignedDuration::from_mins(1));
    }
    let department = suite.department(Agency::EmergencyManagement);
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let request = api::ListInstructionsRequest { page_size: 2, page_token: token };
        let page = department.agency().list_instructions(request).await.expect("a page").into_inner();
        assert!(page.instructions.iter().all(|one| one.delivered_at.is_none()), "a list delivers nothing");
        found.extend(page.instructions.into_iter().map(|one| one.instruction_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, expected);
    department.decline(&expected[1], "职责分工规定").await.expect("returned");
    let left: Vec<_> = department.inbox().await.into_iter().map(|one| one.instruction_id).collect();
    assert_eq!(left, [expected[0].clone(), expected[2].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_comes_in_pages() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let reader = suite.caller(Role::VillageSecretary, VILLAGE, None);
    let mut sequences = Vec::new();
    let mut token = String::new();
    loop {
        let request = api::ListCaseHistoryRequest { case_id: case.case_id.clone(), page_size: 2, page_token: token };
        let page = reader.cases().list_case_history(request).await.expect("a page").into_inner();
        sequences.extend(page.items.iter().map(|item| item.sequence));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(sequences, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_narrowed_by_sector_act_source_and_time() {
    let suite = Suite::start().await;
    let (first, second) = (suite.report().await, suite.report().await);
    let later = suite.advance(jiff::SignedDuration::from_hours(1));
    let third = suite.report().await;
    let listed = async |filter: api::CaseFilter| {
        let request =
            api::ListCasesRequest { region: Some(wire_region(COUNTY)), filter: Some(filter), ..Default::default() };
        let answer = suite.office().cases().list_cases(request).await?;
        Ok::<_, tonic::Status>(answer.into_inner().cases.into_iter().map(|case| case.case_id).collect::<Vec<_>>())
    };
    let ids = |cases: &[uuid::Uuid]| cases.iter().map(ToString::to_string).collect::<Vec<_>>();
    let act = |act: &str| api::CaseFilter { act: act.to_owned(), ..Default::default() };
    assert_eq!(listed(act("HC-3")).await.expect("a list"), ids(&[third, second, first]));
    assert_eq!(listed(act("FW-1")).await.expect("a list"), [""; 0]);
    let sector = api::CaseFilter { sector: "hazardous-chemicals".to_owned(), ..Default::default() };
    assert_eq!(listed(sector).await.expect("a list").len(), 3);
    let since = api::CaseFilter { reached_from: Some(later.into()), ..act("HC-3") };
    assert_eq!(listed(since).await.expect("a list"), ids(&[third]));
    let before = api::CaseFilter { reached_before: Some(later.into()), ..Default::default() };
    assert_eq!(listed(before.clone()).await.expect("a list"), ids(&[second, first]));
    let backwards = api::CaseFilter { reached_from: Some(later.into()), ..before };
    assert_eq!(crate::access::reason(&listed(backwards).await.expect_err("refused")), "TIME_ORDER");
    let mixed = api::CaseFilter { sector: "fireworks".to_owned(), ..act("HC-3") };
    assert_eq!(crate::access::reason(&listed(mixed).await.expect_err("refused")), "ACT_NOT_OF_SECTOR");
}
