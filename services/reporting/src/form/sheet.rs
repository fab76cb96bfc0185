//! The form as a workbook with one sheet, printed on one landscape A4 page. Figures are numbers, so that whoever collects tables can add
//! them up.

use dafei_reporting_core::{Column, Row, table};
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};

use super::{Form, layout};

const A4: u8 = 9;
/// Millimetres of an inch: margins are given in inches.
const INCH: f64 = 25.4;
/// Character set of the fonts: a machine that has not got them takes another of the same (GB 2312).
const GB2312: u8 = 134;

/// Column widths in pixels: together hardly wider than the page within its margins, and each wide enough for six characters of a head, so
/// that none stands alone in a line.
const FIRST_WIDTH: u32 = 96;
const WIDTH: u32 = 80;
/// Letters and digits that surely fit into a line across all columns; a Chinese character is as wide as two.
const LINE: usize = 146;
/// Height of such a line, in points.
const LINE_HEIGHT: f64 = 15.0;

/// Rows from the top.
const ANNEX: u32 = 0;
const TITLE: u32 = 1;
const MONTH: u32 = 2;
const FILLED: u32 = 3;
const GROUPS: u32 = 4;
const HEADS: u32 = 5;
const FIGURES: u32 = 6;
/// The last column, and the last one of the line's left half.
const LAST: u16 = Column::COUNT as u16;
const LEFT: u16 = 7;

/// The workbook's bytes (.xlsx). The same form gives the same bytes: the document is dated by the day on which it was filled in.
///
/// # Errors
/// When the library cannot write it; there is no form known for which it cannot.
pub fn workbook(form: &Form) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    workbook.set_properties(&properties(form)?);
    let sheet = workbook.add_worksheet();
    sheet.set_name(layout::month(form.month))?;
    above(sheet, form)?;
    heads(sheet)?;
    let mut at = FIGURES;
    for row in layout::rows(form) {
        figures(sheet, at, row)?;
        at += 1;
    }
    let last = below(sheet, form, at)?;
    paper(sheet, last)?;
    workbook.save_to_buffer()
}

fn properties(form: &Form) -> Result<DocProperties, XlsxError> {
    let on = form.filled_on;
    let (year, month, day) = (on.year().unsigned_abs(), on.month().unsigned_abs(), on.day().unsigned_abs());
    let created = ExcelDateTime::from_ymd(year, month, day)?;
    Ok(DocProperties::new()
        .set_title(layout::document_name(form))
        .set_author(layout::unit_name(form))
        .set_creation_datetime(&created))
}

fn font(name: &str, size: f64) -> Format {
    Format::new()
        .set_font_name(name)
        .set_font_size(size)
        .set_font_charset(GB2312)
        .set_align(FormatAlign::VerticalCenter)
}

fn framed(format: Format) -> Format {
    format.set_border(FormatBorder::Thin).set_align(FormatAlign::Center)
}

/// What stands above the table.
fn above(sheet: &mut Worksheet, form: &Form) -> Result<(), XlsxError> {
    let centred = |format: Format| format.set_align(FormatAlign::Center);
    sheet.merge_range(ANNEX, 0, ANNEX, LAST, layout::ANNEX, &font("黑体", 14.0))?;
    let title = centred(font("宋体", 22.0).set_bold());
    sheet.merge_range(TITLE, 0, TITLE, LAST, layout::TITLE, &title)?;
    sheet.merge_range(MONTH, 0, MONTH, LAST, &layout::subtitle(form), &centred(font("仿宋_GB2312", 14.0)))?;
    // A long name is made smaller rather than cut off.
    let line = font("仿宋_GB2312", 12.0).set_shrink();
    sheet.merge_range(FILLED, 0, FILLED, LEFT, &layout::filled_by(form), &line)?;
    let line = font("仿宋_GB2312", 12.0).set_align(FormatAlign::Right);
    sheet.merge_range(FILLED, LEFT + 1, FILLED, LAST, &layout::filled_on(form), &line)?;
    for (row, height) in [(ANNEX, 20.0), (TITLE, 36.0), (MONTH, 21.0), (FILLED, 24.0)] {
        sheet.set_row_height(row, height)?;
    }
    Ok(())
}

/// Both head rows.
fn heads(sheet: &mut Worksheet) -> Result<(), XlsxError> {
    let group_format = framed(font("黑体", 10.5)).set_text_wrap();
    let format = framed(font("黑体", 9.0)).set_text_wrap();
    sheet.merge_range(GROUPS, 0, HEADS, 0, layout::FIRST_HEAD, &group_format)?;
    let mut at = 1;
    for (group, columns) in layout::groups() {
        let first = at;
        for column in columns {
            let head = format!("{}\n{}", column.name(), layout::unit(column));
            sheet.write_string_with_format(HEADS, at, head, &format)?;
            at += 1;
        }
        sheet.merge_range(GROUPS, first, GROUPS, at - 1, group.name(), &group_format)?;
    }
    sheet.set_row_height(GROUPS, 26.0)?;
    sheet.set_row_height(HEADS, 54.0)?;
    Ok(())
}

