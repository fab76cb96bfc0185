//! From bytes to typed rows.

use std::collections::HashMap;

use csv::{ByteRecord, ReaderBuilder, StringRecord};
use dafei_kernel::roster::{Enterprise, Holder, RegionEntry};

use super::{CellError, Kind, MAX_ERRORS, row};

/// The rows of a file with their line numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Of a file of regions.
    Regions(Vec<(usize, RegionEntry)>),
    /// Of a file of holders.
    Holders(Vec<(usize, Holder)>),
    /// Of a file of enterprises.
    Enterprises(Vec<(usize, Enterprise)>),
}

impl Rows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Regions(rows) => rows.len(),
            Self::Holders(rows) => rows.len(),
            Self::Enterprises(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads a file; a byte order mark is tolerated, columns may stand in any order.
///
/// # Errors
/// The wrong cells, at most [`MAX_ERRORS`].
pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Rows, Vec<CellError>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match kind {
        Kind::Regions => rows(kind, bytes, row::region).map(Rows::Regions),
        Kind::Holders => rows(kind, bytes, row::holder).map(Rows::Holders),
        Kind::Enterprises => rows(kind, bytes, row::enterprise).map(Rows::Enterprises),
    }
}

/// The cells of one line, by column.
pub(super) struct Cells<'a> {
    pub(super) row: usize,
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
}

impl Cells<'_> {
    /// What stands in a column, without surrounding white space; empty where the column is left out.
    pub(super) fn get(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|at| self.record.get(*at)).unwrap_or_default().trim()
    }

    /// As [`Self::get`], where something must stand.
    pub(super) fn required(&self, column: &str) -> Result<&str, CellError> {
        match self.get(column) {
            "" => Err(self.wrong(column, "REQUIRED", "is required", "必须填写")),
            text => Ok(text),
        }
    }

    pub(super) fn wrong(&self, column: &str, reason: &'static str, text: impl Into<String>, zh: &str) -> CellError {
        CellError::new(self.row, column, reason, text, zh)
    }
}

fn rows<T>(
    kind: Kind,
    bytes: &[u8],
    read: fn(&Cells<'_>) -> Result<T, CellError>,
) -> Result<Vec<(usize, T)>, Vec<CellError>> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut columns: Option<HashMap<String, usize>> = None;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    let mut raw = ByteRecord::new();
    while errors.len() < MAX_ERRORS {
        match reader.read_byte_record(&mut raw) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                errors.push(CellError::new(line(&raw), "*", "INVALID_CSV", error.to_string(), "不是正确的CSV文件"));
                break;
            }
        }
        let row = line(&raw);
        let Ok(record) = StringRecord::from_byte_record(raw.clone()) else {
            errors.push(CellError::new(row, "*", "NOT_UTF8", "is not UTF-8", "文件应为UTF-8编码"));
            continue;
        };
        match &columns {
            None => columns = Some(header(kind, row, &record)?),
            Some(columns) if record.len() != columns.len() => {
                let text = format!("has {} cells, not {}", record.len(), columns.len());
                errors.push(CellError::new(row, "*", "WRONG_CELL_COUNT", text, "该行的列数与表头不符"));
            }
            Some(columns) => match read(&Cells { row, columns, record: &record }) {
                Ok(value) => rows.push((row, value)),
                Err(error) => errors.push(error),
            },
        }
    }
    if columns.is_none() && errors.is_empty() {
        errors.push(CellError::new(1, kind.required_columns()[0], "REQUIRED", "the file is empty", "文件为空"));
    }
    if errors.is_empty() { Ok(rows) } else { Err(errors) }
}

fn line(record: &ByteRecord) -> usize {
    record.position().and_then(|position| usize::try_from(position.line()).ok()).unwrap_or(1)
}

fn header(kind: Kind, row: usize, record: &StringRecord) -> Result<HashMap<String, usize>, Vec<CellError>> {
    let mut columns = HashMap::new();
    let mut errors = Vec::new();
    for (at, name) in record.iter().enumerate() {
        let name = name.trim();
        if !kind.required_columns().contains(&name) && !kind.optional_columns().contains(&name) {
            let shown: String = name.chars().take(40).collect();
            errors.push(CellError::new(row, &shown, "UNKNOWN_COLUMN", "is no column of this file", "没有这一列"));
        } else if columns.insert(name.to_owned(), at).is_some() {
            errors.push(CellError::new(row, name, "DUPLICATE", "stands twice", "列名重复"));
        }
    }
    for name in kind.required_columns() {
        if !columns.contains_key(*name) {
            errors.push(CellError::new(row, name, "REQUIRED", "the column is missing", "缺少这一列"));
        }
    }
    errors.truncate(MAX_ERRORS);
    if errors.is_empty() { Ok(columns) } else { Err(errors) }
}
