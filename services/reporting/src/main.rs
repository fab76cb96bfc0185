//! The reporting service. Settings come from the environment; `rebuild` as an argument forgets the projection and its marks, so that the
//! service, running or started next, makes it again from the streams, and refuses when these no longer
//! hold all; `migrate` applies the migrations and ends.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use dafei_reporting::{
    config::Settings,
    consumer::{self, DispatchFacts, IntakeEvents, SlaFacts},
    rebuild::Rebuilds,
    serve::{self, Parts},
    store,
};
use dafei_runtime::{
    config::{Common, Environment},
    lifecycle::Stage,
    telemetry,
};
use dafei_shell::start::Open;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&Environment)?;
    match std::env::args().nth(1).as_deref() {
        None => serve(settings).await,
        Some("rebuild") => rebuild(&settings.common).await,
        Some("migrate") => migrate(&settings.common).await,
        Some(other) => {
            bail!(
                "unknown argument {other:?}: none serves, `rebuild` makes the projection again, `migrate` applies the migrations"
            )
        }
    }
}

async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    let rules = Arc::new(settings.rules()?);
    let telemetry = telemetry::init(&settings.common)?;
    let mut service = dafei_shell::start::start(settings.common, telemetry, &store::MIGRATOR).await?;
    let intake = IntakeEvents::new(service.roster.clone(), service.clock.clone());
    service.consume(Arc::new(intake), IntakeEvents::config());
    service.consume(Arc::new(DispatchFacts), DispatchFacts::config());
    service.consume(Arc::new(SlaFacts), SlaFacts::config());
    let parts = Parts {
        pool: service.pool.clone(),
        roster: service.roster.clone(),
        clock: service.clock.clone(),
        ids: Arc::clone(&service.ids),
        rules,
    };
    let rebuilds = Rebuilds::open(parts.pool.clone(), parts.clock.clone()).await?;
    let (following, token) = (rebuilds.clone(), service.lifecycle.token(Stage::Consumer));
    service.lifecycle.spawn_stage(Stage::Consumer, "rebuilds", async move {
        following.follow(token).await;
        Ok::<(), sqlx::Error>(())
    });
    let open = Open { public: serve::PUBLIC, ..Open::default() };
    service.run(serve::routes(&parts, rebuilds), serve::SERVICES, open).await
}

async fn migrate(common: &Common) -> anyhow::Result<ExitCode> {
    let _telemetry = telemetry::init(common)?;
    dafei_shell::start::migrate(common, &store::MIGRATOR).await
}

async fn rebuild(common: &Common) -> anyhow::Result<ExitCode> {
    dafei_shell::start::check_streams(common, &consumer::STREAMS).await?;
    let pool = sqlx::PgPool::connect(common.database.url.expose()).await.context("PostgreSQL")?;
    consumer::rebuild(&pool).await?;
    Ok(ExitCode::SUCCESS)
}
