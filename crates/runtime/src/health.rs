//! Health v1 that follows the process's state, and reflection. Readiness depends on PostgreSQL alone: a service whose bus
//! is away still takes writes.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
    server::{HealthReporter, HealthService},
};

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NotReady,
    Ready,
    /// The end has begun; there is no way back.
    Draining,
}

struct Inner {
    reporter: HealthReporter,
    names: Vec<String>,
}

/// Whether the process takes calls, and the health service that says so. Cheap to clone.
#[derive(Clone)]
pub struct Readiness {
    inner: Arc<Mutex<Inner>>,
    state: Arc<watch::Sender<State>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// Not ready yet.
    pub fn new() -> Self {
        // The empty name is the whole server's.
        let inner = Inner { reporter: HealthReporter::new(), names: vec![String::new()] };
        Self { inner: Arc::new(Mutex::new(inner)), state: Arc::new(watch::Sender::new(State::NotReady)) }
    }

    /// The health service, which reports the whole server and each of the names (`dafei.intake.v1.IntakeService`).
    pub async fn service(&self, names: &[&str]) -> HealthServer<impl Health> {
        let mut inner = self.inner.lock().await;
        inner.names.extend(names.iter().map(|name| (*name).to_owned()));
        self.publish(&inner).await;
        HealthServer::new(HealthService::from_health_reporter(inner.reporter.clone()))
    }

    /// Says whether the process takes calls. Without effect once the end has begun.
    pub async fn set(&self, ready: bool) {
        let next = if ready { State::Ready } else { State::NotReady };
        let inner = self.inner.lock().await;
        let changed = self.state.send_if_modified(|state| {
            let moves = *state != State::Draining && *state != next;
            if moves {
                *state = next;
            }
            moves
        });
        if changed {
            tracing::info!(ready, "readiness changed");
            self.publish(&inner).await;
        }
    }

    /// Begins the end: not ready, for good.
    pub async fn drain(&self) {
        let inner = self.inner.lock().await;
        self.state.send_replace(State::Draining);
        self.publish(&inner).await;
    }

    /// Ends the streams of those who watch the health: they would keep the server from closing.
    pub(crate) async fn end_watches(&self) {
        let mut inner = self.inner.lock().await;
        let Inner { reporter, names } = &mut *inner;
        for name in names {
            reporter.clear_service_status(name).await;
        }
    }

    /// Whether the process takes calls now.
    pub fn is_ready(&self) -> bool {
        *self.state.borrow() == State::Ready
    }

    /// Waits until the process takes calls. Never returns once the end has begun.
    pub async fn ready(&self) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        let _reached = state.wait_for(|state| *state == State::Ready).await;
    }

    async fn publish(&self, inner: &Inner) {
        let status = if self.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in &inner.names {
            inner.reporter.set_service_status(name, status).await;
        }
    }
}

/// Adds reflection v1 and v1alpha over a descriptor set, health included.
///
/// # Errors
/// When the descriptor set cannot be read.
pub fn add_reflection(routes: Routes, descriptors: &[u8]) -> Result<Routes, tonic_reflection::server::Error> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}
