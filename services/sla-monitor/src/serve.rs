//! Wiring: consumers, firing, watchers, gRPC.

use std::{process::ExitCode, sync::Arc};

use dafei_contracts::sla::v1::{
    breach_service_server::{self, BreachServiceServer},
    deadline_service_server::{self, DeadlineServiceServer},
};
use dafei_runtime::lifecycle::Stage;
use dafei_shell::{
    ops::Progress,
    start::{Open, Started},
};
use tonic::service::Routes;

use crate::{
    consumers::{CaseEvents, ReportingEvents},
    duties::Sweeps,
    firing::Firing,
    grpc::{Breaches, Deadlines, Ticks},
    ledger::Terms,
};

/// The gRPC services, for reflection and health.
const SERVICES: &[&str] = &[deadline_service_server::SERVICE_NAME, breach_service_server::SERVICE_NAME];

/// Runs the service until its end.
///
/// # Errors
/// When the address cannot be bound or the token keys cannot be read.
pub async fn serve(mut started: Started) -> anyhow::Result<ExitCode> {
    let terms = Arc::new(Terms::builtin());
    let intake = CaseEvents::intake(Arc::clone(&terms), started.roster.clone());
    let dispatch = CaseEvents::dispatch(Arc::clone(&terms), started.roster.clone());
    for events in [intake, dispatch] {
        let config = events.config();
        started.consume(Arc::new(events), config);
    }
    let reporting = ReportingEvents::new(Arc::clone(&terms));
    let config = reporting.config();
    started.consume(Arc::new(reporting), config);
    let sweeps = Sweeps::new(started.pool.clone(), Arc::clone(&terms), started.roster.clone());
    sweeps.arm().await?;
    // Before firing: what a sweep has recorded is to be announced, so "all is done" is asked of the sweeps first.
    started.time(Arc::new(sweeps));
    spawn_firing(&mut started);
    let routes = routes(&mut started, terms);
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

fn routes(started: &mut Started, terms: Arc<Terms>) -> Routes {
    let limit = started.common.grpc.max_message_bytes;
    let ending = started.lifecycle.token(Stage::Grpc);
    let ticks = Ticks::new();
    let following = ticks.clone().follow(started.pool.clone(), ending.clone());
    started.lifecycle.spawn_stage(Stage::Grpc, "watchers", async move {
        following.await;
        Ok::<(), sqlx::Error>(())
    });
    let deadlines = Deadlines::new(started.pool.clone(), started.roster.clone(), terms, started.clock.clone());
    let breaches = Breaches::new(started.pool.clone(), started.roster.clone(), ticks, ending);
    Routes::new(DeadlineServiceServer::new(deadlines).max_decoding_message_size(limit))
        .add_service(BreachServiceServer::new(breaches).max_decoding_message_size(limit))
}
