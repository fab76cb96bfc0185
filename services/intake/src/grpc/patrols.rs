//! Patrols (clause C1): one by one, and by upload.

use std::{sync::Arc, time::Duration};

use dafei_contracts::intake::v1::{self as api, patrol_service_server::PatrolService};
use dafei_kernel::role::Role;
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use futures::{StreamExt as _, stream::BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status};

use super::{Grpc, patrol_entry::Entries};
use crate::{
    app::{Action, Answer, Queue, Write, drop_old},
    wire,
    work::{NewPatrol, Recorded, Refusal},
};

const ROLES: &[Role] = &[Role::GridMember, Role::VillageSecretary, Role::WorkAreaSecretary];
const UPLOADERS: &[Role] = &[Role::GridMember, Role::VillageSecretary, Role::WorkAreaSecretary, Role::Service];
const ADMIN: &[Role] = &[Role::Admin];

/// Most bytes of a message with patrols: what all uploads hold in memory follows from it.
pub(super) const UPLOAD_BYTES: usize = 2 * 1024 * 1024;
/// Most patrols of a message.
const PATROLS: usize = 500;
/// Uploads at the same time; a further one is asked to come back.
const UPLOADS: usize = 16;
/// Messages of an upload under way at the same time: while one is written the next is checked. More are not read before.
const UNDER_WAY: usize = 2;
/// When an upload that found no place shall come back.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Where the parts of uploads are written, and how many uploads there may be.
#[derive(Clone)]
pub(super) struct Uploads {
    queue: Queue,
    places: Arc<Semaphore>,
}

impl Uploads {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue, places: Arc::new(Semaphore::new(UPLOADS)) }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| Fault::ResourceExhausted { retry_after: RETRY_AFTER })
    }
}

/// A patrol of an upload: on its way to the writer, or refused already.
enum Checked {
    Good(String),
    Refused(api::PatrolResult),
}

impl Grpc {
    /// Checks the patrols of a message, has the good ones written, and answers each.
    async fn part(
        &self,
        caller: &Principal,
        part: api::UploadPatrolsRequest,
    ) -> Result<api::UploadPatrolsResponse, Fault> {
        if part.patrols.len() > PATROLS {
            let zh = format!("一次不得超过{PATROLS}条");
            return Err(Fault::field("patrols", "TOO_MANY", format!("are more than {PATROLS}"), zh));
        }
        let mut entries = Entries::load(&self.app, caller, &part.patrols).await?;
        let (mut checked, mut good) = (Vec::with_capacity(part.patrols.len()), Vec::with_capacity(part.patrols.len()));
        for mut patrol in part.patrols {
            let key = patrol.patrol_key.clone();
            patrol.request_id.clear();
            match entries.check(patrol) {
                Ok(patrol) => {
                    good.push(patrol);
                    checked.push(Checked::Good(key));
                }
                Err(fault) => checked.push(Checked::Refused(refused(key, fault)?)),
            }
        }
        let mut written = self.write_part(good).await?.into_iter();
        let mut results = Vec::with_capacity(checked.len());
        for one in checked {
            results.push(match one {
                Checked::Refused(result) => result,
                Checked::Good(key) => match written.next() {
                    Some(Ok(recorded)) => acknowledged(key, recorded),
                    Some(Err(refusal)) => refused(key, refusal.into())?,
                    None => return Err(Fault::internal("a patrol was not answered")),
                },
            });
        }
        Ok(api::UploadPatrolsResponse { results })
    }

    async fn write_part(&self, patrols: Vec<NewPatrol>) -> Result<Vec<Result<Recorded, Refusal>>, Fault> {
        if patrols.is_empty() {
            return Ok(Vec::new());
        }
        let write = Write { request: None, action: Action::Patrols(patrols) };
        match self.uploads.queue.submit(write).await.map_err(faults::submit)? {
            Answer::Patrols(answers) => Ok(answers),
            Answer::Patrol(_) | Answer::Suspicion(_) => {
                Err(Fault::internal("an upload was answered with something else"))
            }
        }
    }

    async fn record(
        &self,
        caller: &Principal,
        body: &api::RecordPatrolRequest,
    ) -> Result<api::RecordPatrolResponse, Fault> {
        // Before anything else: without it the call cannot be repeated.
        faults::request_id(&body.request_id)?;
        let mut entries = Entries::load(&self.app, caller, std::slice::from_ref(body)).await?;
        let action = Action::Patrol(Box::new(entries.check(body.clone())?));
        match self.write(caller, "RecordPatrol", &body.request_id, body, action).await? {
            Answer::Patrol(recorded) => Ok(recorded),
            Answer::Patrols(_) | Answer::Suspicion(_) => {
                Err(Fault::internal("a patrol was answered with something else"))
            }
        }
    }
}

