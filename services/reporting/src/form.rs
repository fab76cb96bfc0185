//! The monthly table as a document in the layout of 附件2 (clause F2): a workbook and a page to print. Pure functions of a [`Form`], so that
//! the table as computed now and a filed one are printed alike.

pub mod filed;
mod layout;
pub mod ledger;
pub(crate) mod page;
mod sheet;

use dafei_reporting_core::{Column, Month, Table};
use jiff::civil::Date;

pub use layout::file_name;
pub use page::page;
pub use rust_xlsxwriter::XlsxError;
pub use sheet::workbook;

use crate::store::{NOTE, filing::Note};

/// A table with all that the form says around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// 填报单位 as printed.
    pub unit_name: String,
    /// The month that it is about.
    pub month: Month,
    /// 填报时间, a civil date in Asia/Shanghai: the day of filing, or of printing when nothing was filed.
    pub filled_on: Date,
    /// The version that was filed; none for a table as computed, which is marked as not filed.
    pub version: Option<u32>,
    /// The figures.
    pub table: Table,
    /// What stands below them.
    pub notes: Notes,
}

/// Figures for which the form has no cell: they are notes below the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes {
    /// 其中属实: how many of the verified tips of column 6's total were true.
    pub verified_true: i64,
    /// Village secretaries who had a warning talk: column 9 counts leading cadres alone.
    pub secretaries_warned: i64,
    /// Village secretaries who were held accountable: column 10 counts leading cadres alone.
    pub secretaries_held_accountable: i64,
}

impl Notes {
    /// From stored notes.
    pub(crate) fn of<'a>(notes: impl Iterator<Item = &'a Note> + Clone) -> Self {
        let of = |column: Column| {
            let number = NOTE + i16::from(column.number());
            notes.clone().filter(|(column, _)| *column == number).map(|(_, value)| *value).sum()
        };
        Self {
            verified_true: of(Column::VerifiedTips),
            secretaries_warned: of(Column::WarningTalks),
            secretaries_held_accountable: of(Column::HeldAccountable),
        }
    }
}
