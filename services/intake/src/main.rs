//! The process of intake: settings, connections, service.

use std::process::ExitCode;

use dafei_intake::{MIGRATOR, config::Settings, serve::serve};
use dafei_runtime::{config::Environment, telemetry};
use dafei_shell::start;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&Environment)?;
    let telemetry = telemetry::init(&settings.common)?;
    let started = start::start(settings.common.clone(), telemetry, &MIGRATOR).await?;
    serve(started, settings).await
}
