//! Which open cases a table would send elsewhere, before it is put in force.

use dafei_contracts::dispatch::v1 as api;
use dafei_kernel::{agency::Agency, industry::Industry, role::Role};
use tonic::Code;
use uuid::Uuid;

use super::{changed, den_of, in_force, own, pair, police_first, refused, violations};
use crate::suite::{CITY, COUNTY, Caller, OTHER_COUNTY, Suite, enterprise, wire_region};

/// All moves of a shadow check, page by page, and how many cases were looked at.
async fn shadow(caller: &Caller, county: Option<&str>, text: &str) -> (Vec<api::RouteMove>, u32, usize) {
    let (mut moves, mut looked_at, mut pages, mut page_token) = (Vec::new(), 0, 0, String::new());
    loop {
        let request = api::ShadowRoutingTableRequest {
            county: county.map(wire_region),
            text: text.to_owned(),
            page_size: 1,
            page_token,
        };
        let page = caller.routing().shadow_routing_table(request).await.expect("a page").into_inner();
        moves.extend(page.moves);
        looked_at += page.looked_at;
        pages += 1;
        if page.next_page_token.is_empty() {
            return (moves, looked_at, pages);
        }
        page_token = page.next_page_token;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shadow_check_finds_exactly_the_open_cases_that_would_go_elsewhere() {
    let suite = Suite::start().await;
    let general = suite.report().await;
    let parcel = suite.report_on(den_of(Industry::PostalExpress)).await;
    let regulated = suite.report_on(enterprise(Agency::Education)).await;
    let closed = suite.report().await;
    sqlx::query("UPDATE case_file SET closed = true WHERE id = $1")
        .bind(closed)
        .execute(&suite.db.pool)
        .await
        .expect("closed");
    let office = suite.caller(Role::CityOffice, CITY, None);
    let (moves, looked_at, pages) = shadow(&office, None, &police_first("2026.2")).await;
    assert_eq!((looked_at, pages), (3, 4), "a page for each open case, and the empty one");
    // The parcel has the usual lead beside it; the enterprise keeps its regulator and has another who may punish.
    let mut found: Vec<Uuid> = moves.iter().map(|one| one.case_id.parse().expect("an id")).collect();
    found.sort_unstable();
    let mut expected = vec![general, parcel, regulated];
    expected.sort_unstable();
    assert_eq!(found, expected);
    let one = moves.iter().find(|one| one.case_id == general.to_string()).expect("the den");
    let (now, then) = (one.now.as_ref().expect("now"), one.then.as_ref().expect("then"));
    assert_eq!((now.lead.as_str(), now.version.as_str()), ("emergency-management", "2026.1"));
    assert_eq!((then.lead.as_str(), then.version.as_str()), ("public-security", "2026.2"));
    let only_parcels = changed(
        "2026.2",
        "\"lead\": \"postal\", \"co_handlers\": [\"public-security\", \"usual\"]",
        "\"lead\": \"postal\", \"co_handlers\": [\"usual\"]",
    );
    let (moves, _, _) = shadow(&office, None, &only_parcels).await;
    assert_eq!(moves.iter().map(|one| one.case_id.clone()).collect::<Vec<_>>(), [parcel.to_string()]);
    let (moves, looked_at, _) = shadow(&suite.office(), Some(COUNTY), &own("v", r#""rules": []"#)).await;
    assert_eq!((moves, looked_at), (Vec::new(), 3));
    let elsewhere = suite.caller(Role::CountyOffice, OTHER_COUNTY, None);
    let rules = r#""stand_ins": {"emergency-management": "energy"}"#;
    assert_eq!(shadow(&elsewhere, Some(OTHER_COUNTY), &own("v", rules)).await.1, 0, "no case of that county");
    let (moves, _, _) = shadow(&suite.office(), Some(COUNTY), &own("v", rules)).await;
    assert_eq!(moves.len(), 3, "the stand-in takes part in each");
    let request = api::ShadowRoutingTableRequest { text: "{".to_owned(), ..Default::default() };
    let status = office.routing().shadow_routing_table(request.clone()).await.expect_err("broken");
    assert_eq!(violations(&status), [("text".to_owned(), "MALFORMED".to_owned())]);
    let refusal = suite.office().routing().shadow_routing_table(request).await;
    assert_eq!(refused(refusal), pair(Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    assert_eq!(in_force(&office, None).await.expect("a table").revision, 1, "nothing has changed");
}
