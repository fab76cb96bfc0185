//! What operations needs of every service (`dafei.ops.v1`): how far it is, the exercise clock, dead letters.

mod status;

use std::{future::Future, pin::Pin, sync::Arc};

use async_nats::jetstream;
use dafei_contracts::{
    convert,
    ops::v1::{self as pb, ops_service_server::OpsServiceServer},
};
use dafei_kernel::{
    clock::SharedClock,
    role::Role,
    time::{Instant, Month},
};
use dafei_messaging::{
    consumer::{ConsumerConfig, ConsumerHandle, ConsumerLoop, Handler},
    dead_letters::{self, DeadLetter},
    exercise,
    relay::RelayHandle,
};
use dafei_runtime::{config::Common, identity, ops::ModeClock, status::Fault};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};

use crate::{faults, paging, scope};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Run = Box<dyn FnOnce(CancellationToken) -> BoxFuture<Result<(), sqlx::Error>> + Send>;
type Replay = Arc<dyn Fn(Vec<i64>) -> BoxFuture<Result<(u32, u32), Fault>> + Send + Sync>;
type Moment = Arc<dyn Fn() -> BoxFuture<sqlx::Result<Option<Instant>>> + Send + Sync>;

/// Letters that are replayed in one transaction: all of many would take longer than a call may, and be undone each
/// time.
const PORTION: usize = 100;

/// A consumer as start-up and operations see it, whatever its handler.
pub struct ConsumerPart {
    pub(crate) name: &'static str,
    pub(crate) handle: ConsumerHandle,
    stream: String,
    key: String,
    run: Option<Run>,
    replay: Replay,
}

impl ConsumerPart {
    pub(crate) fn new<H: Handler>(
        consumer: ConsumerLoop<H>,
        handler: Arc<H>,
        config: ConsumerConfig,
        pool: PgPool,
        clock: SharedClock,
    ) -> Self {
        let (name, handle, stream) = (handler.name(), consumer.handle(), config.stream.clone());
        let key = config.key(name);
        let run: Run = Box::new(move |token| {
            Box::pin(async move {
                consumer.run(token).await;
                Ok(())
            })
        });
        let replay: Replay = Arc::new(move |ids| {
            let (pool, clock, handler, config) = (pool.clone(), clock.clone(), handler.clone(), config.clone());
            Box::pin(async move {
                let results =
                    dead_letters::replay(&pool, &clock, handler, &config, &ids).await.map_err(replay_fault)?;
                let done = results
                    .iter()
                    .filter(|(_, outcome)| {
                        matches!(outcome, dead_letters::Replay::Done | dead_letters::Replay::AlreadyDone)
                    })
                    .count();
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                Ok((count(done), count(results.len() - done)))
            })
        });
        Self { name, handle, stream, key, run: Some(run), replay }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn take_run(&mut self) -> Option<Run> {
        self.run.take()
    }
}

/// What a service does by itself as time goes on.
#[derive(Clone, Default)]
pub struct Progress {
    /// The next instant at which it has something to do.
    pub next_due: Option<Moment>,
    /// Up to which instant all that was due is done.
    pub done_through: Option<Moment>,
    /// Called after the exercise clock was set.
    pub clock_moved: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Progress {
    /// A moment that is asked of the service when needed.
    pub fn moment<F, Fut>(ask: F) -> Option<Moment>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = sqlx::Result<Option<Instant>>> + Send + 'static,
    {
        Some(Arc::new(move || Box::pin(ask())))
    }

    /// The next instant at which it has something to do; none when nothing waits, or it does nothing by itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next(&self) -> sqlx::Result<Option<Instant>> {
        ask(self.next_due.as_ref()).await
    }

    /// Up to which instant all that was due is done; none when it does nothing by itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn through(&self) -> sqlx::Result<Option<Instant>> {
        ask(self.done_through.as_ref()).await
    }

    /// Of several parts: the earliest that has something to do, and the one that is least far.
    #[must_use]
    pub fn joined(parts: Vec<Self>) -> Self {
        let next: Vec<Moment> = parts.iter().filter_map(|part| part.next_due.clone()).collect();
        let done: Vec<Moment> = parts.iter().filter_map(|part| part.done_through.clone()).collect();
        let moved: Vec<_> = parts.into_iter().filter_map(|part| part.clock_moved).collect();
        Self {
            next_due: earliest(next),
            done_through: earliest(done),
            clock_moved: (!moved.is_empty())
                .then(|| -> Arc<dyn Fn() + Send + Sync> { Arc::new(move || moved.iter().for_each(|moved| moved())) }),
        }
    }
}

/// The earliest of the moments that there are; none without any.
fn earliest(moments: Vec<Moment>) -> Option<Moment> {
    if moments.is_empty() {
        return None;
    }
    Some(Arc::new(move || {
        let asked: Vec<_> = moments.iter().map(|moment| moment()).collect();
        Box::pin(async move {
            let mut earliest: Option<Instant> = None;
            for one in asked {
                earliest = earliest.into_iter().chain(one.await?).min();
            }
            Ok(earliest)
        })
    }))
}

