//! The process of dispatch: settings, connections, service. `migrate` as an argument applies the migrations and ends.

use std::process::ExitCode;

use anyhow::bail;
use dafei_dispatch::{MIGRATOR, config::Settings, serve::serve};
use dafei_runtime::{config::Environment, telemetry};
use dafei_shell::start;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&Environment)?;
    let telemetry = telemetry::init(&settings.common)?;
    match std::env::args().nth(1).as_deref() {
        None => serve(start::start(settings.common.clone(), telemetry, &MIGRATOR).await?, &settings).await,
        Some("migrate") => start::migrate(&settings.common, &MIGRATOR).await,
        Some(other) => bail!("unknown argument {other:?}: none serves, `migrate` applies the migrations"),
    }
}
