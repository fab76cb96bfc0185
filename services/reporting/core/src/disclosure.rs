//! What the public reads of a monthly table (信息公开, clause F5): who releases which version, and which figures are left out because they would
//! point at a person (small cells).

use std::collections::BTreeSet;

use dafei_kernel::{owner::Post, region::RegionPath, role::Role, sector::Sector};
use serde::Deserialize;

use crate::{
    column::Column,
    table::{Row, Table},
    unit::{Unit, UnitKind},
};

/// What stands in the place of a figure that is protected.
pub const HIDDEN: &str = "*";
/// The columns about informants: no rules leave them open.
const ALWAYS: [Column; 2] = [Column::VerifiedTips, Column::RewardsPaid];

/// Which columns are protected, and from which count on a figure is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    version: String,
    threshold: i64,
    columns: BTreeSet<Column>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    threshold: i64,
    columns: Vec<u32>,
}

/// Why a text makes no rules.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It is not of the form of data/disclosure.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// The threshold protects nothing, or nearly everything.
    #[error("threshold: {0} is not within 2 and 100")]
    Threshold(i64),
    /// There is no such column.
    #[error("columns: {0} is none of 1 to 12")]
    UnknownColumn(u32),
    /// A column about informants is left out.
    #[error("columns: {0} is about informants and cannot be left out")]
    Informants(u8),
}

impl Rules {
    /// Rules from a text of the form of data/disclosure.
    ///
    /// # Errors
    /// As [`RulesError`] says.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let File { version, threshold, columns } = serde_json::from_str(text)?;
        if !(2..=100).contains(&threshold) {
            return Err(RulesError::Threshold(threshold));
        }
        let known = |number| Column::from_number(number).ok_or(RulesError::UnknownColumn(number));
        let columns = columns.into_iter().map(known).collect::<Result<BTreeSet<_>, _>>()?;
        match ALWAYS.into_iter().find(|column| !columns.contains(column)) {
            Some(missing) => Err(RulesError::Informants(missing.number())),
            None => Ok(Self { version, threshold, columns }),
        }
    }

    /// Which rules these are.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The least count that is published in a protected column.
    #[must_use]
    pub const fn threshold(&self) -> i64 {
        self.threshold
    }

    /// The protected columns, in the form's order.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        self.columns.iter().copied()
    }

    /// How figures are protected, for the reader.
    #[must_use]
    pub fn note(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| column.number().to_string()).collect();
        format!(
            "“*”表示为保护举报人和当事人不予公开的数据：第{}栏只公开县区合计，且不少于{}；金额一律不公开。",
            columns.join("、"),
            self.threshold
        )
    }

    /// What the public reads of a unit's table.
    ///
    /// Of a protected column only a county office's 合计 is published, and only from the threshold on. Figures of different counties are of
    /// different facts, so nothing can be subtracted from anything: a hidden county is one of as many counts as the threshold says (0 among them,
    /// which is why 0 is hidden too), and a cell within a published county can have any count up to the county's. The city's is left out, since
    /// without its counties it is that of the city's departments; and amounts are, since a filed table does not say of how many payments.
    #[must_use]
    pub fn publish(&self, kind: UnitKind, table: &Table) -> Published {
        let of_county = kind == UnitKind::CountyOffice;
        let open = |column: Column| !self.columns.contains(&column);
        let large = |column: Column| of_county && !column.is_money() && table.total.value(column) >= self.threshold;
        Published {
            rows: table.rows.iter().map(|(sector, row)| (*sector, texts(row, open))).collect(),
            total: texts(&table.total, |column| open(column) || large(column)),
            without_sector: texts(&table.without_sector, open),
        }
    }
}

fn texts(row: &Row, shown: impl Fn(Column) -> bool) -> Vec<String> {
    let text = |(column, text)| if shown(column) { text } else { HIDDEN.to_owned() };
    Column::ALL.into_iter().zip(row.texts()).map(text).collect()
}

/// A table as the public reads it: of each row the texts of columns 1 to 12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// One row per sector, in the document's order.
    pub rows: Vec<(Sector, Vec<String>)>,
    /// 合计.
    pub total: Vec<String>,
    /// 未分领域.
    pub without_sector: Vec<String>,
}

/// Why a table is not released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Only an office releases, and only what it files or collects.
    #[error("the unit's table is neither the caller's nor collected by the caller")]
    NotCollected,
    /// The unit has not filed this version.
    #[error("version {0} is not filed")]
    NotFiled(u32),
    /// It is what the public reads already.
    #[error("version {0} is released already")]
    AlreadyReleased(u32),
    /// The public reads a newer one.
    #[error("version {0} is released, which is newer")]
    Older(u32),
}

