//! What outsiders write: a server takes any bytes for headers, and whatever they are, the service's connection and its consumers go on.

use async_nats::jetstream::{self, consumer::pull};
use dafei_messaging::{
    consumer::{ConsumerConfig, ConsumerHandle},
    dead_letters::{self, Replay},
    streams::{StreamSpec, ensure_streams},
};
use dafei_testkit::eventually;

use crate::support::{Bus, PATIENCE, Recorder, Running, TRACE, Until};

const OUTSIDE: &str = "T_OUTSIDE";
const KEY: &str = "recorder/T_OUTSIDE";
/// What the client library cannot parse, or takes for something else.
const BAD: [&[u8]; 9] = [
    b"NATS/1.0\r\nno colon\r\n\r\n",
    b"NATS/1.0\r\nlone: a\rb\r\n\r\n",
    b"NATS/1.0\r\nbytes: \xff\xfe\r\n\r\n",
    b"NATS/1.0\r\nnul: a\0b\r\n\r\n",
    b"NATS/1.0\r\nbad name: x\r\n\r\n",
    b"HTTP/9\r\nname: x\r\n\r\n",
    b"NATS/1.0 409 Consumer Deleted\r\n\r\n",
    b"NATS/1.0",
    b"",
];

fn outside() -> StreamSpec {
    StreamSpec::untrusted(OUTSIDE, ["t.outside.>"])
}

async fn payloads(bus: &Bus) -> Vec<String> {
    sqlx::query_scalar("SELECT payload FROM effect ORDER BY place").fetch_all(&bus.db.pool).await.expect("effects")
}

fn consume(bus: &Bus) -> Running<ConsumerHandle> {
    bus.consume_with(&Recorder::new(), ConsumerConfig::raw(OUTSIDE))
}

