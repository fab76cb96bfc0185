//! Notices and broadcasts of the villages (clauses D5, D6).

use dafei_contracts::{
    Event,
    events::v1::{self as ev, NoticeKind},
    intake::v1 as api,
    timestamp::Timestamp,
    types::v1 as types,
};
use dafei_kernel::{ids, role::Role, time::Instant};
use tonic::{Code, Status};

use crate::world::{
    Caller, MEMBER, OTHER_VILLAGE, PNG, SECRETARY, VILLAGE, WORK_AREA, World, fields, kinds, new_id, refused, wire,
};

const CENTRE: Caller = (Role::TownshipCentre, "township:371302001");
const OFFICE: Caller = (Role::CityOffice, "city:371300");

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse::<Instant>().expect("an instant").into())
}

/// So many metres to the north of the village's first notice.
fn north(metres: i32) -> Option<types::Position> {
    // A degree of latitude is 111,195 m.
    Some(types::Position { latitude_e7: 350_600_000 + metres * 90, longitude_e7: 1_183_300_000 })
}

fn book() -> String {
    ids::derived(&["publicity-book", "371302001001"]).to_string()
}

/// A reward notice so many metres to the north.
fn notice(photo: &str, metres: i32) -> api::PostNoticeRequest {
    api::PostNoticeRequest {
        request_id: new_id(),
        village: Some(wire(VILLAGE)),
        kind: NoticeKind::Reward.into(),
        copies: 2,
        position: north(metres),
        place: "村口公交站".to_owned(),
        posted_at: time("2026-11-23T09:00:00+08:00"),
        evidence_ids: vec![photo.to_owned()],
        replaces: String::new(),
    }
}

async fn post(
    world: &World,
    caller: Caller,
    request: api::PostNoticeRequest,
) -> Result<api::PostNoticeResponse, Status> {
    Ok(world.publicity().post_notice(world.request(caller, request)).await?.into_inner())
}

async fn remove(world: &World, caller: Caller, notice_id: &str) -> Result<api::RemoveNoticeResponse, Status> {
    let request = api::RemoveNoticeRequest {
        request_id: new_id(),
        notice_id: notice_id.to_owned(),
        reason: "被雨水冲掉".to_owned(),
        removed_at: None,
    };
    Ok(world.publicity().remove_notice(world.request(caller, request)).await?.into_inner())
}

async fn standing(world: &World, village: &str) -> api::GetNoticeStandingResponse {
    let request = api::GetNoticeStandingRequest { village: Some(wire(village)) };
    world.publicity().get_notice_standing(world.request(OFFICE, request)).await.expect("a standing").into_inner()
}

async fn lacking(world: &World, region: &str) -> Vec<String> {
    let request =
        api::ListNoticeStandingsRequest { region: Some(wire(region)), only_lacking: true, ..Default::default() };
    let page = world.publicity().list_notice_standings(world.request(OFFICE, request)).await.expect("a page");
    page.into_inner().standings.into_iter().map(|one| one.village.expect("a village").code).collect()
}

fn numbers(standing: Option<ev::NoticeStanding>) -> (u32, u32, u32) {
    let standing = standing.expect("a standing");
    (standing.valid_places, standing.close_pairs, standing.required)
}

fn id(posted: &api::PostNoticeResponse) -> String {
    posted.notice.clone().expect("as kept").notice_id
}

#[tokio::test]
async fn a_village_has_its_ten_places_when_ten_reward_notices_hang_fifty_metres_apart() {
    let world = World::start().await;
    let photo = world.photo().await;
    assert_eq!(lacking(&world, "township:371302001").await, ["371302001001", "371302001002"]);
    for place in 0..10 {
        assert_eq!(lacking(&world, VILLAGE).await, ["371302001001"]);
        let posted = post(&world, MEMBER, notice(&photo, place * 60)).await.expect("posted");
        assert_eq!(numbers(posted.standing), (u32::try_from(place).expect("small") + 1, 0, 10));
    }
    let work = api::PostNoticeRequest { kind: NoticeKind::Work.into(), ..notice(&photo, 1_000) };
    assert_eq!(numbers(post(&world, SECRETARY, work).await.expect("posted").standing), (10, 0, 10));
    assert_eq!(lacking(&world, "city:371300").await, ["371302001002", "371302002001"]);
    let events = world.history(&book()).await;
    assert_eq!(kinds(&events), ["notice-posted"; 11]);
    let Some(event @ Event::NoticePosted(last)) = events.last() else { panic!("a notice") };
    let subject = event.subject().expect("a subject").to_string();
    assert_eq!(subject, "dafei.v1.publicity.371302.371302001.371302001001.notice-posted");
    assert_eq!((numbers(last.standing), last.copies, last.kind()), ((10, 0, 10), 2, NoticeKind::Work));
    assert_eq!(last.meta.as_ref().and_then(|meta| meta.actor.clone()).expect("an actor").role, "village-secretary");
}

