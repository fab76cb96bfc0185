//! How a stream that lost its end is filled up: past every number that anybody can have read, before anything is published to it.

use async_nats::{HeaderMap, jetstream};
use dafei_messaging::{relay::RelayConfig, streams::StreamSpec};
use futures::StreamExt as _;

use crate::{
    regained::{believe_filled, lose_part_of_a_batch},
    support::{Bus, STREAM, Until, config, is_watermark, spec},
};

/// Up to where the database knows the stream to be filled.
async fn fence(bus: &Bus) -> u64 {
    let fence: i64 =
        sqlx::query_scalar("SELECT last_sequence FROM relay_state").fetch_one(&bus.db.pool).await.expect("the fence");
    fence.cast_unsigned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_ended_before_the_stream_was_filled_up_fills_it_up_before_it_publishes() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    believe_filled(&bus, 1_007, (0, 2_007)).await;
    // So far the other one had come.
    for _ in 0..7 {
        bus.publish_headers(HeaderMap::new(), String::new()).await;
    }
    bus.write(&[(1, 1)]).await;
    let relay = bus.relay();
    bus.drained().await;
    let messages = bus.messages().await;
    let first = messages.iter().find(|message| message.payload.as_ref() == b"1/1").expect("the event");
    assert_eq!(first.sequence, 2_008);
    relay.stop().await;
    let left: (i64, i64) =
        sqlx::query_as("SELECT pad_from, pad_to FROM relay_state").fetch_one(&bus.db.pool).await.expect("the state");
    assert_eq!(left, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_while_a_stream_is_filled_up_is_published_again_behind_the_same_number() {
    let bus = Bus::start().await;
    let events = [(1, 1), (1, 2), (2, 1), (1, 3)];
    lose_part_of_a_batch(&bus, &events, 1).await;
    // The last of them was found to be lost, and then two more went.
    sqlx::raw_sql(
        "UPDATE relay_state SET last_sequence = 3500, pad_from = 3, pad_to = 4500;
         UPDATE relay_sent SET through = 3, positions = positions[1:3];
         INSERT INTO outbox (stream, position, recorded_at)
         SELECT stream, position, recorded_at FROM event_log ORDER BY position DESC LIMIT 1",
    )
    .execute(&bus.db.pool)
    .await
    .expect("the state while it is filled up");
    let relay = bus.relay();
    let status = relay.handle.watch().until(|status| status.regained > 0).await;
    assert_eq!((status.regained, status.lost), (2, 2));
    bus.drained().await;
    assert_eq!(bus.stored().await, events);
    let messages = bus.messages().await;
    let second = messages.iter().find(|message| message.payload.as_ref() == b"1/2").expect("it is back");
    assert_eq!(second.sequence, 4_501);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_which_nothing_was_heard_does_not_lend_its_numbers_to_others() {
    let bus = Bus::that_fails().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    relay.handle.watch().until(|status| status.through.is_some()).await;
    // What is published goes to somebody who never answers, and not into the stream.
    let stream = bus.js.get_stream(STREAM).await.expect("the stream").cached_info().config.clone();
    let deaf = jetstream::stream::Config { subjects: vec!["dafei.v1.watermark.intake".to_owned()], ..stream.clone() };
    bus.js.update_stream(&deaf).await.expect("deaf to events");
    let mut silent = bus.js.client().subscribe("t.intake.>").await.expect("somebody");
    bus.write(&[(1, 2), (1, 3), (2, 1)]).await;
    silent.next().await.expect("the batch is on its way");
    let had = fence(&bus).await;
    relay.handle.watch().until(|status| status.last_error.is_some()).await;
    bus.js.update_stream(&stream).await.expect("as before");
    silent.unsubscribe().await.expect("gone");
    bus.drained().await;
    let messages = bus.messages().await;
    let next = messages.iter().find(|message| message.payload.as_ref() == b"1/2").expect("the batch");
    assert!(next.sequence > had + 3, "{} follows {had}", next.sequence);
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (2, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_thought_to_be_lost_and_is_there_after_all_is_not_published_again() {
    let bus = Bus::start().await;
    let events = [(1, 1), (1, 2), (2, 1), (1, 3)];
    lose_part_of_a_batch(&bus, &events, 3).await;
    // A server that has the first alone has said so, and then another one became the leader.
    sqlx::raw_sql(
        "UPDATE relay_state SET pad_from = 1, pad_to = 1004;
         INSERT INTO outbox (stream, position, recorded_at)
         SELECT stream, position, recorded_at FROM event_log ORDER BY position OFFSET 1",
    )
    .execute(&bus.db.pool)
    .await
    .expect("the state while it is filled up");
    let relay = bus.relay();
    bus.drained().await;
    assert_eq!(bus.stored().await, events);
    let numbers: Vec<u64> =
        bus.messages().await.iter().filter(|message| !is_watermark(message)).map(|message| message.sequence).collect();
    assert_eq!(numbers, [1, 2, 3, 1_005]);
    relay.stop().await;
    let known: i64 =
        sqlx::query_scalar("SELECT count(*) FROM relay_sent WHERE positions[2] > 0 AND after = 1 AND through = 3")
            .fetch_one(&bus.db.pool)
            .await
            .expect("a count");
    assert_eq!(known, 1, "should they be lost later they are known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_watermarks_is_filled_up_by_messages_that_nobody_asks_for() {
    let bus = Bus::start().await;
    let bare = StreamSpec { subjects: vec!["t.intake.>".to_owned()], ..spec() };
    dafei_messaging::streams::ensure_streams(&bus.js, std::slice::from_ref(&bare)).await.expect("the stream is made");
    believe_filled(&bus, 5, (0, 10)).await;
    bus.write(&[(1, 1)]).await;
    let _relay = bus.relay_with(RelayConfig { streams: vec![bare], watermark_stream: None, ..config() });
    bus.drained().await;
    let subjects: Vec<String> = bus.messages().await.iter().map(|message| message.subject.to_string()).collect();
    let expected: Vec<&str> = std::iter::repeat_n("t.intake.padding", 10).chain(["t.intake.1"]).collect();
    assert_eq!(subjects, expected);
}