#[derive(Clone)]
struct Watched {
    name: &'static str,
    stream: String,
    /// Under which marks and dead letters are kept.
    key: String,
    replay: Replay,
}

/// The operations service.
#[derive(Clone)]
pub struct Ops {
    service: &'static str,
    pool: PgPool,
    js: jetstream::Context,
    clock: SharedClock,
    mode_clock: ModeClock,
    relay: Option<RelayHandle>,
    consumers: Vec<Watched>,
    progress: Progress,
}

impl Ops {
    pub(crate) fn new(
        common: &Common,
        (pool, js): (PgPool, jetstream::Context),
        clock: SharedClock,
        mode_clock: ModeClock,
    ) -> Self {
        Self {
            service: common.service.name(),
            pool,
            js,
            clock,
            mode_clock,
            relay: None,
            consumers: Vec::new(),
            progress: Progress::default(),
        }
    }

    pub(crate) fn with_parts(mut self, relay: RelayHandle, parts: &[ConsumerPart], progress: Progress) -> Self {
        self.relay = Some(relay);
        self.consumers = parts
            .iter()
            .map(|part| Watched {
                name: part.name,
                stream: part.stream.clone(),
                key: part.key.clone(),
                replay: part.replay.clone(),
            })
            .collect();
        self.progress = progress;
        self
    }

    pub(crate) fn add_to(self, routes: Routes) -> Routes {
        routes.add_service(OpsServiceServer::new(self))
    }

    async fn set_clock(&self, to: Instant) -> Result<Instant, Fault> {
        let Some(clock) = self.mode_clock.controlled() else {
            return Err(Fault::precondition(
                "NOT_IN_EXERCISE",
                "clock",
                "the clock can be set in exercise mode only",
                "只有演练模式才能调整时钟",
            ));
        };
        let now = self.clock.now();
        if to < now {
            return Err(Fault::field("now", "CLOCK_BACKWARDS", format!("is before {now}"), "演练时钟不能倒退"));
        }
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        // First to disk, then to memory: a restart in between goes on with the new time, never with an older one.
        exercise::store(&mut conn, to).await.map_err(faults::database)?;
        if Month::of(now) != Month::of(to) {
            // Two: the log's months are those of UTC, which begin later than ours.
            dafei_messaging::ensure_partitions(&self.pool, to, 2).await.map_err(faults::database)?;
        }
        clock.set(to);
        if let Some(relay) = &self.relay {
            relay.prod();
        }
        if let Some(moved) = &self.progress.clock_moved {
            moved();
        }
        Ok(self.clock.now())
    }

    async fn replay(&self, ids: &[i64]) -> Result<pb::ReplayDeadLettersResponse, Fault> {
        let mut sum = pb::ReplayDeadLettersResponse::default();
        for watched in &self.consumers {
            let letters = self.open_letters(&watched.key, ids).await?;
            let (replayed, failed) = in_portions(&watched.replay, letters).await?;
            sum.replayed += replayed;
            sum.failed += failed;
        }
        Ok(sum)
    }

    /// The open dead letters of a consumer, of those asked for; all when none are named. Of each its place in the
    /// stream and its id.
    async fn open_letters(&self, consumer: &str, ids: &[i64]) -> Result<Vec<(u64, i64)>, Fault> {
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let mut after = 0;
        let mut wanted = Vec::new();
        loop {
            let page = dead_letters::list(&mut conn, consumer, after, 500).await.map_err(faults::database)?;
            let Some(last) = page.last() else {
                return Ok(wanted);
            };
            after = last.id;
            let asked = page.iter().filter(|letter| ids.is_empty() || ids.contains(&letter.id));
            wanted.extend(asked.map(|letter| (letter.stream_sequence, letter.id)));
        }
    }
}

/// Replays letters in portions, in the order of the stream; says how many took effect and how many failed. A portion
/// that is done stays done, whatever becomes of the later ones, or of the call.
async fn in_portions(replay: &Replay, mut letters: Vec<(u64, i64)>) -> Result<(u32, u32), Fault> {
    letters.sort_unstable();
    let mut sum = (0, 0);
    for portion in letters.chunks(PORTION) {
        let (replayed, failed) = replay(portion.iter().map(|(_, id)| *id).collect()).await?;
        sum = (sum.0 + replayed, sum.1 + failed);
    }
    Ok(sum)
}

fn replay_fault(error: dead_letters::ReplayError) -> Fault {
    match error {
        dead_letters::ReplayError::Sql(error) => faults::database(error),
        error @ dead_letters::ReplayError::Handler(_) => Fault::internal(error),
    }
}

