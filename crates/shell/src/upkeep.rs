//! What every service keeps in order beside its work, and nobody waits for: answers that are too old, the log's months ahead of time, and the
//! figures of what could not take effect.

use std::{
    sync::Arc,
    time::{Duration, Instant as Monotonic},
};

use arc_swap::ArcSwapOption;
use dafei_kernel::{clock::SharedClock, time::Instant};
use dafei_messaging::{
    dead_letters::{self, DeadLetterCount},
    requests,
    silence::{self, Loan},
};
use jiff::SignedDuration;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// How often the figures are read, and looked what else is to be done; by the machine's time, as all of these.
const LOOK: Duration = Duration::from_secs(30);
/// How long a look may take, at which old answers may be many.
const LONGEST: Duration = Duration::from_mins(30);
/// How often old answers are looked for.
const ANSWERS: Duration = Duration::from_mins(10);
/// How often the log's months are looked at, and how soon again when that was not possible.
const MONTHS: Duration = Duration::from_hours(24);
const MONTHS_AGAIN: Duration = Duration::from_mins(10);
/// Months of the log that have partitions, the present one among them: a process may fail at it for weeks.
const MONTHS_AHEAD: u32 = 3;
/// How long an answer is kept: nobody asks again by the same request id for longer than that.
const ANSWER_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Answers that are forgotten by one statement.
const PORTION: i64 = 5_000;

/// What the consumers of a service could not take into effect, as the database had it at the last look. None while that is unknown: an old figure
/// would be taken for the present one.
#[derive(Debug, Clone, Default)]
pub struct Untaken(Arc<ArcSwapOption<Vec<DeadLetterCount>>>);

impl Untaken {
    /// Reads the figures anew.
    ///
    /// # Errors
    /// When the database does not answer, or does not say anything any more: the figures are unknown then.
    pub async fn read(&self, pool: &PgPool) -> sqlx::Result<()> {
        let (counts, outcome) = match counts(pool).await {
            Ok(counts) => (Some(Arc::new(counts)), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.0.store(counts);
        outcome
    }

    /// The dead letters of a consumer (`<name>/<stream>`) that wait for their replay.
    #[must_use]
    pub fn dead_letters(&self, consumer: &str) -> Option<i64> {
        self.of(consumer, |count| count.open)
    }

    /// The events that wait for an earlier one of their aggregate.
    #[must_use]
    pub fn parked(&self, consumer: &str) -> Option<i64> {
        self.of(consumer, |count| count.parked)
    }

    fn of(&self, consumer: &str, figure: fn(&DeadLetterCount) -> i64) -> Option<i64> {
        let counts = self.0.load();
        let counts = counts.as_ref()?;
        // Who has none is not in the list.
        Some(counts.iter().find(|count| count.consumer == consumer).map_or(0, figure))
    }
}

async fn counts(pool: &PgPool) -> sqlx::Result<Vec<DeadLetterCount>> {
    let mut connection = Loan::of(pool).await?;
    let counts = silence::answer(silence::ANSWER, dead_letters::counts(&mut connection)).await?;
    connection.give_back();
    Ok(counts)
}

/// What is kept in order.
pub struct Upkeep {
    pool: PgPool,
    clock: SharedClock,
    untaken: Untaken,
    answers_at: Option<Monotonic>,
    months_at: Option<Monotonic>,
}

impl Upkeep {
    /// Of this database, by this clock.
    #[must_use]
    pub fn new(pool: PgPool, clock: SharedClock, untaken: Untaken) -> Self {
        Self { pool, clock, untaken, answers_at: None, months_at: None }
    }

    /// Keeps things in order until `shutdown`. What cannot be done now is done the next time.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            // What is broken off is begun again by the next process.
            tokio::select! {
                () = shutdown.cancelled() => {}
                // Whatever hears nothing more of the database is begun again.
                _ = tokio::time::timeout(LONGEST, self.look(Monotonic::now())) => {}
            }
            // Running out is the usual end of the pause.
            let _ = tokio::time::timeout(LOOK, shutdown.cancelled()).await;
        }
    }

    /// Does what is to be done at `at` of the machine's time.
    pub async fn look(&mut self, at: Monotonic) {
        if let Err(error) = self.untaken.read(&self.pool).await {
            later(&error, "the figures of dead letters and parked events");
        }
        if is_due(self.answers_at, at) {
            self.answers_at = at.checked_add(ANSWERS);
            match forget_answers(&self.pool, self.clock.now()).await {
                Ok(0) => {}
                Ok(forgotten) => tracing::info!(forgotten, "old answers are forgotten"),
                Err(error) => later(&error, "old answers"),
            }
        }
        if is_due(self.months_at, at) {
            let made = make_months(&self.pool, self.clock.now()).await;
            self.months_at = at.checked_add(if made { MONTHS } else { MONTHS_AGAIN });
        }
    }
}

fn is_due(next: Option<Monotonic>, at: Monotonic) -> bool {
    next.is_none_or(|next| next <= at)
}

/// Forgets the answers that are older than anybody's retries, in portions; says how many.
async fn forget_answers(pool: &PgPool, now: Instant) -> sqlx::Result<u64> {
    let before = now.checked_sub(ANSWER_KEPT).unwrap_or(Instant::MIN);
    let mut forgotten = 0;
    loop {
        let portion = requests::purge(pool, before, PORTION).await?;
        forgotten += portion;
        if portion < PORTION.unsigned_abs() {
            return Ok(forgotten);
        }
    }
}

/// Makes the partitions of the log ahead of time; false when that has to be tried again. Nothing is lost meanwhile, so no start fails by it.
pub(crate) async fn make_months(pool: &PgPool, now: Instant) -> bool {
    match dafei_messaging::ensure_partitions(pool, now, MONTHS_AHEAD).await {
        Ok(_) => true,
        Err(error) => {
            later(&error, "partitions of the event log");
            false
        }
    }
}

fn later(error: &sqlx::Error, what: &str) {
    tracing::warn!(%error, what, "left for later");
}
