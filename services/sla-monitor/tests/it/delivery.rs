//! However late, often or out of order the events come, the verdict is the same.

use dafei_contracts::{Event, Stream};
use dafei_kernel::role::Role;
use dafei_testkit::eventually;

use crate::{
    events::{COUNTY, Case, Told, VILLAGE, at, department},
    world::{SOON, START, World, said},
};

const TEN: &str = "2026-11-23T10:00:00+08:00";

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_is_on_its_way_is_waited_for() {
    let world = World::start().await;
    let case = Case::new(1).found(START).notified("2026-11-23T08:50:00+08:00");
    world.tell(&case.told[..1]).await;
    world.go("2026-11-23T08:50:00+08:00").await;
    // Intake's relay hangs: its watermark stays, and the stop that was recorded in time is not in the stream.
    world.clock.set(at(TEN));
    world.firing.clock_moved();
    world.watermark("dispatch", at(TEN)).await;
    world.caught_up().await;
    assert_eq!(world.firing.pass().await.unwrap(), 0, "nothing is announced beyond intake's watermark");
    assert!(world.firing.done_through().await.unwrap() < at(TEN));
    world.tell(&case.told[1..]).await;
    world.watermark("intake", at(TEN)).await;
    world.caught_up().await;
    world.done().await;
    assert_eq!(
        world.announced(&case, &["V1"]).await,
        [said("V1", 1, "warned", "2026-11-23T08:45:00+08:00"), said("V1", 1, "settled", "2026-11-23T08:50:00+08:00"),]
    );
    assert!(
        world
            .standing(Role::VillageSecretary, VILLAGE)
            .await
            .unwrap()
            .iter()
            .all(|item| { item.obligation.as_ref().is_none_or(|obligation| obligation.clock != "V1") })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_that_slipped_through_is_annulled_by_its_timely_stop() {
    let world = World::start().await;
    let case = Case::new(1).found(START).notified("2026-11-23T09:00:00+08:00");
    world.tell(&case.told[..1]).await;
    world.go(TEN).await;
    assert_eq!(world.standing(Role::CountyOffice, COUNTY).await.unwrap().len(), 1);
    // The stop was recorded at the very limit, and comes after the watermark that should have waited for it.
    world.tell(&case.told[1..]).await;
    world.go("2026-11-23T10:05:00+08:00").await;
    let facts: Vec<_> = world.announced(&case, &["V1"]).await.into_iter().map(|said| (said.fact, said.at)).collect();
    assert_eq!(
        facts,
        [
            ("warned".to_owned(), at("2026-11-23T08:45:00+08:00")),
            ("breached".to_owned(), at("2026-11-23T09:00:00+08:00")),
            ("settled".to_owned(), at("2026-11-23T09:00:00+08:00")),
            ("annulled".to_owned(), at(TEN)),
            ("reminded".to_owned(), at(TEN)),
        ]
    );
    let standing = world.standing(Role::CountyOffice, COUNTY).await.unwrap();
    assert!(standing.iter().all(|item| item.obligation.as_ref().unwrap().clock != "V1"), "no breach stands");
    let item = world.obligations(case.id).await.into_iter().next().unwrap();
    assert_eq!((item.breached, item.annulled, item.late_seconds), (false, true, 0));
}

fn history() -> Vec<Case> {
    let (lead, helper) = (department(1, "emergency-management", true), department(2, "fire-rescue", false));
    vec![
        Case::new(1)
            .found("2026-11-23T08:00:00+08:00")
            .notified("2026-11-23T08:30:00+08:00")
            .persuaded("2026-11-23T09:00:00+08:00", false)
            .reported_up("2026-11-23T11:00:00+08:00")
            .opened("2026-11-23T11:00:00+08:00")
            .escalated("2026-11-23T12:00:00+08:00")
            .assigned("2026-11-23T13:00:00+08:00", &[lead.clone(), helper.clone()])
            .delivered("2026-11-23T13:00:00+08:00", lead.clone())
            .delivered("2026-11-23T13:10:00+08:00", helper)
            .responded("2026-11-24T14:00:00+08:00", lead.clone())
            .result("2026-11-25T13:00:00+08:00", lead)
            .fed_back("2026-11-25T13:10:00+08:00")
            .published("2026-11-25T14:00:00+08:00")
            .closed("2026-11-25T14:00:00+08:00"),
        Case::new(2)
            .found("2026-11-23T09:00:00+08:00")
            .notified("2026-11-23T09:50:00+08:00")
            .persuaded("2026-11-23T10:00:00+08:00", true),
    ]
}

/// The ledger and all verdicts, whatever the order in which they were written.
async fn ledger(world: &World) -> (Vec<dafei_contracts::sla::v1::ObligationItem>, Vec<String>) {
    let mut items = Vec::new();
    for case in history() {
        items.extend(world.obligations(case.id).await);
    }
    let mut verdicts: Vec<String> = world
        .log()
        .await
        .into_iter()
        .map(|(event, _)| {
            let named = crate::world::obligation(&event);
            format!("{} {} {:?}", named.obligation_id, event.kind().fact, event.meta().unwrap().received_at)
        })
        .collect();
    verdicts.sort();
    (items, verdicts)
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_reordered_events_give_the_same_ledger() {
    let (ordered, mixed) = (World::start().await, World::start().await);
    for case in history() {
        ordered.tell(&case.told).await;
    }
    // The publishers' streams in any order to each other, each backwards, and everything twice.
    let all: Vec<Told> = history().into_iter().flat_map(|case| case.told).collect();
    let (intake, dispatch): (Vec<Told>, Vec<Told>) = all.into_iter().partition(|told| told.service == "intake");
    for told in dispatch.iter().rev().chain(intake.iter().rev()).chain(&intake).chain(dispatch.iter().rev()) {
        mixed.publish(told).await;
    }
    mixed.caught_up().await;
    for world in [&ordered, &mixed] {
        world.clock.set(at("2026-11-26T08:00:00+08:00"));
        world.firing.clock_moved();
        world.watermarks().await;
        world.done().await;
    }
    let expected = ledger(&ordered).await;
    assert_eq!(expected.0.len(), 15);
    assert!(expected.0.iter().any(|item| item.breached) && expected.0.iter().any(|item| !item.breached));
    assert_eq!(ledger(&mixed).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_the_same_ledger_and_announces_nothing_again() {
    let world = World::start().await;
    for case in history() {
        world.tell(&case.told).await;
    }
    world.clock.set(at("2026-11-26T08:00:00+08:00"));
    world.watermarks().await;
    world.done().await;
    let before = ledger(&world).await;
    dafei_sla_monitor::consumers::rebuild(&world.db.pool).await.unwrap();
    for (consumer, stream) in [("sla-monitor-intake", Stream::Intake), ("sla-monitor-dispatch", Stream::Dispatch)] {
        let last = world.js.get_stream(stream.name()).await.unwrap().cached_info().state.last_sequence;
        // A consumer that waits for messages sees the reset with the next one.
        world.watermark(stream.publisher().unwrap(), at("2026-11-26T08:00:00+08:00")).await;
        eventually(SOON, "the stream is read again", || async {
            let position: Option<i64> =
                sqlx::query_scalar("SELECT last_sequence FROM consumer_position WHERE consumer = $1")
                    .bind(format!("{consumer}/{}", stream.name()))
                    .fetch_optional(&world.db.pool)
                    .await
                    .unwrap();
            position.filter(|position| u64::try_from(*position).unwrap() > last)
        })
        .await;
    }
    world.done().await;
    assert_eq!(ledger(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_used_becomes_a_dead_letter_and_holds_up_nobody_else() {
    let world = World::start().await;
    let bad = Case::new(1).found(START);
    let Event::SuspicionRecorded(mut event) = bad.told[0].event.clone() else { panic!("a suspicion") };
    event.act = "XX-1".to_owned();
    let payload = Event::from(event).to_json().unwrap();
    world.publish_bytes(&bad.told[0], bad.told[0].event.subject().unwrap().to_string(), payload).await;
    let good = Case::new(2).found(START);
    world.tell(&good.told).await;
    assert_eq!(world.obligations(good.id).await.len(), 1);
    let reason: String = sqlx::query_scalar("SELECT reason FROM dead_letter").fetch_one(&world.db.pool).await.unwrap();
    assert!(reason.contains("act: \"XX-1\" is not known"), "{reason}");
}
