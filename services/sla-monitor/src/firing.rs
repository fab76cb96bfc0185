//! Announcing what is due: yellow and red lights, reminders, ends. Up to the horizon only, the least of the clock and of the publishers'
//! watermarks, so that a stop that is on its way is not overtaken.
//!
//! What was announced and the event of it are one transaction. Any number of replicas may fire: each claims obligations that no other is at.

use std::{sync::Arc, time::Duration};

use dafei_contracts::catalogue::EventError;
use dafei_kernel::{clock::SharedClock, time::Instant};
use dafei_messaging::{
    batch::BatchFailure,
    event::NewEvent,
    log::{self, AppendError},
    tx,
};
use dafei_sla_core::{
    Announcement, EndKind, Light,
    lights::{lights, next_fire},
};
use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    accountability, publisher,
    store::{
        self, horizon,
        obligations::{self, Fired},
        record::Record,
    },
};

/// The most obligations of one transaction.
const BATCH: usize = 500;
/// How often is looked without being woken: should a notification be lost with its connection, a light is late by this much at most.
const LOOK: Duration = Duration::from_secs(2);
/// The longest pause between two tries while the database is away.
const PAUSE: Duration = Duration::from_secs(2);

/// Why nothing could be announced.
#[derive(Debug, thiserror::Error)]
pub enum FireError {
    /// PostgreSQL refused or is away.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The commit failed, or its outcome is not known; the next pass finds out by the state.
    #[error("commit: {0}")]
    Commit(#[from] BatchFailure),
    /// An obligation cannot be told as the catalogue says.
    #[error("obligation {id}: {source}")]
    Event {
        /// The obligation.
        id: uuid::Uuid,
        /// What is wrong.
        source: EventError,
    },
    /// The log refused an event.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Announces what is due.
#[derive(Clone)]
pub struct Firing {
    pool: PgPool,
    clock: SharedClock,
    moved: Arc<Notify>,
}

impl Firing {
    /// Fires by this clock.
    #[must_use]
    pub fn new(pool: PgPool, clock: SharedClock) -> Self {
        Self { pool, clock, moved: Arc::new(Notify::new()) }
    }

    /// To be called when the clock was moved.
    pub fn clock_moved(&self) {
        self.moved.notify_one();
    }

    /// Fires until `shutdown`: at every move of a watermark, of an obligation or of the clock. A pass that has begun is finished.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut pause = Duration::from_millis(50);
        while !shutdown.is_cancelled() {
            let Err(error) = self.session(&shutdown, &mut pause).await else { return };
            tracing::warn!(%error, "firing is interrupted");
            let _ = tokio::time::timeout(pause, shutdown.cancelled()).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    async fn session(&self, shutdown: &CancellationToken, pause: &mut Duration) -> Result<(), FireError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(store::WAKE).await?;
        loop {
            while !shutdown.is_cancelled() && self.pass().await? == BATCH {}
            *pause = Duration::from_millis(50);
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.moved.notified() => {}
                notice = listener.recv() => { notice?; }
                () = tokio::time::sleep(LOOK) => {}
            }
            // Several notices are one reason to look.
            while listener.next_buffered().is_some() {}
        }
    }

    /// One transaction: claims what is due, announces it; says how many obligations were concerned.
    ///
    /// # Errors
    /// As [`FireError`] says; nothing is announced then, or all of it.
    pub async fn pass(&self) -> Result<usize, FireError> {
        let Some(horizon) = self.horizon().await? else { return Ok(0) };
        if obligations::next_fire(&self.pool).await?.is_none_or(|next| next > horizon) {
            return Ok(0);
        }
        let mut tx = tx::begin_write(&self.pool).await?;
        let now = self.clock.now();
        let claimed = obligations::claim(&mut tx, horizon, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        let count = claimed.len();
        let (events, fired) = announce(claimed, horizon, now)?;
        obligations::save_fired(&mut tx, &fired).await?;
        accountability::note(&mut tx, &events, now).await?;
        obligations::lock_append(&mut tx).await?;
        log::append(&mut tx, &events).await?;
        tx::commit(tx).await?;
        tracing::debug!(obligations = count, events = events.len(), %horizon, "announced");
        Ok(count)
    }

    async fn horizon(&self) -> sqlx::Result<Option<Instant>> {
        let least = horizon::least(&self.pool).await?;
        Ok(least.map(|least| least.min(self.clock.now())))
    }

    /// The next instant at which something is to be announced, as far as it is known.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        obligations::next_fire(&self.pool).await
    }

    /// Up to which instant all that was due is announced; the beginning of time as long as a publisher has not said how far it is.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn done_through(&self) -> sqlx::Result<Instant> {
        // The horizon first: what is due at it is due afterwards, too.
        let Some(horizon) = self.horizon().await? else { return Ok(Instant::UNIX_EPOCH) };
        let before = |next: Instant| next.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap_or(Instant::MIN);
        Ok(match self.next_due().await? {
            Some(next) if next <= horizon => before(next),
            Some(_) | None => horizon,
        })
    }
}

/// The events of all that is due, by their instants, and what becomes of the obligations.
fn announce(claimed: Vec<Record>, horizon: Instant, now: Instant) -> Result<(Vec<NewEvent>, Vec<Fired>), FireError> {
    let mut events: Vec<(Instant, NewEvent)> = Vec::new();
    let mut fired = Vec::with_capacity(claimed.len());
    for mut record in claimed {
        let (timing, end) = (record.timing(), record.end());
        let mut announced = record.announced();
        let mut warned_at = record.warned_at.map(Instant::from);
        for light in lights(&timing, end, &announced, horizon) {
            let id = record.id;
            let row = publisher::encode(&mut record, &light, now);
            events.push((light.at, row.map_err(|source| FireError::Event { id, source })?));
            announced = announced.with(&light);
            warned_at = warned_at.or_else(|| warned(&light));
        }
        fired.push(Fired {
            id: record.id,
            warned_at,
            breached: announced.breached,
            reminders: announced.reminders,
            end_announced: announced.ended.map(EndKind::code),
            annulled: announced.annulled,
            next_fire_at: next_fire(&timing, end, &announced),
            sequence: record.sequence,
            chain_head: record.chain_head,
        });
    }
    // Stable: the lights of one obligation stay in their order.
    events.sort_by_key(|(at, _)| *at);
    Ok((events.into_iter().map(|(_, event)| event).collect(), fired))
}

fn warned(light: &Light) -> Option<Instant> {
    (light.what == Announcement::Warned).then_some(light.at)
}