#[tokio::test]
async fn every_pair_that_is_too_close_is_named_with_its_distance_and_a_removed_notice_frees_its_place() {
    let world = World::start().await;
    let photo = world.photo().await;
    let mut posted = Vec::new();
    for metres in [0, 30, 60, 107] {
        posted.push(id(&post(&world, SECRETARY, notice(&photo, metres)).await.expect("posted")));
    }
    let found = standing(&world, VILLAGE).await;
    // The second is too close to the first; the fourth is 47 m from the third, which a phone may err.
    assert_eq!(numbers(found.standing), (3, 2, 10));
    assert_eq!(found.valid_notice_ids, [posted[0].clone(), posted[2].clone(), posted[3].clone()]);
    let pairs: Vec<_> = found
        .close_pairs
        .iter()
        .map(|pair| (pair.notice_id.as_str(), pair.other_notice_id.as_str(), pair.distance_m.round(), pair.tolerated))
        .collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|at: usize| posted[at].as_str());
    assert_eq!(pairs, [(a, b, 30.0, false), (b, c, 30.0, false), (c, d, 47.0, true)]);
    assert!(found.lacking);

    let removed = remove(&world, MEMBER, &posted[0]).await.expect("removed");
    assert_eq!(numbers(removed.standing), (2, 1, 10));
    assert_eq!(removed.notice.expect("as kept").removal_reason, "被雨水冲掉");
    assert_eq!(standing(&world, VILLAGE).await.valid_notice_ids, [posted[1].clone(), posted[3].clone()]);
    let again = remove(&world, MEMBER, &posted[0]).await;
    assert_eq!(refused(again), (Code::FailedPrecondition, "NOTICE_ALREADY_REMOVED".to_owned()));
    let events = world.history(&book()).await;
    let Some(Event::NoticeRemoved(told)) = events.last() else { panic!("a removal") };
    assert_eq!((told.notice_id.as_str(), numbers(told.standing)), (posted[0].as_str(), (2, 1, 10)));
}

#[tokio::test]
async fn a_replaced_notice_is_removed_in_the_same_transaction_and_the_village_never_lacks_it() {
    let world = World::start().await;
    let photo = world.photo().await;
    let old = id(&post(&world, SECRETARY, notice(&photo, 0)).await.expect("posted"));
    let request = api::PostNoticeRequest { replaces: old.clone(), ..notice(&photo, 3) };
    let new = post(&world, SECRETARY, request.clone()).await.expect("posted");
    assert_eq!(numbers(new.standing), (1, 0, 10));
    assert_eq!(post(&world, SECRETARY, request).await.expect("replayed"), new);
    let events = world.history(&book()).await;
    assert_eq!(kinds(&events), ["notice-posted", "notice-removed", "notice-posted"]);
    let Event::NoticeRemoved(told) = &events[1] else { panic!("a removal") };
    assert_eq!((told.notice_id.as_str(), numbers(told.standing)), (old.as_str(), (1, 0, 10)));
    let list = |hanging_only| {
        let region = Some(wire("county:371302"));
        world.request(OFFICE, api::ListNoticesRequest { region, hanging_only, ..Default::default() })
    };
    let hanging = world.publicity().list_notices(list(true)).await.expect("a page").into_inner().notices;
    assert_eq!(hanging.iter().map(|one| one.notice_id.as_str()).collect::<Vec<_>>(), [id(&new)]);
    let all = world.publicity().list_notices(list(false)).await.expect("a page").into_inner().notices;
    assert_eq!(all.iter().filter(|one| one.removed_at.is_some()).count(), 1);
    let stale = api::PostNoticeRequest { replaces: old, ..notice(&photo, 100) };
    assert_eq!(fields(&post(&world, SECRETARY, stale).await.expect_err("gone")), ["replaces"]);
}

