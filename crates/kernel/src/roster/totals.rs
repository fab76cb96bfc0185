//! What a region holds in all: what coverage is measured against (企不漏人、村不漏户, clause D7).

use std::ops::AddAssign;

use super::RosterIndex;
use crate::region::{Level, Region};

/// Sums over a region and all that lies in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Villages.
    pub villages: u64,
    /// Households of its villages, as far as they are known.
    pub households: u64,
    /// Enterprises.
    pub enterprises: u64,
    /// Their employees.
    pub employees: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.villages += other.villages;
        self.households += other.households;
        self.enterprises += other.enterprises;
        self.employees += other.employees;
    }
}

impl RosterIndex {
    /// The totals of a region; zeros when it is not in the roster. Enterprises that are registered to a township count for it, and for none
    /// of its villages and work areas.
    #[must_use]
    pub fn totals(&self, region: &Region) -> Totals {
        let mut totals = Totals::default();
        for inner in self.within(region) {
            totals += self.own_totals(inner);
        }
        totals
    }

    fn own_totals(&self, region: &Region) -> Totals {
        let mut totals = Totals::default();
        if region.level() == Level::Village {
            totals.villages = 1;
            totals.households = self.get(region).map_or(0, |entry| entry.households.into());
        }
        for enterprise in self.enterprises_of(region) {
            totals.enterprises += 1;
            totals.employees += u64::from(enterprise.employees);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        RegionEntry,
        tests::{enterprise, entry, region},
    };
    use super::*;

    #[test]
    fn totals_add_up_from_the_villages_and_count_a_work_areas_villages_once() {
        let mut index = RosterIndex::new();
        let village =
            |text, area, households| RegionEntry { households, ..entry(text, Some("township:371302001"), area) };
        for entry in [
            entry("city:371300", None, None),
            entry("county:371302", Some("city:371300"), None),
            entry("township:371302001", Some("county:371302"), None),
            entry("work-area:371302001-a", Some("township:371302001"), None),
            village("village:371302001001", Some("work-area:371302001-a"), 310),
            village("village:371302001002", None, 90),
        ] {
            index.upsert_region(entry).expect("parents first");
        }
        index.upsert_enterprise(enterprise("village:371302001001"));
        let all = Totals { villages: 2, households: 400, enterprises: 1, employees: 12 };
        for text in ["city:371300", "county:371302", "township:371302001"] {
            assert_eq!(index.totals(&region(text)), all, "{text}");
        }
        let part = Totals { villages: 1, households: 310, ..all };
        for text in ["work-area:371302001-a", "village:371302001001"] {
            assert_eq!(index.totals(&region(text)), part, "{text}");
        }
        index.upsert_enterprise(enterprise("township:371302001"));
        assert_eq!(index.totals(&region("village:371302001001")), Totals { enterprises: 0, employees: 0, ..part });
        assert_eq!(index.totals(&region("city:371300")), all, "a move is no second enterprise");
        index.remove_enterprise(&enterprise("township:371302001").credit_code);
        assert_eq!(index.totals(&region("city:371300")).enterprises, 0);
        assert_eq!(index.totals(&region("village:371302001009")), Totals::default());
    }
}
