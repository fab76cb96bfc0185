//! Filing: what is filed stays, what comes later is a difference, and an office's table is made of what its units filed (clause C18).

use dafei_contracts::{
    events::v1 as events,
    reporting::v1::{
        CorrectCellRequest, Draft, ExportMonthlyTableRequest, ExportMonthlyTableResponse, FileTableRequest, FiledTable,
        FilingState, FilingUnit, GetDraftRequest, GetFiledTableRequest, ListDifferencesRequest, ListFilingsRequest,
        TableBody, TableFormat,
    },
};
use dafei_kernel::{
    agency::Agency,
    ids::{IdSource as _, SystemIds},
    role::Role,
};
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::{
    events::{Case, EMERGENCY, OFFICE, POLICE_STATION, fine},
    export::{asked, export},
    world::{CITY_OFFICE, Caller, World, unit},
};

pub(crate) const NOVEMBER: &str = "2026-11";
pub(crate) const CENTRE: Caller<'static> = (Role::TownshipCentre, "township:371302001", None);
pub(crate) const COUNTY_OFFICE: Caller<'static> = (Role::CountyOffice, "county:371302", None);
const EMERGENCY_POST: Caller<'static> = (Role::CountyDepartment, "county:371302", Some(Agency::EmergencyManagement));
const NOON: &str = "2026-11-12T12:00:00+08:00";
const FINE: usize = 4;

pub(crate) fn township() -> FilingUnit {
    unit("township", "township:371302001", "")
}

pub(crate) fn department() -> FilingUnit {
    unit("county-department", "county:371302", "emergency-management")
}

pub(crate) fn county() -> FilingUnit {
    unit("county-office", "county:371302", "")
}

pub(crate) fn city() -> FilingUnit {
    unit("city-office", "city:371300", "")
}

pub(crate) fn id() -> String {
    SystemIds.random().to_string()
}

impl World {
    pub(crate) fn december(&self, day: i8, time: &str) {
        self.clock.set(format!("2026-12-{day:02}T{time}+08:00").parse().expect("an instant"));
    }

    pub(crate) async fn draft(&self, caller: Caller<'_>, unit: FilingUnit) -> Result<Draft, Status> {
        let message = GetDraftRequest { unit: Some(unit), month: NOVEMBER.to_owned() };
        let answer = self.filings().get_draft(self.request(caller, message)).await?.into_inner();
        Ok(answer.draft.expect("a draft"))
    }

    pub(crate) async fn correct(&self, caller: Caller<'_>, request: CorrectCellRequest) -> Result<usize, Status> {
        Ok(self.filings().correct_cell(self.request(caller, request)).await?.into_inner().corrections.len())
    }

    pub(crate) async fn try_file(&self, caller: Caller<'_>, request: FileTableRequest) -> Result<FiledTable, Status> {
        let answer = self.filings().file_table(self.request(caller, request)).await?.into_inner();
        Ok(answer.table.expect("a version"))
    }

    /// Looks at the draft and files it.
    pub(crate) async fn file(&self, caller: Caller<'_>, unit: FilingUnit) -> FiledTable {
        let draft_digest = self.draft(caller, unit.clone()).await.expect("a draft").digest;
        self.try_file(caller, filing(unit, &draft_digest)).await.expect("it is filed")
    }

    pub(crate) async fn filed(&self, unit: FilingUnit, version: u32) -> FiledTable {
        let message = GetFiledTableRequest { unit: Some(unit), month: NOVEMBER.to_owned(), version };
        let answer = self.filings().get_filed_table(self.request(CITY_OFFICE, message)).await.expect("it is there");
        answer.into_inner().table.expect("a version")
    }

    /// The version that is compared, and sector, column, filed and now of each cell that differs.
    async fn differences(&self, unit: FilingUnit) -> (u32, Vec<(String, u32, i64, i64)>) {
        let message = ListDifferencesRequest { unit: Some(unit), month: NOVEMBER.to_owned() };
        let answer = self.filings().list_differences(self.request(CITY_OFFICE, message)).await.expect("an answer");
        let answer = answer.into_inner();
        let cells = answer.differences.into_iter().map(|cell| (cell.sector, cell.column, cell.filed, cell.now));
        (answer.version, cells.collect())
    }

