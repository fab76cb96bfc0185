//! Wiring: consumers, firing, watchers, gRPC.

use std::{process::ExitCode, sync::Arc};

use dafei_contracts::{
    Stream,
    sla::v1::{
        breach_service_server::{self, BreachServiceServer},
        deadline_service_server::{self, DeadlineServiceServer},
    },
};
use dafei_runtime::{config::Mode, lifecycle::Stage};
use dafei_shell::{
    ops::Progress,
    start::{Open, Started},
};
use tonic::service::Routes;

use crate::{
    consumers::CaseEvents,
    firing::Firing,
    grpc::{Breaches, Deadlines},
    ledger::Terms,
    measured,
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
    spawn_firing(&mut started);
    spawn_counting(&mut started);
    let routes = routes(&started, terms);
    started.run(routes, SERVICES, Open::default()).await
}

fn spawn_firing(started: &mut Started) {
    let firing = Firing::new(started.pool.clone(), started.clock.clone()).measured();
    let firing = match started.common.mode {
        Mode::Exercise => firing,
        Mode::System => {
            let began = std::time::Instant::now();
            firing.guarded(move || began.elapsed())
        }
    };
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

fn spawn_counting(started: &mut Started) {
    let (pool, clock) = (started.pool.clone(), started.clock.clone());
    let token = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "counting", async move {
        measured::run(pool, clock, token).await;
        Ok::<(), sqlx::Error>(())
    });
}

fn routes(started: &Started, terms: Arc<Terms>) -> Routes {
    let limit = started.common.grpc.max_message_bytes;
    let (pool, roster, clock) = (started.pool.clone(), started.roster.clone(), started.clock.clone());
    let deadlines = Deadlines::new(pool.clone(), roster.clone(), terms, clock.clone());
    let breaches = Breaches::new(pool, roster, clock, started.watches(Stream::Sla));
    Routes::new(DeadlineServiceServer::new(deadlines).max_decoding_message_size(limit))
        .add_service(BreachServiceServer::new(breaches).max_decoding_message_size(limit))
}
