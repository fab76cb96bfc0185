//! Background tasks by stage: who runs, how a stage is told to end, and what came of each.

use std::{
    any::Any,
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures::FutureExt as _;
use tokio::{sync::mpsc, task::AbortHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{BoxError, status::chain};

/// The stages of a process's end, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Takes from outside by itself: consumers of the bus, timers, probes. Ends first.
    Consumer,
    /// Belongs to the gRPC server: what long server streams live on. Ends when no new calls come.
    Grpc,
    /// Writes what calls have handed over. Ends when all calls are answered.
    Writer,
    /// Publishes what was written. Ends last.
    Relay,
}

const STAGES: [Stage; 4] = [Stage::Consumer, Stage::Grpc, Stage::Writer, Stage::Relay];

/// A background task that failed.
#[derive(Debug)]
pub(super) struct Failure {
    task: &'static str,
    error: BoxError,
}

impl Failure {
    pub(super) fn log(&self) {
        tracing::error!(task = self.task, error = chain(self.error.as_ref()), "a background task failed");
    }
}

#[derive(Default)]
struct Group {
    token: CancellationToken,
    tracker: TaskTracker,
}

/// All background tasks.
pub(super) struct Stages {
    groups: [Group; STAGES.len()],
    failures: mpsc::UnboundedSender<Failure>,
    running: Arc<Mutex<BTreeMap<usize, &'static str>>>,
    aborts: Vec<AbortHandle>,
}

impl Stages {
    pub(super) fn new(failures: mpsc::UnboundedSender<Failure>) -> Self {
        let groups = STAGES.map(|_| Group::default());
        Self { groups, failures, running: Arc::default(), aborts: Vec::new() }
    }

    pub(super) fn token(&self, stage: Stage) -> CancellationToken {
        self.group(stage).token.clone()
    }

    pub(super) fn spawn<F, E>(&mut self, stage: Stage, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let number = self.aborts.len();
        let (failures, running) = (self.failures.clone(), Arc::clone(&self.running));
        lock(&running).insert(number, name);
        let handle = self.group(stage).tracker.spawn(async move {
            let outcome = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(panic) => Err(said(panic.as_ref()).into()),
            };
            lock(&running).remove(&number);
            if let Err(error) = outcome {
                // Nobody listens any more after a hard stop.
                let _late = failures.send(Failure { task: name, error });
            }
        });
        self.aborts.push(handle.abort_handle());
    }

    /// Tells a stage to end and waits until it has.
    pub(super) async fn end(&self, stage: Stage) {
        let group = self.group(stage);
        group.token.cancel();
        group.tracker.close();
        group.tracker.wait().await;
    }

    /// The names of the tasks that have not ended.
    pub(super) fn running(&self) -> Vec<&'static str> {
        lock(&self.running).values().copied().collect()
    }

    /// The hard stop.
    pub(super) fn abort(&self) {
        self.groups.iter().for_each(|group| group.token.cancel());
        self.aborts.iter().for_each(AbortHandle::abort);
    }

    fn group(&self, stage: Stage) -> &Group {
        match stage {
            Stage::Consumer => &self.groups[0],
            Stage::Grpc => &self.groups[1],
            Stage::Writer => &self.groups[2],
            Stage::Relay => &self.groups[3],
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a word"))
}
