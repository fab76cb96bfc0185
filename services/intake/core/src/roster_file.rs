//! The roster's CSV files (clause B1): read, checked as a whole against the roster as it is, and merged into it. All or nothing; every
//! wrong cell is named by row and column, so that a clerk mends a file once.

mod fault;
mod merge;
mod parse;
mod row;

pub use merge::{Merged, merge, part_of};
pub use parse::{Rows, parse};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `level,code,name,parent[,work_area]`.
    Regions,
    /// `role,level,code,agency,person,valid_from[,valid_until]`.
    Holders,
    /// `credit_code,name,industry,regulator,level,code,employees`.
    Enterprises,
}

/// Most wrong cells that are named at once.
pub const MAX_ERRORS: usize = 100;

/// A wrong cell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, column {column}: {text}")]
pub struct CellError {
    /// Line of the file; the one with the names of the columns is 1.
    pub row: usize,
    /// Name of the column.
    pub column: String,
    /// Stable reason.
    pub reason: &'static str,
    /// For developers.
    pub text: String,
    /// For clerks.
    pub text_zh: String,
}

impl CellError {
    pub(crate) fn new(
        row: usize,
        column: &str,
        reason: &'static str,
        text: impl Into<String>,
        text_zh: impl Into<String>,
    ) -> Self {
        Self { row, column: column.to_owned(), reason, text: text.into(), text_zh: text_zh.into() }
    }
}

impl Kind {
    /// The columns that must be there.
    #[must_use]
    pub const fn required_columns(self) -> &'static [&'static str] {
        match self {
            Self::Regions => &["level", "code", "name", "parent"],
            Self::Holders => &["role", "level", "code", "agency", "person", "valid_from"],
            Self::Enterprises => &["credit_code", "name", "industry", "regulator", "level", "code", "employees"],
        }
    }

    /// The columns that may be left out.
    #[must_use]
    pub const fn optional_columns(self) -> &'static [&'static str] {
        match self {
            Self::Regions => &["work_area"],
            Self::Holders => &["valid_until"],
            Self::Enterprises => &[],
        }
    }
}
