//! Patrols and their weeks (clause C1).

use dafei_contracts::{Event, intake::v1 as api};
use dafei_kernel::{ids, role::Role};
use jiff::SignedDuration;
use tonic::{Code, Status};

use crate::world::{
    Caller, MEMBER, OTHER_VILLAGE, PNG, SECRETARY, VILLAGE, WORK_AREA, World, fields, new_id, refused, wire,
};

pub(crate) fn patrol(object: &str) -> api::RecordPatrolRequest {
    api::RecordPatrolRequest {
        request_id: new_id(),
        village: Some(wire(VILLAGE)),
        object: object.to_owned(),
        situation: "未见异常".to_owned(),
        ..Default::default()
    }
}

pub(crate) async fn record(world: &World, request: api::RecordPatrolRequest) -> api::RecordPatrolResponse {
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
    let message = api::ListPatrolsRequest { region: Some(wire(VILLAGE)), page_size: 2, ..Default::default() };
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
    let message = api::ListPatrolsRequest { region: Some(wire(VILLAGE)), ..Default::default() };
    let page = world.patrols().list_patrols(world.request(SECRETARY, message)).await.expect("a page").into_inner();
    assert_eq!(page.patrols.len(), 1);
    let listed = &page.patrols[0];
    assert!(listed.skewed);
    assert_eq!(listed.device_time, at("2026-11-23T10:30:00+08:00"));
    assert_eq!((listed.received_at, listed.device_offset_ms), (at("2026-11-23T10:00:00+08:00"), Some(3_600_000)));
}

#[tokio::test]
async fn a_check_by_the_work_area_is_marked_and_does_not_count_to_the_village_s_three() {
    let world = World::start().await;
    record(&world, patrol("网格员巡查")).await;
    let area: Caller = (Role::WorkAreaSecretary, WORK_AREA);
    let answer = world.patrols().record_patrol(world.request(area, patrol("片区督查"))).await.expect("recorded");
    let answer = answer.into_inner();
    assert_eq!(answer.patrols_this_week, 1);
    let kept = get(&world, area, &answer.patrol_id).await.expect("it is there");
    assert!(kept.check_by_work_area);
    let outside = api::RecordPatrolRequest { village: Some(wire(OTHER_VILLAGE)), ..patrol("外片区") };
    let outside = world.patrols().record_patrol(world.request(area, outside)).await;
    assert_eq!(refused(outside).1, "OUT_OF_SCOPE");
    let counts: Vec<bool> = world
        .history(&book())
        .await
        .iter()
        .flat_map(|event| match event {
            Event::PatrolsRecorded(event) => event.patrols.iter().map(|item| item.counts).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, [true, false]);
}

#[tokio::test]
async fn a_patrol_by_someone_who_is_not_of_that_village_is_refused() {
    let world = World::start().await;
    let neighbour: Caller = (Role::GridMember, OTHER_VILLAGE);
    let answer = world.patrols().record_patrol(world.request(neighbour, patrol("邻村"))).await;
    assert_eq!(refused(answer), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
    let centre: Caller = (Role::TownshipCentre, "township:371302001");
    let answer = world.patrols().record_patrol(world.request(centre, patrol("乡镇"))).await;
    assert_eq!(refused(answer), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    let platform: Caller = (Role::Service, "county:371302");
    let answer = world.patrols().record_patrol(world.request(platform, patrol("平台"))).await;
    assert_eq!(refused(answer).1, "ROLE_NOT_ALLOWED");
}

#[tokio::test]
async fn a_photo_that_an_earlier_patrol_used_is_flagged_with_that_patrol_also_in_another_village() {
    let world = World::start().await;
    let photo = world.photo().await;
    let with = |photo: &str, village: &str| api::RecordPatrolRequest {
        evidence_ids: vec![photo.to_owned()],
        village: Some(wire(village)),
        ..patrol("有照片")
    };
    let first = record(&world, with(&photo, VILLAGE)).await.patrol_id;
    let second = record(&world, with(&photo, VILLAGE)).await.patrol_id;
    // The same bytes have another id in another village, and are the same photo.
    let theirs: Caller = (Role::GridMember, OTHER_VILLAGE);
    let other = world.upload(theirs, &new_id(), OTHER_VILLAGE, &PNG).await.expect("kept").evidence_id;
    let request = world.request(theirs, with(&other, OTHER_VILLAGE));
    let third = world.patrols().record_patrol(request).await.expect("recorded").into_inner().patrol_id;
    let reused = |patrol: api::Patrol| -> Vec<(String, String)> {
        patrol.reused_photos.into_iter().map(|one| (one.evidence_id, one.first_patrol_id)).collect()
    };
    assert_eq!(reused(get(&world, MEMBER, &first).await.expect("there")), []);
    assert_eq!(reused(get(&world, MEMBER, &second).await.expect("there")), [(photo, first.clone())]);
    assert_eq!(reused(get(&world, theirs, &third).await.expect("there")), [(other, first)]);
    assert_eq!(refused(get(&world, theirs, &second).await).1, "OUT_OF_SCOPE");
    assert_eq!(get(&world, MEMBER, &new_id()).await.expect_err("unknown").code(), Code::NotFound);
}

#[tokio::test]
async fn the_same_key_is_one_patrol_under_any_request_and_another_content_under_it_is_refused() {
    let world = World::start().await;
    let with_key = api::RecordPatrolRequest { patrol_key: new_id(), ..patrol("一次") };
    let first = record(&world, with_key.clone()).await;
    let again = api::RecordPatrolRequest { request_id: new_id(), ..with_key.clone() };
    assert_eq!(record(&world, again).await, first);
    let other = api::RecordPatrolRequest { request_id: new_id(), object: "另一次".to_owned(), ..with_key };
    let status = world.patrols().record_patrol(world.request(MEMBER, other)).await.expect_err("another");
    assert_eq!(fields(&status), ["patrol_key"]);
    assert_eq!(refused(Err::<(), _>(status)).1, "PATROL_KEY_REUSED");
}

pub(crate) async fn get(world: &World, caller: Caller, patrol_id: &str) -> Result<api::Patrol, Status> {
    let request = world.request(caller, api::GetPatrolRequest { patrol_id: patrol_id.to_owned() });
    Ok(world.patrols().get_patrol(request).await?.into_inner().patrol.expect("as kept"))
}
