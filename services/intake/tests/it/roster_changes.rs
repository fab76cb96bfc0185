//! The roster changed by RPC, read, and tried without writing (clauses B1 and D7).

use dafei_contracts::{Event, intake::v1 as api, types::v1 as types};
use dafei_kernel::role::Role;
use dafei_shell::roster::RosterView;
use tonic::{Code, Response, Status};

use crate::world::{
    ADMIN, Caller, MEMBER, OTHER_VILLAGE, SECRETARY, VILLAGE, WORK_AREA, World, fields, new_id, refused, region, wire,
};

const OFFICE: Caller = (Role::CountyOffice, "county:371302");
const OTHER_OFFICE: Caller = (Role::CountyOffice, "county:371371");
const TOWNSHIP: &str = "township:371302001";
const CODE: &str = "91350100M000100Y43";

/// A call of the roster's service.
macro_rules! call {
    ($world:expr, $caller:expr, $method:ident, $message:expr) => {
        $world.roster().$method($world.request($caller, $message)).await.map(Response::into_inner)
    };
}

fn village(code: &str, name: &str, households: u32) -> api::PutRegionRequest {
    api::PutRegionRequest {
        request_id: new_id(),
        region: Some(wire(code)),
        name: name.to_owned(),
        parent: Some(wire(TOWNSHIP)),
        work_area: String::new(),
        households,
    }
}

fn post() -> Option<types::Post> {
    Some(types::Post { role: "village-secretary".to_owned(), region: Some(wire(VILLAGE)), agency: String::new() })
}

fn instant(text: &str) -> Option<dafei_contracts::timestamp::Timestamp> {
    Some(text.parse::<dafei_kernel::time::Instant>().expect("an instant").into())
}

fn appoint(person: &str, from: &str) -> api::AppointHolderRequest {
    api::AppointHolderRequest {
        request_id: new_id(),
        post: post(),
        person: person.to_owned(),
        valid_from: instant(from),
        valid_until: None,
    }
}

fn end(person: &str, until: &str) -> api::EndTenureRequest {
    let valid_until = instant(until);
    api::EndTenureRequest { request_id: new_id(), post: post(), person: person.to_owned(), valid_until }
}

fn enterprise(code: &str, place: &str, employees: u32) -> api::PutEnterpriseRequest {
    api::PutEnterpriseRequest {
        request_id: new_id(),
        enterprise: Some(types::Enterprise {
            credit_code: code.to_owned(),
            name: "某化工公司".to_owned(),
            ..Default::default()
        }),
        region: Some(wire(place)),
        employees,
    }
}

fn remove(place: &str) -> api::RemoveRegionRequest {
    api::RemoveRegionRequest { request_id: new_id(), region: Some(wire(place)) }
}

