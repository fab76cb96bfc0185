//! What lies within a township's authority.

use dafei_dispatch_core::authority::Authority;
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
    let wrong = |county: &str| {
        let text = format!(
            r#"{{"version": "x", "default": {{"den": ["*"], "enterprise": []}}, "counties": {{"371302": {county}}}}}"#
        );
        Authority::parse(&text).expect_err("broken")
    };
    assert_eq!(wrong(r#"{"den": ["XX-1"], "enterprise": []}"#).place, "371302");
    assert!(wrong(r#"{"den": [], "enterprise": [], "agencies": ["police"]}"#).problem.contains("police"));
    assert_eq!(wrong(r#"{"den": []}"#).place, "file");
}
