//! A request by its id: the same again gets the first answer, another under the same id is refused (AIP-155).

use std::collections::HashMap;

use dafei_kernel::time::Instant;
use dafei_messaging::requests::{RequestKey, StoredRequest};

use super::Refusal;

/// A request's id and what it asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Who asked which method under which id.
    pub(crate) key: RequestKey,
    /// SHA-256 of the payload.
    pub(crate) hash: [u8; 32],
}

impl Asked {
    /// The first answer's bytes when it was answered before, or that the id stood for another payload.
    pub(crate) fn answered<'a>(
        &self,
        answered: &'a HashMap<RequestKey, StoredRequest>,
    ) -> Option<Result<&'a [u8], Refusal>> {
        let stored = answered.get(&self.key)?;
        Some(if stored.payload_hash == self.hash {
            Ok(stored.answer.as_slice())
        } else {
            Err(Refusal::RequestIdReused)
        })
    }

    /// The answer, to be kept.
    pub(crate) fn with_answer(&self, answer: Vec<u8>, now: Instant) -> StoredRequest {
        StoredRequest { key: self.key.clone(), payload_hash: self.hash.to_vec(), answer, recorded_at: now }
    }
}
