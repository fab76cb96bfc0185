//! How far a service is. Every replica says the same: the database and the bus are asked, not the relay and the consumers of this process, which may
//! stand by.

use std::time::Duration;

use dafei_contracts::ops::v1 as pb;
use dafei_messaging::{consumer::untaken, dead_letters, relay::Published};
use dafei_runtime::status::Fault;
use futures::future::join_all;

use super::{Ops, Watched};
use crate::faults;

/// How long is waited for what the bus says of streams and consumers; what has not been said by then is unknown.
const LOOK: Duration = Duration::from_secs(3);

impl Ops {
    pub(super) async fn status(&self) -> Result<pb::GetStatusResponse, Fault> {
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let counts = dead_letters::counts(&mut conn).await.map_err(faults::database)?;
        drop(conn);
        let lags = join_all(self.consumers.iter().map(|watched| self.lag(watched)));
        let (published, lags) = tokio::join!(self.published(), lags);
        // Behind the lags: what a consumer took meanwhile may have written an event.
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let pending = dafei_messaging::log::pending(&mut conn).await.map_err(faults::database)?;
        drop(conn);
        Ok(pb::GetStatusResponse {
            service: self.service.to_owned(),
            now: Some(self.clock.now().into()),
            exercise: self.mode_clock.controlled().is_some(),
            outbox_pending: u64::try_from(pending).unwrap_or(0),
            published_through: published.through.map(Into::into),
            consumers: self
                .consumers
                .iter()
                .zip(lags)
                .map(|(watched, lag)| {
                    let count = counts.iter().find(|count| count.consumer == watched.key);
                    pb::ConsumerStatus {
                        consumer: watched.name.to_owned(),
                        stream: watched.stream.clone(),
                        lag,
                        dead_letters: count.map_or(0, |count| u64::try_from(count.open).unwrap_or(0)),
                        parked: count.map_or(0, |count| u64::try_from(count.parked).unwrap_or(0)),
                    }
                })
                .collect(),
            next_due: self.progress.next().await.map_err(faults::database)?.map(Into::into),
            done_through: self.progress.through().await.map_err(faults::database)?.map(Into::into),
            wiped_streams: published.wiped,
            unknown_streams: published.unknown,
        })
    }

    async fn published(&self) -> Published {
        match &self.relay {
            Some(relay) => relay.published(LOOK).await,
            None => Published::default(),
        }
    }