    /// Names and states of an office's units, all pages of two.
    async fn standings(&self, unit: FilingUnit, states: &[FilingState]) -> Vec<(String, FilingState)> {
        let mut request = ListFilingsRequest {
            unit: Some(unit),
            month: NOVEMBER.to_owned(),
            states: states.iter().map(|state| (*state).into()).collect(),
            page_size: 2,
            page_token: String::new(),
        };
        let mut all = Vec::new();
        loop {
            let page = self.filings().list_filings(self.request(CITY_OFFICE, request.clone())).await;
            let page = page.expect("a page").into_inner();
            assert!(page.filings.len() <= 2, "a page has what was asked for");
            all.extend(page.filings.into_iter().map(|filing| (filing.unit_name.clone(), filing.state())));
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }
}

pub(crate) fn filing(unit: FilingUnit, digest: &str) -> FileTableRequest {
    FileTableRequest {
        request_id: id(),
        unit: Some(unit),
        month: NOVEMBER.to_owned(),
        draft_digest: digest.to_owned(),
        filled_in_by: "王填表".to_owned(),
    }
}

pub(crate) fn correction(unit: FilingUnit, sector: &str, column: u32, amount: i64, reason: &str) -> CorrectCellRequest {
    CorrectCellRequest {
        request_id: id(),
        unit: Some(unit),
        month: NOVEMBER.to_owned(),
        sector: sector.to_owned(),
        column,
        amount,
        reason: reason.to_owned(),
    }
}

fn total(body: Option<&TableBody>, column: usize) -> i64 {
    body.and_then(|body| body.total.as_ref()).expect("a total").values[column - 1]
}

fn fined(number: u32, fen: i64) -> Case {
    Case::open(number, "FS-2").measure(POLICE_STATION, "m1", NOON, fine(fen))
}

#[tokio::test]
async fn what_was_filed_stays_byte_for_byte_and_what_comes_later_is_a_difference_and_a_second_version() {
    let world = World::start().await;
    world.tell(&fined(1, 500_000).told).await;
    world.december(2, "09:00:00");
    let first = world.file(CENTRE, township()).await;
    assert_eq!((first.version, first.filled_in_by.as_str()), (1, "王填表"));
    assert_eq!(total(first.draft.as_ref().and_then(|draft| draft.figures.as_ref()), FINE), 500_000);
    assert_eq!(world.differences(township()).await, (1, vec![]));

    world.tell(&fined(2, 300_000).told).await;
    let again = world.filed(township(), 1).await;
    assert_eq!(again, first, "nothing of a filed version changes");
    let digest = Sha256::digest(&again.content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(again.sha256, digest);
    let late = vec![("fire-safety".to_owned(), 4, 500_000, 800_000)];
    assert_eq!(world.differences(township()).await, (1, late));

    world.december(4, "09:00:00");
    let second = world.file(CENTRE, township()).await;
    assert_eq!(second.version, 2);
    assert_eq!(world.filed(township(), 0).await, second);
    assert_eq!(world.filed(township(), 1).await, first);
    assert_eq!(world.differences(township()).await, (2, vec![]));
    // The first version was in time, whatever came after it.
    let standing = world.draft(CENTRE, township()).await.expect("a draft").filing.expect("its filing");
    assert_eq!((standing.state(), standing.version), (FilingState::Filed, 2));
}

#[tokio::test]
async fn a_filed_version_cannot_be_changed_in_the_database_either() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    world.file(CENTRE, township()).await;
    for change in ["UPDATE filed_table SET content = ''", "DELETE FROM filed_table"] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(change)).execute(&world.db.pool).await.expect_err(change);
        assert!(refused.to_string().contains("stays as it is"), "{refused}");
    }
}

#[tokio::test]
async fn a_correction_stands_with_its_reason_beside_the_computed_figure() {
    let world = World::start().await;
    world.tell(&fined(1, 500_000).told).await;
    world.december(2, "09:00:00");
    let request = correction(township(), "fire-safety", 4, -200_000, "罚款决定书被撤销一份");
    assert_eq!(world.correct(CENTRE, request.clone()).await.expect("corrected"), 1);
    assert_eq!(world.correct(CENTRE, request).await.expect("told again"), 1);
    world.correct(CENTRE, correction(township(), "", 11, 30, "漏录一处公告")).await.expect("corrected");

    let draft = world.draft(CENTRE, township()).await.expect("a draft");
    assert_eq!(total(draft.own.as_ref(), FINE), 500_000, "the computed figure is as it was");
    assert_eq!(total(draft.figures.as_ref(), FINE), 300_000);
    assert_eq!(total(draft.figures.as_ref(), 11), 30);
    let reasons: Vec<&str> = draft.corrections.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons, ["漏录一处公告", "罚款决定书被撤销一份"]);
    // The table as computed does not know of it.
    assert_eq!(world.table(township(), NOVEMBER).await.total.expect("a total").values[FINE - 1], 500_000);

    world.file(CENTRE, township()).await;
    world.correct(CENTRE, correction(township(), "", 11, 0, "")).await.expect("removed");
    assert_eq!(world.differences(township()).await, (1, vec![(String::new(), 11, 30, 0)]));
}

