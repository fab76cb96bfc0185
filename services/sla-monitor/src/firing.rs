//! Announcing what is due: yellow and red lights, reminders, ends. Up to the horizon only, the least of the clock and of the publishers'
//! watermarks, so that a stop that is on its way is not overtaken.
//!
//! What was announced and the event of it are one transaction. Any number of replicas may fire: each claims obligations that no other is at.

mod first_light;
mod guard;

use std::{sync::Arc, time::Duration};

use dafei_contracts::catalogue::EventError;
use dafei_kernel::{clock::SharedClock, time::Instant};
use dafei_messaging::{
    batch::BatchFailure,
    crash,
    event::NewEvent,
    log::{self, AppendError},
    sessions, silence, tx,
};
use dafei_runtime::telemetry::metrics::{self, Counter, Histogram};
use dafei_shell::roster::{RosterError, RosterView};
use dafei_sla_core::{
    Announcement, EndKind,
    lights::{lights, next_fire},
};
use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    accountability, publisher,
    store::{
        self, calendars,
        horizon::{self, Needs},
        obligations::{self, Fired},
        record::Record,
    },
    terms::{InForce, TermsView},
};

pub use guard::Guard;

/// The most obligations of one transaction.
const BATCH: usize = 500;
/// How often is looked without being woken: should a notification be lost with its connection, a light is late by this much at most.
const LOOK: Duration = Duration::from_secs(2);
/// The longest pause between two tries while the database is away.
const PAUSE: Duration = Duration::from_secs(2);

/// The longest time for which other work stands back.
const YIELD: Duration = Duration::from_secs(2);

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
    /// The roster cannot be read.
    #[error(transparent)]
    Roster(#[from] RosterError),
}

/// Announces what is due.
#[derive(Clone)]
pub struct Firing {
    pool: PgPool,
    clock: SharedClock,
    /// Whose no-disturb hours count, and which duties are in force.
    terms: TermsView,
    /// Who holds the posts.
    roster: RosterView,
    /// Against a machine's clock that jumps ahead; none for an exercise's.
    guard: Option<Arc<Guard>>,
    moved: Arc<Notify>,
    /// Whether more is due than one pass could announce.
    behind: Arc<watch::Sender<bool>>,
    told: Option<Told>,
}

/// Firing goes before other work: a light that is late blames somebody, an entry that is opened a little later blames nobody.
#[derive(Debug, Clone)]
pub struct Precedence(watch::Receiver<bool>);

impl Precedence {
    /// Nothing goes before: for work without firing beside it.
    #[must_use]
    pub fn none() -> Self {
        Self(watch::channel(false).1)
    }

    /// Waits until firing is no longer behind, at most [`YIELD`]: other work goes on slowly whatever falls due.
    pub(crate) async fn give(&self) {
        // An error says that nobody fires any more.
        let _ = tokio::time::timeout(YIELD, self.0.clone().wait_for(|behind| !behind)).await;
    }
}

/// What is measured of what was announced.
#[derive(Clone)]
struct Told {
    lag: Histogram<f64>,
    lights: Counter<u64>,
}

impl Firing {
    /// Fires by this clock and these rules, and charges who is in this roster.
    #[must_use]
    pub fn new(pool: PgPool, clock: SharedClock, terms: TermsView, roster: RosterView) -> Self {
        let (moved, behind) = (Arc::new(Notify::new()), Arc::new(watch::Sender::new(false)));
        Self { pool, clock, terms, roster, guard: None, moved, behind, told: None }
    }

    /// Believes of the clock what its guard does.
    #[must_use]
    pub fn guarded(self, guard: Arc<Guard>) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// Measures what is announced; after the telemetry has begun.
    #[must_use]
    pub fn measured(self) -> Self {
        let lag = metrics::durations("dafei.sla.firing_lag", "From the instant of a light to its announcement");
        let lights = metrics::counter("dafei.sla.lights", "Lights, ends and annulments announced");
        Self { told: Some(Told { lag, lights }), ..self }
    }

    /// For work that is to leave the machine to firing while firing is behind.
    #[must_use]
    pub fn precedence(&self) -> Precedence {
        Precedence(self.behind.subscribe())
    }

    /// The instant to go by.
    fn now(&self) -> Instant {
        self.guard.as_ref().map_or_else(|| self.clock.now(), |guard| guard.now())
    }

    /// To be called when the clock was moved.
    pub fn clock_moved(&self) {
        self.moved.notify_one();
    }

