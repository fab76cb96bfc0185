//! The group commit of the gRPC commands: what arrived together is loaded, decided and written in one transaction.

use std::sync::Arc;

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::suspicion::{Reason, Rejection};
use dafei_messaging::{
    batch::{BatchCommand, BatchExecutor, BatchFailure, BatchQueue},
    requests::{self, RequestKey, StoredRequest},
    tx,
};
use prost::Message;

use crate::{
    app::App,
    wire,
    work::{NewPatrol, Order, Refusal, Work},
};

/// The queue in front of the writer.
pub(crate) type Queue = BatchQueue<Writer>;

/// A write of a gRPC call.
pub struct Write {
    /// The request id and the hash of its payload.
    pub(crate) request: (RequestKey, [u8; 32]),
    /// What it asks.
    pub(crate) action: Action,
}

/// What a write asks.
pub(crate) enum Action {
    /// A command to a suspicion.
    Suspicion(Box<Order>),
    /// To record a patrol.
    Patrol(Box<NewPatrol>),
}

/// What a write is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The suspicion as kept now.
    Suspicion(Box<api::Suspicion>),
    /// The patrol.
    Patrol(api::RecordPatrolResponse),
}

impl Answer {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Suspicion(suspicion) => suspicion.encode_to_vec(),
            Self::Patrol(patrol) => patrol.encode_to_vec(),
        }
    }

    /// The answer that was stored for a write of this kind; within one method all are of one kind.
    fn decode(action: &Action, bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Ok(match action {
            Action::Suspicion(_) => Self::Suspicion(Box::new(api::Suspicion::decode(bytes)?)),
            Action::Patrol(_) => Self::Patrol(api::RecordPatrolResponse::decode(bytes)?),
        })
    }
}

impl BatchCommand for Write {
    fn request_key(&self) -> Option<&RequestKey> {
        Some(&self.request.0)
    }
}

/// Writes batches.
pub struct Writer {
    app: Arc<App>,
}

impl Writer {
    /// A writer of the service.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl BatchExecutor for Writer {
    type Command = Write;
    type Answer = Answer;
    type Error = Refusal;

    async fn execute(&self, batch: &[Write]) -> Result<Vec<Result<Answer, Refusal>>, BatchFailure> {
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let now = self.app.clock.now();
        let keys: Vec<RequestKey> = batch.iter().map(|write| write.request.0.clone()).collect();
        let answered = requests::find(&mut tx, &keys).await?;
        let (mut orders, mut patrols) = (Vec::new(), Vec::new());
        for write in batch.iter().filter(|write| !answered.contains_key(&write.request.0)) {
            match &write.action {
                Action::Suspicion(order) => orders.push(&**order),
                Action::Patrol(patrol) => patrols.push(&**patrol),
            }
        }
        let mut work = Work::load(&self.app, &mut tx, now, &orders, &patrols).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut stored = Vec::with_capacity(batch.len());
        for write in batch {
            let (key, hash) = &write.request;
            if let Some(first) = answered.get(key) {
                answers.push(replay(write, first));
                continue;
            }
            let answer = carry_out(&mut work, &write.action);
            if let Ok(answer) = &answer {
                stored.push(StoredRequest {
                    key: key.clone(),
                    payload_hash: hash.to_vec(),
                    answer: answer.encode(),
                    recorded_at: now,
                });
            }
            answers.push(answer);
        }
        work.save(&mut tx).await?;
        requests::store(&mut tx, &stored).await?;
        tx::commit(tx).await?;
        Ok(answers)
    }
}

/// The first answer to the same request, or that it was another request.
fn replay(write: &Write, first: &StoredRequest) -> Result<Answer, Refusal> {
    if first.payload_hash != write.request.1 {
        return Err(Refusal::RequestIdReused);
    }
    Ok(Answer::decode(&write.action, &first.answer)?)
}

fn carry_out(work: &mut Work<'_>, action: &Action) -> Result<Answer, Refusal> {
    match action {
        Action::Suspicion(order) => {
            work.carry_out(order)?;
            let absent = Rejection { reason: Reason::NoSuchCase, state: None, goes_on_as: None };
            let suspicion = work.suspicion(order.case).ok_or(absent)?;
            Ok(Answer::Suspicion(Box::new(wire::suspicion(suspicion))))
        }
        Action::Patrol(patrol) => {
            let recorded = work.patrol(patrol)?;
            Ok(Answer::Patrol(api::RecordPatrolResponse {
                patrol_id: recorded.id.to_string(),
                patrolled_at: Some(recorded.at.into()),
                patrols_this_week: recorded.this_week,
            }))
        }
    }
}
