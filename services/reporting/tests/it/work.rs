//! The monthly work ledger of grid chiefs and members (clause F6).

use dafei_contracts::{
    Event,
    events::v1 as ev,
    reporting::v1::{
        ExportWorkRequest, ListRatesRequest, ListWorkRequest, WorkLine,
        work_ledger_service_client::WorkLedgerServiceClient,
    },
};
use dafei_kernel::{agency::Agency, ids, role::Role};
use dafei_reporting::consumer;
use tonic::{Code, Status, transport::Channel};

use crate::{
    events::{By, CENTRE as CENTRE_POST, SECRETARY, Told, at, meta, post, region, told},
    file::{Value, sheet},
    filing::{CENTRE, COUNTY_OFFICE, NOVEMBER},
    filing_refused::is,
    world::{CITY_OFFICE, Caller, World},
};

const TOWNSHIP: &str = "city:371300/county:371302/township:371302001";
const ONE: &str = "village:371302001001";
const TWO: &str = "village:371302001002";
const MEMBER: By = By("grid-member", ONE, "");
const NOON: &str = "2026-11-20T12:00:00+08:00";

fn village(code: &'static str, name: &str, persons: &[(&'static str, &str)]) -> Told {
    village_in(TOWNSHIP, code, name, persons)
}

/// A village of the township that a path leads to, with its chief and members.
pub(crate) fn village_in(path: &str, code: &'static str, name: &str, persons: &[(&'static str, &str)]) -> Told {
    let township = path.rsplit('/').next().expect("a township");
    let aggregate = ids::derived(&["roster", code]);
    let holder = |(role, person): &(&'static str, &str)| ev::RosterHolder {
        post: Some(post(By(role, code, ""))),
        person: (*person).to_owned(),
        valid_from: Some(at("2020-06-20T00:00:00+08:00").into()),
        valid_until: None,
    };
    let event = ev::RosterSnapshot {
        meta: Some(meta(aggregate, 1, &format!("{path}/{code}"))),
        region: Some(region(code)),
        regions: vec![ev::RosterRegion {
            region: Some(region(code)),
            name: name.to_owned(),
            parent: Some(region(township)),
            work_area: String::new(),
            households: 0,
        }],
        holders: persons.iter().map(holder).collect(),
        enterprises: Vec::new(),
    };
    told("intake", aggregate, 1, event.into())
}

fn roster() -> [Told; 2] {
    let (chief, member) = ("village-secretary", "grid-member");
    [
        village(ONE, "东村", &[(chief, "王书记"), (member, "李四"), (member, "赵六")]),
        village(TWO, "西村", &[(chief, "孙书记"), (member, "周七")]),
    ]
}

/// An event of a village's post: by whom, and the person that it names.
fn act(number: u32, code: &str, by: By, person: &str, event: impl Into<Event>) -> Told {
    let aggregate = ids::derived(&["work", &number.to_string()]);
    let mut event = event.into();
    let path = format!("{TOWNSHIP}/{code}");
    let of = meta(aggregate, 1, &path);
    event.set_meta(ev::EventMeta {
        actor: Some(post(by)),
        person: person.to_owned(),
        received_at: Some(at(NOON).into()),
        ..of
    });
    told("intake", aggregate, 1, event)
}

fn patrols(number: u32, code: &str, by: By, when: &str, items: &[(&str, bool)]) -> Told {
    let item = |(inspector, counts): &(&str, bool)| ev::PatrolItem {
        patrol_id: ids::derived(&["patrol", inspector]).to_string(),
        patrolled_at: Some(at(when).into()),
        counts: *counts,
        inspector: (*inspector).to_owned(),
        ..ev::PatrolItem::default()
    };
    let event =
        ev::PatrolsRecorded { meta: None, village: Some(region(code)), patrols: items.iter().map(item).collect() };
    act(number, code, by, "", event)
}

