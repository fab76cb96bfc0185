//! Photos: received whole, checked by their bytes, kept.

use dafei_contracts::intake::v1::{self as api, evidence_service_server::EvidenceService};
use dafei_intake_core::photo::{MAX_BYTES, MediaType};
use dafei_kernel::role::Role;
use dafei_runtime::{identity::principal, status::Fault};
use dafei_shell::{faults, scope};
use tonic::{Request, Response, Status, Streaming};

use super::{Grpc, request_key};
use crate::{
    app::{Photo, keep},
    wire,
};

const ROLES: &[Role] = &[Role::GridMember, Role::VillageSecretary, Role::WorkAreaSecretary];

/// Most bytes of one message's part.
pub(super) const CHUNK: usize = 1024 * 1024;

/// Adds a part to what was received.
pub(super) fn add(bytes: &mut Vec<u8>, chunk: &[u8], max: usize) -> Result<(), Fault> {
    let too_large = |what: &str, limit: usize| {
        let limit = limit / 1024 / 1024;
        Fault::field("chunk", "TOO_LARGE", format!("{what} has more than {limit} MiB"), format!("超过{limit}MB"))
    };
    if chunk.len() > CHUNK {
        return Err(too_large("a message", CHUNK));
    }
    if bytes.len() + chunk.len() > max {
        return Err(too_large("the file", max));
    }
    bytes.extend_from_slice(chunk);
    Ok(())
}

#[tonic::async_trait]
impl EvidenceService for Grpc {
    async fn upload_evidence(
        &self,
        request: Request<Streaming<api::UploadEvidenceRequest>>,
    ) -> Result<Response<api::UploadEvidenceResponse>, Status> {
        let caller = principal(&request)?.clone();
        scope::require(&caller, ROLES)?;
        let mut parts = request.into_inner();
        let first = parts.message().await?.unwrap_or_default();
        let request = request_key(&caller, "UploadEvidence", &first.request_id)?;
        let village = wire::village("village", first.village.as_ref()).map_err(faults::convert)?;
        scope::require_region(&caller, &self.app.roster.current(), "village", &village)?;
        let mut bytes = Vec::new();
        add(&mut bytes, &first.chunk, MAX_BYTES)?;
        while let Some(part) = parts.message().await? {
            add(&mut bytes, &part.chunk, MAX_BYTES)?;
        }
        let media_type = MediaType::sniff(&bytes).ok_or_else(|| {
            Fault::field("chunk", "NOT_AN_IMAGE", "is no JPEG, PNG or WebP image", "不是JPEG、PNG或WebP图片")
        })?;
        Ok(Response::new(keep(&self.app, &Photo { request, village, media_type, bytes }).await?))
    }
}
