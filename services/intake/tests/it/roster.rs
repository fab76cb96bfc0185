//! The roster's import (clause B1).

use dafei_contracts::{Event, intake::v1 as api};
use dafei_kernel::role::Role;
use tonic::Code;

use crate::world::{ADMIN, CITY, MEMBER, REGIONS, SECRETARY, VILLAGE, World, fields, new_id, refused, wire};

const LINYI: &str = include_str!("../../../../data/regions/linyi.csv");
const REGION_FILE: api::RosterFile = api::RosterFile::Regions;

async fn snapshots(world: &World) -> Vec<Event> {
    let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "SELECT event_type, payload FROM event_log WHERE event_type LIKE '%RosterSnapshot' ORDER BY position",
    )
    .fetch_all(&world.db.pool)
    .await
    .expect("rows");
    rows.iter().map(|(kind, payload)| Event::from_json(kind, payload).expect("JSON").expect("known")).collect()
}

fn region_of(event: &Event) -> String {
    match event {
        Event::RosterSnapshot(snapshot) => {
            let region = snapshot.region.clone().expect("a region");
            format!("{}:{}", region.level, region.code)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_roster_of_linyi_is_imported_and_announced_part_by_part() {
    let world = World::empty().await;
    let done = world.import(REGION_FILE, LINYI).await.expect("a good file");
    assert_eq!((done.rows, done.changed), (4_356, 4_356));
    let announced = snapshots(&world).await;
    assert_eq!(announced.len(), 1 + 13 + 156);
    assert_eq!(region_of(&announced[0]), CITY);
    assert!(announced[1..14].iter().all(|event| region_of(event).starts_with("county:")));
    assert!(announced[14..].iter().all(|event| region_of(event).starts_with("township:")));
    let again = world.import(REGION_FILE, LINYI).await.expect("a good file");
    assert_eq!((again.rows, again.changed), (4_356, 0));
    assert_eq!(world.events().await, 170, "nothing is announced twice");
}

#[tokio::test]
async fn a_file_is_imported_by_an_admin_of_the_city_alone() {
    let world = World::start().await;
    let before = world.events().await;
    let mine = REGIONS.replace("罗西街道,371371", "罗西街道,371302");
    for region in ["county:371302", "township:371302001"] {
        let caller = (Role::Admin, region);
        let taken = world.import_as(caller, &new_id(), REGION_FILE, &mine).await;
        assert_eq!(refused(taken), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()), "{region}");
    }
    assert_eq!(world.events().await, before);
}

#[tokio::test]
async fn a_bad_row_refuses_the_whole_file_and_is_named() {
    let world = World::empty().await;
    let bad = REGIONS.replace("village,371302002001,三村,371302002", "village,371302002001,三村,371302009");
    let status = world.import(REGION_FILE, &bad).await.expect_err("a bad row");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(fields(&status), ["row 10, column parent"]);
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM roster_region").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!((count, world.events().await), (0, 0));
    world.import(REGION_FILE, &format!("\u{feff}{REGIONS}")).await.expect("a mended file with a byte order mark");
}

#[tokio::test]
async fn a_change_is_announced_for_its_part_alone_with_the_next_sequence() {
    let world = World::start().await;
    let before = world.events().await;
    let renamed = REGIONS.replace("二村", "新二村");
    let done = world.import(REGION_FILE, &renamed).await.expect("a good file");
    assert_eq!(done.changed, 1);
    let announced = snapshots(&world).await;
    assert_eq!(announced.len(), usize::try_from(before).expect("few") + 1);
    let last = announced.last().expect("one");
    assert_eq!(region_of(last), "township:371302001");
    let Event::RosterSnapshot(snapshot) = last else { panic!("{last:?}") };
    let meta = snapshot.meta.as_ref().expect("meta");
    assert_eq!((meta.sequence, meta.chain_head.len()), (2, 64));
    assert_eq!(snapshot.regions.len(), 4, "the township, its work area and its two villages");
}

#[tokio::test]
async fn holders_are_shown_while_they_hold_their_post() {
    let world = World::start().await;
    let holders = "role,level,code,agency,person,valid_from,valid_until\n\
        village-secretary,village,371302001001,,张三,2025-01-01,2026-11-23\n\
        village-secretary,village,371302001001,,李四,2026-11-23,\n\
        county-department,county,371302,energy,王五,2025-01-01T00:00:00Z,\n";
    let done = world.import(api::RosterFile::Holders, holders).await.expect("a good file");
    assert_eq!(done.changed, 3);
    let request = world.request(MEMBER, api::GetRegionRequest { region: Some(wire(VILLAGE)) });
    let answer = world.roster().get_region(request).await.expect("known").into_inner();
    assert_eq!(answer.name, "一村");
    let path: Vec<&str> = answer.path.iter().map(|region| region.code.as_str()).collect();
    assert_eq!(path, ["371300", "371302", "371302001", "371302001001"]);
    let persons: Vec<&String> = answer.holders.iter().flat_map(|owner| &owner.persons).collect();
    assert_eq!(persons, ["李四"]);
}

#[tokio::test]
async fn regions_are_listed_by_page_and_those_of_a_work_area_too() {
    let world = World::start().await;
    let list = |parent: Option<&str>, page_token: String| {
        let message = api::ListRegionsRequest { parent: parent.map(wire), page_size: 1, page_token };
        let request = world.request(SECRETARY, message);
        async { world.roster().list_regions(request).await.map(tonic::Response::into_inner) }
    };
    let codes = |page: &api::ListRegionsResponse| -> Vec<String> {
        page.regions.iter().filter_map(|item| item.region.clone()).map(|region| region.code).collect()
    };
    let city = list(None, String::new()).await.expect("a page");
    assert_eq!((codes(&city), city.next_page_token.as_str()), (vec!["371300".to_owned()], ""));
    let first = list(Some(CITY), String::new()).await.expect("a page");
    assert_eq!(codes(&first), ["371302"]);
    let second = list(Some(CITY), first.next_page_token).await.expect("a page");
    assert_eq!((codes(&second), second.next_page_token.as_str()), (vec!["371371".to_owned()], ""));
    let area = list(Some("work-area:371302001-east"), String::new()).await.expect("a page");
    assert_eq!(codes(&area), ["371302001001"]);
    let unknown = list(Some("county:371399"), String::new()).await.expect_err("unknown");
    assert_eq!(fields(&unknown), ["parent"]);
}

#[tokio::test]
async fn only_the_administrator_imports_and_a_replay_imports_once() {
    let world = World::empty().await;
    let id = new_id();
    let denied = world.import_as((dafei_kernel::role::Role::CityOffice, CITY), &id, REGION_FILE, REGIONS).await;
    assert_eq!(refused(denied), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    let first = world.import_as(ADMIN, &id, REGION_FILE, REGIONS).await.expect("imported");
    let again = world.import_as(ADMIN, &id, REGION_FILE, REGIONS).await.expect("replayed");
    assert_eq!(again, first);
    let other = world.import_as(ADMIN, &id, api::RosterFile::Holders, REGIONS).await;
    assert_eq!(refused(other), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
}
