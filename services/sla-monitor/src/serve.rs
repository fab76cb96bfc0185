//! Wiring: consumers, firing, watchers, gRPC.

use std::{process::ExitCode, sync::Arc};

use dafei_contracts::sla::v1::{
    breach_service_server::{self, BreachServiceServer},
    deadline_service_server::{self, DeadlineServiceServer},
    reconciler_service_server::{self, ReconcilerServiceServer},
};
use dafei_runtime::lifecycle::Stage;
use dafei_shell::{
    ops::Progress,
    start::{Open, Started},
};
use tonic::service::Routes;

use crate::{
    config::Settings,
    consumers::CaseEvents,
    firing::Firing,
    grpc::{Breaches, Deadlines, Reconciliation, Ticks},
    ledger::Terms,
    reconciler::{self, Peers, Reconciler},
};

/// The gRPC services, for reflection and health.
const SERVICES: &[&str] = &[
    deadline_service_server::SERVICE_NAME,
    breach_service_server::SERVICE_NAME,
    reconciler_service_server::SERVICE_NAME,
];

/// Runs the service until its end.
///
/// # Errors
/// When the address cannot be bound, or the token keys or the certificates for the services it calls cannot be read.
pub async fn serve(mut started: Started, settings: &Settings) -> anyhow::Result<ExitCode> {
    let terms = Arc::new(Terms::builtin());
    let intake = CaseEvents::intake(Arc::clone(&terms), started.roster.clone());
    let dispatch = CaseEvents::dispatch(Arc::clone(&terms), started.roster.clone());
    for events in [intake, dispatch] {
        let config = events.config();
        started.consume(Arc::new(events), config);
    }
    spawn_firing(&mut started);
    let reconciler = reconciler(&mut started, settings, &terms).await?;
    let routes = routes(&mut started, terms, reconciler);
    started.run(routes, SERVICES, Open::default()).await
}

fn spawn_firing(started: &mut Started) {
    let firing = Firing::new(started.pool.clone(), started.clock.clone());
    let (next, done, moved) = (firing.clone(), firing.clone(), firing.clone());
    started.add_progress(Progress {
        next_due: Progress::moment(move || {
            let firing = next.clone();
            async move { firing.next_due().await }
        }),
        done_through: Progress::moment(move || {
            let firing = done.clone();
            async move { firing.done_through().await.map(Some) }
        }),
        clock_moved: Some(Arc::new(move || moved.clock_moved())),
    });
    let token = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "firing", async move {
        firing.run(token).await;
        Ok::<(), sqlx::Error>(())
    });
}

/// The reconciler, where it was told whom to ask. It is no part of the progress that an exercise's clock waits for.
async fn reconciler(
    started: &mut Started,
    settings: &Settings,
    terms: &Arc<Terms>,
) -> anyhow::Result<Option<Reconciler>> {
    reconciler::watch_configured(settings.peers.is_some());
    let Some(peers) = &settings.peers else { return Ok(None) };
    let (pool, clock, roster) = (started.pool.clone(), started.clock.clone(), started.roster.clone());
    let reconciler = Reconciler::new(pool, clock, roster, Arc::clone(terms), Peers::new(peers)?);
    reconciler.watch().await?;
    let (following, token) = (reconciler.clone(), started.lifecycle.token(Stage::Writer));
    started.lifecycle.spawn_stage(Stage::Writer, "reconciler", async move {
        following.follow(token).await;
        Ok::<(), sqlx::Error>(())
    });
    Ok(Some(reconciler))
}

fn routes(started: &mut Started, terms: Arc<Terms>, reconciler: Option<Reconciler>) -> Routes {
    let limit = started.common.grpc.max_message_bytes;
    let ending = started.lifecycle.token(Stage::Grpc);
    let ticks = Ticks::new();
    let following = ticks.clone().follow(started.pool.clone(), ending.clone());
    started.lifecycle.spawn_stage(Stage::Grpc, "watchers", async move {
        following.await;
        Ok::<(), sqlx::Error>(())
    });
    let deadlines = Deadlines::new(started.pool.clone(), started.roster.clone(), terms);
    let breaches = Breaches::new(started.pool.clone(), started.roster.clone(), ticks, ending);
    let reconciliation = Reconciliation::new(started.pool.clone(), started.clock.clone(), reconciler);
    Routes::new(DeadlineServiceServer::new(deadlines).max_decoding_message_size(limit))
        .add_service(BreachServiceServer::new(breaches).max_decoding_message_size(limit))
        .add_service(ReconcilerServiceServer::new(reconciliation).max_decoding_message_size(limit))
}
