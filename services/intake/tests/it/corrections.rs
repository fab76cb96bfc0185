//! A reward whose announcement was withdrawn is announced anew (clauses D3, D4): once nobody can be paid by the withdrawn one, and never twice.

use dafei_contracts::intake::v1 as api;
use dafei_testkit::eventually;
use jiff::SignedDuration;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    counter::{CODE, COUNTY, GivenTip, OFFICE, TIP, announcement, number},
    rewards::waiting,
    world::{SOON, World, kinds, new_id, refused, wire},
};

/// What was meant: 10,000 yuan instead of 1,000.
fn corrected(tip: &str) -> api::AnnounceRewardRequest {
    api::AnnounceRewardRequest { amount_fen: 1_000_000, ..announcement(tip) }
}

/// From when on another announcement can follow, as a refusal says.
fn possible_from(answer: Result<api::Reward, Status>) -> String {
    let details = answer.expect_err("too early").get_error_details();
    assert_eq!(details.error_info().expect("a reason").reason, "WITHDRAWN_LATELY");
    let violations = &details.precondition_failure().expect("a precondition").violations;
    violations[0].subject.strip_prefix("from/").expect("an instant").to_owned()
}

impl World {
    /// Announces the reward of a new tip by mistake; the tip, and the number.
    async fn mistaken(&self) -> (String, String) {
        let tip = self.tip(TIP).await;
        let reward = self.announce(OFFICE, announcement(&tip)).await.expect("announced");
        (tip, number(&reward))
    }
}

#[tokio::test]
async fn a_reward_that_was_announced_by_mistake_is_announced_anew_and_paid_once_with_the_new_amount() {
    let world = World::with_rewards().await;
    let (tip, old) = world.mistaken().await;
    world.withdraw_reward(&old).await.expect("withdrawn");
    world.pass(SignedDuration::from_mins(30));
    assert_eq!(possible_from(world.announce(OFFICE, corrected(&tip)).await), "2026-11-23T02:31:00Z");
    assert!(waiting(&world).await.is_empty());
    world.pass(SignedDuration::from_mins(1));
    let request = corrected(&tip);
    let reward = world.announce(OFFICE, request.clone()).await.expect("the wait is over");
    assert_eq!(world.announce(OFFICE, request).await.expect("replayed"), reward);
    let new = number(&reward);
    assert_eq!((old.as_str(), new.as_str()), ("371302-2026-0001", "371302-2026-0002"));
    let again = world.announce(OFFICE, corrected(&tip)).await;
    assert_eq!(refused(again), (Code::FailedPrecondition, "ALREADY_ANNOUNCED".to_owned()));

    let one = world.counter(1);
    assert_eq!(refused(one.reserve(&old, CODE).await).1, "CLAIM_REFUSED");
    let held = one.reserve(&new, CODE).await.expect("the tip's code");
    assert_eq!(held.amount_fen, 1_000_000);
    one.confirm(&held.reservation_id, "S-0001").await.expect("paid");
    assert_eq!(refused(one.reserve(&new, CODE).await).1, "CLAIM_REFUSED", "once");
    assert_eq!(refused(world.announce(OFFICE, corrected(&tip)).await).1, "ALREADY_ANNOUNCED");
    assert_eq!(world.published(&new).await.state(), api::AnnouncementState::Paid);

    let message = api::ListRewardsRequest { region: Some(wire(COUNTY)), ..Default::default() };
    let page = world.offices().list_rewards(world.request(OFFICE, message)).await.expect("a page").into_inner();
    let told = |reward: &api::Reward| {
        let announcement = reward.announcement.as_ref().expect("what is published");
        (announcement.number.clone(), announcement.state(), reward.tip_id.clone())
    };
    let seen: Vec<_> = page.rewards.iter().map(told).collect();
    let (paid, withdrawn) = (api::AnnouncementState::Paid, api::AnnouncementState::Withdrawn);
    assert_eq!(seen, [(new.clone(), paid, tip.clone()), (old.clone(), withdrawn, tip)], "the office sees both");
    for (number, facts) in [(&old, &["announced"][..]), (&new, &["announced", "paid"][..])] {
        assert_eq!(kinds(&world.history(&world.reward_id(number).await).await), facts);
    }
}

#[tokio::test]
async fn a_second_mistake_is_corrected_as_the_first() {
    let world = World::with_rewards().await;
    let (tip, mut last) = world.mistaken().await;
    for _ in 0..2 {
        world.withdraw_reward(&last).await.expect("withdrawn");
        assert_eq!(refused(world.announce(OFFICE, corrected(&tip)).await).1, "WITHDRAWN_LATELY");
        world.pass(SignedDuration::from_mins(31));
        last = number(&world.announce(OFFICE, corrected(&tip)).await.expect("the wait is over"));
    }
    assert_eq!(last, "371302-2026-0003");
}

#[tokio::test]
async fn a_withdrawn_reward_that_was_paid_at_the_counter_is_the_last_word() {
    let world = World::with_rewards().await;
    let (tip, old) = world.mistaken().await;
    let held = world.counter(1).reserve(&old, CODE).await.expect("right");
    world.withdraw_reward(&old).await.expect("withdrawn");
    world.pass(SignedDuration::from_mins(29));
    world.counter(1).confirm(&held.reservation_id, "S-0001").await.expect("in time");
    world.pass(SignedDuration::from_hours(2));
    assert_eq!(refused(world.announce(OFFICE, corrected(&tip)).await).1, "ALREADY_ANNOUNCED");
    assert!(waiting(&world).await.is_empty());
    assert_eq!(world.published(&old).await.state(), api::AnnouncementState::Paid);
}

