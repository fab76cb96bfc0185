//! Patrols by upload: acknowledged when committed, once for ever, each refused by itself.

use dafei_contracts::{Event, intake::v1 as api};
use dafei_kernel::role::Role;
use tonic::{Code, Status};

use crate::{
    patrols::{get, patrol, record},
    world::{Caller, MEMBER, OTHER_VILLAGE, VILLAGE, World, fields, new_id, refused, wire},
};

const PLATFORM: Caller = (Role::Service, "county:371302");
/// A village of another county.
const FAR_VILLAGE: &str = "village:371302002001";

fn keyed(village: &str, object: &str) -> api::RecordPatrolRequest {
    api::RecordPatrolRequest {
        request_id: String::new(),
        patrol_key: new_id(),
        village: Some(wire(village)),
        ..patrol(object)
    }
}

async fn upload(
    world: &World,
    caller: Caller,
    parts: Vec<Vec<api::RecordPatrolRequest>>,
) -> Result<Vec<Vec<api::PatrolResult>>, Status> {
    let parts: Vec<_> = parts.into_iter().map(|patrols| api::UploadPatrolsRequest { patrols }).collect();
    let request = world.request(caller, tokio_stream::iter(parts));
    let mut answers = world.patrols().upload_patrols(request).await?.into_inner();
    let mut results = Vec::new();
    while let Some(answer) = answers.message().await? {
        results.push(answer.results);
    }
    Ok(results)
}

fn outcomes(results: &[api::PatrolResult]) -> Vec<api::PatrolOutcome> {
    results.iter().map(api::PatrolResult::outcome).collect()
}

async fn stored(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM patrol").fetch_one(&world.db.pool).await.expect("a count")
}

async fn week(world: &World, village: &str) -> u32 {
    let message = api::ListPatrolWeeksRequest { region: Some(wire(village)), ..Default::default() };
    let page = world.patrols().list_patrol_weeks(world.request(PLATFORM, message)).await.expect("a page").into_inner();
    page.weeks[0].patrols
}

#[tokio::test]
async fn the_same_upload_four_times_is_one_record() {
    let world = World::start().await;
    let parts: Vec<Vec<_>> =
        (0..3).map(|part| (0..50).map(|number| keyed(VILLAGE, &format!("{part}-{number}"))).collect()).collect();
    let first = upload(&world, MEMBER, parts.clone()).await.expect("uploaded");
    assert_eq!(first.len(), 3, "each message is answered");
    assert!(first.iter().flatten().all(|result| result.outcome() == api::PatrolOutcome::Recorded));
    let events = world.events().await;
    // Twice again, and at the same time.
    let again = futures::future::join_all((0..3).map(|_| upload(&world, MEMBER, parts.clone()))).await;
    for results in again {
        let results = results.expect("uploaded");
        assert!(results.iter().flatten().all(|result| result.outcome() == api::PatrolOutcome::AlreadyThere));
        let ids = |results: &[Vec<api::PatrolResult>]| -> Vec<String> {
            results.iter().flatten().map(|result| result.patrol_id.clone()).collect()
        };
        assert_eq!(ids(&results), ids(&first));
    }
    assert_eq!((stored(&world).await, week(&world, VILLAGE).await, world.events().await), (150, 150, events));
}

#[tokio::test]
async fn uploads_of_the_same_patrols_at_the_same_time_record_each_once() {
    let world = World::start().await;
    let part: Vec<_> = (0..100).map(|number| keyed(VILLAGE, &number.to_string())).collect();
    let all = (0..4).map(|_| upload(&world, MEMBER, vec![part.clone()]));
    let results = futures::future::join_all(all).await;
    let recorded: usize = results
        .into_iter()
        .map(|results| results.expect("uploaded").remove(0))
        .map(|results| outcomes(&results).iter().filter(|one| **one == api::PatrolOutcome::Recorded).count())
        .sum();
    assert_eq!((recorded, stored(&world).await, week(&world, VILLAGE).await), (100, 100, 100));
}

#[tokio::test]
async fn a_key_twice_in_a_message_is_one_patrol_and_another_content_under_it_is_refused() {
    let world = World::start().await;
    let one = keyed(VILLAGE, "一次");
    let other = api::RecordPatrolRequest { object: "另一次".to_owned(), ..one.clone() };
    let later = api::RecordPatrolRequest {
        device_sent_at: Some(dafei_kernel::time::Instant::UNIX_EPOCH.into()),
        ..one.clone()
    };
    let results = upload(&world, MEMBER, vec![vec![one.clone(), one, other, later]]).await.expect("uploaded").remove(0);
    use api::PatrolOutcome::{AlreadyThere, Recorded, Refused};
    assert_eq!(outcomes(&results), [Recorded, AlreadyThere, Refused, AlreadyThere]);
    assert_eq!((results[2].field.as_str(), results[2].reason.as_str()), ("patrol_key", "PATROL_KEY_REUSED"));
    assert_eq!(stored(&world).await, 1);
}

