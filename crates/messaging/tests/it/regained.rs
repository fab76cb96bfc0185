//! A NATS that lost the end of a stream, which it had acknowledged: what was lost is published again, once, and nobody passes over it.

use std::time::Duration;

use async_nats::{HeaderMap, jetstream};
use dafei_messaging::{
    consumer::{ConsumerConfig, ConsumerStatus},
    refill::refill,
    relay::Published,
};
use dafei_testkit::eventually;
use futures::StreamExt as _;

use crate::support::{Bus, PATIENCE, Recorder, STREAM, Until, event_id, headers, is_watermark, spec, start_of_tests};

/// What nobody may have read is fewer than this.
const BATCH: u64 = 1_000;

async fn last(bus: &Bus) -> u64 {
    bus.js.get_stream(STREAM).await.expect("the stream").cached_info().state.last_sequence
}

/// As a stream is left that a relay has filled with these events in one batch, and of which NATS kept only so many.
pub(crate) async fn lose_part_of_a_batch(bus: &Bus, events: &[(u128, i64)], kept: usize) {
    bus.make_stream().await;
    bus.write(events).await;
    sqlx::raw_sql("DELETE FROM outbox").execute(&bus.db.pool).await.expect("all was published");
    believe_filled(bus, events.len() as u64, (0, 0)).await;
    sqlx::query(
        "INSERT INTO relay_sent (stream, stream_created, after, through, positions)
         SELECT r.stream, r.stream_created, 0, r.last_sequence, array_agg(e.position ORDER BY e.position)
         FROM relay_state r JOIN event_log e USING (stream) GROUP BY r.stream",
    )
    .execute(&bus.db.pool)
    .await
    .expect("and it is known what it was");
    for (aggregate, sequence) in &events[..kept] {
        let mut headers = headers(*aggregate, *sequence);
        headers.insert("Nats-Msg-Id", event_id(*aggregate, *sequence).to_string());
        bus.publish_headers(headers, format!("{aggregate}/{sequence}")).await;
    }
}

