//! Patrols (clause C1).

use dafei_contracts::intake::v1::{self as api, patrol_service_server::PatrolService};
use dafei_kernel::role::Role;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
    telemetry,
};
use dafei_shell::{faults, paging, scope};
use tonic::{Request, Response, Status};

use super::{Cursor, Grpc, before, optional_text, text};
use crate::{
    app::{Action, Answer},
    store::patrols,
    wire,
    work::NewPatrol,
};

const ROLES: &[Role] = &[Role::GridMember, Role::VillageSecretary];

/// Longest object of a patrol, in characters.
const OBJECT: usize = 200;
/// Longest situation, in characters.
const SITUATION: usize = 4_000;

impl Grpc {
    fn new_patrol(&self, caller: &Principal, body: &api::RecordPatrolRequest) -> Result<NewPatrol, Fault> {
        let village = wire::village("village", body.village.as_ref()).map_err(faults::convert)?;
        let path = scope::require_region(caller, &self.app.roster.current(), "village", &village)?;
        Ok(NewPatrol {
            id: self.app.ids.ordered(self.app.clock.now()),
            village,
            path,
            object: text("object", &body.object, OBJECT)?,
            situation: optional_text("situation", &body.situation, SITUATION)?,
            evidence: wire::photos(&body.evidence_ids).map_err(faults::convert)?,
            device: wire::device(body.device_time, body.device_sent_at).map_err(faults::convert)?,
            actor: scope::post(caller),
            traceparent: telemetry::current_traceparent(),
        })
    }

    async fn patrols(
        &self,
        caller: &Principal,
        body: &api::ListPatrolsRequest,
    ) -> Result<api::ListPatrolsResponse, Fault> {
        scope::require(caller, &scope::CASE_READERS)?;
        let village = wire::village("village", body.village.as_ref()).map_err(faults::convert)?;
        scope::require_region(caller, &self.app.roster.current(), "village", &village)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let asked = api::ListPatrolsRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let before = before(paging::decode(&body.page_token, &asked)?)?;
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let mut rows = patrols::list(&mut conn, &village, before, size + 1).await.map_err(faults::database)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let full = rows.len() > size;
        rows.truncate(size);
        let cursor =
            rows.last().filter(|_| full).map(|last| -> Cursor { (last.patrolled_at.as_microsecond(), last.id) });
        Ok(api::ListPatrolsResponse {
            patrols: rows.iter().map(wire::patrol).collect(),
            next_page_token: cursor.map(|cursor| paging::encode(&cursor, &asked)).unwrap_or_default(),
        })
    }
}

#[tonic::async_trait]
impl PatrolService for Grpc {
    async fn record_patrol(
        &self,
        request: Request<api::RecordPatrolRequest>,
    ) -> Result<Response<api::RecordPatrolResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        let action = Action::Patrol(Box::new(self.new_patrol(caller, body)?));
        match self.write(caller, "RecordPatrol", &body.request_id, body, action).await? {
            Answer::Patrol(recorded) => Ok(Response::new(recorded)),
            Answer::Suspicion(_) => Err(Fault::internal("a patrol was answered with a suspicion").into()),
        }
    }

    async fn list_patrols(
        &self,
        request: Request<api::ListPatrolsRequest>,
    ) -> Result<Response<api::ListPatrolsResponse>, Status> {
        let caller = principal(&request)?;
        Ok(Response::new(self.patrols(caller, request.get_ref()).await?))
    }
}
