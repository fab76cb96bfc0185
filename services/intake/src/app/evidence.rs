//! Keeping a photo. Not in the group commit: its bytes would hold up the reports that wait beside it.

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::photo::MediaType;
use dafei_kernel::{ids, region::Region};
use dafei_messaging::requests::{self, RequestKey, StoredRequest};
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::{
    app::App,
    store::evidence::{self, NewEvidence},
    work::Refusal,
};

/// A photo that was checked.
pub(crate) struct Photo {
    pub(crate) request: RequestKey,
    pub(crate) village: Region,
    pub(crate) media_type: MediaType,
    pub(crate) bytes: Vec<u8>,
}

/// Keeps a photo. The same bytes of the same village have the same id.
///
/// # Errors
/// When the request id stands for another photo, or the database is away.
pub(crate) async fn keep(app: &App, photo: &Photo) -> Result<api::UploadEvidenceResponse, Fault> {
    let sha256 = Sha256::digest(&photo.bytes);
    let hex = sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let id = ids::derived(&["evidence", photo.village.code().as_str(), &hex]);
    let answer = api::UploadEvidenceResponse {
        evidence_id: id.to_string(),
        sha256: hex,
        media_type: photo.media_type.name().to_owned(),
    };
    let mut tx = app.pool.begin().await.map_err(faults::database)?;
    let known = requests::find(&mut tx, std::slice::from_ref(&photo.request)).await.map_err(faults::database)?;
    if let Some(first) = known.get(&photo.request) {
        // The id says all of the payload: village and bytes.
        return if first.payload_hash == id.as_bytes() { Ok(answer) } else { Err(Refusal::RequestIdReused.into()) };
    }
    let now = app.clock.now();
    let kept = NewEvidence {
        id,
        village: &photo.village,
        sha256: &sha256,
        media_type: photo.media_type.name(),
        bytes: &photo.bytes,
        uploaded_at: now,
    };
    evidence::insert(&mut tx, &kept).await.map_err(faults::database)?;
    let stored = StoredRequest {
        key: photo.request.clone(),
        payload_hash: id.as_bytes().to_vec(),
        answer: answer.encode_to_vec(),
        recorded_at: now,
    };
    match requests::store(&mut tx, &[stored]).await {
        Ok(()) => tx.commit().await.map_err(faults::database)?,
        // The same call came twice at the same time: the other one has stored it.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            return Err(Fault::Aborted { reason: "CONCURRENT_REQUEST".into() });
        }
        Err(error) => return Err(faults::database(error)),
    }
    Ok(answer)
}
