//! Patrols and their weeks (clause C1).

use dafei_contracts::{Event, intake::v1 as api};
use dafei_kernel::ids;
use jiff::SignedDuration;

use crate::world::{MEMBER, SECRETARY, VILLAGE, World, new_id, wire};

fn patrol(object: &str) -> api::RecordPatrolRequest {
    api::RecordPatrolRequest {
        request_id: new_id(),
        village: Some(wire(VILLAGE)),
        object: object.to_owned(),
        situation: "未见异常".to_owned(),
        ..Default::default()
    }
}

async fn record(world: &World, request: api::RecordPatrolRequest) -> api::RecordPatrolResponse {
    world.patrols().record_patrol(world.request(MEMBER, request)).await.expect("recorded").into_inner()
}

fn book() -> String {
    ids::derived(&["patrol-book", "371302001001"]).to_string()
}

#[tokio::test]
async fn patrols_are_counted_from_monday_to_sunday_and_listed_newest_first() {
    let world = World::start().await;
    for expected in 1..=3 {
        world.clock.advance(SignedDuration::from_hours(24));
        assert_eq!(record(&world, patrol(&format!("第{expected}次"))).await.patrols_this_week, expected);
    }
    // Monday 00:00 in Shanghai begins another week.
    world.clock.set("2026-11-30T00:00:00+08:00".parse().expect("an instant"));
    assert_eq!(record(&world, patrol("下周")).await.patrols_this_week, 1);
    let late = api::RecordPatrolRequest {
        device_time: Some("2026-11-29T23:59:59+08:00".parse::<jiff::Timestamp>().expect("an instant").into()),
        ..patrol("补报上周日")
    };
    assert_eq!(record(&world, late).await.patrols_this_week, 4);
    let message = api::ListPatrolsRequest { village: Some(wire(VILLAGE)), page_size: 2, page_token: String::new() };
    let page = world.patrols().list_patrols(world.request(SECRETARY, message.clone())).await.expect("a page");
    let page = page.into_inner();
    let objects = |page: &api::ListPatrolsResponse| -> Vec<String> {
        page.patrols.iter().map(|patrol| patrol.object.clone()).collect()
    };
    assert_eq!(objects(&page), ["下周", "补报上周日"]);
    let next = api::ListPatrolsRequest { page_token: page.next_page_token, ..message };
    let page = world.patrols().list_patrols(world.request(SECRETARY, next)).await.expect("a page").into_inner();
    assert_eq!(objects(&page), ["第3次", "第2次"]);
}

#[tokio::test]
async fn patrols_that_come_together_are_one_event_of_the_village_s_book() {
    let world = World::start().await;
    let photo = world.photo().await;
    let all = (0..20).map(|number| {
        let request = api::RecordPatrolRequest { evidence_ids: vec![photo.clone()], ..patrol(&format!("{number}")) };
        record(&world, request)
    });
    let mut counts: Vec<u32> =
        futures::future::join_all(all).await.iter().map(|answer| answer.patrols_this_week).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=20).collect::<Vec<_>>());
    let history = world.history(&book()).await;
    let items: Vec<u32> = history
        .iter()
        .flat_map(|event| match event {
            Event::PatrolsRecorded(event) => event.patrols.iter().map(|item| item.photos).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(items, vec![1; 20]);
}

#[tokio::test]
async fn a_phone_an_hour_ahead_is_corrected_and_marked_and_a_replay_is_one_patrol() {
    let world = World::start().await;
    let at = |text: &str| Some(text.parse::<jiff::Timestamp>().expect("an instant").into());
    let request = api::RecordPatrolRequest {
        device_time: at("2026-11-23T10:30:00+08:00"),
        device_sent_at: at("2026-11-23T11:00:00+08:00"),
        ..patrol("钟快一小时")
    };
    let first = record(&world, request.clone()).await;
    assert_eq!(first.patrolled_at, at("2026-11-23T09:30:00+08:00"));
    assert_eq!(record(&world, request).await, first);
    let message = api::ListPatrolsRequest { village: Some(wire(VILLAGE)), ..Default::default() };
    let page = world.patrols().list_patrols(world.request(SECRETARY, message)).await.expect("a page").into_inner();
    assert_eq!(page.patrols.len(), 1);
    assert!(page.patrols[0].skewed);
}
