//! The services' databases, read behind their backs: what a service says of itself is not taken for granted here.

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

use crate::client::{self, Service, ServiceKey};

/// A connection to each database.
pub(crate) struct Databases {
    pub(crate) intake: PgConnection,
    pub(crate) dispatch: PgConnection,
    pub(crate) sla: PgConnection,
    pub(crate) reporting: PgConnection,
}

impl Databases {
    /// By the environment.
    pub(crate) async fn connect() -> anyhow::Result<Self> {
        let of = |service: Service| async move {
            let url = client::setting(service.key(ServiceKey::DatabaseUrl))?;
            PgConnection::connect(&url).await.with_context(|| format!("the database of {}", service.name()))
        };
        Ok(Self {
            intake: of(Service::Intake).await?,
            dispatch: of(Service::Dispatch).await?,
            sla: of(Service::SlaMonitor).await?,
            reporting: of(Service::Reporting).await?,
        })
    }

    /// All four, with whose they are.
    pub(crate) fn all(&mut self) -> [(Service, &mut PgConnection); 4] {
        [
            (Service::Intake, &mut self.intake),
            (Service::Dispatch, &mut self.dispatch),
            (Service::SlaMonitor, &mut self.sla),
            (Service::Reporting, &mut self.reporting),
        ]
    }
}
