//! The accountability ledger: entries, what waits to become one, a county's rules, and who looked.

pub(crate) mod access;
pub(crate) mod entries;
pub(crate) mod list;
pub(crate) mod queue;
pub(crate) mod rules;

use dafei_kernel::region::{Level, RegionPath};

/// The codes of a path that rows are looked for by; empty where the path has no such region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Codes {
    pub(crate) city: String,
    pub(crate) county: String,
    pub(crate) township: String,
    /// Of a village or work area.
    pub(crate) place: String,
}

impl Codes {
    pub(crate) fn of(path: &RegionPath) -> Self {
        let code = |level| path.at(level).map(|region| region.code().to_string()).unwrap_or_default();
        let leaf = path.leaf();
        let below = matches!(leaf.level(), Level::Village | Level::WorkArea);
        Self {
            city: code(Level::City),
            county: code(Level::County),
            township: code(Level::Township),
            place: if below { leaf.code().to_string() } else { String::new() },
        }
    }
}
