//! What lies in a region.

use super::RosterIndex;
use crate::region::{Level, Region};

impl RosterIndex {
    /// As [`Self::children`]; for a work area its villages.
    #[must_use]
    pub fn below(&self, region: &Region) -> Vec<&Region> {
        if region.level() != Level::WorkArea {
            return self.children(region).collect();
        }
        let township = self.get(region).and_then(|area| area.parent.as_ref());
        let of_area =
            |village: &&Region| self.get(village).is_some_and(|entry| entry.work_area.as_ref() == Some(region));
        township.map(|township| self.children(township).filter(of_area).collect()).unwrap_or_default()
    }

    /// A region and all that lies in it, in the order of levels and codes.
    #[must_use]
    pub fn within(&self, region: &Region) -> Vec<&Region> {
        let mut all: Vec<&Region> = self.get(region).map(|entry| &entry.region).into_iter().collect();
        let mut at = 0;
        while let Some(outer) = all.get(at) {
            // A work area's villages are its township's children, so they come once: with whichever of the two was asked for.
            if at == 0 || outer.level() != Level::WorkArea {
                all.extend(self.below(outer));
            }
            at += 1;
        }
        all.sort();
        all
    }
}
