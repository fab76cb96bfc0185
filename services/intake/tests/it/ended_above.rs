//! Dispatch ends a case that came from the village, or takes it up again: the village sees it.

use dafei_contracts::{Event, events::v1 as ev, intake::v1 as api};
use dafei_testkit::eventually;

use crate::world::{SOON, World, kinds, new_id};

fn merged(case_id: &str, into: &str) -> Event {
    ev::CaseMerged {
        meta: None,
        case_id: case_id.to_owned(),
        into_case_id: into.to_owned(),
        tier: ev::Tier::Township.into(),
        reason: "同一处窝点".to_owned(),
    }
    .into()
}

fn withdrawn(case_id: &str) -> Event {
    let tier = ev::Tier::Township.into();
    ev::CaseWithdrawn { meta: None, case_id: case_id.to_owned(), tier, reason: "误立".to_owned() }.into()
}

fn reopened(case_id: &str) -> Event {
    let tier = ev::Tier::Township.into();
    ev::CaseReopened { meta: None, case_id: case_id.to_owned(), tier, reason: "又有人加工".to_owned() }.into()
}

impl World {
    async fn until(&self, id: &str, state: api::SuspicionState) -> api::Suspicion {
        eventually(SOON, "the state", || async { Some(self.get(id).await).filter(|case| case.state() == state) }).await
    }
}

#[tokio::test]
async fn the_village_sees_that_its_case_was_merged_or_withdrawn_above() {
    let world = World::start().await;
    let (one, other, into) = (world.up().await, world.up().await, new_id());
    world.dispatch_tells(&one, 1, merged(&one, &into)).await;
    world.dispatch_tells(&other, 1, withdrawn(&other)).await;
    // Of a case that came from no village nothing is waited for here.
    world.dispatch_tells(&into, 1, withdrawn(&into)).await;
    let ended = world.until(&one, api::SuspicionState::Merged).await;
    assert_eq!((ended.merged_into, ended.end_reason, ended.ended_above), (into, "同一处窝点".to_owned(), true));
    let ended = world.until(&other, api::SuspicionState::Withdrawn).await;
    assert_eq!((ended.end_reason.as_str(), ended.ended_above), ("误立", true));
    let facts = kinds(&world.history(&other).await);
    assert!(!facts.contains(&"report-withdrawn"), "it is dispatch's fact, and told by dispatch alone: {facts:?}");
}

#[tokio::test]
async fn a_case_that_ended_in_one_the_village_may_not_know_of_is_merged_all_the_same() {
    let world = World::start().await;
    let id = world.up().await;
    world.dispatch_tells(&id, 1, merged(&id, "")).await;
    let ended = world.until(&id, api::SuspicionState::Merged).await;
    assert_eq!((ended.merged_into.as_str(), ended.end_reason.as_str(), ended.ended_above), ("", "同一处窝点", true));
}

#[tokio::test]
async fn a_reopened_case_waits_for_another_outcome_and_is_published_again() {
    let world = World::start().await;
    let id = world.up().await;
    let photo = world.photo().await;
    world.outcome(&id, 1, "已取缔").await;
    world.until(&id, api::SuspicionState::OutcomeAvailable).await;
    world.publish(&id, vec![photo.clone()]).await.expect("published");
    world.dispatch_tells(&id, 2, reopened(&id)).await;
    world.until(&id, api::SuspicionState::ReportedUp).await;
    world.outcome(&id, 3, "已再次取缔").await;
    let again = world.until(&id, api::SuspicionState::OutcomeAvailable).await;
    assert_eq!(again.public_text, "已再次取缔");
    world.publish(&id, vec![photo]).await.expect("published again");
    let facts = kinds(&world.history(&id).await);
    assert_eq!(facts.iter().filter(|fact| **fact == "result-published").count(), 2, "P1 stops twice: {facts:?}");
}
