//! Rewards that nobody claims expire, reservations run out, and withdrawn announcements free their tips, when their time comes (clauses D3, D4). A try
//! that comes first sees the same: time decides, not this timer.

use std::{collections::HashMap, sync::Arc};

use dafei_intake_core::reward::claim::{self, Command, Event};
use dafei_kernel::time::{Instant, civil_date, start_of_day};
use dafei_messaging::tx;
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::failed,
    timer::{Due, Round},
};
use uuid::Uuid;

use super::reward_events::{self, Outgoing};
use crate::{
    app::App,
    store::{
        claims,
        heads::{self, Head},
        rewards::{self, state},
        roles::{Acting, Bank},
    },
};

/// Announcements of one transaction.
const BATCH: i64 = 256;

/// Announcements and reservations that run out, and withdrawn ones that free their tips.
pub struct RewardTimer {
    app: Arc<App>,
}

impl Due for RewardTimer {
    type Error = Fault;

    fn name(&self) -> &'static str {
        "rewards that run out"
    }

    async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        let mut conn = self.app.pool.acquire().await?;
        let (expiry, lapse) = (rewards::next_expiry(&mut conn).await?, claims::next_lapse(&mut conn).await?);
        let free = rewards::next_free(&mut conn).await?;
        Ok(expiry.into_iter().chain(lapse).chain(free).min())
    }

    async fn round(&self, _: Instant) -> Result<Round, Fault> {
        end_due(&self.app).await
    }
}

impl RewardTimer {
    /// Those of the service.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

/// One batch of what has run out.
pub(super) async fn end_due(app: &App) -> Result<Round, Fault> {
    let mut tx = tx::begin_write(&app.pool).await.map_err(faults::database)?;
    let now = app.clock.now();
    let mut ids = rewards::due(&mut tx, now, BATCH).await.map_err(faults::database)?;
    ids.extend(claims::lapsed(&mut tx, now, BATCH).await.map_err(faults::database)?);
    let free = rewards::to_free(&mut tx, now, BATCH).await.map_err(faults::database)?;
    ids.extend(&free);
    if ids.is_empty() {
        return Ok(Round::Waits);
    }
    ids.sort_unstable();
    ids.dedup();
    let known = heads::lock(&mut tx, &ids).await.map_err(faults::database)?;
    let expired = end(&mut tx, &ids, now).await.map_err(faults::database)?;
    rewards::free(&mut tx, &free).await.map_err(faults::database)?;
    publish(app, &mut tx, &expired, known, now).await?;
    tx::commit(tx).await.map_err(failed)?;
    Ok(Round::More)
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
