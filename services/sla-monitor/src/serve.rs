//! Wiring: consumers, firing, watchers, gRPC.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use dafei_contracts::{
    Stream,
    sla::v1::{
        accountability_service_server::{self, AccountabilityServiceServer},
        breach_service_server::{self, BreachServiceServer},
        calendar_service_server::{self, CalendarServiceServer},
        deadline_service_server::{self, DeadlineServiceServer},
        reconciler_service_server::{self, ReconcilerServiceServer},
        rules_service_server::{self, RulesServiceServer},
    },
};
use dafei_kernel::clock::SharedClock;
use dafei_runtime::{config::Mode, lifecycle::Stage};
use dafei_shell::{
    ops::Progress,
    start::{Open, Started},
    timer::Timer,
};
use tonic::service::Routes;

use crate::{
    accountability::{self, EntryTimer, Ledger},
    calendar::{Calendars, Gauges},
    config::Settings,
    consumers::{CaseEvents, ReportingEvents},
    duties::Sweeps,
    firing::{Firing, Guard, Precedence},
    grpc::{Accountability, Breaches, Deadlines, Reconciliation, RuleTexts},
    measured,
    reconciler::{self, Peers, Reconciler},
    terms::TermsView,
};

/// Server streams that follow events.
const WATCHES: [&str; 1] = ["/dafei.sla.v1.BreachService/WatchBreaches"];

/// The gRPC services, for reflection and health.
const SERVICES: &[&str] = &[
    deadline_service_server::SERVICE_NAME,
    breach_service_server::SERVICE_NAME,
    accountability_service_server::SERVICE_NAME,
    rules_service_server::SERVICE_NAME,
    calendar_service_server::SERVICE_NAME,
    reconciler_service_server::SERVICE_NAME,
];

/// Runs the service until its end.
///
/// # Errors
/// When the address cannot be bound, the token keys or the certificates for the services it calls cannot be read, or rules or calendar in
/// force cannot be read.
pub async fn serve(mut started: Started, settings: &Settings) -> anyhow::Result<ExitCode> {
    let terms = TermsView::open(&started.pool, started.clock.now()).await.context("rules and calendar")?;
    let intake = CaseEvents::intake(terms.clone(), started.roster.clone());
    let dispatch = CaseEvents::dispatch(terms.clone(), started.roster.clone());
    for events in [intake, dispatch] {
        let config = events.config();
        started.consume(Arc::new(events), config);
    }
    let reporting = ReportingEvents::new(terms.clone());
    let config = reporting.config();
    started.consume(Arc::new(reporting), config);
    let guard = guard(started.common.mode, &started.clock);
    let sweeps = Sweeps::new(started.pool.clone(), terms.clone(), started.roster.clone());
    let sweeps = match &guard {
        Some(guard) => sweeps.guarded(Arc::clone(guard)),
        None => sweeps,
    };
    sweeps.arm().await?;
    // Before firing: what a sweep has recorded is to be announced, so "all is done" is asked of the sweeps first.
    started.time(Arc::new(sweeps));
    let precedence = spawn_firing(&mut started, terms.clone(), guard);
    spawn_counting(&mut started);
    let (pool, clock, roster) = (started.pool.clone(), started.clock.clone(), started.roster.clone());
    let ledger = Ledger::new(pool.clone(), clock.clone(), roster, terms.clone());
    spawn_entries(&mut started, ledger.clone(), precedence);
    let calendars = Calendars::new(pool, clock, terms.clone());
    follow_calendar(&mut started, &calendars);
    let reconciler = reconciler(&mut started, settings, &terms).await?;
    let reconciliation = Reconciliation::new(started.pool.clone(), started.clock.clone(), reconciler);
    let limit = started.common.grpc.max_message_bytes;
    let accountability = AccountabilityServiceServer::new(Accountability::new(ledger));
    let reconciliation = ReconcilerServiceServer::new(reconciliation);
    let routes = routes(&started, terms, calendars)
        .add_service(accountability.max_decoding_message_size(limit))
        .add_service(reconciliation.max_decoding_message_size(limit));
    started.run(routes, SERVICES, Open { watches: &WATCHES, ..Open::default() }).await
}

