//! Several replicas: one works, and one that lost its lock without knowing it is refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::HeaderMap;
use dafei_messaging::{consumer::ConsumerConfig, relay::Relay, streams::ensure_streams};
use dafei_testkit::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::support::{Bus, PATIENCE, Recorder, Running, STREAM, Until, config, spec};

/// A way to the NATS server on which what the client sends can be held back.
struct HeldWay {
    url: String,
    open: watch::Sender<bool>,
    held: Arc<AtomicBool>,
}

impl HeldWay {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("nats://{}", listener.local_addr().expect("an address"));
        let server = server.trim_start_matches("nats://").to_owned();
        let (open, gate) = watch::channel(true);
        let held = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&held);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(upstream) = TcpStream::connect(&server).await else { continue };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = upstream.into_split();
                let (mut gate, seen) = (gate.clone(), Arc::clone(&seen));
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                        let text = String::from_utf8_lossy(&buffer[..count]);
                        // What comes before the batch passes; from it on nothing does.
                        if !*gate.borrow() && text.contains("HPUB t.intake") {
                            seen.store(true, Ordering::SeqCst);
                            if gate.wait_for(|open| *open).await.is_err() {
                                return;
                            }
                        }
                        if to_server.write_all(&buffer[..count]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, open, held }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_lost_its_lock_is_refused_by_the_fence() {
    let bus = Bus::start().await;
    let way = HeldWay::to(&bus.nats.url()).await;
    let js = async_nats::jetstream::new(async_nats::connect(&way.url).await.expect("a connection"));
    let stale = Relay::new(bus.db.pool.clone(), js, bus.shared_clock(), config());
    let stale_handle = stale.handle();
    let stale = Running::spawn(stale_handle, |token| stale.run(token));
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    // The first relay has read its batch and is held up on the way to NATS; then it loses its session.
    way.open.send_replace(false);
    bus.write(&[(1, 2), (1, 3)]).await;
    eventually(PATIENCE, "the batch is on its way", async || way.held.load(Ordering::SeqCst).then_some(())).await;
    let next = bus.relay();
    end_lock_holder(&bus).await;
    eventually(PATIENCE, "the next relay has published", async || (bus.stored().await.len() == 3).then_some(())).await;
    bus.drained().await;
    // What the first one sent arrives only now, when the server's memory of message ids no longer keeps it out.
    let published = Instant::now();
    let forgotten = async || (published.elapsed() > 4 * spec().duplicate_window).then_some(());
    eventually(PATIENCE, "the server has forgotten the message ids", forgotten).await;
    way.open.send_replace(true);
    stale.handle.watch().until(|status| status.last_error.is_some()).await;
    stale.stop().await;
    bus.write(&[(1, 4)]).await;
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (1, 4)]);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_relays_one_stands_by_and_takes_over() {
    let bus = Bus::start().await;
    let first = bus.relay();
    first.handle.watch().until(|status| status.active).await;
    let second = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    assert!(!second.handle.status().active);
    first.stop().await;
    bus.write(&[(1, 2)]).await;
    bus.drained().await;
    second.handle.watch().until(|status| status.active && status.published == 1).await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_consumers_one_stands_by_and_takes_over_where_the_first_ended() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let first = bus.consume(&Recorder::new());
    first.handle.watch().until(|status| status.active).await;
    let second = bus.consume(&Recorder::new());
    bus.publish(1, 1).await;
    first.handle.watch().until(|status| status.last_sequence == 1).await;
    assert!(!second.handle.status().active);
    first.stop().await;
    bus.publish(1, 2).await;
    second.handle.watch().until(|status| status.last_sequence == 2).await;
    assert_eq!(bus.effects().await, [(1, 1), (1, 2)]);
}

/// Tries without end, and soon again.
fn stubborn() -> ConsumerConfig {
    let max_pause = Duration::from_millis(200);
    ConsumerConfig { max_attempts: u32::MAX, max_pause, ..ConsumerConfig::raw(STREAM) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_lost_its_lock_cannot_give_a_batch_its_effect_a_second_time() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    // Raw messages have no marks: the position alone keeps the second effect out.
    let config = stubborn();
    let held_up = Recorder::new();
    *held_up.busy.lock().expect("a lock") = u32::MAX;
    let stale = bus.consume_with(&held_up, config.clone());
    bus.publish(1, 1).await;
    eventually(PATIENCE, "the batch was tried", async || (*held_up.calls.lock().expect("a lock") > 1).then_some(()))
        .await;
    // The lock goes, the consumer does not notice between its tries; another takes over and is quicker.
    end_lock_holder(&bus).await;
    let second = bus.consume_with(&Recorder::new(), config);
    second.handle.watch().until(|status| status.last_sequence == 1).await;
    *held_up.busy.lock().expect("a lock") = 0;
    stale.handle.watch().until(|status| status.last_sequence == 1).await;
    assert_eq!(bus.effects().await.len(), 1);
    assert_eq!(second.handle.status().last_sequence, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_stream_that_was_made_anew_since_has_no_effect_and_moves_no_position() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let config = stubborn();
    let held_up = Recorder::new();
    *held_up.busy.lock().expect("a lock") = u32::MAX;
    let stale = bus.consume_with(&held_up, config.clone());
    bus.publish_headers(HeaderMap::new(), "old".to_owned()).await;
    eventually(PATIENCE, "the batch was tried", async || (*held_up.calls.lock().expect("a lock") > 1).then_some(()))
        .await;
    end_lock_holder(&bus).await;
    bus.js.delete_stream(STREAM).await.expect("the stream goes");
    eventually(PATIENCE, "it is made again", async || ensure_streams(&bus.js, &[spec()]).await.ok()).await;
    let second = bus.consume_with(&Recorder::new(), config);
    second.handle.watch().until(|status| status.active).await;
    // The position is 0 again, where the old batch begins: only the stream's birth keeps it out.
    *held_up.busy.lock().expect("a lock") = 0;
    stale.handle.watch().until(|status| !status.active).await;
    bus.publish_headers(HeaderMap::new(), "new".to_owned()).await;
    second.handle.watch().until(|status| status.last_sequence == 1).await;
    let payloads: Vec<String> =
        sqlx::query_scalar("SELECT payload FROM effect ORDER BY place").fetch_all(&bus.db.pool).await.expect("effects");
    assert_eq!(payloads, ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_that_both_believe_to_be_the_one_still_give_each_effect_once_and_in_order() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let stale = bus.consume(&Recorder::new());
    bus.publish(1, 1).await;
    stale.handle.watch().until(|status| status.last_sequence == 1).await;
    end_lock_holder(&bus).await;
    let second = bus.consume(&Recorder::new());
    second.handle.watch().until(|status| status.active).await;
    for sequence in 2..=20 {
        bus.publish(1, sequence).await;
    }
    let expected: Vec<(u128, i64)> = (1..=20).map(|sequence| (1, sequence)).collect();
    assert_eq!(bus.effects_of(20).await, expected);
    second.stop().await;
    bus.publish(1, 21).await;
    assert_eq!(bus.effects_of(21).await.len(), 21);
}

/// Ends the sessions that hold advisory locks; what they believe to hold is free then.
async fn end_lock_holder(bus: &Bus) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .execute(&bus.db.pool)
    .await
    .expect("the session that holds the lock ends");
}