/// A row of figures.
fn figures(sheet: &mut Worksheet, at: u32, row: &Row) -> Result<(), XlsxError> {
    sheet.set_row_height(at, 28.0)?;
    sheet.write_string_with_format(at, 0, row.name, &framed(font("黑体", 10.5)))?;
    // A figure too wide for its cell would be printed as ####.
    let format = framed(font("宋体", 10.5)).set_shrink();
    let (count, money) = (format.clone().set_num_format("0"), format.set_num_format("0.00"));
    for (place, column) in (1..).zip(Column::ALL) {
        let format = if column.is_money() { &money } else { &count };
        sheet.write_number_with_format(at, place, number(column, row.value(column)), format)?;
    }
    Ok(())
}

/// The number that the form prints: rounded here as there, so that what is added up is what is seen.
fn number(column: Column, value: i64) -> f64 {
    // A text of digits is a number.
    table::text(column, value).parse().unwrap_or_default()
}

/// What stands below the table, from row `at` on; the last row.
fn below(sheet: &mut Worksheet, form: &Form, mut at: u32) -> Result<u32, XlsxError> {
    let format = font("仿宋_GB2312", 10.0).set_text_wrap().set_align(FormatAlign::Top);
    for (number, note) in (1..).zip(layout::notes(form)) {
        let head = if number == 1 { "注：" } else { "　　" };
        let text = format!("{head}{number}. {note}");
        let width: usize = text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
        sheet.merge_range(at, 0, at, LAST, &text, &format)?;
        // Programs do not fit the height of merged cells by themselves.
        sheet.set_row_height(at, LINE_HEIGHT * f64::from(u32::try_from(width.div_ceil(LINE)).unwrap_or(1)))?;
        at += 1;
    }
    sheet.merge_range(at, 0, at, LAST, &layout::status(form), &font("黑体", 10.0))?;
    sheet.set_row_height(at, 18.0)?;
    Ok(at)
}

/// How it is printed.
fn paper(sheet: &mut Worksheet, last: u32) -> Result<(), XlsxError> {
    sheet.set_column_width_pixels(0, FIRST_WIDTH)?;
    for column in 1..=LAST {
        sheet.set_column_width_pixels(column, WIDTH)?;
    }
    let (side, top, bottom, head) = (12.0 / INCH, 14.0 / INCH, 12.0 / INCH, 7.0 / INCH);
    sheet
        .set_paper_size(A4)
        .set_landscape()
        .set_print_fit_to_pages(1, 1)
        .set_margins(side, side, top, bottom, head, head)
        .set_print_center_horizontally(true)
        .set_screen_gridlines(false)
        .set_print_area(0, 0, last, LAST)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use dafei_reporting_core::Column;

    use super::{number, workbook};
    use crate::form::{Form, layout::tests::form};

    #[test]
    fn a_number_is_what_the_form_prints() {
        assert_eq!(number(Column::Fines, 5_000), 0.01);
        assert_eq!(number(Column::Fines, 4_999), 0.0);
        assert_eq!(number(Column::Fines, -1_000_000), -1.0);
        assert_eq!(number(Column::RewardsPaid, 123_456_789), 123.46);
        assert_eq!(number(Column::IllegalActs, 4_999), 4_999.0);
    }

    #[test]
    fn the_same_form_gives_the_same_bytes_and_another_day_others() {
        let bytes = workbook(&form()).expect("a workbook");
        assert_eq!(bytes, workbook(&form()).expect("a workbook"));
        let next = form().filled_on.tomorrow().expect("a day");
        assert_ne!(bytes, workbook(&Form { filled_on: next, ..form() }).expect("a workbook"));
    }

    #[test]
    fn any_name_can_be_written_and_read() {
        for name in ["", "=1+1", "甲\u{1}&<乙>\u{7f}"] {
            let bytes = workbook(&Form { unit_name: name.repeat(40), ..form() }).expect("a workbook");
            let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
            for part in ["docProps/core.xml", "xl/sharedStrings.xml"] {
                let mut xml = String::new();
                archive.by_name(part).expect(part).read_to_string(&mut xml).expect("UTF-8");
                assert!(roxmltree::Document::parse(&xml).is_ok(), "{part} with {name:?}");
            }
        }
    }
}
