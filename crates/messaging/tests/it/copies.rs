//! The copies of a stream on the servers of a cluster.

use std::{slice, time::Duration};

use async_nats::jetstream::Context;
use dafei_messaging::streams::{Copies, StreamSpec, ensure_streams};
use dafei_testkit::{TestCluster, TestNats, eventually};
use tokio::sync::Mutex;

const NAME: &str = "T_COPIES";
/// Servers elect, notice and catch up within seconds; beside other work it takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until just these servers are named.
async fn named(js: &Context, copies: &Mutex<Copies>, servers: &[&str]) {
    eventually(PATIENCE, &format!("the copies that are behind are those of {servers:?}"), async || {
        let found = copies.lock().await.look(js).await.ok()?;
        let mut names: Vec<_> = found.iter().map(|copy| copy.server.as_str()).collect();
        names.sort_unstable();
        (names == servers && found.iter().all(|copy| copy.stream == NAME)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_lacks_something_is_named_until_it_has_caught_up() {
    let mut cluster = TestCluster::start().await;
    let js = cluster.servers[0].jetstream().await;
    let spec = StreamSpec::new(NAME, ["t.copies"]).on(3);
    let made = async || ensure_streams(&js, slice::from_ref(&spec)).await.ok();
    eventually(PATIENCE, "the cluster makes the stream", made).await;
    let copies = Mutex::new(Copies::new(vec![NAME]));
    named(&js, &copies, &[]).await;
    // A server that the leader of the stream, wherever it is, does without; the client is at the first.
    let leader = js.get_stream(NAME).await.expect("the stream").cached_info().cluster.clone().and_then(|of| of.leader);
    let away = if leader.as_deref() == Some("n3") { 1 } else { 2 };
    cluster.servers[away].kill();
    let published = async || js.publish("t.copies", "x".into()).await.ok()?.await.ok();
    eventually(PATIENCE, "the others take a message", published).await;
    named(&js, &copies, &[["n1", "n2", "n3"][away]]).await;
    cluster.servers[away].restart().await;
    named(&js, &copies, &[]).await;
    // As docs/operations.md has it: one server that lost all it had gets it from the others, and says itself when it has it.
    cluster.servers[away].wipe().await;
    eventually(PATIENCE, "the server says that it is whole", async || {
        let page = cluster.servers[away].monitoring_page("/healthz").await?;
        page.contains(r#""status":"ok""#).then_some(())
    })
    .await;
    let stored = cluster.servers[away].monitoring_page("/jsz?streams=true").await.expect("a page");
    assert!(stored.contains(&format!(r#""name":"{NAME}""#)) && stored.contains(r#""last_seq":1"#), "{stored}");
    named(&js, &copies, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_has_no_copy_that_is_behind() {
    let nats = TestNats::start().await;
    let mut copies = Copies::new(vec![NAME]);
    assert_eq!(copies.look(&nats.jetstream().await).await.expect("an answer"), []);
}
