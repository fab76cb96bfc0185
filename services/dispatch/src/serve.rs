//! The wiring of the service: what it reads, keeps and serves, on what the shell has connected.

use std::{process::ExitCode, sync::Arc};

use dafei_contracts::Stream;
use dafei_messaging::{
    batch::{BatchOptions, group_commit},
    consumer::ConsumerConfig,
};
use dafei_runtime::{config::Mode, lifecycle::Stage};
use dafei_shell::start::{Open, Started};

use crate::{
    app::{AgencySystems, Anchors, App, AssumedDelivery, LastVerdicts, RulesView, Writer},
    config::Settings,
    consumers::{ACKS_STREAM, Acks, FeedbackHandler, IntakeHandler, Lights, acks_stream, feedback_stream},
    grpc::{Grpc, SERVICES, WATCHES},
};

/// Messages of one transaction of the feedback and of the acknowledgements: each may load a case.
const BATCH: usize = 256;

/// Runs dispatch until a signal or until a part fails.
///
/// # Errors
/// When the routing data cannot be used, or as the shell's `run`.
pub async fn serve(mut started: Started, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (table, authority) = (settings.routing_table()?, settings.township_authority()?);
    let app = Arc::new(App {
        pool: started.pool.clone(),
        clock: started.clock.clone(),
        exercise: settings.common.mode == Mode::Exercise,
        ids: started.ids.clone(),
        roster: started.roster.clone(),
        rules: RulesView::open(&started.pool, &table, &authority, started.clock.now()).await?,
        limits: settings.limits,
    });
    started.keep_stream(feedback_stream());
    started.keep_stream(acks_stream());
    consume(&mut started, &app);
    let options = BatchOptions::default().for_calls(started.common.grpc.timeout);
    let (queue, writer) = group_commit(Writer::new(Arc::clone(&app)), options);
    let writing = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "writer", async move {
        writer.run(writing).await;
        Ok::<(), sqlx::Error>(())
    });
    started.time(Arc::new(Anchors::new(Arc::clone(&app))));
    started.time(Arc::new(AssumedDelivery::new(Arc::clone(&app), started.js.clone())));
    started.time(Arc::new(LastVerdicts::new(Arc::clone(&app))));
    let systems = AgencySystems::new(Arc::clone(&app), started.js.clone());
    let (keeper, keeping) = (systems.clone(), started.lifecycle.token(Stage::Consumer));
    started.lifecycle.spawn_stage(Stage::Consumer, "agency systems", async move {
        keeper.run(keeping).await;
        Ok::<(), sqlx::Error>(())
    });
    let watches = started.watches(Stream::Dispatch);
    let routes = Grpc::new(app, queue, systems, watches).routes();
    started.run(routes, &SERVICES, Open { watches: &WATCHES, ..Open::default() }).await
}

fn consume(started: &mut Started, app: &Arc<App>) {
    let intake = Arc::new(IntakeHandler::new(Arc::clone(app)));
    started.consume(intake, ConsumerConfig::ordered(Stream::Intake.name()));
    started.consume(Arc::new(Lights), ConsumerConfig::ordered(Stream::Sla.name()));
    let feedback = Arc::new(FeedbackHandler::new(Arc::clone(app)));
    let config = ConsumerConfig { batch: BATCH, ..ConsumerConfig::raw(Stream::Feedback.name()) };
    started.consume_from_outside(feedback, config);
    let acks = Arc::new(Acks::new(Arc::clone(app), started.js.clone()));
    let config = ConsumerConfig { batch: BATCH, ..ConsumerConfig::raw(ACKS_STREAM) };
    started.consume_from_outside(acks, config);
}
