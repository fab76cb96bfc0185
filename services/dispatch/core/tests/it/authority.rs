//! What lies within a township's authority.

use dafei_dispatch_core::{
    authority::{Authority, CountyAuthority, Ground},
    problem::Flaw,
};
use dafei_kernel::{agency::Agency, region::Level};

use crate::fixture::{act, authority, den, enterprise, region};

#[test]
fn by_default_dens_are_the_townships_and_enterprises_are_not() {
    let (authority, county) = (authority(), region(Level::County, "371302"));
    assert!(authority.covers(&county, act("CE-1"), &den()));
    assert!(!authority.covers(&county, act("FS-2"), &enterprise(None)));
    assert!(authority.has_agency(&county, Agency::Postal));
}

#[test]
fn a_county_may_say_otherwise() {
    let authority = Authority::parse(
        r#"{"version": "x", "default": {"den": ["*"], "enterprise": []},
            "counties": {"371302": {"den": ["HC-*"], "enterprise": ["FS-2"], "agencies": ["fire-rescue"]}}}"#,
    )
    .expect("sound");
    let (own, other) = (region(Level::County, "371302"), region(Level::County, "371311"));
    assert!(authority.covers(&own, act("FS-2"), &enterprise(None)));
    assert!(!authority.covers(&own, act("FS-1"), &enterprise(None)));
    assert!(!authority.covers(&own, act("CE-1"), &den()));
    assert!(authority.covers(&own, act("HC-99"), &den()));
    assert!(authority.has_agency(&own, Agency::FireRescue) && !authority.has_agency(&own, Agency::Postal));
    assert!(authority.covers(&other, act("CE-1"), &den()) && !authority.covers(&other, act("FS-2"), &enterprise(None)));
}

#[test]
fn an_entry_with_an_unknown_code_is_named() {
    let wrong = |counties: &str| {
        let text =
            format!(r#"{{"version": "x", "default": {{"den": ["*"], "enterprise": []}}, "counties": {counties}}}"#);
        let problems = Authority::parse(&text).expect_err("broken").0;
        problems.into_iter().map(|problem| (problem.place, problem.flaw)).collect::<Vec<_>>()
    };
    let broken = wrong(
        r#"{"371302": {"den": ["XX-1"], "enterprise": [], "agencies": ["police"]}, "37": {"den": [], "enterprise": []}}"#,
    );
    let expected = [
        ("counties[37]".to_owned(), Flaw::UnknownCounty),
        ("counties[371302].den".to_owned(), Flaw::UnknownAct),
        ("counties[371302].agencies".to_owned(), Flaw::UnknownAgency),
    ];
    assert_eq!(broken, expected);
    assert_eq!(wrong(r#"{"371302": {"den": []}}"#), [(String::new(), Flaw::Malformed)]);
}

#[test]
fn the_entry_by_which_an_act_is_a_townships_is_named() {
    let county = region(Level::County, "371302");
    let own = r#"{"version": "lanshan.1", "den": ["HC-*"], "enterprise": ["FS-2"], "agencies": ["fire-rescue"]}"#;
    let authority = authority().with_county(&county, CountyAuthority::parse(own).expect("sound"));
    let ground =
        |covered, entry: &str, version: &str| Ground { covered, entry: entry.to_owned(), version: version.to_owned() };
    let version = "2026.1+lanshan.1";
    assert_eq!(
        authority.ground(&county, act("FS-2"), true),
        ground(true, "counties[371302].enterprise[FS-2]", version)
    );
    assert_eq!(authority.ground(&county, act("CE-1"), false), ground(false, "counties[371302].den", version));
    let other = region(Level::County, "371311");
    assert_eq!(authority.ground(&other, act("CE-1"), false), ground(true, "default.den[*]", "2026.1"));
    assert!(!authority.has_agency(&county, Agency::Postal) && authority.has_agency(&other, Agency::Postal));
}
