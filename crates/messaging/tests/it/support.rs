//! What the tests share: a bus with one publisher, a way to write events, and a handler that records its effects in PostgreSQL.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_nats::{
    HeaderMap,
    jetstream::{self, Context},
};
use bytes::Bytes;
use dafei_kernel::{
    clock::{Clock, ControlledClock, SharedClock},
    time::Instant,
};
use dafei_messaging::{
    MIGRATOR,
    consumer::{ConsumerConfig, ConsumerHandle, ConsumerLoop, Delivered, Handler, HandlerError},
    event::NewEvent,
    log,
    relay::{Relay, RelayConfig, RelayHandle},
    streams::StreamSpec,
    tx,
};
use dafei_testkit::{TestDb, TestNats, eventually};
use sqlx::{PgConnection, PgPool};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const STREAM: &str = "T_INTAKE";
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub(crate) fn spec() -> StreamSpec {
    // The smallest window: what keeps doubles out must be the fence, not the server's memory of message ids.
    let subjects = ["t.intake.>", "dafei.v1.watermark.intake"];
    StreamSpec { duplicate_window: Duration::from_millis(100), ..StreamSpec::new(STREAM, subjects) }
}

pub(crate) fn at(text: &str) -> Instant {
    text.parse().expect("an instant")
}

pub(crate) fn start_of_tests() -> Instant {
    at("2026-03-02T08:00:00Z")
}

/// A database, a NATS server and a clock that stands still.
pub(crate) struct Bus {
    pub(crate) db: TestDb,
    pub(crate) nats: TestNats,
    pub(crate) js: Context,
    pub(crate) clock: Arc<ControlledClock>,
}

impl Bus {
    pub(crate) async fn start() -> Self {
        let mut bus = Self::that_fails().await;
        // A disk may be slow; nothing gets lost here.
        bus.js.set_timeout(PATIENCE);
        bus
    }

    /// For tests that end the server: what was lost on the way is given up soon.
    pub(crate) async fn that_fails() -> Self {
        let migrators = [&MIGRATOR];
        let (db, nats) = tokio::join!(TestDb::new(&migrators), TestNats::start());
        sqlx::raw_sql(
            "CREATE TABLE effect (place bigserial PRIMARY KEY, aggregate uuid NOT NULL, sequence bigint NOT NULL, payload text NOT NULL);
             CREATE TABLE heard (place bigserial PRIMARY KEY, service text NOT NULL, through text NOT NULL)",
        )
        .execute(&db.pool)
        .await
        .expect("the tables of the recorder");
        let js = nats.jetstream().await;
        Self { db, nats, js, clock: Arc::new(ControlledClock::new(start_of_tests())) }
    }

    pub(crate) fn shared_clock(&self) -> SharedClock {
        self.clock.clone()
    }

    pub(crate) fn relay(&self) -> Running<RelayHandle> {
        self.relay_with(config())
    }

    pub(crate) fn relay_with(&self, config: RelayConfig) -> Running<RelayHandle> {
        let relay = Relay::new(self.db.pool.clone(), self.js.clone(), self.shared_clock(), config);
        let handle = relay.handle();
        Running::spawn(handle, |token| relay.run(token))
    }

    pub(crate) fn consume(&self, recorder: &Arc<Recorder>) -> Running<ConsumerHandle> {
        self.consume_with(recorder, ConsumerConfig::ordered(STREAM))
    }

    pub(crate) fn consume_with(&self, recorder: &Arc<Recorder>, config: ConsumerConfig) -> Running<ConsumerHandle> {
        let consumer =
            ConsumerLoop::new(self.db.pool.clone(), self.js.clone(), self.shared_clock(), Arc::clone(recorder), config);
        let handle = consumer.handle();
        Running::spawn(handle, |token| consumer.run(token))
    }

    /// Writes events of aggregates in one transaction, dated by the clock.
    pub(crate) async fn write(&self, events: &[(u128, i64)]) {
        write(&self.db.pool, &*self.clock, events).await;
    }

    pub(crate) async fn make_stream(&self) {
        dafei_messaging::streams::ensure_streams(&self.js, &[spec()]).await.expect("the stream is made");
    }

    /// Publishes an event by hand, as a relay would.
    pub(crate) async fn publish(&self, aggregate: u128, sequence: i64) {
        self.publish_headers(headers(aggregate, sequence), format!("{aggregate}/{sequence}")).await;
    }

    pub(crate) async fn publish_headers(&self, headers: HeaderMap, payload: String) {
        let sent = self.js.publish_with_headers("t.intake.x", headers, payload.into()).await.expect("sent");
        sent.await.expect("stored");
    }

    /// What the stream holds apart from watermarks: aggregate and sequence, in its order.
    pub(crate) async fn stored(&self) -> Vec<(u128, i64)> {
        let messages = self.messages().await;
        messages.into_iter().filter(|message| !is_watermark(message)).map(|message| named(&message)).collect()
    }

