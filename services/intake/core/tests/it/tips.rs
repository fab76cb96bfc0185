//! Whom a tip goes to, which tips are alike, and what may be linked and handed on (clause D2).

use dafei_intake_core::tip::{
    Accused, Facts, Likeness, Progress, Recipient, Rejection, State, Tip, Verdict, likeness, recipient,
};
use dafei_kernel::{
    act::Act,
    owner::Post,
    region::{Level, Region},
    role::Role,
    roster::{RegionEntry, RosterIndex},
    subject::{Position, Subject},
};
use proptest::{prelude::*, sample::subsequence};
use uuid::Uuid;

use crate::fixture::{at, enterprise};

/// Region, parent, work area. One township is coded under another county than the one that administers it.
const ROSTER: &[(&str, Option<&str>, Option<&str>)] = &[
    ("city:371300", None, None),
    ("county:371302", Some("city:371300"), None),
    ("county:371371", Some("city:371300"), None),
    ("township:371302001", Some("county:371302"), None),
    ("township:371302002", Some("county:371302"), None),
    ("township:371302099", Some("county:371371"), None),
    ("work-area:371302001-east", Some("township:371302001"), None),
    ("village:371302001001", Some("township:371302001"), Some("work-area:371302001-east")),
    ("village:371302001002", Some("township:371302001"), None),
    ("village:371302099001", Some("township:371302099"), None),
];

fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

fn roster() -> RosterIndex {
    let mut roster = RosterIndex::new();
    for (text, parent, area) in ROSTER {
        let entry = RegionEntry {
            region: region(text),
            name: (*text).to_owned(),
            parent: parent.map(region),
            work_area: area.map(region),
            households: 0,
        };
        roster.upsert_region(entry).expect("fits");
    }
    roster
}

fn goes_to(place: &str, accused: &[&str]) -> Result<String, Accused> {
    let roster = roster();
    let path = roster.path(&region(place)).expect("of the roster");
    let accused: Vec<Region> = accused.iter().map(|text| region(text)).collect();
    recipient(&roster, &path, &accused).map(|to| format!("{} {}", to.post.role, to.path.leaf()))
}

#[test]
fn a_tip_goes_to_the_centre_of_its_township_or_above_whom_it_accuses() {
    let centre = "township-centre township:371302001";
    for (place, accused, to) in [
        ("village:371302001001", &[][..], centre),
        ("township:371302001", &[], centre),
        ("work-area:371302001-east", &["work-area:371302001-east"], centre),
        ("village:371302001001", &["village:371302001001", "village:371302001002"], centre),
        ("village:371302001001", &["township:371302001"], "county-office county:371302"),
        ("village:371302001001", &["village:371302001001", "county:371302"], "city-office city:371300"),
        // Another township than the one where it happens: the county above both.
        ("village:371302001001", &["township:371302002"], "county-office county:371302"),
        ("village:371302001001", &["township:371302099"], "city-office city:371300"),
        ("village:371302099001", &["township:371302099"], "county-office county:371371"),
        ("county:371302", &[], "county-office county:371302"),
        ("city:371300", &[], "city-office city:371300"),
        ("city:371300", &["village:371302001001"], "city-office city:371300"),
    ] {
        assert_eq!(goes_to(place, accused).as_deref(), Ok(to), "{place} {accused:?}");
    }
    assert_eq!(goes_to("village:371302001001", &["city:371300"]), Err(Accused));
}

proptest! {
    #[test]
    fn a_tip_never_goes_to_or_below_a_unit_that_it_accuses_nor_below_a_township(
        place in 0..ROSTER.len(),
        accused in subsequence((0..ROSTER.len()).collect::<Vec<_>>(), 0..4),
    ) {
        let roster = roster();
        let path = roster.path(&region(ROSTER[place].0)).expect("of the roster");
        let accused: Vec<Region> = accused.into_iter().map(|at| region(ROSTER[at].0)).collect();
        match recipient(&roster, &path, &accused) {
            Ok(to) => {
                prop_assert!(matches!(to.region().level(), Level::Township | Level::County | Level::City));
                prop_assert!(path.is_within(to.region()));
                for unit in &accused {
                    prop_assert!(!roster.contains(unit, to.region()), "{} accuses {unit}", to.region());
                    prop_assert!(roster.contains(to.region(), unit));
                }
            }
            Err(Accused) => prop_assert!(accused.contains(&region("city:371300"))),
        }
    }
}

fn facts(id: u128, subject: Subject) -> Facts {
    Facts {
        id: Uuid::from_u128(id),
        case_id: Uuid::from_u128(id + 1_000),
        act: Act::parse("HC-3").expect("an act"),
        act_text: String::new(),
        subject,
        place: region("village:371302001001"),
        accused: Vec::new(),
        text: "夜间有油罐车进出".to_owned(),
        received_hour: at("2026-11-23T02:00:00Z"),
        evidence: Vec::new(),
    }
}

fn den(place: &str, position: Option<(i32, i32)>) -> Subject {
    let position = position.map(|(lat, lon)| Position::new(lat, lon).expect("on earth"));
    Subject::Den { place: place.to_owned(), position, industry: dafei_kernel::industry::Industry::General }
}

