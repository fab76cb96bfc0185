//! Projections are rebuilt from the stream, or from the publisher's log when the stream no longer has everything.

use dafei_messaging::{
    consumer::ConsumerConfig,
    rebuild::{self, NotWhole, RebuildError},
};

use crate::support::{Bus, Recorder, STREAM, by_aggregate};

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_consumer_reads_the_stream_from_its_start_also_while_it_runs() {
    let bus = Bus::start().await;
    let relay = bus.relay();
    let _consumer = bus.consume(&Recorder::new());
    bus.write(&[(1, 1), (1, 2), (2, 1)]).await;
    let before = bus.effects_of(3).await;
    let mut tx = bus.db.pool.begin().await.expect("a transaction");
    rebuild::reset_consumer(&mut tx, "recorder", STREAM).await.expect("reset");
    sqlx::query("DELETE FROM effect").execute(&mut *tx).await.expect("emptied");
    tx.commit().await.expect("committed");
    // The next message of whatever kind shows the consumer that its position has moved.
    bus.clock.set(crate::support::at("2026-03-02T09:00:00Z"));
    relay.handle.prod();
    assert_eq!(bus.effects_of(3).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_is_fed_from_the_log_and_the_stream_adds_only_what_is_new() {
    let bus = Bus::start().await;
    let relay = bus.relay();
    let written: Vec<(u128, i64)> = (1..=1_200).map(|sequence| (1, sequence)).collect();
    bus.write(&written).await;
    let recorder = Recorder::new();
    let config = ConsumerConfig::ordered(STREAM);
    let clock = bus.shared_clock();
    let pool = &bus.db.pool;
    let read = rebuild::from_log(pool, pool, &clock, recorder.clone(), &config).await.expect("fed");
    assert_eq!(read, 1_200);
    assert_eq!(bus.effects().await, written);
    let consumer = bus.consume(&recorder);
    bus.write(&[(1, 1_201)]).await;
    bus.drained().await;
    bus.effects_of(1_201).await;
    assert_eq!(by_aggregate(&bus.effects().await)[&1], (1..=1_201).collect::<Vec<i64>>());
    let refused = rebuild::from_log(pool, pool, &clock, recorder.clone(), &config).await;
    assert!(matches!(refused, Err(RebuildError::Running(_))), "{refused:?}");
    consumer.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_or_whose_oldest_messages_have_expired_is_none_to_rebuild_from() {
    let bus = Bus::start().await;
    let missing = rebuild::check_whole(&bus.js, &[STREAM]).await;
    assert!(matches!(missing, Err(NotWhole::Missing { stream: STREAM })), "{missing:?}");
    bus.make_stream().await;
    rebuild::check_whole(&bus.js, &[STREAM]).await.expect("nothing was ever published");
    for sequence in 1..=3 {
        bus.publish(1, sequence).await;
    }
    rebuild::check_whole(&bus.js, &[STREAM]).await.expect("it begins at its first message");
    assert_eq!(bus.expire().await, 2);
    let expired = rebuild::check_whole(&bus.js, &[STREAM]).await;
    assert!(matches!(expired, Err(NotWhole::Expired { stream: STREAM, expired: 2 })), "{expired:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_looked_at_is_none_to_rebuild_from() {
    let mut bus = Bus::that_fails().await;
    bus.make_stream().await;
    bus.nats.kill();
    let unseen = rebuild::check_whole(&bus.js, &[STREAM]).await;
    assert!(matches!(unseen, Err(NotWhole::Unseen(_))), "{unseen:?}");
}
