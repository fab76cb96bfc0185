//! The roster's files: what they change, what is announced, and how their errors are named.

use dafei_intake_core::roster::{File, Import, Limits, RowError, announced, read};
use dafei_kernel::{
    region::{Level, Region},
    roster::RosterIndex,
};
use proptest::prelude::*;

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

fn import(roster: &RosterIndex, file: File, text: impl AsRef<[u8]>) -> Result<Import, Vec<RowError>> {
    dafei_intake_core::roster::import(roster, read(file, text.as_ref()), Limits::default())
}

fn take(roster: &RosterIndex, file: File, text: &str) -> Import {
    match import(roster, file, text) {
        Ok(import) => import,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn linyi() -> RosterIndex {
    take(&RosterIndex::new(), File::Regions, REGIONS).roster
}

/// `row R, column C: REASON` of every error.
fn errors(roster: &RosterIndex, file: File, text: impl AsRef<[u8]>) -> Vec<String> {
    match import(roster, file, text) {
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
    let import = take(&RosterIndex::new(), File::Regions, REGIONS);
    assert_eq!((import.rows, import.changed), (9, 9));
    let index = import.roster;
    assert!(index.contains(&region("county:371371"), &region("village:371302099001")));
    assert!(index.contains(&region("work-area:371302001-east"), &region("village:371302001001")));
}

#[test]
fn rows_may_stand_in_any_order_and_columns_too() {
    let mut lines: Vec<&str> = REGIONS.lines().collect();
    lines[1..].reverse();
    let reversed = take(&RosterIndex::new(), File::Regions, &lines.join("\n"));
    assert_eq!(reversed.roster, linyi());
    let swapped = take(&RosterIndex::new(), File::Regions, "\u{feff}parent,name,code,level\n,临沂市,371300,city\n");
    assert_eq!(swapped.roster.len(), 1);
}

#[test]
fn the_city_is_announced_first_then_counties_then_townships_with_their_villages() {
    let import = take(&RosterIndex::new(), File::Regions, REGIONS);
    let nothing = RosterIndex::new();
    let parts: Vec<_> = announced(&nothing, &import.roster, &import.touched).collect();
    let order: Vec<String> = parts.iter().map(|(_, part)| part.region.to_string()).collect();
    assert_eq!(order, ["city:371300", "county:371302", "county:371371", "township:371302001", "township:371302099"]);
    let lanshan: Vec<String> = parts[3].1.regions.iter().map(|entry| entry.region.to_string()).collect();
    assert_eq!(
        lanshan,
        ["township:371302001", "work-area:371302001-east", "village:371302001001", "village:371302001002"]
    );
    assert_eq!(parts[4].0.to_string(), "city:371300/county:371371/township:371302099");
}

#[test]
fn a_second_identical_file_changes_nothing() {
    for (file, text) in [(File::Regions, REGIONS), (File::Holders, HOLDERS), (File::Enterprises, ENTERPRISES)] {
        let first = take(&linyi(), file, text);
        let second = take(&first.roster, file, text);
        assert_eq!((second.changed, touched(&second)), (0, vec![]), "{file:?}");
        assert_eq!(second.roster, first.roster);
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
    assert_eq!(import.roster.get(&region("village:371302001001")).expect("there").work_area, None);
}

#[test]
fn a_file_without_the_column_keeps_work_areas_and_one_with_it_clears_them() {
    let without = take(&linyi(), File::Regions, "level,code,name,parent\nvillage,371302001001,新名,371302001\n");
    assert!(without.roster.get(&region("village:371302001001")).expect("there").work_area.is_some());
    let with =
        take(&linyi(), File::Regions, "level,code,name,parent,work_area\nvillage,371302001001,前十社区,371302001,\n");
    assert_eq!(with.roster.get(&region("village:371302001001")).expect("there").work_area, None);
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
        let found = errors(&RosterIndex::new(), File::Regions, format!("{head}{city}{row}\n"));
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
    let none = RosterIndex::new();
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
    let parts: Vec<_> = announced(&linyi(), &import.roster, &import.touched).map(|(_, part)| part).collect();
    assert_eq!((parts[0].holders.len(), parts[1].holders.len()), (1, 3));
    let secretary = parts[1].holders.iter().find(|holder| holder.person == "王某").expect("there");
    assert_eq!(secretary.valid_from, "2025-12-31T16:00:00Z".parse().expect("an instant"));
}

#[test]
fn an_end_that_becomes_known_changes_the_holder() {
    let first = take(&linyi(), File::Holders, HOLDERS).roster;
    let ended = HOLDERS.replace("王某,2026-01-01,", "王某,2026-01-01,2026-06-01");
    let second = take(&first, File::Holders, &ended);
    let village = region("village:371302001001");
    assert_eq!((second.changed, second.roster.holders(&village).len()), (1, first.holders(&village).len()));
}

#[test]
fn nobody_holds_one_post_twice_at_the_same_time_whichever_row_comes_first() {
    let head = "role,level,code,agency,person,valid_from,valid_until\n";
    let wang = "village-secretary,village,371302001001,,王某";
    let twice = format!("{head}{wang},2026-02-01,\n{wang},2026-01-01,2026-03-01\n");
    assert_eq!(errors(&linyi(), File::Holders, twice), ["row 2, column valid_from: TENURE_OVERLAPS"]);
    let known = take(&linyi(), File::Holders, &format!("{head}{wang},2026-01-01,2026-03-01\n")).roster;
    assert_eq!(
        errors(&known, File::Holders, format!("{head}{wang},2025-01-01,\n")),
        ["row 2, column valid_from: TENURE_OVERLAPS"]
    );
    let again = take(&known, File::Holders, &format!("{head}{wang},2026-03-01,\n"));
    assert_eq!(again.roster.holders(&region("village:371302001001")).len(), 2);
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
        // Its midnight in Shanghai lies before the year 1.
        ("village-secretary,village,371302001001,,王某,0001-01-01,", "row 2, column valid_from: INVALID_TIME"),
        (
            "village-secretary,village,371302001001,,王某,-004713-11-23T00:00:00Z,",
            "row 2, column valid_from: INVALID_TIME",
        ),
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
    let second = take(&import.roster, File::Enterprises, &moved);
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
    let import = import(&RosterIndex::new(), File::Regions, &bytes).expect("is right");
    let count = |level| import.roster.of_level(level).count();
    assert_eq!(
        (count(Level::City), count(Level::County), count(Level::Township), count(Level::Village)),
        (1, 13, 156, 4_186)
    );
    assert_eq!(import.touched.len(), 170);
}

#[test]
fn households_of_villages_come_with_a_column_of_their_own_and_stay_without_it() {
    let head = "level,code,name,parent,households\n";
    let village = region("village:371302001002");
    let with = take(&linyi(), File::Regions, &format!("{head}village,371302001002,后十社区,371302001,420\n")).roster;
    assert_eq!(with.get(&village).expect("there").households, 420);
    let renamed = take(&with, File::Regions, "level,code,name,parent\nvillage,371302001002,新名,371302001\n").roster;
    assert_eq!(renamed.get(&village).expect("there").households, 420);
    for (row, expected) in [
        ("village,371302001002,后十社区,371302001,-1", "row 2, column households: INVALID_NUMBER"),
        ("village,371302001002,后十社区,371302001,4294967295", "row 2, column households: INVALID_NUMBER"),
        ("township,371302001,兰山街道,371302,5", "row 2, column households: NOT_ALLOWED"),
    ] {
        assert_eq!(errors(&linyi(), File::Regions, format!("{head}{row}\n")), [expected], "{row}");
    }
}

#[test]
fn a_second_city_is_taken_only_where_the_settings_say_so() {
    let file = || read(File::Regions, "level,code,name,parent\ncity,371400,德州市,\n".as_bytes());
    let import = |cities| dafei_intake_core::roster::import(&linyi(), file(), Limits { cities });
    assert_eq!(import(1).expect_err("refused")[0].reason, "SECOND_CITY");
    assert_eq!(import(2).expect("taken").roster.of_level(Level::City).count(), 2);
}

/// A file that comes in pieces.
struct Pieces<'a> {
    rest: &'a [u8],
    sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes.next().unwrap_or(1).min(buffer.len()).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(size);
        buffer[..size].copy_from_slice(piece);
        self.rest = rest;
        Ok(size)
    }
}

proptest! {
    #[test]
    fn whatever_the_order_of_the_rows_and_the_size_of_the_pieces_the_roster_is_the_same(
        order in Just(REGIONS.lines().skip(1).collect::<Vec<_>>()).prop_shuffle(),
        holders in Just(HOLDERS.lines().skip(1).collect::<Vec<_>>()).prop_shuffle(),
        sizes in proptest::collection::vec(1_usize..200, 1..5),
        marked in any::<bool>(),
    ) {
        let piecewise = |roster: &RosterIndex, file: File, head: &str, rows: &[&str]| {
            let mark = if marked { "\u{feff}" } else { "" };
            let text = format!("{mark}{head}\n{}\n", rows.join("\n"));
            let pieces = Pieces { rest: text.as_bytes(), sizes: sizes.clone().into_iter().cycle() };
            dafei_intake_core::roster::import(roster, read(file, pieces), Limits::default()).expect("right")
        };
        let regions = piecewise(&RosterIndex::new(), File::Regions, REGIONS.lines().next().unwrap_or(""), &order);
        prop_assert_eq!(&regions.roster, &linyi());
        let done = piecewise(&regions.roster, File::Holders, HOLDERS.lines().next().unwrap_or(""), &holders);
        prop_assert_eq!(done.roster, take(&linyi(), File::Holders, HOLDERS).roster);
    }

    #[test]
    fn any_bytes_are_taken_or_refused_with_a_row(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for file in [File::Regions, File::Holders, File::Enterprises] {
            let errors = dafei_intake_core::roster::import(&linyi(), read(file, bytes.as_slice()), Limits::default());
            prop_assert!(errors.is_err_and(|errors| errors.iter().all(|error| error.row > 0)));
        }
    }
}
