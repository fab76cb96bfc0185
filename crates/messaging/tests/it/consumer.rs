//! The consumer loop: each event takes effect once, in order, whatever is delivered and whatever fails.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{
        consumer::{Info, PullConsumer, pull},
        stream::{Config, Stream},
    },
};
use dafei_messaging::consumer::ConsumerConfig;
use dafei_testkit::eventually;
use futures::StreamExt as _;

use crate::support::{Bus, PATIENCE, Recorder, STREAM, Until, by_aggregate, headers, start_of_tests};

#[tokio::test(flavor = "multi_thread")]
async fn every_event_takes_effect_once_and_the_consumer_knows_how_far_it_has_come() {
    let bus = Bus::start().await;
    let relay = bus.relay();
    let recorder = Recorder::new();
    let consumer = bus.consume(&recorder);
    let written: Vec<(u128, i64)> = (1..=300).map(|sequence| (1, sequence)).collect();
    for chunk in written.chunks(7) {
        bus.write(chunk).await;
    }
    assert_eq!(bus.effects_of(300).await, written);
    let later = start_of_tests() + Duration::from_secs(60);
    bus.clock.set(later);
    relay.handle.prod();
    let status =
        consumer.handle.watch().until(|status| status.caught_up_through == Some(later) && status.lag == 0).await;
    assert!(status.active && status.last_sequence > 300 && status.parked == 0);
    assert_eq!(*recorder.committed.lock().expect("a lock"), written);
    let heard: String = sqlx::query_scalar("SELECT service || ' ' || through FROM heard ORDER BY place DESC LIMIT 1")
        .fetch_one(&bus.db.pool)
        .await
        .expect("a watermark");
    assert_eq!(heard, format!("intake {later}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_taken_and_what_may_have_come_since_an_interruption_count_as_not_taken() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let recorder = Recorder::new();
    recorder.shut();
    let consumer = bus.consume(&recorder);
    consumer.handle.watch().until(|status| status.active && status.lag == 0).await;
    bus.publish(1, 1).await;
    consumer.handle.watch().until(|status| status.lag == 1).await;
    assert_eq!(bus.effects().await, []);
    recorder.open();
    consumer.handle.watch().until(|status| status.last_sequence == 1 && status.lag == 0).await;
    bus.js.delete_stream(STREAM).await.expect("the stream goes");
    let status = consumer.handle.watch().until(|status| !status.active).await;
    assert!(status.lag > 0, "nobody knows that all is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_published_twice_takes_effect_once() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    for sequence in [1, 2, 1, 2, 2, 3] {
        bus.publish(1, sequence).await;
    }
    let consumer = bus.consume(&Recorder::new());
    consumer.handle.watch().until(|status| status.last_sequence == 6).await;
    assert_eq!(bus.effects().await, [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(bus.parked().await, 0, "what was seen is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_gap_waits_and_takes_effect_when_the_gap_is_filled() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let consumer = bus.consume(&Recorder::new());
    for sequence in [1, 3, 4] {
        bus.publish(1, sequence).await;
    }
    bus.publish(2, 1).await;
    consumer.handle.watch().until(|status| status.last_sequence == 4 && status.parked == 1).await;
    assert_eq!(bus.effects().await, [(1, 1), (2, 1)]);
    // Also after a restart.
    consumer.stop().await;
    let consumer = bus.consume(&Recorder::new());
    bus.publish(1, 2).await;
    bus.publish(1, 5).await;
    consumer.handle.watch().until(|status| status.last_sequence == 6).await;
    assert_eq!(by_aggregate(&bus.effects().await)[&1], [1, 2, 3, 4, 5]);
    assert_eq!(bus.parked().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_is_not_ready_is_asked_again_until_it_is() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let recorder = Recorder::new();
    *recorder.busy.lock().expect("a lock") = 4;
    let _consumer = bus.consume(&recorder);
    bus.publish(1, 1).await;
    assert_eq!(bus.effects_of(1).await, [(1, 1)]);
    assert!(*recorder.calls.lock().expect("a lock") >= 5);
    let letters: i64 =
        sqlx::query_scalar("SELECT count(*) FROM dead_letter").fetch_one(&bus.db.pool).await.expect("a count");
    assert_eq!(letters, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_goes_on_after_its_database_connections_were_cut() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let _consumer = bus.consume(&Recorder::new());
    bus.publish(1, 1).await;
    bus.effects_of(1).await;
    bus.db.cut_connections().await;
    bus.publish(1, 2).await;
    assert_eq!(bus.effects_of(2).await, [(1, 1), (1, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_goes_on_after_nats_was_killed() {
    let mut bus = Bus::that_fails().await;
    let _relay = bus.relay();
    let _consumer = bus.consume(&Recorder::new());
    for sequence in 1..=50 {
        bus.write(&[(1, sequence)]).await;
        if sequence == 25 {
            bus.nats.restart().await;
        }
    }
    let expected: Vec<(u128, i64)> = (1..=50).map(|sequence| (1, sequence)).collect();
    assert_eq!(bus.effects_of(50).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_killed_in_the_middle_of_a_batch_loses_and_doubles_nothing() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let stuck = Recorder::new();
    stuck.shut();
    let consumer = bus.consume(&stuck);
    for sequence in 1..=5 {
        bus.publish(1, sequence).await;
    }
    eventually(PATIENCE, "the handler is at work", async || (*stuck.calls.lock().expect("a lock") > 0).then_some(()))
        .await;
    consumer.kill().await;
    let _consumer = bus.consume(&Recorder::new());
    bus.publish(1, 6).await;
    assert_eq!(bus.effects_of(6).await, [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_on_the_way_is_read_again_also_when_nothing_follows() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let config = ConsumerConfig { look: Duration::from_millis(200), ..ConsumerConfig::ordered(STREAM) };
    let consumer = bus.consume_with(&Recorder::new(), config);
    consumer.handle.watch().until(|status| status.active).await;
    // Somebody else is given what the consumer was to get, as a connection is that breaks: nothing is offered twice.
    let stream = bus.js.get_stream(STREAM).await.expect("the stream");
    let name = readers(&stream).await.pop().expect("what the server delivers by").name;
    let thief: PullConsumer = stream.get_consumer(&name).await.expect("the same");
    let mut stolen = thief.messages().await.expect("messages");
    let mut sequence = 0;
    let until_stolen = async {
        loop {
            sequence += 1;
            bus.publish(1, sequence).await;
            if tokio::time::timeout(Duration::from_millis(300), stolen.next()).await.is_ok() {
                return sequence;
            }
        }
    };
    let last = tokio::time::timeout(PATIENCE, until_stolen).await.expect("it gets one");
    drop(stolen);
    let expected: Vec<(u128, i64)> = (1..=last).map(|sequence| (1, sequence)).collect();
    assert_eq!(bus.effects_of(expected.len()).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_stream_no_more_is_not_waited_for() {
    let bus = Bus::start().await;
    let config = Config { name: STREAM.to_owned(), subjects: vec!["t.intake.>".to_owned()], ..Config::default() };
    let stream = bus.js.create_stream(config).await.expect("a stream that may be purged");
    bus.publish(1, 1).await;
    bus.publish(1, 2).await;
    stream.purge().await.expect("purged, as by its age");
    let config = ConsumerConfig { look: Duration::from_millis(100), ..ConsumerConfig::ordered(STREAM) };
    let consumer = bus.consume_with(&Recorder::new(), config);
    consumer.handle.watch().until(|status| status.last_sequence == 2 && status.lag == 0).await;
    bus.publish(2, 1).await;
    assert_eq!(bus.effects_of(1).await, [(2, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_nothing_of_a_consumer_that_has_to_choose_a_leader() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let stream = bus.js.get_stream(STREAM).await.expect("the stream");
    let durable = pull::Config { durable_name: Some("recorder".to_owned()), ..pull::Config::default() };
    stream.create_consumer(durable).await.expect("the durable of an older version");
    let consumer = bus.consume(&Recorder::new());
    consumer.handle.watch().until(|status| status.active).await;
    // A slow server may have made two for one that asked again.
    let unnamed = eventually(PATIENCE, "the durable is removed", async || {
        let readers = readers(&stream).await;
        (!readers.is_empty() && readers.iter().all(|reader| reader.config.durable_name.is_none())).then_some(readers)
    })
    .await;
    for Info { config, .. } in &unnamed {
        assert_eq!((config.num_replicas, config.memory_storage), (1, true));
        assert!(!config.inactive_threshold.is_zero(), "it is forgotten by itself");
    }
}

async fn readers(stream: &Stream) -> Vec<Info> {
    stream.consumers().map(|info| info.expect("a consumer")).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_outsiders_come_raw_and_once() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let recorder = Recorder::new();
    let consumer = bus.consume_with(&recorder, ConsumerConfig::raw(STREAM));
    bus.publish_headers(HeaderMap::new(), "one".to_owned()).await;
    bus.publish_headers(HeaderMap::new(), "poison".to_owned()).await;
    bus.publish_headers(headers(1, 1), "two".to_owned()).await;
    consumer.handle.watch().until(|status| status.last_sequence == 3).await;
    let payloads: Vec<String> =
        sqlx::query_scalar("SELECT payload FROM effect ORDER BY place").fetch_all(&bus.db.pool).await.expect("effects");
    assert_eq!(payloads, ["one", "two"]);
    assert_eq!(consumer.handle.status().dead_letters, 1);
    consumer.stop().await;
    let consumer = bus.consume_with(&recorder, ConsumerConfig::raw(STREAM));
    bus.publish_headers(HeaderMap::new(), "three".to_owned()).await;
    consumer.handle.watch().until(|status| status.last_sequence == 4).await;
    assert_eq!(bus.effects().await.len(), 3, "a restart offers nothing again");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_its_position_was_put_back_a_consumer_notices_also_where_nothing_more_comes() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    // Raw messages have no marks: the position alone keeps the second effect out.
    let config = ConsumerConfig { look: Duration::from_millis(100), ..ConsumerConfig::raw(STREAM) };
    let consumer = bus.consume_with(&Recorder::new(), config);
    bus.publish(1, 1).await;
    consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    sqlx::query("UPDATE consumer_position SET last_sequence = 0").execute(&bus.db.pool).await.expect("put back");
    assert_eq!(bus.effects_of(2).await.len(), 2);
}