#[tokio::test]
async fn an_office_s_table_is_what_its_units_filed_and_what_the_others_come_to() {
    let world = World::start().await;
    let handed_up = Case::open(2, "HC-2").measure(EMERGENCY, "m1", NOON, fine(7_000_000));
    let of_the_office = Case::open(3, "MI-1").measure(OFFICE, "m1", NOON, fine(90_000));
    for case in [fined(1, 500_000), handed_up, of_the_office] {
        world.tell(&case.told).await;
    }
    world.december(2, "09:00:00");
    let figures = async |caller, unit| total(world.draft(caller, unit).await.expect("a draft").figures.as_ref(), FINE);
    assert_eq!(figures(COUNTY_OFFICE, county()).await, 7_590_000);

    let reason = "票据重复";
    world.correct(CENTRE, correction(township(), "fire-safety", 4, -100_000, reason)).await.expect("corrected");
    assert_eq!(figures(COUNTY_OFFICE, county()).await, 7_590_000, "a draft of a unit is not its word yet");
    world.file(CENTRE, township()).await;
    assert_eq!(figures(COUNTY_OFFICE, county()).await, 7_490_000);

    // Computed later, but not filed: it is not in the office's table.
    world.tell(&fined(4, 1_000_000).told).await;
    assert_eq!(figures(COUNTY_OFFICE, county()).await, 7_490_000);
    let draft = world.draft(COUNTY_OFFICE, county()).await.expect("a draft");
    assert_eq!(total(draft.own.as_ref(), FINE), 90_000);
    assert_eq!(total(draft.from_units.as_ref(), FINE), 7_400_000);
    let filed: Vec<(&str, u32)> = draft
        .units
        .iter()
        .map(|one| (one.unit_name.as_str(), one.version))
        .filter(|(_, version)| *version > 0)
        .collect();
    assert_eq!(filed, [("兰山区兰山街道", 1)], "the others enter as computed, and are named");

    assert_eq!(figures(CITY_OFFICE, city()).await, 7_490_000);
    world.file(COUNTY_OFFICE, county()).await;
    world.file(EMERGENCY_POST, department()).await;
    world.file(CENTRE, township()).await;
    assert_eq!(figures(COUNTY_OFFICE, county()).await, 8_490_000, "what was filed since is in the next version");
    assert_eq!(figures(CITY_OFFICE, city()).await, 7_490_000, "the county is as its office filed it");
}

#[tokio::test]
async fn an_office_sees_who_has_filed_who_is_late_and_who_is_missing() {
    let world = World::start().await;
    world.december(3, "23:59:59.999999");
    world.file(CENTRE, township()).await;
    let open = || FilingState::Open;
    let names = ["兰山区兰山街道", "兰山区银雀山街道", "兰山区公安部门", "兰山区应急管理部门"];
    let mut all = world.standings(county(), &[]).await;
    all.sort_by_key(|(name, _)| names.iter().position(|known| known == name));
    let of = |states: [FilingState; 4]| names.map(str::to_owned).into_iter().zip(states).collect::<Vec<_>>();
    assert_eq!(all, of([FilingState::Filed, open(), open(), open()]));

    // 24:00 of the 3rd.
    world.december(4, "00:00:00");
    world.file(EMERGENCY_POST, department()).await;
    let late = [("兰山区应急管理部门".to_owned(), FilingState::Late)];
    assert_eq!(world.standings(county(), &[FilingState::Late]).await, late);
    let missing = world.standings(county(), &[FilingState::Missing]).await;
    assert_eq!(missing.len(), 2, "{missing:?}");
    // County offices have a day more, and the city's one more.
    let offices = world.standings(city(), &[]).await;
    assert!(
        offices.iter().filter(|(name, _)| name.ends_with("办公室")).all(|(_, state)| *state == open()),
        "{offices:?}"
    );
}

#[tokio::test]
async fn the_bus_is_told_of_every_version_and_the_chain_of_them_holds() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    world.file(CENTRE, township()).await;
    world.tell(&fined(1, 500_000).told).await;
    world.file(CENTRE, township()).await;
    let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT subject, sequence, payload FROM event_log WHERE stream = 'DAFEI_REPORTING' ORDER BY position",
    )
    .fetch_all(&world.db.pool)
    .await
    .expect("the log");
    let mut head = String::new();
    for (number, (subject, sequence, payload)) in (1..).zip(&rows) {
        assert_eq!((subject.as_str(), *sequence), ("dafei.v1.reporting.township.371302001.table-filed", number));
        let event = dafei_contracts::Event::from_json("dafei.events.v1.TableFiled", payload).expect("JSON");
        let Some(dafei_contracts::Event::TableFiled(events::TableFiled { meta, month, version, .. })) = event else {
            panic!("it tells of a table");
        };
        assert_eq!((month.as_str(), i64::from(version)), (NOVEMBER, number));
        assert_eq!(meta.expect("meta").chain_head, head);
        head = dafei_contracts::chain::next_head(&head, payload);
    }
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn a_filed_version_is_printed_with_its_own_figures_whatever_came_later() {
    let world = World::start().await;
    world.tell(&fined(1, 500_000).told).await;
    world.december(2, "09:00:00");
    world.file(CENTRE, township()).await;
    world.tell(&fined(2, 300_000).told).await;
    let page = async |version| {
        let request = ExportMonthlyTableRequest { version, ..asked(township(), TableFormat::Html) };
        export(&world, CITY_OFFICE, request).await.expect("a file")
    };
    let (filed, computed) = (page(1).await, page(0).await);
    let text = |file: &ExportMonthlyTableResponse| String::from_utf8(file.content.to_vec()).expect("a page");
    assert!(text(&filed).contains("0.50") && !text(&filed).contains("0.80"));
    assert!(text(&computed).contains("0.80") && !text(&computed).contains("0.50"));
    assert!(filed.file_name.contains("第1版") && text(&filed).contains("2026年12月2日"), "{}", filed.file_name);
}
