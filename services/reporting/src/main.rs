//! The reporting service. Settings come from the environment; `rebuild` as an argument forgets the projection and its marks, so that the
//! service, running or started next, makes it again from the streams.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use dafei_contracts::reporting::v1::{
    filing_service_server::{self, FilingServiceServer},
    monthly_table_service_server::{self, MonthlyTableServiceServer},
    rebuild_service_server::{self, RebuildServiceServer},
};
use dafei_reporting::{
    consumer::{self, DispatchFacts, IntakeEvents, SlaFacts},
    grpc::{Filings, MonthlyTables, RebuildTables},
    rebuild::Rebuilds,
    store,
};
use dafei_runtime::{
    config::{Common, Environment, Service},
    telemetry,
};
use dafei_shell::start::Open;
use tonic::service::Routes;

/// The gRPC services, for reflection and health.
const SERVICES: &[&str] = &[
    monthly_table_service_server::SERVICE_NAME,
    filing_service_server::SERVICE_NAME,
    rebuild_service_server::SERVICE_NAME,
];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let common = Common::read(&Environment, Service::Reporting)?;
    match std::env::args().nth(1).as_deref() {
        None => serve(common).await,
        Some("rebuild") => rebuild(&common).await,
        Some(other) => {
            bail!("unknown argument {other:?}: none serves, `rebuild` makes the projection again")
        }
    }
}

async fn serve(common: Common) -> anyhow::Result<ExitCode> {
    let telemetry = telemetry::init(&common)?;
    let mut service = dafei_shell::start::start(common, telemetry, &store::MIGRATOR).await?;
    service.consume(Arc::new(IntakeEvents::new(service.roster.clone())), IntakeEvents::config());
    service.consume(Arc::new(DispatchFacts), DispatchFacts::config());
    service.consume(Arc::new(SlaFacts), SlaFacts::config());
    let tables = MonthlyTables::new(service.pool.clone(), service.roster.clone(), service.clock.clone());
    let filings = Filings::new(service.pool.clone(), service.roster.clone(), service.clock.clone());
    let rebuilds = Rebuilds::open(service.pool.clone(), service.clock.clone()).await?;
    let routes = Routes::new(MonthlyTableServiceServer::new(tables))
        .add_service(FilingServiceServer::new(filings))
        .add_service(RebuildServiceServer::new(RebuildTables::new(rebuilds)));
    service.run(routes, SERVICES, Open::default()).await
}

async fn rebuild(common: &Common) -> anyhow::Result<ExitCode> {
    let pool = sqlx::PgPool::connect(common.database.url.expose()).await.context("PostgreSQL")?;
    consumer::rebuild(&pool).await?;
    Ok(ExitCode::SUCCESS)
}
