//! A stream that lost its end, and in which stands something else than was published there: a batch that NATS had done away with, and has again. Who has
//! passed its numbers has not read it.

use async_nats::jetstream;
use dafei_testkit::eventually;
use futures::StreamExt as _;

use crate::{
    regained::{believe_filled, lose_part_of_a_batch},
    support::{Bus, PATIENCE, Recorder, STREAM, Until, event_id, headers, is_watermark},
};

/// What was first: an event of one case, then two of it in the batch that NATS did away with, then one of another.
const WRITTEN: [(u128, i64); 4] = [(1, 1), (1, 2), (1, 3), (2, 1)];

/// The database believes that these messages are in the stream: the last number of each row, and its events; none where it was filled up.
async fn believe_sent(bus: &Bus, rows: &[(i64, &[(u128, i64)])]) {
    let mut after = 0;
    for (through, events) in rows {
        let ids: Vec<_> = events.iter().map(|(aggregate, sequence)| event_id(*aggregate, *sequence)).collect();
        sqlx::query(
            "INSERT INTO relay_sent (stream, stream_created, after, through, positions)
             SELECT stream, stream_created, $1, $2,
                 ARRAY(SELECT e.position FROM UNNEST($3::uuid[]) WITH ORDINALITY AS sent (id, place)
                       JOIN event_log e ON e.event_id = sent.id ORDER BY sent.place)
             FROM relay_state",
        )
        .bind(after)
        .bind(*through)
        .bind(ids)
        .execute(&bus.db.pool)
        .await
        .expect("kept");
        after = *through;
    }
}

async fn publish_as_a_relay(bus: &Bus, events: &[(u128, i64)]) {
    for (aggregate, sequence) in events {
        let mut headers = headers(*aggregate, *sequence);
        headers.insert("Nats-Msg-Id", event_id(*aggregate, *sequence).to_string());
        bus.publish_headers(headers, format!("{aggregate}/{sequence}")).await;
    }
}

/// The numbers of the batch were filled up, and it was published again behind them. Now the stream ends with the batch.
async fn bring_back(bus: &Bus) {
    bring_back_these(bus, &WRITTEN[..3]).await;
}

async fn bring_back_these(bus: &Bus, standing: &[(u128, i64)]) {
    bus.make_stream().await;
    bus.write(&WRITTEN).await;
    sqlx::raw_sql("DELETE FROM outbox").execute(&bus.db.pool).await.expect("all was published");
    believe_filled(bus, 6, (0, 0)).await;
    believe_sent(bus, &[(1, &[(1, 1)]), (3, &[]), (5, &[(1, 2), (1, 3)]), (6, &[(2, 1)])]).await;
    publish_as_a_relay(bus, standing).await;
}

/// Has read so far while the numbers of the batch were filled.
async fn has_passed(bus: &Bus, consumer: &str, last: i64) {
    sqlx::query(
        "INSERT INTO consumer_position (consumer, stream, stream_created, last_sequence)
         SELECT $1, stream, stream_created, $2 FROM relay_state",
    )
    .bind(consumer)
    .bind(last)
    .execute(&bus.db.pool)
    .await
    .expect("a position");
    sqlx::query("INSERT INTO consumer_mark (consumer, source, aggregate_id, sequence) VALUES ($1, 'intake', $2, 1)")
        .bind(consumer)
        .bind(uuid::Uuid::from_u128(1))
        .execute(&bus.db.pool)
        .await
        .expect("a mark");
}

