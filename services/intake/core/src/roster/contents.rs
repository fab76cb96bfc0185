//! The whole roster as data, and the parts of it that are announced.

use std::collections::{BTreeMap, BTreeSet};

use dafei_kernel::{
    agency::Agency,
    credit_code::CreditCode,
    region::{Level, Region},
    role::Role,
    roster::{Enterprise, Holder, RegionEntry},
    time::Instant,
};

/// What makes a holder the same one: a post, a person and when it began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderKey {
    /// Region of the post.
    pub region: Region,
    /// Role of the post.
    pub role: Role,
    /// Agency of the post.
    pub agency: Option<Agency>,
    /// Since when.
    pub valid_from: Instant,
    /// Who.
    pub person: String,
}

impl HolderKey {
    /// The key of a holder.
    #[must_use]
    pub fn of(holder: &Holder) -> Self {
        Self {
            region: holder.region.clone(),
            role: holder.role,
            agency: holder.agency,
            valid_from: holder.valid_from,
            person: holder.person.clone(),
        }
    }
}

/// Everything in the roster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Regions.
    pub regions: BTreeMap<Region, RegionEntry>,
    /// Who holds or held which post.
    pub holders: BTreeMap<HolderKey, Holder>,
    /// Enterprises.
    pub enterprises: BTreeMap<CreditCode, Enterprise>,
}

/// A city, county or township as it is announced: with all that lies in it that is not announced by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The city, county or township.
    pub region: Region,
    /// The regions from the city down to it.
    pub path: Vec<Region>,
    /// Itself and, for a township, its work areas and villages, in the order of their codes.
    pub regions: Vec<RegionEntry>,
    /// The holders of their posts.
    pub holders: Vec<Holder>,
    /// The enterprises in them.
    pub enterprises: Vec<Enterprise>,
}

impl Contents {
    /// From rows of the tables.
    #[must_use]
    pub fn new(
        regions: impl IntoIterator<Item = RegionEntry>,
        holders: impl IntoIterator<Item = Holder>,
        enterprises: impl IntoIterator<Item = Enterprise>,
    ) -> Self {
        Self {
            regions: regions.into_iter().map(|entry| (entry.region.clone(), entry)).collect(),
            holders: holders.into_iter().map(|holder| (HolderKey::of(&holder), holder)).collect(),
            enterprises: enterprises
                .into_iter()
                .map(|enterprise| (enterprise.credit_code.clone(), enterprise))
                .collect(),
        }
    }

    /// With which city, county or township a region is announced; none when it is not in the roster.
    #[must_use]
    pub fn unit_of(&self, region: &Region) -> Option<Region> {
        let entry = self.regions.get(region)?;
        match region.level() {
            Level::City | Level::County | Level::Township => Some(region.clone()),
            Level::WorkArea | Level::Village => entry.parent.clone(),
        }
    }

    /// These cities, counties and townships with what lies in them: the city first, then counties, then townships.
    #[must_use]
    pub fn units(&self, wanted: &BTreeSet<Region>) -> Vec<Unit> {
        let mut units: BTreeMap<&Region, Unit> = wanted
            .iter()
            .filter(|region| self.regions.contains_key(region))
            .map(|region| (region, self.empty_unit(region)))
            .collect();
        for entry in self.regions.values() {
            if let Some(unit) = self.unit_of(&entry.region).and_then(|region| units.get_mut(&region)) {
                unit.regions.push(entry.clone());
            }
        }
        for holder in self.holders.values() {
            if let Some(unit) = self.unit_of(&holder.region).and_then(|region| units.get_mut(&region)) {
                unit.holders.push(holder.clone());
            }
        }
        for enterprise in self.enterprises.values() {
            if let Some(unit) = self.unit_of(&enterprise.region).and_then(|region| units.get_mut(&region)) {
                unit.enterprises.push(enterprise.clone());
            }
        }
        units.into_values().collect()
    }

    fn empty_unit(&self, region: &Region) -> Unit {
        let mut path = Vec::new();
        let mut at = Some(region);
        while let Some(entry) = at.and_then(|region| self.regions.get(region)) {
            path.push(entry.region.clone());
            at = entry.parent.as_ref();
        }
        path.reverse();
        Unit { region: region.clone(), path, regions: Vec::new(), holders: Vec::new(), enterprises: Vec::new() }
    }
}
