//! The villages of a region, in a fixed order: by county, township and code.

use dafei_kernel::{
    region::{Level, Region},
    roster::RosterIndex,
};

/// Where a village stands in the order: the codes of its county, its township and itself.
pub(super) type Place = [String; 3];

/// All villages of a region: itself, a work area's, or all below.
pub(super) fn of<'a>(roster: &'a RosterIndex, region: &Region) -> Vec<&'a Region> {
    let below = |township: &Region| roster.children(township).filter(|child| child.level() == Level::Village);
    let Some(entry) = roster.get(region) else { return Vec::new() };
    match region.level() {
        Level::Village => vec![&entry.region],
        Level::WorkArea => {
            let of_area = |village: &&Region| {
                roster.get(village).is_some_and(|village| village.work_area.as_ref() == Some(region))
            };
            entry.parent.iter().flat_map(below).filter(of_area).collect()
        }
        Level::Township => below(region).collect(),
        Level::County => roster.children(region).flat_map(below).collect(),
        Level::City => roster.children(region).flat_map(|county| roster.children(county)).flat_map(below).collect(),
    }
}

/// Where a village stands in the order.
pub(super) fn place(roster: &RosterIndex, village: &Region) -> Place {
    let path = roster.path(village);
    let code = |level| {
        path.as_ref().and_then(|path| path.at(level)).map(|region| region.code().to_string()).unwrap_or_default()
    };
    [code(Level::County), code(Level::Township), code(Level::Village)]
}

/// How many of the villages come before the first one after a place.
pub(super) fn after(roster: &RosterIndex, villages: &[&Region], last: Option<&Place>) -> usize {
    last.map_or(0, |last| villages.partition_point(|village| place(roster, village) <= *last))
}

#[cfg(test)]
mod tests {
    use dafei_kernel::{
        region::Region,
        roster::{RegionEntry, RosterIndex},
    };

    use super::{after, of, place};

    fn region(text: &str) -> Region {
        text.parse().expect("a region")
    }

    /// A development zone, 371371, administers a township that is coded under 371302.
    fn roster() -> RosterIndex {
        let mut roster = RosterIndex::new();
        for (code, parent, work_area) in [
            ("city:371300", None, None),
            ("county:371302", Some("city:371300"), None),
            ("county:371371", Some("city:371300"), None),
            ("township:371302001", Some("county:371371"), None),
            ("township:371302002", Some("county:371302"), None),
            ("work-area:371302002-east", Some("township:371302002"), None),
            ("village:371302001001", Some("township:371302001"), None),
            ("village:371302002001", Some("township:371302002"), Some("work-area:371302002-east")),
            ("village:371302002002", Some("township:371302002"), None),
        ] {
            let entry = RegionEntry {
                region: region(code),
                name: code.to_owned(),
                parent: parent.map(region),
                work_area: work_area.map(region),
                households: 0,
            };
            roster.upsert_region(entry).expect("its parent is there");
        }
        roster
    }

    fn codes(villages: &[&Region]) -> Vec<String> {
        villages.iter().map(|village| village.code().to_string()).collect()
    }

    #[test]
    fn villages_come_by_county_and_township_whatever_their_codes() {
        let roster = roster();
        let villages = |of_region: &str| codes(&of(&roster, &region(of_region)));
        assert_eq!(villages("city:371300"), ["371302002001", "371302002002", "371302001001"]);
        assert_eq!(villages("county:371371"), ["371302001001"]);
        assert_eq!(villages("township:371302002"), ["371302002001", "371302002002"]);
        assert_eq!(villages("work-area:371302002-east"), ["371302002001"]);
        assert_eq!(villages("village:371302002002"), ["371302002002"]);
        assert!(villages("township:371302009").is_empty());
    }

    #[test]
    fn a_list_goes_on_after_a_village_that_is_gone() {
        let roster = roster();
        let villages = of(&roster, &region("city:371300"));
        assert_eq!(after(&roster, &villages, None), 0);
        assert_eq!(after(&roster, &villages, Some(&place(&roster, villages[1]))), 2);
        let gone = ["371302".to_owned(), "371302002".to_owned(), "371302002001x".to_owned()];
        assert_eq!(after(&roster, &villages, Some(&gone)), 1);
    }
}
