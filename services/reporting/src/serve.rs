//! The gRPC services of reporting, as the process and its tests serve them.

use dafei_contracts::reporting::v1::{
    assessment_service_server::{self, AssessmentServiceServer},
    briefing_service_server::{self, BriefingServiceServer},
    evaluation_service_server::{self, EvaluationServiceServer},
    filing_service_server::{self, FilingServiceServer},
    monthly_table_service_server::{self, MonthlyTableServiceServer},
    rebuild_service_server::{self, RebuildServiceServer},
};
use dafei_kernel::clock::SharedClock;
use dafei_shell::roster::RosterView;
use sqlx::PgPool;
use tonic::service::Routes;

use crate::{
    grpc::{Assessments, Briefings, Evaluations, Filings, MonthlyTables, RebuildTables},
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
];

/// Open to everyone, without a token (clause F5).
pub const PUBLIC: &[&str] = &[];

/// What every service of the API works with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub pool: PgPool,
    /// The roster.
    pub roster: RosterView,
    /// The clock.
    pub clock: SharedClock,
}

/// All services.
#[must_use]
pub fn routes(parts: &Parts, rebuilds: Rebuilds) -> Routes {
    let Parts { pool, roster, clock } = parts.clone();
    let tables = MonthlyTables::new(pool.clone(), roster.clone(), clock.clone());
    Routes::new(MonthlyTableServiceServer::new(tables))
        .add_service(FilingServiceServer::new(Filings::new(pool.clone(), roster.clone(), clock.clone())))
        .add_service(EvaluationServiceServer::new(Evaluations::new(pool.clone(), roster.clone(), clock.clone())))
        .add_service(AssessmentServiceServer::new(Assessments::new(pool, roster, clock)))
        .add_service(RebuildServiceServer::new(RebuildTables::new(rebuilds)))
        .add_service(BriefingServiceServer::new(Briefings::new(parts.clone())))
}
