//! A file into the roster as it is: what the file names is new or changed, what it does not name stays.

use std::collections::{BTreeSet, HashMap, HashSet};

use dafei_kernel::{
    agency::Agency,
    region::{Level, Region},
    role::Role,
    roster::{Enterprise, Holder, RegionEntry, RosterBuilder, RosterIndex},
    time::Instant,
};

use super::{CellError, MAX_ERRORS, fault, parse::Rows};

/// The roster after a file.
#[derive(Debug, Clone)]
pub struct Merged {
    /// The whole roster.
    pub index: RosterIndex,
    /// Rows that are new or say something else than before.
    pub changed: usize,
    /// The townships, counties and cities of which something has changed: city, counties, townships.
    pub parts: BTreeSet<Region>,
    /// Hints that refuse nothing.
    pub warnings: Vec<String>,
}

/// The township, county or city whose snapshot holds a region.
#[must_use]
pub fn part_of(index: &RosterIndex, region: &Region) -> Option<Region> {
    match region.level() {
        Level::City | Level::County | Level::Township => Some(region.clone()),
        Level::WorkArea | Level::Village => index.get(region).and_then(|entry| entry.parent.clone()),
    }
}

/// Checks the rows together with the roster as it is, and merges them.
///
/// # Errors
/// The wrong cells, at most [`MAX_ERRORS`].
pub fn merge(current: &RosterIndex, rows: &Rows) -> Result<Merged, Vec<CellError>> {
    let (merge, fresh) = match rows {
        Rows::Regions(rows) => regions(current, rows),
        Rows::Holders(rows) => holders(current, rows)?,
        Rows::Enterprises(rows) => enterprises(current, rows),
    };
    let index = merge.build().map_err(|errors| {
        errors.iter().take(MAX_ERRORS).map(fault::cell).collect::<Vec<_>>()
    })?;
    let parts = fresh
        .iter()
        .chain(&left(current, rows))
        .flat_map(|region| [part_of(current, region), part_of(&index, region)])
        .flatten()
        .collect();
    Ok(Merged { index, changed: fresh.len(), parts, warnings: warnings(rows) })
}

/// The roster as it is.
struct Current<'a> {
    index: &'a RosterIndex,
}

impl<'a> Current<'a> {
    fn entries(&self) -> impl Iterator<Item = &'a RegionEntry> + use<'a> {
        let index = self.index;
        Level::ALL.iter().flat_map(move |level| index.of_level(*level))
    }

    fn holders(&self) -> impl Iterator<Item = &'a Holder> + use<'a> {
        let index = self.index;
        self.entries().flat_map(move |entry| index.holders(&entry.region))
    }

    /// Its rows that the file does not replace, without a number.
    fn add(
        &self,
        regions: impl Fn(&RegionEntry) -> bool,
        holders: impl Fn(&Holder) -> bool,
        enterprises: impl Fn(&Enterprise) -> bool,
    ) -> RosterBuilder {
        let builder = self
            .entries()
            .filter(|entry| regions(entry))
            .fold(RosterIndex::builder(), |builder, entry| builder.region(0, entry.clone()));
        let builder = self
            .holders()
            .filter(|holder| holders(holder))
            .fold(builder, |builder, holder| builder.holder(0, holder.clone()));
        self.index
            .enterprises()
            .filter(|enterprise| enterprises(enterprise))
            .fold(builder, |builder, enterprise| builder.enterprise(0, enterprise.clone()))
    }
}

/// The rows to build from, and the regions of those that are new or changed, one for each.
type Prepared = (RosterBuilder, Vec<Region>);

fn regions(current: &RosterIndex, rows: &[(usize, RegionEntry)]) -> Prepared {
    let named: HashSet<&Region> = rows.iter().map(|(_, entry)| &entry.region).collect();
    let kept = Current { index: current }.add(|entry| !named.contains(&entry.region), |_| true, |_| true);
    let fresh = rows
        .iter()
        .filter(|(_, entry)| current.get(&entry.region) != Some(entry))
        .map(|(_, entry)| entry.region.clone())
        .collect();
    (rows.iter().fold(kept, |builder, (row, entry)| builder.region(*row, entry.clone())), fresh)
}

type HolderKey<'a> = (Role, &'a Region, Option<Agency>, &'a str, Instant);

fn key(holder: &Holder) -> HolderKey<'_> {
    (holder.role, &holder.region, holder.agency, &holder.person, holder.valid_from)
}

/// A person's time in a post is known by its beginning; a row that repeats it may end it, or change its end.
fn holders(current: &RosterIndex, rows: &[(usize, Holder)]) -> Result<Prepared, Vec<CellError>> {
    let before: HashMap<HolderKey<'_>, &Holder> =
        Current { index: current }.holders().map(|holder| (key(holder), holder)).collect();
    let mut named = HashSet::new();
    let twice: Vec<CellError> = rows
        .iter()
        .filter(|(_, holder)| !named.insert(key(holder)))
        .map(|(row, _)| CellError::new(*row, "person", "DUPLICATE", "this holder stands twice", "任职记录重复"))
        .take(MAX_ERRORS)
        .collect();
    if !twice.is_empty() {
        return Err(twice);
    }
    let kept = Current { index: current }.add(|_| true, |holder| !named.contains(&key(holder)), |_| true);
    let fresh = rows
        .iter()
        .filter(|(_, holder)| before.get(&key(holder)) != Some(&holder))
        .map(|(_, holder)| holder.region.clone())
        .collect();
    Ok((rows.iter().fold(kept, |builder, (row, holder)| builder.holder(*row, holder.clone())), fresh))
}

fn enterprises(current: &RosterIndex, rows: &[(usize, Enterprise)]) -> Prepared {
    let named: HashSet<_> = rows.iter().map(|(_, enterprise)| &enterprise.credit_code).collect();
    let kept =
        Current { index: current }.add(|_| true, |_| true, |enterprise| !named.contains(&enterprise.credit_code));
    let fresh = rows
        .iter()
        .filter(|(_, enterprise)| current.enterprise(&enterprise.credit_code) != Some(enterprise))
        .map(|(_, enterprise)| enterprise.region.clone())
        .collect();
    (rows.iter().fold(kept, |builder, (row, enterprise)| builder.enterprise(*row, enterprise.clone())), fresh)
}

/// Regions that enterprises of the file have left.
fn left(current: &RosterIndex, rows: &Rows) -> Vec<Region> {
    let Rows::Enterprises(rows) = rows else { return Vec::new() };
    let before = |enterprise: &Enterprise| current.enterprise(&enterprise.credit_code).map(|old| old.region.clone());
    rows.iter()
        .filter_map(|(_, enterprise)| before(enterprise).filter(|region| *region != enterprise.region))
        .collect()
}

fn warnings(rows: &Rows) -> Vec<String> {
    let Rows::Enterprises(rows) = rows else { return Vec::new() };
    rows.iter()
        .filter(|(_, enterprise)| !enterprise.credit_code.checksum_ok())
        .take(MAX_ERRORS)
        .map(|(row, enterprise)| format!("第{row}行：统一社会信用代码{}的校验码不符，请核对", enterprise.credit_code))
        .collect()
}
