//! What the form says and where: everything that the workbook and the page have in common.

use dafei_reporting_core::{Column, Month, Row, column::Group, table};
use jiff::civil::Date;

use super::Form;

/// Mark of the form among the document's annexes.
pub(super) const ANNEX: &str = "附件2";
/// Name of the form.
pub(super) const TITLE: &str = "安全生产“打非”工作情况调度表";
/// Head of the first column, over both head rows.
pub(super) const FIRST_HEAD: &str = "相关领域";

/// Characters of a unit's name in a file's name. File systems take 255 bytes; a Chinese character has three.
const NAME_IN_FILE: usize = 40;

/// The groups with the columns below each, from left to right.
pub(super) fn groups() -> Vec<(Group, Vec<Column>)> {
    let mut groups: Vec<(Group, Vec<Column>)> = Vec::new();
    for column in Column::ALL {
        match groups.last_mut() {
            Some((group, columns)) if *group == column.group() => columns.push(column),
            Some(_) | None => groups.push((column.group(), vec![column])),
        }
    }
    groups
}

/// The unit of a column in brackets.
pub(super) fn unit(column: Column) -> String {
    format!("({})", column.unit())
}

/// The rows with figures, from the top: the sectors, then 合计.
pub(super) fn rows(form: &Form) -> impl Iterator<Item = &Row> {
    form.table.rows.iter().map(|(_, row)| row).chain([&form.table.total])
}

/// "2026年11月".
pub(super) fn month(month: Month) -> String {
    format!("{}年{}月", month.year(), month.month())
}