/// What is believed of the machine's clock; an exercise's is meant to jump.
fn guard(mode: Mode, clock: &SharedClock) -> Option<Arc<Guard>> {
    match mode {
        Mode::Exercise => None,
        Mode::System => {
            let began = std::time::Instant::now();
            Some(Arc::new(Guard::new(Arc::clone(clock), move || began.elapsed())))
        }
    }
}

fn spawn_firing(started: &mut Started, terms: TermsView, guard: Option<Arc<Guard>>) -> Precedence {
    let firing = Firing::new(started.pool.clone(), started.clock.clone(), terms, started.roster.clone()).measured();
    let firing = match guard {
        Some(guard) => firing.guarded(guard),
        None => firing,
    };
    let (next, done, moved, precedence) = (firing.clone(), firing.clone(), firing.clone(), firing.precedence());
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
    precedence
}

fn spawn_counting(started: &mut Started) {
    let (pool, clock) = (started.pool.clone(), started.clock.clone());
    let token = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "counting", async move {
        measured::run(pool, clock, token).await;
        Ok::<(), sqlx::Error>(())
    });
}

/// Deadlines that a calendar moves are moved, and what it does not cover is counted.
fn follow_calendar(started: &mut Started, calendars: &Calendars) {
    started.time(Arc::new(calendars.clone()));
    let (gauges, token) = (Gauges::register(), started.lifecycle.token(Stage::Writer));
    let following = gauges.follow(calendars.clone(), token);
    started.lifecycle.spawn_stage(Stage::Writer, "calendar figures", async move {
        following.await;
        Ok::<(), sqlx::Error>(())
    });
}

/// Opens entries as soon as something waits to become one, whichever replica noted it.
fn spawn_entries(started: &mut Started, ledger: Ledger, precedence: Precedence) {
    let pool = started.pool.clone();
    let timer = Timer::new(Arc::new(EntryTimer::new(ledger).after(precedence)), started.clock.clone());
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

/// The reconciler, where it was told whom to ask. It is no part of the progress that an exercise's clock waits for.
async fn reconciler(
    started: &mut Started,
    settings: &Settings,
    terms: &TermsView,
) -> anyhow::Result<Option<Reconciler>> {
    reconciler::watch_configured(settings.peers.is_some());
    let Some(peers) = &settings.peers else { return Ok(None) };
    let (pool, clock, roster) = (started.pool.clone(), started.clock.clone(), started.roster.clone());
    let reconciler = Reconciler::new(pool, clock, roster, terms.clone(), Peers::new(peers)?);
    reconciler.watch().await?;
    let (following, token) = (reconciler.clone(), started.lifecycle.token(Stage::Writer));
    started.lifecycle.spawn_stage(Stage::Writer, "reconciler", async move {
        following.follow(token).await;
        Ok::<(), sqlx::Error>(())
    });
    Ok(Some(reconciler))
}

fn routes(started: &Started, terms: TermsView, calendars: Calendars) -> Routes {
    let limit = started.common.grpc.max_message_bytes;
    let (pool, roster, clock) = (started.pool.clone(), started.roster.clone(), started.clock.clone());
    let texts = RuleTexts::new(pool.clone(), clock.clone(), roster.clone(), terms.clone());
    let deadlines = Deadlines::new(pool.clone(), roster.clone(), terms, clock.clone());
    let breaches = Breaches::new(pool, roster, clock, started.watches(Stream::Sla));
    Routes::new(DeadlineServiceServer::new(deadlines).max_decoding_message_size(limit))
        .add_service(BreachServiceServer::new(breaches).max_decoding_message_size(limit))
        .add_service(RulesServiceServer::new(texts).max_decoding_message_size(limit))
        .add_service(CalendarServiceServer::new(calendars).max_decoding_message_size(limit))
}
