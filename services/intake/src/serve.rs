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
    app::{
        self, App, RewardTimer, Writer,
        tips::{TipRelease, Tips},
    },
    codes::{Codes, Cost},
    config::Settings,
    consumer::DispatchHandler,
    grpc::{Grpc, PUBLIC, SERVICES, SILENT},
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
        codes: Codes::new(&settings.code_pepper, Cost::STANDARD),
        tips: Tips::new(settings.tips),
        roster: started.roster.clone(),
        roster_limits: settings.roster_limits,
        rules: settings.rules,
        notices: settings.notices,
        patrol_months: settings.patrol_months,
        rewards: settings.rewards,
    });
    app::load_builtin(&app).await?;
    let handler = Arc::new(DispatchHandler::new(Arc::clone(&app)));
    started.consume(handler, ConsumerConfig::ordered(Stream::Dispatch.name()));
    let options = BatchOptions::default().for_calls(started.common.grpc.timeout);
    let (queue, writer) = group_commit(Writer::new(Arc::clone(&app)), options);
    let writing = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "writer", async move {
        writer.run(writing).await;
        Ok::<(), sqlx::Error>(())
    });
    started.time(Arc::new(TipRelease::new(Arc::clone(&app))));
    started.time(Arc::new(RewardTimer::new(Arc::clone(&app))));
    let (kept, until) = (Arc::clone(&app), started.lifecycle.token(Stage::Consumer));
    started.lifecycle.spawn_stage(Stage::Consumer, "housekeeping", async move {
        app::keep(&kept, until).await;
        Ok::<(), sqlx::Error>(())
    });
    let options = Writer::for_uploads().for_calls(started.common.grpc.timeout);
    let (uploads, writer) = group_commit(Writer::new(Arc::clone(&app)), options);
    let writing = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "upload writer", async move {
        writer.run(writing).await;
        Ok::<(), sqlx::Error>(())
    });
    let routes = Grpc::new(app, queue, uploads).routes(started.common.grpc.max_message_bytes);
    started.run(routes, &SERVICES, Open { public: &PUBLIC, silent: &SILENT, ..Open::default() }).await
}