/// The last snapshot that was announced.
async fn announced(world: &World) -> dafei_contracts::events::v1::RosterSnapshot {
    let (kind, payload): (String, Vec<u8>) =
        sqlx::query_as("SELECT event_type, payload FROM event_log ORDER BY position DESC LIMIT 1")
            .fetch_one(&world.db.pool)
            .await
            .expect("an event");
    match Event::from_json(&kind, &payload).expect("JSON").expect("known") {
        Event::RosterSnapshot(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

/// Another process on the same tables knows what this one knows.
async fn all_know_the_same(world: &World) {
    let other = RosterView::load(&world.db.pool).await.expect("loads");
    assert_eq!(other.current(), world.app().roster.current());
}

#[tokio::test]
async fn a_region_that_is_put_is_announced_with_its_township_and_known_to_other_views() {
    let world = World::start().await;
    let other = RosterView::load(&world.db.pool).await.expect("loads");
    let before = world.events().await;
    let request = village("village:371302001003", "四村", 310);
    assert!(call!(world, ADMIN, put_region, request.clone()).expect("put").changed);
    assert!(call!(world, ADMIN, put_region, request.clone()).expect("the first answer").changed);
    assert_eq!(world.events().await, before + 1, "a replay does nothing");
    let again = api::PutRegionRequest { request_id: new_id(), ..request };
    assert!(!call!(world, ADMIN, put_region, again).expect("it is so").changed);
    assert_eq!(world.events().await, before + 1);

    let snapshot = announced(&world).await;
    assert_eq!(snapshot.region, Some(wire(TOWNSHIP)));
    let told = snapshot.regions.iter().find(|entry| entry.region == Some(wire("village:371302001003"))).expect("told");
    assert_eq!((told.name.as_str(), told.households), ("四村", 310));
    other.reload(&world.db.pool).await.expect("reloads");
    assert_eq!(other.current(), world.app().roster.current());
    let read = api::GetRegionRequest { region: Some(wire("village:371302001003")) };
    assert_eq!(call!(world, MEMBER, get_region, read).expect("there").households, 310);
}

#[tokio::test]
async fn only_an_empty_region_is_removed_and_a_replay_of_it_is_answered() {
    let world = World::start().await;
    let full = call!(world, ADMIN, remove_region, remove(TOWNSHIP));
    assert_eq!(refused(full), (Code::FailedPrecondition, "NOT_EMPTY".to_owned()));
    let request = remove("village:371302002001");
    for _ in 0..2 {
        call!(world, ADMIN, remove_region, request.clone()).expect("gone");
    }
    call!(world, ADMIN, remove_region, remove("township:371302002")).expect("empty by now");
    let snapshot = announced(&world).await;
    assert_eq!((snapshot.region, snapshot.regions.len()), (Some(wire("township:371302002")), 0));
    let path = snapshot.meta.expect("meta").region_path;
    assert_eq!(path, "city:371300/county:371371/township:371302002", "where it was");
    assert!(world.app().roster.current().get(&region("township:371302002")).is_none());
    all_know_the_same(&world).await;
    let unknown = call!(world, ADMIN, remove_region, remove("township:371302002"));
    assert_eq!(fields(&unknown.expect_err("gone")), ["region"]);
}

#[tokio::test]
async fn who_held_a_post_on_a_date_is_told() {
    let world = World::start().await;
    call!(world, OFFICE, appoint_holder, appoint("张三", "2025-01-01T00:00:00+08:00")).expect("appointed");
    let twice = call!(world, OFFICE, appoint_holder, appoint("张三", "2026-01-01T00:00:00+08:00"));
    assert_eq!(refused(twice), (Code::FailedPrecondition, "TENURE_OVERLAPS".to_owned()));
    call!(world, OFFICE, end_tenure, end("张三", "2026-11-01T00:00:00+08:00")).expect("ended");
    call!(world, ADMIN, appoint_holder, appoint("李四", "2026-11-01T00:00:00+08:00")).expect("appointed");
    let nobody = call!(world, ADMIN, end_tenure, end("王五", "2026-11-02T00:00:00+08:00"));
    assert_eq!(refused(nobody), (Code::FailedPrecondition, "NOT_HELD".to_owned()));
    assert_eq!(announced(&world).await.holders.len(), 2);

    let held = |at: Option<&str>| {
        let at = at.and_then(instant);
        let message = api::GetHoldersRequest { region: Some(wire(VILLAGE)), role: "village-secretary".to_owned(), at };
        let request = world.request(MEMBER, message);
        async {
            let answer = world.roster().get_holders(request).await.expect("known").into_inner();
            answer.tenures.into_iter().map(|tenure| tenure.person).collect::<Vec<_>>()
        }
    };
    assert_eq!(held(Some("2024-12-31T23:59:59+08:00")).await, Vec::<String>::new());
    assert_eq!(held(Some("2026-10-31T23:59:59+08:00")).await, ["张三"]);
    assert_eq!(held(Some("2026-11-01T00:00:00+08:00")).await, ["李四"]);
    assert_eq!(held(None).await, ["张三", "李四"]);
    all_know_the_same(&world).await;
}

#[tokio::test]
async fn enterprises_are_put_listed_by_page_and_removed() {
    let world = World::start().await;
    let other = "91350100M000100Y44";
    assert!(call!(world, OFFICE, put_enterprise, enterprise(CODE, VILLAGE, 12)).expect("put").warnings.is_empty());
    let put = call!(world, OFFICE, put_enterprise, enterprise(other, TOWNSHIP, 30)).expect("put");
    assert_eq!(put.warnings, ["统一社会信用代码 91350100M000100Y44 的校验位不符"]);
    let list = |caller: Caller, place: &str, page_token: String| {
        let message = api::ListEnterprisesRequest { region: Some(wire(place)), page_size: 1, page_token };
        let request = world.request(caller, message);
        async { world.roster().list_enterprises(request).await.map(Response::into_inner) }
    };
    let codes = |page: &api::ListEnterprisesResponse| -> Vec<String> {
        page.enterprises.iter().filter_map(|item| item.enterprise.clone()).map(|item| item.credit_code).collect()
    };
    let first = list(OFFICE, "county:371302", String::new()).await.expect("a page");
    assert_eq!(codes(&first), [other], "the township's own before its villages'");
    let second = list(OFFICE, "county:371302", first.next_page_token).await.expect("a page");
    assert_eq!((codes(&second), second.next_page_token.as_str()), (vec![CODE.to_owned()], ""));
    let elsewhere = list(OTHER_OFFICE, VILLAGE, String::new()).await;
    assert_eq!(refused(elsewhere), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
    let area = (Role::WorkAreaSecretary, WORK_AREA);
    assert_eq!(codes(&list(area, WORK_AREA, String::new()).await.expect("its own")), [CODE]);
    let beyond = list(area, TOWNSHIP, String::new()).await;
    assert_eq!(refused(beyond), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));

    let gone = || api::RemoveEnterpriseRequest { request_id: new_id(), credit_code: CODE.to_owned() };
    let foreign = call!(world, OTHER_OFFICE, remove_enterprise, gone());
    assert_eq!(refused(foreign), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
    call!(world, OFFICE, remove_enterprise, gone()).expect("gone");
    let unknown = call!(world, OFFICE, remove_enterprise, gone());
    assert_eq!(fields(&unknown.expect_err("gone")), ["credit_code"]);
    assert_eq!(announced(&world).await.enterprises.len(), 1);
    all_know_the_same(&world).await;
}

#[tokio::test]
async fn totals_of_every_level_are_what_its_villages_and_enterprises_add_up_to() {
    let world = World::start().await;
    call!(world, ADMIN, put_region, village(OTHER_VILLAGE, "二村", 90)).expect("put");
    let request = api::PutRegionRequest { work_area: "371302001-east".to_owned(), ..village(VILLAGE, "一村", 310) };
    call!(world, ADMIN, put_region, request).expect("put");
    call!(world, OFFICE, put_enterprise, enterprise(CODE, VILLAGE, 12)).expect("put");
    let totals = |caller: Caller, place: &str| {
        let request = world.request(caller, api::GetRosterTotalsRequest { region: Some(wire(place)) });
        async { world.roster().get_roster_totals(request).await.map(Response::into_inner) }
    };
    let sums = |totals: &Option<api::RosterTotals>| {
        let totals = totals.expect("totals");
        (totals.villages, totals.households, totals.enterprises, totals.employees)
    };
    let city = totals(ADMIN, "city:371300").await.expect("in reach");
    assert_eq!(sums(&city.totals), (3, 400, 1, 12));
    let below: Vec<_> = city.below.iter().map(|county| (county.name.as_str(), sums(&county.totals))).collect();
    assert_eq!(below, [("兰山区", (2, 400, 1, 12)), ("高新区", (1, 0, 0, 0))]);
    let area = totals((Role::WorkAreaSecretary, WORK_AREA), WORK_AREA).await.expect("in reach");
    assert_eq!((sums(&area.totals), area.below.len()), ((1, 310, 1, 12), 1));
    assert_eq!(sums(&totals(SECRETARY, VILLAGE).await.expect("its own").totals), (1, 310, 1, 12));
    let beyond = totals(SECRETARY, OTHER_VILLAGE).await;
    assert_eq!(refused(beyond), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
}

#[tokio::test]
async fn a_work_area_is_named_with_its_villages_by_the_office_of_its_county() {
    let world = World::start().await;
    let put = |villages: &[&str]| api::PutWorkAreaRequest {
        request_id: new_id(),
        work_area: Some(wire("work-area:371302001-east")),
        name: "东片区".to_owned(),
        villages: villages.iter().map(|village| wire(village)).collect(),
    };
    assert!(!call!(world, OFFICE, put_work_area, put(&[VILLAGE])).expect("it is so").changed);
    assert!(call!(world, OFFICE, put_work_area, put(&[OTHER_VILLAGE])).expect("put").changed);
    let list = api::ListRegionsRequest { parent: Some(wire(WORK_AREA)), ..Default::default() };
    let regions = call!(world, MEMBER, list_regions, list).expect("there").regions;
    assert_eq!(regions.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["二村"]);
    let foreign = call!(world, OTHER_OFFICE, put_work_area, put(&[VILLAGE]));
    assert_eq!(refused(foreign), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
    let elsewhere = call!(world, OFFICE, put_work_area, put(&["village:371302002001"]));
    assert_eq!(fields(&elsewhere.expect_err("another township")), ["villages"]);
    all_know_the_same(&world).await;
}

#[tokio::test]
async fn a_dry_run_counts_and_refuses_as_the_import_does_and_writes_nothing() {
    let world = World::start().await;
    let (id, file, events) = (new_id(), api::RosterFile::Regions, world.events().await);
    let head = "level,code,name,parent,households\n";
    let good = format!("{head}village,371302001001,一村,371302001,320\nvillage,371302001009,九村,371302001,\n");
    let tried = world.upload_roster(ADMIN, &id, file, &good, true).await.expect("good");
    assert_eq!((tried.rows, tried.changed), (2, 2));
    let bad = format!("{head}village,371302001001,一村,371302009,320\n");
    let status = world.upload_roster(ADMIN, &id, file, &bad, true).await.expect_err("a bad row");
    assert_eq!(fields(&status), ["row 2, column parent"]);
    assert_eq!(world.events().await, events);
    assert!(world.app().roster.current().get(&region("village:371302001009")).is_none());
    all_know_the_same(&world).await;
    let done = world.import_as(ADMIN, &id, file, &good).await.expect("the request id is free");
    assert_eq!(done, tried);
    assert_eq!(world.events().await, events + 1);
    all_know_the_same(&world).await;
}

#[tokio::test]
async fn changes_that_may_not_be_are_refused_with_field_and_reason() {
    let world = World::start().await;
    let office = call!(world, OFFICE, put_region, village(VILLAGE, "一村", 1));
    assert_eq!(refused(office), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    let member = call!(world, MEMBER, appoint_holder, appoint("张三", "2026-01-01T00:00:00Z"));
    assert_eq!(refused(member), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    let foreign = call!(world, OTHER_OFFICE, appoint_holder, appoint("张三", "2026-01-01T00:00:00Z"));
    assert_eq!(refused(foreign), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));

    let field = |result: Result<_, Status>| -> Vec<String> { fields(&result.map(drop).expect_err("refused")) };
    let mut request = village(VILLAGE, "", 1);
    assert_eq!(field(call!(world, ADMIN, put_region, request.clone()).map(drop)), ["name"]);
    request.name = "一村".to_owned();
    request.households = u32::MAX;
    assert_eq!(field(call!(world, ADMIN, put_region, request.clone()).map(drop)), ["households"]);
    request.households = 0;
    request.work_area = "east".to_owned();
    assert_eq!(field(call!(world, ADMIN, put_region, request.clone()).map(drop)), ["work_area"]);
    request.work_area.clear();
    request.parent = Some(wire("township:371302009"));
    assert_eq!(field(call!(world, ADMIN, put_region, request).map(drop)), ["parent"]);
    let mut request = appoint("张三", "2026-01-01T00:00:00Z");
    request.valid_until = request.valid_from;
    assert_eq!(field(call!(world, OFFICE, appoint_holder, request.clone()).map(drop)), ["valid_until"]);
    request.post = None;
    assert_eq!(field(call!(world, OFFICE, appoint_holder, request.clone()).map(drop)), ["post"]);
    request.post = post().map(|post| types::Post { agency: "energy".to_owned(), ..post });
    assert_eq!(field(call!(world, OFFICE, appoint_holder, request).map(drop)), ["post.agency"]);
    let wrong = call!(world, OFFICE, put_enterprise, enterprise("123", VILLAGE, 1)).map(drop);
    assert_eq!(field(wrong), ["enterprise.credit_code"]);
    let county = call!(world, OFFICE, put_enterprise, enterprise(CODE, "county:371302", 1)).map(drop);
    assert_eq!(field(county), ["region"]);
    let city =
        api::PutRegionRequest { region: Some(wire("city:371400")), parent: None, ..village(VILLAGE, "德州市", 0) };
    let own = api::PutRegionRequest { region: Some(wire("city:371300")), name: "他市".to_owned(), ..city.clone() };
    for county in [city.clone(), own] {
        let county = call!(world, (Role::Admin, "county:371302"), put_region, county);
        assert_eq!(refused(county), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()), "the city's own row");
    }
    let second = call!(world, ADMIN, put_region, city);
    assert_eq!(refused(second), (Code::FailedPrecondition, "SECOND_CITY".to_owned()));
}

#[tokio::test]
async fn changes_at_the_same_time_follow_one_another_and_none_is_lost() {
    let world = World::start().await;
    let before = world.events().await;
    let codes: Vec<String> = (0..12).map(|number| format!("91350100M00010{number:03}X")).collect();
    let put = |code: &String| {
        let request = world.request(OFFICE, enterprise(code, VILLAGE, 1));
        async { world.roster().put_enterprise(request).await.map(Response::into_inner) }
    };
    for answer in futures::future::join_all(codes.iter().map(put)).await {
        assert!(answer.expect("put").changed);
    }
    assert_eq!(world.events().await, before + 12);
    let last = announced(&world).await;
    assert_eq!(last.enterprises.len(), 12);
    world.history(&last.meta.expect("meta").aggregate_id).await;
    all_know_the_same(&world).await;
}