fn persuasion(number: u32, code: &str, by: By, person: &str) -> Told {
    act(
        number,
        code,
        by,
        person,
        ev::PersuasionRecorded {
            case_id: ids::derived(&["c"]).to_string(),
            outcome: ev::PersuasionOutcome::Heeded.into(),
            ..Default::default()
        },
    )
}

fn broadcast(number: u32, by: By, person: &str, when: &str) -> Told {
    let event = ev::BroadcastMade { village: Some(region(ONE)), made_at: Some(at(when).into()), ..Default::default() };
    act(number, ONE, by, person, event)
}

/// One of everything in 东村, and what must not count.
fn november() -> Vec<Told> {
    let (case_id, when) = (ids::derived(&["c"]).to_string(), Some(at(NOON).into()));
    let report = ev::SuspicionRecorded {
        case_id: case_id.clone(),
        village: Some(region(ONE)),
        found_at: when,
        ..Default::default()
    };
    let help = ev::HelpGiven { case_id: case_id.clone(), helped_at: when, ..Default::default() };
    let notice = ev::NoticePosted {
        village: Some(region(ONE)),
        notice_id: case_id.clone(),
        kind: ev::NoticeKind::Reward.into(),
        copies: 30,
        posted_at: when,
        ..Default::default()
    };
    let leaflets = ev::LeafletsDistributed {
        village: Some(region(ONE)),
        distribution_id: case_id.clone(),
        copies: 500,
        distributed_at: when,
        ..Default::default()
    };
    vec![
        patrols(1, ONE, MEMBER, NOON, &[("李四", true), ("李四", true), ("赵六", true), ("外人", true)]),
        patrols(2, ONE, By("work-area-secretary", "work-area:371302001-east", ""), NOON, &[("陈书记", false)]),
        act(3, ONE, MEMBER, "李四", report),
        persuasion(4, ONE, SECRETARY, "王书记"),
        act(5, ONE, SECRETARY, "", ev::RevisitRecorded { case_id: case_id.clone(), ..Default::default() }),
        act(6, ONE, MEMBER, "", help),
        act(7, ONE, MEMBER, "赵六", notice),
        act(8, ONE, MEMBER, "赵六", leaflets),
        broadcast(9, SECRETARY, "王书记", NOON),
        act(10, ONE, SECRETARY, "王书记", ev::ResultPublished { case_id, ..Default::default() }),
        broadcast(11, SECRETARY, "王书记", "2026-10-31T23:59:59+08:00"),
        broadcast(12, CENTRE_POST, "", NOON),
        patrols(13, TWO, By("grid-member", TWO, ""), NOON, &[("", true)]),
    ]
}

impl World {
    fn ledger(&self) -> WorkLedgerServiceClient<Channel> {
        WorkLedgerServiceClient::new(self.channel.clone())
    }

