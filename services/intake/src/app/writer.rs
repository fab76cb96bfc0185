//! The group commit of the gRPC commands: what arrived together is loaded, decided and written in one transaction.

use std::sync::Arc;

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::suspicion::{Reason, Rejection};
use dafei_messaging::{
    batch::{BatchCommand, BatchExecutor, BatchFailure, BatchOptions, BatchQueue},
    requests::{self, RequestKey, StoredRequest},
    tx,
};
use prost::Message;

use crate::{
    app::App,
    wire,
    work::{NewPatrol, Order, Recorded, Refusal, Work},
};

/// The queue in front of the writer.
pub(crate) type Queue = BatchQueue<Writer>;

/// A write of a gRPC call.
pub struct Write {
    /// The request id and the hash of its payload; none for what carries keys of its own.
    pub(crate) request: Option<(RequestKey, [u8; 32])>,
    /// What it asks.
    pub(crate) action: Action,
}

/// What a write asks.
pub(crate) enum Action {
    /// A command to a suspicion.
    Suspicion(Box<Order>),
    /// To record a patrol.
    Patrol(Box<NewPatrol>),
    /// To record the patrols of a part of an upload.
    Patrols(Vec<NewPatrol>),
}

impl Action {
    /// The command to a suspicion, if it is one.
    fn order(&self) -> Option<&Order> {
        match self {
            Self::Suspicion(order) => Some(order),
            Self::Patrol(_) | Self::Patrols(_) => None,
        }
    }
}

/// What a write is answered.
#[derive(Debug)]
pub enum Answer {
    /// The suspicion as kept now.
    Suspicion(Box<api::Suspicion>),
    /// The patrol.
    Patrol(api::RecordPatrolResponse),
    /// What became of each.
    Patrols(Vec<Result<Recorded, Refusal>>),
}

impl Answer {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Suspicion(suspicion) => suspicion.encode_to_vec(),
            Self::Patrol(patrol) => patrol.encode_to_vec(),
            // By their own keys: no answer is stored for them.
            Self::Patrols(_) => Vec::new(),
        }
    }

    /// The answer that was stored for a write of this kind; within one method all are of one kind.
    fn decode(action: &Action, bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        Ok(match action {
            Action::Suspicion(_) => Self::Suspicion(Box::new(api::Suspicion::decode(bytes)?)),
            Action::Patrol(_) => Self::Patrol(api::RecordPatrolResponse::decode(bytes)?),
            Action::Patrols(_) => Self::Patrols(Vec::new()),
        })
    }
}

impl BatchCommand for Write {
    fn request_key(&self) -> Option<&RequestKey> {
        self.request.as_ref().map(|(key, _)| key)
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

    /// How uploads are written: by a writer of their own, so that no report waits behind thousands of patrols, and few parts at a time,
    /// so that a transaction stays short and its memory bounded.
    #[must_use]
    pub fn for_uploads() -> BatchOptions {
        BatchOptions { queue: 64, max_batch: 4, ..BatchOptions::default() }
    }
}

impl BatchExecutor for Writer {
    type Command = Write;
    type Answer = Answer;
    type Error = Refusal;

    async fn execute(&self, batch: &[Write]) -> Result<Vec<Result<Answer, Refusal>>, BatchFailure> {
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let now = self.app.clock.now();
        // The suspicions' locks before the lookup, also for what was answered: a request that comes again while its first transaction commits
        // waits here for it and then finds its answer. Looked up before, it would find none, and be judged by what it has done itself. What
        // records a suspicion locks none: there the key of the answer, or of the suspicion, lets it wait and fail, and it is run again. So it is
        // with a patrol, which waits at its own key and is never refused for having been recorded.
        let all: Vec<&Order> = batch.iter().filter_map(|write| write.action.order()).collect();
        let mut work = Work::lock(&self.app, &mut tx, now, &all).await?;
        let keys: Vec<RequestKey> = batch.iter().filter_map(|write| write.request_key()).cloned().collect();
        let answered = requests::find(&mut tx, &keys).await?;
        let (mut orders, mut patrols) = (Vec::new(), Vec::new());
        let new = |write: &&Write| write.request_key().is_none_or(|key| !answered.contains_key(key));
        for write in batch.iter().filter(new) {
            match &write.action {
                Action::Suspicion(order) => orders.push(&**order),
                Action::Patrol(patrol) => patrols.push(&**patrol),
                Action::Patrols(part) => patrols.extend(part),
            }
        }
        work.load(&mut tx, &orders, &patrols).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut stored = Vec::with_capacity(batch.len());
        for write in batch {
            if let Some(first) = write.request_key().and_then(|key| answered.get(key)) {
                answers.push(replay(write, first));
                continue;
            }
            let answer = carry_out(&mut work, &write.action);
            if let (Ok(answer), Some((key, hash))) = (&answer, &write.request) {
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
    if write.request.as_ref().is_none_or(|(_, hash)| first.payload_hash != hash) {
        return Err(Refusal::RequestIdReused);
    }
    Ok(Answer::decode(&write.action, &first.answer)?)
}

fn carry_out<'a>(work: &mut Work<'a>, action: &'a Action) -> Result<Answer, Refusal> {
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
                case_ids: wire::ids(&recorded.cases),
            }))
        }
        Action::Patrols(patrols) => Ok(Answer::Patrols(patrols.iter().map(|patrol| work.patrol(patrol)).collect())),
    }
}
