//! Photos are kept by their content: the same bytes have the same id.

use std::sync::Arc;

use dafei_contracts::intake::v1 as api;
use dafei_messaging::{
    batch::{BatchCommand, BatchExecutor, BatchFailure},
    requests::{self, RequestKey},
    tx,
};
use prost::Message;

use super::{App, Asked, Refusal};
use crate::store::evidence::{self, Photo};

/// A photo that was sent in.
pub struct SentIn {
    pub(crate) asked: Asked,
    pub(crate) photo: Photo,
}

impl BatchCommand for SentIn {
    fn request_key(&self) -> Option<&RequestKey> {
        Some(&self.asked.key)
    }
}

/// Keeps photos.
pub struct PhotoWriter {
    app: Arc<App>,
}

impl PhotoWriter {
    /// A writer of the service.
    #[must_use]
    pub(crate) const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl BatchExecutor for PhotoWriter {
    type Command = SentIn;
    type Answer = api::UploadEvidenceResponse;
    type Error = Refusal;

    async fn execute(&self, batch: &[SentIn]) -> Result<Vec<Result<Self::Answer, Refusal>>, BatchFailure> {
        let mut tx = tx::begin_write(&self.app.pool).await?;
        let now = self.app.clock.now();
        let keys: Vec<RequestKey> = batch.iter().map(|sent| sent.asked.key.clone()).collect();
        let answered = requests::find(&mut tx, &keys).await?;
        let mut new = Vec::new();
        let mut kept = Vec::new();
        let answers = batch
            .iter()
            .map(|sent| {
                if let Some(first) = sent.asked.answered(&answered) {
                    return Ok(api::UploadEvidenceResponse::decode(first?)?);
                }
                let answer = answer(&sent.photo);
                new.push(&sent.photo);
                kept.push(sent.asked.with_answer(answer.encode_to_vec(), now));
                Ok(answer)
            })
            .collect();
        evidence::keep(&mut tx, &new, now).await?;
        requests::store(&mut tx, &kept).await?;
        tx::commit(tx).await?;
        Ok(answers)
    }
}

fn answer(photo: &Photo) -> api::UploadEvidenceResponse {
    api::UploadEvidenceResponse {
        evidence_id: photo.id.to_string(),
        sha256: crate::wire::hex(&photo.sha256),
        media_type: photo.media_type.to_owned(),
    }
}