    /// The messages that have not taken effect; none when that is not known.
    async fn lag(&self, watched: &Watched) -> Option<u64> {
        let asked = untaken(&self.js, &self.pool, LOOK, &watched.key, &watched.stream);
        match tokio::time::timeout(LOOK, asked).await {
            Ok(Ok(extent)) => Some(extent.left),
            Ok(Err(error)) => {
                tracing::debug!(consumer = watched.name, stream = watched.stream, %error, "its lag is not known");
                None
            }
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use async_nats::HeaderMap;
    use dafei_contracts::ops::v1::GetStatusResponse;
    use dafei_kernel::time::Instant;
    use dafei_messaging::{
        MIGRATOR,
        consumer::{ConsumerConfig, ConsumerHandle, ConsumerLoop, Delivered, Handler, HandlerError},
        relay::{Relay, RelayConfig, RelayHandle},
        streams::{StreamSpec, ensure_streams},
    };
    use dafei_runtime::{
        config::{Common, MapSource, Service},
        ops::ModeClock,
    };
    use dafei_testkit::{TestDb, TestNats, eventually};
    use sqlx::PgConnection;
    use tokio::sync::Semaphore;
    use tokio_util::sync::CancellationToken;

    use crate::ops::{ConsumerPart, Ops, Progress};

    const PATIENCE: Duration = Duration::from_secs(30);
    const OWN: &str = "T_OWN";
    const TAKEN: &str = "T_TAKEN";

    /// Takes a message for each permit.
    struct Slow(Semaphore);

    impl Handler for Slow {
        fn name(&self) -> &'static str {
            "slow"
        }

        async fn apply(&self, _: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
            let count = u32::try_from(events.len()).expect("few");
            self.0.acquire_many(count).await.map_err(|error| HandlerError::Retry(Box::new(error)))?.forget();
            Ok(())
        }
    }

    fn start() -> Instant {
        "2026-11-23T02:00:00Z".parse().expect("an instant")
    }

    fn settings() -> Common {
        let source = MapSource::from([
            ("DAFEI_INTAKE_LISTEN", "127.0.0.1:0"),
            ("DAFEI_INTAKE_DATABASE_URL", "postgres://localhost/intake"),
            ("DAFEI_NATS_URL", "nats://localhost:4222"),
            ("DAFEI_JWKS", "jwks.json"),
            ("DAFEI_JWT_ISSUER", "issuer"),
            ("DAFEI_JWT_AUDIENCE", "dafei"),
            ("DAFEI_ENVIRONMENT", "test"),
            ("DAFEI_MODE", "exercise"),
        ]);
        Common::read(&source, Service::Intake).expect("settings")
    }

    /// A replica that relays, consumes and answers; it ends with the token.
    struct Replica {
        ops: Ops,
        relay: RelayHandle,
        consumer: ConsumerHandle,
    }

    impl Replica {
        async fn start(db: &TestDb, nats: &TestNats, slow: &Arc<Slow>, token: &CancellationToken) -> Self {
            let common = settings();
            let mode_clock = ModeClock::new(&common, Some(start()));
            let (js, clock) = (nats.jetstream().await, mode_clock.shared());
            let own = StreamSpec::new(OWN, ["t.own.>", "dafei.v1.watermark.intake"]);
            let relay = Relay::new(db.pool.clone(), js.clone(), clock.clone(), RelayConfig::new("intake", vec![own]));
            let config = ConsumerConfig { batch: 1, ..ConsumerConfig::raw(TAKEN) };
            let consumer =
                ConsumerLoop::new(db.pool.clone(), js.clone(), clock.clone(), Arc::clone(slow), config.clone());
            let mut part = ConsumerPart::new(consumer, Arc::clone(slow), config, db.pool.clone(), clock.clone());
            let (handle, consumer) = (relay.handle(), part.handle.clone());
            let ops = Ops::new(&common, (db.pool.clone(), js), clock, mode_clock).with_parts(
                handle.clone(),
                std::slice::from_ref(&part),
                Progress::default(),
            );
            tokio::spawn(relay.run(token.clone()));
            tokio::spawn(part.take_run().expect("not yet running")(token.clone()));
            Self { ops, relay: handle, consumer }
        }

        async fn works(&self) {
            let (mut relay, mut consumer) = (self.relay.watch(), self.consumer.watch());
            let works = async {
                relay.wait_for(|status| status.active && status.through.is_some()).await.expect("it runs");
                consumer.wait_for(|status| status.active).await.expect("it runs");
            };
            tokio::time::timeout(PATIENCE, works).await.expect("it works in time");
        }

        async fn status(&self) -> GetStatusResponse {
            self.ops.status().await.expect("a status")
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_replica_that_neither_relays_nor_consumes_says_the_same_as_the_one_that_does() {
        let (db, mut nats) = (TestDb::new(&[&MIGRATOR]).await, TestNats::start().await);
        let (js, slow) = (nats.jetstream().await, Arc::new(Slow(Semaphore::new(0))));
        ensure_streams(&js, &[StreamSpec::untrusted(TAKEN, ["t.taken.>"])]).await.expect("the stream is made");
        let stop = CancellationToken::new();
        let _stopped = stop.clone().drop_guard();
        let working = Replica::start(&db, &nats, &slow, &stop).await;
        working.works().await;
        let standing_by = Replica::start(&db, &nats, &slow, &stop).await;
        for _ in 0..3 {
            let sent = js.publish_with_headers("t.taken.x", HeaderMap::new(), "x".into()).await.expect("sent");
            sent.await.expect("stored");
        }
        slow.0.add_permits(1);
        // What a look does not learn in its time is unknown.
        let known = |told: &GetStatusResponse| told.consumers[0].lag == Some(2) && told.unknown_streams.is_empty();
        let told =
            eventually(PATIENCE, "one of three is taken", async || Some(standing_by.status().await).filter(known))
                .await;
        let by_the_other =
            eventually(PATIENCE, "the other knows it, too", async || Some(working.status().await).filter(known)).await;
        assert!(!standing_by.relay.status().active && !standing_by.consumer.status().active);
        assert_eq!(told.published_through, Some(start().into()));
        assert!(told.unknown_streams.is_empty() && told.wiped_streams.is_empty(), "{told:?}");
        assert_eq!(told, by_the_other);
        // A bus that is away makes nothing zero.
        nats.kill();
        let (told, by_the_other) = tokio::join!(standing_by.status(), working.status());
        assert_eq!((told.published_through, told.consumers[0].lag), (None, None));
        assert_eq!(told.unknown_streams, [OWN]);
        assert_eq!(told, by_the_other);
    }
}
