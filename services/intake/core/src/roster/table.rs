//! A CSV file as rows with named columns, read as it comes.

use std::{
    collections::HashMap,
    io::{self, Chain, Cursor, Read},
};

use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord};

use super::Errors;

/// The column of errors that concern the whole of a row.
pub(super) const WHOLE_ROW: &str = "-";

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A file whose header has been understood.
pub(super) struct Table<R> {
    columns: HashMap<&'static str, usize>,
    fields: usize,
    reader: Reader<Chain<Cursor<Vec<u8>>, R>>,
    record: ByteRecord,
    /// Rows read so far.
    pub(super) rows: usize,
}

/// A row of a [`Table`].
pub(super) struct TableRow<'a> {
    columns: &'a HashMap<&'static str, usize>,
    record: StringRecord,
    /// Line of the file.
    pub(super) row: u64,
}

impl TableRow<'_> {
    /// What stands in a column, without surrounding white space; empty when the file does not have it.
    pub(super) fn get(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|at| self.record.get(*at)).unwrap_or_default().trim()
    }
}

impl<R: Read> Table<R> {
    /// Reads the first line, which names the columns in any order.
    pub(super) fn open(
        file: R,
        required: &'static [&'static str],
        optional: &'static [&'static str],
        errors: &mut Errors,
    ) -> Option<Self> {
        let start = start(file);
        let mut reader = ReaderBuilder::new().flexible(true).has_headers(false).from_reader(start);
        let mut record = ByteRecord::new();
        if !next(&mut reader, &mut record, errors)? {
            errors.push(1, WHOLE_ROW, "EMPTY", "there are no rows", "没有数据行");
            return None;
        }
        let header = text(record.clone(), 1, errors)?;
        let columns = columns(&header, required, optional, errors)?;
        Some(Self { columns, fields: header.len(), reader, record, rows: 0 })
    }

    /// Whether the file has an optional column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// The next row with the right number of fields; none at the end, or where the file cannot be read on.
    pub(super) fn next(&mut self, errors: &mut Errors) -> Option<TableRow<'_>> {
        while next(&mut self.reader, &mut self.record, errors)? {
            self.rows += 1;
            let row = self.record.position().map_or(0, csv::Position::line);
            if self.record.len() == self.fields {
                let record = text(std::mem::take(&mut self.record), row, errors)?;
                return Some(TableRow { columns: &self.columns, record, row });
            }
            let en = format!("has {} fields, the header has {}", self.record.len(), self.fields);
            let zh = format!("有 {} 列，表头有 {} 列", self.record.len(), self.fields);
            errors.push(row, WHOLE_ROW, "WRONG_FIELD_COUNT", en, zh);
        }
        if self.rows == 0 {
            errors.push(1, WHOLE_ROW, "EMPTY", "there are no rows", "没有数据行");
        }
        None
    }

    /// Reads what is left and makes nothing of it, so that whoever sends it is not stopped in the middle.
    pub(super) fn drain(self) {
        // An end before its time is told by whoever sends.
        let _read = io::copy(&mut self.reader.into_inner(), &mut io::sink());
    }
}

/// The file without a byte order mark.
fn start<R: Read>(mut file: R) -> Chain<Cursor<Vec<u8>>, R> {
    let mut first = Vec::new();
    // A read that fails here fails again when the header is read.
    let _read = file.by_ref().take(3).read_to_end(&mut first);
    if first == BYTE_ORDER_MARK {
        first.clear();
    }
    Cursor::new(first).chain(file)
}

/// Reads a record; false at the end, none when the file cannot be read.
fn next<R: Read>(reader: &mut Reader<R>, record: &mut ByteRecord, errors: &mut Errors) -> Option<bool> {
    reader
        .read_byte_record(record)
        .inspect_err(|_| errors.push(1, WHOLE_ROW, "INVALID", "is no CSV", "不是 CSV 文件"))
        .ok()
}

fn text(record: ByteRecord, row: u64, errors: &mut Errors) -> Option<StringRecord> {
    StringRecord::from_byte_record(record)
        .inspect_err(|_| {
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
