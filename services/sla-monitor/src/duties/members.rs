//! The roster's changes, as far as they say who owes duties: who enters, moves or leaves, and since when.

use std::collections::{BTreeSet, HashMap};

use dafei_kernel::{
    region::{Level, Region, RegionPath},
    roster::{RosterIndex, RosterPart},
    time::Instant,
};
use dafei_sla_core::{
    Clock, EndKind, Terms,
    duty::{
        self,
        member::{Member, Snapshot, Step, steps},
        owed::{first_owed, first_watched},
        unit::{Unit, UnitKind, units_of},
    },
};
use sqlx::PgConnection;

use super::{change, notices, update};
use crate::store::{
    duties as rows,
    duty_parts::{self, Part},
    duty_sweep::{self, Pointer},
    duty_units::{self as units, Last, Place},
};

/// Takes snapshots, each with its instant, in their order; `roster` has taken them all.
pub(crate) async fn take_roster(
    conn: &mut PgConnection,
    terms: &Terms,
    roster: &RosterIndex,
    told: Vec<(Instant, RosterPart)>,
) -> sqlx::Result<()> {
    rows::lock(conn).await?;
    let mut round: Vec<(Instant, RosterPart)> = Vec::new();
    for (at, part) in told {
        // What a part was in between counts, too: who left and came back did not stay.
        if round.iter().any(|(_, other)| other.region == part.region) {
            take(conn, terms, roster, std::mem::take(&mut round)).await?;
        }
        round.push((at, part));
    }
    take(conn, terms, roster, round).await
}

