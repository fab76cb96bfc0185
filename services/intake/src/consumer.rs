//! What intake takes from the bus: the outcomes of its cases, from dispatch (clause C5). Everything else only advances the marks.

use std::sync::Arc;

use dafei_contracts::{Event, Stream, convert};
use dafei_messaging::consumer::{ConsumerConfig, Delivered, Handler, HandlerError};
use sqlx::PgConnection;

use crate::app::{App, Learned, learn};

/// CloudEvents type of the event that brings an outcome. `closed` brings nothing new: the village's publication is what closes a case.
const OUTCOME: &str = "dafei.events.v1.OutcomeAvailable";

/// Outcomes from dispatch.
#[derive(Clone)]
pub struct DispatchOutcomes {
    app: Arc<App>,
}

impl DispatchOutcomes {
    /// Durable name.
    pub const NAME: &'static str = "intake-dispatch";

    /// Takes outcomes into the service's suspicions.
    #[must_use]
    pub const fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Which stream, and how.
    #[must_use]
    pub fn config() -> ConsumerConfig {
        ConsumerConfig::ordered(Stream::Dispatch.name())
    }
}

impl Handler for DispatchOutcomes {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let mut outcomes = Vec::new();
        let mut places = Vec::new();
        for (index, delivered) in events.iter().enumerate().filter(|(_, delivered)| delivered.event_type == OUTCOME) {
            outcomes.push(read(delivered).map_err(|reason| HandlerError::Reject { index, reason })?);
            places.push(index);
        }
        if outcomes.is_empty() {
            return Ok(());
        }
        let rejected = learn(&self.app, conn, &outcomes).await?;
        match rejected.first() {
            None => Ok(()),
            Some((at, rejection)) => {
                Err(HandlerError::Reject { index: places[*at], reason: format!("case {}: {rejection}", outcomes[*at].case) })
            }
        }
    }
}

fn read(delivered: &Delivered) -> Result<Learned, String> {
    match Event::from_json(&delivered.event_type, &delivered.payload).map_err(|error| error.to_string())? {
        Some(Event::OutcomeAvailable(outcome)) => Ok(Learned {
            case: convert::uuid("case_id", &outcome.case_id).map_err(|error| error.to_string())?,
            public_text: outcome.public_text,
        }),
        _ => Err(format!("{} is no outcome", delivered.event_type)),
    }
}