#[test]
fn tips_are_alike_by_enterprise_by_position_or_by_the_words_for_a_place() {
    let one = facts(1, den("一村东头旧仓库", Some((350_000_000, 1_183_000_000))));
    let same_words = facts(2, den("一村东头的旧仓库内", None));
    let near = facts(3, den("河边", Some((350_020_000, 1_183_000_000))));
    let far = facts(4, den("砖厂西侧院落", Some((351_000_000, 1_183_000_000))));
    assert!(likeness(&one, &near) > likeness(&one, &same_words));
    assert!(likeness(&one, &same_words).is_some());
    assert_eq!(likeness(&one, &far), None);
    assert_eq!(likeness(&one, &one.clone()), None, "itself");
    let firm = facts(5, enterprise());
    let other_act = Facts { act: Act::parse("FS-2").expect("an act"), ..facts(6, enterprise()) };
    assert_eq!(likeness(&firm, &facts(7, enterprise())), Some(Likeness(100)));
    assert_eq!(likeness(&firm, &other_act), Some(Likeness(70)), "the same enterprise, whatever the act");
    let later = Facts { received_hour: at("2027-02-22T02:00:00Z"), ..facts(8, enterprise()) };
    assert_eq!(likeness(&firm, &later), None, "91 days apart");
}

/// A tip that its recipient has.
fn received(id: u128, place: &str, accused: &[&str]) -> Tip {
    let roster = roster();
    let accused: Vec<Region> = accused.iter().map(|text| region(text)).collect();
    let to = recipient(&roster, &roster.path(&region(place)).expect("a path"), &accused).expect("somebody above");
    let facts = Facts { place: region(place), accused, ..facts(id, den("东头仓库", None)) };
    Tip { state: State::Received, ..Tip::taken(facts, to) }
}

const PLACE: &str = "village:371302001001";

#[test]
fn a_later_tip_is_linked_once_to_an_earlier_one_that_is_open() {
    let (roster, first) = (roster(), received(1, PLACE, &[]));
    let mut later = received(2, PLACE, &[]);
    assert_eq!(first.clone().link(&first, false, &roster), Err(Rejection::Itself));
    later.link(&first, true, &roster).expect("of one matter");
    assert_eq!((later.state, later.body.link.map(|link| link.adds)), (State::Linked, Some(true)));
    assert_eq!(later.link(&first, true, &roster), Err(Rejection::AlreadyLinked));
    let mut earlier = received(3, PLACE, &[]);
    earlier.facts.received_hour = at("2026-11-23T01:00:00Z");
    assert_eq!(earlier.link(&first, false, &roster), Err(Rejection::NotTheFirst));
    let turn = |id, turn| {
        let mut tip = received(id, PLACE, &[]);
        tip.body.turn = Some(turn);
        tip
    };
    // Of one hour: who has read the one can only send the other afterwards.
    assert_eq!(turn(7, 1).link(&turn(8, 2), false, &roster), Err(Rejection::NotTheFirst));
    turn(8, 2).link(&turn(7, 1), false, &roster).expect("the copy is linked to what was copied");
    let mut verified = first.clone();
    verified.verify(Verdict { holds: true, by: post(), hour: at("2026-11-24T02:00:00Z"), case: None });
    assert_eq!(verified.state.progress(false), Progress::VerifiedTrue);
    received(4, PLACE, &[]).link(&verified, false, &roster).expect("a true one takes more");
    let false_one = {
        let mut tip = first.clone();
        tip.verify(Verdict { holds: false, by: post(), hour: at("2026-11-24T02:00:00Z"), case: None });
        tip
    };
    for unfit in [&false_one, &later] {
        assert_eq!(received(6, PLACE, &[]).link(unfit, false, &roster), Err(Rejection::FirstUnfit));
    }
    assert_eq!(verified.link(&first, false, &roster), Err(Rejection::Itself));
    let other = received(5, PLACE, &[]);
    assert_eq!(verified.link(&other, false, &roster), Err(Rejection::AlreadyVerified));
}

fn post() -> Post {
    Post { role: Role::TownshipCentre, region: region("township:371302001"), agency: None }
}

#[test]
fn tips_are_not_linked_where_an_accused_unit_would_learn_of_one() {
    let roster = roster();
    let at_centre = received(1, PLACE, &[]);
    let mut against_centre = received(2, PLACE, &["township:371302001"]);
    assert_eq!(against_centre.link(&at_centre, false, &roster), Err(Rejection::AccusedWouldKnow));
    let mut later = received(3, PLACE, &[]);
    assert_eq!(
        later.link(&received(4, PLACE, &["township:371302001"]), false, &roster),
        Err(Rejection::AccusedWouldKnow)
    );
    for (follower, first) in [(&against_centre, &at_centre), (&at_centre, &against_centre)] {
        assert_eq!(follower.may_follow(first, &roster), Err(Rejection::AccusedWouldKnow), "nor in two steps");
    }
    assert_eq!(at_centre.may_follow(&later, &roster), Ok(()));
    let at_city = received(5, PLACE, &["county:371302"]);
    assert_eq!(later.link(&at_city, false, &roster), Err(Rejection::NotForwarded));
}

#[test]
fn the_city_hands_a_tip_to_a_county_that_it_does_not_accuse() {
    let roster = roster();
    let mut tip = received(1, PLACE, &["county:371302"]);
    for unfit in ["county:371302", "county:371399", "township:371302099", "city:371300"] {
        assert_eq!(tip.forward(&region(unfit), &roster), Err(Rejection::CountyUnfit), "{unfit}");
    }
    tip.forward(&region("county:371371"), &roster).expect("another county");
    assert_eq!(tip.body.recipient, Recipient::of(&roster, &region("county:371371")).expect("an office"));
    assert_eq!(tip.forward(&region("county:371371"), &roster), Err(Rejection::NotAtCity));
    assert_eq!(received(2, PLACE, &[]).forward(&region("county:371302"), &roster), Err(Rejection::NotAtCity));
}

#[test]
fn an_informant_is_told_less_than_the_unit_knows() {
    let told: Vec<&str> = State::ALL.iter().map(|state| state.progress(false).zh()).collect();
    assert_eq!(told, ["已受理", "办理中", "办理中", "已核实属实", "经核实不实"]);
}
