//! Keeping a photo. Not in the group commit: its bytes would hold up the reports that wait beside it.

use dafei_contracts::intake::v1 as api;
use dafei_intake_core::photo::MediaType;
use dafei_kernel::{ids, region::Region};
use dafei_messaging::requests::RequestKey;
use dafei_runtime::status::Fault;
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use sha2::{Digest as _, Sha256};

use crate::{
    app::App,
    store::evidence::{self, NewEvidence},
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
    // The id says all of the payload: village and bytes.
    let begun = Once::begin(&app.pool, &*app.clock, photo.request.clone(), id.as_bytes()).await?;
    let mut once = match begun {
        Begun::Answered(first) => return Ok(first),
        Begun::New(once) => once,
    };
    let kept = NewEvidence {
        id,
        village: &photo.village,
        sha256: &sha256,
        media_type: photo.media_type.name(),
        bytes: &photo.bytes,
        uploaded_at: once.now,
    };
    evidence::insert(once.conn(), &kept).await.map_err(faults::database)?;
    once.finish(answer).await
}
