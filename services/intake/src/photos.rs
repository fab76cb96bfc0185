//! What photos need of the process: the store of their bytes, the hands that make public copies, and room for those on their way.

use std::sync::Arc;

use dafei_runtime::status::Fault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    images::Cleaner,
    objects::{Objects, Place},
};

/// Uploads that are received at once: each may take as much memory as the largest photo. Others wait their turn.
const RECEIVING: usize = 16;

/// See the module.
#[derive(Debug, Clone)]
pub struct Photos {
    /// Where their bytes lie.
    pub objects: Objects,
    /// Makes public copies.
    pub cleaner: Cleaner,
    receiving: Arc<Semaphore>,
}

impl Photos {
    /// Opens the store; it need not be there yet.
    ///
    /// # Errors
    /// When the place cannot be one.
    pub fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(Self {
            objects: Objects::open(place)?,
            cleaner: Cleaner::default(),
            receiving: Arc::new(Semaphore::new(RECEIVING)),
        })
    }

    /// Room for a photo that is received, until it is dropped.
    ///
    /// # Errors
    /// Never: the room is never closed.
    pub(crate) async fn room(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.receiving).acquire_owned().await.map_err(Fault::internal)
    }
}
