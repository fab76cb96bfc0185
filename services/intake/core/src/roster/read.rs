//! A file's rows, each for itself: as far as it can be understood without the roster. They are read while the file is still arriving.

use std::io::Read;

use dafei_kernel::roster::{Enterprise, Holder};

use super::{
    Errors, File,
    rows::{self, RegionRow},
    table::{Table, TableRow},
};

/// A file that was read; with what is wrong with it so far.
#[derive(Debug)]
pub struct Parsed {
    pub(super) rows: Rows,
    /// Rows of the file, right or wrong.
    pub(super) count: usize,
    pub(super) errors: Errors,
}

/// Rows, each with its line of the file.
#[derive(Debug)]
pub(super) enum Rows {
    Regions(Vec<(u64, RegionRow)>),
    Holders(Vec<(u64, Holder)>),
    Enterprises(Vec<(u64, Enterprise)>),
}

/// Reads a file to its end.
#[must_use]
pub fn read(file: File, content: impl Read) -> Parsed {
    match file {
        File::Regions => {
            let required = &["level", "code", "name", "parent"];
            collect(content, required, &["work_area", "households"], Rows::Regions, |row, columns, errors| {
                rows::region(row, columns, errors)
            })
        }
        File::Holders => {
            let required = &["role", "level", "code", "agency", "person", "valid_from"];
            collect(content, required, &["valid_until"], Rows::Holders, |row, _, errors| rows::holder(row, errors))
        }
        File::Enterprises => {
            let required = &["credit_code", "name", "industry", "regulator", "level", "code", "employees"];
            collect(content, required, &[], Rows::Enterprises, |row, _, errors| rows::enterprise(row, errors))
        }
    }
}

/// `columns` tells a row whether the file has work areas and households.
fn collect<T>(
    content: impl Read,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    kind: impl Fn(Vec<(u64, T)>) -> Rows,
    parse: impl Fn(&TableRow<'_>, (bool, bool), &mut Errors) -> Option<T>,
) -> Parsed {
    let (mut errors, mut good) = (Errors::default(), Vec::new());
    let mut content = content;
    let Some(mut table) = Table::open(&mut content, required, optional, &mut errors) else {
        // Whoever sends the file is not stopped in the middle; an end before its time is the sender's to tell.
        let _read = std::io::copy(&mut content, &mut std::io::sink());
        return Parsed { rows: kind(good), count: 0, errors };
    };
    let columns = (table.has("work_area"), table.has("households"));
    while let Some(row) = table.next(&mut errors) {
        let line = row.row;
        good.extend(parse(&row, columns, &mut errors).map(|parsed| (line, parsed)));
    }
    let count = table.rows;
    table.drain();
    Parsed { rows: kind(good), count, errors }
}
