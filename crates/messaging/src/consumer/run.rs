//! The loop itself: a session per lock and stream, a try after the other per batch.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerLoop, Handler, HandlerError,
    apply::{Applied, Applier, ApplyError, Batch},
    beginning::begin,
    feed::{self, FeedError},
    progress::Key,
    singly::{Singly, cause},
    source::Source,
    store,
};
use crate::{
    backoff::Backoff,
    batch::{Severity, severity},
    lock,
    pace::Pace,
    silence::{self, Loan},
};

/// The longest pause between two sessions: servers come back and consumers are wanted at once.
const SESSION_PAUSE: Duration = Duration::from_secs(2);
/// How often data that the database refuses are tried together: what they refer to may be about to come.
const DATA_ATTEMPTS: u32 = 3;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("the consumer's position has moved")]
    Stale,
    #[error("the stream is said to end at {last}, before the consumer's position {position}")]
    Short { last: u64, position: u64 },
}

pub(super) async fn run<H: Handler>(consumer: &ConsumerLoop<H>, shutdown: &CancellationToken) {
    let mut backoff = Backoff::up_to(SESSION_PAUSE);
    let mut doubt = None;
    while !shutdown.is_cancelled() {
        let ended = session(consumer, shutdown, &mut backoff, &mut doubt).await;
        consumer.status.send_modify(|status| {
            // How much has come since is not known; that it has all been taken must not be said.
            if status.active && ended.is_err() {
                status.lag = status.lag.max(1);
            }
            status.active = false;
        });
        let Err(error) = ended else { continue };
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

/// A stream that has been said to end before the position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    /// The earliest end that was named: what came behind it since is new.
    pub(super) least: u64,
    pub(super) since: Instant,
}

/// Takes the lock, finds the position, and works on batches until something ends it. What comes before the first batch may be dropped
/// anywhere: a transaction is undone, a lock is given back, and the server forgets what it delivered by.
async fn session<H: Handler>(
    consumer: &ConsumerLoop<H>,
    shutdown: &CancellationToken,
    backoff: &mut Backoff,
    doubt: &mut Option<Doubt>,
) -> Result<(), SessionError> {
    let name = consumer.handler.name();
    let key = consumer.config.key(name);
    let lock_name = lock_name(&key);
    let lock = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        lock = lock::acquire(&consumer.pool, &lock_name, shutdown) => lock?,
    };
    let Some(_lock) = lock else { return Ok(()) };
    let opened = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        opened = open(consumer, key, *doubt) => opened,
    };
    match &opened {
        Ok(_) => *doubt = None,
        Err(SessionError::Short { last, .. }) => {
            let (least, since) = doubt.map_or((*last, Instant::now()), |doubt| (doubt.least.min(*last), doubt.since));
            *doubt = Some(Doubt { least, since });
        }
        // The stream was not heard: what it said before may have been said by another server.
        Err(SessionError::Feed(_)) => *doubt = None,
        Err(_) => {}
    }
    let Opened { applier, position, mut parked, mut feed } = opened?;
    tracing::info!(consumer = %applier.key, after = position.last_sequence, "consumer active");
    consumer.status.send_modify(|status| {
        status.active = true;
        status.last_error = None;
        status.last_sequence = position.last_sequence;
        status.lag = feed.known_last().saturating_sub(position.last_sequence);
        status.caught_up_through = position.caught_up_through;
        status.parked = parked.len() as u64;
    });
    let mut pace = Pace::between(consumer.config.gather_least, consumer.config.gather);
    let mut taken = position.last_sequence;
    loop {
        let batch = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            batch = feed.next(&consumer.config, pace.pause()) => batch?,
            () = moved(consumer, &applier, taken) => return Err(SessionError::Stale),
        };
        let begun = Instant::now();
        // What is being taken is not taken yet, however long it is tried.
        consumer.status.send_modify(|status| status.lag = feed.known_last().saturating_sub(status.last_sequence));
        let Some(applied) = effect(consumer, &applier, &batch, &mut parked, shutdown).await? else { return Ok(()) };
        taken = batch.to;
        backoff.reset();
        pace.wrote(batch.events.len(), begun.elapsed());
        consumer.status.send_modify(|status| {
            status.last_sequence = batch.to;
            status.lag = feed.known_last().saturating_sub(batch.to);
            status.caught_up_through = applied.through.or(status.caught_up_through);
            status.parked = parked.len() as u64;
            status.dead_letters += applied.buried;
            status.last_error = None;
        });
    }
}