/// Runs a relay and two consumers, of which one has passed the numbers of the batch; says what each read.
async fn read_by_two(bus: &Bus) -> (Vec<(u128, i64)>, Vec<(u128, i64)>) {
    let (ahead, behind) = (Recorder::named("ahead"), Recorder::named("behind"));
    has_passed(bus, &format!("ahead/{STREAM}"), 3).await;
    let relay = bus.relay();
    let consumers = [bus.consume(&ahead), bus.consume(&behind)];
    let read = eventually(PATIENCE, "both have read all", async || {
        let read = [&ahead, &behind].map(|recorder| recorder.committed.lock().expect("a lock").clone());
        (read[0].len() >= 3 && read[1].len() >= 4).then_some(read)
    })
    .await;
    bus.drained().await;
    let last = bus.js.get_stream(STREAM).await.expect("the stream").cached_info().state.last_sequence;
    for consumer in &consumers {
        consumer.handle.watch().until(|status| status.last_sequence >= last).await;
    }
    drop(relay);
    let [ahead, behind] = read;
    (ahead, behind)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_came_back_where_filling_had_been_is_published_again_for_who_has_passed_it() {
    let bus = Bus::start().await;
    bring_back(&bus).await;
    let (ahead, behind) = read_by_two(&bus).await;
    assert_eq!(ahead, [(1, 2), (1, 3), (2, 1)], "what it had not read, once");
    assert_eq!(behind, WRITTEN, "each once");
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (1, 2), (1, 3), (2, 1)]);
    let messages = bus.messages().await;
    let again = messages.iter().filter(|message| !is_watermark(message)).nth(3).expect("the batch");
    assert_eq!(again.sequence, 1_007, "behind all that anybody can have read");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_stream_that_parted_all_behind_the_parting_is_lost_and_what_stands_is_known() {
    let bus = Bus::start().await;
    bring_back(&bus).await;
    let relay = bus.relay();
    let status = relay.handle.watch().until(|status| status.regained > 0).await;
    assert_eq!((status.regained, status.lost), (3, 5));
    bus.drained().await;
    relay.stop().await;
    let known: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT after, through, (SELECT count(*) FROM UNNEST(positions) p WHERE p > 0)
         FROM relay_sent WHERE through <= 1006 ORDER BY after",
    )
    .fetch_all(&bus.db.pool)
    .await
    .expect("rows");
    assert_eq!(known, [(0, 1, 1), (1, 3, 2), (3, 1_006, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_comes_back_while_the_stream_is_filled_up_stays_to_be_published_again() {
    let bus = Bus::start().await;
    bring_back(&bus).await;
    // A server that has the first alone has said so; then another one became the leader, which has the batch.
    sqlx::raw_sql(
        "UPDATE relay_state SET pad_from = 1, pad_to = 1006;
         INSERT INTO outbox (stream, position, recorded_at)
         SELECT stream, position, recorded_at FROM event_log ORDER BY position OFFSET 1",
    )
    .execute(&bus.db.pool)
    .await
    .expect("the state while it is filled up");
    let (ahead, behind) = read_by_two(&bus).await;
    assert_eq!(ahead, [(1, 2), (1, 3), (2, 1)], "what it had not read, once");
    assert_eq!(behind, WRITTEN, "each once");
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (1, 2), (1, 3), (2, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_where_filling_may_have_been_read_is_published_again() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    bus.write(&WRITTEN).await;
    sqlx::raw_sql("DELETE FROM outbox WHERE position = (SELECT min(position) FROM event_log)")
        .execute(&bus.db.pool)
        .await
        .expect("the rest was lost");
    believe_filled(&bus, 4, (1, 1_004)).await;
    believe_sent(&bus, &[(4, &WRITTEN)]).await;
    sqlx::raw_sql("UPDATE relay_state SET pad_read = true").execute(&bus.db.pool).await.expect("a relay began to fill");
    // It stands where it stood before, but in between others stood there.
    publish_as_a_relay(&bus, &WRITTEN[..3]).await;
    let (ahead, behind) = read_by_two(&bus).await;
    assert_eq!(ahead, [(1, 2), (1, 3), (2, 1)], "what it had not read, once");
    assert_eq!(behind, WRITTEN, "each once");
    let read: bool =
        sqlx::query_scalar("SELECT pad_read FROM relay_state").fetch_one(&bus.db.pool).await.expect("the state");
    assert!(!read, "nothing is filled up any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_gone_from_what_is_left_is_published_again() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let config = bus.js.get_stream(STREAM).await.expect("the stream").cached_info().config.clone();
    bus.js.delete_stream(STREAM).await.expect("removed");
    let config = jetstream::stream::Config { deny_delete: false, ..config };
    let stream = bus.js.create_stream(config).await.expect("a stream that may lose messages");
    bus.write(&WRITTEN).await;
    sqlx::raw_sql("DELETE FROM outbox").execute(&bus.db.pool).await.expect("all was published");
    believe_filled(&bus, 4, (0, 0)).await;
    believe_sent(&bus, &[(4, &WRITTEN)]).await;
    publish_as_a_relay(&bus, &WRITTEN[..3]).await;
    stream.delete_message(3).await.expect("as by a disk that failed");
    let relay = bus.relay();
    let status = relay.handle.watch().until(|status| status.regained > 0).await;
    assert_eq!((status.regained, status.lost), (2, 2));
    let recorder = Recorder::new();
    let _consumer = bus.consume(&recorder);
    assert_eq!(bus.effects_of(4).await, WRITTEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_at_two_numbers_and_is_lost_with_both_is_published_again_once() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    bus.write(&WRITTEN).await;
    sqlx::raw_sql("DELETE FROM outbox WHERE position < (SELECT max(position) FROM event_log) - 1")
        .execute(&bus.db.pool)
        .await
        .expect("all but the last two were published; one of them has been put back");
    believe_filled(&bus, 7, (0, 0)).await;
    believe_sent(&bus, &[(3, &WRITTEN[..3]), (5, &[]), (7, &WRITTEN[1..3])]).await;
    publish_as_a_relay(&bus, &WRITTEN[..1]).await;
    let relay = bus.relay();
    let status = relay.handle.watch().until(|status| status.regained > 0).await;
    assert_eq!(status.regained, 2);
    bus.drained().await;
    assert_eq!(bus.stored().await, WRITTEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_parted_with_an_event_that_the_log_does_not_have_is_left_alone() {
    let bus = Bus::start().await;
    bring_back_these(&bus, &[(1, 1), (7, 1), (1, 3)]).await;
    let relay = bus.relay();
    let status = relay.handle.watch().until(|status| status.wiped == [STREAM]).await;
    assert_eq!(status.regained, 0);
    assert_eq!(bus.stored().await, [(1, 1), (7, 1), (1, 3)]);
}

/// Whether somebody may have read of the filling of a stream that is not full yet.
async fn may_have_been_read(bus: &Bus) -> bool {
    let asked = "SELECT pad_read FROM relay_state WHERE pad_to > 0";
    sqlx::query_scalar(asked).fetch_one(&bus.db.pool).await.expect("it is to be filled up")
}

#[tokio::test(flavor = "multi_thread")]
async fn filling_of_which_nothing_was_heard_may_have_been_read() {
    let bus = Bus::that_fails().await;
    lose_part_of_a_batch(&bus, &WRITTEN, 1).await;
    let config = bus.js.get_stream(STREAM).await.expect("the stream").cached_info().config.clone();
    let deaf = jetstream::stream::Config { subjects: vec!["t.intake.>".to_owned()], ..config };
    bus.js.update_stream(&deaf).await.expect("deaf to watermarks");
    let mut silent = bus.js.client().subscribe("dafei.v1.watermark.intake").await.expect("somebody");
    let relay = bus.relay();
    silent.next().await.expect("filling is on its way");
    relay.handle.watch().until(|status| status.last_error.is_some()).await;
    relay.stop().await;
    assert!(may_have_been_read(&bus).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn filling_that_was_refused_has_been_read_by_nobody() {
    let bus = Bus::start().await;
    lose_part_of_a_batch(&bus, &WRITTEN, 1).await;
    let config = bus.js.get_stream(STREAM).await.expect("the stream").cached_info().config.clone();
    let narrow = jetstream::stream::Config { max_message_size: 1, ..config };
    bus.js.update_stream(&narrow).await.expect("a stream that takes nothing");
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.regained == 3 && status.last_error.is_some()).await;
    relay.stop().await;
    assert!(!may_have_been_read(&bus).await);
}
