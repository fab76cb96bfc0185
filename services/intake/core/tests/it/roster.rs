//! The roster's files: what they change, what is announced, and how their errors are named.

use dafei_intake_core::roster::{Contents, File, Import, import};
use dafei_kernel::{
    region::{Level, Region},
    roster::RosterIndex,
};

const REGIONS: &str = "level,code,name,parent,work_area
city,371300,临沂市,,
county,371302,兰山区,371300,
county,371371,高新区,371300,
township,371302001,兰山街道,371302,
township,371302099,马厂湖镇,371371,
work-area,371302001-east,东片,371302001,
village,371302001001,前十社区,371302001,371302001-east
village,371302001002,后十社区,371302001,
village,371302099001,某村,371302099,
";

fn region(text: &str) -> Region {
    text.parse().expect("a region")
}

fn take(contents: &Contents, file: File, text: &str) -> Import {
    match import(contents, file, text.as_bytes()) {
        Ok(import) => import,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn linyi() -> Contents {
    take(&Contents::default(), File::Regions, REGIONS).contents
}

/// `row R, column C: REASON` of every error.
fn errors(contents: &Contents, file: File, text: impl AsRef<[u8]>) -> Vec<String> {
    match import(contents, file, text.as_ref()) {
        Ok(import) => panic!("taken: {} rows", import.rows),
        Err(errors) => errors
            .into_iter()
            .map(|error| {
                assert!(!error.description_zh.is_ascii(), "{error}");
                format!("row {}, column {}: {}", error.row, error.column, error.reason)
            })
            .collect(),
    }
}

fn touched(import: &Import) -> Vec<String> {
    import.touched.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_of_regions_makes_a_roster_that_an_index_takes() {
    let import = take(&Contents::default(), File::Regions, REGIONS);
    assert_eq!((import.rows, import.changed), (9, 9));
    let mut index = RosterIndex::new();
    for entry in import.contents.regions.values() {
        index.upsert_region(entry.clone()).expect("parents come first in the order of levels");
    }
    assert!(index.contains(&region("county:371371"), &region("village:371302099001")));
    assert!(index.contains(&region("work-area:371302001-east"), &region("village:371302001001")));
}

#[test]
fn rows_may_stand_in_any_order_and_columns_too() {
    let mut lines: Vec<&str> = REGIONS.lines().collect();
    lines[1..].reverse();
    let reversed = take(&Contents::default(), File::Regions, &lines.join("\n"));
    assert_eq!(reversed.contents, linyi());
    let swapped = take(&Contents::default(), File::Regions, "\u{feff}parent,name,code,level\n,临沂市,371300,city\n");
    assert_eq!(swapped.contents.regions.len(), 1);
}

#[test]
fn the_city_is_announced_first_then_counties_then_townships_with_their_villages() {
    let import = take(&Contents::default(), File::Regions, REGIONS);
    let units = import.contents.units(&import.touched);
    let order: Vec<String> = units.iter().map(|unit| unit.region.to_string()).collect();
    assert_eq!(order, ["city:371300", "county:371302", "county:371371", "township:371302001", "township:371302099"]);
    let lanshan: Vec<String> = units[3].regions.iter().map(|entry| entry.region.to_string()).collect();
    assert_eq!(
        lanshan,
        ["township:371302001", "work-area:371302001-east", "village:371302001001", "village:371302001002"]
    );
    let path: Vec<String> = units[4].path.iter().map(ToString::to_string).collect();
    assert_eq!(path, ["city:371300", "county:371371", "township:371302099"]);
}

#[test]
fn a_second_identical_file_changes_nothing() {
    for (file, text) in [(File::Regions, REGIONS), (File::Holders, HOLDERS), (File::Enterprises, ENTERPRISES)] {
        let first = take(&linyi(), file, text);
        let second = take(&first.contents, file, text);
        assert_eq!((second.changed, touched(&second)), (0, vec![]), "{file:?}");
        assert_eq!(second.contents, first.contents);
    }
}

#[test]
fn a_renamed_village_touches_its_township_only() {
    let import = take(&linyi(), File::Regions, "level,code,name,parent\nvillage,371302001002,新名,371302001\n");
    assert_eq!((import.changed, touched(&import)), (1, vec!["township:371302001".to_owned()]));
}

#[test]
fn a_village_that_moves_touches_both_townships_and_leaves_its_work_area() {
    let import = take(&linyi(), File::Regions, "level,code,name,parent\nvillage,371302001001,前十社区,371302099\n");
    assert_eq!(touched(&import), ["township:371302001", "township:371302099"]);
    assert_eq!(import.contents.regions[&region("village:371302001001")].work_area, None);
}

#[test]
fn a_file_without_the_column_keeps_work_areas_and_one_with_it_clears_them() {
    let without = take(&linyi(), File::Regions, "level,code,name,parent\nvillage,371302001001,新名,371302001\n");
    assert!(without.contents.regions[&region("village:371302001001")].work_area.is_some());
    let with =
        take(&linyi(), File::Regions, "level,code,name,parent,work_area\nvillage,371302001001,前十社区,371302001,\n");
    assert_eq!(with.contents.regions[&region("village:371302001001")].work_area, None);
}

#[test]
fn errors_of_regions_name_row_and_column() {
    let head = "level,code,name,parent,work_area\n";
    let city = "city,371300,临沂市,,\n";
    let cases = [
        ("county,371302,兰山区,371399,", "row 3, column parent: UNKNOWN_REGION"),
        ("county,371302,兰山区,,", "row 3, column parent: REQUIRED"),
        ("county,3713,兰山区,371300,", "row 3, column code: INVALID_REGION_CODE"),
        ("county,371302,,371300,", "row 3, column name: REQUIRED"),
        ("province,370000,山东省,,", "row 3, column level: UNKNOWN_LEVEL"),
        ("city,371400,德州市,,", "row 2, column code: SECOND_CITY"),
        ("city,371300,临沂市,,", "row 3, column code: DUPLICATE_ROW"),
        ("county,371302,兰山区,371300,371302001-east", "row 3, column work_area: NOT_ALLOWED"),
        ("county,371302,兰山区,371300", "row 3, column -: WRONG_FIELD_COUNT"),
    ];
    for (row, expected) in cases {
        let found = errors(&Contents::default(), File::Regions, format!("{head}{city}{row}\n"));
        assert_eq!(found[0], expected, "{row}");
    }
    let linyi = linyi();
    for (row, expected) in [
        ("village,371302001002,后十社区,371302001,371302001-west", "row 2, column work_area: UNKNOWN_REGION"),
        ("village,371302099001,某村,371302099,371302001-east", "row 2, column work_area: WRONG_PARENT"),
        ("work-area,371302001-west,西片,371302099,", "row 2, column parent: WRONG_PARENT"),
        ("city,371300,临沂市,371300,", "row 2, column parent: NOT_ALLOWED"),
    ] {
        assert_eq!(errors(&linyi, File::Regions, format!("{head}{row}\n")), [expected], "{row}");
    }
    let long = format!("{head}county,371302,{},371300,\n", "兰".repeat(101));
    assert_eq!(errors(&linyi, File::Regions, long), ["row 2, column name: TOO_LONG"]);
}

#[test]
fn errors_of_the_form_are_named() {
    let none = Contents::default();
    assert_eq!(errors(&none, File::Regions, "level,code,name\n"), ["row 1, column parent: MISSING_COLUMN"]);
    assert_eq!(errors(&none, File::Regions, "level,code,name,parent,colour\n"), ["row 1, column -: UNKNOWN_COLUMN"]);
    assert_eq!(
        errors(&none, File::Regions, "level,level,code,name,parent\n"),
        ["row 1, column level: DUPLICATE_COLUMN"]
    );
    assert_eq!(errors(&none, File::Regions, "level,code,name,parent\n"), ["row 1, column -: EMPTY"]);
    assert!(!errors(&none, File::Regions, "").is_empty());
    let gbk = [b"level,code,name,parent\ncity,371300,".as_slice(), &[0xc1, 0xd9], b",\n"].concat();
    assert_eq!(errors(&none, File::Regions, gbk), ["row 2, column -: INVALID_UTF8"]);
    let binary = [0_u8, 159, 146, 150];
    assert!(!errors(&none, File::Regions, binary).is_empty());
}

#[test]
fn all_errors_of_a_file_are_told_but_not_without_end() {
    let rows: String = (0..500).map(|n| format!("county,{n},某县,371300\n")).collect();
    let found = errors(&linyi(), File::Regions, format!("level,code,name,parent\n{rows}"));
    assert_eq!(found.len(), 100);
}

const HOLDERS: &str = "role,level,code,agency,person,valid_from,valid_until
village-secretary,village,371302001001,,王某,2026-01-01,
village-secretary,village,371302001001,,李某,2025-01-01,2026-01-01
township-agency,township,371302001,market-regulation,赵某,2026-01-01T08:00:00+08:00,
county-office,county,371302,,钱某,2026-01-01,
";

#[test]
fn holders_are_dated_and_touch_the_unit_of_their_post() {
    let import = take(&linyi(), File::Holders, HOLDERS);
    assert_eq!((import.rows, import.changed), (4, 4));
    assert_eq!(touched(&import), ["county:371302", "township:371302001"]);
    let units = import.contents.units(&import.touched);
    assert_eq!((units[0].holders.len(), units[1].holders.len()), (1, 3));
    let secretary = units[1].holders.iter().find(|holder| holder.person == "王某").expect("there");
    assert_eq!(secretary.valid_from, "2025-12-31T16:00:00Z".parse().expect("an instant"));
}

#[test]
fn an_end_that_becomes_known_changes_the_holder() {
    let first = take(&linyi(), File::Holders, HOLDERS).contents;
    let ended = HOLDERS.replace("王某,2026-01-01,", "王某,2026-01-01,2026-06-01");
    let second = take(&first, File::Holders, &ended);
    assert_eq!((second.changed, second.contents.holders.len()), (1, first.holders.len()));
}

#[test]
fn errors_of_holders_name_row_and_column() {
    let head = "role,level,code,agency,person,valid_from,valid_until\n";
    for (row, expected) in [
        ("mayor,village,371302001001,,王某,2026-01-01,", "row 2, column role: UNKNOWN_ROLE"),
        ("village-secretary,township,371302001,,王某,2026-01-01,", "row 2, column level: WRONG_LEVEL"),
        ("village-secretary,village,371302001009,,王某,2026-01-01,", "row 2, column code: UNKNOWN_REGION"),
        ("village-secretary,village,371302001001,,,2026-01-01,", "row 2, column person: REQUIRED"),
        ("village-secretary,village,371302001001,,王某,昨天,", "row 2, column valid_from: INVALID_TIME"),
        (
            "village-secretary,village,371302001001,,王某,2026-01-01,2026-01-01",
            "row 2, column valid_until: INVALID_TIME",
        ),
        ("village-secretary,village,371302001001,energy,王某,2026-01-01,", "row 2, column agency: NOT_ALLOWED"),
        ("township-agency,township,371302001,,王某,2026-01-01,", "row 2, column agency: REQUIRED"),
        ("township-agency,township,371302001,police,王某,2026-01-01,", "row 2, column agency: UNKNOWN_AGENCY"),
    ] {
        assert_eq!(errors(&linyi(), File::Holders, format!("{head}{row}\n")), [expected], "{row}");
    }
    let twice = "grid-member,village,371302001001,,王某,2026-01-01,\n".repeat(2);
    assert_eq!(errors(&linyi(), File::Holders, format!("{head}{twice}")), ["row 3, column person: DUPLICATE_ROW"]);
}

const ENTERPRISES: &str = "credit_code,name,industry,regulator,level,code,employees
91350100M000100Y43,某化工公司,,emergency-management,village,371302001001,120
91350100M000100Y44,某煤矿,coal,,township,371302099,
";

#[test]
fn enterprises_touch_their_township_and_a_wrong_check_character_is_a_hint_only() {
    let import = take(&linyi(), File::Enterprises, ENTERPRISES);
    assert_eq!((import.rows, import.changed), (2, 2));
    assert_eq!(touched(&import), ["township:371302001", "township:371302099"]);
    assert_eq!(import.warnings, ["第3行：统一社会信用代码 91350100M000100Y44 的校验位不符"]);
    let moved = ENTERPRISES.replace("village,371302001001", "village,371302099001");
    let second = take(&import.contents, File::Enterprises, &moved);
    assert_eq!((second.changed, touched(&second).len()), (1, 2));
}

#[test]
fn errors_of_enterprises_name_row_and_column() {
    let head = "credit_code,name,industry,regulator,level,code,employees\n";
    let code = "91350100M000100Y43";
    for (row, expected) in [
        ("123,某公司,,,village,371302001001,1".to_owned(), "row 2, column credit_code: INVALID_CREDIT_CODE"),
        (format!("{code},,,,village,371302001001,1"), "row 2, column name: REQUIRED"),
        (format!("{code},某公司,farming,,village,371302001001,1"), "row 2, column industry: UNKNOWN_INDUSTRY"),
        (format!("{code},某公司,,police,village,371302001001,1"), "row 2, column regulator: UNKNOWN_AGENCY"),
        (format!("{code},某公司,,,county,371302,1"), "row 2, column level: WRONG_LEVEL"),
        (format!("{code},某公司,,,village,371302001009,1"), "row 2, column code: UNKNOWN_REGION"),
        (format!("{code},某公司,,,village,371302001001,-1"), "row 2, column employees: INVALID_NUMBER"),
        (format!("{code},某公司,,,village,371302001001,4294967295"), "row 2, column employees: INVALID_NUMBER"),
    ] {
        assert_eq!(errors(&linyi(), File::Enterprises, format!("{head}{row}\n")), [expected], "{row}");
    }
    let twice = format!("{code},某公司,,,village,371302001001,1\n").repeat(2);
    assert_eq!(
        errors(&linyi(), File::Enterprises, format!("{head}{twice}")),
        ["row 3, column credit_code: DUPLICATE_ROW"]
    );
}

#[test]
fn the_real_roster_of_linyi_is_taken() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../data/regions/linyi.csv");
    let bytes = std::fs::read(file).expect("the project holds it");
    let import = import(&Contents::default(), File::Regions, &bytes).expect("is right");
    let count = |level| import.contents.regions.keys().filter(|region| region.level() == level).count();
    assert_eq!(
        (count(Level::City), count(Level::County), count(Level::Township), count(Level::Village)),
        (1, 13, 156, 4_186)
    );
    assert_eq!(import.contents.units(&import.touched).len(), 170);
}