/// Ends when the position in the database is another than what this session has taken: somebody has put it back, and where nothing more comes,
/// no batch would show it. A database that does not say so is asked again later.
async fn moved<H: Handler>(consumer: &ConsumerLoop<H>, applier: &Applier<H>, taken: u64) {
    loop {
        sleep(consumer.config.look).await;
        let Ok(mut connection) = Loan::of(&consumer.pool).await else { continue };
        let asked = store::position(&mut connection, &applier.key, &consumer.config.stream);
        let Ok(position) = silence::answer(consumer.config.answer, asked).await else { continue };
        connection.give_back();
        if position.is_none_or(|position| position.last_sequence != taken) {
            return;
        }
    }
}

/// The lock under which a consumer runs.
pub(crate) fn lock_name(key: &str) -> String {
    format!("dafei consumer {key}")
}

/// What a session works with.
struct Opened<H> {
    applier: Applier<H>,
    position: store::Position,
    parked: HashSet<Key>,
    feed: Source,
}

async fn open<H: Handler>(
    consumer: &ConsumerLoop<H>,
    key: String,
    doubt: Option<Doubt>,
) -> Result<Opened<H>, SessionError> {
    let config = &consumer.config;
    let (stream, created) = feed::stream(&consumer.js, &config.stream).await?;
    let applier = Applier {
        pool: consumer.pool.clone(),
        clock: Arc::clone(&consumer.clock),
        handler: Arc::clone(&consumer.handler),
        config: config.clone(),
        key,
        created: Some(created),
    };
    let mut connection = Loan::of(&consumer.pool).await?;
    let last = stream.cached_info().state.last_sequence;
    let begun = begin(&mut connection, &applier, created, last, doubt);
    let position = silence::answer(config.answer, begun).await?;
    let parked = silence::answer(config.answer, store::parked_keys(&mut connection, &applier.key)).await?;
    connection.give_back();
    let from = (created, position.last_sequence);
    let feed = Source::open((&consumer.js, stream), consumer.handler.name(), config, from).await?;
    Ok(Opened { applier, position, parked, feed })
}

/// Works on a batch until it took effect. None when the shutdown came between two tries.
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
    let mut answer = consumer.config.answer;
    loop {
        let result = match timeout(answer, attempt(applier, way, batch, parked)).await {
            Ok(result) => result,
            // Whether it was committed, the position says at the next try. That waits for longer: what is only slow must get through some day.
            Err(_) => {
                let silent = silence::none(answer);
                answer = answer.saturating_mul(2);
                Err(silent.into())
            }
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

/// One try, on a connection that is closed when it is broken off.
async fn attempt<H: Handler>(
    applier: &Applier<H>,
    way: Way,
    batch: &Batch,
    parked: &mut HashSet<Key>,
) -> Result<Applied, ApplyError> {
    let mut connection = Loan::of(&applier.pool).await?;
    let result = match way {
        Way::Together => applier.apply(&mut connection, batch, parked).await,
        Way::Singly { last_try } => Singly::new(applier, last_try).apply(&mut connection, batch, parked).await,
    };
    connection.give_back();
    result
}

/// How long until the next try. A database that is away says nothing against the batch: it is wanted as soon as it is back, however long it was
/// away, as by a session that begins.
fn pause_after(error: &ApplyError, backoff: &mut Backoff) -> Duration {
    let pause = backoff.next_pause();
    match of_database(error) {
        Some(Severity::Unavailable | Severity::Locked | Severity::Conflict) => pause.min(SESSION_PAUSE),
        Some(Severity::Data | Severity::TooLong) | None => pause,
    }
}

/// What the database says of itself, if it was the database. What else is away is waited for as the database is.
fn of_database(error: &ApplyError) -> Option<Severity> {
    match error {
        ApplyError::Handler(HandlerError::Retry(reason)) => cause(&**reason),
        ApplyError::Handler(HandlerError::Away(_)) => Some(Severity::Unavailable),
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
            Some(Severity::Unavailable | Severity::Locked | Severity::Conflict) => Way::Together,
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