    async fn work(&self, caller: Caller<'_>, of: &str, month: &str, size: i32) -> Result<Vec<WorkLine>, Status> {
        let mut request = ListWorkRequest {
            region: Some(region(of)),
            month: month.to_owned(),
            page_size: size,
            page_token: String::new(),
        };
        let mut all = Vec::new();
        loop {
            let page = self.ledger().list_work(self.request(caller, request.clone())).await?.into_inner();
            all.extend(page.lines);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }
}

async fn start() -> World {
    let world = World::start().await;
    world.tell(&roster()).await;
    world.tell(&november()).await;
    world
}

/// Village, person, whether in the roster, counts, total.
fn shown(lines: &[WorkLine]) -> Vec<(&str, &str, bool, Vec<i64>, i64)> {
    let counts = |line: &WorkLine| line.work.iter().map(|work| work.count).collect();
    lines
        .iter()
        .map(|line| (line.village_name.as_str(), line.person.as_str(), line.in_roster, counts(line), line.total_fen))
        .collect()
}

#[tokio::test]
async fn each_person_has_a_line_with_what_was_done_and_what_it_earns() {
    let world = start().await;
    let lines = world.work(COUNTY_OFFICE, "county:371302", NOVEMBER, 0).await.expect("a ledger");
    // Patrol, report, persuasion, revisit, help, notice, broadcast, leaflet, publication.
    let mut expected = vec![
        ("东村", "王书记", true, vec![0, 0, 1, 1, 0, 0, 1, 0, 1], 20_000 + 1_000 + 1_000 + 500 + 500),
        ("东村", "", false, vec![0, 0, 0, 0, 1, 0, 0, 0, 0], 0),
        ("东村", "外人", false, vec![1, 0, 0, 0, 0, 0, 0, 0, 0], 0),
        ("东村", "李四", true, vec![2, 1, 0, 0, 0, 0, 0, 0, 0], 10_000 + 2 * 500 + 2_000),
        ("东村", "赵六", true, vec![1, 0, 0, 0, 0, 1, 0, 1, 0], 10_000 + 500 + 200 + 500),
        ("西村", "孙书记", true, vec![0; 9], 20_000),
        ("西村", "周七", true, vec![1, 0, 0, 0, 0, 0, 0, 0, 0], 10_500),
    ];
    expected[1..5].sort_by_key(|line| line.1);
    assert_eq!(shown(&lines), expected);
    for size in [1, 2, 3, 7] {
        assert_eq!(world.work(COUNTY_OFFICE, "county:371302", NOVEMBER, size).await.expect("pages"), lines, "{size}");
    }
    let october = world.work(CENTRE, "township:371302001", "2026-10", 0).await.expect("a ledger");
    assert_eq!(
        october.iter().flat_map(|line| &line.work).map(|work| work.count).sum::<i64>(),
        1,
        "the month is the act's"
    );
}

#[tokio::test]
async fn a_rebuilt_ledger_is_the_same_and_an_event_told_twice_counts_once() {
    let world = start().await;
    let before = world.work(CITY_OFFICE, "county:371302", NOVEMBER, 0).await.expect("a ledger");
    world.tell(&november()[..3]).await;
    assert_eq!(world.work(CITY_OFFICE, "county:371302", NOVEMBER, 0).await.expect("a ledger"), before);
    consumer::rebuild(&world.db.pool).await.expect("forgotten");
    world.watermarks().await;
    world.read_again().await;
    assert_eq!(world.work(CITY_OFFICE, "county:371302", NOVEMBER, 0).await.expect("a ledger"), before);
}

#[tokio::test]
async fn the_ledger_is_read_by_those_who_pay_and_a_chief_reads_his_village_s() {
    let world = start().await;
    let secretary = (Role::VillageSecretary, ONE, None);
    assert_eq!(world.work(secretary, ONE, NOVEMBER, 0).await.expect("his own").len(), 5);
    let cases: [(Caller<'_>, &str, &str); 6] = [
        (secretary, TWO, "OUT_OF_SCOPE"),
        (secretary, "township:371302001", "OUT_OF_SCOPE"),
        ((Role::GridMember, ONE, None), ONE, "ROLE_NOT_ALLOWED"),
        ((Role::CountyOffice, "county:371371", None), "county:371302", "OUT_OF_SCOPE"),
        ((Role::CountyDepartment, "county:371302", Some(Agency::EmergencyManagement)), ONE, "ROLE_NOT_ALLOWED"),
        ((Role::HotlineClerk, "county:371302", None), ONE, "ROLE_NOT_ALLOWED"),
    ];
    for (caller, of, reason) in cases {
        is(&world.work(caller, of, NOVEMBER, 0).await.expect_err(reason), Code::PermissionDenied, "", reason);
    }
    let cases = [
        ("city:371300", NOVEMBER, 0, "region", "WRONG_LEVEL"),
        ("village:371302001099", NOVEMBER, 0, "region", "UNKNOWN_REGION"),
        ("county:371302", "2027-01", 0, "month", "MONTH_IN_FUTURE"),
        ("county:371302", "", 0, "month", "REQUIRED"),
        ("county:371302", NOVEMBER, -1, "page_size", "INVALID_PAGE_SIZE"),
    ];
    for (of, month, size, field, reason) in cases {
        let refused = world.work(CITY_OFFICE, of, month, size).await.expect_err(reason);
        is(&refused, Code::InvalidArgument, field, reason);
    }
    let rates =
        world.ledger().list_rates(world.request(CENTRE, ListRatesRequest {})).await.expect("rates").into_inner();
    let (patrol, all) = (&rates.rates[0], rates.rates.len());
    assert_eq!(
        (patrol.work.as_str(), patrol.name.as_str(), patrol.fen, patrol.monthly_limit),
        ("patrol", "巡查", 500, 20)
    );
    assert_eq!((rates.chief_base_fen, rates.member_base_fen, all), (20_000, 10_000, 9));
}

#[tokio::test]
async fn every_figure_of_the_ledger_stands_in_the_workbook() {
    let world = start().await;
    let lines = world.work(COUNTY_OFFICE, "township:371302001", NOVEMBER, 0).await.expect("a ledger");
    let request = ExportWorkRequest { region: Some(region("township:371302001")), month: NOVEMBER.to_owned() };
    let file =
        world.ledger().export_work(world.request(COUNTY_OFFICE, request.clone())).await.expect("a file").into_inner();
    assert_eq!(file.file_name, "兰山街道 2026年11月 网格长、网格员工作台账及补贴表.xlsx");
    let sheet = sheet(&file.content);
    assert_eq!((sheet.text("A1"), sheet.text("A2")), ("网格长、网格员工作台账及补贴表", "（2026年11月）"));
    assert!(sheet.text("A3").contains("制表时间：2026年11月30日") && sheet.text("A3").contains("2020-06-20"));
    assert_eq!((sheet.text("A4"), sheet.text("E4"), sheet.text("P4")), ("村居", "巡查\n(次)", "合计\n(元)"));
    let cell = |column: usize, row: usize| {
        let place = format!("{}{row}", char::from(b'A' + u8::try_from(column).expect("small")));
        match sheet.cells[&place].value {
            Value::Number(number) => number,
            ref other => panic!("no number at {place}: {other:?}"),
        }
    };
    let yuan = |fen: i64| format!("{}.{:02}", fen / 100, fen % 100).parse::<f64>().expect("a number");
    for (at, line) in lines.iter().enumerate() {
        let row = at + 5;
        assert_eq!(sheet.text(&format!("A{row}")), line.village_name);
        let name = if line.person.is_empty() { "（未认定）" } else { &line.person };
        assert_eq!(sheet.text(&format!("C{row}")), name);
        for (kind, work) in line.work.iter().enumerate() {
            assert_eq!(cell(4 + kind, row).to_string(), work.count.to_string());
        }
        let pieces: i64 = line.work.iter().map(|work| work.fen).sum();
        let money = [pieces, line.base_fen, line.total_fen].map(yuan);
        assert_eq!([13, 14, 15].map(|column| cell(column, row)), money, "{}", line.person);
    }
    let (sum, last) = (lines.iter().map(|line| line.total_fen).sum(), lines.len() + 5);
    assert_eq!((sheet.text(&format!("A{last}")), cell(15, last)), ("合计", yuan(sum)));
    let patrols: i64 = lines.iter().map(|line| line.work[0].count).sum();
    assert_eq!(cell(4, last).to_string(), patrols.to_string());
    let paper =
        ["paperSize", "orientation", "fitToHeight"].map(|name| sheet.attribute("pageSetup", name).unwrap_or_default());
    assert_eq!(paper, ["9", "landscape", "0"]);
    assert!(sheet.workbook.contains("'2026年11月'!$4:$4"), "the head is on each page: {}", sheet.workbook);

    let request = ExportWorkRequest { region: Some(region(ONE)), ..request };
    let refused = world.ledger().export_work(world.request(COUNTY_OFFICE, request)).await.expect_err("of a village");
    is(&refused, Code::InvalidArgument, "region", "WRONG_LEVEL");
}