#[tokio::test]
async fn a_notice_outside_its_village_is_refused_by_whoever_and_wherever_it_is_posted() {
    let world = World::start().await;
    let photo = world.photo().await;
    post(&world, SECRETARY, notice(&photo, 0)).await.expect("posted");
    let before = world.events().await;
    let far = post(&world, SECRETARY, notice(&photo, 12_000)).await.expect_err("12 km away");
    assert_eq!(fields(&far), ["position"]);
    assert_eq!(refused(Err::<(), _>(far)).1, "OUTSIDE_OF_VILLAGE");
    let denied = (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned());
    let of = |village: &str| api::PostNoticeRequest { village: Some(wire(village)), ..notice(&photo, 0) };
    for caller in [MEMBER, SECRETARY, (Role::WorkAreaSecretary, WORK_AREA)] {
        assert_eq!(refused(post(&world, caller, of(OTHER_VILLAGE)).await), denied);
    }
    assert_eq!(refused(post(&world, CENTRE, of("village:371302002001")).await), denied);
    let office = post(&world, OFFICE, of(VILLAGE)).await;
    assert_eq!(refused(office), (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned()));
    let theirs = remove(&world, (Role::VillageSecretary, OTHER_VILLAGE), &id_of_first(&world).await).await;
    assert_eq!(refused(theirs), denied);
    assert_eq!(world.events().await, before);
    post(&world, (Role::WorkAreaSecretary, WORK_AREA), notice(&photo, 100)).await.expect("of the area");
    post(&world, CENTRE, notice(&photo, 200)).await.expect("of the township");
}

async fn id_of_first(world: &World) -> String {
    let request = api::ListNoticesRequest { region: Some(wire(VILLAGE)), ..Default::default() };
    let page = world.publicity().list_notices(world.request(OFFICE, request)).await.expect("a page");
    page.into_inner().notices[0].notice_id.clone()
}

type Change = fn(&mut api::PostNoticeRequest);

/// What is changed, the field that is named, and the reason.
const CASES: &[(&str, Change, &str, &str)] = &[
    ("no request id", |r| r.request_id.clear(), "request_id", "REQUIRED"),
    ("a township", |r| r.village = Some(wire("township:371302001")), "village.level", "WRONG_LEVEL"),
    ("no kind", |r| r.kind = 0, "kind", "REQUIRED"),
    ("an unknown kind", |r| r.kind = 9, "kind", "INVALID"),
    ("no copies", |r| r.copies = 0, "copies", "OUT_OF_RANGE"),
    ("too many copies", |r| r.copies = 1_001, "copies", "OUT_OF_RANGE"),
    ("no position", |r| r.position = None, "position", "REQUIRED"),
    ("a phone without a position", |r| r.position = Some(types::Position::default()), "position", "OUTSIDE_OF_CHINA"),
    ("no point on earth", off_the_earth, "position", "INVALID"),
    ("no place", |r| r.place.clear(), "place", "REQUIRED"),
    ("no time", |r| r.posted_at = None, "posted_at", "REQUIRED"),
    ("tomorrow", |r| r.posted_at = time("2026-11-24T09:00:00+08:00"), "posted_at", "TIME_IN_FUTURE"),
    ("years ago", |r| r.posted_at = time("2024-11-24T09:00:00+08:00"), "posted_at", "TOO_LONG_AGO"),
    ("no photo", |r| r.evidence_ids.clear(), "evidence_ids", "PHOTO_REQUIRED"),
    ("an unknown photo", |r| r.evidence_ids = vec![new_id()], "evidence_ids[0]", "EVIDENCE_NOT_FOUND"),
    ("a replaced one that is no id", |r| r.replaces = "x".to_owned(), "replaces", "INVALID"),
    ("an unknown replaced one", |r| r.replaces = new_id(), "replaces", "NOTICE_NOT_HANGING"),
];

fn off_the_earth(request: &mut api::PostNoticeRequest) {
    request.position = Some(types::Position { latitude_e7: 900_000_001, longitude_e7: 0 });
}

#[tokio::test]
async fn a_wrong_field_of_a_notice_is_named_and_nothing_is_written() {
    let world = World::start().await;
    let photo = world.photo().await;
    let before = world.events().await;
    for (what, change, field, reason) in CASES {
        let mut request = notice(&photo, 0);
        change(&mut request);
        let status = post(&world, SECRETARY, request).await.expect_err(what);
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
        assert_eq!(fields(&status), [*field], "{what}");
        assert_eq!(refused(Err::<(), _>(status)).1, *reason, "{what}");
    }
    let theirs = world.upload((Role::GridMember, OTHER_VILLAGE), &new_id(), OTHER_VILLAGE, PNG).await;
    let request = notice(&theirs.expect("kept").evidence_id, 0);
    assert_eq!(fields(&post(&world, SECRETARY, request).await.expect_err("theirs")), ["evidence_ids[0]"]);
    assert_eq!(world.events().await, before);
    assert_eq!(remove(&world, SECRETARY, &new_id()).await.expect_err("unknown").code(), Code::NotFound);
    let kept = id(&post(&world, SECRETARY, notice(&photo, 0)).await.expect("posted"));
    let early = api::RemoveNoticeRequest {
        request_id: new_id(),
        notice_id: kept,
        reason: "撤下".to_owned(),
        removed_at: time("2026-11-23T08:00:00+08:00"),
    };
    let status = world.publicity().remove_notice(world.request(SECRETARY, early)).await.expect_err("too early");
    assert_eq!(fields(&status), ["removed_at"]);
}

