//! The writer task of a group commit.

use std::{
    collections::{HashSet, VecDeque},
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Answers, BatchCommand, BatchExecutor, BatchFailure,
    queue::{BatchOptions, Job, Reply, SubmitError},
};
use crate::{backoff::Backoff, pace::Pace, silence};

/// Takes batches from the queue and has them written, one after the other.
pub struct BatchWriter<E: BatchExecutor> {
    executor: E,
    receiver: mpsc::Receiver<Job<E>>,
    options: BatchOptions,
    /// Commands whose request id was already in the batch before.
    deferred: VecDeque<Job<E>>,
    /// How many they are, for the queue's depth.
    depth: Arc<AtomicUsize>,
}

/// Why a batch as a whole has no answers.
enum Failed {
    Data(sqlx::Error),
    TooLong(sqlx::Error),
    Unavailable(sqlx::Error),
    Broken(String),
}

impl<E: BatchExecutor> std::fmt::Debug for BatchWriter<E> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BatchWriter").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<E: BatchExecutor> BatchWriter<E> {
    pub(super) fn new(
        executor: E,
        receiver: mpsc::Receiver<Job<E>>,
        depth: Arc<AtomicUsize>,
        options: BatchOptions,
    ) -> Self {
        Self { executor, receiver, options, deferred: VecDeque::new(), depth }
    }

    /// Writes batches until `shutdown`; then takes no more commands, writes those that were accepted, and ends.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut arrived = Vec::new();
        let max = self.options.max_batch.max(1);
        let mut pace = Pace::up_to(self.options.gather);
        loop {
            if self.deferred.is_empty() {
                let count = tokio::select! {
                    biased;
                    () = shutdown.cancelled(), if !self.receiver.is_closed() => {
                        self.receiver.close();
                        continue;
                    }
                    count = self.receiver.recv_many(&mut arrived, max) => count,
                };
                if count == 0 {
                    return;
                }
                self.gather(&mut arrived, max, pace.pause()).await;
            } else {
                // What is put off has its place in the batch: else a queue full of one request id would be emptied into here without bound.
                let room = max.saturating_sub(self.deferred.len());
                while arrived.len() < room
                    && let Ok(job) = self.receiver.try_recv()
                {
                    arrived.push(job);
                }
            }
            let (commands, replies) = self.select(&mut arrived);
            if commands.is_empty() {
                continue;
            }
            let (count, begun) = (commands.len(), tokio::time::Instant::now());
            self.write(commands, replies).await;
            pace.wrote(count, begun.elapsed());
        }
    }

    /// Takes what comes within `pause`, until the batch is full or nobody is left to send.
    async fn gather(&mut self, arrived: &mut Vec<Job<E>>, max: usize, pause: Duration) {
        let end = tokio::time::Instant::now() + pause;
        while !pause.is_zero() && arrived.len() < max {
            let room = max - arrived.len();
            match tokio::time::timeout_at(end, self.receiver.recv_many(arrived, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
    }

    /// The next batch: what was deferred, then what arrived, each request id once; without what nobody waits for any more.
    fn select(&mut self, arrived: &mut Vec<Job<E>>) -> (Vec<E::Command>, Vec<Reply<E>>) {
        let waiting: Vec<Job<E>> = self.deferred.drain(..).chain(arrived.drain(..)).collect();
        let (mut commands, mut replies) = (Vec::with_capacity(waiting.len()), Vec::with_capacity(waiting.len()));
        let mut seen = HashSet::new();
        for job in waiting.into_iter().filter(|job| !job.reply.is_closed()) {
            let fresh = job.command.request_key().is_none_or(|key| seen.insert(key.clone()));
            if fresh && commands.len() < self.options.max_batch.max(1) {
                commands.push(job.command);
                replies.push(job.reply);
            } else {
                self.deferred.push_back(job);
            }
        }
        self.depth.store(self.deferred.len(), Ordering::Relaxed);
        (commands, replies)
    }

    /// Writes a batch; when the database refuses its data, or takes too long over them, singly.
    async fn write(&self, commands: Vec<E::Command>, replies: Vec<Reply<E>>) {
        match self.execute(&commands).await {
            Ok(answers) => {
                for (reply, answer) in replies.into_iter().zip(answers) {
                    // A caller that went away does not mind.
                    let _ = reply.send(answer.map_err(SubmitError::Rejected));
                }
            }
            Err(failed @ Failed::Unavailable(_)) => {
                let reason: Arc<str> = failed.text().into();
                tracing::warn!(%reason, commands = commands.len(), "commands not written");
                for reply in replies {
                    let _ = reply.send(Err(self.unavailable(&reason)));
                }
            }
            Err(failed) => {
                if commands.len() > 1 {
                    tracing::warn!(reason = %failed.text(), commands = commands.len(), "batch refused, trying singly");
                    for (command, reply) in commands.iter().zip(replies) {
                        // Where each takes too long, those behind it have gone before it is their turn.
                        if reply.is_closed() {
                            continue;
                        }
                        let result = self.execute(std::slice::from_ref(command)).await;
                        let _ = reply.send(self.single(result));
                    }
                } else if let Some(reply) = replies.into_iter().next() {
                    let _ = reply.send(self.single(Err(failed)));
                }
            }
        }
    }

    /// The answer to a command that was executed alone.
    fn single(&self, result: Result<Answers<E>, Failed>) -> Result<E::Answer, SubmitError<E::Error>> {
        match result {
            Ok(answers) => match answers.into_iter().next() {
                Some(answer) => answer.map_err(SubmitError::Rejected),
                None => Err(SubmitError::Broken("no answer".into())),
            },
            Err(Failed::TooLong(error) | Failed::Unavailable(error)) => {
                Err(self.unavailable(&error.to_string().into()))
            }
            Err(Failed::Data(error)) => {
                tracing::error!(%error, "the database refuses a command's data");
                Err(SubmitError::Data(Arc::new(error)))
            }
            Err(Failed::Broken(reason)) => {
                tracing::error!(%reason, "a command cannot be executed");
                Err(SubmitError::Broken(reason.into()))
            }
        }
    }

    fn unavailable(&self, reason: &Arc<str>) -> SubmitError<E::Error> {
        SubmitError::Unavailable { retry_after: self.options.retry_after, reason: Arc::clone(reason) }
    }

    /// Executes; as long as the outcome is unknown, again, up to the patience of the options. Once more also where another replica answered one
    /// of the requests meanwhile: its answer is found then.
    async fn execute(&self, commands: &[E::Command]) -> Result<Answers<E>, Failed> {
        let mut backoff = Backoff::for_batches();
        let mut unknown_until = None;
        let mut raced = false;
        loop {
            let error = match self.once(commands).await? {
                Ok(answers) => return Ok(answers),
                Err(BatchFailure::Data(error)) if is_taken(&error) && !raced => {
                    raced = true;
                    continue;
                }
                Err(BatchFailure::Data(error)) => return Err(Failed::Data(error)),
                Err(BatchFailure::TooLong(error)) if unknown_until.is_none() => return Err(Failed::TooLong(error)),
                Err(BatchFailure::Unavailable(error)) if unknown_until.is_none() => {
                    return Err(Failed::Unavailable(error));
                }
                Err(BatchFailure::TooLong(error) | BatchFailure::Unavailable(error) | BatchFailure::Unknown(error)) => {
                    error
                }
            };
            let end = *unknown_until.get_or_insert_with(|| Instant::now() + self.options.unknown_patience);
            let pause = backoff.next_pause();
            if Instant::now() + pause >= end {
                return Err(Failed::Unavailable(error));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// One try. When it takes longer than it may, its connection is dropped with it, and what became of its transaction is unknown.
    async fn once(&self, commands: &[E::Command]) -> Result<Result<Answers<E>, BatchFailure>, Failed> {
        let tried = AssertUnwindSafe(self.executor.execute(commands)).catch_unwind();
        match silence::answer(self.options.longest, async { Ok(tried.await) }).await {
            Ok(Ok(Ok(answers))) if answers.len() != commands.len() => {
                Err(Failed::Broken(format!("{} answers to {} commands", answers.len(), commands.len())))
            }
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_panic)) => Err(Failed::Broken("the executor panicked".to_owned())),
            Err(silent) => Ok(Err(BatchFailure::Unknown(silent))),
        }
    }
}

/// Whether a key was taken by somebody else.
fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

impl Failed {
    fn text(&self) -> String {
        match self {
            Self::Data(error) | Self::TooLong(error) | Self::Unavailable(error) => error.to_string(),
            Self::Broken(reason) => reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    use super::super::{Answers, BatchCommand, BatchExecutor, BatchFailure, BatchOptions, BatchQueue, group_commit};
    use crate::requests::RequestKey;

    const TAKES: Duration = Duration::from_millis(100);

    struct Command;

    impl BatchCommand for Command {
        fn request_key(&self) -> Option<&RequestKey> {
            None
        }
    }

    /// Notes how many commands came together.
    struct Slow(Arc<Mutex<Vec<usize>>>);

    impl BatchExecutor for Slow {
        type Command = Command;
        type Answer = ();
        type Error = ();

        async fn execute(&self, batch: &[Command]) -> Result<Answers<Self>, BatchFailure> {
            sleep(TAKES).await;
            self.0.lock().unwrap().push(batch.len());
            Ok(batch.iter().map(|_| Ok(())).collect())
        }
    }

    fn begin() -> (BatchQueue<Slow>, Arc<Mutex<Vec<usize>>>) {
        let sizes = Arc::default();
        let options = BatchOptions { gather: Duration::from_secs(1), ..BatchOptions::default() };
        let (queue, writer) = group_commit(Slow(Arc::clone(&sizes)), options);
        tokio::spawn(writer.run(CancellationToken::new()));
        (queue, sizes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_writer_waits_for_what_comes_soon() {
        let (queue, sizes) = begin();
        let (one, two) = tokio::join!(queue.submit(Command), queue.submit(Command));
        let later = async {
            sleep(TAKES + TAKES / 2).await;
            queue.submit(Command).await
        };
        let (three, four) = tokio::join!(queue.submit(Command), later);
        assert!([one, two, three, four].iter().all(Result::is_ok));
        assert_eq!(*sizes.lock().unwrap(), [2, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_alone_waits_for_nobody() {
        let (queue, sizes) = begin();
        queue.submit(Command).await.unwrap();
        let begun = Instant::now();
        queue.submit(Command).await.unwrap();
        assert_eq!(begun.elapsed(), TAKES);
        assert_eq!(*sizes.lock().unwrap(), [1, 1]);
    }
}
