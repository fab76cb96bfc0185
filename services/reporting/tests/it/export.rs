//! The table as a file: every figure of `GetMonthlyTable` stands in its place.

use dafei_contracts::{
    events::v1::{NoticeKind, TipVerdict},
    reporting::v1::{
        ExportMonthlyTableRequest, ExportMonthlyTableResponse, FilingUnit, GetMonthlyTableResponse, TableFormat,
        TableRow,
    },
};
use dafei_kernel::ids;
use dafei_reporting_core::Column;
use tonic::Status;

use crate::{
    accountability::Entry,
    events::{CENTRE, Case, EMERGENCY, OFFICE, POLICE, SECRETARY, close, criminal, fine, stop},
    file::{Value, page, sheet},
    intake_events::{Book, Inspection, TOWNSHIP, reward_paid},
    world::{CITY_OFFICE, Caller, World, total, unit},
};

const NOVEMBER: &str = "2026-11";
const NOON: &str = "2026-11-12T12:00:00+08:00";
const FACTORY: &str = "91371302MA3C000015";
/// The row of the first sector, in the workbook.
const FIRST: usize = 7;

pub(crate) fn county() -> FilingUnit {
    unit("county-office", "county:371302", "")
}

pub(crate) fn asked(of: FilingUnit, format: TableFormat) -> ExportMonthlyTableRequest {
    ExportMonthlyTableRequest { unit: Some(of), month: NOVEMBER.to_owned(), version: 0, format: format.into() }
}

/// `ExportMonthlyTable` as anyone.
pub(crate) async fn export(
    world: &World,
    caller: Caller<'_>,
    request: ExportMonthlyTableRequest,
) -> Result<ExportMonthlyTableResponse, Status> {
    Ok(world.tables().export_monthly_table(world.request(caller, request)).await?.into_inner())
}

async fn exported(world: &World, format: TableFormat) -> ExportMonthlyTableResponse {
    export(world, CITY_OFFICE, asked(county(), format)).await.expect("a file")
}

/// Figures in several columns and sectors, and without a sector.
async fn busy() -> (World, GetMonthlyTableResponse) {
    let world = World::start().await;
    let case = Case::open(1, "HC-2")
        .of_enterprise(FACTORY)
        .confirmed(EMERGENCY, NOON)
        .verified(EMERGENCY, ids::derived(&["tip", "1"]), TipVerdict::True, NOON)
        .verified(EMERGENCY, ids::derived(&["tip", "2"]), TipVerdict::False, NOON)
        .measure(EMERGENCY, "fine", NOON, fine(12_345_678))
        .measure(POLICE, "criminal", NOON, criminal(3))
        .measure(EMERGENCY, "stop", NOON, stop());
    let den = Case::open(2, "FW-1").confirmed(OFFICE, NOON).measure(EMERGENCY, "close", NOON, close());
    let book = Book::default().notice(SECRETARY, NoticeKind::Reward, 3, NOON).leaflets(SECRETARY, 1_250, NOON);
    let mut entry = Entry::new(1, TOWNSHIP, "fireworks");
    let persons = [
        (CENTRE, "赵主任", "held-accountable", true),
        (CENTRE, "钱副主任", "warning-talk", true),
        (SECRETARY, "王书记", "warning-talk", false),
    ];
    for told in [case.told, den.told, book.told] {
        world.tell(&told).await;
    }
    let rest = [
        Inspection::of_enterprise(1, EMERGENCY, NOON, FACTORY).told(),
        reward_paid(1, CENTRE, TOWNSHIP, NOON, 505_000),
        entry.decided(OFFICE, NOON, &persons),
    ];
    world.tell(&rest).await;
    let table = world.table(county(), NOVEMBER).await;
    assert!((1..=12).all(|column| total(&table, column) > 0), "each column has a figure: {:?}", table.total);
    (world, table)
}

/// The rows as the form prints them, 合计 last.
fn printed(table: &GetMonthlyTableResponse) -> Vec<&TableRow> {
    table.rows.iter().chain(&table.total).collect()
}

fn place(column: usize, row: usize) -> String {
    format!("{}{row}", char::from(b'A' + u8::try_from(column).expect("a column of the form")))
}

