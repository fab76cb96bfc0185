//! A tip whose case was closed on an interim result alone waits for the final one. Once the case can no longer be taken up again the tip gets its
//! verdict by what is known, so that none waits for a result that never comes.

use std::sync::Arc;

use dafei_dispatch_core::case::{Command, Means};
use dafei_kernel::time::Instant;
use dafei_messaging::{batch::BatchFailure, tx};
use dafei_shell::timer::{Due, Round};
use uuid::Uuid;

use crate::{
    app::App,
    store::cases,
    work::{Order, Refusal, Work},
};

/// Cases of one transaction.
const BATCH: i64 = 256;

/// The verdicts on tips that no final result has come for.
pub struct LastVerdicts {
    app: Arc<App>,
}

impl LastVerdicts {
    /// Those of the service.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// One batch of what is due. Cases that another transaction has are left to the next round.
    async fn verify(&self, now: Instant) -> Result<Round, VerdictError> {
        let since = now.saturating_sub(self.app.limits.reopen_within).unwrap_or(Instant::UNIX_EPOCH);
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let due = cases::unverified(&mut tx, since, BATCH).await?;
        let mut work = Work::load_free(&self.app, &mut tx, self.app.clock.now(), &due).await?;
        let mut verified = 0;
        for case in &due {
            if work.case(*case).is_some() && report(work.carry_out(&order(*case))) {
                verified += 1;
            }
        }
        work.save(&mut tx).await?;
        tx::commit(tx).await?;
        Ok(match due.len() {
            0 => Round::Done,
            found if verified > 0 && found == usize::try_from(BATCH).unwrap_or(0) => Round::More,
            _ => Round::Waits,
        })
    }
}

impl Due for LastVerdicts {
    type Error = VerdictError;

    fn name(&self) -> &'static str {
        "verdicts without a final result"
    }

    async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        let since = cases::unverified_since(&mut *self.app.pool.acquire().await?).await?;
        let end = |since: Instant| since.saturating_add(self.app.limits.reopen_within).unwrap_or(Instant::MAX);
        Ok(since.map(end))
    }

    async fn round(&self, now: Instant) -> Result<Round, VerdictError> {
        self.verify(now).await
    }
}

/// Why a round was not done; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] BatchFailure),
}

fn report<T>(result: Result<T, Refusal>) -> bool {
    if let Err(refusal) = &result {
        tracing::error!(%refusal, "a case's tips could not be verified");
    }
    result.is_ok()
}

fn order(case: Uuid) -> Order {
    Order {
        case: Some(case),
        command: Command::EndVerification,
        actor: None,
        guarded: false,
        expected_version: None,
        then: None,
        at: None,
        means: Means::Rpc,
        traceparent: None,
    }
}