#[tokio::test]
async fn each_patrol_that_is_wrong_is_refused_by_field_and_reason_and_the_others_are_recorded() {
    let world = World::start().await;
    let with = |change: fn(&mut api::RecordPatrolRequest)| {
        let mut patrol = keyed(VILLAGE, "有误");
        change(&mut patrol);
        patrol
    };
    let part = vec![
        keyed(VILLAGE, "好"),
        with(|p| p.object.clear()),
        with(|p| p.patrol_key.clear()),
        with(|p| p.evidence_ids = vec![new_id()]),
        with(|p| p.village = Some(wire("village:371302001999"))),
        keyed(FAR_VILLAGE, "外县"),
        keyed(OTHER_VILLAGE, "好"),
    ];
    let results = upload(&world, PLATFORM, vec![part.clone()]).await.expect("uploaded").remove(0);
    let wrong: Vec<(&str, &str)> =
        results[1..6].iter().map(|result| (result.field.as_str(), result.reason.as_str())).collect();
    assert_eq!(
        wrong,
        [
            ("object", "REQUIRED"),
            ("patrol_key", "REQUIRED"),
            ("evidence_ids[0]", "EVIDENCE_NOT_FOUND"),
            ("village", "UNKNOWN_REGION"),
            ("village", "OUT_OF_SCOPE"),
        ]
    );
    assert!(results[1..6].iter().all(|result| result.patrol_id.is_empty() && !result.description_zh.is_empty()));
    assert_eq!(stored(&world).await, 2);
    // What was refused is not taken for sent: mended, it is recorded under its key.
    let mended = api::RecordPatrolRequest { evidence_ids: Vec::new(), ..part[3].clone() };
    let results = upload(&world, PLATFORM, vec![vec![mended]]).await.expect("uploaded").remove(0);
    assert_eq!(outcomes(&results), [api::PatrolOutcome::Recorded]);
}

#[tokio::test]
async fn a_checklist_id_that_none_can_have_refuses_its_patrol_alone() {
    let world = World::start().await;
    let answering = |id: &str| api::RecordPatrolRequest { checklist_id: id.to_owned(), ..keyed(VILLAGE, "有清单") };
    let part =
        vec![keyed(VILLAGE, "好"), answering("fire\0works"), answering(&"x".repeat(10_000)), answering(" fireworks")];
    let results = upload(&world, MEMBER, vec![part]).await.expect("uploaded").remove(0);
    use api::PatrolOutcome::{Recorded, Refused};
    assert_eq!(outcomes(&results), [Recorded, Refused, Refused, Refused]);
    for result in &results[1..] {
        assert_eq!((result.field.as_str(), result.reason.as_str()), ("checklist_id", "UNKNOWN_CHECKLIST"));
    }
    assert_eq!(stored(&world).await, 1);
}

#[tokio::test]
async fn no_text_of_a_patrol_ends_the_upload_by_a_character_that_no_table_takes() {
    let world = World::start().await;
    let with = |change: fn(&mut api::RecordPatrolRequest)| {
        let mut patrol = keyed(VILLAGE, "有误");
        change(&mut patrol);
        patrol
    };
    let part = vec![
        with(|p| p.object.push('\0')),
        with(|p| p.situation.push('\0')),
        with(|p| p.inspector.push('\0')),
        with(|p| p.patrol_key.push('\0')),
        with(|p| p.evidence_ids.push("\0".to_owned())),
        with(|p| p.village = Some(dafei_contracts::types::v1::Region { code: "\0".to_owned(), ..wire(VILLAGE) })),
        keyed(VILLAGE, "好"),
    ];
    let results = upload(&world, MEMBER, vec![part]).await.expect("uploaded").remove(0);
    let refused = results.iter().filter(|result| result.outcome() == api::PatrolOutcome::Refused).count();
    assert_eq!((refused, stored(&world).await), (6, 1));
}

