//! What a village owes each week: patrols and a broadcast (clauses C1 and D6).

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
use dafei_shell::timer::{Due as _, Round};
use dafei_sla_core::Rules;
use dafei_sla_monitor::{consumers, firing::Guard};
use dafei_testkit::eventually;

use crate::{
    duty_offices::in_force,
    events::{VILLAGE, at},
    villages::{Village, township},
    world::{SOON, START, World, obligation, owner},
};

/// What is owed each week; the first whole one after [`START`] is 2026-W49.
const WEEKLY: [&str; 2] = ["W1", "W2"];

#[tokio::test(flavor = "multi_thread")]
async fn a_week_with_two_patrols_is_warned_of_and_ends_with_one_breach_and_one_with_three_leaves_no_trace() {
    let world = World::start().await;
    let mut village = Village::known();
    world.go("2026-12-06T12:00:00+08:00").await;
    // The patrol of the week before counts in its own week, and a check by the work area's secretary in none.
    let week = [
        "2026-11-29T23:59:59.999+08:00",
        "2026-12-01T09:00:00+08:00",
        "2026-12-03T09:00:00+08:00",
        "-2026-12-04T09:00:00+08:00",
    ];
    world.tell(&[village.patrolled(&week), village.broadcast("2026-12-06T07:00:00+08:00")]).await;
    world.go("2026-12-08T12:00:00+08:00").await;
    let next = ["2026-12-07T00:00:00+08:00", "2026-12-07T09:00:00+08:00", "2026-12-08T10:00:00+08:00"];
    world.tell(&[village.patrolled(&next), village.broadcast("2026-12-08T07:00:00+08:00")]).await;
    world.go("2026-12-14T12:00:00+08:00").await;
    assert_eq!(
        world.duties(&WEEKLY).await,
        [
            "2026-12-05 06:00:00 village:371302001001 W1 2026-W49 warned",
            "2026-12-05 06:00:00 village:371302001001 W2 2026-W49 warned",
            "2026-12-06 07:00:00 village:371302001001 W2 2026-W49 settled",
            "2026-12-07 00:00:00 village:371302001001 W1 2026-W49 breached",
        ]
    );
    let of_the_village = |event: &Event| matches!(event, Event::Breached(_)) && obligation(event).clock == "W1";
    let (breach, _) = world.log().await.into_iter().find(|(event, _)| of_the_village(event)).unwrap();
    let of = obligation(&breach);
    assert_eq!(owner(of.direct.as_ref()), "village-secretary@village:371302001001 李书记");
    assert_eq!((of.started_at, of.due_inclusive), (Some(at("2026-11-30T00:00:00+08:00").into()), false));
    // Nothing was recorded of the good week.
    let rows: Vec<(String, String)> = recorded(&world).await;
    assert_eq!(rows, [("W1".to_owned(), "2026-W49".to_owned()), ("W2".to_owned(), "2026-W49".to_owned())]);
}

