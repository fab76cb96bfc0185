//! What is open while the roster changes (clause B1): a village that moves goes on in its new township, and no region is taken out of which something
//! is open.

use dafei_contracts::{Event, intake::v1 as api};
use dafei_kernel::role::Role;
use dafei_testkit::eventually;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    counter::{COUNTY, FALSE, GivenTip, OFFICE, RECEIVED, TIP, WAITING, announcement, number},
    village::{HEEDED, NOT_DIRECT, REFUSED},
    village_steps::CENTRE,
    world::{
        ADMIN, Caller, MEMBER, OTHER_VILLAGE, SECRETARY, SOON, VILLAGE, WORK_AREA, World, den, kinds, new_id, refused,
        region, wire,
    },
};

const TOWNSHIP: &str = "township:371302001";
const OTHER_TOWNSHIP: &str = "township:371302002";
const OTHER_CENTRE: Caller = (Role::TownshipCentre, OTHER_TOWNSHIP);
/// The member of a village of the other township.
const THEIRS: Caller = (Role::GridMember, "village:371302002001");

/// Where [`VILLAGE`] lies at first, and where it has moved to.
const BEFORE: &str = "city:371300/county:371302/township:371302001/village:371302001001";
const AFTER: &str = "city:371300/county:371371/township:371302002/village:371302001001";

/// A village comes to lie in a township.
async fn move_to(world: &World, village: &str, township: &str) {
    let message = api::PutRegionRequest {
        request_id: new_id(),
        region: Some(wire(village)),
        name: "某村".to_owned(),
        parent: Some(wire(township)),
        ..Default::default()
    };
    let answer = world.roster().put_region(world.request(ADMIN, message)).await.expect("it moves");
    assert!(answer.into_inner().changed);
}

async fn take_out(world: &World, place: &str) -> Result<(), Status> {
    let message = api::RemoveRegionRequest { request_id: new_id(), region: Some(wire(place)) };
    world.roster().remove_region(world.request(ADMIN, message)).await.map(drop)
}

/// What is open at a region that cannot be taken out for it; nothing was written.
async fn open_at(world: &World, place: &str) -> String {
    let before = world.events().await;
    let status = take_out(world, place).await.expect_err("something is open");
    let details = status.get_error_details();
    let violation = details.precondition_failure().expect("a precondition").violations[0].clone();
    assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("OPEN_MATTERS", "region"));
    assert_eq!(refused(Err::<(), _>(status)), (Code::FailedPrecondition, "OPEN_MATTERS".to_owned()));
    assert_eq!(world.events().await, before);
    assert!(world.app().roster.current().get(&region(place)).is_some());
    violation.description
}

/// The region paths of a case's events.
async fn paths(world: &World, case_id: &str) -> Vec<String> {
    let path = |event: &Event| event.region_path().expect("a path").to_string();
    world.history(case_id).await.iter().map(path).collect()
}

async fn recorded(world: &World) -> String {
    world.record(den()).await.expect("recorded").case_id
}

/// A suspicion that was closed in the village, and a photo of it.
async fn closed(world: &World) -> (String, String) {
    let (id, photo) = (recorded(world).await, world.photo().await);
    world.notify(MEMBER, &id).await.expect("told");
    world.persuade(&id, HEEDED).await.expect("heeded");
    world.revisit(&id, true, vec![photo.clone()]).await.expect("closed");
    (id, photo)
}

async fn reopen(world: &World, caller: Caller, (id, photo): (&str, &str)) -> Result<(), Status> {
    let message = api::ReopenSuspicionRequest {
        request_id: new_id(),
        case_id: id.to_owned(),
        reason: "夜间又开工".to_owned(),
        evidence_ids: vec![photo.to_owned()],
        ..Default::default()
    };
    world.suspicions().reopen_suspicion(world.request(caller, message)).await.map(drop)
}

/// Dispatch tells the outcome, and the village has it.
async fn outcome(world: &World, caller: Caller, id: &str) {
    world.outcome(id, 1, "该窝点已取缔").await;
    eventually(SOON, "the outcome", || async {
        let shown = world.get_as(caller, id).await.expect("it is there").suspicion.expect("as kept");
        Some(shown).filter(|case| case.state() == api::SuspicionState::OutcomeAvailable)
    })
    .await;
}

