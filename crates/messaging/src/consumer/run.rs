//! The loop itself: a session per lock and stream, a try after the other per batch.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerLoop, Handler, HandlerError,
    apply::{Applied, Applier, ApplyError, Batch},
    feed::{self, Feed, FeedError, Fetched},
    progress::Key,
    singly::{Singly, cause},
    store,
};
use crate::{
    backoff::Backoff,
    batch::{Severity, severity},
    crash, lock,
    pace::Pace,
};

/// The longest pause between two sessions: servers come back and consumers are wanted at once.
const SESSION_PAUSE: Duration = Duration::from_secs(2);
/// How often data that the database refuses are tried together: what they refer to may be about to come.
const DATA_ATTEMPTS: u32 = 3;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("the consumer's position has moved")]
    Stale,
}

pub(super) async fn run<H: Handler>(consumer: &ConsumerLoop<H>, shutdown: &CancellationToken) {
    let mut backoff = Backoff::up_to(SESSION_PAUSE);
    let mut accepted_gap = None;
    while !shutdown.is_cancelled() {
        let ended = session(consumer, shutdown, &mut backoff, accepted_gap).await;
        consumer.status.send_modify(|status| {
            // How much has come since is not known; that it has all been taken must not be said.
            if status.active && ended.is_err() {
                status.lag = status.lag.max(1);
            }
            status.active = false;
        });
        let Err(error) = ended else { continue };
        accepted_gap = match &error {
            SessionError::Feed(FeedError::Gap { expected, .. }) => Some(*expected),
            _ => None,
        };
        report(consumer, &error.to_string());
        let pause = backoff.next_pause();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sleep(pause) => {}
        }
    }
}

fn report<H: Handler>(consumer: &ConsumerLoop<H>, error: &str) {
    if consumer.status.borrow().last_error.as_deref() != Some(error) {
        tracing::warn!(consumer = consumer.handler.name(), stream = %consumer.config.stream, error, "consumer interrupted");
    }
    consumer.status.send_modify(|status| status.last_error = Some(error.to_owned()));
}

/// Takes the lock, finds the position, and works on batches until something ends it.
async fn session<H: Handler>(
    consumer: &ConsumerLoop<H>,
    shutdown: &CancellationToken,
    backoff: &mut Backoff,
    accepted_gap: Option<u64>,
) -> Result<(), SessionError> {
    let applier = Applier {
        pool: consumer.pool.clone(),
        clock: Arc::clone(&consumer.clock),
        handler: Arc::clone(&consumer.handler),
        config: consumer.config.clone(),
        key: consumer.config.key(consumer.handler.name()),
    };
    let Some(_lock) = lock::acquire(&consumer.pool, &lock_name(&applier.key), shutdown).await? else { return Ok(()) };
    let name = consumer.handler.name();
    let (stream, created) = feed::stream(&consumer.js, &consumer.config.stream).await?;
    let position = begin(&applier, created, stream.cached_info().state.last_sequence).await?;
    let mut parked = store::parked_keys(&mut *consumer.pool.acquire().await?, &applier.key).await?;
    let mut feed = Feed::open(&stream, name, &consumer.config, position.last_sequence, accepted_gap).await?;
    tracing::info!(consumer = %applier.key, after = position.last_sequence, "consumer active");
    consumer.status.send_modify(|status| {
        status.active = true;
        status.last_error = None;
        status.last_sequence = position.last_sequence;
        status.lag = feed.known_last.saturating_sub(position.last_sequence);
        status.caught_up_through = position.caught_up_through;
        status.parked = parked.len() as u64;
    });
    let mut pace = Pace::up_to(consumer.config.gather);
    loop {
        let fetched = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            fetched = feed.next(&consumer.config, pace.pause()) => fetched?,
        };
        let begun = tokio::time::Instant::now();
        // What is being taken is not taken yet, however long it is tried.
        consumer.status.send_modify(|status| status.lag = feed.known_last.saturating_sub(status.last_sequence));
        let Some(applied) = work(consumer, &applier, &fetched, &mut parked, shutdown).await? else { return Ok(()) };
        backoff.reset();
        pace.wrote(fetched.batch.events.len(), begun.elapsed());
        fetched.acknowledge().await;
        if !fetched.batch.events.is_empty() {
            crash::here("consumer.after-acknowledgement");
        }
        consumer.status.send_modify(|status| {
            status.last_sequence = fetched.batch.to;
            status.lag = feed.known_last.saturating_sub(fetched.batch.to);
            status.caught_up_through = applied.through.or(status.caught_up_through);
            status.parked = parked.len() as u64;
            status.dead_letters += applied.buried;
            status.last_error = None;
        });
    }
}

/// The lock under which a consumer runs.
pub(crate) fn lock_name(key: &str) -> String {
    format!("dafei consumer {key}")
}

/// The position in a stream made at `created` that now ends at `last`: a stream that was made anew or went backwards is read from its
/// start; the marks know what was seen.
async fn begin<H: Handler>(
    applier: &Applier<H>,
    created: dafei_kernel::time::Instant,
    last: u64,
) -> Result<store::Position, SessionError> {
    let stream = &applier.config.stream;
    let mut tx = applier.pool.begin().await?;
    store::ensure_position(&mut tx, &applier.key, stream).await?;
    let position = store::lock_position(&mut tx, &applier.key, stream).await?.ok_or(SessionError::Stale)?;
    if position.created == Some(created) && position.last_sequence <= last {
        return Ok(position);
    }
    if position.last_sequence > 0 {
        tracing::warn!(consumer = %applier.key, "the stream was wiped; reading it from its start");
    }
    store::set_position(&mut tx, &applier.key, stream, created, 0).await?;
    tx.commit().await?;
    Ok(store::Position { created: Some(created), last_sequence: 0, ..position })
}