    /// Fires until `shutdown`: at every move of a watermark, of an obligation or of the clock. A pass that has begun is finished.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut pause = Duration::from_millis(50);
        while !shutdown.is_cancelled() {
            let ended = self.session(&shutdown, &mut pause).await;
            self.behind.send_replace(false);
            let Err(error) = ended else { return };
            tracing::warn!(%error, "firing is interrupted");
            let _ = tokio::time::timeout(pause, shutdown.cancelled()).await;
            pause = (pause * 2).min(PAUSE);
        }
    }

    async fn session(&self, shutdown: &CancellationToken, pause: &mut Duration) -> Result<(), FireError> {
        // A database that vanished without a word would hold up a pass for ever.
        let mut listener = silence::answer(silence::ANSWER, sessions::listener(&self.pool, store::WAKE)).await?;
        loop {
            while !shutdown.is_cancelled() && silence::answer(silence::ANSWER, self.pass()).await? == BATCH {
                self.behind.send_replace(true);
            }
            self.behind.send_replace(false);
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

    /// One transaction for each kind of obligation: claims what is due, announces it; says how many obligations were concerned at most.
    ///
    /// # Errors
    /// As [`FireError`] says; nothing of the failed transaction is announced then, or all of it.
    pub async fn pass(&self) -> Result<usize, FireError> {
        let horizons = horizon::read(&self.pool, self.now()).await?;
        let mut most = 0;
        for (needs, next) in obligations::next_fire(&self.pool).await? {
            if let Some(horizon) = horizons.of(needs).filter(|horizon| next <= *horizon) {
                most = most.max(self.fire(needs, horizon).await?);
            }
        }
        Ok(most)
    }

    async fn fire(&self, needs: Needs, horizon: Instant) -> Result<usize, FireError> {
        let mut tx = tx::begin_write(&self.pool).await?;
        let now = self.clock.now();
        // Before anything is locked: the roster may be waited for.
        let (roster, _) = self.roster.refresh(&mut tx).await?;
        let claimed = obligations::claim(&mut tx, needs, horizon, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        let count = claimed.len();
        crash::here("firing.claimed");
        let in_force = self.terms.refresh(&mut tx).await?;
        let claimed = first_light::look_again(&mut tx, &roster, &in_force, claimed).await?;
        let (events, fired) = self.announce(claimed, &in_force, horizon, now)?;
        obligations::save_fired(&mut tx, &fired).await?;
        accountability::note(&mut tx, &events, now).await?;
        let provisional: Vec<_> = fired.iter().filter(|fired| fired.provisional).map(|fired| fired.id).collect();
        if !provisional.is_empty() {
            calendars::provisional_told(&mut tx, &provisional, now).await?;
        }
        log::append(&mut tx, &events).await?;
        crash::here("firing.before-commit");
        tx::commit(tx).await?;
        crash::here("firing.after-commit");
        tracing::debug!(obligations = count, events = events.len(), needs = needs.code(), %horizon, "announced");
        Ok(count)
    }

    /// The next instant at which something is to be announced, as far as it is known.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        Ok(obligations::next_fire(&self.pool).await?.into_iter().map(|(_, next)| next).min())
    }

    /// Up to which instant all that was due is announced; the beginning of time as long as intake or dispatch has not said how far it is. A kind
    /// of which nothing waits holds nothing up.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn done_through(&self) -> sqlx::Result<Instant> {
        // The horizons first: what is due at them is due afterwards, too.
        let horizons = horizon::read(&self.pool, self.now()).await?;
        let waiting = obligations::next_fire(&self.pool).await?;
        let before = |next: Instant| next.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap_or(Instant::MIN);
        let done = Needs::ALL.into_iter().filter_map(|needs| {
            let next = waiting.iter().find(|(of, _)| *of == needs).map(|(_, next)| *next);
            match (horizons.of(needs), next) {
                // Nobody waits for a publisher that has nothing to stop.
                (_, None) if needs != Needs::Cases => None,
                (Some(horizon), Some(next)) if next <= horizon => Some(before(next)),
                (Some(horizon), _) => Some(horizon),
                (None, _) => Some(Instant::UNIX_EPOCH),
            }
        });
        Ok(done.min().unwrap_or(Instant::UNIX_EPOCH))
    }
}

impl Firing {
    /// The events of all that is due, by their instants, and what becomes of the obligations.
    fn announce(
        &self,
        claimed: Vec<Record>,
        in_force: &InForce,
        horizon: Instant,
        now: Instant,
    ) -> Result<(Vec<NewEvent>, Vec<Fired>), FireError> {
        let mut events: Vec<(Instant, NewEvent)> = Vec::new();
        let mut fired = Vec::with_capacity(claimed.len());
        for mut record in claimed {
            let (timing, end) = (record.timing(), record.end());
            let mut announced = record.announced();
            let quiet = in_force.quiet(&record.region_path, now);
            let told_provisional = announced.provisional;
            let mut warned_at = record.warned_at.map(Instant::from);
            let (mut warned_told, mut breached_told) =
                (record.warned_told.map(Instant::from), record.breached_told.map(Instant::from));
            for light in lights(&timing, end, &announced, horizon) {
                let id = record.id;
                if let Some(told) = &self.told {
                    told.lag.record(now.duration_since(light.at).as_secs_f64().max(0.0), &[]);
                    told.lights.add(1, &[]);
                }
                let quiet_until = quiet.holds(light.what, timing.due_inclusive, now);
                let row = publisher::encode(&mut record, &light, now, quiet_until);
                events.push((light.at, row.map_err(|source| FireError::Event { id, source })?));
                announced = announced.with(&light);
                match light.what {
                    Announcement::Warned => (warned_at, warned_told) = (Some(light.at), Some(now)),
                    Announcement::Breached => breached_told = Some(now),
                    _ => {}
                }
            }
            fired.push(Fired {
                id: record.id,
                provisional: announced.provisional && !told_provisional,
                warned_at,
                warned_told,
                breached_told,
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
}
