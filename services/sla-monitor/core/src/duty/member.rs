//! Who is in the roster since when: what a snapshot changes of it.

use std::collections::BTreeMap;

use dafei_kernel::{
    region::{Region, RegionPath},
    time::Instant,
};

use super::unit::Unit;

/// A unit that is in the roster, as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The unit.
    pub unit: Unit,
    /// The city, county or township whose snapshot names it.
    pub part: Region,
    /// Regions from the city down.
    pub path: RegionPath,
}

/// What a snapshot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The city, county or township.
    pub part: Region,
    /// Since when.
    pub at: Instant,
    /// All that it names; nothing when it is gone.
    pub members: Vec<(Unit, RegionPath)>,
}

/// What it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A unit is there that was not.
    Enters(Member, Instant),
    /// A unit lies elsewhere, or under others.
    Moves(Member, Instant),
    /// A unit is no longer there.
    Leaves(Unit, Instant),
}

/// What snapshots of different parts change together. A unit that one part no longer names and another does has moved, unless the other named
/// it later.
#[must_use]
pub fn steps(known: &[Member], told: &[Snapshot]) -> Vec<Step> {
    let mut named: BTreeMap<&Unit, (&Snapshot, &RegionPath)> = BTreeMap::new();
    for snapshot in told {
        for (unit, path) in &snapshot.members {
            if named.get(unit).is_none_or(|(other, _)| other.at <= snapshot.at) {
                named.insert(unit, (snapshot, path));
            }
        }
    }
    let mut steps = Vec::new();
    for member in known {
        let own = told.iter().find(|snapshot| snapshot.part == member.part);
        match (named.remove(&member.unit), own) {
            (None, Some(own)) => steps.push(Step::Leaves(member.unit.clone(), own.at)),
            (None, None) => {}
            (Some((snapshot, path)), own) => {
                let now = Member { unit: member.unit.clone(), part: snapshot.part.clone(), path: path.clone() };
                match own.filter(|own| own.part != snapshot.part && own.at < snapshot.at) {
                    Some(own) => {
                        steps.push(Step::Leaves(member.unit.clone(), own.at));
                        steps.push(Step::Enters(now, snapshot.at));
                    }
                    None if now != *member => steps.push(Step::Moves(now, snapshot.at)),
                    None => {}
                }
            }
        }
    }
    steps.extend(named.into_iter().map(|(unit, (snapshot, path))| {
        Step::Enters(Member { unit: unit.clone(), part: snapshot.part.clone(), path: path.clone() }, snapshot.at)
    }));
    steps
}
