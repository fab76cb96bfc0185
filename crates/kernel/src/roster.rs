//! The roster in memory: who administers what, who holds which post, which enterprises there are (clause B1). Pure; services fill it from
//! their tables.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    agency::Agency,
    credit_code::CreditCode,
    industry::Industry,
    owner::{Owner, Post},
    region::{Level, Region, RegionPath},
    role::Role,
    time::Instant,
};

mod builder;
mod inside;
mod part;
mod shared;
mod totals;

pub use builder::{RosterBuilder, RowError, RowFault};
pub use part::RosterPart;
use shared::Shared;
pub use totals::Totals;

/// A region with its name and the region that administers it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RegionEntry {
    /// The region.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// The region that administers it; none for the city.
    pub parent: Option<Region>,
    /// The work area of a village.
    pub work_area: Option<Region>,
    /// Households of a village (clause D7); 0 elsewhere and where they are not known.
    pub households: u32,
}

/// Someone who holds a post for a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// Role of the post.
    pub role: Role,
    /// Region of the post.
    pub region: Region,
    /// Agency of the post.
    pub agency: Option<Agency>,
    /// Name as shown.
    pub person: String,
    /// From here on, inclusive.
    pub valid_from: Instant,
    /// Until here, exclusive; none while held.
    pub valid_until: Option<Instant>,
}

/// An enterprise of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Enterprise {
    /// Its credit code.
    pub credit_code: CreditCode,
    /// Its name.
    pub name: String,
    /// Its industry.
    pub industry: Industry,
    /// The agency that regulates it (clause A4), where known.
    pub regulator: Option<Agency>,
    /// The village or township it lies in.
    pub region: Region,
    /// Employees.
    pub employees: u32,
}

/// A region that does not fit in the roster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Its parent is not there (yet).
    #[error("{region}: its parent {parent} is not in the roster")]
    UnknownParent {
        /// The region.
        region: Region,
        /// The parent named.
        parent: Region,
    },
    /// Only a city has no parent.
    #[error("{0}: only a city has no parent")]
    NoParent(Region),
    /// The parent's level is not the one above.
    #[error("{region}: {parent} cannot be its parent")]
    WrongLevel {
        /// The region.
        region: Region,
        /// The parent named.
        parent: Region,
    },
}

/// The roster. A copy costs next to nothing: it shares with the original all that neither of them changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RosterIndex {
    regions: Shared<Region, RegionEntry>,
    children: Shared<Region, BTreeSet<Region>>,
    /// In the order of [`Holder::key`].
    holders: Shared<Region, Vec<Holder>>,
    enterprises: Shared<Region, BTreeMap<CreditCode, Enterprise>>,
    /// In which region an enterprise is kept.
    places: Shared<CreditCode, Region>,
}

impl Holder {
    /// What makes a holder of a region's posts the same one: the post, since when, and who.
    #[must_use]
    pub fn key(&self) -> (Role, Option<Agency>, Instant, &str) {
        (self.role, self.agency, self.valid_from, &self.person)
    }

    /// Whether the post is held at an instant.
    #[must_use]
    pub fn holds_at(&self, at: Instant) -> bool {
        self.valid_from <= at && self.valid_until.is_none_or(|until| at < until)
    }
}

/// Whether a region of a level may be administered by one of another.
const fn fits(level: Level, parent: Level) -> bool {
    matches!(
        (level, parent),
        (Level::County, Level::City)
            | (Level::Township, Level::County)
            | (Level::WorkArea | Level::Village, Level::Township)
    )
}

impl RosterIndex {
    /// An empty roster.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Collects the rows of a whole roster, in any order, to be checked together.
    #[must_use]
    pub fn builder() -> RosterBuilder {
        RosterBuilder::default()
    }

    /// How many regions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Adds a region or changes its name, parent, work area or households.
    ///
    /// # Errors
    /// When the parent is unknown or of the wrong level. Parents come first, and levels go down, so there can be no cycle.
    pub fn upsert_region(&mut self, entry: RegionEntry) -> Result<(), RosterError> {
        if let Some(parent) = &entry.parent
            && fits(entry.region.level(), parent.level())
            && self.get(parent).is_none()
        {
            return Err(RosterError::UnknownParent { region: entry.region, parent: parent.clone() });
        }
        self.place_region(entry)
    }

    /// As [`Self::upsert_region`], for what is taken piece by piece: a region whose parent is not there yet waits for it and has no path
    /// until then.
    ///
    /// # Errors
    /// When the parent is of the wrong level.
    pub fn place_region(&mut self, entry: RegionEntry) -> Result<(), RosterError> {
        match &entry.parent {
            None if entry.region.level() == Level::City => {}
            None => return Err(RosterError::NoParent(entry.region)),
            Some(parent) if !fits(entry.region.level(), parent.level()) => {
                return Err(RosterError::WrongLevel { region: entry.region, parent: parent.clone() });
            }
            Some(_) => {}
        }
        self.remove_region(&entry.region);
        if let Some(parent) = &entry.parent {
            self.children.change(parent, |children| {
                children.insert(entry.region.clone());
            });
        }
        self.regions.insert(entry.region.clone(), entry);
        Ok(())
    }

    /// Takes a region out. What lies in it stays, and has no path until it has a parent again.
    pub fn remove_region(&mut self, region: &Region) {
        let Some(old) = self.regions.remove(region) else { return };
        let Some(parent) = &old.parent else { return };
        self.children.change(parent, |siblings| {
            siblings.remove(region);
        });
        if self.children.get(parent).is_some_and(BTreeSet::is_empty) {
            self.children.remove(parent);
        }
    }

