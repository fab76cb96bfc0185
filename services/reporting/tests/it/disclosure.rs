//! What the public reads, without a token: exposed cases (clause F4) and released tables (clause F5).

use dafei_contracts::{
    Event,
    events::v1::{self as ev, TipVerdict},
    reporting::v1::{
        Exposure, FilingUnit, GetReleasedTableRequest, GetReleasedTableResponse, ListExposuresRequest,
        ListReleasedTablesRequest, ReleaseTableRequest, ReleasedRow, ReleasedTable,
        disclosure_service_client::DisclosureServiceClient, release_service_client::ReleaseServiceClient,
    },
};
use dafei_kernel::{agency::Agency, ids, role::Role};
use dafei_reporting::consumer;
use prost::Message as _;
use tonic::{Status, transport::Channel};

use crate::{
    events::{CENTRE as CENTRE_POST, Case, EMERGENCY, POLICE_STATION, at, fine, meta, region},
    filing::{CENTRE, COUNTY_OFFICE, NOVEMBER, city, correction, county, department, id, township},
    world::{CITY_OFFICE, Caller, World, unit},
};

const NOON: &str = "2026-11-12T12:00:00+08:00";
const VILLAGE: &str = "city:371300/county:371302/township:371302001/village:371302001001";

impl World {
    pub(crate) fn public(&self) -> DisclosureServiceClient<Channel> {
        DisclosureServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn release(
        &self,
        caller: Caller<'_>,
        of: FilingUnit,
        version: u32,
    ) -> Result<ReleasedTable, Status> {
        self.try_release(caller, releasing(of, version)).await
    }

    pub(crate) async fn try_release(
        &self,
        caller: Caller<'_>,
        request: ReleaseTableRequest,
    ) -> Result<ReleasedTable, Status> {
        let mut client = ReleaseServiceClient::new(self.channel.clone());
        let answer = client.release_table(self.request(caller, request)).await?.into_inner();
        Ok(answer.table.expect("what was released"))
    }

    pub(crate) async fn released(&self, of: FilingUnit) -> Result<GetReleasedTableResponse, Status> {
        let request = GetReleasedTableRequest { unit: Some(of), month: NOVEMBER.to_owned() };
        Ok(self.public().get_released_table(request).await?.into_inner())
    }

    async fn exposures(&self, request: ListExposuresRequest) -> Vec<Exposure> {
        let mut request = ListExposuresRequest { page_size: 2, ..request };
        let mut all = Vec::new();
        loop {
            let page = self.public().list_exposures(request.clone()).await.expect("a page").into_inner();
            assert!(page.exposures.len() <= 2);
            all.extend(page.exposures);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn released_tables(&self, request: ListReleasedTablesRequest) -> Vec<(String, u32)> {
        let mut request = ListReleasedTablesRequest { page_size: 1, ..request };
        let mut all = Vec::new();
        loop {
            let page = self.public().list_released_tables(request.clone()).await.expect("a page").into_inner();
            all.extend(page.tables.into_iter().map(|table| (table.unit_name, table.version)));
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }
}

pub(crate) fn releasing(of: FilingUnit, version: u32) -> ReleaseTableRequest {
    ReleaseTableRequest { request_id: id(), unit: Some(of), month: NOVEMBER.to_owned(), version }
}

impl Case {
    /// Exposed with a text at an instant; an empty text takes it back.
    pub(crate) fn exposed(mut self, path: &str, text: &str, when: &str) -> Self {
        self.tell(ev::CaseExposed {
            meta: None,
            case_id: self.id.to_string(),
            tier: ev::Tier::County.into(),
            public_text: text.to_owned(),
            retracted: text.is_empty(),
            sector: "fire-safety".to_owned(),
        });
        let (aggregate, told) = (self.id, self.told.last_mut().expect("it was told"));
        let received_at = Some(at(when).into());
        told.event.set_meta(ev::EventMeta { received_at, ..meta(aggregate, told.sequence, path) });
        self
    }
}

fn texts(exposures: &[Exposure]) -> Vec<&str> {
    exposures.iter().map(|exposure| exposure.public_text.as_str()).collect()
}

#[tokio::test]
async fn exposed_cases_are_listed_by_day_and_the_last_word_on_a_case_holds() {
    let world = World::start().await;
    let zone = "city:371300/county:371371/township:371311004";
    let one = Case::open(1, "FS-2").exposed(VILLAGE, "甲厂", "2026-11-20T10:00:00+08:00");
    let two = Case::open_in(2, "FS-2", zone).exposed(zone, "乙窝点", "2026-11-22T23:59:00+08:00");
    let three = Case::open(3, "FS-2").exposed(VILLAGE, "丙厂", "2026-11-21T10:00:00+08:00");
    let gone = Case::open(4, "FS-2").exposed(VILLAGE, "误", "2026-11-21T10:00:00+08:00").exposed(
        VILLAGE,
        "",
        "2026-11-21T11:00:00+08:00",
    );
    let again = Case::open(5, "FS-2")
        .exposed(VILLAGE, "丁", "2026-11-21T10:00:00+08:00")
        .exposed(VILLAGE, "", "2026-11-21T11:00:00+08:00")
        .exposed(VILLAGE, "丁（更正）", "2026-11-23T10:00:00+08:00");
    for case in [&one, &two, &three, &gone, &again] {
        world.tell(&case.told).await;
    }
    let all = world.exposures(ListExposuresRequest::default()).await;
    assert_eq!(texts(&all), ["丁（更正）", "乙窝点", "丙厂", "甲厂"]);
    let of = |text: &str| ListExposuresRequest { region: Some(region(text)), ..ListExposuresRequest::default() };
    assert_eq!(texts(&world.exposures(of("county:371371")).await), ["乙窝点"]);
    assert_eq!(world.exposures(of("city:371300")).await.len(), 4);
    let by = |sector: &str| ListExposuresRequest { sector: sector.to_owned(), ..ListExposuresRequest::default() };
    assert_eq!(world.exposures(by("fire-safety")).await.len(), 4);
    assert!(world.exposures(by("mines")).await.is_empty());

    consumer::rebuild(&world.db.pool).await.expect("forgotten");
    world.watermarks().await;
    world.read_again().await;
    assert_eq!(world.exposures(ListExposuresRequest::default()).await, all, "made again, it is the same");
}

#[tokio::test]
async fn the_public_reads_the_promised_fields_of_an_exposure_and_nothing_else() {
    let world = World::start().await;
    let case = Case::open(1, "FS-2").exposed(VILLAGE, "某加油点被取缔", "2026-11-20T23:30:00+08:00");
    world.tell(&case.told).await;
    let page = world.public().list_exposures(ListExposuresRequest::default()).await.expect("a page").into_inner();
    let shown = page.exposures[0].clone();
    let event = case.told.last().expect("it was told").event_id;
    let promised = Exposure {
        exposure_id: ids::derived(&["exposure", &case.id.to_string(), &event.to_string()]).to_string(),
        public_text: "某加油点被取缔".to_owned(),
        region: Some(region("county:371302")),
        region_name: "兰山区".to_owned(),
        sector: "fire-safety".to_owned(),
        day: "2026-11-20".to_owned(),
    };
    assert_eq!(page.exposures, [promised]);
    assert_ne!(shown.exposure_id, case.id.to_string());
    let bytes = String::from_utf8_lossy(&page.encode_to_vec()).into_owned();
    for secret in [&case.id.to_string(), "371302001", "兰山街道", "23:30", "15:30", &event.to_string()] {
        assert!(!bytes.contains(secret), "{secret}");
    }
}

/// Tips that a township verified, each in a case of its own.
fn verified(numbers: std::ops::Range<u32>) -> Vec<Case> {
    let tip = |number: u32| ids::derived(&["tip", &number.to_string()]);
    numbers
        .map(|number| Case::open(number, "FS-2").verified(CENTRE_POST, tip(number), TipVerdict::True, NOON))
        .collect()
}

const EMERGENCY_POST: Caller<'static> = (Role::CountyDepartment, "county:371302", Some(Agency::EmergencyManagement));

fn totals(table: &GetReleasedTableResponse) -> Vec<&str> {
    table.total.as_ref().expect("a total").texts.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_released_table_stays_as_it_was_until_a_newer_version_is_released() {
    let world = World::start().await;
    world.tell(&Case::open(1, "FS-2").measure(POLICE_STATION, "m1", NOON, fine(50_000_000)).told).await;
    for case in verified(2..4) {
        world.tell(&case.told).await;
    }
    world.december(5, "09:00:00");
    world.file(CENTRE, township()).await;
    world.file(COUNTY_OFFICE, county()).await;
    let request = releasing(county(), 1);
    let first = world.try_release(COUNTY_OFFICE, request.clone()).await.expect("released");
    assert_eq!(world.try_release(COUNTY_OFFICE, request).await.expect("told again"), first);
    assert_eq!((first.unit_name.as_str(), first.version), ("兰山区安委会办公室", 1));
    let shown = world.released(county()).await.expect("it is public");
    assert_eq!(
        totals(&shown),
        ["0", "0", "0", "50.00", "*", "*", "0", "*", "0", "0", "0", "0"],
        "two tips are too few"
    );

    world.tell(&verified(4..6).iter().flat_map(|case| case.told.clone()).collect::<Vec<_>>()).await;
    assert_eq!(world.released(county()).await.expect("it is public"), shown, "later facts change nothing");
    world.file(CENTRE, township()).await;
    world.file(COUNTY_OFFICE, county()).await;
    assert_eq!(world.released(county()).await.expect("it is public"), shown, "nor does a version that is only filed");
    world.release(COUNTY_OFFICE, county(), 2).await.expect("a newer one");
    let shown = world.released(county()).await.expect("it is public");
    assert_eq!(totals(&shown), ["0", "0", "0", "50.00", "*", "4", "0", "*", "0", "0", "0", "0"]);
    assert_eq!(shown.table.expect("which").version, 2);
}

#[tokio::test]
async fn what_is_released_of_a_county_its_townships_and_the_city_gives_no_small_cell_away() {
    let world = World::start().await;
    for case in verified(1..5) {
        world.tell(&case.told).await;
    }
    let tip = ids::derived(&["tip", "by the department"]);
    world.tell(&Case::open(9, "HC-2").verified(EMERGENCY, tip, TipVerdict::False, NOON).told).await;
    world.december(5, "09:00:00");
    world.file(CENTRE, township()).await;
    world.file(EMERGENCY_POST, department()).await;
    world.file(COUNTY_OFFICE, county()).await;
    world.file(CITY_OFFICE, city()).await;
    for (by, of) in
        [(COUNTY_OFFICE, township()), (COUNTY_OFFICE, department()), (COUNTY_OFFICE, county()), (CITY_OFFICE, city())]
    {
        world.release(by, of, 1).await.expect("released");
    }
    let tips = async |of: FilingUnit| {
        let shown = world.released(of).await.expect("it is public");
        let text = |row: &ReleasedRow| row.texts[5].clone();
        let rows: Vec<String> = shown.rows.iter().chain(shown.without_sector.as_ref()).map(text).collect();
        assert!(rows.iter().all(|text| text == "*"), "{rows:?}");
        shown.total.as_ref().map(text).expect("a total")
    };
    assert_eq!(tips(county()).await, "5", "the only figure");
    for of in [township(), department(), city()] {
        assert_eq!(tips(of.clone()).await, "*", "5 - 4 would be the department's one: {of:?}");
    }
    let tables = |region: Option<&str>, month: &str| ListReleasedTablesRequest {
        region: region.map(self::region),
        month: month.to_owned(),
        ..ListReleasedTablesRequest::default()
    };
    let all = world.released_tables(tables(None, "")).await;
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["临沂市安委会办公室", "兰山区应急管理部门", "兰山区安委会办公室", "兰山区兰山街道"]);
    assert_eq!(world.released_tables(tables(Some("county:371302"), NOVEMBER)).await.len(), 3);
    assert_eq!(world.released_tables(tables(Some("township:371302001"), "")).await.len(), 1);
    assert!(world.released_tables(tables(Some("county:371371"), "")).await.is_empty());
    assert!(world.released_tables(tables(None, "2026-10")).await.is_empty());
}

#[tokio::test]
async fn the_public_reads_the_promised_fields_of_a_table_and_nothing_of_how_it_was_filed() {
    let world = World::start().await;
    world.tell(&verified(1..2)[0].told).await;
    world.december(2, "09:00:00");
    world.correct(CENTRE, correction(township(), "", 11, 30, "漏录一处公告")).await.expect("corrected");
    let filed = world.file(CENTRE, township()).await;
    let released = world.release(COUNTY_OFFICE, township(), 1).await.expect("released");
    let shown = world.released(township()).await.expect("it is public");
    let open = |column: usize| {
        if column == 11 {
            "30"
        } else if column == 4 {
            "0.00"
        } else {
            "0"
        }
    };
    let hidden = |column: usize| matches!(column, 5 | 6 | 8);
    let texts = |of: &dyn Fn(usize) -> &'static str| {
        (1..=12).map(|column| if hidden(column) { "*" } else { of(column) }.to_owned()).collect::<Vec<_>>()
    };
    let nothing = |column| if column == 4 { "0.00" } else { "0" };
    let row = |sector: &str, name: &str, texts| ReleasedRow { sector: sector.to_owned(), name: name.to_owned(), texts };
    let figures = filed.draft.as_ref().and_then(|draft| draft.figures.as_ref()).expect("figures");
    let promised = GetReleasedTableResponse {
        table: Some(ReleasedTable {
            unit: Some(township()),
            unit_name: "兰山区兰山街道".to_owned(),
            month: NOVEMBER.to_owned(),
            version: 1,
            released_at: Some(at("2026-12-02T09:00:00+08:00").into()),
        }),
        rows: figures.rows.iter().map(|of| row(&of.sector, &of.name, texts(&nothing))).collect(),
        total: Some(row("", "合计", texts(&open))),
        without_sector: Some(row("", "未分领域", texts(&open))),
        note: shown.note.clone(),
    };
    assert_eq!(shown, promised);
    assert!(shown.note.contains("“*”"), "{}", shown.note);
    assert_eq!(shown.table, Some(released));
    let bytes = String::from_utf8_lossy(&shown.encode_to_vec()).into_owned();
    for secret in ["漏录", "王填表", filed.sha256.as_str(), "township-centre"] {
        assert!(!bytes.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_bus_is_told_of_every_release_and_the_chain_of_them_holds() {
    let world = World::start().await;
    world.december(2, "09:00:00");
    world.file(CENTRE, township()).await;
    world.release(COUNTY_OFFICE, township(), 1).await.expect("released");
    world.tell(&verified(1..2)[0].told).await;
    world.file(CENTRE, township()).await;
    world.release(COUNTY_OFFICE, township(), 2).await.expect("released");
    let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
        "SELECT subject, payload FROM event_log WHERE event_type = 'dafei.events.v1.TableReleased' ORDER BY position",
    )
    .fetch_all(&world.db.pool)
    .await
    .expect("the log");
    let mut head = String::new();
    for (number, (subject, payload)) in (1..).zip(&rows) {
        assert_eq!(subject, "dafei.v1.reporting.township.371302001.table-released");
        let event = Event::from_json("dafei.events.v1.TableReleased", payload).expect("JSON");
        let Some(Event::TableReleased(ev::TableReleased { meta, version, month, .. })) = event else {
            panic!("it tells of a release");
        };
        let meta = meta.expect("meta");
        assert_eq!((version, month.as_str(), meta.sequence), (number, NOVEMBER, i64::from(number)));
        assert_eq!(meta.actor.expect("an actor").role, "county-office");
        assert_eq!(meta.chain_head, head);
        head = dafei_contracts::chain::next_head(&head, payload);
    }
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn the_public_needs_no_token_and_a_release_does() {
    let world = World::start().await;
    world.public().list_released_tables(ListReleasedTablesRequest::default()).await.expect("nothing yet");
    let mut client = ReleaseServiceClient::new(world.channel.clone());
    let request = releasing(unit("township", "township:371302001", ""), 1);
    let refused = client.release_table(request).await.expect_err("nobody");
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}
