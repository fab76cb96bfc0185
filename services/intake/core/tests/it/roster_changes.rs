//! Single changes of the roster: what is refused, and what is touched.

use std::collections::BTreeSet;

use dafei_intake_core::roster::{Change, Changed, Limits, OpenMatters, Refused, change};
use dafei_kernel::{
    credit_code::CreditCode,
    industry::Industry,
    owner::Post,
    region::Region,
    role::Role,
    roster::{Enterprise, Holder, RegionEntry, RosterIndex},
    time::Instant,
};

const VILLAGE: &str = "village:371302001001";
const OTHER_VILLAGE: &str = "village:371302001002";
const TOWNSHIP: &str = "township:371302001";
const OTHER_TOWNSHIP: &str = "township:371302002";
const AREA: &str = "work-area:371302001-east";

fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

fn at(text: &str) -> Instant {
    text.parse().expect("an instant")
}

fn now() -> Instant {
    at("2026-11-23T02:00:00Z")
}

fn entry(text: &str, parent: Option<&str>) -> RegionEntry {
    RegionEntry {
        region: region(text),
        name: text.to_owned(),
        parent: parent.map(region),
        work_area: None,
        households: 0,
    }
}

fn roster() -> RosterIndex {
    let mut roster = RosterIndex::new();
    for (text, parent) in [
        ("city:371300", None),
        ("county:371302", Some("city:371300")),
        (TOWNSHIP, Some("county:371302")),
        (OTHER_TOWNSHIP, Some("county:371302")),
        (VILLAGE, Some(TOWNSHIP)),
        (OTHER_VILLAGE, Some(TOWNSHIP)),
    ] {
        roster.upsert_region(entry(text, parent)).expect("parents first");
    }
    roster
}

fn carry_out(roster: &RosterIndex, wanted: Change) -> Result<Changed, Refused> {
    change(roster, wanted, Limits::default(), now())
}

fn done(roster: &RosterIndex, wanted: Change) -> RosterIndex {
    carry_out(roster, wanted).expect("taken").roster
}

fn refused(roster: &RosterIndex, wanted: Change) -> (&'static str, &'static str) {
    let refused = carry_out(roster, wanted).expect_err("refused");
    assert!(!refused.description_zh.is_ascii(), "{refused}");
    (refused.field, refused.reason)
}

fn touched(changed: &Changed) -> Vec<String> {
    changed.touched.iter().map(ToString::to_string).collect()
}

fn tenure(person: &str, from: &str, until: Option<&str>) -> Holder {
    Holder {
        role: Role::VillageSecretary,
        region: region(VILLAGE),
        agency: None,
        person: person.to_owned(),
        valid_from: at(from),
        valid_until: until.map(at),
    }
}

fn end(person: &str, until: &str) -> Change {
    let post = Post { role: Role::VillageSecretary, region: region(VILLAGE), agency: None };
    Change::EndTenure { post, person: person.to_owned(), until: at(until) }
}

fn enterprise(place: &str) -> Enterprise {
    Enterprise {
        credit_code: CreditCode::parse("91350100M000100Y43").expect("form"),
        name: "某公司".to_owned(),
        industry: Industry::General,
        regulator: None,
        region: region(place),
        employees: 12,
    }
}

#[test]
fn a_village_that_moves_touches_both_townships_and_what_is_as_asked_touches_nothing() {
    let moved = entry(VILLAGE, Some(OTHER_TOWNSHIP));
    let changed = carry_out(&roster(), Change::PutRegion(moved.clone())).expect("taken");
    assert_eq!(touched(&changed), [TOWNSHIP, OTHER_TOWNSHIP]);
    let again = carry_out(&changed.roster, Change::PutRegion(moved)).expect("taken");
    assert_eq!((touched(&again), &again.roster), (vec![], &changed.roster));
}

