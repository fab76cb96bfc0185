//! A batch in one transaction.

use std::{collections::HashSet, ops::Range, panic::AssertUnwindSafe, sync::Arc};

use dafei_kernel::{clock::SharedClock, time::Instant};
use futures::FutureExt;
use sqlx::{Connection, PgConnection, PgPool};

use crate::crash;

use super::{
    ConsumerConfig, Delivered, Handler, HandlerError, Item, Mode,
    progress::{Key, Progress, Verdict, key_of},
    store,
};

/// Messages that follow each other in the stream.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The position before it.
    pub(crate) from: u64,
    /// The position after it.
    pub(crate) to: u64,
    /// Its events.
    pub(crate) events: Vec<Delivered>,
    /// What stands between them: before the event of this index.
    pub(crate) notes: Vec<(usize, Note)>,
}

/// What is in a stream beside events.
#[derive(Debug)]
pub(crate) enum Note {
    Watermark { service: String, through: Instant },
    Unreadable { message: Box<Delivered>, reason: String },
}

impl Batch {
    /// An empty batch behind the position `from`.
    pub(crate) fn after(from: u64) -> Self {
        Self { from, to: from, ..Self::default() }
    }

    /// Adds the message at `sequence`. Of watermarks that follow each other the greatest says it all.
    pub(crate) fn push(&mut self, sequence: u64, item: Item) {
        self.to = sequence;
        let index = self.events.len();
        let note = match item {
            Item::Event(event) => return self.events.push(event),
            Item::Unreadable { message, reason } => Note::Unreadable { message: Box::new(message), reason },
            Item::Watermark { service, through } => {
                if let Some((at, Note::Watermark { service: last, through: earlier })) = self.notes.last_mut()
                    && *at == index
                    && *last == service
                {
                    *earlier = through.max(*earlier);
                    return;
                }
                Note::Watermark { service, through }
            }
        };
        self.notes.push((index, note));
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len() + self.notes.len()
    }

    /// The last watermark in it that says something.
    fn through(&self) -> Option<Instant> {
        self.notes.iter().rev().find_map(|(_, note)| match note {
            Note::Watermark { through, .. } => Some(*through).filter(|through| *through > Instant::UNIX_EPOCH),
            Note::Unreadable { .. } => None,
        })
    }
}

/// Why a batch did not take effect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The position is another: another replica has been here, or the consumer was reset.
    #[error("the consumer's position has moved")]
    Stale,
    /// It took effect before: the answer to its COMMIT was lost.
    #[error("the batch took effect before")]
    Already,
    /// The database failed outside of the handler.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The handler failed.
    #[error("{0}")]
    Handler(HandlerError),
}

/// What a batch did.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) through: Option<Instant>,
    pub(crate) buried: u64,
}

/// Gives batches their effect.
pub(crate) struct Applier<H> {
    pub(crate) pool: PgPool,
    pub(crate) clock: SharedClock,
    pub(crate) handler: Arc<H>,
    pub(crate) config: ConsumerConfig,
    pub(crate) key: String,
    /// When the stream was made that batches come from; none before the consumer has begun with one.
    pub(crate) created: Option<Instant>,
}

/// A part of a batch that goes to the handler in one call, or a note.
enum Step {
    Events(Range<usize>),
    Parked(Vec<Delivered>),
    Note(usize),
}

/// Calls the handler; a panic is a rejection, so that a consumer is never stuck on an event.
pub(super) async fn call<H: Handler>(
    handler: &H,
    connection: &mut PgConnection,
    events: &[Delivered],
) -> Result<(), HandlerError> {
    match AssertUnwindSafe(handler.apply(connection, events)).catch_unwind().await {
        Ok(result) => result,
        Err(_panic) => Err(panicked()),
    }
}

/// Tells the handler a watermark, likewise.
pub(super) async fn tell<H: Handler>(
    handler: &H,
    connection: &mut PgConnection,
    service: &str,
    through: Instant,
) -> Result<(), HandlerError> {
    match AssertUnwindSafe(handler.on_watermark(connection, service, through)).catch_unwind().await {
        Ok(result) => result,
        Err(_panic) => Err(panicked()),
    }
}

fn panicked() -> HandlerError {
    HandlerError::Reject { index: 0, reason: "the handler panicked".to_owned() }
}

