//! What every replica says alike of how far its service has published.

use std::time::Duration;

use dafei_messaging::relay::{Published, Relay};

use crate::support::{Bus, PATIENCE, STREAM, Until, config, start_of_tests};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stands_by_says_the_same_of_what_is_published_as_the_one_that_relays() {
    let bus = Bus::start().await;
    let first = bus.relay();
    first.handle.watch().until(|status| status.through == Some(start_of_tests())).await;
    let second = bus.relay();
    let said = |through| Published { through: Some(through), ..Published::default() };
    bus.write(&[(1, 1), (1, 2)]).await;
    let later = start_of_tests() + Duration::from_secs(60);
    bus.clock.set(later);
    first.handle.prod();
    first.handle.watch().until(|status| status.through == Some(later)).await;
    assert!(!second.handle.status().active);
    assert_eq!(second.handle.published(PATIENCE).await, said(later));
    assert_eq!(first.handle.published(PATIENCE).await, said(later));
    // The other takes over: what the first knew by itself is old.
    let known = first.handle.clone();
    first.stop().await;
    let latest = later + Duration::from_secs(60);
    bus.clock.set(latest);
    second.handle.prod();
    second.handle.watch().until(|status| status.through == Some(latest)).await;
    assert_eq!(known.published(PATIENCE).await, said(latest));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_stream_that_was_never_made_nothing_is_published_and_nothing_lost() {
    let bus = Bus::start().await;
    let not_running = Relay::new(bus.db.pool.clone(), bus.js.clone(), bus.shared_clock(), config());
    assert_eq!(not_running.handle().published(PATIENCE).await, Published::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_unknown_while_the_bus_is_away() {
    let mut bus = Bus::that_fails().await;
    let relay = bus.relay();
    relay.handle.watch().until(|status| status.through.is_some()).await;
    bus.nats.kill();
    let said = relay.handle.published(Duration::from_millis(300)).await;
    assert_eq!(said, Published { unknown: vec![STREAM.to_owned()], ..Published::default() });
}
