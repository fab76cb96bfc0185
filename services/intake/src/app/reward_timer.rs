//! Rewards that nobody claims expire, and reservations run out, when their time comes (clause D4). A try that comes first sees the same: time
//! decides, not this timer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use dafei_intake_core::reward::claim::{self, Command, Event};
use dafei_kernel::time::{Instant, civil_date, start_of_day};
use dafei_messaging::tx;
use dafei_runtime::status::Fault;
use dafei_shell::{faults, once::failed};
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::reward_events::{self, Outgoing};
use crate::{
    app::App,
    store::{
        claims,
        heads::{self, Head},
        rewards::{self, state},
        roles::{Acting, Bank},
        throttle,
    },
};

/// Announcements of one transaction.
const BATCH: i64 = 256;
/// Spans of tries that are forgotten at a time.
const FORGOTTEN: i64 = 1_000;
/// The longest span that can be configured: what began before it counts no more.
const LONGEST_SPAN: SignedDuration = SignedDuration::from_hours(24);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause after the database was away.
const RETRY: Duration = Duration::from_millis(500);

/// The timer of rewards.
pub struct RewardTimer {
    app: Arc<App>,
    wake: Arc<Notify>,
}

impl RewardTimer {
    /// The timer of the service.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app, wake: Arc::default() }
    }

    /// To be called when the clock was moved.
    #[must_use]
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// When the next announcement or reservation runs out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_due(app: &App) -> sqlx::Result<Option<Instant>> {
        let mut conn = app.pool.acquire().await?;
        let (expiry, lapse) = (rewards::next_expiry(&mut conn).await?, claims::next_lapse(&mut conn).await?);
        Ok(expiry.into_iter().chain(lapse).min())
    }

    /// Up to which instant all that was due is done: the clock's, or just before the oldest that waits.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn done_through(app: &App) -> sqlx::Result<Option<Instant>> {
        let now = app.clock.now();
        let waiting = Self::next_due(app).await?.filter(|due| *due <= now);
        Ok(Some(waiting.map_or(now, |due| due.saturating_sub(SignedDuration::from_micros(1)).unwrap_or(due))))
    }

    /// Ends what has run out until `shutdown`. A database that is away is waited for.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let pause = match self.round().await {
                Ok(found) if found >= usize::try_from(BATCH).unwrap_or(1) => continue,
                Ok(_) => self.until_next().await,
                Err(fault) => {
                    tracing::warn!(%fault, "rewards that run out wait");
                    RETRY
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One batch of what has run out; says how many announcements it was.
    async fn round(&self) -> Result<usize, Fault> {
        let due = Self::next_due(&self.app).await.map_err(faults::database)?;
        if due.is_none_or(|due| due > self.app.clock.now()) {
            self.forget().await.map_err(faults::database)?;
            return Ok(0);
        }
        let mut tx = tx::begin_write(&self.app.pool).await.map_err(faults::database)?;
        let now = self.app.clock.now();
        let mut ids = rewards::due(&mut tx, now, BATCH).await.map_err(faults::database)?;
        ids.extend(claims::lapsed(&mut tx, now, BATCH).await.map_err(faults::database)?);
        ids.sort_unstable();
        ids.dedup();
        let known = heads::lock(&mut tx, &ids).await.map_err(faults::database)?;
        let expired = end(&mut tx, &ids, now).await.map_err(faults::database)?;
        publish(&self.app, &mut tx, &expired, known, now).await?;
        tx::commit(tx).await.map_err(failed)?;
        Ok(ids.len())
    }

    async fn forget(&self) -> sqlx::Result<()> {
        let before = self.app.clock.now().checked_sub(LONGEST_SPAN).unwrap_or(Instant::MIN);
        throttle::forget(&mut *self.app.pool.acquire().await?, before, FORGOTTEN).await?;
        Ok(())
    }

    /// How long until the next runs out, by the machine's time; an exercise's clock wakes the timer when it is moved.
    async fn until_next(&self) -> Duration {
        let next = Self::next_due(&self.app).await.ok().flatten();
        let wait = next.map(|next| next.duration_since(self.app.clock.now()));
        wait.and_then(|wait| Duration::try_from(wait).ok())
            .unwrap_or(LONGEST_PAUSE)
            .clamp(Duration::from_millis(50), LONGEST_PAUSE)
    }
}

/// Ends reservations that ran out; says which announcements have expired.
async fn end(conn: &mut sqlx::PgConnection, ids: &[Uuid], now: Instant) -> sqlx::Result<Vec<Uuid>> {
    let mut bank = Acting::<Bank>::take(conn).await?;
    let (mut lapsed, mut expired) = (Vec::new(), Vec::new());
    for (reward, held) in claims::load(&mut bank, ids, None).await? {
        for event in claim::decide(&held.claim, &Command::Tick, now).unwrap_or_default() {
            match event {
                Event::Lapsed { id, .. } => lapsed.push(id),
                Event::Expired => expired.push(reward),
                Event::Reserved(_) | Event::Cancelled { .. } | Event::Paid { .. } | Event::Withdrawn => {}
            }
        }
    }
    claims::lapse(&mut bank, &lapsed).await?;
    bank.leave().await?;
    Ok(expired)
}

async fn publish(
    app: &App,
    conn: &mut sqlx::PgConnection,
    expired: &[Uuid],
    mut known: HashMap<Uuid, Head>,
    now: Instant,
) -> Result<(), Fault> {
    let today = start_of_day(civil_date(now));
    rewards::settle(conn, expired, state::EXPIRED, today).await.map_err(faults::database)?;
    let rewards = rewards::get(conn, expired).await.map_err(faults::database)?;
    let outgoing = rewards.into_iter().map(|reward| {
        let head = known.remove(&reward.id).unwrap_or_default();
        let event = reward_events::expired(&reward);
        (Outgoing { event, actor: None, at: reward.claim_until, reward }, head)
    });
    reward_events::append(app, conn, now, outgoing.collect()).await
}
