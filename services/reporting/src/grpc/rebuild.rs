//! `RebuildService`: for operations and for the city office.

use dafei_contracts::{
    convert,
    reporting::v1::{self as pb, rebuild_service_server::RebuildService},
    types::v1::Region as WireRegion,
};
use dafei_kernel::role::Role;
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{
    identity::{self, Principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use tonic::{Request, Response, Status};

use crate::{
    rebuild::{Found, Rebuilds},
    store::rebuilds::ExampleRow,
};

/// Those who may begin one and read what it found; only of the city, since it goes through all of it.
const ROLES: [Role; 4] = [Role::CityOffice, Role::Auditor, Role::Service, Role::Admin];

/// Serves rebuilds.
#[derive(Clone)]
pub struct RebuildTables(Rebuilds);

impl RebuildTables {
    /// Over these.
    #[must_use]
    pub const fn new(rebuilds: Rebuilds) -> Self {
        Self(rebuilds)
    }
}

fn check(caller: &Principal) -> Result<(), Fault> {
    scope::require(caller, &ROLES)?;
    scope::require_city(caller)
}

fn wire(Found { row, examples }: Found) -> pb::Rebuild {
    let state = match row.state.as_str() {
        "running" => pb::RebuildState::Running,
        "equal" => pb::RebuildState::Equal,
        "different" => pb::RebuildState::Different,
        _ => pb::RebuildState::Failed,
    };
    pb::Rebuild {
        rebuild_id: row.rebuild_id.to_string(),
        state: state.into(),
        started_at: Some(row.started_at.0.into()),
        finished_at: row.finished_at.map(|at| at.0.into()),
        events: row.events,
        facts: row.facts,
        differing_cells: row.differing_cells,
        examples: examples.into_iter().map(wire_cell).collect(),
        failure: row.failure,
    }
}

fn wire_cell(row: ExampleRow) -> pb::RebuiltCell {
    pb::RebuiltCell {
        unit: Some(pb::FilingUnit {
            kind: row.kind,
            region: Some(WireRegion { level: row.region_level, code: row.region_code }),
            agency: row.agency,
        }),
        month: format!("{:04}-{:02}", row.month / 100, row.month % 100),
        cell: Some(pb::CellDifference {
            sector: row.sector,
            column: u32::try_from(row.col).unwrap_or_default(),
            filed: row.served,
            now: row.shadow,
        }),
    }
}

#[tonic::async_trait]
impl RebuildService for RebuildTables {
    async fn rebuild_tables(
        &self,
        request: Request<pb::RebuildTablesRequest>,
    ) -> Result<Response<pb::RebuildTablesResponse>, Status> {
        let (caller, body) = (identity::principal(&request)?, request.get_ref());
        check(caller)?;
        let key = RequestKey {
            subject: caller.subject.clone(),
            method: "RebuildTables".to_owned(),
            request_id: faults::request_id(&body.request_id)?.to_string(),
        };
        let answer = |found| pb::RebuildTablesResponse { rebuild: Some(wire(found)) };
        Ok(Response::new(self.0.begin(key, &faults::payload_hash(body), answer).await?))
    }

    async fn get_rebuild(
        &self,
        request: Request<pb::GetRebuildRequest>,
    ) -> Result<Response<pb::GetRebuildResponse>, Status> {
        let (caller, body) = (identity::principal(&request)?, request.get_ref());
        check(caller)?;
        let named = (!body.rebuild_id.is_empty()).then(|| convert::uuid("rebuild_id", &body.rebuild_id));
        let found = self.0.get(named.transpose().map_err(faults::convert)?).await?;
        Ok(Response::new(pb::GetRebuildResponse { rebuild: Some(wire(found)) }))
    }
}