fn acknowledged(patrol_key: String, recorded: Recorded) -> api::PatrolResult {
    let outcome = if recorded.known { api::PatrolOutcome::AlreadyThere } else { api::PatrolOutcome::Recorded };
    api::PatrolResult {
        patrol_key,
        outcome: outcome.into(),
        patrol_id: recorded.id.to_string(),
        case_ids: wire::ids(&recorded.cases),
        ..Default::default()
    }
}

/// What is wrong with one patrol does not concern the others; a fault of the service does.
fn refused(patrol_key: String, fault: Fault) -> Result<api::PatrolResult, Fault> {
    let (field, reason, description_zh) = match fault {
        Fault::InvalidArgument { mut violations } if !violations.is_empty() => {
            let first = violations.swap_remove(0);
            (first.field, first.reason, first.description_zh)
        }
        Fault::PermissionDenied { reason, description_zh } => ("village".to_owned(), reason, description_zh),
        other => return Err(other),
    };
    Ok(api::PatrolResult {
        patrol_key,
        outcome: api::PatrolOutcome::Refused.into(),
        field,
        reason: reason.into_owned(),
        description_zh: description_zh.into_owned(),
        ..Default::default()
    })
}

#[tonic::async_trait]
impl PatrolService for Grpc {
    type UploadPatrolsStream = BoxStream<'static, Result<api::UploadPatrolsResponse, Status>>;

    async fn record_patrol(
        &self,
        request: Request<api::RecordPatrolRequest>,
    ) -> Result<Response<api::RecordPatrolResponse>, Status> {
        let (caller, body) = (principal(&request)?, request.get_ref());
        scope::require(caller, ROLES)?;
        Ok(Response::new(self.record(caller, body).await?))
    }

    async fn upload_patrols(
        &self,
        request: Request<tonic::Streaming<api::UploadPatrolsRequest>>,
    ) -> Result<Response<Self::UploadPatrolsStream>, Status> {
        let caller = Arc::new(principal(&request)?.clone());
        scope::require(&caller, UPLOADERS)?;
        let place = Arc::new(self.uploads.place()?);
        let grpc = self.clone();
        let answers = request.into_inner().map(move |part| {
            let (grpc, caller, place) = (grpc.clone(), Arc::clone(&caller), Arc::clone(&place));
            async move {
                let answer = grpc.part(&caller, part?).await;
                drop(place);
                Ok(answer?)
            }
        });
        Ok(Response::new(answers.buffered(UNDER_WAY).boxed()))
    }

    async fn get_patrol(
        &self,
        request: Request<api::GetPatrolRequest>,
    ) -> Result<Response<api::GetPatrolResponse>, Status> {
        let patrol = self.patrol(principal(&request)?, request.get_ref()).await?;
        Ok(Response::new(api::GetPatrolResponse { patrol: Some(patrol) }))
    }

    async fn list_patrols(
        &self,
        request: Request<api::ListPatrolsRequest>,
    ) -> Result<Response<api::ListPatrolsResponse>, Status> {
        Ok(Response::new(self.patrols(principal(&request)?, request.get_ref()).await?))
    }

    async fn list_patrol_weeks(
        &self,
        request: Request<api::ListPatrolWeeksRequest>,
    ) -> Result<Response<api::ListPatrolWeeksResponse>, Status> {
        Ok(Response::new(self.patrol_weeks(principal(&request)?, request.get_ref()).await?))
    }

    async fn list_patrol_tombstones(
        &self,
        request: Request<api::ListPatrolTombstonesRequest>,
    ) -> Result<Response<api::ListPatrolTombstonesResponse>, Status> {
        Ok(Response::new(self.patrol_tombstones(principal(&request)?, request.get_ref()).await?))
    }

    async fn drop_old_patrols(
        &self,
        request: Request<api::DropOldPatrolsRequest>,
    ) -> Result<Response<api::DropOldPatrolsResponse>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, ADMIN)?;
        scope::require_city(caller)?;
        let dropped = drop_old(&self.app).await?;
        Ok(Response::new(api::DropOldPatrolsResponse { months: dropped.iter().map(ToString::to_string).collect() }))
    }
}