#[tokio::test]
async fn a_platform_uploads_for_its_villages_in_the_name_of_their_grid_members() {
    let world = World::start().await;
    let part = vec![
        api::RecordPatrolRequest { inspector: "张三".to_owned(), ..keyed(VILLAGE, "一村") },
        keyed(OTHER_VILLAGE, "二村"),
    ];
    let results = upload(&world, PLATFORM, vec![part]).await.expect("uploaded").remove(0);
    assert_eq!(get(&world, MEMBER, &results[0].patrol_id).await.expect("there").inspector, "张三");
    let book = dafei_kernel::ids::derived(&["patrol-book", "371302001001"]).to_string();
    let history = world.history(&book).await;
    let Some(Event::PatrolsRecorded(event)) = history.last() else { panic!("{history:?}") };
    let actor = event.meta.as_ref().and_then(|meta| meta.actor.clone()).expect("an actor");
    assert_eq!((actor.role.as_str(), actor.region), ("grid-member", Some(wire(VILLAGE))));
    let centre: Caller = (Role::TownshipCentre, "township:371302001");
    let denied = upload(&world, centre, vec![vec![keyed(VILLAGE, "乡镇")]]).await;
    assert_eq!(refused(denied), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
}

#[tokio::test]
async fn a_late_upload_counts_in_the_week_in_which_the_corrected_device_says_it_was_made() {
    let world = World::start().await;
    let at = |text: &str| Some(text.parse::<jiff::Timestamp>().expect("an instant").into());
    // It is Monday 10:00. The phone is two hours ahead and says Monday 01:30: it was Sunday 23:30.
    let late = api::RecordPatrolRequest {
        device_time: at("2026-11-23T01:30:00+08:00"),
        device_sent_at: at("2026-11-23T12:00:00+08:00"),
        ..keyed(VILLAGE, "上周日")
    };
    let results = upload(&world, MEMBER, vec![vec![late]]).await.expect("uploaded").remove(0);
    let kept = get(&world, MEMBER, &results[0].patrol_id).await.expect("there");
    assert_eq!((kept.patrolled_at, kept.skewed), (at("2026-11-22T23:30:00+08:00"), true));
    assert_eq!(kept.device_offset_ms, Some(7_200_000));
    assert_eq!(week(&world, VILLAGE).await, 0);
    assert_eq!(record(&world, patrol("本周")).await.patrols_this_week, 1);
}

#[tokio::test]
async fn the_same_photo_in_one_message_is_flagged_at_the_second_patrol() {
    let world = World::start().await;
    let photo = world.photo().await;
    let with = || api::RecordPatrolRequest { evidence_ids: vec![photo.clone()], ..keyed(VILLAGE, "有照片") };
    let results = upload(&world, MEMBER, vec![vec![with(), with()]]).await.expect("uploaded").remove(0);
    let mut reused = Vec::new();
    for result in &results {
        let kept = get(&world, MEMBER, &result.patrol_id).await.expect("there");
        reused.extend(kept.reused_photos.into_iter().map(|one| (kept.patrol_id.clone(), one.first_patrol_id)));
    }
    let (first, second) = (&results[0].patrol_id, &results[1].patrol_id);
    assert!(reused == [(second.clone(), first.clone())] || reused == [(first.clone(), second.clone())], "{reused:?}");
}

#[tokio::test]
async fn a_large_upload_of_one_village_is_bounded_events_in_order() {
    let world = World::start().await;
    let part = |part: usize| (0..500).map(|number| keyed(VILLAGE, &format!("{part}-{number}"))).collect();
    let results = upload(&world, MEMBER, (0..3).map(part).collect()).await.expect("uploaded");
    assert_eq!(results.iter().map(Vec::len).sum::<usize>(), 1_500);
    let book = dafei_kernel::ids::derived(&["patrol-book", "371302001001"]).to_string();
    let sizes: Vec<usize> = world
        .history(&book)
        .await
        .iter()
        .map(|event| match event {
            Event::PatrolsRecorded(event) => event.patrols.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [500, 500, 500]);
}

#[tokio::test]
async fn a_message_of_too_many_patrols_ends_the_upload_and_what_was_answered_stays() {
    let world = World::start().await;
    let part = |number: usize| (0..number).map(|number| keyed(VILLAGE, &number.to_string())).collect::<Vec<_>>();
    let status = upload(&world, MEMBER, vec![part(10), part(501)]).await.expect_err("too many");
    assert_eq!(fields(&status), ["patrols"]);
    assert_eq!(refused(Err::<(), _>(status)).1, "TOO_MANY");
    assert_eq!(stored(&world).await, 10);
}

#[tokio::test]
async fn more_uploads_than_there_are_places_are_asked_to_come_back() {
    let world = World::start().await;
    let (mut held, mut senders) = (Vec::new(), Vec::new());
    for _ in 0..16 {
        let (sender, receiver) = tokio::sync::mpsc::channel::<api::UploadPatrolsRequest>(1);
        let parts = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let request = world.request(MEMBER, parts);
        held.push(world.patrols().upload_patrols(request).await.expect("a place").into_inner());
        senders.push(sender);
    }
    let status = upload(&world, MEMBER, vec![vec![keyed(VILLAGE, "再来")]]).await.expect_err("no place");
    assert_eq!(status.code(), Code::ResourceExhausted);
    drop(senders);
    for mut answers in held {
        assert!(answers.message().await.expect("ended").is_none());
    }
    dafei_testkit::eventually(crate::world::SOON, "a place", || async {
        upload(&world, MEMBER, vec![vec![keyed(VILLAGE, "再来")]]).await.ok()
    })
    .await;
}
