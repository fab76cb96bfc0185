//! Tenures: nobody holds the same post twice at the same time.

use std::collections::HashMap;

use dafei_kernel::{
    agency::Agency,
    region::Region,
    role::Role,
    roster::{Holder, RosterIndex},
};

/// Whether two tenures have an instant in common.
fn overlap(one: &Holder, other: &Holder) -> bool {
    let ends_after = |one: &Holder, other: &Holder| one.valid_until.is_none_or(|until| other.valid_from < until);
    ends_after(one, other) && ends_after(other, one)
}

/// Whether another tenure of the same person in the same post overlaps this one.
pub(super) fn overlaps(roster: &RosterIndex, holder: &Holder) -> bool {
    let same =
        |other: &&Holder| other.role == holder.role && other.agency == holder.agency && other.person == holder.person;
    roster
        .holders(&holder.region)
        .iter()
        .filter(same)
        .any(|other| other.valid_from != holder.valid_from && overlap(holder, other))
}

/// Of a region's tenures, those that begin before an earlier one of the same person in the same post has ended, each behind the earlier one.
pub(super) fn overlapping<'a>(roster: &'a RosterIndex, region: &Region) -> Vec<(&'a Holder, &'a Holder)> {
    let mut last: HashMap<(Role, Option<Agency>, &str), &Holder> = HashMap::new();
    let mut found = Vec::new();
    // They stand in the order of their beginnings.
    for holder in roster.holders(region) {
        let before = last.insert((holder.role, holder.agency, &holder.person), holder);
        found.extend(before.filter(|before| overlap(before, holder)).map(|before| (before, holder)));
    }
    found
}
