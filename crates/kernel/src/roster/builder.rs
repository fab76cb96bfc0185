//! A whole roster from the rows of its files: all rows are checked together, in whatever order they stand, and every wrong one is named, so
//! that a clerk mends a file once.

use std::collections::HashSet;

use super::{Enterprise, Holder, RegionEntry, RosterError, RosterIndex};
use crate::{
    credit_code::CreditCode,
    owner::{Post, PostError},
    region::{Level, Region},
};

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The region stands in an earlier row, too.
    #[error("{0} stands twice")]
    RegionTwice(Region),
    /// The region does not fit below its parent. Levels go down strictly, so a circle of parents shows as this.
    #[error(transparent)]
    Region(#[from] RosterError),
    /// The work area is unknown or of another township, or the region is no village.
    #[error("{region}: {work_area} is no work area of its township")]
    WorkArea {
        /// The region.
        region: Region,
        /// The work area named.
        work_area: Region,
    },
    /// A holder or enterprise names a region that is not in the roster.
    #[error("{0} is not in the roster")]
    UnknownRegion(Region),
    /// The holder's role, region and agency make no post.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The holder's time ends before or when it begins.
    #[error("valid_until is not after valid_from")]
    NoTime,
    /// The enterprise stands in an earlier row, too.
    #[error("{0} stands twice")]
    EnterpriseTwice(CreditCode),
    /// An enterprise lies in a village or township.
    #[error("an enterprise lies in a village or township, not in {0}")]
    EnterprisePlace(Region),
}

/// A row that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {fault}")]
pub struct RowError {
    /// The row, as the caller numbered it.
    pub row: usize,
    /// What is wrong.
    pub fault: RowFault,
}

/// The rows of a roster to be.
#[derive(Debug, Clone, Default)]
pub struct RosterBuilder {
    regions: Vec<(usize, RegionEntry)>,
    holders: Vec<(usize, Holder)>,
    enterprises: Vec<(usize, Enterprise)>,
}

impl RosterBuilder {
    /// Adds a region; its parent and work area may come later.
    #[must_use]
    pub fn region(mut self, row: usize, entry: RegionEntry) -> Self {
        self.regions.push((row, entry));
        self
    }

    /// Adds a holder of a post.
    #[must_use]
    pub fn holder(mut self, row: usize, holder: Holder) -> Self {
        self.holders.push((row, holder));
        self
    }

    /// Adds an enterprise.
    #[must_use]
    pub fn enterprise(mut self, row: usize, enterprise: Enterprise) -> Self {
        self.enterprises.push((row, enterprise));
        self
    }

    /// The roster, if every row is right.
    ///
    /// # Errors
    /// All wrong rows, in their order.
    pub fn build(self) -> Result<RosterIndex, Vec<RowError>> {
        let mut index = RosterIndex::new();
        let mut errors = Vec::new();
        put_regions(&mut index, self.regions, &mut errors);
        put_holders(&mut index, self.holders, &mut errors);
        put_enterprises(&mut index, self.enterprises, &mut errors);
        if errors.is_empty() {
            Ok(index)
        } else {
            errors.sort_by_key(|error| error.row);
            Err(errors)
        }
    }
}

fn put_regions(index: &mut RosterIndex, mut rows: Vec<(usize, RegionEntry)>, errors: &mut Vec<RowError>) {
    // Parents before children, and work areas before the villages that name them; equal levels keep their order.
    rows.sort_by_key(|(_, entry)| entry.region.level());
    for (row, entry) in rows {
        let put = fitting(index, entry).and_then(|entry| index.upsert_region(entry).map_err(RowFault::from));
        if let Err(fault) = put {
            errors.push(RowError { row, fault });
        }
    }
}

/// The entry, if it is new and its work area is one of its township.
fn fitting(index: &RosterIndex, entry: RegionEntry) -> Result<RegionEntry, RowFault> {
    if index.get(&entry.region).is_some() {
        return Err(RowFault::RegionTwice(entry.region));
    }
    let Some(work_area) = &entry.work_area else {
        return Ok(entry);
    };
    let same_township = entry.region.level() == Level::Village
        && work_area.level() == Level::WorkArea
        && index.get(work_area).is_some_and(|area| area.parent == entry.parent);
    if same_township {
        Ok(entry)
    } else {
        Err(RowFault::WorkArea { work_area: work_area.clone(), region: entry.region })
    }
}

fn put_holders(index: &mut RosterIndex, rows: Vec<(usize, Holder)>, errors: &mut Vec<RowError>) {
    for (row, holder) in rows {
        match check_holder(index, &holder) {
            Ok(()) => index.upsert_holder(holder),
            Err(fault) => errors.push(RowError { row, fault }),
        }
    }
}

fn check_holder(index: &RosterIndex, holder: &Holder) -> Result<(), RowFault> {
    Post::new(holder.role, holder.region.clone(), holder.agency)?;
    if index.get(&holder.region).is_none() {
        return Err(RowFault::UnknownRegion(holder.region.clone()));
    }
    if holder.valid_until.is_some_and(|until| until <= holder.valid_from) {
        return Err(RowFault::NoTime);
    }
    Ok(())
}

fn put_enterprises(index: &mut RosterIndex, rows: Vec<(usize, Enterprise)>, errors: &mut Vec<RowError>) {
    let mut seen = HashSet::new();
    for (row, enterprise) in rows {
        let fault = if !matches!(enterprise.region.level(), Level::Village | Level::Township) {
            Some(RowFault::EnterprisePlace(enterprise.region.clone()))
        } else if index.get(&enterprise.region).is_none() {
            Some(RowFault::UnknownRegion(enterprise.region.clone()))
        } else if !seen.insert(enterprise.credit_code.clone()) {
            Some(RowFault::EnterpriseTwice(enterprise.credit_code.clone()))
        } else {
            None
        };
        match fault {
            Some(fault) => errors.push(RowError { row, fault }),
            None => index.upsert_enterprise(enterprise),
        }
    }
}