/// "2026年12月3日".
fn day(date: Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

/// The month, below the title.
pub(super) fn subtitle(form: &Form) -> String {
    format!("（{}）", month(form.month))
}

/// Name of the unit without control characters, which neither file may hold.
pub(super) fn unit_name(form: &Form) -> String {
    form.unit_name.chars().filter(|c| !c.is_control()).collect()
}

/// Above the table on the left.
pub(super) fn filled_by(form: &Form) -> String {
    format!("填报单位：{}", unit_name(form))
}

/// Above the table on the right.
pub(super) fn filled_on(form: &Form) -> String {
    format!("填报时间：{}", day(form.filled_on))
}

/// The notes below the table, in their order.
pub(super) fn notes(form: &Form) -> Vec<String> {
    let row = &form.table.without_sector;
    let figures: Vec<String> = Column::ALL
        .into_iter()
        .filter(|column| row.value(*column) != 0)
        .map(|column| format!("{}{}{}", column.name(), table::text(column, row.value(column)), column.unit()))
        .collect();
    let without_sector = if figures.is_empty() {
        format!("{}：无。", row.name)
    } else {
        format!("{}（已计入合计）：{}。", row.name, figures.join("，"))
    };
    let verified = form.table.total.value(Column::VerifiedTips);
    let notes = &form.notes;
    vec![
        without_sector,
        format!("核实举报线索{verified}条，其中属实{}条。", notes.verified_true),
        format!(
            "问责情况两栏只计领导干部；另有村居支部书记警示约谈{}人，问责{}人。",
            notes.secretaries_warned, notes.secretaries_held_accountable
        ),
        "以万元为单位的两栏四舍五入至两位小数，合计按未舍入的金额计算。".to_owned(),
    ]
}

/// Whether and when the table was filed: the last line.
pub(super) fn status(form: &Form) -> String {
    match form.version {
        Some(version) => format!("本表已报送：第{version}版，{}报送。", day(form.filled_on)),
        None => format!("未报送，系统计算值（{}）。", day(form.filled_on)),
    }
}

/// Name of the document: unit, month and form.
pub(super) fn document_name(form: &Form) -> String {
    format!("{} {} {TITLE}", unit_name(form), month(form.month))
}

/// A name for the form's file in Chinese, with its ending: without characters that file systems refuse, and short enough for them. Versions
/// have different names, so that a file that is kept beside another does not replace it.
#[must_use]
pub fn file_name(form: &Form, ending: &str) -> String {
    let unit = unit_name(form);
    let unit: String = unit.chars().take(NAME_IN_FILE).map(|c| if refused(c) { '_' } else { c }).collect();
    let version = form.version.map_or_else(|| "未报送".to_owned(), |version| format!("第{version}版"));
    // A leading point would hide the file.
    let unit = unit.trim().trim_start_matches('.');
    format!("{unit} {} {TITLE}（{version}）.{ending}", month(form.month)).trim_start().to_owned()
}

fn refused(c: char) -> bool {
    matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

#[cfg(test)]
pub(super) mod tests {
    use dafei_kernel::sector::Sector;
    use dafei_reporting_core::{Column, Month, Table};
    use jiff::civil::date;

    use super::{file_name, groups, notes, rows, status};
    use crate::form::{Form, Notes};

    /// A form with a different figure in every cell.
    pub(crate) fn form() -> Form {
        let cells = Sector::ALL.iter().enumerate().flat_map(|(row, sector)| {
            Column::ALL.into_iter().map(move |column| {
                let figure = i64::try_from(row * 12 + column.index() + 1).expect("small");
                (Some(*sector), column, if column.is_money() { figure * 1_234_567 } else { figure })
            })
        });
        Form {
            unit_name: "兰山区安委会办公室".to_owned(),
            month: Month::new(2026, 11).expect("a month"),
            filled_on: date(2026, 12, 3),
            version: None,
            table: Table::of_cells(cells),
            notes: Notes { verified_true: 2, secretaries_warned: 3, secretaries_held_accountable: 1 },
        }
    }

    #[test]
    fn the_heads_stand_over_five_three_two_and_two_columns() {
        let widths: Vec<(&str, usize)> =
            groups().iter().map(|(group, columns)| (group.name(), columns.len())).collect();
        assert_eq!(widths, [("日常检查情况", 5), ("举报落实情况", 3), ("问责情况", 2), ("宣传情况", 2)]);
        assert_eq!(widths.iter().map(|(_, columns)| columns).sum::<usize>(), Column::COUNT);
    }

    #[test]
    fn the_total_stands_below_the_sectors() {
        let form = form();
        let names: Vec<&str> = rows(&form).map(|row| row.name).collect();
        assert_eq!((names.len(), names[0], names[8]), (9, "烟花爆竹", "合计"));
    }

    #[test]
    fn the_notes_tell_what_has_no_cell() {
        let mut form = form();
        assert_eq!(notes(&form)[0], "未分领域：无。");
        form.table = Table::of_cells([(None, Column::Fines, 5_000), (None, Column::VerifiedTips, 4)]);
        let notes = notes(&form);
        assert_eq!(notes[0], "未分领域（已计入合计）：行政处罚0.01万元，核实举报线索4条。");
        assert_eq!(notes[1], "核实举报线索4条，其中属实2条。");
        assert_eq!(notes[2], "问责情况两栏只计领导干部；另有村居支部书记警示约谈3人，问责1人。");
    }

    #[test]
    fn the_last_line_says_whether_it_was_filed() {
        assert_eq!(status(&form()), "未报送，系统计算值（2026年12月3日）。");
        let filed = Form { version: Some(2), ..form() };
        assert_eq!(status(&filed), "本表已报送：第2版，2026年12月3日报送。");
    }

    #[test]
    fn a_file_s_name_is_one_that_file_systems_take() {
        assert_eq!(
            file_name(&form(), "xlsx"),
            "兰山区安委会办公室 2026年11月 安全生产“打非”工作情况调度表（未报送）.xlsx"
        );
        let filed = Form { version: Some(2), ..form() };
        assert_eq!(
            file_name(&filed, "html"),
            "兰山区安委会办公室 2026年11月 安全生产“打非”工作情况调度表（第2版）.html"
        );
        let strange = Form { unit_name: format!("../a\\b:c*d?\"<e>|\u{7}{}", "县".repeat(200)), ..form() };
        let name = file_name(&strange, "xlsx");
        assert!(name.starts_with("_a_b_c_d___e__县"), "{name}");
        assert!(name.len() < 255, "{} bytes", name.len());
        let nameless = Form { unit_name: String::new(), ..form() };
        assert!(file_name(&nameless, "xlsx").starts_with("2026年11月 "));
    }
}
