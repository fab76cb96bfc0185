//! The bounded queue in front of the writer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    batch::{BatchExecutor, BatchWriter},
    silence::ANSWER,
};

/// Sizes and times of a group commit.
#[derive(Debug, Clone)]
pub struct BatchOptions {
    /// How many commands may wait; more are refused at once.
    pub queue: usize,
    /// How many commands one transaction takes.
    pub max_batch: usize,
    /// How long a busy writer gathers commands for a transaction, at the most; an idle one begins with the first.
    pub gather: Duration,
    /// What a refused caller is told to wait.
    pub retry_after: Duration,
    /// How long one try of a batch may take before its outcome counts as unknown.
    pub longest: Duration,
    /// How long a batch with an unknown outcome is tried again before its callers are told so.
    pub unknown_patience: Duration,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            queue: 4_096,
            max_batch: 256,
            gather: Duration::from_millis(10),
            retry_after: Duration::from_millis(500),
            longest: ANSWER,
            unknown_patience: Duration::from_secs(10),
        }
    }
}

impl BatchOptions {
    /// The same for a service whose calls may take `call`: a try takes longer than any of its statements may, which is two thirds of that.
    #[must_use]
    pub fn for_calls(self, call: Duration) -> Self {
        Self { longest: ANSWER.max(call * 5 / 6), ..self }
    }
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError<R> {
    /// The queue is full.
    #[error("too many commands are waiting")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The database is away. Where the commit's outcome stayed unknown, the same request id will tell it.
    #[error("the database is not available: {reason}")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// What the database or the way to it said.
        reason: Arc<str>,
    },
    /// The writer has ended: the service is shutting down.
    #[error("the writer has ended")]
    Closed,
    /// The database refused the data of this command alone: a bug, not the caller's fault.
    #[error("the database refuses the data: {0}")]
    Data(Arc<sqlx::Error>),
    /// The executor panicked on this command alone, or broke its contract: a bug.
    #[error("internal error: {0}")]
    Broken(Arc<str>),
    /// The command was rejected.
    #[error("rejected")]
    Rejected(R),
}

/// A command and who waits for its answer.
pub(super) struct Job<E: BatchExecutor> {
    pub(super) command: E::Command,
    pub(super) reply: Reply<E>,
}

pub(super) type Reply<E> =
    oneshot::Sender<Result<<E as BatchExecutor>::Answer, SubmitError<<E as BatchExecutor>::Error>>>;

/// Where commands are submitted; cheap to clone.
pub struct BatchQueue<E: BatchExecutor> {
    sender: mpsc::Sender<Job<E>>,
    /// How many the writer has taken out and put off.
    deferred: Arc<AtomicUsize>,
    retry_after: Duration,
}

impl<E: BatchExecutor> Clone for BatchQueue<E> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), deferred: Arc::clone(&self.deferred), retry_after: self.retry_after }
    }
}

impl<E: BatchExecutor> std::fmt::Debug for BatchQueue<E> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BatchQueue").field("depth", &self.depth()).finish()
    }
}

impl<E: BatchExecutor> BatchQueue<E> {
    /// Hands a command to the writer and waits until its transaction is committed. A caller that stops waiting does not take a command back
    /// that is being written; one that still waits is dropped.
    ///
    /// # Errors
    /// As [`SubmitError`] says; a rejection by the domain's rules is [`SubmitError::Rejected`].
    pub async fn submit(&self, command: E::Command) -> Result<E::Answer, SubmitError<E::Error>> {
        let (reply, answer) = oneshot::channel();
        self.sender.try_send(Job { command, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Overloaded { retry_after: self.retry_after },
            mpsc::error::TrySendError::Closed(_) => SubmitError::Closed,
        })?;
        answer.await.unwrap_or(Err(SubmitError::Closed))
    }

    /// How many commands wait now.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity() + self.deferred.load(Ordering::Relaxed)
    }
}

/// A queue and the writer that empties it. Spawn [`BatchWriter::run`].
#[must_use]
pub fn group_commit<E: BatchExecutor>(executor: E, options: BatchOptions) -> (BatchQueue<E>, BatchWriter<E>) {
    let (sender, receiver) = mpsc::channel(options.queue.max(1));
    let queue = BatchQueue { sender, deferred: Arc::default(), retry_after: options.retry_after };
    let deferred = Arc::clone(&queue.deferred);
    (queue, BatchWriter::new(executor, receiver, deferred, options))
}
