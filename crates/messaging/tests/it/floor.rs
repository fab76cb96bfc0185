//! The watermark of a service into which outsiders write: never past what of theirs has not taken effect, whichever replica takes it.

use std::time::Duration;

use async_nats::HeaderMap;
use dafei_kernel::time::Instant;
use dafei_messaging::{
    consumer::{ConsumerConfig, ConsumerHandle},
    relay::{Outside, RelayConfig, RelayHandle},
    streams::{StreamSpec, ensure_streams},
};
use dafei_testkit::eventually;
use futures::StreamExt as _;

use crate::support::{Bus, PATIENCE, Recorder, Running, Until, config, start_of_tests};

const OUTSIDE: &str = "T_OUTSIDE";

fn outside_stream() -> StreamSpec {
    StreamSpec::untrusted(OUTSIDE, ["t.outside.>"])
}

/// A relay whose service takes what outsiders write; its own process consumes nothing.
fn relay(bus: &Bus) -> Running<RelayHandle> {
    let consumer = ConsumerConfig::raw(OUTSIDE).key("recorder");
    let outside = vec![Outside { consumer, stream: OUTSIDE.to_owned() }];
    bus.relay_with(RelayConfig { outside, ..config() })
}

fn consume(bus: &Bus, recorder: &std::sync::Arc<Recorder>) -> Running<ConsumerHandle> {
    bus.consume_with(recorder, ConsumerConfig::raw(OUTSIDE))
}

async fn send(bus: &Bus) {
    let sent = bus.js.publish_with_headers("t.outside.x", HeaderMap::new(), "x".into()).await.expect("sent");
    sent.await.expect("stored");
}

/// Moves the clock on and has the relay told.
fn advance(bus: &Bus, relay: &Running<RelayHandle>, seconds: u64) -> Instant {
    let later = start_of_tests() + Duration::from_secs(seconds);
    bus.clock.set(later);
    relay.handle.prod();
    later
}

/// The relay has looked often enough that what the first look found is published: a look begins only when the one before was heard.
async fn looked(bus: &Bus, relay: &Running<RelayHandle>) {
    let client = bus.nats.client().await;
    let mut looks = client.subscribe(format!("$JS.API.STREAM.INFO.{OUTSIDE}")).await.expect("subscribed");
    client.flush().await.expect("the server knows");
    for _ in 0..5 {
        relay.handle.prod();
        tokio::time::timeout(PATIENCE, looks.next()).await.expect("it looks in time").expect("a look");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watermark_goes_on_whichever_replica_takes_what_outsiders_write() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside_stream()]).await.expect("the stream is made");
    send(&bus).await;
    let relay = relay(&bus);
    // Each has its own lock: the first is the one that consumes, then the second, and the relay's process never is.
    let first = consume(&bus, &Recorder::new());
    relay.handle.watch().until(|status| status.through == Some(start_of_tests())).await;
    let second = consume(&bus, &Recorder::new());
    first.stop().await;
    second.handle.watch().until(|status| status.active).await;
    send(&bus).await;
    second.handle.watch().until(|status| status.last_sequence == 2).await;
    let later = advance(&bus, &relay, 60);
    relay.handle.watch().until(|status| status.through == Some(later)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watermark_stands_still_while_a_message_of_outsiders_waits() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside_stream()]).await.expect("the stream is made");
    let recorder = Recorder::new();
    let consumer = consume(&bus, &recorder);
    consumer.handle.watch().until(|status| status.active).await;
    let relay = relay(&bus);
    relay.handle.watch().until(|status| status.through == Some(start_of_tests())).await;
    recorder.shut();
    send(&bus).await;
    consumer.handle.watch().until(|status| status.lag == 1).await;
    let later = advance(&bus, &relay, 60);
    looked(&bus, &relay).await;
    assert_eq!(relay.handle.status().through, Some(start_of_tests()), "what waits may lead to an event of before");
    recorder.open();
    relay.handle.watch().until(|status| status.through == Some(later)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watermark_goes_on_while_outsiders_write_again_and_again() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside_stream()]).await.expect("the stream is made");
    let recorder = Recorder::new();
    let consumer = consume(&bus, &recorder);
    consumer.handle.watch().until(|status| status.active).await;
    let relay = relay(&bus);
    relay.handle.watch().until(|status| status.through == Some(start_of_tests())).await;
    recorder.shut();
    send(&bus).await;
    // The handler has it: what follows comes in a batch of its own, and the consumer asks for the stream no more.
    consumer.handle.watch().until(|status| status.lag == 1).await;
    let later = advance(&bus, &relay, 60);
    looked(&bus, &relay).await;
    send(&bus).await;
    recorder.let_one_end();
    consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    relay.handle.prod();
    relay.handle.watch().until(|status| status.through == Some(later)).await;
    assert_eq!(consumer.handle.status().last_sequence, 1, "the second still waits");
    recorder.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watermark_waits_while_a_stream_of_outsiders_ends_before_what_was_taken_of_it() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside_stream()]).await.expect("the stream is made");
    send(&bus).await;
    let consumer = consume(&bus, &Recorder::new());
    consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    consumer.stop().await;
    let relay = relay(&bus);
    relay.handle.watch().until(|status| status.through == Some(start_of_tests())).await;
    // As after a second message that was taken, and that NATS then lost.
    sqlx::query("UPDATE consumer_position SET last_sequence = 2 WHERE stream = $1")
        .bind(OUTSIDE)
        .execute(&bus.db.pool)
        .await
        .expect("a position");
    let later = advance(&bus, &relay, 60);
    looked(&bus, &relay).await;
    let through = relay.handle.status().through;
    assert_eq!(through, Some(start_of_tests()), "what comes now is not taken until the consumer has noticed");
    send(&bus).await;
    relay.handle.prod();
    relay.handle.watch().until(|status| status.through == Some(later)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_taken_anything_of_a_stream_that_was_made_anew() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside_stream()]).await.expect("the stream is made");
    let consumer = consume(&bus, &Recorder::new());
    send(&bus).await;
    send(&bus).await;
    consumer.handle.watch().until(|status| status.last_sequence == 2).await;
    consumer.stop().await;
    let relay = relay(&bus);
    relay.handle.watch().until(|status| status.through == Some(start_of_tests())).await;
    bus.js.delete_stream(OUTSIDE).await.expect("the stream goes");
    eventually(PATIENCE, "it is made again", async || ensure_streams(&bus.js, &[outside_stream()]).await.ok()).await;
    // One message, where the position of before says two.
    send(&bus).await;
    let later = advance(&bus, &relay, 60);
    looked(&bus, &relay).await;
    assert_eq!(relay.handle.status().through, Some(start_of_tests()));
    let _consumer = consume(&bus, &Recorder::new());
    relay.handle.watch().until(|status| status.through == Some(later)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_outsiders_that_is_not_there_keeps_no_event_back() {
    let bus = Bus::start().await;
    let relay = relay(&bus);
    looked(&bus, &relay).await;
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    assert_eq!(relay.handle.status().through, None, "nothing is known of what outsiders wrote");
}
