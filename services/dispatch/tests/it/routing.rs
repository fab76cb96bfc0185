//! The routing table and the townships' authority: replaced by RPC, checked, tried out and explained.

mod shadow;

use dafei_contracts::{dispatch::v1 as api, types::v1 as types};
use dafei_dispatch::{app::RulesView, config};
use dafei_kernel::{agency::Agency, clock::Clock, industry::Industry, role::Role};
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    access::reason,
    suite::{CITY, COUNTY, Caller, OTHER_COUNTY, Suite, TOWNSHIP, VILLAGE, enterprise, lead, new_id, wire_region},
};

/// The default table under a new version, with one text replaced by another.
fn changed(version: &str, from: &str, to: &str) -> String {
    let table = config::ROUTING.replacen("\"version\": \"2026.1\"", &format!("\"version\": \"{version}\""), 1);
    assert!(table.contains(from), "{from}");
    table.replacen(from, to, 1)
}

/// A table by which everything that has no rule of its own in hazardous chemicals goes to the police.
fn police_first(version: &str) -> String {
    changed(version, "\"id\": \"hc\", \"acts\": [\"HC-*\"], \"lead\": \"emergency-management\"", HC_TO_POLICE)
}

const HC_TO_POLICE: &str = "\"id\": \"hc\", \"acts\": [\"HC-*\"], \"lead\": \"public-security\"";

