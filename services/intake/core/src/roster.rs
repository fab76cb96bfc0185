//! The roster's files (clause B1): CSV rows with errors that name row and column, how they change the roster, and which parts of it are
//! to be announced. Rows add and change; what a file does not name stays.

mod contents;
mod import;
mod rows;
mod table;

pub use contents::{Contents, HolderKey, Unit};
pub use import::{Import, import};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum File {
    /// `level,code,name,parent[,work_area]`
    Regions,
    /// `role,level,code,agency,person,valid_from[,valid_until]`
    Holders,
    /// `credit_code,name,industry,regulator,level,code,employees`
    Enterprises,
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

    /// The value, or the errors when there are any.
    fn or<T>(self, value: T) -> Result<T, Vec<RowError>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}