async fn ask(moment: Option<&Moment>) -> sqlx::Result<Option<Instant>> {
    match moment {
        Some(moment) => moment().await,
        None => Ok(None),
    }
}

fn wire(letter: DeadLetter) -> pb::DeadLetter {
    pb::DeadLetter {
        dead_letter_id: letter.id.to_string(),
        consumer: letter.consumer,
        subject: letter.subject,
        event_id: letter.event_id.map(|id| id.to_string()).unwrap_or_default(),
        reason: letter.reason,
        failed_at: Some(letter.first_failed_at.into()),
    }
}

/// An admin of the city: a service is one for all of it.
fn admin<T>(request: &Request<T>) -> Result<(), Status> {
    let caller = identity::principal(request)?;
    scope::require(caller, &[Role::Admin])?;
    Ok(scope::require_city(caller)?)
}

#[tonic::async_trait]
impl pb::ops_service_server::OpsService for Ops {
    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        admin(&request)?;
        Ok(Response::new(self.status().await?))
    }

    async fn set_clock(&self, request: Request<pb::SetClockRequest>) -> Result<Response<pb::SetClockResponse>, Status> {
        admin(&request)?;
        let to = convert::instant("now", request.get_ref().now).map_err(faults::convert)?;
        let now = self.set_clock(to).await?;
        Ok(Response::new(pb::SetClockResponse { now: Some(now.into()) }))
    }

    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
        admin(&request)?;
        let request = request.into_inner();
        let filter = pb::ListDeadLettersRequest::default();
        let size = paging::page_size(request.page_size, 50, 500)?;
        // The cursor walks the consumers in their order, each by id.
        let (mut at, mut after): (usize, i64) = paging::decode(&request.page_token, &filter)?.unwrap_or((0, 0));
        let mut letters = Vec::new();
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        while let Some(watched) = self.consumers.get(at) {
            let room = size - i64::try_from(letters.len()).unwrap_or(size);
            if room == 0 {
                break;
            }
            let page = dead_letters::list(&mut conn, &watched.key, after, room).await.map_err(faults::database)?;
            if let Some(last) = page.last() {
                after = last.id;
            }
            if i64::try_from(page.len()).unwrap_or(0) < room {
                (at, after) = (at + 1, 0);
            }
            letters.extend(page.into_iter().map(wire));
        }
        let next_page_token =
            if at < self.consumers.len() { paging::encode(&(at, after), &filter) } else { String::new() };
        Ok(Response::new(pb::ListDeadLettersResponse { dead_letters: letters, next_page_token }))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<pb::ReplayDeadLettersRequest>,
    ) -> Result<Response<pb::ReplayDeadLettersResponse>, Status> {
        admin(&request)?;
        let ids = request
            .get_ref()
            .dead_letter_ids
            .iter()
            .map(|id| {
                id.parse::<i64>()
                    .map_err(|_| Fault::field("dead_letter_ids", "INVALID", "is no id of a dead letter", "编号有误"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Response::new(self.replay(&ids).await?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use dafei_runtime::status::Fault;

    use super::{PORTION, Replay, in_portions};

    /// Letters 1 to `count`; the later a letter was made, the earlier its event stands in the stream.
    fn letters(count: i64) -> Vec<(u64, i64)> {
        (1..=count).map(|id| (1_000 - id.unsigned_abs(), id)).collect()
    }

    /// Keeps what it is given, says that one of each portion failed, and refuses from portion number `refused` on.
    fn kept(refused: usize) -> (Replay, Arc<Mutex<Vec<Vec<i64>>>>) {
        let done: Arc<Mutex<Vec<Vec<i64>>>> = Arc::default();
        let kept = Arc::clone(&done);
        let replay: Replay = Arc::new(move |ids| {
            let kept = Arc::clone(&kept);
            Box::pin(async move {
                let mut kept = kept.lock().expect("a lock");
                if kept.len() + 1 >= refused {
                    return Err(Fault::internal("no"));
                }
                let replayed = u32::try_from(ids.len()).expect("few") - 1;
                kept.push(ids);
                Ok((replayed, 1))
            })
        });
        (replay, done)
    }

    #[tokio::test]
    async fn many_letters_are_replayed_in_portions_in_the_order_of_the_stream_and_counted_together() {
        let (replay, done) = kept(usize::MAX);
        assert_eq!(in_portions(&replay, letters(250)).await.expect("replayed"), (247, 3));
        let done = done.lock().expect("a lock");
        assert!(done.iter().all(|portion| portion.len() <= PORTION), "{done:?}");
        assert_eq!(done.concat(), (1..=250).rev().collect::<Vec<i64>>());
    }

    #[tokio::test]
    async fn what_was_replayed_before_a_portion_that_cannot_be_stays_replayed() {
        let (replay, done) = kept(3);
        assert!(in_portions(&replay, letters(250)).await.is_err());
        assert_eq!(done.lock().expect("a lock").len(), 2);
    }
}
