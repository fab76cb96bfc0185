//! The wiring of the service on what the shell has connected.

use std::{process::ExitCode, sync::Arc};

use dafei_contracts::Stream;
use dafei_messaging::{
    batch::{BatchOptions, group_commit},
    consumer::ConsumerConfig,
};
use dafei_runtime::lifecycle::Stage;
use dafei_shell::start::{Open, Started};

use crate::{
    app::{App, Writer},
    config::Settings,
    consumer::DispatchHandler,
    grpc::{Grpc, SERVICES},
    photos::Photos,
};

/// Runs intake until a signal or until a part fails.
///
/// # Errors
/// As the shell's `run`.
pub async fn serve(mut started: Started, settings: Settings) -> anyhow::Result<ExitCode> {
    let app = Arc::new(App {
        pool: started.pool.clone(),
        clock: started.clock.clone(),
        ids: started.ids.clone(),
        photos: Photos::open(&settings.photos)?,
        roster: started.roster.clone(),
        rules: settings.rules,
    });
    let handler = Arc::new(DispatchHandler::new(Arc::clone(&app)));
    started.consume(handler, ConsumerConfig::ordered(Stream::Dispatch.name()));
    let (queue, writer) = group_commit(Writer::new(Arc::clone(&app)), BatchOptions::default());
    let writing = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "writer", async move {
        writer.run(writing).await;
        Ok::<(), sqlx::Error>(())
    });
    let routes = Grpc::new(app, queue).routes(started.common.grpc.max_message_bytes);
    started.run(routes, &SERVICES, Open::default()).await
}
