//! The part of a roster that is announced, stored and replaced as a whole.

use std::collections::HashMap;

use super::{Enterprise, Holder, RegionEntry, RosterError, RosterIndex};
use crate::region::{Level, Region};

/// A city, county or township with all that lies in it and is no part of its own. It replaces all that was known of it; with no regions, it
/// is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterPart {
    /// The township, county or city.
    pub region: Region,
    /// Itself and, for a township, its work areas and villages, in the order of levels and codes.
    pub regions: Vec<RegionEntry>,
    /// The holders of their posts.
    pub holders: Vec<Holder>,
    /// The enterprises in them.
    pub enterprises: Vec<Enterprise>,
}

impl RosterIndex {
    /// Of which city, county or township a region is a part; none when it is not in the roster.
    #[must_use]
    pub fn part_of(&self, region: &Region) -> Option<Region> {
        let entry = self.get(region)?;
        match region.level() {
            Level::City | Level::County | Level::Township => Some(region.clone()),
            Level::WorkArea | Level::Village => entry.parent.clone(),
        }
    }

    /// The part of a city, county or township.
    #[must_use]
    pub fn part(&self, region: &Region) -> RosterPart {
        let regions: Vec<&RegionEntry> = self.members(region).iter().filter_map(|member| self.get(member)).collect();
        RosterPart {
            region: region.clone(),
            holders: regions.iter().flat_map(|entry| self.holders(&entry.region)).cloned().collect(),
            enterprises: regions.iter().flat_map(|entry| self.enterprises_of(&entry.region)).cloned().collect(),
            regions: regions.into_iter().cloned().collect(),
        }
    }

    /// Takes a part in, whatever stood in its place.
    ///
    /// # Errors
    /// When a region's parent is of the wrong level; the others are taken all the same.
    pub fn put_part(&mut self, part: RosterPart) -> Result<(), RosterError> {
        for member in self.members(&part.region) {
            self.remove_region(&member);
            self.replace_holders(&member, Vec::new());
            self.replace_enterprises(&member, Vec::new());
        }
        let mut holders: HashMap<Region, Vec<Holder>> = HashMap::new();
        for holder in part.holders {
            holders.entry(holder.region.clone()).or_default().push(holder);
        }
        let mut wrong = Ok(());
        for entry in part.regions {
            // One that has moved here from another part brings nothing along that this part does not say.
            self.replace_holders(&entry.region, holders.remove(&entry.region).unwrap_or_default());
            self.replace_enterprises(&entry.region, Vec::new());
            if let Err(error) = self.place_region(entry) {
                wrong = Err(error);
            }
        }
        for enterprise in part.enterprises {
            self.upsert_enterprise(enterprise);
        }
        wrong
    }

    /// The regions of a part as they stand.
    fn members(&self, region: &Region) -> Vec<Region> {
        let mut members = vec![region.clone()];
        if region.level() == Level::Township {
            members.extend(self.children(region).cloned());
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{enterprise, entry, region};
    use super::*;

    fn township(villages: &[&str]) -> RosterPart {
        let mut regions = vec![entry("township:371302001", Some("county:371302"), None)];
        regions.extend(villages.iter().map(|village| entry(village, Some("township:371302001"), None)));
        RosterPart { region: region("township:371302001"), regions, holders: Vec::new(), enterprises: Vec::new() }
    }

    fn upper(index: &mut RosterIndex) {
        for (text, parent) in [("city:371300", None), ("county:371302", Some("city:371300"))] {
            index.upsert_region(entry(text, parent, None)).expect("from the top down");
        }
    }

    #[test]
    fn a_part_that_comes_before_what_administers_it_waits_for_it() {
        let (mut early, mut late) = (RosterIndex::new(), RosterIndex::new());
        let part = township(&["village:371302001001"]);
        early.put_part(part.clone()).expect("of the right levels");
        assert!(early.path(&region("village:371302001001")).is_none());
        upper(&mut early);
        upper(&mut late);
        late.put_part(part.clone()).expect("of the right levels");
        assert!(early.path(&region("village:371302001001")).is_some());
        assert_eq!(early, late);
        assert_eq!(late.part(&part.region), part);
    }

    #[test]
    fn a_part_replaces_all_of_what_it_was_and_without_regions_it_is_gone() {
        let mut index = RosterIndex::new();
        upper(&mut index);
        let above = index.clone();
        let mut first = township(&["village:371302001001", "village:371302001002"]);
        first.enterprises.push(enterprise("village:371302001002"));
        index.put_part(first.clone()).expect("taken");
        let copy = index.clone();
        index.put_part(township(&["village:371302001001"])).expect("taken");
        assert!(index.get(&region("village:371302001002")).is_none());
        assert_eq!(index.enterprises().count(), 0);
        assert_eq!(copy.part(&first.region), first, "a copy does not follow");
        index.put_part(RosterPart { regions: Vec::new(), ..township(&[]) }).expect("taken");
        assert_eq!(index, above, "nothing is left of it");
    }

    #[test]
    fn a_village_that_moved_stays_where_it_is_whichever_part_comes_first() {
        let other = |villages: &[&str]| {
            let at = "township:371302002";
            let mut regions = vec![entry(at, Some("county:371302"), None)];
            regions.extend(villages.iter().map(|village| entry(village, Some(at), None)));
            RosterPart { region: region(at), regions, holders: Vec::new(), enterprises: Vec::new() }
        };
        let village = "village:371302001002";
        let mut before = RosterIndex::new();
        upper(&mut before);
        before.put_part(township(&["village:371302001001", village])).expect("taken");
        let (left, reached) = (township(&["village:371302001001"]), other(&[village]));
        let (mut one, mut two) = (before.clone(), before);
        one.put_part(left.clone()).expect("taken");
        one.put_part(reached.clone()).expect("taken");
        two.put_part(reached).expect("taken");
        two.put_part(left).expect("taken");
        assert_eq!(one, two);
        assert_eq!(one.part_of(&region(village)), Some(region("township:371302002")));
    }
}
