//! Wiring: consumers, firing, watchers, gRPC.

use std::{process::ExitCode, sync::Arc};

use dafei_contracts::{
    Stream,
    sla::v1::{
        accountability_service_server::{self, AccountabilityServiceServer},
        breach_service_server::{self, BreachServiceServer},
        deadline_service_server::{self, DeadlineServiceServer},
    },
};
use dafei_runtime::{config::Mode, lifecycle::Stage};
use dafei_shell::{
    ops::Progress,
    start::{Open, Started},
    timer::Timer,
};
use tonic::service::Routes;

use crate::{
    accountability::{self, EntryTimer, Ledger},
    consumers::CaseEvents,
    firing::Firing,
    grpc::{Accountability, Breaches, Deadlines},
    ledger::Terms,
    measured,
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
    spawn_counting(&mut started);
    let (pool, clock, roster) = (started.pool.clone(), started.clock.clone(), started.roster.clone());
    let ledger = Ledger::new(pool, clock, roster, Arc::clone(&terms));
    spawn_entries(&mut started, ledger.clone());
    let limit = started.common.grpc.max_message_bytes;
    let accountability = AccountabilityServiceServer::new(Accountability::new(ledger));
    let routes = routes(&started, terms).add_service(accountability.max_decoding_message_size(limit));
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

/// Opens entries as soon as something waits to become one, whichever replica noted it.
fn spawn_entries(started: &mut Started, ledger: Ledger) {
    let pool = started.pool.clone();
    let timer = Timer::new(Arc::new(EntryTimer::new(ledger)), started.clock.clone());
    let progress = timer.progress();
    let wake = progress.clock_moved.clone();
    started.add_progress(progress);
    let token = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "accountability entries", async move {
        let woken = accountability::each_note(pool, move || {
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

fn routes(started: &Started, terms: Arc<Terms>) -> Routes {
    let limit = started.common.grpc.max_message_bytes;
    let (pool, roster, clock) = (started.pool.clone(), started.roster.clone(), started.clock.clone());
    let deadlines = Deadlines::new(pool.clone(), roster.clone(), terms, clock.clone());
    let breaches = Breaches::new(pool, roster, clock, started.watches(Stream::Sla));
    Routes::new(DeadlineServiceServer::new(deadlines).max_decoding_message_size(limit))
        .add_service(BreachServiceServer::new(breaches).max_decoding_message_size(limit))
}
