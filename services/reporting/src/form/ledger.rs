//! The work ledger as a workbook (clause F6): a line for each person, printed on landscape A4 with its head on each page.

use dafei_kernel::role::Role;
use dafei_reporting_core::{Month, allowance::Line, work::Work};
use jiff::civil::Date;
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};

/// Name of the ledger.
const TITLE: &str = "网格长、网格员工作台账及补贴表";
const A4: u8 = 9;
/// Columns before the kinds of work.
const FIRST: [(&str, u32); 4] = [("村居", 110), ("岗位", 60), ("姓名", 80), ("月末在岗", 60)];
/// Columns behind them.
const LAST: [(&str, u32); 3] = [("计件补贴\n(元)", 76), ("基础补贴\n(元)", 76), ("合计\n(元)", 76)];
/// Rows from the top.
const HEADS: u32 = 3;
const LINES: u32 = 4;

/// A ledger with all that stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The county or township.
    pub region_name: String,
    /// The month.
    pub month: Month,
    /// The day on which it was made.
    pub made_on: Date,
    /// Version of the rates.
    pub version: String,
    /// Its lines, each with the village's name.
    pub lines: Vec<(String, Line)>,
}

impl Ledger {
    fn month(&self) -> String {
        format!("{}年{}月", self.month.year(), self.month.month())
    }
}

/// A name for the file.
#[must_use]
pub fn file_name(ledger: &Ledger) -> String {
    let name: String = ledger.region_name.chars().filter(|c| c.is_alphanumeric()).take(40).collect();
    format!("{name} {} {TITLE}.xlsx", ledger.month()).trim_start().to_owned()
}

const fn last_column() -> u16 {
    (FIRST.len() + Work::COUNT + LAST.len() - 1) as u16
}

fn font(size: f64) -> Format {
    Format::new().set_font_name("宋体").set_font_size(size).set_font_charset(134).set_align(FormatAlign::VerticalCenter)
}

fn framed(size: f64) -> Format {
    font(size).set_border(FormatBorder::Thin).set_align(FormatAlign::Center)
}

/// Fen as yuan: whole numbers of fen up to 2^53 are exact.
#[allow(clippy::cast_precision_loss, reason = "sums of allowances are far below 2^53 fen")]
fn yuan(fen: i64) -> f64 {
    fen as f64 / 100.0
}

#[allow(clippy::cast_precision_loss, reason = "counts of a month are far below 2^53")]
const fn count(times: i64) -> f64 {
    times as f64
}

/// The workbook's bytes (.xlsx). The same ledger of the same day gives the same bytes.
///
/// # Errors
/// When the library cannot write it; there is no ledger known for which it cannot.
pub fn workbook(ledger: &Ledger) -> Result<Vec<u8>, XlsxError> {
    let on = ledger.made_on;
    let (year, month, day) = (on.year().unsigned_abs(), on.month().unsigned_abs(), on.day().unsigned_abs());
    let created = ExcelDateTime::from_ymd(year, month, day)?;
    let mut workbook = Workbook::new();
    let title = format!("{} {} {TITLE}", ledger.region_name, ledger.month());
    workbook.set_properties(&DocProperties::new().set_title(title).set_creation_datetime(&created));
    let sheet = workbook.add_worksheet();
    sheet.set_name(ledger.month())?;
    above(sheet, ledger)?;
    let mut at = LINES;
    for (village, line) in &ledger.lines {
        person(sheet, at, village, line)?;
        at += 1;
    }
    totals(sheet, at, ledger)?;
    let last = last_column();
    let note = "姓名为空的工作尚未认定到人，不计补贴；当月花名册中没有任职记录的人员只列数量，不计补贴。";
    sheet.merge_range(at + 1, 0, at + 1, last, note, &font(9.0))?;
    sheet
        .set_paper_size(A4)
        .set_landscape()
        .set_print_fit_to_pages(1, 0)
        .set_repeat_rows(HEADS, HEADS)?
        .set_freeze_panes(LINES, 0)?
        .set_print_center_horizontally(true)
        .set_footer("&C第&P页，共&N页")
        .set_print_area(0, 0, at + 1, last)?;
    workbook.save_to_buffer()
}

