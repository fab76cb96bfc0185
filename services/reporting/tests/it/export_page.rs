//! The files as programs print them: each is one landscape A4 page. Only where `DAFEI_TEST_BROWSER` names a Chromium or
//! `DAFEI_TEST_OFFICE` a LibreOffice; what they print is kept in `DAFEI_TEST_PICTURES` when that is given.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use dafei_kernel::sector::Sector;
use dafei_reporting::form::{self, Form, Notes};
use dafei_reporting_core::{Column, Month, Table};
use jiff::civil::date;
use tokio::{process::Command, time::timeout};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A form that needs much room: large figures everywhere, long notes, a long name.
fn full() -> Form {
    let sectors = Sector::ALL.iter().copied().map(Some).chain([None]);
    let cells = sectors.zip(1_i64..).flat_map(|(sector, row)| {
        let figure = move |column: Column| row * 1_111 * if column.is_money() { 1_234_567 } else { 1 };
        Column::ALL.into_iter().map(move |column| (sector, column, figure(column)))
    });
    Form {
        unit_name: "临沂高新技术产业开发区罗西街道办事处".to_owned(),
        month: Month::new(2026, 11).expect("a month"),
        filled_on: date(2026, 12, 3),
        version: Some(2),
        table: Table::of_cells(cells),
        notes: Notes { verified_true: 9_999, secretaries_warned: 12, secretaries_held_accountable: 3 },
    }
}

/// A place for files; kept when it was given.
fn place(name: &str) -> PathBuf {
    let kept = std::env::var_os("DAFEI_TEST_PICTURES").map(PathBuf::from);
    let place = kept.unwrap_or_else(|| std::env::temp_dir().join(format!("dafei-form-{}", std::process::id())));
    let place = place.join(name);
    std::fs::create_dir_all(&place).expect("a directory");
    place
}

/// Keeps a page to look at, where a place for pictures is named.
pub(crate) fn keep(name: &str, page: &str) {
    if std::env::var_os("DAFEI_TEST_PICTURES").is_some() {
        std::fs::write(place(name).join(format!("{name}.html")), page).expect("written");
    }
}

async fn run(mut command: Command) {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("in time").expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// How many pages a PDF has, and the sides of the first in points.
fn pages(pdf: &Path) -> (usize, [f64; 2]) {
    let bytes = std::fs::read(pdf).expect("a PDF");
    let text = String::from_utf8_lossy(&bytes);
    let pages = text
        .split("/Type")
        .skip(1)
        .filter(|rest| rest.trim_start().strip_prefix("/Page").is_some_and(|rest| !rest.starts_with('s')));
    let (_, sides) = text.split_once("/MediaBox").expect("a page");
    let sides: Vec<f64> =
        sides.trim_start_matches([' ', '[']).split([' ', ']']).map_while(|side| side.parse().ok()).collect();
    (pages.count(), [sides[2], sides[3]])
}

fn one_landscape_page(pdf: &Path) {
    let (pages, [width, height]) = pages(pdf);
    assert_eq!(pages, 1);
    // 297 by 210 mm.
    assert!((width - 841.9).abs() < 2.0 && (height - 595.3).abs() < 2.0, "{width} by {height}");
}

#[tokio::test]
async fn a_browser_prints_the_page_on_one_landscape_a4_page() {
    let Some(browser) = std::env::var_os("DAFEI_TEST_BROWSER") else {
        eprintln!("SKIPPED: DAFEI_TEST_BROWSER names no browser, so the page is not printed");
        return;
    };
    let place = place("page");
    let (html, pdf) = (place.join("form.html"), place.join("form.pdf"));
    std::fs::write(&html, form::page(&full())).expect("written");
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"])
        .arg(format!("--user-data-dir={}", place.join("profile").display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(format!("file://{}", html.display()));
    run(command).await;
    one_landscape_page(&pdf);
}

#[tokio::test]
async fn an_office_program_prints_the_workbook_on_one_landscape_a4_page() {
    let Some(office) = std::env::var_os("DAFEI_TEST_OFFICE") else {
        eprintln!("SKIPPED: DAFEI_TEST_OFFICE names no office program, so the workbook is not printed");
        return;
    };
    let place = place("sheet");
    let xlsx = place.join("form.xlsx");
    std::fs::write(&xlsx, form::workbook(&full()).expect("a workbook")).expect("written");
    let mut command = Command::new(office);
    command
        .arg(format!("-env:UserInstallation=file://{}", place.join("profile").display()))
        .args(["--headless", "--convert-to", "pdf", "--outdir"])
        .args([&place, &xlsx]);
    run(command).await;
    one_landscape_page(&place.join("form.pdf"));
}
