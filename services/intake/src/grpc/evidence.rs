//! Photos: received whole, kept, and handed out: the public copy to those who may read the place, the original under lock.

use dafei_contracts::{
    convert,
    intake::v1::{self as api, evidence_service_server::EvidenceService},
};
use dafei_intake_core::photo::MAX_BYTES;
use dafei_kernel::{
    region::{Level, Region},
    role::Role,
};
use dafei_runtime::{
    identity::{Principal, principal},
    status::Fault,
};
use dafei_shell::{faults, scope};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::{Grpc, request_key, text};
use crate::{
    app::evidence::{Upload, keep, open_copy},
    images::COPY_TYPE,
    objects::{Kind, Object},
    store::{evidence, evidence::Evidence, evidence_accesses},
};

/// Posts that find, inspect or put up something, and show it by a photo.
const UPLOADERS: &[Role] = &[
    Role::GridMember,
    Role::VillageSecretary,
    Role::WorkAreaSecretary,
    Role::TownshipCentre,
    Role::TownshipAgency,
    Role::CountyOffice,
    Role::CountyDepartment,
    Role::CityOffice,
    Role::CityDepartment,
];
/// Posts that may see an original.
const ORIGINALS: &[Role] = &[Role::TownshipCentre, Role::CountyOffice, Role::CityOffice, Role::Auditor];

/// Most bytes of one message's part.
pub(super) const CHUNK: usize = 1024 * 1024;
/// Longest reason of an access, in characters.
const REASON: usize = 500;

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

/// A photo's bytes as messages: what it is first, then its bytes.
pub(super) fn parts<T: Send + 'static>(
    media_type: String,
    object: Object,
    part: impl Fn(String, u64, bytes::Bytes) -> T + Send + 'static,
) -> BoxStream<'static, Result<T, Status>> {
    let first = part(media_type, object.size, bytes::Bytes::new());
    let rest = object.bytes.map(move |bytes| match bytes {
        Ok(bytes) => Ok(part(String::new(), 0, bytes)),
        Err(fault) => Err(fault.into()),
    });
    stream::once(std::future::ready(Ok(first))).chain(rest).boxed()
}

impl Grpc {
    /// Where a photo is said to belong.
    fn place(&self, caller: &Principal, first: &api::UploadEvidenceRequest) -> Result<Region, Fault> {
        let region = convert::region("place", first.place.as_ref()).map_err(faults::convert)?;
        if region.level() == Level::WorkArea {
            let zh = "照片应归于村居、乡镇、县区或市";
            return Err(Fault::field("place.level", "WRONG_LEVEL", "is a work area; name the village", zh));
        }
        scope::require_region(caller, &self.app.roster.current(), "place", &region)?;
        Ok(region)
    }

    /// A photo that the caller may know of, with where it belongs. One of a tip is nobody's.
    pub(super) async fn known_photo(&self, caller: &Principal, id: Uuid) -> Result<(Evidence, Region), Fault> {
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        let photo = evidence::find(&mut conn, id).await.map_err(faults::database)?;
        let Some((photo, region)) = photo.and_then(|photo| photo.region.clone().map(|region| (photo, region))) else {
            return Err(Fault::not_found("evidence", id.to_string(), "没有这张照片"));
        };
        if scope::contains(caller, &self.app.roster.current(), &region) {
            Ok((photo, region))
        } else {
            Err(scope::out_of_scope())
        }
    }

    /// The original; who sees it is on record when this returns.
    async fn original(&self, caller: &Principal, body: &api::GetOriginalRequest) -> Result<(String, Object), Fault> {
        scope::require(caller, ORIGINALS)?;
        let id = convert::uuid("evidence_id", &body.evidence_id).map_err(faults::convert)?;
        let reason = text("reason", &body.reason, REASON)?;
        let (photo, region) = self.known_photo(caller, id).await?;
        let path = scope::require_region(caller, &self.app.roster.current(), "evidence_id", &region)?;
        let object = self.app.photos.objects.get(Kind::Original, photo.object).await?;
        let at = self.app.clock.now();
        let access = evidence_accesses::Access {
            id: self.app.ids.ordered(at),
            evidence: id,
            subject: caller.subject.clone(),
            post: scope::post(caller),
            reason,
            at,
        };
        let mut conn = self.app.pool.acquire().await.map_err(faults::database)?;
        evidence_accesses::insert(&mut conn, &access, &path).await.map_err(faults::database)?;
        Ok((photo.media_type.unwrap_or_default(), object))
    }
}

#[tonic::async_trait]
impl EvidenceService for Grpc {
    async fn upload_evidence(
        &self,
        request: Request<Streaming<api::UploadEvidenceRequest>>,
    ) -> Result<Response<api::UploadEvidenceResponse>, Status> {
        let caller = principal(&request)?.clone();
        scope::require(&caller, UPLOADERS)?;
        let _room = self.app.photos.room().await?;
        let mut parts = request.into_inner();
        let first = parts.message().await?.unwrap_or_default();
        let request = request_key(&caller, "UploadEvidence", &first.request_id)?;
        let region = self.place(&caller, &first)?;
        let (mut bytes, mut sha256) = (Vec::new(), Sha256::new());
        let mut part = Some(first);
        while let Some(received) = part {
            add(&mut bytes, &received.chunk, MAX_BYTES)?;
            sha256.update(&received.chunk);
            part = parts.message().await?;
        }
        let upload = Upload { request, region, bytes: bytes.into(), sha256: sha256.finalize().into() };
        Ok(Response::new(keep(&self.app, upload).await?))
    }

    type GetEvidenceStream = BoxStream<'static, Result<api::GetEvidenceResponse, Status>>;

    async fn get_evidence(
        &self,
        request: Request<api::GetEvidenceRequest>,
    ) -> Result<Response<Self::GetEvidenceStream>, Status> {
        let caller = principal(&request)?;
        scope::require(caller, &scope::CASE_READERS)?;
        let id = convert::uuid("evidence_id", &request.get_ref().evidence_id).map_err(faults::convert)?;
        let (photo, _) = self.known_photo(caller, id).await?;
        let object = open_copy(&self.app, photo).await?;
        let part = |media_type, size, chunk| api::GetEvidenceResponse { media_type, size, chunk };
        Ok(Response::new(parts(COPY_TYPE.to_owned(), object, part)))
    }

    type GetOriginalStream = BoxStream<'static, Result<api::GetOriginalResponse, Status>>;

    async fn get_original(
        &self,
        request: Request<api::GetOriginalRequest>,
    ) -> Result<Response<Self::GetOriginalStream>, Status> {
        let (media_type, object) = self.original(principal(&request)?, request.get_ref()).await?;
        let part = |media_type, size, chunk| api::GetOriginalResponse { media_type, size, chunk };
        Ok(Response::new(parts(media_type, object, part)))
    }

    async fn list_evidence_accesses(
        &self,
        request: Request<api::ListEvidenceAccessesRequest>,
    ) -> Result<Response<api::ListEvidenceAccessesResponse>, Status> {
        let caller = principal(&request)?;
        Ok(Response::new(self.accesses(caller, request.get_ref()).await?))
    }
}
