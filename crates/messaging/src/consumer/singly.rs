//! A batch that failed for its content, done again one event at a time under savepoints: the event at fault falls out alone.

use std::{collections::HashSet, error::Error};

use dafei_kernel::time::Instant;
use sqlx::{Connection, PgConnection};

use super::{
    Delivered, Handler, HandlerError, Mode,
    apply::{Applied, Applier, ApplyError, Batch, Note, call, remember, tell},
    progress::{Key, Progress, Verdict, key_of},
};
use crate::batch::{Severity, severity};

/// What became of one event.
enum Outcome {
    Done,
    Failed(String),
}

/// The slow way through a batch.
pub(crate) struct Singly<'a, H> {
    pub(crate) applier: &'a Applier<H>,
    /// Also what asks for a retry without the database being the reason becomes a dead letter.
    pub(crate) last_try: bool,
    /// What took effect.
    pub(crate) effective: Vec<Delivered>,
    /// How many dead letters there were.
    pub(crate) buried: u64,
}

/// What the database has to do with an error, if anything.
pub(super) fn cause(error: &(dyn Error + Send + Sync + 'static)) -> Option<Severity> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(sql) = error.downcast_ref::<sqlx::Error>() {
            return Some(severity(sql));
        }
        next = error.source();
    }
    None
}

impl<'a, H: Handler> Singly<'a, H> {
    pub(crate) fn new(applier: &'a Applier<H>, last_try: bool) -> Self {
        Self { applier, last_try, effective: Vec::new(), buried: 0 }
    }

    /// The whole batch in one transaction, a savepoint per event.
    pub(super) async fn apply(
        mut self,
        connection: &mut PgConnection,
        batch: &Batch,
        parked: &mut HashSet<Key>,
    ) -> Result<Applied, ApplyError> {
        let applier = self.applier;
        let mut tx = connection.begin().await?;
        applier.fence(&mut tx, batch).await?;
        let mut progress = applier.progress(&mut tx, &batch.events, parked).await?;
        let mut through = None;
        let mut notes = batch.notes.iter().peekable();
        for index in 0..=batch.events.len() {
            while let Some((_, note)) = notes.next_if(|(at, _)| *at <= index) {
                through = self.note(&mut tx, note).await?.or(through);
            }
            let Some(event) = batch.events.get(index) else { break };
            if applier.config.mode == Mode::Raw {
                self.raw(&mut tx, event).await?;
                continue;
            }
            match progress.judge(event) {
                Verdict::Seen => {}
                Verdict::Gap => progress.park(event),
                Verdict::Ready => {
                    self.take(&mut tx, &mut progress, event).await?;
                }
            }
        }
        applier.finish(&mut tx, batch, &progress, through).await?;
        tx.commit().await?;
        remember(parked, &progress);
        applier.handler.committed(&self.effective);
        Ok(Applied { through, buried: self.buried })
    }

    /// A watermark, which is answered when it took effect, or an unreadable message. A watermark that the handler cannot take is passed over:
    /// the next says more, and the consumer counts as caught up only to the one before.
    async fn note(&mut self, connection: &mut PgConnection, note: &Note) -> Result<Option<Instant>, ApplyError> {
        match note {
            Note::Unreadable { message, reason } => {
                self.buried += 1;
                self.applier.bury(connection, message, reason).await?;
                Ok(None)
            }
            Note::Watermark { service, through } => {
                let mut savepoint = connection.begin().await?;
                match tell(&*self.applier.handler, &mut savepoint, service, *through).await {
                    Ok(()) => {
                        savepoint.commit().await?;
                        Ok(Some(*through))
                    }
                    Err(error) => {
                        savepoint.rollback().await?;
                        if let Outcome::Failed(reason) = self.judge(error)? {
                            tracing::error!(consumer = %self.applier.key, %through, reason, "watermark not taken");
                        }
                        Ok(None)
                    }
                }
            }
        }
    }

    /// A message of an outsider, once more. False when it failed again.
    pub(crate) async fn replay_raw(
        &mut self,
        connection: &mut PgConnection,
        event: &Delivered,
    ) -> Result<bool, ApplyError> {
        match self.one(connection, event).await? {
            Outcome::Done => {
                self.effective.push(event.clone());
                Ok(true)
            }
            Outcome::Failed(_) => Ok(false),
        }
    }

    async fn raw(&mut self, connection: &mut PgConnection, event: &Delivered) -> Result<(), ApplyError> {
        match self.one(connection, event).await? {
            Outcome::Done => self.effective.push(event.clone()),
            Outcome::Failed(reason) => {
                self.buried += 1;
                self.applier.bury(connection, event, &reason).await?;
            }
        }
        Ok(())
    }

    /// An event that is the next of its aggregate, and what is parked right behind it. False when the event itself became a dead letter.
    pub(crate) async fn take(
        &mut self,
        connection: &mut PgConnection,
        progress: &mut Progress,
        event: &Delivered,
    ) -> Result<bool, ApplyError> {
        let key = key_of(event);
        if !self.take_one(connection, event).await? {
            return Ok(false);
        }
        progress.advance(&key, event.sequence);
        while let Some(next) = progress.next_parked(&key) {
            // A dead letter is no longer parked either.
            progress.unpark(&key, next.sequence);
            if !self.take_one(connection, &next).await? {
                break;
            }
            progress.advance(&key, next.sequence);
        }
        Ok(true)
    }

    async fn take_one(&mut self, connection: &mut PgConnection, event: &Delivered) -> Result<bool, ApplyError> {
        match self.one(connection, event).await? {
            Outcome::Done => {
                self.effective.push(event.clone());
                Ok(true)
            }
            Outcome::Failed(reason) => {
                self.buried += 1;
                self.applier.bury(connection, event, &reason).await?;
                Ok(false)
            }
        }
    }

    /// One event under a savepoint. An error that is not the event's fault ends the whole batch.
    async fn one(&self, connection: &mut PgConnection, event: &Delivered) -> Result<Outcome, ApplyError> {
        let mut savepoint = connection.begin().await?;
        match call(&*self.applier.handler, &mut savepoint, std::slice::from_ref(event)).await {
            Ok(()) => {
                savepoint.commit().await?;
                Ok(Outcome::Done)
            }
            Err(error) => {
                savepoint.rollback().await?;
                self.judge(error)
            }
        }
    }

    fn judge(&self, error: HandlerError) -> Result<Outcome, ApplyError> {
        match error {
            HandlerError::Reject { reason, .. } => Ok(Outcome::Failed(reason)),
            HandlerError::Retry(reason) => match cause(&*reason) {
                Some(Severity::Data) => Ok(Outcome::Failed(reason.to_string())),
                // A statement that takes too long, as often as it is tried, is the event's fault.
                None | Some(Severity::TooLong) if self.last_try => Ok(Outcome::Failed(reason.to_string())),
                _ => Err(ApplyError::Handler(HandlerError::Retry(reason))),
            },
            away @ HandlerError::Away(_) => Err(ApplyError::Handler(away)),
        }
    }
}
