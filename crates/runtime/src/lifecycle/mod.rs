//! A process from its first background task to its last flush, in one place.
//!
//! The end has an order: readiness off, consumers, gRPC (calls in flight finish), writers, relay, telemetry. It begins with
//! SIGTERM, SIGINT, the trigger, or a background task that fails; a deadline or a second signal makes it hard.

mod deadline;
mod in_flight;
mod server;
mod stage;

pub use server::{Bound, GrpcServer, ServeError};
pub use stage::Stage;

use std::{future::Future, process::ExitCode, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    BoxError,
    config::{Common, GrpcLimits, Service, Tls},
    health::Readiness,
    status::chain,
    telemetry::Telemetry,
};
use stage::{Failure, Stages};

/// How long one look at the database may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the end began.
#[derive(Debug)]
enum Cause {
    Signal,
    Trigger,
    Failed(Failure),
    ServerEnded(Result<(), BoxError>),
}

/// The supervisor of a process. Give it the background tasks, then let it serve.
pub struct Lifecycle {
    stages: Stages,
    failures: mpsc::UnboundedReceiver<Failure>,
    trigger: CancellationToken,
    readiness: Readiness,
    probed: bool,
    telemetry: Telemetry,
    service: Service,
    listen: String,
    shutdown: Duration,
    limits: GrpcLimits,
    tls: Option<Tls>,
}

impl Lifecycle {
    /// A supervisor with the process's settings, which keeps its telemetry until the end.
    pub fn new(common: &Common, telemetry: Telemetry) -> Self {
        let (sender, failures) = mpsc::unbounded_channel();
        Self {
            stages: Stages::new(sender),
            failures,
            trigger: CancellationToken::new(),
            readiness: Readiness::new(),
            probed: false,
            telemetry,
            service: common.service,
            listen: common.listen.clone(),
            shutdown: common.shutdown,
            limits: common.grpc.clone(),
            tls: common.tls.clone(),
        }
    }

    /// The token that tells a stage's tasks to end. Long server streams end on [`Stage::Grpc`]'s.
    pub fn token(&self, stage: Stage) -> CancellationToken {
        self.stages.token(stage)
    }

    /// Begins the end when it is cancelled, like SIGTERM.
    pub fn trigger(&self) -> CancellationToken {
        self.trigger.clone()
    }

    /// Whether the process takes calls.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Runs a background task of a stage. It should end with `Ok` soon after its stage's token is cancelled. An error or a
    /// panic brings the process down with exit code 1; `Ok` before the end is a task that has done its work.
    pub fn spawn_stage<F, E>(&mut self, stage: Stage, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.stages.spawn(stage, name, task);
    }

    /// Lets readiness follow a probe, which looks at PostgreSQL and at nothing else. The process is not ready before the
    /// first `true`. Without any probe it is ready as soon as it serves.
    pub fn readiness_probe<F, Fut>(&mut self, every: Duration, probe: F)
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = bool> + Send,
    {
        self.probed = true;
        let (readiness, token) = (self.readiness.clone(), self.token(Stage::Consumer));
        self.spawn_stage(Stage::Consumer, "readiness", async move {
            loop {
                let ready = tokio::time::timeout(PROBE_TIMEOUT, probe()).await.unwrap_or(false);
                readiness.set(ready).await;
                tokio::select! {
                    () = token.cancelled() => return Ok::<_, BoxError>(()),
                    () = tokio::time::sleep(every) => {}
                }
            }
        });
    }

    /// Takes the listen address, so that it is known before anything serves.
    ///
    /// # Errors
    /// When the address cannot be resolved or is taken.
    pub async fn bind(&self) -> Result<Bound, ServeError> {
        Bound::bind(&self.listen).await
    }

    /// Serves until the end, then ends in order. The exit code is 0 after an asked-for, clean end, else 1.
    pub async fn serve(self, bound: Bound, routes: Routes, server: GrpcServer) -> ExitCode {
        let address = bound.local_addr();
        let parts = server::Parts {
            service: self.service,
            limits: &self.limits,
            tls: self.tls.as_ref(),
            readiness: &self.readiness,
        };
        let token = self.stages.token(Stage::Grpc);
        let serving = match server.start(bound, routes, parts, token).await {
            Ok(serving) => serving,
            Err(error) => {
                tracing::error!(error = chain(&error), "the gRPC server cannot start");
                self.trigger.cancel();
                return self.end(None, ExitCode::FAILURE).await;
            }
        };
        if !self.probed {
            self.readiness.set(true).await;
        }
        tracing::info!(%address, "listening");
        self.run(serving).await
    }

    async fn run(mut self, mut serving: JoinHandle<Result<(), BoxError>>) -> ExitCode {
        let cause = tokio::select! {
            () = signal() => Cause::Signal,
            () = self.trigger.cancelled() => Cause::Trigger,
            Some(failure) = self.failures.recv() => Cause::Failed(failure),
            ended = &mut serving => Cause::ServerEnded(ended.unwrap_or_else(|error| Err(error.into()))),
        };
        match cause {
            Cause::Signal | Cause::Trigger => {
                tracing::info!("shutting down");
                self.end(Some(serving), ExitCode::SUCCESS).await
            }
            Cause::Failed(failure) => {
                failure.log();
                self.end(Some(serving), ExitCode::FAILURE).await
            }
            Cause::ServerEnded(ended) => {
                let error = ended.err().map(|error| chain(error.as_ref()));
                tracing::error!(error, "the gRPC server ended by itself");
                self.end(None, ExitCode::FAILURE).await
            }
        }
    }

    async fn end(mut self, serving: Option<JoinHandle<Result<(), BoxError>>>, asked: ExitCode) -> ExitCode {
        let deadline = Instant::now() + self.shutdown;
        let clean = tokio::select! {
            () = self.drain(serving, deadline) => true,
            () = tokio::time::sleep_until(deadline) => false,
            () = signal() => false,
        };
        if !clean {
            tracing::error!(tasks = ?self.stages.running(), "shutdown was not done in time; these tasks are cut off");
            self.stages.abort();
        }
        let mut late_failures = 0;
        while let Ok(failure) = self.failures.try_recv() {
            failure.log();
            late_failures += 1;
        }
        self.telemetry.shutdown().await;
        if clean && late_failures == 0 { asked } else { ExitCode::FAILURE }
    }

    async fn drain(&self, serving: Option<JoinHandle<Result<(), BoxError>>>, deadline: Instant) {
        self.readiness.drain().await;
        self.stages.end(Stage::Consumer).await;
        self.readiness.end_watches().await;
        self.stages.token(Stage::Grpc).cancel();
        if let Some(serving) = serving {
            // A client that keeps a call open must not cost the writers and the relay their time.
            let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
            let abort = serving.abort_handle();
            match tokio::time::timeout_at(half, serving).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => {
                    tracing::warn!(error = chain(error.as_ref()), "the gRPC server ended badly")
                }
                Ok(Err(error)) => tracing::warn!(%error, "the gRPC server ended badly"),
                Err(_) => {
                    abort.abort();
                    tracing::warn!("calls still open were cut off");
                }
            }
        }
        self.stages.end(Stage::Grpc).await;
        self.stages.end(Stage::Writer).await;
        self.stages.end(Stage::Relay).await;
    }
}

/// SIGTERM or SIGINT.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (terminate, interrupt) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            // Then the default of the signal holds: the process ends at once, which every promise survives.
            tracing::error!(%error, "signals cannot be caught");
            std::future::pending::<()>().await;
        }
    }
}
