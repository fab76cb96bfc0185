//! Likely duplicates: by the enterprise, or by distance and time between dens.

use dafei_intake_core::{
    duplicates::{Candidate, Likeness, Why, likely},
    suspicion::{Event, Facts, Finding},
};
use dafei_kernel::{
    geo,
    subject::{Position, Subject},
    time::Instant,
};
use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

use crate::fixture::{Run, enterprise, finding, now};

fn den_at(lat_e7: i32, lon_e7: i32) -> Subject {
    let position = Some(Position::new(lat_e7, lon_e7).expect("on earth"));
    Subject::Den { place: "河边".to_owned(), position, industry: dafei_kernel::industry::Industry::General }
}

fn facts(act: &str, subject: Subject) -> Facts {
    let mut run = Run::default();
    run.must(dafei_intake_core::suspicion::Command::Record(Box::new(Finding { ..finding(act, subject) })));
    let Some(Event::Recorded(facts)) = run.history.into_iter().next() else { panic!("recorded") };
    *facts
}

fn candidate(number: u128, of: &Facts, subject: Subject, found_at: Instant) -> Candidate {
    Candidate { id: Uuid::from_u128(number), act: of.act, subject, found_at }
}

fn days(days: i64) -> Instant {
    now().checked_add(SignedDuration::from_hours(24 * days)).expect("near now")
}

#[test]
fn dens_with_one_act_within_the_radius_are_likely_one_and_the_nearest_comes_first() {
    let of = facts("HC-3", den_at(350_000_000, 1_183_000_000));
    let near = |number, lat| candidate(number, &of, den_at(lat, 1_183_000_000), now());
    // A ten-thousandth of a degree of latitude is 11.1 m.
    let candidates = [near(1, 350_010_000), near(2, 350_001_000), near(3, 350_018_000), near(4, 350_017_000)];
    let found = likely(&of, &candidates, Likeness::default());
    let expected = [(2, 11), (1, 111), (4, 189)];
    assert_eq!(found, expected.map(|(number, distance_m)| (Uuid::from_u128(number), Why::NearbyDen { distance_m })));
    let wider = likely(&of, &candidates, Likeness { radius_m: 201, ..Likeness::default() });
    assert_eq!(wider.len(), 4, "the radius is configuration");
}

#[test]
fn another_act_or_another_month_is_another_matter() {
    let here = den_at(350_000_000, 1_183_000_000);
    let of = facts("HC-3", here.clone());
    let other = Candidate { act: facts("HC-9", here.clone()).act, ..candidate(1, &of, here.clone(), now()) };
    let at = |number, day| candidate(number, &of, here.clone(), days(day));
    let candidates = [other, at(2, 31), at(3, 30), at(4, -30), at(5, -31)];
    let ids: Vec<u128> = likely(&of, &candidates, Likeness::default()).iter().map(|(id, _)| id.as_u128()).collect();
    assert_eq!(ids, [3, 4]);
}

#[test]
fn one_enterprise_s_same_act_is_likely_one_wherever_it_was_found_and_a_den_without_a_position_is_like_none() {
    let of = facts("HC-3", enterprise());
    let near = Likeness::default();
    assert_eq!(
        likely(&of, &[candidate(1, &of, enterprise(), now())], near),
        [(Uuid::from_u128(1), Why::SameEnterprise)]
    );
    let den = den_at(350_000_000, 1_183_000_000);
    assert!(likely(&of, &[candidate(1, &of, den.clone(), now())], near).is_empty());
    let nowhere =
        Subject::Den {
            place: "河边".to_owned(), position: None, industry: dafei_kernel::industry::Industry::General
        };
    let of = facts("HC-3", nowhere.clone());
    assert!(likely(&of, &[candidate(1, &of, nowhere, now()), candidate(2, &of, den, now())], near).is_empty());
}

proptest! {
    #[test]
    fn likeness_is_mutual_and_never_beyond_radius_or_window(
        (lat, lon) in (-20_000..20_000_i32, -20_000..20_000_i32),
        day in -40_i64..40,
        radius_m in 1_u32..400,
    ) {
        let (here, there) = (den_at(350_000_000, 1_183_000_000), den_at(350_000_000 + lat, 1_183_000_000 + lon));
        let likeness = Likeness { radius_m, ..Likeness::default() };
        let one = facts("HC-3", here.clone());
        let other = Facts { id: Uuid::from_u128(99), found_at: days(day), ..facts("HC-3", there.clone()) };
        let forth = likely(&one, &[candidate(99, &one, there.clone(), other.found_at)], likeness);
        let back = likely(&other, &[candidate(7, &other, here.clone(), one.found_at)], likeness);
        prop_assert_eq!(forth.len(), back.len());
        let (Subject::Den { position: Some(a), .. }, Subject::Den { position: Some(b), .. }) = (here, there) else {
            panic!("dens")
        };
        let near = geo::distance_m(a, b) <= f64::from(radius_m) && day.abs() <= 30;
        prop_assert_eq!(forth.len() == 1, near);
    }
}