    /// All that the stream holds.
    pub(crate) async fn messages(&self) -> Vec<jetstream::message::StreamMessage> {
        let stream = self.js.get_stream(STREAM).await.expect("the stream is there");
        let state = stream.cached_info().state.clone();
        let mut messages = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            messages.push(stream.get_raw_message(sequence).await.expect("a stored message"));
        }
        messages
    }

    /// All but the last message of the stream are gone, as by their age; answers how many that are.
    pub(crate) async fn expire(&self) -> u64 {
        let stream = self.js.get_stream(STREAM).await.expect("the stream is there");
        let config = jetstream::stream::Config {
            max_messages: 1,
            discard: jetstream::stream::DiscardPolicy::Old,
            ..stream.cached_info().config.clone()
        };
        self.js.update_stream(&config).await.expect("room for one");
        eventually(PATIENCE, "the oldest are gone", async || {
            let stream = self.js.get_stream(STREAM).await.ok()?;
            let state = &stream.cached_info().state;
            (state.messages == 1).then_some(state.first_sequence - 1)
        })
        .await
    }

    /// Waits until the outbox is empty.
    pub(crate) async fn drained(&self) {
        eventually(PATIENCE, "the outbox is empty", async || {
            let left: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&self.db.pool).await.ok()?;
            (left == 0).then_some(())
        })
        .await;
    }

    /// What took effect: aggregate and sequence, in the order of the effects.
    pub(crate) async fn effects(&self) -> Vec<(u128, i64)> {
        effects(&self.db.pool).await
    }

    /// How many events are parked.
    pub(crate) async fn parked(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM parked_event").fetch_one(&self.db.pool).await.expect("a count")
    }

    /// Waits until so many effects are there, and answers them.
    pub(crate) async fn effects_of(&self, count: usize) -> Vec<(u128, i64)> {
        eventually(PATIENCE, "the effects are there", async || {
            let effects = self.effects().await;
            (effects.len() >= count).then_some(effects)
        })
        .await
    }
}

pub(crate) fn config() -> RelayConfig {
    RelayConfig {
        watermark_interval: Duration::from_millis(20),
        check_interval: Duration::from_millis(300),
        ..RelayConfig::new("intake", vec![spec()])
    }
}

pub(crate) async fn effects(pool: &PgPool) -> Vec<(u128, i64)> {
    let rows: Vec<(Uuid, i64)> = sqlx::query_as("SELECT aggregate, sequence FROM effect ORDER BY place")
        .fetch_all(pool)
        .await
        .unwrap_or_default();
    rows.into_iter().map(|(aggregate, sequence)| (aggregate.as_u128(), sequence)).collect()
}

pub(crate) async fn write(pool: &PgPool, clock: &dyn Clock, events: &[(u128, i64)]) {
    let mut tx = tx::begin_write(pool).await.expect("a transaction");
    let now = clock.now();
    let events: Vec<NewEvent> = events.iter().map(|(aggregate, sequence)| event(*aggregate, *sequence, now)).collect();
    log::append(&mut tx, &events).await.expect("appended");
    tx::commit(tx).await.expect("committed");
}

pub(crate) fn event_id(aggregate: u128, sequence: i64) -> Uuid {
    Uuid::from_u128((aggregate << 64) | u128::from(sequence.unsigned_abs()))
}

pub(crate) fn event(aggregate: u128, sequence: i64, recorded_at: Instant) -> NewEvent {
    NewEvent {
        stream: STREAM,
        subject: format!("t.intake.{aggregate}"),
        event_type: "t.Happened".to_owned(),
        source: "intake".to_owned(),
        aggregate_id: Uuid::from_u128(aggregate),
        sequence,
        event_id: event_id(aggregate, sequence),
        recorded_at,
        traceparent: Some(TRACE.to_owned()),
        payload: Bytes::from(format!("{aggregate}/{sequence}")),
    }
}

/// The headers of an event, written out here so that the tests hold the format.
pub(crate) fn headers(aggregate: u128, sequence: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", event_id(aggregate, sequence).to_string());
    headers.insert("ce-type", "t.Happened");
    headers.insert("ce-source", "intake");
    headers.insert("ce-time", "2026-03-02T08:00:00Z");
    headers.insert("ce-subject", Uuid::from_u128(aggregate).to_string());
    headers.insert("ce-sequence", sequence.to_string());
    headers
}

pub(crate) fn is_watermark(message: &jetstream::message::StreamMessage) -> bool {
    message.subject.starts_with("dafei.v1.watermark.")
}

pub(crate) fn named(message: &jetstream::message::StreamMessage) -> (u128, i64) {
    let header = |name: &str| message.headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default();
    let aggregate: Uuid = header("ce-subject").parse().unwrap_or_default();
    (aggregate.as_u128(), header("ce-sequence").parse().unwrap_or(0))
}

/// The sequences of each aggregate, in the order in which they stand.
pub(crate) fn by_aggregate(events: &[(u128, i64)]) -> HashMap<u128, Vec<i64>> {
    let mut map: HashMap<u128, Vec<i64>> = HashMap::new();
    for (aggregate, sequence) in events {
        map.entry(*aggregate).or_default().push(*sequence);
    }
    map
}

/// Waiting for a status, with a deadline.
pub(crate) trait Until<T> {
    async fn until(self, wanted: impl FnMut(&T) -> bool) -> T;
}