#[tokio::test]
async fn what_goes_up_after_its_village_has_moved_is_for_the_township_that_it_lies_in_now() {
    let world = World::start().await;
    let (id, direct) = (recorded(&world).await, recorded(&world).await);
    world.notify(MEMBER, &id).await.expect("told");
    world.persuade(&id, REFUSED).await.expect("refused");
    move_to(&world, VILLAGE, OTHER_TOWNSHIP).await;
    world.report_up(SECRETARY, &id, NOT_DIRECT).await.expect("up");
    world.report_up(MEMBER, &direct, api::DirectCause::SecretaryUnreachable).await.expect("up");
    assert_eq!(paths(&world, &id).await, [BEFORE, BEFORE, BEFORE, AFTER]);
    assert_eq!(paths(&world, &direct).await, [BEFORE, AFTER]);
    let subjects: Vec<String> = sqlx::query_scalar("SELECT subject FROM event_log WHERE event_type LIKE '%ReportedUp'")
        .fetch_all(&world.db.pool)
        .await
        .expect("rows");
    assert_eq!(subjects, ["dafei.v1.village.371371.371302002.371302001001.reported-up"; 2]);
    world.get_as(OTHER_CENTRE, &id).await.expect("it is theirs now");
    assert_eq!(refused(world.get_as(CENTRE, &id).await), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));

    outcome(&world, MEMBER, &id).await;
    let photo = world.photo().await;
    world.publish(&id, vec![photo]).await.expect("published");
    assert_eq!(paths(&world, &id).await[3..], [AFTER, AFTER], "one rule for every step");
}

#[tokio::test]
async fn what_is_reopened_after_its_village_has_moved_goes_up_to_where_it_lies_now() {
    let world = World::start().await;
    let (id, photo) = closed(&world).await;
    move_to(&world, VILLAGE, OTHER_TOWNSHIP).await;
    let denied = reopen(&world, CENTRE, (&id, &photo)).await;
    assert_eq!(refused(denied), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
    reopen(&world, OTHER_CENTRE, (&id, &photo)).await.expect("reopened");
    world.report_up(SECRETARY, &id, NOT_DIRECT).await.expect("up");
    assert_eq!(kinds(&world.history(&id).await)[3..], ["revisit-recorded", "suspicion-reopened", "reported-up"]);
    assert_eq!(paths(&world, &id).await, [BEFORE, BEFORE, BEFORE, BEFORE, AFTER, AFTER]);
}

#[tokio::test]
async fn what_is_reopened_in_a_village_that_is_gone_goes_up_by_the_path_of_its_finding() {
    let world = World::start().await;
    let (id, photo) = closed(&world).await;
    take_out(&world, VILLAGE).await.expect("nothing of it is open");
    reopen(&world, SECRETARY, (&id, &photo)).await.expect("reopened");
    world.report_up(SECRETARY, &id, NOT_DIRECT).await.expect("up");
    assert_eq!(paths(&world, &id).await, [BEFORE; 6]);
}

#[tokio::test]
async fn a_village_stays_in_the_roster_until_its_reports_have_ended() {
    let world = World::start().await;
    let (withdrawn, up) = (recorded(&world).await, recorded(&world).await);
    assert_eq!(open_at(&world, VILLAGE).await, "not at an end: reports 2");
    take_out(&world, OTHER_VILLAGE).await.expect("nothing of it is open");
    world.withdraw(&withdrawn).await.expect("withdrawn");
    assert_eq!(open_at(&world, VILLAGE).await, "not at an end: reports 1");
    world.report_up(MEMBER, &up, api::DirectCause::SecretaryUnreachable).await.expect("up");
    assert_eq!(open_at(&world, VILLAGE).await, "not at an end: reports 1");
    outcome(&world, MEMBER, &up).await;
    assert_eq!(open_at(&world, VILLAGE).await, "not at an end: reports 1");
    let photo = world.photo().await;
    world.publish(&up, vec![photo]).await.expect("published");
    take_out(&world, VILLAGE).await.expect("all has ended");
    assert!(world.app().roster.current().get(&region(VILLAGE)).is_none());
}

#[tokio::test]
async fn a_township_whose_villages_have_moved_stays_while_a_report_waits_for_its_outcome() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let message = api::RecordSuspicionRequest { village: Some(wire(THEIRS.1)), ..den() };
        let answer = world.suspicions().record_suspicion(world.request(THEIRS, message)).await.expect("recorded");
        ids.push(answer.into_inner().suspicion.expect("as kept").case_id);
    }
    world.report_up(THEIRS, &ids[0], api::DirectCause::SecretaryUnreachable).await.expect("up");
    move_to(&world, THEIRS.1, TOWNSHIP).await;
    assert_eq!(open_at(&world, OTHER_TOWNSHIP).await, "not at an end: reports 1", "the other one has not gone up");
    outcome(&world, THEIRS, &ids[0]).await;
    take_out(&world, OTHER_TOWNSHIP).await.expect("nothing waits for it");
    world.report_up(THEIRS, &ids[1], api::DirectCause::SecretaryUnreachable).await.expect("up");
    let up = paths(&world, &ids[1]).await.pop().expect("an event");
    assert_eq!(up, "city:371300/county:371302/township:371302001/village:371302002001");
}