/// Whether a post may release a unit's tables: an office its own, and those of the units that it collects from.
///
/// # Errors
/// [`Rejection::NotCollected`].
pub fn may_release(unit: &Unit, path: &RegionPath, by: &Post) -> Result<(), Rejection> {
    let office = matches!(by.role, Role::CountyOffice | Role::CityOffice);
    let collected = || unit.collected_at().and_then(|level| path.at(level)) == Some(&by.region);
    if office && (unit.filer() == *by || collected()) { Ok(()) } else { Err(Rejection::NotCollected) }
}

/// Whether a version may be released: one that was filed, and newer than what the public reads.
///
/// # Errors
/// As [`Rejection`] says.
pub fn check_version(version: u32, filed: u32, released: Option<u32>) -> Result<(), Rejection> {
    if version == 0 || version > filed {
        return Err(Rejection::NotFiled(version));
    }
    match released {
        Some(released) if released == version => Err(Rejection::AlreadyReleased(version)),
        Some(released) if released > version => Err(Rejection::Older(released)),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use dafei_kernel::sector::Sector;

    use super::{Rejection, Rules, RulesError, check_version};
    use crate::{column::Column, table::Table, unit::UnitKind};

    fn rules() -> Rules {
        Rules::parse(include_str!("../../../../data/disclosure/default.json")).expect("the shipped rules")
    }

    fn tips(county: i64) -> Table {
        let sector = Some(Sector::ALL[0]);
        Table::of_cells([(sector, Column::VerifiedTips, county), (sector, Column::IllegalActs, 1)])
    }

    #[test]
    fn only_a_county_s_total_is_published_and_from_the_threshold_on() {
        let total = |kind, count| rules().publish(kind, &tips(count)).total[Column::VerifiedTips.index()].clone();
        assert_eq!([0, 1, 2, 3].map(|count| total(UnitKind::CountyOffice, count)), ["*", "*", "*", "3"]);
        for kind in UnitKind::ALL.into_iter().filter(|kind| *kind != UnitKind::CountyOffice) {
            assert_eq!(total(kind, 50), "*", "{kind:?}");
        }
    }

    #[test]
    fn rows_of_protected_columns_and_amounts_are_never_published_and_other_columns_always() {
        let cells = [(None, Column::RewardsPaid, 900_000_000), (None, Column::CriminalMeasures, 40)];
        let table = Table::of_cells(cells.into_iter().chain(tips(60).cells()));
        let published = rules().publish(UnitKind::CountyOffice, &table);
        assert_eq!(published.total, ["0", "1", "0", "0.00", "40", "60", "0", "*", "0", "0", "0", "0"]);
        assert_eq!(published.without_sector, ["0", "0", "0", "0.00", "*", "*", "0", "*", "0", "0", "0", "0"]);
        assert!(published.rows.iter().all(|(_, row)| [4, 5, 7].iter().all(|at| row[*at] == "*")));
        assert_eq!(published.rows[0].1[1], "1");
        let note = rules().note();
        assert!(note.contains("第5、6、8栏") && note.contains("不少于3"), "{note}");
    }

    #[test]
    fn rules_that_protect_nobody_are_refused() {
        let parse = |text: &str| Rules::parse(text).expect_err("refused").to_string();
        assert!(matches!(Rules::parse("{}"), Err(RulesError::Form(_))));
        assert!(parse(r#"{"version":"1","threshold":1,"columns":[6,8]}"#).contains("threshold"));
        assert!(parse(r#"{"version":"1","threshold":3,"columns":[6,8,13]}"#).contains("13"));
        assert!(parse(r#"{"version":"1","threshold":3,"columns":[5,6]}"#).contains('8'));
        assert_eq!(rules().version(), "2020-06-20");
    }

    #[test]
    fn a_version_is_released_once_and_never_after_a_newer_one() {
        assert_eq!(check_version(1, 1, None), Ok(()));
        assert_eq!(check_version(2, 2, Some(1)), Ok(()));
        assert_eq!(check_version(0, 2, None), Err(Rejection::NotFiled(0)));
        assert_eq!(check_version(3, 2, None), Err(Rejection::NotFiled(3)));
        assert_eq!(check_version(2, 2, Some(2)), Err(Rejection::AlreadyReleased(2)));
        assert_eq!(check_version(1, 2, Some(2)), Err(Rejection::Older(2)));
    }
}
