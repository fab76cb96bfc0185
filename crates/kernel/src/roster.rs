//! The roster in memory: who administers what, who holds which post, which enterprises there are (clause B1). Pure; services fill it from
//! their tables.

use std::collections::{BTreeSet, HashMap};

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

pub use builder::{RosterBuilder, RowError, RowFault};

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

/// The roster.
#[derive(Debug, Clone, Default)]
pub struct RosterIndex {
    regions: HashMap<Region, RegionEntry>,
    children: HashMap<Region, BTreeSet<Region>>,
    holders: HashMap<Region, Vec<Holder>>,
    enterprises: HashMap<CreditCode, Enterprise>,
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

    /// Adds a region or changes its name, parent or work area.
    ///
    /// # Errors
    /// When the parent is unknown or of the wrong level. Parents come first, and levels go down, so there can be no cycle.
    pub fn upsert_region(&mut self, entry: RegionEntry) -> Result<(), RosterError> {
        match &entry.parent {
            None if entry.region.level() == Level::City => {}
            None => return Err(RosterError::NoParent(entry.region)),
            Some(parent) if !fits(entry.region.level(), parent.level()) => {
                return Err(RosterError::WrongLevel { region: entry.region, parent: parent.clone() });
            }
            Some(parent) if !self.regions.contains_key(parent) => {
                return Err(RosterError::UnknownParent { region: entry.region, parent: parent.clone() });
            }
            Some(_) => {}
        }
        self.remove_region(&entry.region);
        if let Some(parent) = &entry.parent {
            self.children.entry(parent.clone()).or_default().insert(entry.region.clone());
        }
        self.regions.insert(entry.region.clone(), entry);
        Ok(())
    }

    /// Takes a region out. What lies in it stays, and has no path until it has a parent again.
    pub fn remove_region(&mut self, region: &Region) {
        if let Some(old) = self.regions.remove(region)
            && let Some(parent) = &old.parent
            && let Some(siblings) = self.children.get_mut(parent)
        {
            siblings.remove(region);
        }
    }

    /// Replaces all holders of the posts of a region.
    pub fn replace_holders(&mut self, region: &Region, holders: Vec<Holder>) {
        if holders.is_empty() {
            self.holders.remove(region);
        } else {
            self.holders.insert(region.clone(), holders);
        }
    }

    /// Adds or changes an enterprise.
    pub fn upsert_enterprise(&mut self, enterprise: Enterprise) {
        self.enterprises.insert(enterprise.credit_code.clone(), enterprise);
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

    /// Who held a post at an instant.
    #[must_use]
    pub fn holders_at(&self, role: Role, region: &Region, agency: Option<Agency>, at: Instant) -> Vec<&Holder> {
        self.holders(region)
            .iter()
            .filter(|holder| holder.role == role && holder.agency == agency)
            .filter(|holder| holder.valid_from <= at && holder.valid_until.is_none_or(|until| at < until))
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
        self.enterprises.get(credit_code)
    }

    /// All enterprises, in no order.
    pub fn enterprises(&self) -> impl Iterator<Item = &Enterprise> {
        self.enterprises.values()
    }
}

#[cfg(test)]
mod tests;
