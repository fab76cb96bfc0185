//! Group commit: what arrived together is written in one transaction, and nobody is answered before its commit.
//!
//! A service has one writer task. Commands wait in a bounded queue; the writer takes all that are there (no artificial delay: while one
//! batch commits, the next gathers), lets the executor load, decide and write them in one transaction, and then answers each caller.

mod failure;
mod queue;
mod writer;

pub use failure::{BatchFailure, Severity, severity};
pub use queue::{BatchOptions, BatchQueue, SubmitError, group_commit};
pub use writer::BatchWriter;

use std::future::Future;

use crate::requests::RequestKey;

/// A command that can be written together with others.
pub trait BatchCommand: Send + Sync + 'static {
    /// Its request id, if the caller gave one: of equal ones in a batch, the later wait for the next batch, where the executor's lookup
    /// finds the answer of the first.
    fn request_key(&self) -> Option<&RequestKey> {
        None
    }
}

/// Writes a batch of commands in one transaction.
pub trait BatchExecutor: Send + Sync + 'static {
    /// What comes in.
    type Command: BatchCommand;
    /// What a caller gets.
    type Answer: Send + 'static;
    /// Why a command is rejected: an answer too, it does not concern the rest of the batch.
    type Error: Send + 'static;

    /// Locks what the commands are about, looks up the request ids, decides all commands in their order, writes, commits; answers in the order of
    /// `batch`. The locks first: of a first try whose commit is still under way, the lookup before them would know nothing.
    ///
    /// May be called again with the same commands when the outcome of a commit was unknown: the lookup of the request ids makes that
    /// harmless.
    fn execute(&self, batch: &[Self::Command]) -> impl Future<Output = Result<Answers<Self>, BatchFailure>> + Send;
}

/// The answers to a batch: what each caller gets, or why its command is rejected.
pub type Answers<E> = Vec<Result<<E as BatchExecutor>::Answer, <E as BatchExecutor>::Error>>;