/// A county's own table.
fn own(version: &str, rest: &str) -> String {
    format!(r#"{{"version": "{version}", "checked_on": "2026-11-20", {rest}}}"#)
}

fn den_of(industry: Industry) -> types::Subject {
    let den = types::Den { place: "河滩旧料场".to_owned(), position: None, industry: industry.code().to_owned() };
    types::Subject { kind: Some(types::subject::Kind::Den(den)) }
}

async fn replace(caller: &Caller, expected: i64, text: &str) -> Result<api::RoutingText, Status> {
    let request =
        api::ReplaceRoutingTableRequest { request_id: new_id(), expected_revision: expected, text: text.to_owned() };
    Ok(caller.routing().replace_routing_table(request).await?.into_inner().table.expect("a table"))
}

async fn replace_county(caller: &Caller, county: &str, expected: i64, text: &str) -> Result<api::RoutingText, Status> {
    let request = api::ReplaceCountyRoutingRequest {
        request_id: new_id(),
        county: Some(wire_region(county)),
        expected_revision: expected,
        text: text.to_owned(),
    };
    Ok(caller.routing().replace_county_routing(request).await?.into_inner().table.expect("a table"))
}

async fn in_force(caller: &Caller, county: Option<&str>) -> Result<api::RoutingText, Status> {
    let request = api::GetRoutingTableRequest { county: county.map(wire_region), version: String::new() };
    Ok(caller.routing().get_routing_table(request).await?.into_inner().table.expect("a table"))
}

async fn explain(
    caller: &Caller,
    about: api::explain_route_request::About,
) -> Result<api::ExplainRouteResponse, Status> {
    Ok(caller.routing().explain_route(api::ExplainRouteRequest { about: Some(about) }).await?.into_inner())
}

fn question(act: &str, industry: &str, county: &str) -> api::explain_route_request::About {
    api::explain_route_request::About::Question(api::RouteQuestion {
        act: act.to_owned(),
        industry: industry.to_owned(),
        county: Some(wire_region(county)),
        ..Default::default()
    })
}

/// Rule and version by which a case was assigned, as its history has them.
async fn routed_by(suite: &Suite, case: &api::Case) -> (String, String) {
    let history = suite.admin().history(case.case_id.parse().expect("an id")).await;
    let assigned = history.iter().rev().find(|item| item.r#type.ends_with("DepartmentInstructed")).expect("assigned");
    let payload: Value = serde_json::from_str(&assigned.payload_json).expect("JSON");
    let text = |name: &str| payload[name].as_str().expect("a text").to_owned();
    (text("routeRule"), text("routeVersion"))
}

fn agency(instruction: &api::Instruction) -> &str {
    instruction.post.as_ref().map_or("", |post| post.agency.as_str())
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("refused");
    (status.code(), reason(&status))
}

fn violations(status: &Status) -> Vec<(String, String)> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let fields = &details.bad_request().expect("fields").field_violations;
    fields.iter().map(|one| (one.field.clone(), one.reason.clone())).collect()
}

fn pair(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_table_governs_the_next_assignment_and_a_case_keeps_the_rule_and_version_of_its_own() {
    let suite = Suite::start().await;
    let before = suite.assigned().await;
    assert_eq!(agency(lead(&before)), Agency::EmergencyManagement.code());
    let waiting = suite.escalated().await;
    let office = suite.caller(Role::CityOffice, CITY, None);
    let text = police_first("2026.2");
    let replaced = replace(&office, 1, &text).await.expect("replaced");
    assert_eq!((replaced.version.as_str(), replaced.revision, &replaced.text), ("2026.2", 2, &text));
    let after = suite.office().assign(waiting).await.expect("assigned");
    assert_eq!(agency(lead(&after)), Agency::PublicSecurity.code());
    assert_eq!(routed_by(&suite, &after).await, ("hc".to_owned(), "2026.2".to_owned()));
    assert_eq!(routed_by(&suite, &before).await, ("hc".to_owned(), "2026.1".to_owned()));
    let request = api::ProposeDepartmentRequest { case_id: before.case_id };
    let proposed = suite.office().county().propose_department(request).await.expect("a proposal").into_inner();
    assert_eq!((proposed.lead.as_str(), proposed.version.as_str()), ("public-security", "2026.2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_says_who_put_which_text_in_force_and_when() {
    let suite = Suite::start().await;
    let office = suite.caller(Role::CityOffice, CITY, None);
    let first = in_force(&suite.caller(Role::GridMember, VILLAGE, None), None).await.expect("readable by case readers");
    assert_eq!((first.version.as_str(), first.revision, first.text.as_str()), ("2026.1", 1, config::ROUTING));
    assert_eq!((first.replaced_by, first.account.as_str()), (None, ""));
    suite.advance(jiff::SignedDuration::from_hours(1));
    replace(&office, 1, &police_first("2026.2")).await.expect("replaced");
    let request = api::ListRoutingVersionsRequest { page_size: 1, ..Default::default() };
    let page = suite.centre().routing().list_routing_versions(request.clone()).await.expect("a page").into_inner();
    let [newest] = page.versions.as_slice() else { panic!("{page:?}") };
    assert_eq!((newest.version.as_str(), newest.text.as_str()), ("2026.2", ""));
    assert_eq!(newest.in_force_since, Some(suite.clock.now().into()));
    let by = newest.replaced_by.as_ref().expect("a post");
    assert_eq!((by.role.as_str(), newest.account.as_str()), ("city-office", "city-office@city:371300"));
    let request = api::ListRoutingVersionsRequest { page_token: page.next_page_token, ..request };
    let page = suite.centre().routing().list_routing_versions(request).await.expect("a page").into_inner();
    assert_eq!(page.versions[0].version, "2026.1");
    let request = api::GetRoutingTableRequest { version: "2026.1".to_owned(), ..Default::default() };
    let old = suite.office().routing().get_routing_table(request).await.expect("kept").into_inner();
    assert_eq!(old.table.expect("a table").text, config::ROUTING);
    let bank = suite.caller(Role::Bank, CITY, None);
    assert_eq!(refused(in_force(&bank, None).await), pair(Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    assert_eq!(in_force(&office, Some(COUNTY)).await.expect_err("none of its own").code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_table_is_told_all_its_problems_and_changes_nothing() {
    let suite = Suite::start().await;
    let admin = suite.admin();
    let broken = changed("2026.2", "[\"FW-3\"]", "[\"FW-77\"]").replacen("[\"coal\"]", "[\"gold\"]", 1);
    let request = api::CheckRoutingTableRequest { county: None, text: broken.clone() };
    let told = admin.routing().check_routing_table(request).await.expect("checked").into_inner().problems;
    let places: Vec<_> = told.iter().map(|problem| (problem.place.as_str(), problem.reason.as_str())).collect();
    let expected =
        [("rules[fw-transport].acts", "UNKNOWN_ACT"), ("rules[mi-coal-resource].industries", "UNKNOWN_INDUSTRY")];
    assert_eq!(places, expected);
    assert!(told.iter().all(|problem| !problem.description_zh.is_empty() && !problem.detail.is_empty()));
    let status = replace(&admin, 1, &broken).await.expect_err("refused");
    let expected = expected.map(|(place, reason)| (format!("text/{place}"), reason.to_owned()));
    assert_eq!(violations(&status), expected);
    let stranger = changed("2026.2", "\"counties\": {}", "\"counties\": {\"371399\": {}}");
    let status = replace(&admin, 1, &stranger).await.expect_err("refused");
    assert_eq!(violations(&status), [("text/counties[371399]".to_owned(), "UNKNOWN_COUNTY".to_owned())]);
    let sound = api::CheckRoutingTableRequest { county: None, text: police_first("2026.2") };
    let told = admin.routing().check_routing_table(sound).await.expect("checked").into_inner();
    assert_eq!(told.problems, []);
    assert_eq!(in_force(&admin, None).await.expect("a table").revision, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_names_the_revision_it_replaces_a_new_version_and_is_done_once() {
    let suite = Suite::start().await;
    let admin = suite.admin();
    let request =
        api::ReplaceRoutingTableRequest { request_id: new_id(), expected_revision: 1, text: police_first("2026.2") };
    let first = admin.routing().replace_routing_table(request.clone()).await.expect("replaced").into_inner();
    let again = admin.routing().replace_routing_table(request.clone()).await.expect("the first answer").into_inner();
    assert_eq!(first, again);
    let other = api::ReplaceRoutingTableRequest { text: police_first("2026.3"), ..request };
    let reused = admin.routing().replace_routing_table(other).await;
    assert_eq!(refused(reused), pair(Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let stale = replace(&admin, 1, &police_first("2026.3")).await;
    assert_eq!(refused(stale), pair(Code::Aborted, "VERSION_CONFLICT"));
    let status = replace(&admin, 2, &police_first("2026.1")).await.expect_err("used before");
    assert_eq!(violations(&status), [("text/version".to_owned(), "VERSION_USED".to_owned())]);
    let status = replace(&admin, -1, &police_first("2026.3")).await.expect_err("negative");
    assert_eq!(violations(&status), [("expected_revision".to_owned(), "INVALID".to_owned())]);
    let status = replace(&admin, 2, "").await.expect_err("empty");
    assert_eq!(violations(&status), [("text".to_owned(), "REQUIRED".to_owned())]);
    let city = suite.caller(Role::CityOffice, CITY, None);
    let (this, that) = (police_first("2026.3"), police_first("2026.4"));
    let (one, other) = tokio::join!(replace(&admin, 2, &this), replace(&city, 2, &that));
    let lost = one.and(other).expect_err("of two at one time one wins");
    assert_eq!((lost.code(), reason(&lost)), pair(Code::Aborted, "VERSION_CONFLICT"));
    assert_eq!(in_force(&admin, None).await.expect("a table").revision, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_countys_own_rules_and_stand_ins_are_replaced_by_its_office_alone() {
    let suite = Suite::start().await;
    let text = own(
        "lanshan.1",
        r#""stand_ins": {"market-regulation": "fire-rescue"}, "rules": [
            {"id": "lanshan-chemicals", "acts": ["HC-3"], "lead": "usual",
             "co_handlers": ["market-regulation", "transport"], "basis": "本区分工"}]"#,
    );
    let stranger = suite.caller(Role::CountyOffice, OTHER_COUNTY, None);
    let refusal = replace_county(&stranger, COUNTY, 0, &text).await;
    assert_eq!(refused(refusal), pair(Code::PermissionDenied, "OUT_OF_SCOPE"));
    let refusal = replace(&suite.office(), 1, &police_first("2026.2")).await;
    assert_eq!(refused(refusal), pair(Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    let refusal = replace_county(&suite.centre(), COUNTY, 0, &text).await;
    assert_eq!(refused(refusal), pair(Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    let refusal = replace(&suite.caller(Role::Admin, COUNTY, None), 1, &police_first("2026.2")).await;
    assert_eq!(refused(refusal), pair(Code::PermissionDenied, "OUT_OF_SCOPE"));
    let status = replace_county(&suite.office(), TOWNSHIP, 0, &text).await.expect_err("no county");
    assert_eq!(violations(&status), [("county".to_owned(), "UNKNOWN_COUNTY".to_owned())]);
    let missing =
        own("lanshan.1", r#""stand_ins": {"postal": "energy", "energy": "transport", "coal-mine-safety": null}"#);
    let status = replace_county(&suite.office(), COUNTY, 0, &missing).await.expect_err("broken");
    let place = |agency: &str| format!("text/stand_ins[{agency}]");
    let expected =
        [(place("coal-mine-safety"), "STAND_IN_REQUIRED".to_owned()), (place("postal"), "STAND_IN_MISSING".to_owned())];
    assert_eq!(violations(&status), expected);
    let replaced = replace_county(&suite.office(), COUNTY, 0, &text).await.expect("replaced");
    assert_eq!((replaced.revision, replaced.county), (1, Some(wire_region(COUNTY))));
    let case = suite.assigned().await;
    let agencies: Vec<_> = case.instructions.iter().map(agency).collect();
    assert_eq!(agencies, ["emergency-management", "fire-rescue", "transport"]);
    assert_eq!(routed_by(&suite, &case).await, ("lanshan-chemicals".to_owned(), "2026.1+lanshan.1".to_owned()));
    let elsewhere = explain(&suite.admin(), question("HC-3", "", OTHER_COUNTY)).await.expect("explained");
    assert_eq!(elsewhere.route.expect("a route").rule, "hc");
    let own_text = in_force(&suite.station(Agency::PublicSecurity), Some(COUNTY)).await.expect("its own");
    assert_eq!(own_text.version, "lanshan.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_countys_rule_that_stands_behind_its_own_is_refused_at_its_place() {
    let suite = Suite::start().await;
    let rules = r#""rules": [{"id": "all", "acts": ["*"], "lead": "energy", "basis": "b"},
                             {"id": "idle", "acts": ["FW-1"], "lead": "energy", "basis": "b"}]"#;
    let status = replace_county(&suite.office(), COUNTY, 0, &own("v", rules)).await.expect_err("broken");
    assert_eq!(violations(&status), [("text/rules[idle]".to_owned(), "UNREACHABLE_RULE".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_explained_by_its_rule_its_basis_those_before_it_and_the_townships_authority() {
    let suite = Suite::start().await;
    replace_county(&suite.office(), COUNTY, 0, &own("v1", r#""stand_ins": {"postal": "transport"}"#))
        .await
        .expect("ok");
    let case = suite.report_on(den_of(Industry::PostalExpress)).await;
    let about = api::explain_route_request::About::CaseId(case.to_string());
    let told = explain(&suite.centre(), about.clone()).await.expect("explained");
    let route = told.route.expect("a route");
    assert_eq!((route.lead.as_str(), route.rule.as_str()), ("transport", "postal-parcels"));
    assert_eq!(route.co_handlers, ["public-security", "emergency-management"]);
    assert_eq!((route.enforcement.as_str(), route.version.as_str()), ("transport", "2026.1+v1"));
    assert_eq!((told.basis.as_str(), told.checked_on.as_str()), ("邮政法；快递暂行条例", "2026-11-23"));
    let stand_in = api::AppliedStandIn { missing: "postal".to_owned(), stand_in: "transport".to_owned() };
    assert_eq!(told.stand_ins, [stand_in]);
    assert!(told.within_township_authority && told.authority_entry == "default.den[*]");
    assert_eq!((told.passed.len(), told.township_agencies.len()), (0, 14));
    let sand = explain(&suite.office(), question("MI-1", "water-works", COUNTY)).await.expect("explained");
    assert_eq!(sand.route.expect("a route").lead, "water-resources");
    let why = |rule: &str, misfit: api::RouteMisfit| api::PassedRule { rule: rule.to_owned(), misfit: misfit.into() };
    assert!(sand.passed.contains(&why("fw", api::RouteMisfit::Act)));
    assert!(sand.passed.contains(&why("mi-coal-resource", api::RouteMisfit::Industry)));
    assert!(sand.passed.contains(&why("regulator", api::RouteMisfit::Subject)));
    let stranger = suite.caller(Role::CountyOffice, OTHER_COUNTY, None);
    assert_eq!(refused(explain(&stranger, about).await), pair(Code::PermissionDenied, "OUT_OF_SCOPE"));
    let refusal = explain(&stranger, question("MI-1", "", COUNTY)).await;
    assert_eq!(refused(refusal), pair(Code::PermissionDenied, "OUT_OF_SCOPE"));
    for (about, field) in [
        (question("MI-77", "", COUNTY), "question.act"),
        (question("MI-1", "gold", COUNTY), "question.industry"),
        (question("MI-1", "", TOWNSHIP), "question.county"),
    ] {
        assert_eq!(violations(&explain(&suite.admin(), about).await.expect_err("wrong"))[0].0, field);
    }
    let nothing = suite.admin().routing().explain_route(api::ExplainRouteRequest { about: None }).await;
    assert_eq!(violations(&nothing.expect_err("nothing asked"))[0].0, "about");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_countys_own_authority_says_what_its_townships_may_do_and_which_agencies_they_have() {
    let suite = Suite::start().await;
    let case = suite.report_on(enterprise(Agency::MarketRegulation)).await;
    let refusal = suite.centre().instruct(case, Agency::MarketRegulation).await;
    assert_eq!(refused(refusal), pair(Code::FailedPrecondition, "OUTSIDE_AUTHORITY"));
    let text = r#"{"version": "lanshan.1", "den": ["*"], "enterprise": ["HC-3"], "agencies": ["market-regulation"]}"#;
    let request = |county: &str, text: &str| api::ReplaceTownshipAuthorityRequest {
        request_id: new_id(),
        county: Some(wire_region(county)),
        expected_revision: 0,
        text: text.to_owned(),
    };
    let stranger = suite.caller(Role::CountyOffice, OTHER_COUNTY, None);
    let refusal = stranger.routing().replace_township_authority(request(COUNTY, text)).await;
    assert_eq!(refused(refusal), pair(Code::PermissionDenied, "OUT_OF_SCOPE"));
    let broken = text.replacen("HC-3", "HC-77", 1);
    let check = api::CheckTownshipAuthorityRequest { county: Some(wire_region(COUNTY)), text: broken.clone() };
    let told = suite.office().routing().check_township_authority(check).await.expect("checked").into_inner().problems;
    assert_eq!((told[0].place.as_str(), told[0].reason.as_str()), ("enterprise", "UNKNOWN_ACT"));
    let status = suite.office().routing().replace_township_authority(request(COUNTY, &broken)).await;
    assert_eq!(violations(&status.expect_err("broken"))[0], ("text/enterprise".to_owned(), "UNKNOWN_ACT".to_owned()));
    suite.office().routing().replace_township_authority(request(COUNTY, text)).await.expect("replaced");
    let about = api::explain_route_request::About::CaseId(case.to_string());
    let told = explain(&suite.centre(), about).await.expect("explained");
    assert!(told.within_township_authority);
    assert_eq!(told.authority_entry, "counties[371302].enterprise[HC-3]");
    assert_eq!(told.authority_version, "2026.1+lanshan.1");
    assert_eq!(told.township_agencies, ["market-regulation"]);
    let refusal = suite.centre().instruct(case, Agency::Transport).await;
    assert_eq!(refused(refusal), pair(Code::InvalidArgument, "AGENCY_NOT_IN_TOWNSHIP"));
    suite.centre().instruct(case, Agency::MarketRegulation).await.expect("within the authority now");
    let get = api::GetTownshipAuthorityRequest { county: Some(wire_region(COUNTY)), version: String::new() };
    let kept = suite.centre().routing().get_township_authority(get).await.expect("kept").into_inner();
    assert_eq!(kept.authority.expect("a text").text, text);
    let list = api::ListAuthorityVersionsRequest { county: Some(wire_region(COUNTY)), ..Default::default() };
    let versions = suite.office().routing().list_authority_versions(list).await.expect("a page").into_inner().versions;
    assert_eq!(versions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_follows_a_replacement_and_a_restart_takes_the_file_only_when_its_version_is_new() {
    let suite = Suite::start().await;
    let pool = &suite.db.pool;
    let start = suite.clock.now();
    let open = async |text: String| RulesView::open(pool, &text, config::AUTHORITY, start).await;
    let replica = open(config::ROUTING.to_owned()).await.expect("opened");
    replace(&suite.admin(), 1, &police_first("2026.2")).await.expect("replaced");
    let version = async |view: &RulesView| {
        let mut conn = pool.acquire().await.expect("a connection");
        view.refresh(&mut conn).await.expect("rules").routing.version().to_owned()
    };
    assert_eq!(version(&replica).await, "2026.2", "it was told nothing");
    let restarted = open(config::ROUTING.to_owned()).await.expect("opened");
    assert_eq!(version(&restarted).await, "2026.2", "the file's version was in force before: the database's holds");
    let newer = open(police_first("2027.1")).await.expect("opened");
    assert_eq!(version(&newer).await, "2027.1", "the file is newer");
    assert_eq!(version(&replica).await, "2027.1");
    let text = in_force(&suite.admin(), None).await.expect("a table");
    assert_eq!((text.revision, text.replaced_by), (3, None));
    let other = open(config::ROUTING.replacen("本通知二", "通知二", 1)).await.expect_err("another text");
    assert!(other.to_string().contains("2026.1"), "{other}");
    let broken = open(changed("2028.1", "[\"FW-3\"]", "[\"FW-77\"]")).await.expect_err("a broken file does not start");
    assert!(format!("{broken:#}").contains("FW-77"), "{broken:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_table_with_control_characters_keeps_no_replica_from_starting_and_no_office_hands_in_another() {
    let suite = Suite::start().await;
    let (pool, start) = (&suite.db.pool, suite.clock.now());
    let text = |version: &str| changed(version, "邮政法；快递暂行条例\"", "邮政法\\u0007\"");
    // As an older release put it in force.
    RulesView::open(pool, &text("2027.1"), config::AUTHORITY, start).await.expect("opened");
    RulesView::open(pool, config::ROUTING, config::AUTHORITY, start).await.expect("opened again");
    assert_eq!(in_force(&suite.admin(), None).await.expect("a table").version, "2027.1");
    let status = replace(&suite.admin(), 2, &text("2027.2")).await.expect_err("refused");
    assert_eq!(violations(&status), [("text/rules[postal-parcels].basis".to_owned(), "INVALID".to_owned())]);
}