impl<H: Handler> Applier<H> {
    /// Gives the whole batch its effect in one transaction, or none of it.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        parked: &mut HashSet<Key>,
    ) -> Result<Applied, ApplyError> {
        let mut tx = connection.begin().await?;
        self.fence(&mut tx, batch).await?;
        let mut progress = self.progress(&mut tx, &batch.events, parked).await?;
        let steps = plan(batch, &mut progress, self.config.mode);
        let mut applied = Applied { through: batch.through(), ..Applied::default() };
        for step in &steps {
            match step {
                Step::Events(range) => {
                    call(&*self.handler, &mut tx, &batch.events[range.clone()]).await.map_err(ApplyError::Handler)?;
                }
                Step::Parked(events) => call(&*self.handler, &mut tx, events).await.map_err(ApplyError::Handler)?,
                Step::Note(index) => applied.buried += self.note(&mut tx, &batch.notes[*index].1).await?,
            }
        }
        self.finish(&mut tx, batch, &progress, applied.through).await?;
        let told = !batch.events.is_empty();
        if told {
            crash::here("consumer.before-commit");
        }
        tx.commit().await?;
        if told {
            crash::here("consumer.after-commit");
        }
        remember(parked, &progress);
        for step in &steps {
            match step {
                Step::Events(range) => self.handler.committed(&batch.events[range.clone()]),
                Step::Parked(events) => self.handler.committed(events),
                Step::Note(_) => {}
            }
        }
        Ok(applied)
    }

    /// Locks the position and compares it with where the batch begins: in the same stream, for one that was made anew counts from 1 again.
    pub(super) async fn fence(&self, connection: &mut PgConnection, batch: &Batch) -> Result<(), ApplyError> {
        let position = store::lock_position(connection, &self.key, &self.config.stream).await?;
        match position.filter(|position| position.created == self.created) {
            Some(position) if position.last_sequence == batch.from => Ok(()),
            Some(position) if position.last_sequence == batch.to => Err(ApplyError::Already),
            _ => Err(ApplyError::Stale),
        }
    }

    pub(crate) async fn progress(
        &self,
        connection: &mut PgConnection,
        events: &[Delivered],
        parked: &HashSet<Key>,
    ) -> sqlx::Result<Progress> {
        match self.config.mode {
            Mode::Ordered => store::progress(connection, &self.key, &store::keys(events), parked).await,
            Mode::Raw => Ok(Progress::default()),
        }
    }

    /// A watermark or an unreadable message; says how many dead letters it made.
    async fn note(&self, connection: &mut PgConnection, note: &Note) -> Result<u64, ApplyError> {
        match note {
            Note::Watermark { service, through } => {
                tell(&*self.handler, connection, service, *through).await.map_err(ApplyError::Handler)?;
                Ok(0)
            }
            Note::Unreadable { message, reason } => {
                self.bury(connection, message, reason).await?;
                Ok(1)
            }
        }
    }

    pub(super) async fn bury(
        &self,
        connection: &mut PgConnection,
        event: &Delivered,
        reason: &str,
    ) -> sqlx::Result<()> {
        tracing::error!(
            consumer = %self.key, subject = %event.subject, event = %event.event_id, stream_sequence = event.stream_sequence, reason,
            "dead letter"
        );
        store::bury(connection, &self.key, &self.config.stream, event, reason, self.clock.now()).await
    }

    pub(super) async fn finish(
        &self,
        connection: &mut PgConnection,
        batch: &Batch,
        progress: &Progress,
        through: Option<Instant>,
    ) -> sqlx::Result<()> {
        store::save(connection, &self.key, &self.config.stream, progress).await?;
        store::move_position(connection, &self.key, &self.config.stream, batch.to, through).await
    }
}

/// Keeps in memory of which aggregates something is parked; one too many costs a look, never an event.
pub(super) fn remember(parked: &mut HashSet<Key>, progress: &Progress) {
    parked.extend(progress.to_park().iter().map(key_of));
}

/// Which events go to the handler together, in the order of the stream, and what parked ones come in between.
fn plan(batch: &Batch, progress: &mut Progress, mode: Mode) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut run = 0..0;
    let mut notes = batch.notes.iter().enumerate().peekable();
    for index in 0..=batch.events.len() {
        while let Some((note, _)) = notes.next_if(|(_, (at, _))| *at <= index) {
            close(&mut steps, &mut run, index);
            steps.push(Step::Note(note));
        }
        let Some(event) = batch.events.get(index) else { break };
        if mode == Mode::Raw {
            run.end = index + 1;
            continue;
        }
        match progress.judge(event) {
            Verdict::Seen => close(&mut steps, &mut run, index),
            Verdict::Gap => {
                close(&mut steps, &mut run, index);
                progress.park(event);
            }
            Verdict::Ready => {
                run.end = index + 1;
                let freed = advance(progress, event);
                if !freed.is_empty() {
                    close(&mut steps, &mut run, index + 1);
                    steps.push(Step::Parked(freed));
                }
            }
        }
        if run.end != index + 1 {
            run = index + 1..index + 1;
        }
    }
    close(&mut steps, &mut run, batch.events.len());
    steps
}

/// Moves the mark past `event` and past what was parked right behind it, which is answered.
fn advance(progress: &mut Progress, event: &Delivered) -> Vec<Delivered> {
    let key = key_of(event);
    progress.advance(&key, event.sequence);
    let mut freed = Vec::new();
    while let Some(next) = progress.next_parked(&key) {
        progress.advance(&key, next.sequence);
        progress.unpark(&key, next.sequence);
        freed.push(next);
    }
    freed
}

/// Ends the current run of events; the next begins at `next`.
fn close(steps: &mut Vec<Step>, run: &mut Range<usize>, next: usize) {
    if run.start < run.end {
        steps.push(Step::Events(run.clone()));
    }
    *run = next..next;
}