#[test]
fn a_region_is_put_only_where_it_fits() {
    let put = |entry: RegionEntry| refused(&roster(), Change::PutRegion(entry));
    let area = |text| Some(region(text));
    assert_eq!(put(entry("city:371400", None)), ("region", "SECOND_CITY"));
    assert_eq!(put(entry("city:371300", Some("county:371302"))), ("parent", "NOT_ALLOWED"));
    assert_eq!(put(entry("county:371303", None)), ("parent", "REQUIRED"));
    assert_eq!(put(entry("county:371303", Some("city:371400"))), ("parent", "UNKNOWN_REGION"));
    assert_eq!(put(entry("township:371303001", Some("city:371300"))), ("parent", "WRONG_LEVEL"));
    assert_eq!(put(entry(AREA, Some(OTHER_TOWNSHIP))), ("parent", "WRONG_PARENT"));
    assert_eq!(put(RegionEntry { households: 3, ..entry("county:371303", Some("city:371300")) }).0, "households");
    let in_area = |place: &str, text| RegionEntry { work_area: area(text), ..entry(place, Some(TOWNSHIP)) };
    assert_eq!(put(in_area(VILLAGE, AREA)), ("work_area", "UNKNOWN_REGION"));
    let roster = done(&roster(), Change::PutRegion(entry(AREA, Some(TOWNSHIP))));
    let foreign = RegionEntry { work_area: area(AREA), ..entry(VILLAGE, Some(OTHER_TOWNSHIP)) };
    assert_eq!(refused(&roster, Change::PutRegion(foreign)), ("work_area", "WRONG_PARENT"));
}

#[test]
fn only_what_is_empty_and_held_by_nobody_is_removed() {
    let remove = |text: &str| Change::RemoveRegion(region(text));
    assert_eq!(refused(&roster(), remove(TOWNSHIP)), ("region", "NOT_EMPTY"));
    assert_eq!(refused(&roster(), remove("village:371302001009")), ("region", "UNKNOWN_REGION"));
    let held = done(&roster(), Change::Appoint(tenure("王", "2026-01-01T00:00:00Z", None)));
    assert_eq!(refused(&held, remove(VILLAGE)), ("region", "POST_HELD"));
    let busy = done(&roster(), Change::PutEnterprise(enterprise(VILLAGE)));
    assert_eq!(refused(&busy, remove(VILLAGE)), ("region", "NOT_EMPTY"));
    let left = done(&held, end("王", "2026-11-22T00:00:00Z"));
    let changed = carry_out(&left, remove(VILLAGE)).expect("taken");
    assert_eq!(touched(&changed), [TOWNSHIP]);
    assert!(changed.roster.get(&region(VILLAGE)).is_none() && changed.roster.holders(&region(VILLAGE)).is_empty());
    let township = carry_out(&changed.roster, remove(OTHER_TOWNSHIP)).expect("taken");
    assert_eq!(touched(&township), [OTHER_TOWNSHIP]);
}

#[test]
fn what_is_open_keeps_its_region_in_and_is_told_by_its_number() {
    let told = |reports, tips| {
        let refused = OpenMatters { reports, tips }.check().expect_err("open");
        assert_eq!((refused.field, refused.reason, refused.by_state), ("region", "OPEN_MATTERS", true));
        [refused.description, refused.description_zh]
    };
    assert_eq!(told(3, 0), ["not at an end: reports 3", "还有3条线索没有办结，不能删除"]);
    assert_eq!(told(0, 99), ["not at an end: tips 99", "还有99条举报没有办结，不能删除"]);
    let many = ["not at an end: reports 1, tips at least 100", "还有1条线索、至少100条举报没有办结，不能删除"];
    assert_eq!(told(1, OpenMatters::MOST), many);
    assert_eq!(OpenMatters::default().check(), Ok(()));
}

