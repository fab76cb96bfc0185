//! Dispatch's events: an outcome waits in its village to be published (clause C5). Its other events change nothing here; a case's closing
//! follows from what the village itself did.

use std::sync::Arc;

use dafei_contracts::{Event, catalogue::EventError, convert};
use dafei_intake_core::suspicion::Command;
use dafei_messaging::{
    batch::BatchFailure,
    consumer::{Delivered, Handler, HandlerError},
};
use sqlx::PgConnection;

use crate::{
    app::App,
    work::{Order, Work},
};

/// Takes DAFEI_DISPATCH.
pub struct DispatchHandler {
    app: Arc<App>,
}

impl DispatchHandler {
    /// The service's handler.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl Handler for DispatchHandler {
    fn name(&self) -> &'static str {
        "intake"
    }

    async fn apply(&self, conn: &mut PgConnection, events: &[Delivered]) -> Result<(), HandlerError> {
        let mut orders = Vec::new();
        for (index, event) in events.iter().enumerate() {
            orders.extend(order(event).map_err(|error| reject(index, &error))?.map(|order| (index, order)));
        }
        if orders.is_empty() {
            return Ok(());
        }
        let now = self.app.clock.now();
        let borrowed: Vec<&Order> = orders.iter().map(|(_, order)| order).collect();
        let mut work = Work::load(&self.app, conn, now, &borrowed, &[]).await?;
        for (index, order) in &orders {
            // A case that came from above, or by a check: no village's suspicion.
            if work.suspicion(order.case).is_some() {
                work.carry_out(order).map_err(|refusal| reject(*index, &refusal))?;
            }
        }
        work.save(conn).await.map_err(retry)
    }
}

fn reject(index: usize, error: &dyn std::error::Error) -> HandlerError {
    HandlerError::Reject { index, reason: error.to_string() }
}

/// The consumer loop knows by the database's error whether to try again.
fn retry(failure: BatchFailure) -> HandlerError {
    match failure {
        BatchFailure::Data(error) | BatchFailure::Unavailable(error) | BatchFailure::Unknown(error) => error.into(),
    }
}

fn order(delivered: &Delivered) -> Result<Option<Order>, EventError> {
    let Some(Event::OutcomeAvailable(event)) = Event::from_json(&delivered.event_type, &delivered.payload)? else {
        return Ok(None);
    };
    Ok(Some(Order {
        case: convert::uuid("case_id", &event.case_id)?,
        command: Command::LearnOutcome { public_text: event.public_text },
        actor: None,
        expected_version: None,
        traceparent: delivered.traceparent.clone(),
    }))
}
