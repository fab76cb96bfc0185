//! Who gets which file, what is refused, and what a strange name does to it.

use dafei_contracts::{
    Event,
    reporting::v1::{ExportMonthlyTableRequest, FilingUnit, TableFormat},
};
use dafei_kernel::{agency::Agency, role::Role};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    events::{self, Told, meta, told},
    export::{asked, county, export},
    file::{page, sheet},
    scope::violation,
    world::{CITY_OFFICE, World, unit},
};

fn township() -> FilingUnit {
    unit("township", "township:371302001", "")
}

#[tokio::test]
async fn who_may_see_a_table_may_have_it_as_a_file_and_nobody_else() {
    let world = World::start().await;
    let allowed = [
        ((Role::TownshipCentre, "township:371302001", None), township()),
        ((Role::CountyDepartment, "county:371302", Some(Agency::EmergencyManagement)), county()),
        (CITY_OFFICE, county()),
    ];
    for (caller, unit) in allowed {
        let file = export(&world, caller, asked(unit.clone(), TableFormat::Html)).await;
        assert!(file.is_ok(), "{caller:?} {unit:?}");
    }
    let refused = [
        ((Role::TownshipCentre, "township:371302002", None), township(), "OUT_OF_SCOPE"),
        ((Role::TownshipCentre, "township:371302001", None), county(), "OUT_OF_SCOPE"),
        ((Role::GridMember, "village:371302001001", None), township(), "ROLE_NOT_ALLOWED"),
    ];
    for (caller, unit, reason) in refused {
        let status = export(&world, caller, asked(unit.clone(), TableFormat::Xlsx)).await.expect_err("out of scope");
        let (code, _, why) = violation(&status);
        assert_eq!((code, why.as_str()), (Code::PermissionDenied, reason), "{caller:?} {unit:?}");
    }
    let status = world.tables().export_monthly_table(asked(county(), TableFormat::Xlsx)).await;
    assert_eq!(status.expect_err("no token").code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_bad_request_for_a_file_names_its_field() {
    let world = World::start().await;
    let good = asked(county(), TableFormat::Xlsx);
    let month = |month: &str| ExportMonthlyTableRequest { month: month.to_owned(), ..good.clone() };
    let cases = [
        (ExportMonthlyTableRequest { format: 0, ..good.clone() }, "format", "REQUIRED"),
        (ExportMonthlyTableRequest { format: 9, ..good.clone() }, "format", "UNKNOWN_FORMAT"),
        (ExportMonthlyTableRequest { unit: None, ..good.clone() }, "unit", "REQUIRED"),
        (month(""), "month", "REQUIRED"),
        (month("2026-13"), "month", "INVALID_MONTH"),
        (month("2026-12"), "month", "MONTH_IN_FUTURE"),
    ];
    for (request, field, reason) in cases {
        let status = export(&world, CITY_OFFICE, request.clone()).await.expect_err("a bad request");
        let expected = (Code::InvalidArgument, field.to_owned(), reason.to_owned());
        assert_eq!(violation(&status), expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_version_that_was_never_filed_is_not_there() {
    let world = World::start().await;
    let request = ExportMonthlyTableRequest { version: 1, ..asked(county(), TableFormat::Xlsx) };
    let status = export(&world, CITY_OFFICE, request).await.expect_err("nothing was filed");
    assert_eq!(status.code(), Code::NotFound);
    let details = status.get_error_details();
    let info = details.error_info().expect("a reason");
    assert_eq!(info.metadata["resource"], "filed version");
    assert!(details.localized_message().is_some(), "a clerk is told in Chinese");
}

/// The county's region under another name.
fn renamed(name: &str) -> Told {
    let Told { aggregate, mut event, .. } = events::roster().remove(1);
    if let Event::RosterSnapshot(snapshot) = &mut event {
        snapshot.regions[0].name = name.to_owned();
    }
    event.set_meta(meta(aggregate, 2, "city:371300/county:371302"));
    told("intake", aggregate, 2, event)
}

#[tokio::test]
async fn a_strange_name_is_text_in_the_page_and_in_the_workbook_and_spoils_no_file_name() {
    let world = World::start().await;
    world.tell(&[renamed("甲&乙<b>/../\"丙'")]).await;
    let name = "甲&乙<b>/../\"丙'安委会办公室";
    let html = export(&world, CITY_OFFICE, asked(county(), TableFormat::Html)).await.expect("a page");
    assert!(html.content.windows(5).any(|bytes| bytes == b"&amp;"));
    let page = page(&html.content);
    assert!(page.lines.iter().any(|line| line.contains(&format!("填报单位：{name}"))), "{:?}", page.lines);
    assert!(!page.elements.iter().any(|element| element == "b"), "{:?}", page.elements);
    let xlsx = export(&world, CITY_OFFICE, asked(county(), TableFormat::Xlsx)).await.expect("a workbook");
    assert_eq!(sheet(&xlsx.content).text("A4"), format!("填报单位：{name}"));
    let expected = "甲&乙_b__.._丙'安委会办公室 2026年11月 安全生产“打非”工作情况调度表（未报送）";
    assert_eq!(xlsx.file_name.trim_end_matches(".xlsx").replace("__", "_"), expected.replace("__", "_"));
}
