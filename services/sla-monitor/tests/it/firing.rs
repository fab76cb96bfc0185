//! Firing itself: several at once, broken off, late.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dafei_contracts::Event;
use dafei_kernel::clock::Clock as _;
use dafei_sla_monitor::firing::Guard;

use crate::{
    events::{Case, OTHER_PATH, at},
    world::{START, World, obligation, said},
};

/// How many obligations fall due at once.
const CASES: u128 = 1_200;

async fn due_at_once(world: &World) {
    for number in 0..CASES {
        let case = Case::new(number).found(START);
        world.publish(&case.told[0]).await;
    }
    world.caught_up().await;
    world.clock.set(at("2026-11-23T09:30:00+08:00"));
    world.watermarks().await;
}

/// How often each obligation was told to be breached.
async fn breaches(world: &World) -> HashMap<String, u32> {
    let mut count = HashMap::new();
    for (event, _) in world.log().await {
        assert!(matches!(event, Event::Breached(_)), "only red lights are due: {event:?}");
        *count.entry(obligation(&event).obligation_id.clone()).or_default() += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn firing_that_is_broken_off_again_and_again_loses_nothing_and_doubles_nothing() {
    let world = World::without_firing(START).await;
    due_at_once(&world).await;
    let mut steps = 0;
    while world.firing.done_through().await.unwrap() < world.clock.now() {
        // Two replicas at once, of which one is cut off somewhere within its pass.
        let (whole, cut) = (world.firing.clone(), world.firing.clone());
        let cut = tokio::spawn(async move { cut.pass().await.map(drop) });
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
        cut.abort();
        let _ = cut.await;
        if steps % 40 == 39 {
            whole.pass().await.unwrap();
        }
        steps += 1;
        assert!(steps < 10_000, "it comes to an end");
    }
    let count = breaches(&world).await;
    assert_eq!(count.len() as u128, CASES);
    assert!(count.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_fire_together_announce_each_breach_once() {
    let world = World::without_firing(START).await;
    due_at_once(&world).await;
    let replicas = (0..3).map(|_| {
        let firing = world.firing.clone();
        tokio::spawn(async move { while firing.pass().await.unwrap() > 0 {} })
    });
    for replica in replicas.collect::<Vec<_>>() {
        replica.await.unwrap();
    }
    let count = breaches(&world).await;
    assert_eq!(count.len() as u128, CASES);
    assert!(count.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_red_lights_come_at_once_with_their_true_instants() {
    let world = World::without_firing(START).await;
    let case = Case::new(1).found(START).notified("2026-11-23T08:20:00+08:00");
    let other = Case::at_path(2, OTHER_PATH).found("2026-11-23T08:10:00+08:00");
    world.tell(&case.told).await;
    world.tell(&other.told).await;
    world.clock.set(at("2026-11-23T13:00:00+08:00"));
    world.watermarks().await;
    assert_eq!(world.firing.pass().await.unwrap(), 4);
    let told: Vec<(String, String, dafei_kernel::time::Instant)> = world
        .log()
        .await
        .into_iter()
        .map(|(event, recorded)| {
            assert_eq!(recorded, world.clock.now());
            let at = event.meta().unwrap().received_at.unwrap().try_into().unwrap();
            (obligation(&event).clock.clone(), event.kind().fact.to_owned(), at)
        })
        .collect();
    let line = |clock: &str, fact: &str, when: &str| (clock.to_owned(), fact.to_owned(), at(when));
    assert_eq!(
        told,
        [
            line("V1", "settled", "2026-11-23T08:20:00+08:00"),
            line("V1", "breached", "2026-11-23T09:10:00+08:00"),
            line("V2", "breached", "2026-11-23T09:20:00+08:00"),
            line("V3", "breached", "2026-11-23T10:20:00+08:00"),
            line("V1", "reminded", "2026-11-23T12:10:00+08:00"),
            line("V2", "reminded", "2026-11-23T12:20:00+08:00"),
            line("V3", "reminded", "2026-11-23T12:20:00+08:00"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_and_forth_invents_no_breach() {
    let world = World::without_firing(START).await;
    let case = Case::new(1).found(START);
    world.tell(&case.told).await;
    for when in ["2026-11-23T09:00:00+08:00", "2026-11-23T07:00:00+08:00", "2026-11-23T09:00:00+08:00"] {
        world.clock.set(at(when));
        world.watermarks().await;
        while world.firing.pass().await.unwrap() > 0 {}
    }
    let facts: Vec<_> = world.announced(&case, &["V1"]).await.into_iter().map(|said| said.fact).collect();
    assert_eq!(facts, ["warned"], "an act at the limit would still be in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_obligations_events_are_numbered_and_chained() {
    let world = World::start().await;
    let case = Case::new(1).found(START);
    world.tell(&case.told).await;
    world.go("2026-11-23T13:00:00+08:00").await;
    let mut conn = world.db.pool.acquire().await.unwrap();
    let id = world.obligations(case.id).await[0].obligation.as_ref().unwrap().obligation_id.parse().unwrap();
    let history = dafei_messaging::log::history(&mut conn, id, 0, 100).await.unwrap();
    assert_eq!(history.len(), 4);
    let mut head = String::new();
    for (logged, expected) in history.iter().zip(1..) {
        let event = Event::from_json(&logged.event_type, &logged.payload).unwrap().unwrap();
        let meta = event.meta().unwrap();
        assert_eq!((logged.sequence, meta.sequence), (expected, expected));
        assert_eq!(meta.chain_head, head);
        head = dafei_contracts::chain::next_head(&head, &logged.payload);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_ahead_and_back_on_the_machine_of_all_services_makes_nobody_late() {
    let world = World::without_firing(START).await;
    let gone_by = Arc::new(AtomicU64::new(0));
    let seconds = Arc::clone(&gone_by);
    let guard = Guard::new(Arc::new(world.clock.clone()), move || Duration::from_secs(seconds.load(Ordering::Relaxed)));
    let firing = world.firing.clone().guarded(Arc::new(guard));
    let pass = async |time: &str, gone: u64| {
        world.clock.set(at(&format!("2026-11-23T{time}+08:00")));
        gone_by.store(gone, Ordering::Relaxed);
        // The publishers' clocks are the same.
        world.watermarks().await;
        while firing.pass().await.unwrap() > 0 {}
    };
    let case = Case::new(1).found(START);
    world.tell(&case.told).await;
    pass("08:00:00", 0).await;
    pass("09:10:00", 600).await;
    pass("09:15:00", 900).await;
    pass("08:20:00", 1_200).await;
    let told = Case::new(1).found(START).notified("2026-11-23T08:30:00+08:00");
    world.tell(&told.told[1..]).await;
    pass("08:40:00", 2_400).await;
    let facts = world.announced(&case, &["V1"]).await;
    assert_eq!(facts, [said("V1", 1, "settled", "2026-11-23T08:30:00+08:00")]);
    // A real lateness is told as ever.
    pass("09:40:00", 6_000).await;
    let facts: Vec<_> = world.announced(&case, &["V2"]).await.into_iter().map(|said| said.fact).collect();
    assert_eq!(facts, ["breached"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_night_people_are_told_of_what_can_wait_in_the_morning_and_of_limits_in_hours_at_once() {
    let world = World::start().await;
    let heeded = "2026-11-20T23:00:00+08:00";
    let case = Case::new(1).found(heeded).notified(heeded).persuaded(heeded, true);
    let urgent = Case::new(2).found("2026-11-23T22:30:00+08:00");
    for case in [&case, &urgent] {
        world.tell(&case.told).await;
    }
    world.go("2026-11-24T00:30:00+08:00").await;
    let quiet: Vec<_> = world
        .log()
        .await
        .into_iter()
        .filter_map(|(event, _)| match event {
            Event::Breached(event) => Some((event.obligation.unwrap().clock, event.quiet_until)),
            Event::Reminded(event) => Some((format!("{} again", event.obligation.unwrap().clock), event.quiet_until)),
            _ => None,
        })
        .collect();
    let morning = Some(at("2026-11-24T07:00:00+08:00").into());
    let line = |clock: &str, quiet_until| (clock.to_owned(), quiet_until);
    assert_eq!(quiet, [line("V1", None), line("V4", morning), line("V1 again", morning)]);
}
