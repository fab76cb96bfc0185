//! `ReconcilerService`: the reconciler on demand, its runs and its holes.

use dafei_contracts::{
    convert,
    sla::v1::{self as pb, reconciler_service_server::ReconcilerService},
};
use dafei_kernel::{clock::SharedClock, role::Role};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{
    faults,
    once::{Begun, Once},
    paging, scope,
};
use dafei_sla_core::reconcile::Side;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{
    reconciler::{self, Reconciler, Refusal},
    store::reconcile::{self as store, Asked, Hole, Run},
};

/// Those who may run it and read what it found; only of the city, since it goes through all of it.
const ROLES: &[Role] = &[Role::Admin, Role::Service, Role::Auditor];

/// Serves the reconciler.
#[derive(Clone)]
pub struct Reconciliation {
    pool: PgPool,
    clock: SharedClock,
    reconciler: Option<Reconciler>,
}

impl Reconciliation {
    /// Reads from `pool`; without a reconciler nothing can be run.
    #[must_use]
    pub const fn new(pool: PgPool, clock: SharedClock, reconciler: Option<Reconciler>) -> Self {
        Self { pool, clock, reconciler }
    }

    async fn run(self, key: RequestKey, hash: [u8; 32]) -> Result<pb::ReconcileResponse, Fault> {
        let reconciler = self.reconciler.as_ref().ok_or_else(not_configured)?;
        // A run takes as long as it takes: no transaction waits for it.
        match Once::begin(&self.pool, &*self.clock, key.clone(), &hash).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(unused) => drop(unused),
        }
        let run = reconciler.run().await.map_err(|refusal| match refusal {
            Refusal::Busy => Fault::Aborted { reason: "RECONCILIATION_RUNS".into() },
            Refusal::Sql(error) => faults::database(error),
        })?;
        let answer = pb::ReconcileResponse { run: Some(wire_run(&run)) };
        match Once::begin(&self.pool, &*self.clock, key, &hash).await? {
            Begun::Answered(first) => Ok(first),
            Begun::New(once) => once.finish(answer).await,
        }
    }
}

fn check(caller: &Principal) -> Result<(), Fault> {
    scope::require(caller, ROLES)?;
    scope::require_city(caller)
}

fn not_configured() -> Fault {
    Fault::FailedPrecondition {
        reason: "RECONCILER_NOT_CONFIGURED".into(),
        subject: "reconciler".to_owned(),
        description: "the addresses of intake and dispatch and a token are to be set".into(),
        description_zh: "尚未配置核对所需的服务地址和令牌，无法核对".into(),
    }
}

fn wire_run(run: &Run) -> pb::ReconciliationRun {
    pb::ReconciliationRun {
        number: run.number,
        started_at: Some(run.started_at.0.into()),
        ended_at: run.ended_at.map(|at| at.0.into()),
        as_of: run.as_of.map(|at| at.0.into()),
        compared: run.compared,
        buckets_agreed: run.buckets_agreed,
        in_flight: run.in_flight,
        sighted: run.sighted,
        holes: run.holes,
        repaired: run.repaired,
        error: run.error.clone(),
    }
}

fn wire_hole(hole: &Hole) -> pb::ReconciliationHole {
    let side = Side::from_code(&hole.side).map(reconciler::side);
    pb::ReconciliationHole {
        number: hole.number,
        case_id: hole.case_id.to_string(),
        clock: hole.clock.clone(),
        instruction_id: hole.instruction.map(|id| id.to_string()).unwrap_or_default(),
        side: side.unwrap_or_default().into(),
        first_seen: Some(hole.first_seen.0.into()),
        second_seen: hole.second_seen.map(|at| at.0.into()),
        repair: reconciler::repair(hole.repair.as_deref()).into(),
        closed_at: hole.closed_at.map(|at| at.0.into()),
        obligation_id: hole.obligation.map(|id| id.to_string()).unwrap_or_default(),
        run: hole.counted_by.unwrap_or(0),
    }
}

#[tonic::async_trait]
impl ReconcilerService for Reconciliation {
    async fn reconcile(
        &self,
        request: Request<pb::ReconcileRequest>,
    ) -> Result<Response<pb::ReconcileResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        check(caller)?;
        let key = RequestKey {
            subject: caller.subject.clone(),
            method: "Reconcile".to_owned(),
            request_id: faults::request_id(&body.request_id)?.to_string(),
        };
        // A caller who goes away does not break it off.
        let running = tokio::spawn(self.clone().run(key, faults::payload_hash(body)));
        Ok(Response::new(running.await.map_err(Fault::internal)??))
    }

    async fn list_runs(&self, request: Request<pb::ListRunsRequest>) -> Result<Response<pb::ListRunsResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        check(caller)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let filter = pb::ListRunsRequest::default();
        let before: i64 = paging::decode(&body.page_token, &filter)?.unwrap_or(i64::MAX);
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let runs = store::runs(&mut conn, before, size).await.map_err(faults::database)?;
        let full = i64::try_from(runs.len()) == Ok(size);
        let next = runs.last().filter(|_| full).map(|run| paging::encode(&run.number, &filter));
        Ok(Response::new(pb::ListRunsResponse {
            runs: runs.iter().map(wire_run).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn list_holes(
        &self,
        request: Request<pb::ListHolesRequest>,
    ) -> Result<Response<pb::ListHolesResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        check(caller)?;
        let size = paging::page_size(body.page_size, 50, 500)?;
        let case = (!body.case_id.is_empty()).then(|| convert::uuid("case_id", &body.case_id)).transpose();
        let case = case.map_err(faults::convert)?;
        let filter = pb::ListHolesRequest { page_size: 0, page_token: String::new(), ..body.clone() };
        let before: i64 = paging::decode(&body.page_token, &filter)?.unwrap_or(i64::MAX);
        let asked = Asked { case, open_only: body.open_only, before, limit: size };
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        let holes = store::holes(&mut conn, &asked).await.map_err(faults::database)?;
        let full = i64::try_from(holes.len()) == Ok(size);
        let next = holes.last().filter(|_| full).map(|hole| paging::encode(&hole.number, &filter));
        Ok(Response::new(pb::ListHolesResponse {
            holes: holes.iter().map(wire_hole).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}