#[test]
fn a_work_area_is_exactly_the_villages_that_are_named() {
    let put = |villages: &[&str]| Change::PutWorkArea {
        area: entry(AREA, Some(TOWNSHIP)),
        villages: villages.iter().map(|village| region(village)).collect::<BTreeSet<_>>(),
    };
    let both = done(&roster(), put(&[VILLAGE, OTHER_VILLAGE]));
    assert_eq!(both.below(&region(AREA)).len(), 2);
    let changed = carry_out(&both, put(&[OTHER_VILLAGE])).expect("taken");
    assert_eq!(changed.roster.below(&region(AREA)), [&region(OTHER_VILLAGE)]);
    assert_eq!(touched(&changed), [TOWNSHIP]);
    assert_eq!(refused(&both, Change::RemoveRegion(region(AREA))), ("region", "NOT_EMPTY"));
    assert_eq!(refused(&both, put(&["village:371302001009"])), ("villages", "UNKNOWN_REGION"));
    assert_eq!(refused(&both, put(&[OTHER_TOWNSHIP])), ("villages", "WRONG_PARENT"));
}

#[test]
fn who_held_a_post_on_a_date_is_known_from_the_tenures() {
    let roster = done(&roster(), Change::Appoint(tenure("王", "2025-01-01T00:00:00Z", None)));
    let roster = done(&roster, end("王", "2026-01-01T00:00:00Z"));
    let roster = done(&roster, Change::Appoint(tenure("李", "2026-01-01T00:00:00Z", None)));
    let on = |text| -> Vec<String> {
        let held = roster.holders_at(Role::VillageSecretary, &region(VILLAGE), None, at(text));
        held.iter().map(|holder| holder.person.clone()).collect()
    };
    assert_eq!(on("2024-12-31T23:59:59Z"), Vec::<String>::new());
    assert_eq!(on("2025-12-31T23:59:59Z"), ["王"]);
    assert_eq!(on("2026-01-01T00:00:00Z"), ["李"]);
}

#[test]
fn nobody_holds_a_post_twice_at_once_and_only_a_tenure_that_goes_on_is_ended() {
    let roster = done(&roster(), Change::Appoint(tenure("王", "2025-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z"))));
    let appoint = |from, until| Change::Appoint(tenure("王", from, until));
    for (from, until) in [
        ("2025-06-01T00:00:00Z", None),
        ("2024-01-01T00:00:00Z", None),
        ("2024-01-01T00:00:00Z", Some("2025-01-01T00:00:01Z")),
        ("2025-01-01T00:00:00Z", Some("2025-02-01T00:00:00Z")),
    ] {
        assert_eq!(refused(&roster, appoint(from, until)), ("valid_from", "TENURE_OVERLAPS"), "{from}");
    }
    assert!(carry_out(&roster, appoint("2024-01-01T00:00:00Z", Some("2025-01-01T00:00:00Z"))).is_ok());
    assert!(carry_out(&roster, appoint("2026-01-01T00:00:00Z", None)).is_ok());
    let backwards = appoint("2026-02-01T00:00:00Z", Some("2026-02-01T00:00:00Z"));
    assert_eq!(refused(&roster, backwards), ("valid_until", "INVALID_TIME"));
    assert_eq!(refused(&roster, end("王", "2024-06-01T00:00:00Z")), ("person", "NOT_HELD"));
    assert_eq!(refused(&roster, end("李", "2025-06-01T00:00:00Z")), ("person", "NOT_HELD"));
    let again = carry_out(&roster, end("王", "2026-01-01T00:00:00Z")).expect("it is so");
    assert!(again.touched.is_empty());
}

#[test]
fn an_enterprise_that_moves_touches_both_townships_and_is_removed_once() {
    let elsewhere = done(&roster(), Change::PutEnterprise(enterprise(OTHER_TOWNSHIP)));
    let changed = carry_out(&elsewhere, Change::PutEnterprise(enterprise(VILLAGE))).expect("taken");
    assert_eq!(touched(&changed), [TOWNSHIP, OTHER_TOWNSHIP]);
    let remove = || Change::RemoveEnterprise(enterprise(VILLAGE).credit_code);
    let gone = done(&changed.roster, remove());
    assert_eq!(gone, roster());
    assert_eq!(refused(&gone, remove()), ("credit_code", "UNKNOWN_ENTERPRISE"));
    let county = Change::PutEnterprise(enterprise("county:371302"));
    assert_eq!(refused(&gone, county), ("region", "WRONG_LEVEL"));
}
