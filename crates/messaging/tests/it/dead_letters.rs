//! Events that cannot take effect fall out alone, hold back their successors, and can be replayed.

use std::time::Duration;

use async_nats::HeaderMap;
use dafei_messaging::{
    consumer::ConsumerConfig,
    dead_letters::{self, Replay},
    sessions,
};
use dafei_testkit::eventually;

use crate::support::{Bus, PATIENCE, Recorder, STREAM, Until, by_aggregate, effects};

const KEY: &str = "recorder/T_INTAKE";

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_event_falls_out_alone_and_its_successors_wait_for_its_replay() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    for (aggregate, sequence) in [(1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (1, 4)] {
        bus.publish(aggregate, sequence).await;
    }
    let recorder = Recorder::new();
    recorder.poison.lock().expect("a lock").insert((1, 2));
    let consumer = bus.consume(&recorder);
    consumer.handle.watch().until(|status| status.last_sequence == 6).await;
    let effects = by_aggregate(&bus.effects().await);
    assert_eq!(effects[&1], [1]);
    assert_eq!(effects[&2], [1, 2], "other aggregates are not held back");

    let mut connection = bus.db.pool.acquire().await.expect("a connection");
    let letters = dead_letters::list(&mut connection, KEY, 0, 10).await.expect("the list");
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].sequence, letters[0].reason.as_str()), (Some(2), "poison"));
    let counts = dead_letters::counts(&mut connection).await.expect("the counts");
    assert_eq!((counts[0].consumer.as_str(), counts[0].open, counts[0].parked), (KEY, 1, 2));

    // Still bad: it fails again and stays.
    let config = ConsumerConfig::ordered(STREAM);
    let clock = bus.shared_clock();
    let ids = [letters[0].id];
    let outcome = dead_letters::replay(&bus.db.pool, &clock, recorder.clone(), &config, &ids).await.expect("replayed");
    assert_eq!(outcome, [(ids[0], Replay::Failed)]);
    let letters = dead_letters::list(&mut connection, KEY, 0, 10).await.expect("the list");
    assert_eq!(letters[0].attempts, 2);

    // Mended: it takes effect, and with it what waited, while the consumer runs.
    recorder.poison.lock().expect("a lock").clear();
    let outcome = dead_letters::replay(&bus.db.pool, &clock, recorder.clone(), &config, &ids).await.expect("replayed");
    assert_eq!(outcome, [(ids[0], Replay::Done)]);
    assert_eq!(by_aggregate(&bus.effects().await)[&1], [1, 2, 3, 4]);
    assert!(dead_letters::list(&mut connection, KEY, 0, 10).await.expect("the list").is_empty());
    assert!(dead_letters::counts(&mut connection).await.expect("the counts").is_empty());
    bus.publish(1, 5).await;
    bus.effects_of(7).await;
    assert_eq!(by_aggregate(&bus.effects().await)[&1], [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_database_refuses_or_that_makes_the_handler_panic_is_a_dead_letter_too() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    for (aggregate, sequence) in [(1, 1), (2, 1), (3, 1), (1, 2)] {
        bus.publish(aggregate, sequence).await;
    }
    let recorder = Recorder::new();
    recorder.refused.lock().expect("a lock").insert((2, 1));
    recorder.explosive.lock().expect("a lock").insert((3, 1));
    let consumer = bus.consume(&recorder);
    consumer.handle.watch().until(|status| status.last_sequence == 4).await;
    assert_eq!(bus.effects().await, [(1, 1), (1, 2)]);
    assert_eq!(consumer.handle.status().dead_letters, 2);
    assert_eq!(*recorder.committed.lock().expect("a lock"), [(1, 1), (1, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_gets_ready_for_an_event_does_not_stop_the_others() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let recorder = Recorder::new();
    *recorder.busy.lock().expect("a lock") = 3;
    let config = ConsumerConfig { max_attempts: 2, ..ConsumerConfig::ordered(STREAM) };
    bus.publish(1, 1).await;
    let consumer = bus.consume_with(&recorder, config);
    consumer.handle.watch().until(|status| status.dead_letters == 1).await;
    bus.publish(2, 1).await;
    assert_eq!(bus.effects_of(1).await, [(2, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_waits_for_something_that_is_away_is_no_dead_letter_however_often_it_is_tried() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let recorder = Recorder::new();
    *recorder.away.lock().expect("a lock") = 5;
    let config =
        ConsumerConfig { max_attempts: 2, max_pause: Duration::from_millis(20), ..ConsumerConfig::ordered(STREAM) };
    bus.publish(1, 1).await;
    let consumer = bus.consume_with(&recorder, config);
    assert_eq!(bus.effects_of(1).await, [(1, 1)]);
    let status = consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    assert_eq!(status.dead_letters, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_over_which_a_statement_always_takes_too_long_does_not_stop_the_others() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let recorder = Recorder::new();
    recorder.endless.lock().expect("a lock").insert((1, 1));
    bus.publish(1, 1).await;
    bus.publish(2, 1).await;
    let config = ConsumerConfig { max_attempts: 2, ..ConsumerConfig::ordered(STREAM) };
    let consumer = bus.consume_with(&recorder, config);
    let status = consumer.handle.watch().until(|status| status.last_sequence == 2).await;
    assert_eq!(status.dead_letters, 1);
    assert_eq!(bus.effects().await, [(2, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_locked_for_long_makes_no_dead_letter_and_the_event_takes_effect_when_it_is_free() {
    let mut bus = Bus::start().await;
    bus.make_stream().await;
    let options = sessions::options(&bus.db.url, Duration::from_millis(400)).expect("a URL");
    let bounded = sessions::pool(4).connect_with(options).await.expect("the database answers");
    let free = std::mem::replace(&mut bus.db.pool, bounded);
    let mut migration = free.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE effect IN ACCESS EXCLUSIVE MODE").execute(&mut *migration).await.expect("the lock");
    bus.publish(1, 1).await;
    let recorder = Recorder::new();
    let config = ConsumerConfig { max_attempts: 2, ..ConsumerConfig::ordered(STREAM) };
    let consumer = bus.consume_with(&recorder, config);
    // A dead letter is made by the third: together, together, singly.
    eventually(PATIENCE, "it is tried more often than makes a dead letter", async || {
        assert_eq!(consumer.handle.status().dead_letters, 0);
        (*recorder.calls.lock().expect("a lock") > 4).then_some(())
    })
    .await;
    migration.rollback().await.expect("the lock is given back");
    let status = consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    assert_eq!(status.dead_letters, 0);
    assert_eq!(effects(&free).await, [(1, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_readable_headers_is_a_dead_letter_and_the_rest_goes_on() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    bus.publish(1, 1).await;
    bus.publish_headers(HeaderMap::new(), "who am I".to_owned()).await;
    bus.publish(1, 2).await;
    let consumer = bus.consume(&Recorder::new());
    consumer.handle.watch().until(|status| status.last_sequence == 3).await;
    assert_eq!(bus.effects().await, [(1, 1), (1, 2)]);
    let mut connection = bus.db.pool.acquire().await.expect("a connection");
    let letters = dead_letters::list(&mut connection, KEY, 0, 10).await.expect("the list");
    assert_eq!(letters[0].payload.as_ref(), b"who am I");
    assert!(letters[0].reason.contains("ce-specversion"), "{}", letters[0].reason);
    assert!(dead_letters::list(&mut connection, KEY, letters[0].id, 10).await.expect("the next page").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_the_database_cannot_keep_as_it_is_does_not_stop_the_consumer() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "1.0\0");
    bus.publish_headers(headers, "who am I".to_owned()).await;
    // Parked, as it follows a gap.
    let mut headers = crate::support::headers(1, 2);
    headers.insert("note", "a\0b");
    bus.publish_headers(headers, "1/2".to_owned()).await;
    bus.publish(2, 1).await;
    let consumer = bus.consume(&Recorder::new());
    consumer.handle.watch().until(|status| status.last_sequence == 3).await;
    assert_eq!((bus.effects().await, bus.parked().await), (vec![(2, 1)], 1));
    let mut connection = bus.db.pool.acquire().await.expect("a connection");
    let letters = dead_letters::list(&mut connection, KEY, 0, 10).await.expect("the list");
    assert_eq!((letters.len(), letters[0].headers["ce-specversion"].as_str()), (1, "1.0\u{fffd}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_dead_letter_waits_for_the_earlier_one() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let recorder = Recorder::new();
    recorder.poison.lock().expect("a lock").extend([(1, 1), (1, 2)]);
    let consumer = bus.consume(&recorder);
    bus.publish(1, 1).await;
    bus.publish(1, 2).await;
    consumer.handle.watch().until(|status| status.last_sequence == 2).await;
    let mut connection = bus.db.pool.acquire().await.expect("a connection");
    let (config, clock) = (ConsumerConfig::ordered(STREAM), bus.shared_clock());
    let first = dead_letters::list(&mut connection, KEY, 0, 10).await.expect("the list")[0].id;
    recorder.poison.lock().expect("a lock").remove(&(1, 1));
    // The first is mended, the second, which was parked behind it, becomes a dead letter itself.
    let outcome =
        dead_letters::replay(&bus.db.pool, &clock, recorder.clone(), &config, &[first]).await.expect("replayed");
    assert_eq!(outcome, [(first, Replay::Done)]);
    let second = dead_letters::list(&mut connection, KEY, 0, 10).await.expect("the list");
    assert_eq!((second.len(), second[0].sequence), (1, Some(2)));
    recorder.poison.lock().expect("a lock").clear();
    let ids = [second[0].id, first];
    let outcome = dead_letters::replay(&bus.db.pool, &clock, recorder.clone(), &config, &ids).await.expect("replayed");
    assert_eq!(outcome, [(ids[0], Replay::Done), (first, Replay::Unknown)]);
    assert_eq!(bus.effects().await, [(1, 1), (1, 2)]);
}
