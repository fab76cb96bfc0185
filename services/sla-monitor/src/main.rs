//! The process of the SLA monitor. Settings come from the environment; `rebuild` as an argument forgets the facts and how far the streams
//! were read, so that the service, running or started next, makes its ledger again from the streams, and refuses when
//! these no longer hold all; `migrate` applies the migrations and ends.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use dafei_runtime::{config::Environment, telemetry};
use dafei_sla_monitor::{MIGRATOR, config::Settings, consumers, serve::serve};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&Environment)?;
    let common = settings.common.clone();
    match std::env::args().nth(1).as_deref() {
        None => {
            let telemetry = telemetry::init(&common)?;
            serve(dafei_shell::start::start(common, telemetry, &MIGRATOR).await?, &settings).await
        }
        Some("rebuild") => {
            dafei_shell::start::check_streams(&common, &consumers::STREAMS).await?;
            let pool = sqlx::PgPool::connect(common.database.url.expose()).await.context("PostgreSQL")?;
            consumers::rebuild(&pool).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some("migrate") => {
            let _telemetry = telemetry::init(&common)?;
            dafei_shell::start::migrate(&common, &MIGRATOR).await
        }
        Some(other) => bail!(
            "unknown argument {other:?}: none serves, `rebuild` makes the ledger again, `migrate` applies the migrations"
        ),
    }
}
