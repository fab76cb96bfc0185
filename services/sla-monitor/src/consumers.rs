//! What the SLA monitor takes from the bus: the facts of cases from intake and dispatch, the roster and the villages' acts from intake, what
//! fulfils the offices' duties from reporting, and how far each publisher's stream is complete.

use std::collections::BTreeMap;

use dafei_contracts::{
    Event, Stream,
    convert::{self, Field as _},
    events::v1::RosterSnapshot,
};
use dafei_kernel::{region::Region, time::Instant};
use dafei_messaging::{
    consumer::{self, ConsumerConfig, Delivered, Handler, HandlerError},
    rebuild,
};
use dafei_shell::{
    publish,
    roster::{RosterError, RosterPart, RosterView},
};
use dafei_sla_core::Source;
use sqlx::{PgConnection, PgPool};

use crate::{
    accountability::{
        evaluations,
        reports::{self, Report},
    },
    duties,
    facts::{CaseFact, of_event},
    ledger,
    store::{self, accountability::queue, facts, horizon},
    terms::TermsView,
};

/// CloudEvents type of the roster's snapshots.
const SNAPSHOT: &str = "dafei.events.v1.RosterSnapshot";

/// What the ledger is made from.
pub const STREAMS: [Stream; 3] = [Stream::Intake, Stream::Dispatch, Stream::Reporting];

/// Takes one publisher's stream.
#[derive(Debug, Clone)]
pub struct CaseEvents {
    source: Source,
    terms: TermsView,
    roster: RosterView,
}

impl CaseEvents {
    /// Intake's: the village's steps and the roster.
    #[must_use]
    pub const fn intake(terms: TermsView, roster: RosterView) -> Self {
        Self { source: Source::Intake, terms, roster }
    }

    /// Dispatch's: the case from the township centre up.
    #[must_use]
    pub const fn dispatch(terms: TermsView, roster: RosterView) -> Self {
        Self { source: Source::Dispatch, terms, roster }
    }

    /// Which stream, and how: whatever is told of a case, all of its facts and obligations are read.
    #[must_use]
    pub fn config(&self) -> ConsumerConfig {
        ConsumerConfig::gathering(stream(self.source).name())
    }
}

/// The stream of a publisher. What the reconciler finds comes from none; it is never asked.
const fn stream(source: Source) -> Stream {
    match source {
        Source::Intake => Stream::Intake,
        Source::Dispatch | Source::Reconciler => Stream::Dispatch,
    }
}

/// Name of the consumer.
const fn name(source: Source) -> &'static str {
    match source {
        Source::Intake => "sla-monitor-intake",
        Source::Dispatch | Source::Reconciler => "sla-monitor-dispatch",
    }
}

/// The key under which the marks of a publisher's cases are kept.
pub(crate) fn key(source: Source) -> String {
    consumer::key(name(source), stream(source).name())
}

/// The CloudEvents source of a publisher's events.
pub(crate) fn event_source(source: Source) -> String {
    publish::source(source.code())
}

impl Handler for CaseEvents {
    fn name(&self) -> &'static str {
        name(self.source)
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        if self.source == Source::Intake {
            // First the roster: the owners of what the same batch starts are looked up in it.
            let told = self.take_roster(conn, events).await?;
            let roster = self.roster.current();
            let in_force = self.terms.refresh(conn).await?;
            if !told.is_empty() {
                duties::take_roster(conn, &in_force.rules, &roster, told).await?;
            }
            duties::take_village(conn, &in_force.rules, &roster, events).await?;
        }
        let facts = facts_of(self.source, events)?;
        let reports = reports_of(self.source, events)?;
        if !reports.is_empty() {
            queue::add_reports(conn, &reports).await?;
        }
        ledger::take(conn, &self.terms, &self.roster.current(), &facts).await?;
        Ok(())
    }

    async fn on_watermark(&self, conn: &mut PgConnection, service: &str, through: Instant) -> Result<(), HandlerError> {
        Ok(horizon::move_to(conn, service, through).await?)
    }
}

fn facts_of(source: Source, events: &[Delivered]) -> Result<Vec<CaseFact>, HandlerError> {
    let mut facts = Vec::new();
    for (index, delivered) in events.iter().enumerate() {
        let fact = of_event(source, delivered);
        facts.extend(fact.map_err(|error| HandlerError::Reject { index, reason: error.to_string() })?);
    }
    Ok(facts)
}