/// Takes snapshots of different parts.
async fn take(
    conn: &mut PgConnection,
    terms: &Terms,
    roster: &RosterIndex,
    told: Vec<(Instant, RosterPart)>,
) -> sqlx::Result<()> {
    let parts: BTreeSet<Region> = told.iter().map(|(_, part)| part.region.clone()).collect();
    let read: Vec<Part> = told.iter().map(|(_, part)| as_read(part)).collect();
    duty_parts::keep(conn, &read).await?;
    let mut snapshots: Vec<Snapshot> = told
        .iter()
        .zip(&read)
        .filter_map(|((at, _), part)| snapshot(part, *at, |parent| roster.path(parent)))
        .collect();
    let mut known = present(conn, &snapshots).await?;
    let mut under = Vec::new();
    for moved in snapshots.iter().filter(|one| has_moved(one, &known)) {
        under.extend(below(conn, moved, &parts).await?);
    }
    if !under.is_empty() {
        snapshots.extend(under);
        known = present(conn, &snapshots).await?;
    }
    let (mut entering, mut moving, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps(&known, &snapshots) {
        match step {
            Step::Enters(member, at) => entering.push((member, at)),
            Step::Moves(member, at) => moving.push((member, at)),
            Step::Leaves(unit, at) => leaving.push((unit, at)),
        }
    }
    if !leaving.is_empty() {
        leave(conn, &leaving).await?;
    }
    if !(entering.is_empty() && moving.is_empty()) {
        place(conn, terms, roster, entering, moving).await?;
    }
    Ok(())
}

/// A part of the roster as it is told of.
fn as_read(part: &RosterPart) -> Part {
    let own = part.regions.iter().find(|entry| entry.region == part.region);
    let parent = own.and_then(|own| own.parent.clone());
    Part { part: part.region.clone(), parent, members: units_of(part) }
}

/// What a part names, with its place; none as long as what administers it is not known.
fn snapshot(part: &Part, at: Instant, path_of: impl Fn(&Region) -> Option<RegionPath>) -> Option<Snapshot> {
    let path = match (part.members.is_empty(), &part.parent) {
        (true, _) => None,
        (false, None) => Some(RegionPath::new(vec![part.part.clone()]).ok()?),
        (false, Some(parent)) => Some(under(&path_of(parent)?, &part.part)?),
    };
    let place = |unit: &Unit| -> Option<(Unit, RegionPath)> {
        let path = path.as_ref()?;
        let path = if *unit.region() == part.part { path.clone() } else { under(path, unit.region())? };
        Some((unit.clone(), path))
    };
    Some(Snapshot { part: part.part.clone(), at, members: part.members.iter().filter_map(place).collect() })
}

fn under(path: &RegionPath, region: &Region) -> Option<RegionPath> {
    RegionPath::new(path.regions().iter().chain([region]).cloned().collect()).ok()
}

/// Whether a city or county is new or lies elsewhere, so that all below it does.
fn has_moved(snapshot: &Snapshot, known: &[Member]) -> bool {
    let own = snapshot.members.iter().find(|(unit, _)| *unit.region() == snapshot.part);
    snapshot.part.level() != Level::Township
        && own.is_some_and(|(own, path)| known.iter().all(|member| member.unit != *own || member.path != *path))
}

/// What lies below a city or county, as it was read, and has no snapshot of its own among those taken. What was not read yet comes by itself.
async fn below(conn: &mut PgConnection, above: &Snapshot, taken: &BTreeSet<Region>) -> sqlx::Result<Vec<Snapshot>> {
    let (mut found, mut above) = (Vec::new(), vec![above.clone()]);
    while let Some(one) = above.pop() {
        let Some((_, path)) = one.members.iter().find(|(unit, _)| *unit.region() == one.part) else { continue };
        for child in duty_parts::below(conn, &one.part).await?.iter().filter(|child| !taken.contains(&child.part)) {
            let Some(child) = snapshot(child, one.at, |_| Some(path.clone())) else { continue };
            if child.part.level() == Level::County {
                above.push(child.clone());
            }
            found.push(child);
        }
    }
    Ok(found)
}

async fn present(conn: &mut PgConnection, snapshots: &[Snapshot]) -> sqlx::Result<Vec<Member>> {
    let parts: Vec<String> = snapshots.iter().map(|snapshot| snapshot.part.to_string()).collect();
    let named = snapshots.iter().flat_map(|snapshot| &snapshot.members);
    let named: Vec<Unit> = named.map(|(unit, _)| unit.clone()).collect();
    units::present(conn, &parts, &named).await
}

/// Who leaves owes nothing more: what had begun by then and is open falls away at that instant.
async fn leave(conn: &mut PgConnection, leaving: &[(Unit, Instant)]) -> sqlx::Result<()> {
    units::leave(conn, leaving).await?;
    let at: HashMap<String, Instant> = leaving.iter().map(|(unit, at)| (unit.to_string(), *at)).collect();
    let names: Vec<String> = at.keys().cloned().collect();
    let open = rows::open_of_units(conn, &names).await?;
    let changes: Vec<_> = open
        .iter()
        .filter_map(|record| {
            // What began later is of another stay: sweeps wait until all that was before is told, so this leaving is an
            // old one that is read again, and nothing of that stay falls away by it.
            let left = at.get(record.unit.as_deref()?).copied().filter(|left| *left >= record.started_at.0)?;
            let end = duty::end(&record.timing(), u32::MAX, &[], Some(left))?;
            Some(change(record, &record.timing(), Some(end)))
        })
        .collect();
    update(conn, &changes).await
}

async fn place(
    conn: &mut PgConnection,
    terms: &Terms,
    roster: &RosterIndex,
    entering: Vec<(Member, Instant)>,
    moving: Vec<(Member, Instant)>,
) -> sqlx::Result<()> {
    let all: Vec<Unit> = entering.iter().chain(&moving).map(|(member, _)| member.unit.clone()).collect();
    let last = units::last(conn, &all).await?;
    let (mut places, mut new, mut back) = (Vec::new(), Vec::new(), HashMap::new());
    for (member, at) in moving {
        let entered = last.get(&member.unit.to_string()).map_or(at, |last| last.entered);
        places.push(Place { member, since: at, entered });
    }
    for (member, at) in entering {
        match last.get(&member.unit.to_string()) {
            // Another part's snapshot of the same instant left it out: it has moved and was never away.
            Some(Last { entered, left_at: Some(left) }) if *left == at => {
                back.insert(member.unit.to_string(), at);
                places.push(Place { member, since: at, entered: *entered });
            }
            _ => {
                new.push((member.clone(), at));
                places.push(Place { member, since: at, entered: at });
            }
        }
    }
    units::place(conn, &places).await?;
    if !back.is_empty() {
        come_back(conn, &back).await?;
    }
    notices::enter(conn, terms, roster, &new).await?;
    arm(conn, terms, new.iter().map(|(member, at)| (member.unit.kind(), *at))).await
}

/// What had fallen away runs on.
async fn come_back(conn: &mut PgConnection, back: &HashMap<String, Instant>) -> sqlx::Result<()> {
    let names: Vec<String> = back.keys().cloned().collect();
    let cancelled = rows::cancelled_of_units(conn, &names).await?;
    let changes: Vec<_> = cancelled
        .iter()
        .filter(|record| {
            let at = record.unit.as_ref().and_then(|unit| back.get(unit)).copied();
            record.end().is_some_and(|end| end.kind == EndKind::Cancelled && Some(end.at) == at)
        })
        .map(|record| change(record, &record.timing(), None))
        .collect();
    update(conn, &changes).await
}

/// Sets the sweeps of the duties that these units are the first to owe.
pub(super) async fn arm(
    conn: &mut PgConnection,
    terms: &Terms,
    units: impl Iterator<Item = (UnitKind, Instant)>,
) -> sqlx::Result<()> {
    let mut first: HashMap<UnitKind, Instant> = HashMap::new();
    for (kind, at) in units {
        first.entry(kind).and_modify(|first| *first = at.min(*first)).or_insert(at);
    }
    // The sweep itself asks what is owed of its period.
    let versions = terms.city_since(Instant::MIN).flat_map(|(_, _, rules)| rules.duties());
    let clocks: BTreeSet<Clock> = versions.map(|rule| rule.clock).collect();
    let pointers: Vec<Pointer> = clocks
        .into_iter()
        .flat_map(|clock| first.iter().map(move |(kind, since)| (clock, *kind, *since)))
        .filter_map(|(clock, kind, since)| {
            let at = first_owed(terms, clock, kind, since)?.inputs.timing.warn_at;
            let period = first_watched(terms, clock, kind, since)?.to_string();
            Some(Pointer { clock, kind, period, at, after: String::new() })
        })
        .collect();
    if pointers.is_empty() { Ok(()) } else { duty_sweep::arm(conn, &pointers).await }
}