async fn recorded(world: &World) -> Vec<(String, String)> {
    let rows = sqlx::query_as("SELECT clock, period FROM obligation WHERE clock IN ('W1', 'W2') ORDER BY 1, 2");
    rows.fetch_all(&world.db.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patrol_of_the_week_that_is_uploaded_late_annuls_the_breach_and_a_later_one_does_not() {
    let world = World::start().await;
    let mut village = Village::known();
    let two = ["2026-12-05T09:00:00+08:00", "2026-12-03T09:00:00+08:00"];
    world.tell(&[village.patrolled(&two), village.broadcast("2026-12-01T07:00:00+08:00")]).await;
    world.go("2026-12-07T12:00:00+08:00").await;
    world.tell(&[village.patrolled(&["2026-12-07T00:00:00+08:00"])]).await;
    world.done().await;
    assert_eq!(world.duties(&["W1"]).await.len(), 2, "warned and breached");
    // The earliest of the week, told last: the third in time is the one of Saturday.
    world.tell(&[village.patrolled(&["2026-12-01T09:00:00+08:00"])]).await;
    world.go("2026-12-08T12:00:00+08:00").await;
    assert_eq!(
        world.duties(&["W1"]).await,
        [
            "2026-12-05 06:00:00 village:371302001001 W1 2026-W49 warned",
            "2026-12-05 09:00:00 village:371302001001 W1 2026-W49 settled",
            "2026-12-07 00:00:00 village:371302001001 W1 2026-W49 breached",
            "2026-12-07 12:00:00 village:371302001001 W1 2026-W49 annulled",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_over_a_weeks_end_red_comes_with_its_true_instant_and_no_stale_yellow() {
    let world = World::at_rest(START, Rules::builtin_text()).await;
    let mut village = Village::known();
    world.tell(&[village.broadcast("2026-12-06T07:00:00+08:00")]).await;
    world.set_clock(at("2026-12-16T08:00:00+08:00"));
    world.watermarks().await;
    tokio::spawn(world.firing.clone().run(world.ending.clone()));
    world.sweep();
    world.done().await;
    assert_eq!(
        world.duties(&WEEKLY).await,
        [
            // Done between yellow and red: the same as had nothing been away, but for the yellow light.
            "2026-12-06 07:00:00 village:371302001001 W2 2026-W49 settled",
            "2026-12-07 00:00:00 village:371302001001 W1 2026-W49 breached",
            "2026-12-14 00:00:00 village:371302001001 W1 2026-W50 breached",
            "2026-12-14 00:00:00 village:371302001001 W2 2026-W50 breached",
        ]
    );
}

/// Villages of the township beside the known one.
fn many(count: usize) -> Vec<String> {
    let mut villages = vec![VILLAGE.to_owned()];
    villages.extend((2..=count).map(|number| format!("village:371302001{number:03}")));
    villages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_broken_off_is_taken_up_by_another_replica_and_doubles_nothing() {
    let world = World::at_rest(START, &in_force(&WEEKLY)).await;
    let villages = many(57);
    let names: Vec<&str> = villages.iter().map(String::as_str).collect();
    world.tell(&[township(2, "2026-11-23T09:00:00+08:00", &names, Vec::new())]).await;
    world.set_clock(at("2026-12-05T06:00:00+08:00"));
    let one = world.sweeps.clone().with_batch(10);
    let now = world.clock.now();
    assert_eq!(one.round(now).await.unwrap(), Round::Waits, "intake has not said how far it is");
    world.watermarks().await;
    assert_eq!(one.next_due().await.unwrap(), Some(now));
    let mut steps = 0;
    while one.next_due().await.unwrap() == Some(now) {
        // One is cut off somewhere within its round, while two others go on.
        let (cut, other, third) = (one.clone(), one.clone(), one.clone());
        let cut = tokio::spawn(async move { cut.round(now).await.map(drop) });
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
        cut.abort();
        let _ = cut.await;
        if steps % 4 == 3 {
            let (other, third) = tokio::join!(other.round(now), third.round(now));
            assert!(other.is_ok() && third.is_ok(), "{other:?} {third:?}");
        }
        steps += 1;
        assert!(steps < 1_000, "it comes to an end");
    }
    while world.firing.pass().await.unwrap() > 0 {}
    let mut told: HashMap<String, u32> = HashMap::new();
    for (event, _) in world.log().await {
        *told.entry(obligation(&event).obligation_id.clone()).or_default() += 1;
    }
    assert_eq!(told.len(), 2 * 57);
    assert!(told.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_makes_the_progress_again_and_says_nothing_twice() {
    let world = World::start().await;
    let mut village = Village::known();
    let three = ["2026-12-05T09:00:00+08:00", "2026-12-03T09:00:00+08:00", "2026-12-06T09:00:00+08:00"];
    world.tell(&[village.patrolled(&three)]).await;
    world.tell(&[village.posted("2026-11-25T09:00:00+08:00", 10, 0)]).await;
    world.go("2026-12-08T12:00:00+08:00").await;
    let all = ["W1", "W2", "N1"];
    let before = world.duties(&all).await;
    assert_eq!(before.len(), 4, "{before:?}");
    consumers::rebuild(&world.db.pool).await.unwrap();
    // A consumer that waits for messages sees the reset with the next one.
    world.watermark("intake", world.clock.now()).await;
    eventually(SOON, "the acts are there again", || async {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM duty_progress").fetch_one(&world.db.pool).await.unwrap();
        (count == 1).then_some(())
    })
    .await;
    world.watermarks().await;
    world.done().await;
    assert_eq!(world.duties(&all).await, before);
    world.go("2026-12-14T12:00:00+08:00").await;
    assert_eq!(world.duties(&all).await.len(), before.len() + 4, "the next week is watched as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_month_ahead_and_back_records_nothing_of_villages_that_have_time_left() {
    let world = World::at_rest(START, &in_force(&WEEKLY)).await;
    let gone_by = Arc::new(AtomicU64::new(0));
    let seconds = Arc::clone(&gone_by);
    let guard = Guard::new(Arc::new(world.clock.clone()), move || Duration::from_secs(seconds.load(Ordering::Relaxed)));
    let sweeps = world.sweeps.clone().guarded(Arc::new(guard));
    let round = async |now: &str, gone: u64| {
        gone_by.store(gone, Ordering::Relaxed);
        world.clock.set(at(now));
        // The publishers' clocks are the same.
        world.watermarks().await;
        while sweeps.round(at(now)).await.unwrap() == Round::More {}
    };
    round(START, 0).await;
    round("2026-12-23T08:00:00+08:00", 60).await;
    round("2026-11-23T08:02:00+08:00", 120).await;
    assert_eq!(recorded(&world).await, []);
    // A clock that stands is believed.
    round("2026-12-06T08:00:00+08:00", 180).await;
    round("2026-12-06T08:11:00+08:00", 840).await;
    assert_eq!(recorded(&world).await.len(), 2);
}
