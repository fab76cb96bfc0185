//! Servers that are away or silent: what runs ends in time when it is told to, and goes on with a database that is there again.

use std::time::Duration;

use async_nats::jetstream::{self, Context};
use dafei_messaging::{
    consumer::{ConsumerConfig, ConsumerLoop},
    log,
    relay::{Relay, RelayConfig},
    tx,
};
use dafei_testkit::{TestWay, eventually};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::time::timeout;

use crate::support::{Bus, PATIENCE, Recorder, Running, STREAM, Until, config, event, start_of_tests};

/// Longer than the last turn of a relay may take, and far from the test's patience.
const PROMPTLY: Duration = Duration::from_secs(8);
/// How long a database may say nothing in these tests.
const ANSWER: Duration = Duration::from_millis(500);

/// A connection to NATS that never gives up and takes one thing at a time: whoever needs the bus waits as long as it is away.
async fn patient(bus: &Bus) -> async_nats::Client {
    let options = async_nats::ConnectOptions::new().max_reconnects(None).request_timeout(None).client_capacity(1);
    options.connect(bus.nats.url()).await.expect("the test NATS answers")
}

/// A pool with one place, over a way that can fall silent.
async fn pool(way: &TestWay) -> PgPool {
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(2));
    eventually(PATIENCE, "the database answers", async || options.clone().connect(way.url()).await.ok()).await
}

fn consumer_over(bus: &Bus, pool: PgPool, js: Context, recorder: &std::sync::Arc<Recorder>) -> ConsumerLoop<Recorder> {
    let config = ConsumerConfig { answer: ANSWER, ..ConsumerConfig::ordered(STREAM) };
    ConsumerLoop::new(pool, js, bus.shared_clock(), std::sync::Arc::clone(recorder), config)
}

/// Somebody has a lock: a session has begun.
async fn locked(bus: &Bus) {
    eventually(PATIENCE, "a session has begun", async || {
        let count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let held: i64 = sqlx::query_scalar(count).fetch_one(&bus.db.pool).await.ok()?;
        (held > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_waits_for_the_bus_ends_when_it_is_told_to() {
    let mut bus = Bus::that_fails().await;
    bus.make_stream().await;
    let js = jetstream::new(patient(&bus).await);
    bus.nats.kill();
    let consumer = consumer_over(&bus, bus.db.pool.clone(), js, &Recorder::new());
    let consumer = Running::spawn(consumer.handle(), |token| consumer.run(token));
    locked(&bus).await;
    timeout(PROMPTLY, consumer.stop()).await.expect("it ends while the bus is away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_waits_for_the_bus_ends_when_it_is_told_to() {
    let mut bus = Bus::that_fails().await;
    bus.make_stream().await;
    let js = jetstream::new(patient(&bus).await);
    bus.nats.kill();
    bus.write(&[(1, 1)]).await;
    let relay = Relay::new(bus.db.pool.clone(), js, bus.shared_clock(), config());
    let relay = Running::spawn(relay.handle(), |token| relay.run(token));
    eventually(PATIENCE, "it has looked into the database and asks the bus", async || {
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'
                     AND query LIKE '%FROM relay_state%' AND pid <> pg_backend_pid()";
        let asked: i64 = sqlx::query_scalar(asked).fetch_one(&bus.db.pool).await.ok()?;
        (asked > 0).then_some(())
    })
    .await;
    timeout(PROMPTLY, relay.stop()).await.expect("it ends while the bus is away");
    bus.nats.restart().await;
    let _relay = bus.relay();
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1)], "what it left is published by the next");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_read_takes_effect_also_while_the_bus_is_away() {
    let mut bus = Bus::that_fails().await;
    bus.make_stream().await;
    let client = patient(&bus).await;
    let recorder = Recorder::new();
    recorder.shut();
    let consumer = consumer_over(&bus, bus.db.pool.clone(), jetstream::new(client.clone()), &recorder);
    let consumer = Running::spawn(consumer.handle(), |token| consumer.run(token));
    bus.publish(1, 1).await;
    let at_work = async || (*recorder.calls.lock().expect("a lock") > 0).then_some(());
    eventually(PATIENCE, "the handler is at work", at_work).await;
    bus.nats.kill();
    eventually(PATIENCE, "the client takes nothing more", async || {
        timeout(Duration::from_millis(200), client.publish("x", "".into())).await.err().map(drop)
    })
    .await;
    recorder.open();
    assert_eq!(bus.effects_of(1).await, [(1, 1)]);
    timeout(PROMPTLY, consumer.stop()).await.expect("it ends while the bus is away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_goes_on_when_its_database_falls_silent_in_the_middle_of_a_batch() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let way = TestWay::to(&bus.db.url).await;
    let recorder = Recorder::new();
    recorder.shut();
    let consumer = consumer_over(&bus, pool(&way).await, bus.js.clone(), &recorder);
    let consumer = Running::spawn(consumer.handle(), |token| consumer.run(token));
    bus.publish(1, 1).await;
    let at_work = async || (*recorder.calls.lock().expect("a lock") > 0).then_some(());
    eventually(PATIENCE, "the handler is at work", at_work).await;
    // As a machine vanishes: its sessions are no more, and nobody is told.
    way.silence();
    bus.db.cut_connections().await;
    recorder.open();
    consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    bus.publish(1, 2).await;
    assert_eq!(bus.effects_of(2).await, [(1, 1), (1, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_goes_on_when_its_database_falls_silent() {
    let bus = Bus::start().await;
    let way = TestWay::to(&bus.db.url).await;
    let answer = RelayConfig { answer: ANSWER, ..config() };
    let relay = Relay::new(pool(&way).await, bus.js.clone(), bus.shared_clock(), answer);
    let relay = Running::spawn(relay.handle(), |token| relay.run(token));
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    way.silence();
    bus.db.cut_connections().await;
    eventually(PATIENCE, "a write goes through again", async || {
        let mut tx = tx::begin_write(&bus.db.pool).await.ok()?;
        log::append(&mut tx, &[event(1, 2, start_of_tests())]).await.ok()?;
        tx::commit(tx).await.ok()
    })
    .await;
    bus.drained().await;
    relay.handle.watch().until(|status| status.active && status.last_error.is_none()).await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2)]);
}
