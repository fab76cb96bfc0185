//! The watermark: never past what may still come, and at once when the clock is moved.

use std::time::Duration;

use dafei_kernel::{clock::Clock, time::Instant};
use dafei_messaging::{
    log,
    relay::{Relay, RelayConfig},
    tx,
};

use crate::support::{Bus, PATIENCE, Recorder, Until, at, config, event, is_watermark, start_of_tests};

fn through(message: &async_nats::jetstream::message::StreamMessage) -> Instant {
    let json: serde_json::Value = serde_json::from_slice(&message.payload).expect("JSON");
    at(json["through"].as_str().expect("an instant"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_never_passes_a_transaction_that_is_not_committed() {
    let bus = Bus::start().await;
    let relay = bus.relay();
    let mut slow = tx::begin_write(&bus.db.pool).await.expect("a transaction");
    // It has read the clock and not yet written anything.
    let early = bus.clock.now();
    // The clock goes on, others commit, and the relay is asked for a watermark again and again.
    for round in 1..=10_i64 {
        bus.clock.set(early + Duration::from_secs(round.unsigned_abs()));
        bus.write(&[(2, round)]).await;
        relay.handle.prod();
        let published = round.unsigned_abs();
        relay.handle.watch().until(|status| status.published >= published).await;
    }
    assert!(relay.handle.status().through.is_none_or(|through| through <= early), "{:?}", relay.handle.status());
    log::append(&mut slow, &[event(1, 1, early)]).await.expect("appended");
    tx::commit(slow).await.expect("committed");
    relay.handle.watch().until(|status| status.through > Some(early)).await;
    let messages = bus.messages().await;
    let place = messages.iter().position(|message| crate::support::named(message) == (1, 1)).expect("the slow event");
    let passed =
        messages.iter().position(|message| is_watermark(message) && through(message) > early).expect("a watermark");
    assert!(place < passed, "the event of {early} stands behind a watermark past it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_clock_is_told_at_once_and_a_standing_one_only_once() {
    let bus = Bus::start().await;
    let slow = RelayConfig {
        watermark_interval: Duration::from_secs(3_600),
        idle_watermark_interval: Duration::from_secs(3_600),
        ..config()
    };
    let relay = bus.relay_with(slow);
    relay.handle.watch().until(|status| status.through == Some(start_of_tests())).await;
    for _ in 0..3 {
        relay.handle.prod();
    }
    let later = at("2026-03-07T08:00:00Z");
    bus.clock.set(later);
    relay.handle.prod();
    relay.handle.watch().until(|status| status.through == Some(later)).await;
    let told: Vec<Instant> = bus.messages().await.iter().filter(|message| is_watermark(message)).map(through).collect();
    assert_eq!(told, [start_of_tests(), later]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filling_takes_nothing_back_of_what_a_watermark_has_said() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let said = start_of_tests();
    for through in [said, Instant::UNIX_EPOCH] {
        let payload = format!(r#"{{"through":"{through}"}}"#);
        let sent = bus.js.publish("dafei.v1.watermark.intake", payload.into()).await.expect("sent");
        sent.await.expect("stored");
    }
    let recorder = Recorder::new();
    let consumer = bus.consume(&recorder);
    let status = consumer.handle.watch().until(|status| status.last_sequence == 2).await;
    assert_eq!(status.caught_up_through, Some(said));
    let heard: String = sqlx::query_scalar("SELECT through FROM heard ORDER BY place LIMIT 1")
        .fetch_one(&bus.db.pool)
        .await
        .expect("what the handler was told");
    assert_eq!(heard, said.to_string());
    let relay = Relay::new(bus.db.pool.clone(), bus.js.clone(), bus.shared_clock(), config());
    assert_eq!(relay.handle().published(PATIENCE).await.through, None, "the stream's last watermark says nothing");
}
