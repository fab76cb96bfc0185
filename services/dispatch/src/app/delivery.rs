//! An instruction counts as delivered some time after its issue at the latest (30 minutes, local default), so that no clock waits for
//! an agency that does not look.

use std::sync::{Arc, Mutex, PoisonError};

use async_nats::jetstream;
use dafei_contracts::Stream;
use dafei_dispatch_core::case::{Command, Means, Step};
use dafei_kernel::time::Instant;
use dafei_messaging::{
    batch::BatchFailure,
    consumer::{self, TakenThrough, UntakenError},
    silence::ANSWER,
    tx,
};
use dafei_shell::timer::{Due, Round};

use crate::{
    app::App,
    consumers::{ACKS_STREAM, NAME},
    store::instructions::{self, Due as DueInstruction},
    work::{Order, Refusal, Work},
};

/// Instructions of one transaction.
const BATCH: i64 = 256;

/// Where agencies write.
const OUTSIDE: [&str; 2] = [Stream::Feedback.name(), ACKS_STREAM];

/// The deliveries that are assumed when their time has come.
pub struct AssumedDelivery {
    app: Arc<App>,
    js: jetstream::Context,
    taken: Mutex<[TakenThrough; 2]>,
}

impl AssumedDelivery {
    /// Those of the service.
    #[must_use]
    pub fn new(app: Arc<App>, js: jetstream::Context) -> Self {
        Self { app, js, taken: Mutex::default() }
    }

    /// One batch of what is due. Cases that another transaction has are left to the next round: it may be delivering them.
    async fn deliver(&self, now: Instant) -> Result<Round, RoundError> {
        let through = self.taken_through(now).await?;
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let due = instructions::due(&mut tx, through, BATCH).await?;
        let ids: Vec<_> = due.iter().map(|due| due.case).collect();
        let mut work = Work::load_free(&self.app, &mut tx, self.app.clock.now(), &ids).await?;
        let mut delivered = 0;
        for due in &due {
            // A refusal is not to be had: what is no longer open or undelivered answers nothing.
            if work.case(due.case).is_some() && report(work.carry_out(&order(due))) {
                delivered += 1;
            }
        }
        work.save(&mut tx).await?;
        tx::commit(tx).await?;
        Ok(match due.len() {
            0 if through == now => Round::Done,
            found if delivered > 0 && found == usize::try_from(BATCH).unwrap_or(0) => Round::More,
            _ => Round::Waits,
        })
    }

    /// Up to which instant what the agencies did, and the bus holds, has taken effect. Without that, after an outage, an instruction that was
    /// acknowledged in time would be taken for delivered later than it was.
    async fn taken_through(&self, now: Instant) -> Result<Instant, RoundError> {
        let mut through = now;
        for (place, stream) in OUTSIDE.into_iter().enumerate() {
            let consumer = consumer::key(NAME, stream);
            let extent = consumer::untaken(&self.js, &self.app.pool, ANSWER, &consumer, stream).await?;
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let known = taken[place].heard(now, extent);
            through = through.min(known.ok_or(RoundError::Behind { stream, messages: extent.left })?);
        }
        Ok(through)
    }
}

impl Due for AssumedDelivery {
    type Error = RoundError;

    fn name(&self) -> &'static str {
        "assumed deliveries"
    }

    async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        instructions::next_due(&mut *self.app.pool.acquire().await?).await
    }

    async fn round(&self, now: Instant) -> Result<Round, RoundError> {
        self.deliver(now).await
    }
}

/// Why a round was not done; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] BatchFailure),
    #[error(transparent)]
    Untaken(#[from] UntakenError),
    #[error("{messages} messages of {stream} have not taken effect yet")]
    Behind { stream: &'static str, messages: u64 },
}

fn report<T>(result: Result<T, Refusal>) -> bool {
    if let Err(refusal) = &result {
        tracing::error!(%refusal, "an instruction could not be assumed delivered");
    }
    result.is_ok()
}

fn order(due: &DueInstruction) -> Order {
    Order {
        case: Some(due.case),
        command: Command::Instruction { id: due.id, step: Step::Deliver(Means::Assumed) },
        actor: None,
        guarded: false,
        expected_version: None,
        then: None,
        at: Some(due.assumed_at),
        means: Means::Assumed,
        traceparent: None,
    }
}
