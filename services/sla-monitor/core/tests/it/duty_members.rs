//! Who enters, moves and leaves, as snapshots of the roster say.

use dafei_kernel::time::Instant;
use dafei_sla_core::duty::member::{Member, Snapshot, Step, steps};

use crate::support::minutes;

const ONE: &str = "township:371302001";
const OTHER: &str = "township:371302002";

fn member(unit: &str, part: &str) -> Member {
    let path = format!("city:371300/county:371302/{part}/{unit}");
    Member { unit: unit.parse().unwrap(), part: part.parse().unwrap(), path: path.parse().unwrap() }
}

fn snapshot(part: &str, at: Instant, units: &[&str]) -> Snapshot {
    let members = units.iter().map(|unit| (unit.parse().unwrap(), member(unit, part).path)).collect();
    Snapshot { part: part.parse().unwrap(), at, members }
}

const A: &str = "village:371302001001";
const B: &str = "village:371302001002";

#[test]
fn a_snapshot_says_who_is_new_and_who_is_gone() {
    let known = [member(A, ONE)];
    assert_eq!(steps(&known, &[snapshot(ONE, minutes(5), &[A])]), []);
    assert_eq!(
        steps(&known, &[snapshot(ONE, minutes(5), &[B])]),
        [Step::Leaves(A.parse().unwrap(), minutes(5)), Step::Enters(member(B, ONE), minutes(5))]
    );
    assert_eq!(steps(&known, &[snapshot(OTHER, minutes(5), &[])]), [], "another part says nothing of it");
}

#[test]
fn who_is_named_elsewhere_has_moved_whichever_part_comes_first() {
    let known = [member(A, ONE)];
    let (left, reached) = (snapshot(ONE, minutes(5), &[]), snapshot(OTHER, minutes(5), &[A]));
    let moved = [Step::Moves(member(A, OTHER), minutes(5))];
    assert_eq!(steps(&known, &[left.clone(), reached.clone()]), moved);
    assert_eq!(steps(&known, &[reached.clone(), left.clone()]), moved);
    assert_eq!(steps(&known, std::slice::from_ref(&reached)), moved);
    // One after the other: what the first part says of it afterwards is nothing.
    assert_eq!(steps(&[member(A, OTHER)], std::slice::from_ref(&left)), []);
}

#[test]
fn who_was_away_for_a_while_has_left_and_is_new() {
    let known = [member(A, ONE)];
    assert_eq!(
        steps(&known, &[snapshot(ONE, minutes(5), &[]), snapshot(OTHER, minutes(9), &[A])]),
        [Step::Leaves(A.parse().unwrap(), minutes(5)), Step::Enters(member(A, OTHER), minutes(9))]
    );
}
