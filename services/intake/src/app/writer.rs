//! The group commit of the village's commands: what arrived together is loaded, decided and written in one transaction.

use std::{collections::HashSet, sync::Arc};

use dafei_contracts::intake::v1 as api;
use dafei_messaging::{
    batch::{BatchCommand, BatchExecutor, BatchFailure},
    event::NewEvent,
    log,
    requests::{self, RequestKey},
    tx,
};
use prost::Message;
use uuid::Uuid;

use super::{
    App, Asked, Refusal,
    cases::{Cases, Order},
    patrols::{Patrol, Patrols},
};
use crate::{store::evidence, wire};

/// A write of a gRPC call.
pub struct Write {
    /// Its request id and payload.
    pub(crate) asked: Asked,
    /// What it asks.
    pub(crate) action: Action,
}

/// What a write asks.
pub(crate) enum Action {
    /// A command to a suspicion.
    Suspicion(Box<Order>),
    /// A patrol.
    Patrol(Box<Patrol>),
}

/// What a write is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A suspicion as it is then.
    Suspicion(Box<api::Suspicion>),
    /// A patrol that was taken.
    Patrol(api::RecordPatrolResponse),
}

impl Answer {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Suspicion(suspicion) => suspicion.encode_to_vec(),
            Self::Patrol(patrol) => patrol.encode_to_vec(),
        }
    }

    /// A kept answer to such a write.
    fn decode(action: &Action, bytes: &[u8]) -> Result<Self, Refusal> {
        Ok(match action {
            Action::Suspicion(_) => Self::Suspicion(Box::new(api::Suspicion::decode(bytes)?)),
            Action::Patrol(_) => Self::Patrol(api::RecordPatrolResponse::decode(bytes)?),
        })
    }
}

impl BatchCommand for Write {
    fn request_key(&self) -> Option<&RequestKey> {
        Some(&self.asked.key)
    }
}

impl Write {
    const fn order(&self) -> Option<&Order> {
        match &self.action {
            Action::Suspicion(order) => Some(order),
            Action::Patrol(_) => None,
        }
    }

    const fn patrol(&self) -> Option<&Patrol> {
        match &self.action {
            Action::Suspicion(_) => None,
            Action::Patrol(patrol) => Some(patrol),
        }
    }

    fn evidence(&self) -> &[Uuid] {
        match &self.action {
            Action::Suspicion(order) => order.evidence(),
            Action::Patrol(patrol) => &patrol.evidence,
        }
    }
}

/// Writes batches of commands.
pub struct Writer {
    app: Arc<App>,
}

impl Writer {
    /// A writer of the service.
    #[must_use]
    pub(crate) const fn new(app: Arc<App>) -> Self {
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
        let keys: Vec<RequestKey> = batch.iter().map(|write| write.asked.key.clone()).collect();
        let answered = requests::find(&mut tx, &keys).await?;
        let fresh: Vec<&Write> = batch.iter().filter(|write| !answered.contains_key(&write.asked.key)).collect();
        let named: HashSet<Uuid> = fresh.iter().flat_map(|write| write.evidence().iter().copied()).collect();
        let photos = evidence::villages(&mut tx, &named.into_iter().collect::<Vec<_>>()).await?;
        let mut cases = Cases::load(&self.app, &mut tx, now, fresh.iter().filter_map(|write| write.order())).await?;
        let mut patrols =
            Patrols::load(&self.app, &mut tx, now, fresh.iter().filter_map(|write| write.patrol())).await?;
        let mut events: Vec<NewEvent> = Vec::with_capacity(fresh.len());
        let mut kept = Vec::with_capacity(fresh.len());
        let answers = batch
            .iter()
            .map(|write| {
                if let Some(first) = write.asked.answered(&answered) {
                    return first.and_then(|bytes| Answer::decode(&write.action, bytes));
                }
                let answer = match &write.action {
                    Action::Suspicion(order) => {
                        let suspicion = cases.carry_out(order, &photos, &mut events)?;
                        Answer::Suspicion(Box::new(wire::suspicion(suspicion)))
                    }
                    Action::Patrol(patrol) => Answer::Patrol(patrols.take(patrol, &photos)?),
                };
                kept.push(write.asked.with_answer(answer.encode(), now));
                Ok(answer)
            })
            .collect();
        cases.save(&mut tx).await?;
        patrols.save(&mut tx, &mut events).await?;
        log::append(&mut tx, &events).await?;
        requests::store(&mut tx, &kept).await?;
        tx::commit(tx).await?;
        Ok(answers)
    }
}
