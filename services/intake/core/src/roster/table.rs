//! A CSV file as rows with named columns.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord};

use super::Errors;

/// The row of errors that concern the whole of a row.
pub(super) const WHOLE_ROW: &str = "-";

/// A file whose header has been understood.
pub(super) struct Table {
    columns: HashMap<&'static str, usize>,
    rows: Vec<(u64, StringRecord)>,
}

/// A row of a [`Table`].
pub(super) struct TableRow<'a> {
    columns: &'a HashMap<&'static str, usize>,
    record: &'a StringRecord,
    /// Line of the file.
    pub(super) row: u64,
}

impl TableRow<'_> {
    /// What stands in a column, without surrounding white space; empty when the file does not have it.
    pub(super) fn get(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|at| self.record.get(*at)).unwrap_or_default().trim()
    }
}

impl Table {
    /// Reads a file. The first line names the columns, in any order.
    pub(super) fn read(
        bytes: &[u8],
        required: &'static [&'static str],
        optional: &'static [&'static str],
        errors: &mut Errors,
    ) -> Option<Self> {
        let text = utf8(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes), errors)?;
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().ok()?.clone();
        let columns = columns(&header, required, optional, errors)?;
        let mut rows = Vec::new();
        for record in reader.records() {
            let Ok(record) = record else {
                errors.push(1, WHOLE_ROW, "INVALID", "is no CSV", "不是 CSV 文件");
                return None;
            };
            let row = record.position().map_or(0, csv::Position::line);
            if record.len() == header.len() {
                rows.push((row, record));
            } else {
                let en = format!("has {} fields, the header has {}", record.len(), header.len());
                let zh = format!("有 {} 列，表头有 {} 列", record.len(), header.len());
                errors.push(row, WHOLE_ROW, "WRONG_FIELD_COUNT", en, zh);
            }
        }
        Some(Self { columns, rows })
    }

    /// Whether the file has an optional column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// How many rows it has.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Its rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = TableRow<'_>> {
        self.rows.iter().map(|(row, record)| TableRow { columns: &self.columns, record, row: *row })
    }
}

fn utf8<'a>(bytes: &'a [u8], errors: &mut Errors) -> Option<&'a str> {
    std::str::from_utf8(bytes)
        .inspect_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let row = u64::try_from(before.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(0) + 1;
            errors.push(row, WHOLE_ROW, "INVALID_UTF8", "is not UTF-8", "不是 UTF-8 编码，请另存为 UTF-8 的 CSV");
        })
        .ok()
}

fn columns(
    header: &StringRecord,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    errors: &mut Errors,
) -> Option<HashMap<&'static str, usize>> {
    let mut columns = HashMap::new();
    let mut good = true;
    for (at, name) in header.iter().map(str::trim).enumerate() {
        match required.iter().chain(optional).find(|known| **known == name) {
            Some(known) if columns.insert(*known, at).is_none() => {}
            Some(known) => {
                errors.push(1, known, "DUPLICATE_COLUMN", "stands twice in the header", "表头重复");
                good = false;
            }
            None => {
                let name: String = name.chars().take(40).collect();
                let en = format!("the header names the unknown column {name:?}");
                errors.push(1, WHOLE_ROW, "UNKNOWN_COLUMN", en, format!("表头有未知的列：{name}"));
                good = false;
            }
        }
    }
    for missing in required.iter().filter(|name| !columns.contains_key(**name)) {
        errors.push(1, missing, "MISSING_COLUMN", "is missing in the header", "表头缺少此列");
        good = false;
    }
    good.then_some(columns)
}
