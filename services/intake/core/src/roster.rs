//! The roster (clause B1): its CSV files, with errors that name row and column, single changes, and which parts are to be announced. Rows
//! of a file add and change; what a file does not name stays, and is taken out by a change of its own.

mod change;
mod import;
mod read;
mod rows;
mod table;
mod tenure;

use std::collections::BTreeSet;

use dafei_kernel::{
    region::{Region, RegionPath},
    roster::{RosterIndex, RosterPart},
};

pub use change::{Change, Changed, OpenMatters, Refused, change};
pub use import::{Import, import};
pub use read::{Parsed, read};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum File {
    /// `level,code,name,parent[,work_area][,households]`
    Regions,
    /// `role,level,code,agency,person,valid_from[,valid_until]`
    Holders,
    /// `credit_code,name,industry,regulator,level,code,employees`
    Enterprises,
}

/// What is configured of the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many cities it may have: one, except in a rehearsal of a province or of the country.
    pub cities: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cities: 1 }
    }
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, column {column}: {description}")]
pub struct RowError {
    /// Line of the file, the header being 1.
    pub row: u64,
    /// Name of the column; `-` when the row as a whole is meant.
    pub column: &'static str,
    /// Stable reason.
    pub reason: &'static str,
    /// For developers.
    pub description: String,
    /// For clerks.
    pub description_zh: String,
}

/// Errors that are told of one file; a file of another kind would have one per row.
const MAX_ERRORS: usize = 100;

/// Collects what is wrong.
#[derive(Debug, Default)]
struct Errors(Vec<RowError>);

impl Errors {
    fn push(
        &mut self,
        row: u64,
        column: &'static str,
        reason: &'static str,
        en: impl Into<String>,
        zh: impl Into<String>,
    ) {
        if self.0.len() < MAX_ERRORS {
            self.0.push(RowError { row, column, reason, description: en.into(), description_zh: zh.into() });
        }
    }

    /// The value, or the errors when there are any, in the order of their rows.
    fn or<T>(mut self, value: T) -> Result<T, Vec<RowError>> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort_by_key(|error| error.row);
        Err(self.0)
    }
}

/// A touched part as it is announced, with the regions from the city down to it; the city first, then counties, then townships. One that is
/// gone has no regions, and the path that it had.
pub fn announced<'a>(
    before: &'a RosterIndex,
    after: &'a RosterIndex,
    touched: &'a BTreeSet<Region>,
) -> impl Iterator<Item = (RegionPath, RosterPart)> + use<'a> {
    touched.iter().filter_map(move |region| {
        let path = after.path(region).or_else(|| before.path(region))?;
        Some((path, after.part(region)))
    })
}