fn above(sheet: &mut Worksheet, ledger: &Ledger) -> Result<(), XlsxError> {
    let last = last_column();
    let title = font(18.0).set_bold().set_align(FormatAlign::Center);
    sheet.merge_range(0, 0, 0, last, TITLE, &title)?;
    sheet.merge_range(1, 0, 1, last, &format!("（{}）", ledger.month()), &font(12.0).set_align(FormatAlign::Center))?;
    let on = ledger.made_on;
    let line = format!(
        "{}　　制表时间：{}年{}月{}日　　补贴标准版本：{}",
        ledger.region_name,
        on.year(),
        on.month(),
        on.day(),
        ledger.version
    );
    sheet.merge_range(2, 0, 2, last, &line, &font(10.5).set_shrink())?;
    let head = framed(9.0).set_bold().set_text_wrap();
    let work = Work::ALL.map(|work| (format!("{}\n(次)", work.name()), 56));
    let (first, behind) = (FIRST.map(owned), LAST.map(owned));
    for (column, (text, width)) in (0..).zip(first.into_iter().chain(work).chain(behind)) {
        sheet.write_string_with_format(HEADS, column, text, &head)?;
        sheet.set_column_width_pixels(column, width)?;
    }
    for (row, height) in [(0, 30.0), (1, 20.0), (2, 20.0), (HEADS, 32.0)] {
        sheet.set_row_height(row, height)?;
    }
    Ok(())
}

fn owned((text, width): (&str, u32)) -> (String, u32) {
    (text.to_owned(), width)
}

fn person(sheet: &mut Worksheet, at: u32, village: &str, line: &Line) -> Result<(), XlsxError> {
    let text = framed(10.0).set_shrink();
    let role = if line.role == Role::VillageSecretary { "网格长" } else { "网格员" };
    let name = if line.person.is_empty() { "（未认定）" } else { line.person.as_str() };
    let held = if line.in_roster { "是" } else { "否" };
    for (column, cell) in (0..).zip([village, role, name, held]) {
        sheet.write_string_with_format(at, column, cell, &text)?;
    }
    let pieces: i64 = line.fen.iter().sum();
    figures(sheet, at, line.times, [pieces, line.base, line.total()], &framed(10.0))
}

fn totals(sheet: &mut Worksheet, at: u32, ledger: &Ledger) -> Result<(), XlsxError> {
    let bold = framed(10.0).set_bold();
    sheet.merge_range(at, 0, at, u16::try_from(FIRST.len() - 1).unwrap_or_default(), "合计", &bold)?;
    let each = || ledger.lines.iter().map(|(_, line)| line);
    let times = Work::ALL.map(|work| each().map(|line| line.times[work.index()]).sum());
    let pieces = each().flat_map(|line| line.fen).sum();
    let base = each().map(|line| line.base).sum();
    figures(sheet, at, times, [pieces, base, each().map(Line::total).sum()], &bold)
}

fn figures(
    sheet: &mut Worksheet,
    at: u32,
    times: [i64; Work::COUNT],
    fen: [i64; LAST.len()],
    format: &Format,
) -> Result<(), XlsxError> {
    let (counts, money) = (format.clone().set_num_format("0"), format.clone().set_num_format("0.00"));
    let first = u16::try_from(FIRST.len()).unwrap_or_default();
    let times = times.map(|times| (count(times), &counts));
    let fen = fen.map(|fen| (yuan(fen), &money));
    for (column, (figure, format)) in (first..).zip(times.into_iter().chain(fen)) {
        sheet.write_number_with_format(at, column, figure, format)?;
    }
    Ok(())
}