#[tokio::test]
async fn the_wait_is_the_same_whether_or_not_somebody_stands_at_the_counter_and_no_claim_outlives_it() {
    let world = World::with_rewards().await;
    let (claimed, unclaimed) = (world.mistaken().await, world.mistaken().await);
    let one = world.counter(1);
    let held = one.reserve(&claimed.1, CODE).await.expect("right");
    for (_, old) in [&claimed, &unclaimed] {
        world.withdraw_reward(old).await.expect("withdrawn");
    }
    world.pass(SignedDuration::from_mins(10));
    for (tip, _) in [&claimed, &unclaimed] {
        assert_eq!(possible_from(world.announce(OFFICE, corrected(tip)).await), "2026-11-23T02:31:00Z");
    }
    world.pass(SignedDuration::from_mins(21));
    for (tip, _) in [&claimed, &unclaimed] {
        world.announce(OFFICE, corrected(tip)).await.expect("both at once");
    }
    let late = one.confirm(&held.reservation_id, "S-0001").await;
    assert_eq!(refused(late), (Code::FailedPrecondition, "RESERVATION_LAPSED".to_owned()));
    // Nor by a statement that forgets it.
    let paid = sqlx::query("UPDATE reward SET state = 2 WHERE number = $1").bind(&claimed.1);
    let sqlx::Error::Database(error) = paid.execute(&world.db.pool).await.expect_err("it is over") else {
        panic!("refused by the database");
    };
    assert_eq!(error.constraint(), Some("reward_freed_unpaid"));
}

#[tokio::test]
async fn a_reservation_that_was_made_for_longer_is_still_paid_and_keeps_the_tip_meanwhile() {
    let world = World::with_rewards().await;
    let (tip, old) = world.mistaken().await;
    let one = world.counter(1);
    let held = one.reserve(&old, CODE).await.expect("right");
    world.withdraw_reward(&old).await.expect("withdrawn");
    // As if another setting had held when it was made.
    sqlx::query("UPDATE reward_claim SET until = '2026-11-23T04:00:00Z' WHERE id = $1::uuid")
        .bind(&held.reservation_id)
        .execute(&world.db.pool)
        .await
        .expect("it lasts longer");
    world.pass(SignedDuration::from_mins(31));
    assert_eq!(possible_from(world.announce(OFFICE, corrected(&tip)).await), "2026-11-23T03:02:00Z");
    one.confirm(&held.reservation_id, "S-0001").await.expect("in time");
    world.pass(SignedDuration::from_hours(2));
    assert_eq!(refused(world.announce(OFFICE, corrected(&tip)).await).1, "ALREADY_ANNOUNCED");
}

#[tokio::test]
async fn after_the_wait_the_tips_of_a_matter_stand_as_if_nothing_had_been_announced() {
    let world = World::with_rewards().await;
    let case = new_id();
    let tip = world.tip(GivenTip { case: Some(&case), ..TIP }).await;
    let old = number(&world.announce(OFFICE, announcement(&tip)).await.expect("announced"));
    // One that joins afterwards and came earlier.
    let earlier = world.tip(GivenTip { case: Some(&case), ..TIP }).await;
    sqlx::query("UPDATE tip SET received_hour = '2026-11-19T01:00:00Z' WHERE id = $1::uuid")
        .bind(&earlier)
        .execute(&world.db.pool)
        .await
        .expect("it came earlier");
    world.withdraw_reward(&old).await.expect("withdrawn");
    world.pass(SignedDuration::from_mins(30));
    let too_early = world.announce(OFFICE, announcement(&earlier)).await;
    assert_eq!(refused(too_early).1, "TIP_NOT_REWARDABLE", "the matter may still be paid");
    world.pass(SignedDuration::from_mins(1));
    eventually(SOON, "the timer", async || (waiting(&world).await == [earlier.clone()]).then_some(())).await;
    assert_eq!(refused(world.announce(OFFICE, corrected(&tip)).await).1, "TIP_NOT_REWARDABLE", "it came later");
    world.announce(OFFICE, corrected(&earlier)).await.expect("the first of the matter");
    assert!(waiting(&world).await.is_empty());
}

#[tokio::test]
async fn of_what_the_release_before_withdrew_the_day_alone_is_known_and_waited_for() {
    let world = World::with_rewards().await;
    let (tip, old) = world.mistaken().await;
    world.withdraw_reward(&old).await.expect("withdrawn");
    sqlx::query("UPDATE reward SET free_at = NULL WHERE number = $1")
        .bind(&old)
        .execute(&world.db.pool)
        .await
        .expect("as that release leaves it");
    assert_eq!(possible_from(world.announce(OFFICE, corrected(&tip)).await), "2026-11-24T16:00:00Z");
    world.pass(SignedDuration::from_hours(38));
    world.announce(OFFICE, corrected(&tip)).await.expect("the wait is over");
}
