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
    app::{App, RewardTimer, Writer},
    codes::{Codes, Cost},
    config::Settings,
    consumer::DispatchHandler,
    grpc::{Grpc, OPEN, SERVICES},
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
        roster: started.roster.clone(),
        rules: settings.rules,
        codes: Codes::new(&settings.pepper, Cost::STANDARD),
        rewards: settings.rewards,
    });
    let handler = Arc::new(DispatchHandler::new(Arc::clone(&app)));
    started.consume(handler, ConsumerConfig::ordered(Stream::Dispatch.name()));
    let (queue, writer) = group_commit(Writer::new(Arc::clone(&app)), BatchOptions::default());
    let writing = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "writer", async move {
        writer.run(writing).await;
        Ok::<(), sqlx::Error>(())
    });
    spawn_reward_timer(&mut started, &app);
    let routes = Grpc::new(app, queue).routes(started.common.grpc.max_message_bytes);
    started.run(routes, &SERVICES, Open { public: &OPEN, silent: &OPEN }).await
}

fn spawn_reward_timer(started: &mut Started, app: &Arc<App>) {
    let timer = RewardTimer::new(Arc::clone(app));
    let waker = timer.waker();
    let (next, done) = (Arc::clone(app), Arc::clone(app));
    started.set_progress(Progress {
        next_due: Progress::moment(move || {
            let app = Arc::clone(&next);
            async move { RewardTimer::next_due(&app).await }
        }),
        done_through: Progress::moment(move || {
            let app = Arc::clone(&done);
            async move { RewardTimer::done_through(&app).await }
        }),
        clock_moved: Some(Arc::new(move || waker.notify_one())),
    });
    let token = started.lifecycle.token(Stage::Writer);
    started.lifecycle.spawn_stage(Stage::Writer, "rewards that run out", async move {
        timer.run(token).await;
        Ok::<(), sqlx::Error>(())
    });
}
