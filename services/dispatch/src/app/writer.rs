//! The group commit of the gRPC commands: what arrived together is loaded, decided and written in one transaction.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use dafei_contracts::dispatch::v1 as api;
use dafei_dispatch_core::case::{Command, Reason, Rejection};
use dafei_messaging::{
    batch::{BatchCommand, BatchExecutor, BatchFailure, BatchQueue},
    requests::{self, RequestKey, StoredRequest},
    tx,
};
use prost::Message;
use uuid::Uuid;

use crate::{
    app::App,
    store::systems,
    unit::Unit,
    wire,
    work::{Order, Refusal, Work},
};

/// The queue in front of the writer.
pub type Queue = BatchQueue<Writer>;

/// A write of a gRPC call.
pub struct Write {
    /// The request id, if the call has one, and the hash of its payload.
    pub(crate) request: Option<(RequestKey, [u8; 32])>,
    /// What it asks.
    pub(crate) action: Action,
}

/// What a write asks.
pub(crate) enum Action {
    /// A command to a case.
    Case(Box<Order>),
    /// To register an agency's system.
    Register(Unit),
}

/// What a write is answered: an encoded message, the same for a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(Bytes);

impl Answer {
    /// The message of a kind.
    ///
    /// # Errors
    /// When another kind was answered under the same request id: not within one method.
    pub(crate) fn decode<M: Message + Default>(self) -> Result<M, prost::DecodeError> {
        M::decode(self.0)
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
}

impl BatchExecutor for Writer {
    type Command = Write;
    type Answer = Answer;
    type Error = Refusal;

    async fn execute(&self, batch: &[Write]) -> Result<Vec<Result<Answer, Refusal>>, BatchFailure> {
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let now = self.app.clock.now();
        let orders = batch.iter().filter_map(|write| match &write.action {
            Action::Case(order) => Some(&**order),
            Action::Register(_) => None,
        });
        // The cases' locks before the lookup, also for what was answered: a request that comes again while its first transaction commits waits
        // here for it and then finds its answer. Looked up before, it would find none, and be judged by what it has done itself. What opens a
        // case locks none: there the key of the answer, or of the case, lets it wait and fail, and it is run again.
        let mut work = Work::load(&self.app, &mut tx, now, orders).await?;
        let keys: Vec<RequestKey> = batch.iter().filter_map(|write| write.request_key().cloned()).collect();
        let answered = requests::find(&mut tx, &keys).await?;
        let mut units = Vec::new();
        let answers: Vec<_> = batch
            .iter()
            .map(|write| match replay(write, &answered) {
                Some(answer) => answer,
                None => carry_out(&mut work, write, &mut units),
            })
            .collect();
        work.save(&mut tx).await?;
        systems::register(&mut tx, &units, now).await?;
        let stored: Vec<StoredRequest> = batch
            .iter()
            .zip(&answers)
            .filter_map(|(write, answer)| {
                let (key, hash) = write.request.as_ref()?;
                let answer = answer.as_ref().ok()?;
                (!answered.contains_key(key)).then(|| StoredRequest {
                    key: key.clone(),
                    payload_hash: hash.to_vec(),
                    answer: answer.0.to_vec(),
                    recorded_at: now,
                })
            })
            .collect();
        requests::store(&mut tx, &stored).await?;
        tx::commit(tx).await?;
        Ok(answers)
    }
}

/// The first answer to the same request, or that it was another request.
fn replay(write: &Write, answered: &HashMap<RequestKey, StoredRequest>) -> Option<Result<Answer, Refusal>> {
    let (key, hash) = write.request.as_ref()?;
    let stored = answered.get(key)?;
    Some(if stored.payload_hash == hash {
        Ok(Answer(Bytes::from(stored.answer.clone())))
    } else {
        Err(Refusal::RequestIdReused)
    })
}

fn carry_out(work: &mut Work<'_>, write: &Write, units: &mut Vec<Unit>) -> Result<Answer, Refusal> {
    match &write.action {
        Action::Case(order) => {
            let id = work.carry_out(order)?;
            if let Some(then) = &order.then {
                work.carry_out(then)?;
            }
            shown(work, id, order)
        }
        Action::Register(unit) => {
            units.push(unit.clone());
            Ok(Answer(Bytes::from(registered(unit).encode_to_vec())))
        }
    }
}

/// What the caller sees: the instruction, where the command was to one, else the case.
fn shown(work: &Work<'_>, id: Uuid, order: &Order) -> Result<Answer, Refusal> {
    let case = work.case(id).ok_or_else(|| Rejection::absent(Reason::NoSuchCase))?;
    let bytes = match &order.command {
        Command::Instruction { id, .. } => {
            let instruction = case.instruction(*id).ok_or_else(|| Rejection::absent(Reason::NoSuchInstruction))?;
            wire::instruction(case, instruction).encode_to_vec()
        }
        // The order of a call names who asks.
        _ => order.actor.as_ref().map(|reader| wire::case(case, reader)).unwrap_or_default().encode_to_vec(),
    };
    Ok(Answer(Bytes::from(bytes)))
}

/// What the client of a registered system needs.
fn registered(unit: &Unit) -> api::RegisterAgencySystemResponse {
    api::RegisterAgencySystemResponse {
        stream: crate::unit::STREAM.to_owned(),
        durable: unit.durable(),
        filter_subject: unit.filter_subject(),
        feedback_prefix: unit.feedback_prefix(),
    }
}