/// Works on a batch, with heartbeats, until it took effect. None when the shutdown came between two tries.
async fn work<H: Handler>(
    consumer: &ConsumerLoop<H>,
    applier: &Applier<H>,
    fetched: &Fetched,
    parked: &mut HashSet<Key>,
    shutdown: &CancellationToken,
) -> Result<Option<Applied>, SessionError> {
    let effect = effect(consumer, applier, &fetched.batch, parked, shutdown);
    tokio::pin!(effect);
    let period = consumer.config.ack_wait / 3;
    let mut heartbeat = interval(period.max(Duration::from_millis(1)));
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.tick().await;
    loop {
        tokio::select! {
            biased;
            done = &mut effect => return done,
            _ = heartbeat.tick() => fetched.in_progress().await,
        }
    }
}

async fn effect<H: Handler>(
    consumer: &ConsumerLoop<H>,
    applier: &Applier<H>,
    batch: &Batch,
    parked: &mut HashSet<Key>,
    shutdown: &CancellationToken,
) -> Result<Option<Applied>, SessionError> {
    let mut backoff = Backoff::up_to(consumer.config.max_pause);
    let mut tries = Tries { max: consumer.config.max_attempts, data: 0, other: 0 };
    let mut way = Way::Together;
    loop {
        let result = match way {
            Way::Together => applier.apply(batch, parked).await,
            Way::Singly { last_try } => Singly::new(applier, last_try).apply(batch, parked).await,
        };
        let error = match result {
            Ok(applied) => return Ok(Some(applied)),
            Err(ApplyError::Already) => {
                applier.handler.committed(&batch.events);
                return Ok(Some(Applied::default()));
            }
            Err(ApplyError::Stale) => return Err(SessionError::Stale),
            Err(error) => error,
        };
        report(consumer, &error.to_string());
        let next = tries.next_way(&error);
        if way == Way::Together && matches!(next, Way::Singly { .. }) {
            way = next;
            continue;
        }
        way = next;
        let pause = pause_after(&error, &mut backoff);
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = sleep(pause) => {}
        }
    }
}

/// How long until the next try. A database that is away says nothing against the batch: it is wanted as soon as it is back, however long it was
/// away, as by a session that begins.
fn pause_after(error: &ApplyError, backoff: &mut Backoff) -> Duration {
    let pause = backoff.next_pause();
    match of_database(error) {
        Some(Severity::Unavailable | Severity::Conflict) => pause.min(SESSION_PAUSE),
        Some(Severity::Data | Severity::TooLong) | None => pause,
    }
}

/// What the database says of itself, if it was the database.
fn of_database(error: &ApplyError) -> Option<Severity> {
    match error {
        ApplyError::Handler(HandlerError::Retry(reason)) => cause(&**reason),
        ApplyError::Sql(error) => Some(severity(error)),
        ApplyError::Handler(HandlerError::Reject { .. }) | ApplyError::Stale | ApplyError::Already => None,
    }
}

/// How a batch is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Together,
    Singly { last_try: bool },
}

/// How often a batch failed, and for what.
struct Tries {
    max: u32,
    data: u32,
    other: u32,
}

impl Tries {
    /// How to try next after `error`: together while it may pass, singly when it will not.
    fn next_way(&mut self, error: &ApplyError) -> Way {
        if matches!(error, ApplyError::Handler(HandlerError::Reject { .. })) {
            return self.singly();
        }
        match of_database(error) {
            Some(Severity::Unavailable | Severity::Conflict) => Way::Together,
            Some(Severity::Data) => {
                self.data += 1;
                if self.data < DATA_ATTEMPTS { Way::Together } else { self.singly() }
            }
            Some(Severity::TooLong) | None => {
                self.other += 1;
                if self.other < self.max { Way::Together } else { self.singly() }
            }
        }
    }

    fn singly(&self) -> Way {
        Way::Singly { last_try: self.other >= self.max }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ApplyError, Backoff, HandlerError, SESSION_PAUSE, pause_after};

    #[test]
    fn after_a_long_outage_the_database_is_tried_as_often_as_after_a_short_one() {
        let mut backoff = Backoff::up_to(Duration::from_secs(30));
        let away = || ApplyError::Sql(sqlx::Error::PoolTimedOut);
        assert!((0..50).all(|_| pause_after(&away(), &mut backoff) <= SESSION_PAUSE));
    }

    #[test]
    fn what_a_handler_cannot_do_now_is_tried_ever_less_often() {
        let mut backoff = Backoff::up_to(Duration::from_secs(30));
        let later = || ApplyError::Handler(HandlerError::Retry("not yet".into()));
        let pauses: Vec<Duration> = (0..50).map(|_| pause_after(&later(), &mut backoff)).collect();
        assert!(pauses[49] >= Duration::from_secs(15), "{pauses:?}");
    }
}
