//! Messages that do not come: what the stream still has is read again, what it no longer has is passed over, and a stream that is said to be
//! shorter than it was is not believed at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_nats::{HeaderMap, jetstream};
use dafei_messaging::consumer::{ConsumerConfig, ConsumerLoop};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{Bus, Recorder, Running, STREAM, Until};

/// A way from the NATS server on which the first `losses` deliveries of the message with this payload are lost: as what was on its way when a
/// connection broke.
async fn lossy_way(server: &str, payload: &'static [u8], losses: u32) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("nats://{}", listener.local_addr().expect("an address"));
    let server = server.trim_start_matches("nats://").to_owned();
    let left = Arc::new(AtomicU32::new(losses));
    let counter = Arc::clone(&left);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(upstream) = TcpStream::connect(&server).await else { continue };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = upstream.into_split();
            let left = Arc::clone(&counter);
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut held = Vec::new();
                loop {
                    while let Some(length) = frame(&held) {
                        let frame: Vec<u8> = held.drain(..length).collect();
                        let meant = frame.starts_with(b"HMSG t.intake") && frame[..length - 2].ends_with(payload);
                        let less = |left: u32| left.checked_sub(1);
                        if meant && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                            continue;
                        }
                        if to_client.write_all(&frame).await.is_err() {
                            return;
                        }
                    }
                    if !matches!(from_server.read_buf(&mut held).await, Ok(1..)) {
                        return;
                    }
                }
            });
        }
    });
    (url, left)
}

/// The length of the first whole frame of the server's that is there.
fn frame(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|two| two == b"\r\n")? + 2;
    let text = String::from_utf8_lossy(&bytes[..line]);
    let carries = text.starts_with("MSG ") || text.starts_with("HMSG ");
    let body = text.split_whitespace().last().filter(|_| carries).and_then(|size| size.parse::<usize>().ok());
    let length = line + body.map_or(0, |body| body + 2);
    (bytes.len() >= length).then_some(length)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_lost_on_its_way_again_and_again_is_read_again_and_never_passed_over() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    for aggregate in 1..=3 {
        bus.publish(aggregate, 1).await;
    }
    let (url, left) = lossy_way(&bus.nats.url(), b"2/1", 3).await;
    let js = jetstream::new(async_nats::connect(&url).await.expect("a connection"));
    let config = ConsumerConfig::ordered(STREAM);
    let consumer = ConsumerLoop::new(bus.db.pool.clone(), js, bus.shared_clock(), Recorder::new(), config);
    let _consumer = Running::spawn(consumer.handle(), |token| consumer.run(token));
    assert_eq!(bus.effects_of(3).await, [(1, 1), (2, 1), (3, 1)]);
    assert_eq!(left.load(Ordering::SeqCst), 0, "it was lost as often as it was meant to be");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_stream_no_longer_has_is_passed_over_by_its_word() {
    let bus = Bus::start().await;
    let subjects = vec!["t.intake.>".to_owned()];
    let config = jetstream::stream::Config { name: STREAM.to_owned(), subjects, ..Default::default() };
    let stream = bus.js.create_stream(config).await.expect("a stream of which messages can be deleted");
    for aggregate in 1..=6 {
        bus.publish(aggregate, 1).await;
    }
    for gone in [1, 3, 4] {
        stream.delete_message(gone).await.expect("deleted");
    }
    let consumer = bus.consume(&Recorder::new());
    consumer.handle.watch().until(|status| status.last_sequence == 6).await;
    assert_eq!(bus.effects().await, [(2, 1), (5, 1), (6, 1)]);
    assert_eq!(consumer.handle.status().last_error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_before_the_position_is_read_on_from_there_and_no_message_is_passed_over() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let send = async || bus.publish_headers(HeaderMap::new(), "x".to_owned()).await;
    // Raw messages have no marks: what is read again has its effect again.
    let raw = || ConsumerConfig { doubt: Duration::from_secs(1), ..ConsumerConfig::raw(STREAM) };
    let consumer = bus.consume_with(&Recorder::new(), raw());
    send().await;
    consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    consumer.stop().await;
    // As it looks to a consumer that has read what a server lost, or that asks one which was the stream's leader and lags behind.
    let ahead = "UPDATE consumer_position SET last_sequence = 3";
    sqlx::query(ahead).execute(&bus.db.pool).await.expect("ahead");
    let consumer = bus.consume_with(&Recorder::new(), raw());
    consumer.handle.watch().until(|status| status.active && status.last_sequence == 1).await;
    for _ in 2..=4 {
        send().await;
    }
    consumer.handle.watch().until(|status| status.last_sequence == 4).await;
    assert_eq!(bus.effects().await.len(), 4, "the first is not read again, and none of the others is left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_said_once_to_end_before_the_position_has_nothing_judged_again() {
    let bus = Bus::start().await;
    bus.make_stream().await;
    let send = async || bus.publish_headers(HeaderMap::new(), "x".to_owned()).await;
    let never = ConsumerConfig { doubt: Duration::from_secs(3_600), ..ConsumerConfig::raw(STREAM) };
    let consumer = bus.consume_with(&Recorder::new(), never.clone());
    send().await;
    consumer.handle.watch().until(|status| status.last_sequence == 1).await;
    consumer.stop().await;
    // As it looks to a consumer that asks a server which was the stream's leader and lags behind.
    let ahead = "UPDATE consumer_position SET last_sequence = 3";
    sqlx::query(ahead).execute(&bus.db.pool).await.expect("ahead");
    let consumer = bus.consume_with(&Recorder::new(), never);
    consumer.handle.watch().until(|status| status.last_error.is_some()).await;
    for _ in 2..=4 {
        send().await;
    }
    consumer.handle.watch().until(|status| status.last_sequence == 4).await;
    assert_eq!(bus.effects().await.len(), 2, "it goes on behind its position");
}
