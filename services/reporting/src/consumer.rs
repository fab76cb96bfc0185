//! What reporting takes from the bus: facts from dispatch, intake and sla-monitor, and the roster from intake. Everything else only advances the marks.
//! What counts is kept as it was received, in the same transaction.

use dafei_contracts::{Event, Stream};
use dafei_messaging::{
    consumer::{ConsumerConfig, Delivered, Handler, HandlerError},
    rebuild,
};
use dafei_reporting_core::Fact;
use dafei_shell::roster::{RosterError, RosterPart, RosterView};
use sqlx::{PgConnection, PgPool};

use crate::{
    activity,
    counting::{counts, facts_in, replacement_in},
    exposure, store, work,
};

/// CloudEvents type of the roster's snapshots.
const SNAPSHOT: &str = "dafei.events.v1.RosterSnapshot";

/// Facts from dispatch's events.
#[derive(Debug, Clone, Copy, Default)]
pub struct DispatchFacts;

impl DispatchFacts {
    /// Name of the consumer.
    pub const NAME: &'static str = "reporting-dispatch";

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::unhurried(Stream::Dispatch.name())
    }
}

impl Handler for DispatchFacts {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let facts = all_facts(events)?;
        let activity = activity::of_events(Stream::Dispatch, events)?;
        store::disclosure::take(conn, exposure::words_of(events)?).await?;
        keep(conn, Stream::Dispatch, events).await?;
        store::take(conn, facts).await?;
        store::take_activity(conn, activity).await?;
        Ok(())
    }
}

/// Columns 9 and 10 from the SLA monitor's accountability ledger.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlaFacts;

impl SlaFacts {
    /// Name of the consumer.
    pub const NAME: &'static str = "reporting-sla";

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::unhurried(Stream::Sla.name())
    }
}

impl Handler for SlaFacts {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let mut told = Vec::new();
        for (index, delivered) in events.iter().enumerate() {
            told.extend(replacement_in(delivered.into()).map_err(|reason| HandlerError::Reject { index, reason })?);
        }
        let activity = activity::of_events(Stream::Sla, events)?;
        keep(conn, Stream::Sla, events).await?;
        store::replace(conn, told).await?;
        store::take_activity(conn, activity).await?;
        Ok(())
    }
}

/// The facts of all events.
fn all_facts(events: &[Delivered]) -> Result<Vec<Fact>, HandlerError> {
    let mut facts = Vec::new();
    for (index, delivered) in events.iter().enumerate() {
        facts.extend(facts_in(delivered.into()).map_err(|reason| HandlerError::Reject { index, reason })?);
    }
    Ok(facts)
}

/// Keeps what counts as it was received, in the transaction that counts it.
async fn keep(conn: &mut PgConnection, stream: Stream, events: &[Delivered]) -> sqlx::Result<()> {
    let counted: Vec<&Delivered> = events.iter().filter(|event| counts(&event.event_type)).collect();
    store::keep(conn, stream.name(), &counted).await
}

/// The roster from intake's snapshots, and facts from its other events.
#[derive(Debug, Clone)]
pub struct IntakeEvents {
    roster: RosterView,
}

impl IntakeEvents {
    /// Name of the consumer.
    pub const NAME: &'static str = "reporting-intake";

    /// Keeps this view of the roster up to date.
    #[must_use]
    pub const fn new(roster: RosterView) -> Self {
        Self { roster }
    }

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::unhurried(Stream::Intake.name())
    }
}

impl Handler for IntakeEvents {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let facts = all_facts(events)?;
        let activity = activity::of_events(Stream::Intake, events)?;
        let mut snapshots = Vec::new();
        for (index, delivered) in events.iter().enumerate().filter(|(_, delivered)| delivered.event_type == SNAPSHOT) {
            let reject = |reason: String| HandlerError::Reject { index, reason };
            if let Some(Event::RosterSnapshot(snapshot)) = Event::from_json(&delivered.event_type, &delivered.payload)
                .map_err(|error| reject(error.to_string()))?
            {
                RosterPart::try_from(&snapshot).map_err(|error| reject(error.to_string()))?;
                snapshots.push(snapshot);
            }
        }
        let snapshots: Vec<_> = snapshots.iter().collect();
        self.roster.apply(conn, &snapshots).await.map_err(|error| match error {
            RosterError::Sql(error) => error.into(),
            other => HandlerError::Retry(Box::new(other)),
        })?;
        store::work::add(conn, work::entries_of(events, &self.roster.current())?).await?;
        keep(conn, Stream::Intake, events).await?;
        store::take(conn, facts).await?;
        store::take_activity(conn, activity).await?;
        Ok(())
    }
}

/// Forgets the projection and its marks in one transaction: with the next message (a publisher's watermark is enough) or at their next
/// start the consumers begin again at the start of their streams. Until they are through, tables show less. What the streams no longer
/// hold must be refilled from the publishers' event logs first. What was received stays, and what comes again adds nothing to it.
///
/// # Errors
/// When PostgreSQL refuses or is away; then nothing is forgotten.
pub async fn rebuild(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    // The consumers' positions first: a running batch ends before the tables are touched, and none begins.
    rebuild::reset_consumer(&mut tx, DispatchFacts::NAME, Stream::Dispatch.name()).await?;
    rebuild::reset_consumer(&mut tx, IntakeEvents::NAME, Stream::Intake.name()).await?;
    rebuild::reset_consumer(&mut tx, SlaFacts::NAME, Stream::Sla.name()).await?;
    store::clear(&mut tx).await?;
    tx.commit().await
}
