//! Containment, holders, and the checks of a whole roster.

use super::{Enterprise, Holder, RegionEntry, RosterBuilder, RosterError, RosterIndex, RowFault};
use crate::{
    agency::Agency,
    credit_code::CreditCode,
    industry::Industry,
    owner::{Post, PostError},
    region::{Level, Region},
    role::Role,
    time::Instant,
};

pub(super) fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

fn add(index: &mut RosterIndex, text: &str, parent: Option<&str>, area: Option<&str>) -> Result<(), RosterError> {
    index.upsert_region(RegionEntry {
        region: region(text),
        name: text.to_owned(),
        parent: parent.map(region),
        work_area: area.map(region),
        households: 0,
    })
}

fn linyi() -> RosterIndex {
    let mut index = RosterIndex::new();
    add(&mut index, "city:371300", None, None).expect("fits");
    add(&mut index, "county:371302", Some("city:371300"), None).expect("fits");
    add(&mut index, "county:371371", Some("city:371300"), None).expect("fits");
    // Coded under 371302, administered by the development zone.
    add(&mut index, "township:371302099", Some("county:371371"), None).expect("fits");
    add(&mut index, "work-area:371302099-east", Some("township:371302099"), None).expect("fits");
    add(&mut index, "village:371302099001", Some("township:371302099"), Some("work-area:371302099-east"))
        .expect("fits");
    add(&mut index, "village:371302099002", Some("township:371302099"), None).expect("fits");
    index
}

#[test]
fn containment_goes_by_parents_and_not_by_prefixes() {
    let index = linyi();
    let village = region("village:371302099001");
    assert!(index.contains(&region("county:371371"), &village));
    assert!(!index.contains(&region("county:371302"), &village));
    assert!(index.contains(&region("city:371300"), &village));
    assert!(!index.contains(&region("city:371300"), &region("county:371399")));
}

#[test]
fn a_work_area_contains_its_villages_only() {
    let index = linyi();
    let area = region("work-area:371302099-east");
    assert!(index.contains(&area, &region("village:371302099001")));
    assert!(!index.contains(&area, &region("village:371302099002")));
    assert!(!index.contains(&area, &region("township:371302099")));
}

#[test]
fn a_region_without_a_fitting_parent_is_refused() {
    let mut index = linyi();
    assert!(matches!(
        add(&mut index, "township:371311001", Some("county:371311"), None),
        Err(RosterError::UnknownParent { .. })
    ));
    assert!(matches!(
        add(&mut index, "village:371302001001", Some("county:371302"), None),
        Err(RosterError::WrongLevel { .. })
    ));
    assert!(matches!(add(&mut index, "county:371311", None, None), Err(RosterError::NoParent(_))));
}

