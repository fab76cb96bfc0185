//! What dashboards and alerts read of every service: who works, and how far it is behind. A replica that stands by knows neither age nor lag and
//! says none: an old figure of it would be taken for the service's. What could not take effect stands in the database, where all read the same.

use std::time::Duration;

use dafei_messaging::{
    consumer::ConsumerHandle,
    relay::{RelayHandle, RelayStatus},
};
use dafei_runtime::{config::Service, telemetry::metrics};
use sqlx::PgPool;

use crate::{copies::CopiesBehind, upkeep::Untaken};

pub(crate) fn relay(service: Service, relay: &RelayHandle) {
    let labels = [("service", service.name())];
    let handle = relay.clone();
    let help = "1 in the replica that publishes, 0 in those that stand by";
    metrics::gauge_callback("dafei.relay.active", "{replica}", help, &labels, move || {
        Some(f64::from(u8::from(handle.status().active)))
    });
    let active = |read: fn(&RelayStatus) -> f64| {
        let handle = relay.clone();
        move || of_the_active(&handle.status(), read)
    };
    let age = active(|status| status.outbox_age.as_secs_f64());
    metrics::gauge_callback("dafei.outbox.age", "s", "Age of the oldest event not yet published", &labels, age);
    let pending = active(|status| status.pending as f64);
    metrics::gauge_callback("dafei.outbox.pending", "{event}", "Events not yet published", &labels, pending);
    let wiped = active(|status| status.wiped.len() as f64);
    metrics::gauge_callback("dafei.streams.wiped", "{stream}", "Streams that wait for a refill", &labels, wiped);
    let handle = relay.clone();
    let help = "Messages that NATS had acknowledged and lost, as this replica noticed since its start, until an hour after the last; it published them again";
    metrics::gauge_callback("dafei.streams.lost_messages", "{message}", help, &labels, move || {
        Some(lost_lately(&handle.status()))
    });
}

/// A connection that is on its way back counts as in use: one whose server vanished in that moment keeps its place until TCP gives it up.
pub(crate) fn pool(service: Service, pool: &PgPool) {
    let labels = [("service", service.name())];
    let most = f64::from(pool.options().get_max_connections());
    let help = "The most connections with PostgreSQL that a replica's pool has";
    metrics::gauge_callback("dafei.database.connections_limit", "{connection}", help, &labels, move || Some(most));
    let pool = pool.clone();
    let help = "Connections of the pool that are in use";
    metrics::gauge_callback("dafei.database.connections_used", "{connection}", help, &labels, move || {
        Some(in_use(&pool))
    });
}

/// The two figures are read one after the other, and the pool goes on meanwhile.
fn in_use(pool: &PgPool) -> f64 {
    let open = usize::try_from(pool.size()).unwrap_or(usize::MAX);
    open.saturating_sub(pool.num_idle()) as f64
}

pub(crate) fn copies(service: Service, copies: &CopiesBehind) {
    let labels = [("service", service.name())];
    let copies = copies.clone();
    let help = "Copies of the service's streams that a NATS server does not have whole";
    metrics::gauge_callback("dafei.streams.copies_behind", "{copy}", help, &labels, move || {
        copies.count().map(|count| count as f64)
    });
}

fn of_the_active(status: &RelayStatus, read: fn(&RelayStatus) -> f64) -> Option<f64> {
    status.active.then(|| read(status))
}

/// None is lost any more after an hour, so that an alert ends; the log has it.
fn lost_lately(status: &RelayStatus) -> f64 {
    if status.lost_at.is_some_and(|at| at.elapsed() < Duration::from_hours(1)) { status.lost as f64 } else { 0.0 }
}

pub(crate) fn consumer(service: Service, key: &str, consumer: &ConsumerHandle, untaken: &Untaken) {
    let labels = [("service", service.name()), ("consumer", key)];
    let handle = consumer.clone();
    let help = "1 in the replica that consumes, 0 in those that stand by";
    metrics::gauge_callback("dafei.consumer.active", "{replica}", help, &labels, move || {
        Some(f64::from(u8::from(handle.status().active)))
    });
    let handle = consumer.clone();
    metrics::gauge_callback("dafei.consumer.lag", "{message}", "Messages not yet in effect", &labels, move || {
        Some(handle.status()).filter(|status| status.active).map(|status| status.lag as f64)
    });
    let figure = |read: fn(&Untaken, &str) -> Option<i64>| {
        let (untaken, key) = (untaken.clone(), key.to_owned());
        move || read(&untaken, &key).map(|count| count as f64)
    };
    let help = "Events that could not take effect and wait for their replay";
    let dead = figure(Untaken::dead_letters);
    metrics::gauge_callback("dafei.consumer.dead_letters", "{message}", help, &labels, dead);
    let help = "Events that wait for an earlier one of their aggregate";
    metrics::gauge_callback("dafei.consumer.parked", "{message}", help, &labels, figure(Untaken::parked));
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use dafei_testkit::{TestDb, eventually};

    use super::{RelayStatus, in_use, lost_lately, of_the_active};

    #[tokio::test(flavor = "multi_thread")]
    async fn connections_that_were_given_back_are_not_in_use() {
        let db = TestDb::new(&[]).await;
        let taken = (db.pool.acquire().await.expect("a connection"), db.pool.acquire().await.expect("another"));
        assert_eq!(in_use(&db.pool), 2.0);
        drop(taken);
        eventually(Duration::from_secs(30), "both are back", || async { (in_use(&db.pool) == 0.0).then_some(()) })
            .await;
        assert!(db.pool.size() > 0, "and open");
    }

    #[test]
    fn a_replica_that_stands_by_says_nothing_of_the_outbox() {
        let mut status = RelayStatus { pending: 7, ..RelayStatus::default() };
        let pending = |status: &RelayStatus| status.pending as f64;
        assert_eq!(of_the_active(&status, pending), None, "an old figure");
        status.active = true;
        assert_eq!(of_the_active(&status, pending), Some(7.0));
    }

    #[test]
    fn what_nats_lost_is_told_for_an_hour() {
        let mut status = RelayStatus { lost: 3, lost_at: Some(Instant::now()), ..RelayStatus::default() };
        assert_eq!(lost_lately(&status), 3.0);
        status.lost_at = Instant::now().checked_sub(Duration::from_secs(3_601));
        assert_eq!(lost_lately(&status), 0.0);
        assert_eq!(lost_lately(&RelayStatus::default()), 0.0);
    }
}
