//! Going through all units when a period's yellow light comes: those that have not fulfilled the duty are recorded. After an outage over the
//! limit nothing else has to be done: firing knows which lights are stale.
//!
//! Any number of replicas may sweep: a pointer is one's at a time, and moves on with what was recorded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use dafei_kernel::{roster::RosterIndex, time::Instant};
use dafei_shell::{
    roster::{RosterError, RosterView},
    timer::{Due, Round},
};
use dafei_sla_core::{
    Clock, Terms,
    duty::{
        self,
        owed::{Owed, owed_from},
        period::{Period, PeriodError},
    },
    lights::never,
};
use sqlx::PgPool;

use super::{Running, begin, insert, members, needs};
use crate::{
    firing::Guard,
    store::{
        duties as rows,
        duty_sweep::{self, Owing, Pointer},
        horizon::{self, Horizons},
    },
    terms::{InForce, TermsView},
};

/// Units of one transaction.
const BATCH: usize = 2_000;

/// Why a round failed; nothing of it is done then.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// PostgreSQL refused or is away.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The roster cannot be read.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// A pointer stands at no period.
    #[error(transparent)]
    Period(#[from] PeriodError),
}

/// Goes through the units of what falls due.
#[derive(Debug, Clone)]
pub struct Sweeps {
    pool: PgPool,
    terms: TermsView,
    roster: RosterView,
    batch: usize,
    /// Against a machine's clock that jumps ahead; none for an exercise's.
    guard: Option<Arc<Guard>>,
    /// The rules by which pointers were set: others may put another duty in force.
    armed: Arc<Mutex<Option<Arc<InForce>>>>,
}

impl Sweeps {
    /// Sweeps by these terms; owners are those of this roster.
    #[must_use]
    pub fn new(pool: PgPool, terms: TermsView, roster: RosterView) -> Self {
        Self { pool, terms, roster, batch: BATCH, guard: None, armed: Arc::default() }
    }

    /// Believes of the clock what its guard does: what a jump ahead made due would be recorded of all who have time left.
    #[must_use]
    pub fn guarded(self, guard: Arc<Guard>) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// With as many units in one transaction, for tests.
    #[must_use]
    pub fn with_batch(mut self, units: usize) -> Self {
        self.batch = units;
        self
    }