#[tokio::test]
async fn a_township_stays_while_its_tips_are_open_or_a_true_one_may_still_be_rewarded() {
    let world = World::with_rewards().await;
    for place in [VILLAGE, OTHER_VILLAGE, WORK_AREA] {
        take_out(&world, place).await.expect("it is empty");
    }
    for over in [
        GivenTip { code: None, ..TIP },
        GivenTip { state: FALSE, ..TIP },
        GivenTip { recipient: COUNTY, state: RECEIVED, ..TIP },
    ] {
        world.tip(over).await;
    }
    world.tip(GivenTip { state: WAITING, ..TIP }).await;
    let received = world.tip(GivenTip { state: RECEIVED, ..TIP }).await;
    let rewardable = world.tip(TIP).await;
    let behind = world.tip(GivenTip { first: Some(&received), ..TIP }).await;
    assert_eq!(open_at(&world, TOWNSHIP).await, "not at an end: tips 4");
    sqlx::query("UPDATE tip SET state = $1 WHERE state < 4")
        .bind(FALSE)
        .execute(&world.db.pool)
        .await
        .expect("found untrue");
    assert_eq!(open_at(&world, TOWNSHIP).await, "not at an end: tips 2", "a reward may follow for both true ones");
    for tip in [&rewardable, &behind] {
        world.announce(OFFICE, announcement(tip)).await.expect("announced");
    }
    take_out(&world, TOWNSHIP).await.expect("all is at an end");
}

#[tokio::test]
async fn a_township_stays_while_another_announcement_may_follow_one_that_was_withdrawn() {
    let world = World::with_rewards().await;
    let withdrawn = world.announced().await;
    for place in [VILLAGE, OTHER_VILLAGE, WORK_AREA] {
        take_out(&world, place).await.expect("it is empty");
    }
    world.withdraw_reward(&withdrawn).await.expect("withdrawn");
    assert_eq!(open_at(&world, TOWNSHIP).await, "not at an end: tips 1");
}

#[tokio::test]
async fn a_township_stays_while_its_true_tip_waits_for_what_was_withdrawn_elsewhere() {
    let world = World::with_rewards().await;
    for place in [VILLAGE, OTHER_VILLAGE, WORK_AREA] {
        take_out(&world, place).await.expect("it is empty");
    }
    let (case, other) = (new_id(), new_id());
    // Of the one matter by a link, of the other by a case.
    let first = world.tip(GivenTip { state: FALSE, ..TIP }).await;
    let later = world.tip(GivenTip { recipient: COUNTY, first: Some(&first), case: Some(&other), ..TIP }).await;
    let beside = world.tip(GivenTip { recipient: COUNTY, case: Some(&case), ..TIP }).await;
    for tip in [&later, &beside] {
        let reward = world.announce(OFFICE, announcement(tip)).await.expect("announced");
        world.withdraw_reward(&number(&reward)).await.expect("withdrawn");
    }
    sqlx::query("UPDATE tip SET state = $2 WHERE id = $1::uuid")
        .bind(&first)
        .bind(TIP.state)
        .execute(&world.db.pool)
        .await
        .expect("it turned out to be true");
    assert_eq!(open_at(&world, TOWNSHIP).await, "not at an end: tips 1");
    world.tip(GivenTip { case: Some(&case), ..TIP }).await;
    assert_eq!(open_at(&world, TOWNSHIP).await, "not at an end: tips 2");
}