    /// Replaces all holders of the posts of a region.
    pub fn replace_holders(&mut self, region: &Region, mut holders: Vec<Holder>) {
        if holders.is_empty() {
            self.holders.remove(region);
        } else {
            holders.sort_by(|one, other| one.key().cmp(&other.key()));
            self.holders.insert(region.clone(), holders);
        }
    }

    /// Adds a holder of a post, or changes until when it is held.
    pub fn upsert_holder(&mut self, holder: Holder) {
        let region = holder.region.clone();
        self.holders.change(&region, |holders| {
            match holders.binary_search_by(|known| known.key().cmp(&holder.key())) {
                Ok(at) => holders[at] = holder,
                Err(at) => holders.insert(at, holder),
            }
        });
    }

    /// Adds or changes an enterprise.
    pub fn upsert_enterprise(&mut self, enterprise: Enterprise) {
        let (code, region) = (enterprise.credit_code.clone(), enterprise.region.clone());
        if self.places.get(&code).is_some_and(|place| *place != region) {
            self.remove_enterprise(&code);
        }
        self.places.insert(code.clone(), region.clone());
        self.enterprises.change(&region, |enterprises| {
            enterprises.insert(code, enterprise);
        });
    }

    /// Takes an enterprise out.
    pub fn remove_enterprise(&mut self, credit_code: &CreditCode) {
        let Some(region) = self.places.remove(credit_code) else { return };
        self.enterprises.change(&region, |enterprises| {
            enterprises.remove(credit_code);
        });
        if self.enterprises.get(&region).is_some_and(BTreeMap::is_empty) {
            self.enterprises.remove(&region);
        }
    }

    /// Replaces all enterprises that lie in a region itself, not in what lies in it.
    pub fn replace_enterprises(&mut self, region: &Region, enterprises: impl IntoIterator<Item = Enterprise>) {
        for code in self.enterprises.remove(region).unwrap_or_default().keys() {
            self.places.remove(code);
        }
        for enterprise in enterprises {
            self.upsert_enterprise(enterprise);
        }
    }

    /// A region.
    #[must_use]
    pub fn get(&self, region: &Region) -> Option<&RegionEntry> {
        self.regions.get(region)
    }

    /// The regions from the city down to a region; none when it, or one above it, is not in the roster.
    #[must_use]
    pub fn path(&self, region: &Region) -> Option<RegionPath> {
        let mut path = Vec::with_capacity(4);
        let mut at = Some(region.clone());
        while let Some(region) = at {
            let entry = self.regions.get(&region)?;
            path.push(region);
            at = entry.parent.clone();
        }
        path.reverse();
        RegionPath::new(path).ok()
    }

    /// Whether `inner` is `outer` or lies in it. A work area contains itself and its villages.
    #[must_use]
    pub fn contains(&self, outer: &Region, inner: &Region) -> bool {
        let Some(entry) = self.regions.get(inner) else {
            return false;
        };
        if outer.level() == Level::WorkArea && entry.work_area.as_ref() == Some(outer) {
            return true;
        }
        // Up to the city: a region that hangs in the air lies in nothing.
        let mut found = false;
        let mut at = entry;
        loop {
            found |= at.region == *outer;
            match &at.parent {
                None => return found,
                Some(parent) => match self.regions.get(parent) {
                    Some(above) => at = above,
                    None => return false,
                },
            }
        }
    }

    /// The regions directly below one, in the order of their codes.
    pub fn children<'a>(&'a self, region: &Region) -> impl Iterator<Item = &'a Region> + use<'a> {
        self.children.get(region).into_iter().flatten()
    }

    /// All regions of a level, in no order.
    pub fn of_level(&self, level: Level) -> impl Iterator<Item = &RegionEntry> {
        self.regions.values().filter(move |entry| entry.region.level() == level)
    }

    /// All holders of posts of a region, whenever they held them.
    #[must_use]
    pub fn holders(&self, region: &Region) -> &[Holder] {
        self.holders.get(region).map_or(&[], Vec::as_slice)
    }

    /// The holder of a region's posts with a key.
    #[must_use]
    pub fn holder(&self, region: &Region, key: (Role, Option<Agency>, Instant, &str)) -> Option<&Holder> {
        let holders = self.holders(region);
        let at = holders.binary_search_by(|known| known.key().cmp(&key)).ok()?;
        holders.get(at)
    }

    /// Who held a post at an instant.
    #[must_use]
    pub fn holders_at(&self, role: Role, region: &Region, agency: Option<Agency>, at: Instant) -> Vec<&Holder> {
        self.holders(region)
            .iter()
            .filter(|holder| holder.role == role && holder.agency == agency)
            .filter(|holder| holder.holds_at(at))
            .collect()
    }

    /// A post with those who held it at an instant, in the order of their names.
    #[must_use]
    pub fn owner_at(&self, post: &Post, at: Instant) -> Owner {
        let mut persons: Vec<String> = self
            .holders_at(post.role, &post.region, post.agency, at)
            .into_iter()
            .map(|holder| holder.person.clone())
            .collect();
        persons.sort();
        Owner { post: post.clone(), persons }
    }

    /// An enterprise.
    #[must_use]
    pub fn enterprise(&self, credit_code: &CreditCode) -> Option<&Enterprise> {
        self.enterprises.get(self.places.get(credit_code)?)?.get(credit_code)
    }

    /// The enterprises that lie in a region itself, not in what lies in it, in the order of their codes.
    pub fn enterprises_of<'a>(&'a self, region: &Region) -> impl Iterator<Item = &'a Enterprise> + use<'a> {
        self.enterprises.get(region).into_iter().flat_map(BTreeMap::values)
    }

    /// All enterprises, in no order.
    pub fn enterprises(&self) -> impl Iterator<Item = &Enterprise> {
        self.enterprises.values().flat_map(BTreeMap::values)
    }
}

#[cfg(test)]
mod tests;
