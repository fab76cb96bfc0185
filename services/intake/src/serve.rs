//! The wiring of the service on what the shell has connected.

use std::{process::ExitCode, sync::Arc};

use dafei_contracts::Stream;
use dafei_messaging::{
    batch::{BatchOptions, group_commit},
    consumer::ConsumerConfig,
};
use dafei_runtime::lifecycle::Stage;
use dafei_shell::{
    ops::Progress,
    start::{Open, Started},
};

use crate::{
    app::{
        App, Writer, evidence,
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
    spawn_release(&mut started, &app);
    let (tidied, until) = (Arc::clone(&app), started.lifecycle.token(Stage::Consumer));
    started.lifecycle.spawn_stage(Stage::Consumer, "photos", async move {
        evidence::tidy(tidied, until).await;
        Ok::<(), sqlx::Error>(())
    });
    let routes = Grpc::new(app, queue).routes(started.common.grpc.max_message_bytes);
    started.run(routes, &SERVICES, Open { public: &PUBLIC, silent: &SILENT }).await
}

/// Starts the timer of tips that wait; the exercise clock moves from one that is due to the next.
fn spawn_release(started: &mut Started, app: &Arc<App>) {
    let timer = TipRelease::new(Arc::clone(app));
    let waker = timer.waker();
    let (next, done) = (Arc::clone(app), Arc::clone(app));
    started.set_progress(Progress {
        next_due: Progress::moment(move || {
            let app = Arc::clone(&next);
            async move { TipRelease::next_due(&app).await }
        }),
        done_through: Progress::moment(move || {
            let app = Arc::clone(&done);
            async move { TipRelease::done_through(&app).await }
        }),
        clock_moved: Some(Arc::new(move || waker.notify_one())),
    });
    let token = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "tips", async move {
        timer.run(token).await;
        Ok::<(), sqlx::Error>(())
    });
}
