//! Wiring: consumers, firing, watchers, gRPC.

use std::{process::ExitCode, sync::Arc};

use dafei_contracts::sla::v1::{
    accountability_service_server::{self, AccountabilityServiceServer},
    breach_service_server::{self, BreachServiceServer},
    deadline_service_server::{self, DeadlineServiceServer},
};
use dafei_runtime::lifecycle::Stage;
use dafei_shell::{
    ops::Progress,
    start::{Open, Started},
    timer::Timer,
};
use tonic::service::Routes;

use crate::{
    accountability::{EntryTimer, Ledger},
    consumers::CaseEvents,
    firing::Firing,
    grpc::{Accountability, Breaches, Deadlines, Ticks},
    ledger::Terms,
};

/// The gRPC services, for reflection and health.
const SERVICES: &[&str] = &[
    deadline_service_server::SERVICE_NAME,
    breach_service_server::SERVICE_NAME,
    accountability_service_server::SERVICE_NAME,
];

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
    let (pool, clock, roster) = (started.pool.clone(), started.clock.clone(), started.roster.clone());
    let ledger = Ledger::new(pool, clock, roster, Arc::clone(&terms));
    let ticks = Ticks::new();
    spawn_entries(&mut started, ledger.clone(), ticks.clone());
    let limit = started.common.grpc.max_message_bytes;
    let accountability = AccountabilityServiceServer::new(Accountability::new(ledger)).max_decoding_message_size(limit);
    let routes = routes(&mut started, terms, ticks).add_service(accountability);
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

/// Opens entries as soon as a breach is announced, by whichever replica: every announcement wakes the timer.
fn spawn_entries(started: &mut Started, ledger: Ledger, ticks: Ticks) {
    let timer = Timer::new(Arc::new(EntryTimer::new(ledger)), started.clock.clone());
    let progress = timer.progress();
    let wake = progress.clock_moved.clone();
    started.add_progress(progress);
    let token = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "accountability entries", async move {
        let woken = ticks.each(move || {
            if let Some(wake) = &wake {
                wake();
            }
        });
        tokio::select! {
            () = timer.run(token) => {}
            () = woken => {}
        }
        Ok::<(), sqlx::Error>(())
    });
}

fn routes(started: &mut Started, terms: Arc<Terms>, ticks: Ticks) -> Routes {
    let limit = started.common.grpc.max_message_bytes;
    let ending = started.lifecycle.token(Stage::Grpc);
    let following = ticks.clone().follow(started.pool.clone(), ending.clone());
    started.lifecycle.spawn_stage(Stage::Grpc, "watchers", async move {
        following.await;
        Ok::<(), sqlx::Error>(())
    });
    let deadlines = Deadlines::new(started.pool.clone(), started.roster.clone(), terms);
    let breaches = Breaches::new(started.pool.clone(), started.roster.clone(), ticks, ending);
    Routes::new(DeadlineServiceServer::new(deadlines).max_decoding_message_size(limit))
        .add_service(BreachServiceServer::new(breaches).max_decoding_message_size(limit))
}