#[tokio::test]
async fn every_figure_stands_in_its_cell_of_the_workbook() {
    let (world, table) = busy().await;
    let file = exported(&world, TableFormat::Xlsx).await;
    assert_eq!(file.content_type, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    assert_eq!(file.file_name, "兰山区安委会办公室 2026年11月 安全生产“打非”工作情况调度表（未报送）.xlsx");
    let sheet = sheet(&file.content);
    let rows = printed(&table);
    assert_eq!(rows.len(), 9);
    for (at, row) in rows.into_iter().enumerate() {
        assert_eq!(sheet.text(&place(0, FIRST + at)), row.name);
        for column in 1..=12 {
            let cell = &sheet.cells[&place(column, FIRST + at)];
            let text = &row.texts[column - 1];
            assert_eq!(cell.value, Value::Number(text.parse().expect("a number")), "{} {column}", row.name);
            assert_eq!(cell.format, if [4, 8].contains(&column) { "0.00" } else { "0" });
            assert!(cell.framed);
        }
    }
    for column in Column::ALL {
        let head = format!("{}\n({})", column.name(), column.unit());
        assert_eq!(sheet.text(&place(column.index() + 1, FIRST - 1)), head);
    }
}

#[tokio::test]
async fn the_workbook_has_the_form_s_layout_on_one_landscape_page() {
    let (world, table) = busy().await;
    let sheet = sheet(&exported(&world, TableFormat::Xlsx).await.content);
    for range in ["A2:M2", "A3:M3", "A4:H4", "I4:M4", "A5:A6", "B5:F5", "G5:I5", "J5:K5", "L5:M5"] {
        assert!(sheet.merged.iter().any(|merged| merged == range), "{range} of {:?}", sheet.merged);
    }
    let texts = [
        ("A1", "附件2"),
        ("A2", "安全生产“打非”工作情况调度表"),
        ("A3", "（2026年11月）"),
        ("A4", "填报单位：兰山区安委会办公室"),
        ("I4", "填报时间：2026年11月30日"),
        ("A5", "相关领域"),
        ("B5", "日常检查情况"),
        ("G5", "举报落实情况"),
        ("J5", "问责情况"),
        ("L5", "宣传情况"),
        ("A15", "合计"),
    ];
    for (at, text) in texts {
        assert_eq!(sheet.text(at), text);
    }
    let (title, head) = (&sheet.cells["A2"], &sheet.cells["B5"]);
    assert_eq!((title.font.as_str(), head.font.as_str(), head.framed), ("宋体", "黑体", true));
    for text in noted(&table) {
        assert!(sheet.texts().iter().any(|found| found.ends_with(&text)), "{text} in {:?}", sheet.texts());
    }
    let paper = ["paperSize", "orientation"].map(|name| sheet.attribute("pageSetup", name).unwrap_or_default());
    assert_eq!(paper, ["9", "landscape"]);
    assert_eq!(sheet.attribute("pageSetUpPr", "fitToPage").as_deref(), Some("1"));
    // One by one page, which is what they are when they are not given.
    for name in ["fitToWidth", "fitToHeight"] {
        assert!(matches!(sheet.attribute("pageSetup", name).as_deref(), None | Some("1")));
    }
    assert_eq!(sheet.attribute("printOptions", "horizontalCentered").as_deref(), Some("1"));
    assert!(sheet.workbook.contains("'2026年11月'!$A$1:$M$20"), "the print area: {}", sheet.workbook);
    assert!(sheet.core.contains("2026-11-30T00:00:00Z"), "dated by its day: {}", sheet.core);
}

/// What stands below the table.
fn noted(table: &GetMonthlyTableResponse) -> Vec<String> {
    vec![
        "未分领域（已计入合计）：张贴有奖举报公告3张，发放有奖举报明白纸1250份。".to_owned(),
        format!("核实举报线索{}条，其中属实{}条。", total(table, 6), table.verified_true),
        format!(
            "另有村居支部书记警示约谈{}人，问责{}人。",
            table.secretaries_warned, table.secretaries_held_accountable
        ),
        "未报送，系统计算值（2026年11月30日）。".to_owned(),
    ]
}

#[tokio::test]
async fn every_figure_stands_in_its_place_on_the_page() {
    let (world, table) = busy().await;
    let file = exported(&world, TableFormat::Html).await;
    assert_eq!(file.content_type, "text/html; charset=utf-8");
    assert_eq!(file.file_name, "兰山区安委会办公室 2026年11月 安全生产“打非”工作情况调度表（未报送）.html");
    let page = page(&file.content);
    assert_eq!(page.lang, "zh-CN");
    assert!(!page.elements.iter().any(|name| ["script", "link", "img", "iframe"].contains(&name.as_str())));
    let heads: Vec<(&str, usize, usize)> =
        page.rows[0].iter().map(|(text, columns, rows)| (text.as_str(), *columns, *rows)).collect();
    let expected =
        [("相关领域", 1, 2), ("日常检查情况", 5, 1), ("举报落实情况", 3, 1), ("问责情况", 2, 1), ("宣传情况", 2, 1)];
    assert_eq!(heads, expected);
    let texts = |row: usize| page.rows[row].iter().map(|(text, _, _)| text.clone()).collect::<Vec<_>>();
    let heads: Vec<String> = Column::ALL.iter().map(|column| format!("{}({})", column.name(), column.unit())).collect();
    assert_eq!(texts(1), heads);
    let rows: Vec<Vec<String>> =
        printed(&table).iter().map(|row| [vec![row.name.clone()], row.texts.clone()].concat()).collect();
    assert_eq!((2..page.rows.len()).map(texts).collect::<Vec<_>>(), rows);
    for text in ["安全生产“打非”工作情况调度表", "（2026年11月）"] {
        assert!(page.lines.iter().any(|line| line == text), "{text} in {:?}", page.lines);
    }
    assert!(page.lines.iter().any(|line| line == "填报单位：兰山区安委会办公室填报时间：2026年11月30日"));
    for text in noted(&table) {
        assert!(page.lines.iter().any(|line| line.ends_with(&text)), "{text} in {:?}", page.lines);
    }
}

#[tokio::test]
async fn the_same_table_gives_the_same_file_on_the_same_day() {
    let (world, _) = busy().await;
    for format in [TableFormat::Xlsx, TableFormat::Html] {
        let first = exported(&world, format).await;
        world.clock.set("2026-11-30T23:59:59.999999+08:00".parse().expect("an instant"));
        assert_eq!(exported(&world, format).await, first);
        // The next day is another 填报时间.
        world.clock.set("2026-12-01T00:00:00+08:00".parse().expect("an instant"));
        assert_ne!(exported(&world, format).await.content, first.content);
        world.clock.set("2026-11-30T12:00:00+08:00".parse().expect("an instant"));
    }
}
