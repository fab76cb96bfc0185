//! What every list by region asks for.

use dafei_kernel::{region::Region, time::Instant};
use uuid::Uuid;

/// A page of what lies in a region, before the last of the page before.
pub(crate) struct OfRegion<'a> {
    pub(crate) region: &'a Region,
    /// Villages of the region, when it is a work area.
    pub(crate) villages: Vec<String>,
    pub(crate) before: Option<(Instant, Uuid)>,
    pub(crate) limit: i64,
}

impl OfRegion<'_> {
    /// Instant and id before which the page begins.
    pub(super) fn cursor(&self) -> (Instant, Uuid) {
        self.before.unwrap_or((Instant::MAX, Uuid::max()))
    }
}