/// Results of evaluations below the mark.
fn evaluated(events: &[Delivered]) -> Result<Vec<Report>, HandlerError> {
    let mut found = Vec::new();
    for (index, delivered) in events.iter().enumerate() {
        let report = evaluations::of_event(delivered);
        found.extend(report.map_err(|error| HandlerError::Reject { index, reason: error.to_string() })?);
    }
    Ok(found)
}

/// What cases record of people.
fn reports_of(source: Source, events: &[Delivered]) -> Result<Vec<Report>, HandlerError> {
    if source != Source::Dispatch {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (index, delivered) in events.iter().enumerate() {
        let report = reports::of_event(delivered);
        found.extend(report.map_err(|error| HandlerError::Reject { index, reason: error.to_string() })?);
    }
    Ok(found)
}

impl CaseEvents {
    /// Answers with all snapshots, each with its instant, in their order.
    async fn take_roster(
        &self,
        conn: &mut PgConnection,
        events: &[Delivered],
    ) -> Result<Vec<(Instant, RosterPart)>, HandlerError> {
        let mut told = Vec::new();
        // Of several snapshots of one region the last says it all; those that administer come before what they administer.
        let mut latest: BTreeMap<Region, RosterSnapshot> = BTreeMap::new();
        for (index, delivered) in events.iter().enumerate().filter(|(_, event)| event.event_type == SNAPSHOT) {
            let reject = |reason: String| HandlerError::Reject { index, reason };
            let event = Event::from_json(&delivered.event_type, &delivered.payload);
            if let Some(Event::RosterSnapshot(snapshot)) = event.map_err(|error| reject(error.to_string()))? {
                let part = RosterPart::try_from(&snapshot).map_err(|error| reject(error.to_string()))?;
                let received = snapshot
                    .meta
                    .as_ref()
                    .required("meta")
                    .and_then(|meta| convert::instant("meta.received_at", meta.received_at));
                latest.insert(part.region.clone(), snapshot);
                told.push((received.map_err(|error| reject(error.to_string()))?, part));
            }
        }
        if latest.is_empty() {
            return Ok(told);
        }
        let snapshots: Vec<_> = latest.values().collect();
        self.roster.apply(conn, &snapshots).await.map_err(|error| match error {
            RosterError::Sql(error) => error.into(),
            other => HandlerError::Retry(Box::new(other)),
        })?;
        Ok(told)
    }
}

/// Name of the consumer of reporting's stream.
const REPORTING: &str = "sla-monitor-reporting";

/// Takes reporting's stream: briefings, tables, evaluations. Reporting's relay makes the stream; as long as it is not there, it is waited for.
#[derive(Debug, Clone)]
pub struct ReportingEvents {
    terms: TermsView,
}

impl ReportingEvents {
    /// By these terms.
    #[must_use]
    pub const fn new(terms: TermsView) -> Self {
        Self { terms }
    }

    /// Which stream, and how.
    #[must_use]
    pub fn config(&self) -> ConsumerConfig {
        ConsumerConfig::unhurried(Stream::Reporting.name())
    }
}

impl Handler for ReportingEvents {
    fn name(&self) -> &'static str {
        REPORTING
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let in_force = self.terms.refresh(conn).await?;
        let reports = evaluated(events)?;
        if !reports.is_empty() {
            queue::add_reports(conn, &reports).await?;
        }
        duties::take_reporting(conn, &in_force.rules, events).await
    }

    async fn on_watermark(&self, conn: &mut PgConnection, service: &str, through: Instant) -> Result<(), HandlerError> {
        Ok(horizon::move_to(conn, service, through).await?)
    }
}

/// Forgets all facts and how far the streams were read, in one transaction: the consumers start over and make the ledger again from the
/// streams. Obligations keep their deadlines and what was announced of them, so nothing is announced twice. What the streams no longer hold
/// is lost: the caller sees first that each of [`STREAMS`] still begins at its first message.
///
/// # Errors
/// When PostgreSQL refuses or is away; then nothing is forgotten.
pub async fn rebuild(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    // The positions first, as consumers that run lock them: neither waits for the other's end then.
    rebuild::reset_consumer(&mut tx, REPORTING, Stream::Reporting.name()).await?;
    for source in [Source::Intake, Source::Dispatch] {
        rebuild::reset_consumer(&mut tx, name(source), stream(source).name()).await?;
    }
    facts::clear(&mut tx).await?;
    store::duties::clear(&mut tx).await?;
    tx.commit().await
}