/// The database believes that the stream, as it was made, was filled up to a number, and wants it filled up before anything is published.
pub(crate) async fn believe_filled(bus: &Bus, last: u64, (pad_from, pad_to): (u64, u64)) {
    let stream = bus.js.get_stream(STREAM).await.expect("the stream");
    let created = stream.cached_info().created.unix_timestamp_nanos() / 1_000;
    sqlx::query(
        "INSERT INTO relay_state (stream, stream_created, last_sequence, pad_from, pad_to)
         VALUES ($1, 'epoch'::timestamptz + $2::bigint * interval '1 microsecond', $3, $4, $5)",
    )
    .bind(STREAM)
    .bind(i64::try_from(created).expect("an instant"))
    .bind(last.cast_signed())
    .bind(pad_from.cast_signed())
    .bind(pad_to.cast_signed())
    .execute(&bus.db.pool)
    .await
    .expect("the fence");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_its_end_gets_it_back_by_itself_and_no_consumer_passes_over_it() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    let (ahead, behind) = (Recorder::named("ahead"), Recorder::named("behind"));
    let consumer = bus.consume(&ahead);
    for sequence in 1..=5 {
        bus.write(&[(1, sequence)]).await;
    }
    let late = bus.consume(&behind);
    bus.effects_of(10).await;
    late.stop().await;
    let copy = bus.nats.keep_copy().await;
    for sequence in 6..=10 {
        bus.write(&[(1, sequence)]).await;
        bus.drained().await;
    }
    bus.write(&[(2, 1), (2, 2)]).await;
    bus.effects_of(17).await;
    bus.drained().await;
    let had = last(&bus).await;

    bus.nats.go_back_to(&copy).await;
    bus.write(&[(1, 11)]).await;
    let status = relay.handle.watch().until(|status| status.regained > 0).await;
    assert_eq!(status.regained, 7);
    bus.effects_of(18).await;
    let late = bus.consume(&behind);
    bus.effects_of(26).await;
    bus.drained().await;

    let expected: Vec<(u128, i64)> = (1..=10).map(|n| (1, n)).chain([(2, 1), (2, 2), (1, 11)]).collect();
    assert_eq!(bus.stored().await, expected, "each once, in their order");
    let numbered: Vec<u64> =
        bus.messages().await.iter().filter(|message| !is_watermark(message)).map(|message| message.sequence).collect();
    assert!(numbered[5] > had + BATCH, "behind all that can have been read: {numbered:?}, the stream had {had}");
    for recorder in [&ahead, &behind] {
        assert_eq!(*recorder.committed.lock().expect("a lock"), expected, "each took effect once");
    }
    assert_eq!(relay.handle.status().wiped, [""; 0]);
    assert_eq!(relay.handle.published(PATIENCE).await.wiped, [""; 0]);
    for running in [consumer, late] {
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_of_the_lost_end_is_said_again_only_behind_what_was_lost() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    let through = relay.handle.watch().until(|status| status.through.is_some()).await.through.expect("an instant");
    let copy = bus.nats.keep_copy().await;
    bus.write(&[(1, 2)]).await;
    bus.clock.set(start_of_tests() + Duration::from_secs(60));
    relay.handle.prod();
    relay.handle.watch().until(|status| status.through > Some(through)).await;
    bus.nats.go_back_to(&copy).await;
    relay.handle.watch().until(|status| status.regained == 1).await;
    let Published { through: told, wiped, .. } = eventually(PATIENCE, "a later watermark is there", async || {
        let published = relay.handle.published(PATIENCE).await;
        (published.through > Some(through)).then_some(published)
    })
    .await;
    assert_eq!((told, wiped), (Some(start_of_tests() + Duration::from_secs(60)), vec![]));
    let messages = bus.messages().await;
    let lost = messages.iter().position(|message| message.payload.as_ref() == b"1/2").expect("it is back");
    let said: Vec<String> = messages[..lost]
        .iter()
        .filter(|message| is_watermark(message))
        .map(|message| String::from_utf8_lossy(&message.payload).into_owned())
        .collect();
    let nothing = said.iter().filter(|said| said.contains("1970-01-01")).count();
    assert!(nothing as u64 > BATCH, "{nothing} that promise nothing before it");
    assert!(said.iter().all(|said| said.contains("1970-01-01") || said.contains(&through.to_string())));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_of_which_a_part_was_lost_only_that_part_is_published_again() {
    let bus = Bus::start().await;
    lose_part_of_a_batch(&bus, &[(1, 1), (1, 2), (2, 1), (1, 3)], 2).await;
    bus.write(&[(2, 2)]).await;
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.regained == 2).await;
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (2, 1), (1, 3), (2, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_all_that_was_ever_in_it_gets_it_back() {
    let bus = Bus::start().await;
    lose_part_of_a_batch(&bus, &[(1, 1), (1, 2)], 0).await;
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.regained == 2).await;
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_a_second_time_is_published_again_as_well() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    let copy = bus.nats.keep_copy().await;
    bus.write(&[(1, 2), (1, 3)]).await;
    bus.drained().await;
    bus.nats.go_back_to(&copy).await;
    relay.handle.watch().until(|status| status.regained == 2).await;
    bus.drained().await;
    bus.write(&[(1, 4)]).await;
    bus.drained().await;
    bus.nats.go_back_to(&copy).await;
    relay.handle.watch().until(|status| status.regained == 5).await;
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (1, 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_more_than_is_known_waits_for_a_refill() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    let copy = bus.nats.keep_copy().await;
    bus.write(&[(1, 2), (1, 3)]).await;
    bus.drained().await;
    // As by a relay of an older version, which did not keep it.
    sqlx::raw_sql("DELETE FROM relay_sent WHERE cardinality(positions) > 0").execute(&bus.db.pool).await.expect("gone");
    bus.nats.go_back_to(&copy).await;
    bus.write(&[(1, 4)]).await;
    let status = relay.handle.watch().until(|status| status.wiped == [STREAM] && status.pending == 1).await;
    assert_eq!(status.regained, 0);
    assert_eq!(bus.stored().await, [(1, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_stream_with_an_event_that_the_log_does_not_have_is_left_alone() {
    let bus = Bus::start().await;
    lose_part_of_a_batch(&bus, &[(1, 1), (1, 2), (1, 3)], 1).await;
    let mut headers = headers(7, 1);
    headers.insert("Nats-Msg-Id", event_id(7, 1).to_string());
    bus.publish_headers(headers, "7/1".to_owned()).await;
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.wiped == [STREAM]).await;
    assert_eq!(bus.stored().await, [(1, 1), (7, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_heard_of_before_a_wipe_says_nothing_of_the_refilled_stream() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    for sequence in 1..=40 {
        bus.write(&[(1, sequence)]).await;
        bus.drained().await;
    }
    let stream = bus.js.get_stream(STREAM).await.expect("the stream").cached_info().config.clone();
    let deaf = jetstream::stream::Config { subjects: vec!["dafei.v1.watermark.intake".to_owned()], ..stream };
    bus.js.update_stream(&deaf).await.expect("deaf to events");
    let mut silent = bus.js.client().subscribe("t.intake.>").await.expect("somebody");
    bus.write(&[(1, 41)]).await;
    silent.next().await.expect("the batch is on its way");
    bus.nats.wipe().await;
    silent.unsubscribe().await.expect("gone");
    relay.handle.watch().until(|status| status.wiped == [STREAM]).await;
    let done = refill(&bus.db.pool, &bus.js, &[spec()]).await.expect("refilled");
    assert_eq!(done[0].events, Some(41));
    relay.handle.watch().until(|status| status.wiped.is_empty()).await;
    bus.write(&[(1, 42)]).await;
    bus.drained().await;
    let messages = bus.messages().await;
    // With no watermark in it yet, the stream would be filled by that of the beginning of time.
    let filled = messages.iter().filter(|message| String::from_utf8_lossy(&message.payload).contains("1970-01-01"));
    assert_eq!(filled.count(), 0);
    assert_eq!(bus.stored().await.len(), 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_stream_that_had_something_is_made_anew_by_a_refill() {
    let bus = Bus::start().await;
    lose_part_of_a_batch(&bus, &[(1, 1), (1, 2)], 0).await;
    let before = bus.js.get_stream(STREAM).await.expect("the stream").cached_info().created;
    sqlx::raw_sql("UPDATE relay_sent SET through = 1, positions = positions[1:1]")
        .execute(&bus.db.pool)
        .await
        .expect("not all is known");
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.wiped == [STREAM]).await;
    let done = refill(&bus.db.pool, &bus.js, &[spec()]).await.expect("refilled");
    assert_eq!(done[0].events, Some(2));
    assert_ne!(bus.js.get_stream(STREAM).await.expect("the stream").cached_info().created, before);
    relay.handle.watch().until(|status| status.wiped.is_empty()).await;
    bus.write(&[(1, 3)]).await;
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_stream_that_agrees_with_nothing_that_was_published_is_published_again_as_a_whole() {
    let bus = Bus::start().await;
    lose_part_of_a_batch(&bus, &[(1, 1), (1, 2), (1, 3)], 2).await;
    sqlx::raw_sql("UPDATE relay_sent SET positions = positions[2:2] || positions[1:1] || positions[3:3]")
        .execute(&bus.db.pool)
        .await
        .expect("in another order");
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.regained == 3).await;
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 1), (1, 2), (1, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_outsiders_that_lost_its_end_is_read_on_behind_what_is_left_of_it() {
    let mut bus = Bus::that_fails().await;
    bus.make_stream().await;
    let recorder = Recorder::new();
    let consumer =
        bus.consume_with(&recorder, ConsumerConfig { doubt: Duration::from_secs(1), ..ConsumerConfig::raw(STREAM) });
    for number in 1..=3 {
        bus.publish(1, number).await;
    }
    bus.effects_of(3).await;
    let copy = bus.nats.keep_copy().await;
    consumer.handle.watch().until(|status| status.active && status.last_sequence == 3).await;
    for number in 4..=5 {
        published_again(&bus, 1, number).await;
    }
    bus.effects_of(5).await;
    bus.nats.go_back_to(&copy).await;
    // What comes while that is not believed yet gets the number of a message that had its effect.
    let short = |status: &ConsumerStatus| status.last_error.as_deref().is_some_and(|error| error.contains("end at 3"));
    consumer.handle.watch().until(short).await;
    published_again(&bus, 1, 6).await;
    bus.effects_of(6).await;
    let payloads: Vec<String> = sqlx::query_scalar("SELECT payload FROM effect ORDER BY place")
        .fetch_all(&bus.db.pool)
        .await
        .expect("payloads");
    assert_eq!(payloads, ["1/1", "1/2", "1/3", "1/4", "1/5", "1/6"]);
}

/// Publishes when the client is back.
async fn published_again(bus: &Bus, aggregate: u128, sequence: i64) {
    eventually(PATIENCE, "the server takes it", async || {
        let payload = format!("{aggregate}/{sequence}");
        let sent =
            bus.js.publish_with_headers("t.intake.x", headers(aggregate, sequence), payload.into()).await.ok()?;
        sent.await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_long_ago_is_not_kept() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    believe_filled(&bus, 0, (6, 50_003)).await;
    sqlx::raw_sql(
        "INSERT INTO relay_sent (stream, stream_created, after, through, positions)
         SELECT stream, stream_created - interval '1 day', 60000, 60001, '{}' FROM relay_state;
         INSERT INTO relay_sent (stream, stream_created, after, through, positions)
         SELECT stream, stream_created, after, after + 1, '{}' FROM relay_state, generate_series(0, 5) AS after",
    )
    .execute(&bus.db.pool)
    .await
    .expect("kept from before");
    for _ in 0..6 {
        bus.publish_headers(HeaderMap::new(), String::new()).await;
    }
    let _relay = bus.relay();
    eventually(PATIENCE, "the first are forgotten, and what is of an earlier stream", async || {
        let asked = "SELECT after FROM relay_sent WHERE after <= 6 OR after = 60000 ORDER BY after";
        let left: Vec<i64> = sqlx::query_scalar(asked).fetch_all(&bus.db.pool).await.ok()?;
        (left.first().is_some_and(|first| (3..=6).contains(first)) && !left.contains(&60_000)).then_some(())
    })
    .await;
}
