//! Lists of patrols by region and mark, and the villages' weeks (clause C1).

use dafei_contracts::intake::v1 as api;
use dafei_kernel::role::Role;
use jiff::SignedDuration;

use crate::{
    patrols::{patrol, record},
    world::{CITY, Caller, MEMBER, OTHER_VILLAGE, SECRETARY, VILLAGE, WORK_AREA, World, fields, refused, wire},
};

const OFFICE: Caller = (Role::CityOffice, CITY);

async fn objects(world: &World, caller: Caller, mut asked: api::ListPatrolsRequest) -> Vec<String> {
    let mut seen = Vec::new();
    asked.page_size = 2;
    loop {
        let page =
            world.patrols().list_patrols(world.request(caller, asked.clone())).await.expect("a page").into_inner();
        assert!(page.patrols.len() <= 2);
        seen.extend(page.patrols.into_iter().map(|patrol| patrol.object));
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            return seen;
        }
    }
}

fn of(region: &str) -> api::ListPatrolsRequest {
    api::ListPatrolsRequest { region: Some(wire(region)), ..Default::default() }
}

#[tokio::test]
async fn every_region_lists_its_own_newest_first_by_page() {
    let world = World::start().await;
    let (neighbour, far): (Caller, Caller) =
        ((Role::GridMember, OTHER_VILLAGE), (Role::GridMember, "village:371302002001"));
    for round in 0..2 {
        for (caller, name) in [(MEMBER, "一村"), (neighbour, "二村"), (far, "三村")] {
            world.clock.advance(SignedDuration::from_mins(1));
            let request =
                api::RecordPatrolRequest { village: Some(wire(caller.1)), ..patrol(&format!("{name}{round}")) };
            world.patrols().record_patrol(world.request(caller, request)).await.expect("recorded");
        }
    }
    for (caller, region, expected) in [
        (SECRETARY, VILLAGE, vec!["一村1", "一村0"]),
        ((Role::WorkAreaSecretary, WORK_AREA), WORK_AREA, vec!["一村1", "一村0"]),
        ((Role::TownshipCentre, "township:371302001"), "township:371302001", vec!["二村1", "一村1", "二村0", "一村0"]),
        ((Role::CountyOffice, "county:371371"), "county:371371", vec!["三村1", "三村0"]),
        (OFFICE, CITY, vec!["三村1", "二村1", "一村1", "三村0", "二村0", "一村0"]),
    ] {
        assert_eq!(objects(&world, caller, of(region)).await, expected, "{region}");
    }
    let other = world.patrols().list_patrols(world.request(SECRETARY, of("township:371302001"))).await;
    assert_eq!(refused(other).1, "OUT_OF_SCOPE");
    let bank: Caller = (Role::Bank, CITY);
    assert_eq!(refused(world.patrols().list_patrols(world.request(bank, of(CITY))).await).1, "ROLE_NOT_ALLOWED");
}

#[tokio::test]
async fn lists_are_narrowed_by_time_mark_and_inspector() {
    let world = World::start().await;
    let at = |text: &str| Some(text.parse::<jiff::Timestamp>().expect("an instant").into());
    let photo = world.photo().await;
    let with_photo = |object: &str| api::RecordPatrolRequest { evidence_ids: vec![photo.clone()], ..patrol(object) };
    record(&world, with_photo("首张")).await;
    world.clock.advance(SignedDuration::from_hours(1));
    record(&world, with_photo("重复照片")).await;
    let skewed = api::RecordPatrolRequest {
        device_time: at("2026-11-23T11:00:00+08:00"),
        device_sent_at: at("2026-11-23T12:00:00+08:00"),
        inspector: "李四".to_owned(),
        ..patrol("钟快")
    };
    record(&world, skewed).await;
    for region in [VILLAGE, CITY] {
        let list = |change: fn(&mut api::ListPatrolsRequest)| {
            let mut asked = of(region);
            change(&mut asked);
            objects(&world, if region == CITY { OFFICE } else { SECRETARY }, asked)
        };
        assert_eq!(list(|_| {}).await, ["重复照片", "钟快", "首张"].map(str::to_owned).to_vec(), "{region}");
        assert_eq!(list(|r| r.only_reused_photos = true).await, ["重复照片"]);
        assert_eq!(list(|r| r.only_skewed = true).await, ["钟快"]);
        assert_eq!(list(|r| r.inspector = "李四".to_owned()).await, ["钟快"]);
        assert!(list(|r| r.only_problems = true).await.is_empty());
        assert_eq!(list(|r| (r.only_skewed, r.only_reused_photos) = (true, true)).await, Vec::<String>::new());
    }
    let range = api::ListPatrolsRequest {
        from: at("2026-11-23T10:00:00+08:00"),
        until: at("2026-11-23T11:00:00+08:00"),
        ..of(VILLAGE)
    };
    assert_eq!(objects(&world, SECRETARY, range.clone()).await, ["钟快", "首张"]);
    let empty = api::ListPatrolsRequest { until: range.from, ..range };
    let status = world.patrols().list_patrols(world.request(SECRETARY, empty)).await.expect_err("an empty range");
    assert_eq!(fields(&status), ["until"]);
}

#[tokio::test]
async fn the_weeks_of_a_region_show_which_villages_have_their_three() {
    let world = World::start().await;
    for number in 0..3 {
        record(&world, patrol(&number.to_string())).await;
    }
    let ask = |only_short: bool, page_token: String| {
        let message = api::ListPatrolWeeksRequest {
            region: Some(wire(CITY)),
            only_short,
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let request = world.request(OFFICE, message);
        async { world.patrols().list_patrol_weeks(request).await.expect("a page").into_inner() }
    };
    let rows = |page: &api::ListPatrolWeeksResponse| -> Vec<(String, u32, bool)> {
        page.weeks.iter().map(|week| (week.name.clone(), week.patrols, week.enough)).collect()
    };
    let page = ask(false, String::new()).await;
    assert_eq!(rows(&page), [("一村".to_owned(), 3, true), ("二村".to_owned(), 0, false)]);
    let monday = "2026-11-23T00:00:00+08:00".parse::<jiff::Timestamp>().expect("an instant");
    assert_eq!(page.week, Some(monday.into()));
    let next = ask(false, page.next_page_token).await;
    assert_eq!((rows(&next), next.next_page_token), (vec![("三村".to_owned(), 0, false)], String::new()));
    let short = ask(true, String::new()).await;
    assert_eq!(rows(&short), [("二村".to_owned(), 0, false), ("三村".to_owned(), 0, false)]);
}
