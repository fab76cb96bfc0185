//! What reporting takes from the bus: facts from dispatch, intake and sla-monitor, and the roster from intake. Everything else only advances the marks.

use dafei_contracts::{Event, Stream, catalogue::EventError};
use dafei_messaging::{
    consumer::{ConsumerConfig, Delivered, Handler, HandlerError},
    rebuild,
};
use dafei_reporting_core::{Fact, Replacement, facts_of, replacement_of};
use dafei_shell::roster::{RosterError, RosterPart, RosterView};
use sqlx::{PgConnection, PgPool};

use crate::{happening, store};

/// CloudEvents type of the roster's snapshots.
const SNAPSHOT: &str = "dafei.events.v1.RosterSnapshot";

/// Facts from dispatch's events.
#[derive(Debug, Clone, Copy, Default)]
pub struct DispatchFacts;

impl DispatchFacts {
    /// Durable name.
    pub const NAME: &'static str = "reporting-dispatch";

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::ordered(Stream::Dispatch.name())
    }
}

impl Handler for DispatchFacts {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        store::take(conn, all_facts(events)?).await?;
        Ok(())
    }
}

/// Columns 9 and 10 from the SLA monitor's accountability ledger.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlaFacts;

impl SlaFacts {
    /// Durable name.
    pub const NAME: &'static str = "reporting-sla";

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::ordered(Stream::Sla.name())
    }
}

impl Handler for SlaFacts {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let mut told = Vec::new();
        for (index, delivered) in events.iter().enumerate() {
            told.extend(replacement_in(delivered).map_err(|reason| HandlerError::Reject { index, reason })?);
        }
        store::replace(conn, told).await?;
        Ok(())
    }
}

/// What stands of an entry by an event, or why it cannot be counted.
fn replacement_in(delivered: &Delivered) -> Result<Option<Replacement>, String> {
    if !happening::DECIDED.contains(&delivered.event_type.as_str()) {
        return Ok(None);
    }
    let Some(event) = parse(delivered).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let decided = happening::decided(delivered, &event).map_err(|error| error.to_string())?;
    decided.map(|decided| replacement_of(&decided)).transpose().map_err(|error| error.to_string())
}

/// The facts of all events.
fn all_facts(events: &[Delivered]) -> Result<Vec<Fact>, HandlerError> {
    let mut facts = Vec::new();
    for (index, delivered) in events.iter().enumerate() {
        facts.extend(facts_in(delivered).map_err(|reason| HandlerError::Reject { index, reason })?);
    }
    Ok(facts)
}

/// The facts of an event, or why it cannot be counted.
fn facts_in(delivered: &Delivered) -> Result<Vec<Fact>, String> {
    if !happening::COUNTED.contains(&delivered.event_type.as_str()) {
        return Ok(Vec::new());
    }
    let Some(event) = parse(delivered).map_err(|error| error.to_string())? else {
        return Ok(Vec::new());
    };
    let mut facts = Vec::new();
    for happening in happening::of_event(delivered, &event).map_err(|error| error.to_string())? {
        facts.extend(facts_of(&happening).map_err(|error| error.to_string())?);
    }
    Ok(facts)
}

fn parse(delivered: &Delivered) -> Result<Option<Event>, EventError> {
    Event::from_json(&delivered.event_type, &delivered.payload)
}

/// The roster from intake's snapshots, and facts from its other events.
#[derive(Debug, Clone)]
pub struct IntakeEvents {
    roster: RosterView,
}

impl IntakeEvents {
    /// Durable name.
    pub const NAME: &'static str = "reporting-intake";

    /// Keeps this view of the roster up to date.
    #[must_use]
    pub const fn new(roster: RosterView) -> Self {
        Self { roster }
    }

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::ordered(Stream::Intake.name())
    }
}

impl Handler for IntakeEvents {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let facts = all_facts(events)?;
        let mut snapshots = Vec::new();
        for (index, delivered) in events.iter().enumerate().filter(|(_, delivered)| delivered.event_type == SNAPSHOT) {
            let reject = |reason: String| HandlerError::Reject { index, reason };
            if let Some(Event::RosterSnapshot(snapshot)) =
                parse(delivered).map_err(|error| reject(error.to_string()))?
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
        store::take(conn, facts).await?;
        Ok(())
    }
}

/// Forgets the projection and its marks in one transaction: with the next message (a publisher's watermark is enough) or at their next
/// start the consumers begin again at the start of their streams. Until they are through, tables show less. What the streams no longer
/// hold must be refilled from the publishers' event logs first.
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
