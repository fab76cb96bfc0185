//! Dispatch's events: an outcome waits in its village to be published (clause C5), a case ended above the village or is taken up again, a tip
//! was verified (clause D3), an agency's own system told of an inspection (clause B5). Its other events change nothing here; a case's closing
//! follows from what the village itself did.

use std::sync::Arc;

use dafei_contracts::{
    Event,
    catalogue::EventError,
    convert::{self, ConvertError, Field as _},
    events::v1 as ev,
};
use dafei_intake_core::{suspicion::Command, tip::Verdict};
use dafei_kernel::{owner::Post, time::truncate_hour};
use dafei_messaging::{
    batch::BatchFailure,
    consumer::{Delivered, Handler, HandlerError},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    app::{self, App, Reported, tips},
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
        let (mut orders, mut verdicts, mut inspections) = (Vec::new(), Vec::new(), Vec::new());
        for (index, event) in events.iter().enumerate() {
            match effect(event).map_err(|error| reject(index, &error))? {
                Some(Effect::Order(order)) => orders.push((index, order)),
                Some(Effect::Verdict(tip, verdict)) => verdicts.push((index, (tip, verdict))),
                Some(Effect::Inspected(reported)) => inspections.push((index, *reported)),
                None => {}
            }
        }
        self.verify(conn, verdicts).await?;
        app::take_inspections(&self.app, conn, inspections).await?;
        if orders.is_empty() {
            return Ok(());
        }
        let now = self.app.clock.now();
        let borrowed: Vec<&Order> = orders.iter().map(|(_, order)| order).collect();
        let mut work = Work::lock(&self.app, conn, now, &borrowed).await?;
        work.load(conn, &borrowed, &[]).await?;
        for (index, order) in &orders {
            // A case that came from above, or by a check: no village's suspicion.
            if work.suspicion(order.case).is_some() {
                work.carry_out(order).map_err(|refusal| reject(*index, &refusal))?;
            }
        }
        work.save(conn).await.map_err(retry)
    }
}

impl DispatchHandler {
    /// Verdicts are told of tips that intake has told of: one that is not there is a fault.
    async fn verify(
        &self,
        conn: &mut PgConnection,
        verdicts: Vec<(usize, (Uuid, Verdict))>,
    ) -> Result<(), HandlerError> {
        let (indices, verdicts): (Vec<usize>, Vec<_>) = verdicts.into_iter().unzip();
        match tips::verify(conn, &verdicts).await? {
            None => Ok(()),
            Some(at) => Err(HandlerError::Reject { index: indices[at], reason: "there is no such tip".to_owned() }),
        }
    }
}

/// What an event does here.
enum Effect {
    Order(Order),
    Verdict(Uuid, Verdict),
    Inspected(Box<Reported>),
}

fn reject(index: usize, error: &dyn std::error::Error) -> HandlerError {
    HandlerError::Reject { index, reason: error.to_string() }
}

/// The consumer loop knows by the database's error whether to try again.
pub(crate) fn retry(failure: BatchFailure) -> HandlerError {
    match failure {
        BatchFailure::Data(error)
        | BatchFailure::TooLong(error)
        | BatchFailure::Unavailable(error)
        | BatchFailure::Unknown(error) => error.into(),
    }
}

fn effect(delivered: &Delivered) -> Result<Option<Effect>, EventError> {
    let order = |case_id: &str, command: Command| -> Result<Option<Effect>, EventError> {
        Ok(Some(Effect::Order(Order {
            case: convert::uuid("case_id", case_id)?,
            command,
            actor: None,
            expected_version: None,
            traceparent: delivered.traceparent.clone(),
        })))
    };
    Ok(match Event::from_json(&delivered.event_type, &delivered.payload)? {
        Some(Event::OutcomeAvailable(event)) => {
            order(&event.case_id, Command::LearnOutcome { public_text: event.public_text })?
        }
        Some(Event::CaseMerged(event)) => {
            // Empty where those who see the one that ended may not know of the other.
            let into = Some(event.into_case_id.as_str()).filter(|id| !id.is_empty());
            let into = into.map(|id| convert::uuid("into_case_id", id)).transpose()?;
            order(&event.case_id, Command::LearnMerging { into, reason: event.reason })?
        }
        Some(Event::CaseWithdrawn(event)) => order(&event.case_id, Command::LearnWithdrawal { reason: event.reason })?,
        Some(Event::CaseReopened(event)) => order(&event.case_id, Command::LearnReopening)?,
        Some(Event::TipVerified(event)) => {
            Some(Effect::Verdict(convert::uuid("tip_id", &event.tip_id)?, verdict(&event)?))
        }
        Some(Event::DailyWorkReported(event)) => Some(Effect::Inspected(Box::new(reported(event, delivered)?))),
        _ => None,
    })
}

fn reported(event: ev::DailyWorkReported, delivered: &Delivered) -> Result<Reported, ConvertError> {
    let received_at = event.meta.as_ref().required("meta")?.received_at;
    Ok(Reported {
        id: convert::uuid("inspection_id", &event.inspection_id)?,
        by: Post::try_from(event.by.as_ref().required("by")?)?,
        report: event.inspection.required("inspection")?,
        at: convert::instant("meta.received_at", received_at)?,
        traceparent: delivered.traceparent.clone(),
    })
}

fn verdict(event: &ev::TipVerified) -> Result<Verdict, ConvertError> {
    let holds = match event.verdict() {
        ev::TipVerdict::True => true,
        ev::TipVerdict::False => false,
        ev::TipVerdict::Unspecified => return Err(ConvertError::required("verdict")),
    };
    Ok(Verdict {
        holds,
        by: Post::try_from(event.by.as_ref().required("by")?)?,
        hour: truncate_hour(convert::instant("verified_at", event.verified_at)?),
        case: Some(convert::uuid("case_id", &event.case_id)?),
    })
}
