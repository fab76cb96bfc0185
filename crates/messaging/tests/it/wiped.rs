//! A NATS that lost everything, or that knows more than its database: nothing goes into it until it was refilled, and then nothing is lost or
//! doubled.

use dafei_messaging::{
    event::NewEvent,
    log::{self, LoggedEvent},
    refill::{RefillError, refill, refill_chosen},
    relay::Published,
    tx,
};
use dafei_testkit::eventually;
use uuid::Uuid;

use crate::support::{Bus, PATIENCE, Recorder, STREAM, Until, event, event_id, spec, start_of_tests};

/// What every replica says while the stream waits to be refilled.
fn wiped() -> Published {
    Published { wiped: vec![STREAM.to_owned()], ..Published::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_stream_is_left_alone_until_it_is_refilled_and_consumers_skip_what_they_saw() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    let recorder = Recorder::new();
    let consumer = bus.consume(&recorder);
    for sequence in 1..=10 {
        bus.write(&[(1, sequence)]).await;
    }
    bus.effects_of(10).await;
    let standing_by = bus.relay();
    bus.nats.wipe().await;
    relay.handle.prod();
    relay.handle.watch().until(|status| status.wiped == [STREAM]).await;
    assert_eq!(standing_by.handle.published(PATIENCE).await, wiped());
    bus.write(&[(1, 11), (2, 1)]).await;

    let done = refill(&bus.db.pool, &bus.js, &[spec()]).await.expect("refilled");
    assert_eq!(done[0].events, Some(12));
    relay.handle.watch().until(|status| status.wiped.is_empty()).await;
    assert_eq!(standing_by.handle.published(PATIENCE).await.wiped, [""; 0]);
    bus.write(&[(1, 12)]).await;
    bus.drained().await;
    let stored = bus.stored().await;
    let expected: Vec<(u128, i64)> = (1..=11).map(|n| (1, n)).chain([(2, 1), (1, 12)]).collect();
    assert_eq!(stored, expected);
    assert_eq!(bus.effects_of(13).await, expected);
    consumer.stop().await;
    assert_eq!(bus.effects().await.len(), 13, "what was seen before the wipe had its effect once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_made_anew_by_somebody_else_is_still_a_wiped_one() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    relay.stop().await;
    bus.nats.wipe().await;
    eventually(PATIENCE, "the client is back", async || {
        dafei_messaging::streams::ensure_streams(&bus.js, &[spec()]).await.ok()
    })
    .await;
    // More than the old one had, so that only its birth gives it away.
    for sequence in 1..=9 {
        bus.publish(7, sequence).await;
    }
    bus.write(&[(1, 2)]).await;
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.wiped == [STREAM] && status.pending == 1).await;
    assert!(bus.stored().await.iter().all(|(aggregate, _)| *aggregate == 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lacks_nothing_is_left_alone_by_a_refill() {
    let bus = Bus::start().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    let done = refill(&bus.db.pool, &bus.js, &[spec()]).await.expect("nothing to do");
    assert_eq!(done[0].events, None);
    bus.write(&[(1, 2)]).await;
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2)], "the relay goes on as before");
    assert_eq!(relay.handle.status().wiped, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_oldest_messages_have_expired_is_left_alone_and_gets_them_again_when_it_was_removed() {
    let bus = Bus::start().await;
    bus.write(&[(1, 1), (1, 2), (2, 1)]).await;
    refill(&bus.db.pool, &bus.js, &[spec()]).await.expect("filled");
    assert_eq!(bus.expire().await, 2);
    let done = refill(&bus.db.pool, &bus.js, &[spec()]).await.expect("left alone");
    assert_eq!((done[0].events, done[0].expired), (None, 2));
    bus.js.delete_stream(STREAM).await.expect("the stream goes");
    let done =
        eventually(PATIENCE, "it is made again", async || refill(&bus.db.pool, &bus.js, &[spec()]).await.ok()).await;
    assert_eq!((done[0].events, done[0].expired), (Some(3), 0));
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (2, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_holds_something_else_is_not_refilled() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    bus.publish(7, 1).await;
    bus.write(&[(1, 1)]).await;
    let refused = refill(&bus.db.pool, &bus.js, &[spec()]).await;
    assert!(matches!(refused, Err(RefillError::NotEmpty { messages: 1, .. })), "{refused:?}");
    assert_eq!(bus.stored().await, [(7, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_after_the_choice_and_never_published_is_in_the_stream_after_a_refill() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    bus.write(&[(1, 1), (2, 1)]).await;
    bus.drained().await;
    bus.nats.wipe().await;
    relay.handle.prod();
    relay.handle.watch().until(|status| status.wiped == [STREAM]).await;
    let chosen = event_id(2, 1);
    bus.write(&[(3, 1), (1, 2)]).await;
    let done = refill_chosen(&bus.db.pool, &bus.js, &spec(), |event| event.event_id == chosen).await.expect("refilled");
    assert_eq!(done.events, Some(3));
    relay.handle.watch().until(|status| status.wiped.is_empty()).await;
    assert_eq!(bus.stored().await, [(2, 1), (3, 1), (1, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refill_that_another_one_has_overtaken_takes_nothing_out_of_the_outbox() {
    let bus = Bus::start().await;
    bus.write(&[(1, 1), (1, 2)]).await;
    let pool = bus.db.pool.clone();
    // The other one has made the stream anew, as it does with one that was left half done.
    let overtake = move |_: &LoggedEvent| {
        let begun = sqlx::query("UPDATE relay_state SET stream_created = 'epoch'").execute(&pool);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(begun)).expect("another refill");
        true
    };
    sqlx::query("DELETE FROM outbox WHERE position = (SELECT min(position) FROM outbox)")
        .execute(&bus.db.pool)
        .await
        .expect("one was published");
    let ended = refill_chosen(&bus.db.pool, &bus.js, &spec(), overtake).await;
    assert!(matches!(ended, Err(RefillError::Overtaken { .. })), "{ended:?}");
    let waiting: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&bus.db.pool).await.expect("a count");
    assert_eq!(waiting, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_settles_nothing_in_a_stream_that_is_being_refilled() {
    let bus = Bus::start().await;
    let relay = bus.relay();
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    sqlx::query("UPDATE relay_state SET refilling = true").execute(&bus.db.pool).await.expect("a refill has begun");
    bus.write(&[(1, 2)]).await;
    relay.handle.prod();
    relay.handle.watch().until(|status| status.wiped == [STREAM]).await;
    let waiting: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&bus.db.pool).await.expect("a count");
    assert_eq!(waiting, 1, "the refill may remove what was published: it stays in the outbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refill_that_was_broken_off_is_begun_again() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    for sequence in 1..=5 {
        bus.write(&[(1, sequence)]).await;
    }
    bus.drained().await;
    relay.stop().await;
    bus.nats.wipe().await;
    // As a refill leaves it that was killed after its first batch.
    eventually(PATIENCE, "the client is back", async || {
        dafei_messaging::streams::ensure_streams(&bus.js, &[spec()]).await.ok()
    })
    .await;
    let stream = bus.js.get_stream(STREAM).await.expect("the stream");
    let created = stream.cached_info().created.unix_timestamp_nanos() / 1_000;
    sqlx::query(
        "UPDATE relay_state SET refilling = true, last_sequence = 0,
                stream_created = 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'",
    )
    .bind(i64::try_from(created).expect("an instant"))
    .execute(&bus.db.pool)
    .await
    .expect("the state of a broken refill");
    bus.publish(1, 1).await;
    let done = refill(&bus.db.pool, &bus.js, &[spec()]).await.expect("refilled");
    assert_eq!(done[0].events, Some(5));
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]);
}

/// Makes the database what it was before the events after `sequence` of aggregate 1, as a standby is that was behind. Nothing may write meanwhile.
async fn lose_after(bus: &Bus, sequence: i64, published: i64) {
    sqlx::raw_sql("ALTER TABLE event_log DISABLE TRIGGER event_log_append_only")
        .execute(&bus.db.pool)
        .await
        .expect("off");
    let lost = sqlx::query("DELETE FROM event_log WHERE sequence > $1").bind(sequence).execute(&bus.db.pool).await;
    assert!(lost.expect("lost").rows_affected() > 0);
    sqlx::raw_sql("ALTER TABLE event_log ENABLE TRIGGER event_log_append_only")
        .execute(&bus.db.pool)
        .await
        .expect("on");
    sqlx::query("UPDATE relay_state SET last_sequence = $1").bind(published).execute(&bus.db.pool).await.expect("back");
}

async fn fence(bus: &Bus) -> i64 {
    sqlx::query_scalar("SELECT last_sequence FROM relay_state").fetch_one(&bus.db.pool).await.expect("the fence")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_published_to_a_stream_that_has_events_which_its_database_lost_until_it_is_refilled() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    bus.write(&[(1, 1), (1, 2)]).await;
    bus.drained().await;
    relay.stop().await;
    let before = fence(&bus).await;
    let relay = bus.relay();
    bus.write(&[(1, 3), (1, 4)]).await;
    bus.drained().await;
    relay.stop().await;
    lose_after(&bus, 2, before).await;
    let held = bus.messages().await.len();

    let relay = bus.relay();
    relay.handle.watch().until(|status| status.wiped == [STREAM]).await;
    let standing_by = bus.relay();
    assert_eq!(standing_by.handle.published(PATIENCE).await, wiped(), "the last watermark is of what was lost");
    standing_by.stop().await;
    // Another step under the number of a lost one, and one of a new aggregate.
    let mut tx = tx::begin_write(&bus.db.pool).await.expect("a transaction");
    let again = NewEvent { event_id: Uuid::from_u128(77), ..event(1, 3, start_of_tests()) };
    log::append(&mut tx, &[again, event(2, 1, start_of_tests())]).await.expect("appended");
    tx::commit(tx).await.expect("committed");
    relay.stop().await;
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.wiped == [STREAM] && status.pending > 0).await;
    assert_eq!(bus.messages().await.len(), held, "neither an event nor a watermark");
    assert_eq!(fence(&bus).await, before);

    bus.nats.wipe().await;
    let refilled =
        eventually(PATIENCE, "the client is back", async || refill(&bus.db.pool, &bus.js, &[spec()]).await.ok()).await;
    assert_eq!(refilled[0].events, Some(4));
    relay.handle.watch().until(|status| status.wiped.is_empty()).await;
    bus.write(&[(1, 4)]).await;
    bus.drained().await;
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (2, 1), (1, 4)]);
}