    /// Sets the pointers of duties that came into force since the units that owe them entered the roster: at the start, and when rules are
    /// replaced.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn arm(&self) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        rows::lock(&mut tx).await?;
        let units = duty_sweep::first_units(&mut tx).await?;
        let in_force = self.terms.refresh(&mut tx).await?;
        members::arm(&mut tx, &in_force.rules, units.into_iter()).await?;
        tx.commit().await?;
        self.set_anew(&in_force.rules).await?;
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(in_force);
        Ok(())
    }

    /// Other rules may have another yellow light: a period whose limit was shortened must not be looked at too late. In a transaction of its own,
    /// since a sweep locks its pointer before anything else.
    async fn set_anew(&self, rules: &Terms) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        for mut pointer in duty_sweep::all(&mut tx).await? {
            let Ok(period) = pointer.period.parse::<Period>() else { continue };
            let at = light(owed_from(rules, pointer.clock, pointer.kind, period).as_ref());
            if pointer.at != at {
                pointer.at = at;
                duty_sweep::advance(&mut tx, &pointer).await?;
            }
        }
        tx.commit().await
    }

    /// The rules of now; pointers are set anew when they are others than before.
    async fn in_force(&self) -> sqlx::Result<Arc<InForce>> {
        let in_force = {
            let mut conn = self.pool.acquire().await?;
            self.terms.refresh(&mut conn).await?
        };
        let same = {
            let armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
            armed.as_ref().is_some_and(|armed| Arc::ptr_eq(armed, &in_force))
        };
        if !same {
            self.arm().await?;
        }
        Ok(in_force)
    }

    /// The clocks that any version of the rules has, each with its horizon; without those whose publishers have said nothing yet, for whom nobody
    /// waits. Who owes a duty intake tells, whoever tells that it was done: units that are not known yet would be passed over.
    fn horizons(in_force: &InForce, horizons: &Horizons) -> BTreeMap<Clock, Instant> {
        let rules = in_force.rules.city_since(Instant::MIN).flat_map(|(_, _, rules)| rules.duties());
        rules.filter_map(|rule| Some((rule.clock, horizons.of(needs(rule))?))).collect()
    }

    async fn sweep(&self, now: Instant) -> Result<Round, SweepError> {
        let in_force = self.in_force().await?;
        let mut tx = self.pool.begin().await?;
        let horizons = Self::horizons(&in_force, &horizon::read(&mut *tx, now).await?);
        let Some(mut pointer) = duty_sweep::claim(&mut tx, &horizons).await? else { return Ok(Round::Waits) };
        let (clock, kind) = (pointer.clock, pointer.kind);
        let owed = owed_from(&in_force.rules, clock, kind, pointer.period.parse()?);
        let at = light(owed.as_ref());
        // Where other rules hold than when the pointer was set, it steps aside: no other duty must wait behind it.
        let Some(owed) = owed.filter(|_| horizons.get(&clock).is_some_and(|horizon| at <= *horizon)) else {
            pointer.at = at;
            duty_sweep::advance(&mut tx, &pointer).await?;
            tx.commit().await?;
            return Ok(Round::More);
        };
        let period = owed.period;
        if period.to_string() != pointer.period {
            // None of those between is owed.
            (pointer.period, pointer.after) = (period.to_string(), String::new());
        }
        rows::lock(&mut tx).await?;
        let limit = i64::try_from(self.batch).unwrap_or(i64::MAX);
        let owing = if owed.stays(&in_force.rules) {
            duty_sweep::scan(&mut *tx, &pointer, owed.inputs.timing.started_at, limit).await?
        } else {
            Vec::new()
        };
        // Owners are looked up in it: it must not be older than the units in the tables.
        let (roster, _) = self.roster.refresh(&mut tx).await?;
        let new = record(&owed, &pointer, &owing, &roster);
        insert(&mut tx, &new).await?;
        match owing.last().filter(|_| owing.len() == self.batch) {
            Some(last) => pointer.after = last.unit.to_string(),
            None => {
                let next = period.next();
                let at = light(owed_from(&in_force.rules, clock, kind, next).as_ref());
                pointer = Pointer { clock, kind, period: next.to_string(), at, after: String::new() };
            }
        }
        duty_sweep::advance(&mut tx, &pointer).await?;
        let recorded = new.len();
        tx.commit().await?;
        tracing::debug!(%clock, %period, units = owing.len(), recorded, "swept");
        Ok(Round::More)
    }
}

/// The yellow light of what is owed; never, where nothing is.
fn light(owed: Option<&Owed<'_>>) -> Instant {
    owed.map_or_else(never, |owed| owed.inputs.timing.warn_at)
}

/// The rows of those units that owe the duty and have not fulfilled it before its yellow light.
fn record<'i>(owed: &'i Owed<'_>, pointer: &Pointer, owing: &[Owing], roster: &RosterIndex) -> Vec<rows::New<'i>> {
    let (rule, inputs) = (owed.rule, &owed.inputs);
    let mut new = Vec::new();
    for one in owing.iter().filter(|one| !owed.spares(&one.unit, roster)) {
        let end = duty::end(&inputs.timing, rule.count, &one.acts, one.left_at);
        if duty::is_due(&inputs.timing, end) {
            let (unit, period, path) = (&one.unit, pointer.period.as_str(), &one.path);
            new.extend(begin(Running { rule, inputs, unit, period, leg: 1, path, end }, roster));
        }
    }
    new
}

impl Due for Sweeps {
    type Error = SweepError;

    fn name(&self) -> &'static str {
        "duties"
    }

    async fn next_due(&self) -> sqlx::Result<Option<Instant>> {
        let in_force = self.in_force().await?;
        let known = Self::horizons(&in_force, &horizon::read(&self.pool, Instant::MAX).await?);
        let next = duty_sweep::next(&self.pool).await?;
        Ok(next.into_iter().filter(|(clock, at)| known.contains_key(clock) && *at < never()).map(|(_, at)| at).min())
    }

    async fn round(&self, now: Instant) -> Result<Round, SweepError> {
        self.sweep(self.guard.as_ref().map_or(now, |guard| guard.now())).await
    }
}