impl<T: Clone + std::fmt::Debug> Until<T> for watch::Receiver<T> {
    async fn until(mut self, wanted: impl FnMut(&T) -> bool) -> T {
        let found = tokio::time::timeout(PATIENCE, self.wait_for(wanted)).await;
        let found = found.ok().map(|found| found.expect("it runs").clone());
        found.unwrap_or_else(|| panic!("not within {PATIENCE:?}: {:?}", self.borrow()))
    }
}

/// A task that runs until it is stopped or dropped.
pub(crate) struct Running<T> {
    pub(crate) handle: T,
    token: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl<T> Running<T> {
    pub(crate) fn spawn<F>(handle: T, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let token = CancellationToken::new();
        let task = Some(tokio::spawn(run(token.clone())));
        Self { handle, token, task }
    }

    /// Shuts it down and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.token.cancel();
        if let Some(task) = self.task.take() {
            tokio::time::timeout(PATIENCE, task).await.expect("it ends in time").expect("it does not panic");
        }
    }

    /// Drops it where it stands, as a kill would.
    pub(crate) async fn kill(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.token.cancel();
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Writes what it is given into `effect`, and misbehaves where it is told to.
pub(crate) struct Recorder {
    name: &'static str,
    /// Rejected.
    pub(crate) poison: Mutex<HashSet<(u128, i64)>>,
    /// Refused by the database: the payload is no number.
    pub(crate) refused: Mutex<HashSet<(u128, i64)>>,
    /// Takes longer than a statement may.
    pub(crate) endless: Mutex<HashSet<(u128, i64)>>,
    /// Panics.
    pub(crate) explosive: Mutex<HashSet<(u128, i64)>>,
    /// So many calls ask for a retry.
    pub(crate) busy: Mutex<u32>,
    /// So many calls say that something is away.
    pub(crate) away: Mutex<u32>,
    /// Calls so far.
    pub(crate) calls: Mutex<u32>,
    /// What was committed.
    pub(crate) committed: Mutex<Vec<(u128, i64)>>,
    /// A call takes a permit before it ends.
    gate: Semaphore,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Self::named("recorder")
    }

    pub(crate) fn named(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            poison: Mutex::default(),
            refused: Mutex::default(),
            endless: Mutex::default(),
            explosive: Mutex::default(),
            busy: Mutex::default(),
            away: Mutex::default(),
            calls: Mutex::default(),
            committed: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    /// No call ends from now on.
    pub(crate) fn shut(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// One call may end, after [`Self::shut`].
    pub(crate) fn let_one_end(&self) {
        self.gate.add_permits(1);
    }

    /// All calls may end again, after [`Self::shut`].
    pub(crate) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    fn told(set: &Mutex<HashSet<(u128, i64)>>, event: &Delivered) -> bool {
        set.lock().expect("a lock").contains(&(event.aggregate_id.as_u128(), event.sequence))
    }
}

/// One less, and whether there was one.
fn counted_down(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().expect("a lock");
    let now = *left > 0;
    *left = left.saturating_sub(1);
    now
}

impl Handler for Recorder {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn apply(&self, connection: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        *self.calls.lock().expect("a lock") += 1;
        for (index, event) in events.iter().enumerate() {
            if Self::told(&self.poison, event) || event.payload.as_ref() == b"poison" {
                return Err(HandlerError::Reject { index, reason: "poison".to_owned() });
            }
            if Self::told(&self.refused, event) {
                sqlx::query("SELECT 'x'::text::int").execute(&mut *connection).await?;
            }
            if Self::told(&self.endless, event) {
                sqlx::query("SET LOCAL statement_timeout = '50ms'").execute(&mut *connection).await?;
                sqlx::query("SELECT pg_sleep(60)").execute(&mut *connection).await?;
            }
            assert!(!Self::told(&self.explosive, event), "told to panic");
            sqlx::query("INSERT INTO effect (aggregate, sequence, payload) VALUES ($1, $2, $3)")
                .bind(event.aggregate_id)
                .bind(event.sequence)
                .bind(String::from_utf8_lossy(&event.payload).into_owned())
                .execute(&mut *connection)
                .await?;
        }
        if counted_down(&self.busy) {
            return Err(HandlerError::Retry("not yet".into()));
        }
        if counted_down(&self.away) {
            return Err(HandlerError::Away("it is away".into()));
        }
        let permit = self.gate.acquire().await.map_err(|error| HandlerError::Retry(Box::new(error)))?;
        permit.forget();
        Ok(())
    }

    async fn on_watermark(
        &self,
        connection: &mut PgConnection,
        service: &str,
        through: Instant,
    ) -> Result<(), HandlerError> {
        sqlx::query("INSERT INTO heard (service, through) VALUES ($1, $2)")
            .bind(service)
            .bind(through.to_string())
            .execute(connection)
            .await?;
        Ok(())
    }

    fn committed(&self, events: &[Delivered]) {
        let names = events.iter().map(|event| (event.aggregate_id.as_u128(), event.sequence));
        self.committed.lock().expect("a lock").extend(names);
    }
}
