//! What photos need of the process: the store of their bytes, the hands that make public copies, and room for those on their way.

use std::sync::Arc;

use dafei_runtime::status::Fault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    images::Cleaner,
    objects::{Objects, Place},
};

/// Uploads of posts that are received at once: each may take as much memory as the largest photo. Others wait their
/// turn.
const RECEIVING: usize = 16;
/// Tips of the public whose photos are received at once: each may take the memory of the largest photo and of the
/// copies of those before it. Others wait their turn.
const RECEIVING_TIPS: usize = 8;

/// See the module.
#[derive(Debug, Clone)]
pub struct Photos {
    /// Where their bytes lie.
    pub objects: Objects,
    /// Makes public copies.
    pub cleaner: Cleaner,
    receiving: Arc<Semaphore>,
    receiving_tips: Arc<Semaphore>,
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
            receiving_tips: Arc::new(Semaphore::new(RECEIVING_TIPS)),
        })
    }

    /// Room for a post's photo that is received, until it is dropped.
    ///
    /// # Errors
    /// Never: the room is never closed.
    pub(crate) async fn room(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.receiving).acquire_owned().await.map_err(Fault::internal)
    }

    /// Room for the photos of a tip that are received, until it is dropped. Of its own: senders that nobody knows must
    /// not keep the posts from their photos.
    ///
    /// # Errors
    /// Never: the room is never closed.
    pub(crate) async fn room_of_tips(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.receiving_tips).acquire_owned().await.map_err(Fault::internal)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::{Photos, RECEIVING_TIPS};
    use crate::objects::Place;

    #[test]
    fn tips_that_fill_their_room_leave_the_posts_theirs() {
        let directory = tempfile::tempdir().expect("a directory");
        let photos = Photos::open(&Place::Directory(directory.path().join("store"))).expect("a place");
        let taken: Vec<_> = (0..RECEIVING_TIPS).map(|_| photos.room_of_tips().now_or_never().expect("free")).collect();
        assert!(photos.room_of_tips().now_or_never().is_none(), "others wait their turn");
        assert!(photos.room().now_or_never().is_some());
        drop(taken);
        assert!(photos.room_of_tips().now_or_never().is_some());
    }
}
