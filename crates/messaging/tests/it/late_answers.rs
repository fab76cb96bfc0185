//! A server that tells what it knew a while ago: one that has not heard that it is no longer a stream's leader.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_nats::jetstream;
use dafei_messaging::relay::Relay;
use dafei_testkit::eventually;
use futures::StreamExt as _;

use crate::support::{Bus, PATIENCE, Running, STREAM, config};

/// JetStream by way of somebody who passes everything on, and tells the next `late` times that the stream ends with its first message.
async fn late_way(bus: &Bus, late: Arc<AtomicU32>) -> jetstream::Context {
    let client = bus.nats.client().await;
    let mut asked = client.subscribe("LATE.API.>").await.expect("subscribed");
    client.flush().await.expect("the server knows");
    tokio::spawn(async move {
        let looks = format!("$JS.API.STREAM.INFO.{STREAM}");
        while let Some(message) = asked.next().await {
            let (Some(reply), Some(rest)) = (message.reply, message.subject.strip_prefix("LATE.")) else { continue };
            let subject = format!("$JS.{rest}");
            let Ok(mut answer) = client.request(subject.clone(), message.payload).await else { continue };
            let one_less = |left: u32| left.checked_sub(1);
            if subject == looks && late.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                let mut info: serde_json::Value = serde_json::from_slice(&answer.payload).expect("an answer");
                (info["state"]["last_seq"], info["state"]["messages"]) = (1.into(), 1.into());
                answer.payload = info.to_string().into();
            }
            let headers = answer.headers.unwrap_or_default();
            client.publish_with_headers(reply, headers, answer.payload).await.expect("passed on");
        }
    });
    jetstream::with_prefix(bus.nats.client().await, "LATE.API")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_end_that_is_told_once_is_not_believed() {
    let bus = Bus::start().await;
    let late = Arc::new(AtomicU32::new(0));
    let js = late_way(&bus, Arc::clone(&late)).await;
    let relay = Relay::new(bus.db.pool.clone(), js, bus.shared_clock(), config());
    let relay = Running::spawn(relay.handle(), |token| relay.run(token));
    bus.write(&[(1, 1), (1, 2), (1, 3)]).await;
    bus.drained().await;
    late.store(1, Ordering::SeqCst);
    eventually(PATIENCE, "it is told", async || (late.load(Ordering::SeqCst) == 0).then_some(())).await;
    bus.write(&[(1, 4)]).await;
    bus.drained().await;
    let status = relay.handle.status();
    assert_eq!((status.lost, status.regained), (0, 0), "nothing was lost");
    assert_eq!(bus.stored().await, [(1, 1), (1, 2), (1, 3), (1, 4)]);
}
