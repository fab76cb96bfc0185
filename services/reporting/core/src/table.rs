//! The monthly table (附件2): 8 sector rows, 未分领域 as a note, and 合计.

use dafei_kernel::{money::Fen, sector::Sector};

use crate::column::Column;

/// A row: figures in the form's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As the form prints it.
    pub name: &'static str,
    /// Columns 1 to 12; fen in money columns.
    pub values: [i64; Column::COUNT],
}

impl Row {
    const fn named(name: &'static str) -> Self {
        Self { name, values: [0; Column::COUNT] }
    }

    /// A figure.
    #[must_use]
    pub const fn value(&self, column: Column) -> i64 {
        self.values[column.index()]
    }

    /// The figures as the form prints them: money in 万元 with two decimals, rounded half up only here.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        Column::ALL.into_iter().map(|column| text(column, self.value(column))).collect()
    }
}

/// A figure as the form prints it.
#[must_use]
pub fn text(column: Column, value: i64) -> String {
    if !column.is_money() {
        return value.to_string();
    }
    let fen = Fen::new(value.saturating_abs()).unwrap_or_default();
    format!("{}{}", if value < 0 { "-" } else { "" }, fen.to_wan_string())
}

/// A monthly table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// One row per sector, in the document's order.
    pub rows: Vec<(Sector, Row)>,
    /// 未分领域: facts that name no sector. The form has no row for them; they are printed as a note.
    pub without_sector: Row,
    /// 合计: the sum of the rows and of the facts without a sector, exact.
    pub total: Row,
}

impl Table {
    /// The table of cells, each added to its row and to 合计.
    #[must_use]
    pub fn of_cells(cells: impl IntoIterator<Item = (Option<Sector>, Column, i64)>) -> Self {
        let mut table = Self {
            rows: Sector::ALL.iter().copied().map(|sector| (sector, Row::named(sector.name_zh()))).collect(),
            without_sector: Row::named("未分领域"),
            total: Row::named("合计"),
        };
        for (sector, column, value) in cells {
            let row = match sector {
                Some(sector) => table.rows.iter_mut().find(|(of, _)| *of == sector).map(|(_, row)| row),
                None => Some(&mut table.without_sector),
            };
            if let Some(row) = row {
                row.values[column.index()] += value;
            }
            table.total.values[column.index()] += value;
        }
        table
    }

    /// Every cell that is not zero, in the form's order; those without a sector last.
    pub fn cells(&self) -> impl Iterator<Item = (Option<Sector>, Column, i64)> {
        let rows = self.rows.iter().map(|(sector, row)| (Some(*sector), row)).chain([(None, &self.without_sector)]);
        rows.flat_map(|(sector, row)| Column::ALL.into_iter().map(move |column| (sector, column, row.value(column))))
            .filter(|(_, _, value)| *value != 0)
    }

    /// A figure of a sector's row, or of 未分领域.
    #[must_use]
    pub fn value(&self, sector: Option<Sector>, column: Column) -> i64 {
        let row = match sector {
            Some(sector) => self.rows.iter().find(|(of, _)| *of == sector).map(|(_, row)| row),
            None => Some(&self.without_sector),
        };
        row.map_or(0, |row| row.value(column))
    }

    /// The columns in which the rows and 未分领域 do not come to these totals, which are kept apart from the cells; a total that is not there is 0. A
    /// table that differs is an alarm and is never shown.
    #[must_use]
    pub fn differs_from(&self, totals: &[(Column, i64)]) -> Vec<Column> {
        let differs = |column: &Column| {
            let rows: i64 = self.rows.iter().map(|(_, row)| row.value(*column)).sum();
            let kept = totals.iter().find(|(of, _)| of == column).map_or(0, |(_, value)| *value);
            rows + self.without_sector.value(*column) != kept
        };
        Column::ALL.into_iter().filter(differs).collect()
    }
}

#[cfg(test)]
mod tests {
    use dafei_kernel::sector::Sector;

    use super::{Table, text};
    use crate::column::Column;

    #[test]
    fn money_is_rounded_half_up_only_when_it_is_printed() {
        assert_eq!(text(Column::Fines, 4_999), "0.00");
        assert_eq!(text(Column::Fines, 5_000), "0.01");
        assert_eq!(text(Column::Fines, 123_456_789), "123.46");
        assert_eq!(text(Column::RewardsPaid, i64::MAX), "9223372036854.78");
        assert_eq!(text(Column::Fines, -1_000_000), "-1.00");
        assert_eq!(text(Column::IllegalActs, 4_999), "4999");
    }

    #[test]
    fn the_total_is_rounded_from_the_exact_sum_and_not_added_up_from_rounded_rows() {
        let table = Table::of_cells(Sector::ALL.iter().copied().map(|sector| (Some(sector), Column::Fines, 4_000)));
        assert!(table.rows.iter().all(|(_, row)| row.texts()[Column::Fines.index()] == "0.00"));
        assert_eq!(table.total.texts()[Column::Fines.index()], "0.03");
    }

    #[test]
    fn what_names_no_sector_is_in_the_total_and_in_the_note_but_in_no_row() {
        let table =
            Table::of_cells([(None, Column::NoticesPosted, 3), (Some(Sector::ALL[0]), Column::NoticesPosted, 4)]);
        assert_eq!(table.total.value(Column::NoticesPosted), 7);
        assert_eq!(table.without_sector.value(Column::NoticesPosted), 3);
        assert!(table.differs_from(&[(Column::NoticesPosted, 7)]).is_empty());
        let names: Vec<&str> = table.rows.iter().map(|(_, row)| row.name).collect();
        assert_eq!(
            names,
            ["烟花爆竹", "危险化学品", "民用爆炸物品", "矿山", "消防", "道路交通", "建筑施工", "特种设备"]
        );
    }

    #[test]
    fn a_table_whose_rows_do_not_come_to_the_totals_names_the_columns() {
        let mut table = Table::of_cells([(Some(Sector::ALL[3]), Column::IllegalActs, 2)]);
        assert_eq!(table.differs_from(&[]), [Column::IllegalActs]);
        let totals = [(Column::IllegalActs, 2), (Column::Fines, 0)];
        assert!(table.differs_from(&totals).is_empty());
        table.rows[3].1.values[Column::IllegalActs.index()] = 1;
        assert_eq!(table.differs_from(&totals), [Column::IllegalActs]);
    }
}