#[tokio::test]
async fn two_who_post_at_once_both_see_the_village_as_it_then_stands() {
    let world = World::start().await;
    let photo = world.photo().await;
    let all = (0..8).map(|place| post(&world, SECRETARY, notice(&photo, place * 60)));
    let mut counts: Vec<u32> = futures::future::join_all(all)
        .await
        .into_iter()
        .map(|posted| numbers(posted.expect("posted").standing).0)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=8).collect::<Vec<_>>());
    assert_eq!(numbers(standing(&world, VILLAGE).await.standing), (8, 0, 10));
}

#[tokio::test]
async fn villages_are_listed_page_by_page_and_those_without_any_notice_too() {
    let world = World::start().await;
    let mut request =
        api::ListNoticeStandingsRequest { region: Some(wire("city:371300")), page_size: 2, ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let page = world.publicity().list_notice_standings(world.request(OFFICE, request.clone())).await;
        let page = page.expect("a page").into_inner();
        assert!(page.standings.len() <= 2);
        seen.extend(page.standings.into_iter().map(|one| (one.name, one.lacking, numbers(one.standing))));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, ["一村", "二村", "三村"].map(|name| (name.to_owned(), true, (0, 0, 10))));
}

#[tokio::test]
async fn broadcasts_are_counted_from_monday_to_sunday_told_and_listed() {
    let world = World::start().await;
    let broadcast = |made_at: &str| api::RecordBroadcastRequest {
        request_id: new_id(),
        village: Some(wire(VILLAGE)),
        made_at: time(made_at),
        seconds: 600,
        text: "有奖举报电话已公布".to_owned(),
    };
    let record = |request| {
        let request = world.request(MEMBER, request);
        async { world.publicity().record_broadcast(request).await.map(tonic::Response::into_inner) }
    };
    let first = broadcast("2026-11-16T00:00:00+08:00");
    assert_eq!(record(first.clone()).await.expect("recorded").broadcasts_this_week, 1);
    assert_eq!(record(first).await.expect("replayed").broadcasts_this_week, 1);
    let sunday = record(broadcast("2026-11-22T23:59:59+08:00")).await.expect("recorded");
    assert_eq!(sunday.broadcasts_this_week, 2);
    assert_eq!(record(broadcast("2026-11-23T00:00:00+08:00")).await.expect("recorded").broadcasts_this_week, 1);
    let events = world.history(&book()).await;
    assert_eq!(kinds(&events), ["broadcast-made"; 3]);
    let request =
        api::ListBroadcastsRequest { region: Some(wire("township:371302001")), page_size: 2, ..Default::default() };
    let page = world.publicity().list_broadcasts(world.request(OFFICE, request.clone())).await.expect("a page");
    let page = page.into_inner();
    assert_eq!(page.broadcasts[1], sunday.broadcast.expect("as kept"));
    let next = api::ListBroadcastsRequest { page_token: page.next_page_token, ..request };
    let page = world.publicity().list_broadcasts(world.request(OFFICE, next)).await.expect("a page").into_inner();
    assert_eq!((page.broadcasts.len(), page.next_page_token.as_str()), (1, ""));

    type Change = fn(&mut api::RecordBroadcastRequest);
    let cases: [(Change, &str); 5] = [
        (|r| r.seconds = 0, "seconds"),
        (|r| r.seconds = 14_401, "seconds"),
        (|r| r.text.clear(), "text"),
        (|r| r.made_at = None, "made_at"),
        (|r| r.made_at = time("2026-11-24T00:00:00+08:00"), "made_at"),
    ];
    for (change, field) in cases {
        let mut request = broadcast("2026-11-23T00:00:00+08:00");
        change(&mut request);
        assert_eq!(fields(&record(request).await.expect_err(field)), [field]);
    }
}