#[test]
fn a_holder_answers_for_the_instants_of_his_time() {
    let mut index = linyi();
    let village = region("village:371302099001");
    let at = |text: &str| text.parse::<Instant>().expect("an instant");
    let holder = |person: &str, from: &str, until: Option<&str>| Holder {
        role: Role::VillageSecretary,
        region: village.clone(),
        agency: None,
        person: person.to_owned(),
        valid_from: at(from),
        valid_until: until.map(at),
    };
    index.replace_holders(
        &village,
        vec![
            holder("王", "2026-01-01T00:00:00Z", Some("2026-06-01T00:00:00Z")),
            holder("李", "2026-06-01T00:00:00Z", None),
        ],
    );
    let who = |text: &str| {
        index
            .holders_at(Role::VillageSecretary, &village, None, at(text))
            .iter()
            .map(|h| h.person.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(who("2026-05-31T23:59:59.999999Z"), ["王"]);
    assert_eq!(who("2026-06-01T00:00:00Z"), ["李"]);
    assert!(who("2025-12-31T00:00:00Z").is_empty());
}

#[test]
fn the_children_of_a_region_stand_in_the_order_of_their_codes() {
    let index = linyi();
    let villages: Vec<_> = index
        .children(&region("township:371302099"))
        .filter(|region| region.level() == Level::Village)
        .map(|region| region.code().to_string())
        .collect();
    assert_eq!(villages, ["371302099001", "371302099002"]);
}

#[test]
fn a_region_that_moves_is_no_longer_in_its_old_parent() {
    let mut index = linyi();
    let township = region("township:371302099");
    add(&mut index, "township:371302099", Some("county:371302"), None).expect("fits");
    assert_eq!(index.children(&region("county:371371")).count(), 0);
    assert!(index.contains(&region("county:371302"), &region("village:371302099001")));
    assert!(!index.contains(&region("county:371371"), &township));
}

#[test]
fn what_hangs_in_the_air_lies_in_nothing_and_has_no_path() {
    let mut index = linyi();
    index.remove_region(&region("county:371371"));
    let village = region("village:371302099001");
    assert!(index.path(&village).is_none());
    assert!(!index.contains(&region("township:371302099"), &village));
    assert!(!index.contains(&village, &village));
}

#[test]
fn containment_is_what_the_path_says() {
    let index = linyi();
    let all: Vec<Region> =
        Level::ALL.iter().flat_map(|level| index.of_level(*level)).map(|entry| entry.region.clone()).collect();
    assert_eq!(all.len(), index.len());
    for inner in &all {
        let path = index.path(inner).expect("a path");
        assert_eq!(path.leaf(), inner);
        for outer in all.iter().filter(|outer| outer.level() != Level::WorkArea) {
            assert_eq!(index.contains(outer, inner), path.is_within(outer), "{outer} {inner}");
        }
    }
}

#[test]
fn the_owner_of_a_post_is_named_as_of_the_instant() {
    let mut index = linyi();
    let county = region("county:371302");
    let at: Instant = "2026-03-02T01:00:00Z".parse().expect("an instant");
    let holder = |person: &str, agency| Holder {
        role: Role::CountyDepartment,
        region: county.clone(),
        agency: Some(agency),
        person: person.to_owned(),
        valid_from: at,
        valid_until: None,
    };
    index.replace_holders(
        &county,
        vec![holder("B", Agency::Postal), holder("A", Agency::Postal), holder("C", Agency::Energy)],
    );
    let post = Post::new(Role::CountyDepartment, county.clone(), Some(Agency::Postal));
    let post = post.expect("a post");
    assert_eq!(index.owner_at(&post, at).persons, ["A", "B"]);
    index.replace_holders(&county, Vec::new());
    assert!(index.owner_at(&post, at).persons.is_empty());
}

pub(super) fn entry(text: &str, parent: Option<&str>, area: Option<&str>) -> RegionEntry {
    RegionEntry {
        region: region(text),
        name: text.to_owned(),
        parent: parent.map(region),
        work_area: area.map(region),
        households: 0,
    }
}

pub(super) fn enterprise(region_text: &str) -> Enterprise {
    Enterprise {
        credit_code: CreditCode::parse("91350100M000100Y43").expect("form"),
        name: "某公司".to_owned(),
        industry: Industry::General,
        regulator: None,
        region: region(region_text),
        employees: 12,
    }
}

fn small() -> RosterBuilder {
    // Children first: a file need not be sorted.
    RosterIndex::builder()
        .region(2, entry("village:371302001001", Some("township:371302001"), Some("work-area:371302001-a")))
        .region(3, entry("work-area:371302001-a", Some("township:371302001"), None))
        .region(4, entry("township:371302001", Some("county:371302"), None))
        .region(5, entry("county:371302", Some("city:371300"), None))
        .region(6, entry("city:371300", None, None))
}

#[test]
fn a_roster_is_built_from_rows_in_any_order() {
    let index = small().enterprise(9, enterprise("village:371302001001")).build().expect("a roster");
    assert_eq!(index.len(), 5);
    let village = region("village:371302001001");
    assert!(index.contains(&region("work-area:371302001-a"), &village));
    let code = CreditCode::parse("91350100M000100Y43").expect("form");
    assert_eq!(index.enterprise(&code).map(|found| found.employees), Some(12));
}

/// The faults of a roster, each with its row.
fn faults(builder: RosterBuilder) -> Vec<(usize, RowFault)> {
    builder.build().expect_err("refused").into_iter().map(|error| (error.row, error.fault)).collect()
}

#[test]
fn a_wrong_row_of_regions_is_named_with_its_fault() {
    let twice = faults(small().region(7, entry("county:371302", Some("city:371300"), None)));
    assert_eq!(twice, [(7, RowFault::RegionTwice(region("county:371302")))]);
    let unknown = faults(small().region(7, entry("township:371311001", Some("county:371311"), None)));
    assert!(matches!(unknown.as_slice(), [(7, RowFault::Region(RosterError::UnknownParent { .. }))]));
    // A circle needs a level that does not go down.
    let circle = faults(small().region(7, entry("county:371311", Some("county:371311"), None)));
    assert!(matches!(circle.as_slice(), [(7, RowFault::Region(RosterError::WrongLevel { .. }))]));
}

#[test]
fn a_work_area_must_be_one_of_the_villages_own_township() {
    let village = |area| entry("village:371302001002", Some("township:371302001"), Some(area));
    let missing = faults(small().region(7, village("work-area:371302001-b")));
    assert!(matches!(missing.as_slice(), [(7, RowFault::WorkArea { .. })]));
    let foreign = small()
        .region(7, entry("township:371302002", Some("county:371302"), None))
        .region(8, entry("work-area:371302002-x", Some("township:371302002"), None))
        .region(9, village("work-area:371302002-x"));
    assert!(matches!(faults(foreign).as_slice(), [(9, RowFault::WorkArea { .. })]));
    let no_village =
        small().region(7, entry("township:371302002", Some("county:371302"), Some("work-area:371302001-a")));
    assert!(matches!(faults(no_village).as_slice(), [(7, RowFault::WorkArea { .. })]));
}

#[test]
fn all_wrong_rows_are_named_at_once_in_their_order() {
    let at: Instant = "2026-03-02T01:00:00Z".parse().expect("an instant");
    let holder = |role, place: &str, until| Holder {
        role,
        region: region(place),
        agency: None,
        person: "王".to_owned(),
        valid_from: at,
        valid_until: until,
    };
    let found = faults(
        small()
            .enterprise(15, enterprise("county:371302"))
            .holder(11, holder(Role::VillageSecretary, "county:371302", None))
            .holder(12, holder(Role::CountyDepartment, "county:371302", None))
            .holder(13, holder(Role::CountyOffice, "county:371311", None))
            .holder(14, holder(Role::CountyOffice, "county:371302", Some(at)))
            .region(20, entry("county:371311", None, None)),
    );
    let rows: Vec<usize> = found.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, [11, 12, 13, 14, 15, 20]);
    assert!(matches!(found[0].1, RowFault::Post(PostError::Level { .. })));
    assert!(matches!(found[1].1, RowFault::Post(PostError::AgencyMissing(_))));
    assert!(matches!(found[2].1, RowFault::UnknownRegion(_)));
    assert_eq!(found[3].1, RowFault::NoTime);
    assert_eq!(found[4].1, RowFault::EnterprisePlace(region("county:371302")));
    let twice =
        small().enterprise(8, enterprise("township:371302001")).enterprise(9, enterprise("village:371302001001"));
    assert!(matches!(faults(twice).as_slice(), [(9, RowFault::EnterpriseTwice(_))]));
}

#[test]
fn the_whole_of_linyi_is_built_and_every_village_lies_in_the_city() {
    let text = include_str!("../../../../data/regions/linyi.csv");
    let mut builder = RosterIndex::builder();
    let mut parent_level = None;
    for (at, line) in text.lines().enumerate().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let level: Level = fields[0].parse().expect("a level");
        parent_level = match level {
            Level::City => None,
            Level::County => Some(Level::City),
            Level::Township => Some(Level::County),
            Level::WorkArea | Level::Village => Some(Level::Township),
        };
        let row = RegionEntry {
            region: Region::new(level, fields[1]).expect("a code"),
            name: fields[2].to_owned(),
            parent: parent_level.map(|level| Region::new(level, fields[3]).expect("a code")),
            work_area: None,
            households: 0,
        };
        builder = builder.region(at + 1, row);
    }
    assert_eq!(parent_level, Some(Level::Township));
    let index = builder.build().expect("a roster");
    let count = |level| index.of_level(level).count();
    assert_eq!((count(Level::City), count(Level::County)), (1, 13));
    assert_eq!((count(Level::Township), count(Level::Village)), (156, 4_186));
    let city = region("city:371300");
    assert!(index.of_level(Level::Village).all(|entry| index.contains(&city, &entry.region)));
}
