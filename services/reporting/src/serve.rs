//! The gRPC services of reporting, as the process and its tests serve them.

use std::sync::Arc;

use dafei_contracts::reporting::v1::{
    assessment_service_server::{self, AssessmentServiceServer},
    briefing_service_server::{self, BriefingServiceServer},
    disclosure_service_server::{self, DisclosureServiceServer},
    evaluation_service_server::{self, EvaluationServiceServer},
    filing_service_server::{self, FilingServiceServer},
    monthly_table_service_server::{self, MonthlyTableServiceServer},
    rebuild_service_server::{self, RebuildServiceServer},
    release_service_server::{self, ReleaseServiceServer},
    spot_check_service_server::{self, SpotCheckServiceServer},
    work_ledger_service_server::{self, WorkLedgerServiceServer},
};
use dafei_kernel::{clock::SharedClock, ids::IdSource};
use dafei_shell::roster::RosterView;
use sqlx::PgPool;
use tonic::service::Routes;

use crate::{
    config::Rules,
    grpc::{
        Assessments, Briefings, Disclosures, Evaluations, Filings, MonthlyTables, RebuildTables, Releases, SpotChecks,
        WorkLedgers,
    },
    rebuild::Rebuilds,
};

/// The gRPC services, for reflection and health.
pub const SERVICES: &[&str] = &[
    monthly_table_service_server::SERVICE_NAME,
    filing_service_server::SERVICE_NAME,
    rebuild_service_server::SERVICE_NAME,
    briefing_service_server::SERVICE_NAME,
    evaluation_service_server::SERVICE_NAME,
    assessment_service_server::SERVICE_NAME,
    disclosure_service_server::SERVICE_NAME,
    release_service_server::SERVICE_NAME,
    work_ledger_service_server::SERVICE_NAME,
    spot_check_service_server::SERVICE_NAME,
];

/// Open to everyone, without a token (clause F5).
pub const PUBLIC: &[&str] = &["/dafei.reporting.v1.DisclosureService/"];

/// What every service of the API works with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// The roster.
    pub roster: RosterView,
    /// The clock.
    pub clock: SharedClock,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// What it goes by.
    pub rules: Arc<Rules>,
}

/// All services.
#[must_use]
pub fn routes(parts: &Parts, rebuilds: Rebuilds) -> Routes {
    let Parts { pool, roster, clock, ids, rules } = parts.clone();
    let tables = MonthlyTables::new(pool.clone(), roster.clone(), clock.clone());
    Routes::new(MonthlyTableServiceServer::new(tables))
        .add_service(FilingServiceServer::new(Filings::new(pool.clone(), roster.clone(), clock.clone())))
        .add_service(EvaluationServiceServer::new(Evaluations::new(pool.clone(), roster.clone(), clock.clone())))
        .add_service(AssessmentServiceServer::new(Assessments::new(pool.clone(), roster.clone(), clock.clone())))
        .add_service(BriefingServiceServer::new(Briefings::new(parts.clone())))
        .add_service(RebuildServiceServer::new(RebuildTables::new(rebuilds)))
        .add_service(DisclosureServiceServer::new(Disclosures::new(pool.clone(), roster.clone())))
        .add_service(ReleaseServiceServer::new(Releases::new(
            pool.clone(),
            roster.clone(),
            clock.clone(),
            rules.clone(),
        )))
        .add_service(SpotCheckServiceServer::new(SpotChecks::new(pool.clone(), roster.clone(), clock.clone(), ids)))
        .add_service(WorkLedgerServiceServer::new(WorkLedgers::new(pool, roster, clock, rules)))
}
