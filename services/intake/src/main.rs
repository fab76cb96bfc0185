//! The process of intake: settings, connections, service.

use std::process::ExitCode;

use dafei_intake::{MIGRATOR, serve::serve};
use dafei_runtime::{
    config::{Common, Environment, Service},
    telemetry,
};
use dafei_shell::start;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let common = Common::read(&Environment, Service::Intake)?;
    let telemetry = telemetry::init(&common)?;
    let started = start::start(common, telemetry, &MIGRATOR).await?;
    serve(started).await
}
