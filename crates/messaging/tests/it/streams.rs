//! The streams and the server are as the suite relies on.

use async_nats::jetstream::{
    consumer::pull,
    stream::{DiscardPolicy, RetentionPolicy, StorageType},
};
use dafei_messaging::streams::{ServerError, StreamSpec, check_server, ensure_streams};
use dafei_testkit::{TestNats, TestNatsOptions};
use futures::{StreamExt, TryStreamExt};

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_made_once_and_brought_in_line() {
    let nats = TestNats::start().await;
    let js = nats.jetstream().await;
    let spec = StreamSpec::new("S", ["s.>"]);
    ensure_streams(&js, &[spec.clone(), StreamSpec::untrusted("U", ["u.>"])]).await.expect("made");
    ensure_streams(&js, std::slice::from_ref(&spec)).await.expect("there already");
    let wider = StreamSpec { subjects: vec!["s.>".to_owned(), "t.>".to_owned()], ..spec };
    ensure_streams(&js, &[wider]).await.expect("brought in line");
    let stream = js.get_stream("S").await.expect("the stream");
    let config = &stream.cached_info().config;
    assert_eq!(config.subjects, ["s.>", "t.>"]);
    assert_eq!(config.storage, StorageType::File);
    assert_eq!(config.retention, RetentionPolicy::Limits);
    assert_eq!(config.discard, DiscardPolicy::New);
    assert!(config.deny_delete && config.deny_purge && config.allow_atomic_publish);
    let untrusted = js.get_stream("U").await.expect("the stream");
    assert!(!untrusted.cached_info().config.allow_atomic_publish);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_fills_its_own_share_of_a_stream_and_no_more() {
    let nats = TestNats::start().await;
    let js = nats.jetstream().await;
    ensure_streams(&js, &[StreamSpec::untrusted("U", ["u.>"])]).await.expect("made");
    let made = js.get_stream("U").await.expect("the stream").cached_info().config.clone();
    assert_eq!((made.max_messages_per_subject, made.discard_new_per_subject), (500_000, true));
    let few = StreamSpec { max_messages_per_subject: 2, ..StreamSpec::untrusted("U", ["u.>"]) };
    ensure_streams(&js, &[few]).await.expect("brought in line");
    let publish = |subject: &'static str| {
        let js = js.clone();
        async move { js.publish(subject, "x".into()).await.expect("sent").await }
    };
    publish("u.a").await.expect("the first");
    publish("u.a").await.expect("the second");
    let refused = publish("u.a").await.expect_err("its share is full").to_string();
    assert!(refused.contains("maximum messages per subject exceeded"), "as docs/integration.md has it: {refused}");
    publish("u.b").await.expect("another's is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_takes_more_than_a_thousand_durables_also_one_made_without_a_limit() {
    let nats = TestNats::start().await;
    let js = nats.jetstream().await;
    let spec = StreamSpec::new("S", ["s.>"]);
    ensure_streams(&js, &[StreamSpec { max_consumers: -1, ..spec.clone() }]).await.expect("as it once was");
    ensure_streams(&js, &[spec]).await.expect("brought in line");
    let stream = js.get_stream("S").await.expect("the stream");
    let made = futures::stream::iter(0..1_001).map(|number| {
        let config = pull::Config {
            durable_name: Some(format!("A_{number}")),
            filter_subject: format!("s.{number}.>"),
            ..pull::Config::default()
        };
        let stream = stream.clone();
        async move { stream.create_consumer(config).await }
    });
    let made: Vec<_> = made.buffer_unordered(16).try_collect().await.expect("each is made");
    assert_eq!(made.len(), 1_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_acknowledges_before_it_syncs_is_refused() {
    let synced = TestNats::start().await;
    check_server(&synced.client().await, Some(&synced.monitoring_url())).await.expect("a good server");
    let lax = TestNats::with(TestNatsOptions { sync_always: false, extra: String::new() }).await;
    let refused = check_server(&lax.client().await, Some(&lax.monitoring_url())).await;
    assert!(matches!(refused, Err(ServerError::NotSynced)), "{refused:?}");
    check_server(&lax.client().await, None).await.expect("unknown without the monitoring pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_jetstream_is_refused() {
    let extra = "accounts { A { users: [{user: a, password: a}] } }\nno_auth_user: a\n".to_owned();
    let nats = TestNats::with(TestNatsOptions { sync_always: true, extra }).await;
    let refused = check_server(&nats.client().await, None).await;
    assert!(matches!(refused, Err(ServerError::NoJetStream { .. })), "{refused:?}");
}