/// A stream from which messages can go before their time.
async fn losing(bus: &Bus) -> jetstream::stream::Stream {
    let config = jetstream::stream::Config {
        name: OUTSIDE.to_owned(),
        subjects: vec!["t.outside.>".to_owned()],
        ..Default::default()
    };
    // A deletion is answered before the files are gone.
    eventually(PATIENCE, "the stream is made", async || bus.js.create_stream(config.clone()).await.ok()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_none_stop_neither_the_consumer_nor_the_relay() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside()]).await.expect("the stream is made");
    let _relay = bus.relay();
    let consumer = consume(&bus);
    consumer.handle.watch().until(|status| status.active).await;
    for headers in BAD {
        bus.nats.publish_raw(b"t.outside.x", headers, b"bad headers").await;
    }
    bus.nats.publish_raw(b"t.outside.\xff\xfe", b"NATS/1.0\r\n\r\n", b"bad subject").await;
    bus.nats.publish_raw(b"t.outside.x", b"NATS/1.0\r\n\r\n", b"good").await;
    let last = BAD.len() as u64 + 2;
    let status = consumer.handle.watch().until(|status| status.last_sequence == last && status.lag == 0).await;
    assert_eq!((status.active, status.dead_letters), (true, 0));
    let taken = payloads(&bus).await;
    assert_eq!((taken.len() as u64, taken.last().map(String::as_str)), (last, Some("good")));
    bus.write(&[(1, 1)]).await;
    bus.drained().await;
    assert!(bus.stored().await.contains(&(1, 1)), "the relay publishes on the same connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_and_large_messages_of_outsiders_are_taken_in_their_order() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside()]).await.expect("the stream is made");
    for number in 0..60 {
        let payload = format!("{number} {}", "x".repeat(if number % 5 == 0 { 1_000_000 } else { 10 }));
        bus.js.publish("t.outside.x", payload.into()).await.expect("sent").await.expect("stored");
    }
    let consumer = bus.consume_with(&Recorder::new(), ConsumerConfig { batch: 7, ..ConsumerConfig::raw(OUTSIDE) });
    consumer.handle.watch().until(|status| status.last_sequence == 60 && status.lag == 0).await;
    consumer.stop().await;
    // In batches that end for their size, too.
    for number in 60..80 {
        let payload = format!("{number} {}", "x".repeat(1_000_000));
        bus.js.publish("t.outside.x", payload.into()).await.expect("sent").await.expect("stored");
    }
    let consumer = consume(&bus);
    consumer.handle.watch().until(|status| status.last_sequence == 80 && status.lag == 0).await;
    let numbers: Vec<usize> =
        payloads(&bus).await.iter().filter_map(|payload| payload.split(' ').next()?.parse().ok()).collect();
    assert_eq!(numbers, (0..80).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_that_an_older_version_made_for_outsiders_is_removed() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside()]).await.expect("the stream is made");
    let stream = bus.js.get_stream(OUTSIDE).await.expect("the stream");
    let durable = pull::Config { durable_name: Some("recorder".to_owned()), ..pull::Config::default() };
    stream.create_consumer(durable).await.expect("the durable");
    let consumer = consume(&bus);
    consumer.handle.watch().until(|status| status.active).await;
    let removed = async || stream.consumer_info("recorder").await.err().map(drop);
    eventually(PATIENCE, "what nobody would read any more is removed", removed).await;
    bus.nats.publish_raw(b"t.outside.x", b"NATS/1.0\r\n\r\n", b"one").await;
    consumer.handle.watch().until(|status| status.last_sequence == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outsiders_wrote_and_is_gone_is_passed_over_and_not_waited_for() {
    let bus = Bus::start().await;
    let stream = losing(&bus).await;
    for payload in ["1", "2", "3", "4"] {
        bus.js.publish("t.outside.x", payload.into()).await.expect("sent").await.expect("stored");
    }
    stream.delete_message(2).await.expect("deleted");
    let consumer = consume(&bus);
    consumer.handle.watch().until(|status| status.last_sequence == 4 && status.lag == 0).await;
    assert_eq!(payloads(&bus).await, ["1", "3", "4"]);
    consumer.stop().await;
    for payload in ["5", "6"] {
        bus.js.publish("t.outside.x", payload.into()).await.expect("sent").await.expect("stored");
    }
    stream.purge().await.expect("purged");
    let consumer = consume(&bus);
    consumer.handle.watch().until(|status| status.last_sequence == 6 && status.lag == 0).await;
    bus.js.publish("t.outside.x", "7".into()).await.expect("sent").await.expect("stored");
    consumer.handle.watch().until(|status| status.last_sequence == 7).await;
    assert_eq!(payloads(&bus).await, ["1", "3", "4", "7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_outsiders_that_was_made_anew_is_read_from_its_start() {
    let bus = Bus::start().await;
    losing(&bus).await;
    let consumer = consume(&bus);
    for payload in ["1", "2", "3"] {
        bus.js.publish("t.outside.x", payload.into()).await.expect("sent").await.expect("stored");
    }
    consumer.handle.watch().until(|status| status.last_sequence == 3).await;
    bus.js.delete_stream(OUTSIDE).await.expect("deleted");
    losing(&bus).await;
    bus.js.publish("t.outside.x", "again 1".into()).await.expect("sent").await.expect("stored");
    consumer.handle.watch().until(|status| status.active && status.last_sequence == 1).await;
    assert_eq!(payloads(&bus).await, ["1", "2", "3", "again 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_of_an_outsider_is_kept_whatever_it_holds_and_holds_nobody_up() {
    let bus = Bus::start().await;
    ensure_streams(&bus.js, &[outside()]).await.expect("the stream is made");
    let recorder = Recorder::new();
    let config = ConsumerConfig::raw(OUTSIDE);
    let consumer = bus.consume_with(&recorder, config.clone());
    let headers = format!("NATS/1.0\r\nn\0ame: a\0b\r\ntraceparent: {TRACE}\r\nlong: {}\r\n\r\n", "x".repeat(60_000));
    bus.nats.publish_raw(b"t.outside.a\0b", headers.as_bytes(), b"poison").await;
    bus.nats.publish_raw(b"t.outside.x", b"NATS/1.0\r\n\r\n", b"good").await;
    let status = consumer.handle.watch().until(|status| status.last_sequence == 2).await;
    assert_eq!(status.dead_letters, 1);
    assert_eq!(payloads(&bus).await, ["good"]);
    let mut connection = bus.db.pool.acquire().await.expect("a connection");
    let letters = dead_letters::list(&mut connection, KEY, 0, 10).await.expect("the list");
    assert_eq!((letters.len(), letters[0].subject.as_str()), (1, "t.outside.a\u{fffd}b"));
    assert_eq!(letters[0].headers["n\u{fffd}ame"], "a\u{fffd}b");
    assert_eq!(letters[0].headers["traceparent"], TRACE);
    assert!(letters[0].headers["long"].len() < 1_000);
    let replayed = dead_letters::replay(&bus.db.pool, &bus.shared_clock(), recorder, &config, &[letters[0].id]).await;
    assert_eq!(replayed.expect("replayed"), [(letters[0].id, Replay::Failed)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_of_outsiders_goes_on_after_nats_was_killed() {
    let mut bus = Bus::that_fails().await;
    ensure_streams(&bus.js, &[outside()]).await.expect("the stream is made");
    let consumer = consume(&bus);
    bus.nats.publish_raw(b"t.outside.x", b"NATS/1.0\r\n\r\n", b"1").await;
    consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    bus.nats.restart().await;
    bus.nats.publish_raw(b"t.outside.x", b"NATS/1.0\r\n\r\n", b"2").await;
    eventually(PATIENCE, "the second", async || (consumer.handle.status().last_sequence == 2).then_some(())).await;
    assert_eq!(payloads(&bus).await, ["1", "2"]);
}
