//! What the tables say.

use dafei_contracts::reporting::v1::ListCellFactsRequest;

use crate::{
    events::{
        CITY_EMERGENCY, Case, EMERGENCY, OFFICE, POLICE, POLICE_STATION, ZONE_STATION, close, criminal, fine, stop,
    },
    world::{CITY_OFFICE, World, row, total, unit, value},
};

const NOVEMBER: &str = "2026-11";
const NOON: &str = "2026-11-12T12:00:00+08:00";
const FACTORY: &str = "91371302MA3C000015";

fn township() -> dafei_contracts::reporting::v1::FilingUnit {
    unit("township", "township:371302001", "")
}

fn department(agency: &str) -> dafei_contracts::reporting::v1::FilingUnit {
    unit("county-department", "county:371302", agency)
}

fn county(code: &str) -> dafei_contracts::reporting::v1::FilingUnit {
    unit("county-office", &format!("county:{code}"), "")
}

fn city() -> dafei_contracts::reporting::v1::FilingUnit {
    unit("city-office", "city:371300", "")
}

#[tokio::test]
async fn each_tier_files_what_it_did_and_the_tiers_above_are_sums() {
    let world = World::start().await;
    let own = Case::open(1, "FS-2")
        .confirmed(POLICE_STATION, NOON)
        .measure(POLICE_STATION, "m1", NOON, fine(500_000))
        .measure(POLICE_STATION, "m2", NOON, close());
    let handed_up = Case::open(2, "HC-2")
        .confirmed(EMERGENCY, NOON)
        .measure(EMERGENCY, "m1", NOON, fine(12_345_678))
        .led_measure(POLICE, Some(EMERGENCY), "m2", NOON, criminal(3))
        .measure(EMERGENCY, "m3", NOON, close());
    let of_the_office = Case::open(3, "MI-1").confirmed(OFFICE, NOON);
    let of_the_city = Case::open(4, "HC-2").confirmed(CITY_EMERGENCY, NOON);
    let in_the_zone =
        Case::open_in(5, "CE-1", "city:371300/county:371371/township:371311004").confirmed(ZONE_STATION, NOON);
    for case in [own, handed_up, of_the_office, of_the_city, in_the_zone] {
        world.tell(&case.told).await;
    }

    let table = world.table(township(), NOVEMBER).await;
    assert_eq!(table.unit_name, "兰山区兰山街道");
    assert_eq!([total(&table, 2), total(&table, 4), total(&table, 7)], [1, 500_000, 1]);
    assert_eq!(value(row(&table, "fire-safety"), 2), 1);

    let table = world.table(department("emergency-management"), NOVEMBER).await;
    assert_eq!(table.unit_name, "兰山区应急管理部门");
    assert_eq!([total(&table, 2), total(&table, 4), total(&table, 5), total(&table, 7)], [1, 12_345_678, 3, 1]);
    assert_eq!(row(&table, "hazardous-chemicals").texts[3], "12.35");
    assert_eq!(total(&world.table(department("public-security"), NOVEMBER).await, 5), 0, "the lead's");

    let table = world.table(county("371302"), NOVEMBER).await;
    assert_eq!(table.unit_name, "兰山区安委会办公室");
    assert_eq!([2, 4, 5, 7].map(|column| total(&table, column)), [3, 12_845_678, 3, 2]);
    // The development zone's township, whatever its code says.
    assert_eq!(total(&world.table(county("371371"), NOVEMBER).await, 2), 1);
    assert_eq!(total(&world.table(county("371311"), NOVEMBER).await, 2), 0);

    let table = world.table(city(), NOVEMBER).await;
    assert_eq!(table.unit_name, "临沂市安委会办公室");
    assert_eq!([2, 4, 5, 7].map(|column| total(&table, column)), [5, 12_845_678, 3, 2]);
    let names: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["烟花爆竹", "危险化学品", "民用爆炸物品", "矿山", "消防", "道路交通", "建筑施工", "特种设备"]);
    for column in 1..=12 {
        let rows: i64 = table.rows.iter().map(|row| value(row, column)).sum();
        assert_eq!(rows + value(table.without_sector.as_ref().expect("a note"), column), total(&table, column));
    }
}

#[tokio::test]
async fn persons_under_criminal_measures_count_at_the_lead_and_fines_at_who_decided_them() {
    let world = World::start().await;
    let led = Case::open(1, "HC-2")
        .led_measure(POLICE, Some(EMERGENCY), "m1", NOON, criminal(3))
        .led_measure(POLICE, Some(EMERGENCY), "m2", NOON, fine(700))
        .measure(EMERGENCY, "m3", NOON, criminal(1));
    // Of before leads were told.
    let before = Case::open(2, "HC-2").led_measure(POLICE, None, "m1", NOON, criminal(2));
    let of_township = Case::open(3, "FS-2").measure(POLICE_STATION, "m1", NOON, criminal(5));
    for case in [led, before, of_township] {
        world.tell(&case.told).await;
    }
    let expected = [
        (department("emergency-management"), [0, 4]),
        (department("public-security"), [700, 2]),
        (township(), [0, 5]),
        (county("371302"), [700, 11]),
    ];
    for (unit, figures) in expected {
        let table = world.table(unit, NOVEMBER).await;
        assert_eq!([4, 5].map(|column| total(&table, column)), figures, "{}", table.unit_name);
    }
}

#[tokio::test]
async fn an_enterprise_counts_once_in_a_unit_sector_and_month_and_the_fact_not_counted_says_so() {
    let world = World::start().await;
    let first =
        Case::open(1, "HC-2").of_enterprise(FACTORY).measure(EMERGENCY, "a", "2026-11-20T00:00:00+08:00", stop());
    let again =
        Case::open(2, "HC-2").of_enterprise(FACTORY).measure(EMERGENCY, "a", "2026-11-05T00:00:00+08:00", stop());
    let next_month =
        Case::open(3, "HC-2").of_enterprise(FACTORY).measure(EMERGENCY, "a", "2026-10-05T00:00:00+08:00", stop());
    let by_others = Case::open(4, "HC-2").of_enterprise(FACTORY).measure(POLICE, "a", NOON, stop());
    for case in [first, again, next_month, by_others] {
        world.tell(&case.told).await;
    }
    assert_eq!(total(&world.table(department("emergency-management"), NOVEMBER).await, 3), 1);
    assert_eq!(total(&world.table(department("emergency-management"), "2026-10").await, 3), 1);
    // Above the leaf units figures are summed.
    assert_eq!(total(&world.table(county("371302"), NOVEMBER).await, 3), 2);

    let request = ListCellFactsRequest {
        unit: Some(department("emergency-management")),
        month: NOVEMBER.to_owned(),
        sector: "hazardous-chemicals".to_owned(),
        column: 3,
        ..ListCellFactsRequest::default()
    };
    let facts = world.facts(request).await.expect("facts").facts;
    let counted: Vec<bool> = facts.iter().map(|fact| fact.counted).collect();
    assert_eq!(counted, [true, false]);
    assert_eq!(facts[0].unit.as_ref().map(|unit| unit.agency.as_str()), Some("emergency-management"));
}

#[tokio::test]
async fn a_cell_opens_page_by_page_to_the_facts_that_made_it() {
    let world = World::start().await;
    let mut fines = 0;
    for number in 1..=5_i64 {
        let when = format!("2026-11-{:02}T10:00:00+08:00", 10 + number % 3);
        let case = Case::open(u32::try_from(number).expect("small"), "HC-2").measure(
            EMERGENCY,
            "f",
            &when,
            fine(number * 100),
        );
        fines += number * 100;
        world.tell(&case.told).await;
    }
    let mut request = ListCellFactsRequest {
        unit: Some(city()),
        month: NOVEMBER.to_owned(),
        column: 4,
        page_size: 2,
        ..ListCellFactsRequest::default()
    };
    for micros in [i64::MAX, i64::MIN] {
        let asked = ListCellFactsRequest { page_size: 0, ..request.clone() };
        let page_token = dafei_shell::paging::encode(&(micros, uuid::Uuid::nil()), &asked);
        let refused = world.facts(ListCellFactsRequest { page_token, ..asked }).await.expect_err("no instant");
        crate::filing_refused::is(&refused, tonic::Code::InvalidArgument, "page_token", "INVALID_PAGE_TOKEN");
    }
    let mut facts = Vec::new();
    loop {
        let page = world.facts(request.clone()).await.expect("a page");
        assert!(page.facts.len() <= 2);
        facts.extend(page.facts);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(facts.len(), 5);
    assert!(facts.windows(2).all(|pair| pair[0].at <= pair[1].at), "oldest first");
    assert_eq!(facts.iter().map(|fact| fact.amount).sum::<i64>(), fines);
    assert_eq!(total(&world.table(city(), NOVEMBER).await, 4), fines);
}

#[tokio::test]
async fn the_month_turns_at_midnight_in_shanghai() {
    let world = World::start().await;
    let case = Case::open(1, "HC-2").measure(EMERGENCY, "last", "2026-10-31T23:59:59.999+08:00", fine(100)).measure(
        EMERGENCY,
        "first",
        "2026-11-01T00:00:00+08:00",
        fine(10_000),
    );
    world.tell(&case.told).await;
    assert_eq!(total(&world.table(county("371302"), "2026-10").await, 4), 100);
    assert_eq!(total(&world.table(county("371302"), NOVEMBER).await, 4), 10_000);
}

#[tokio::test]
async fn a_table_whose_rows_and_totals_do_not_fit_is_an_alarm_and_is_not_shown() {
    let world = World::start().await;
    world.tell(&Case::open(1, "FS-2").confirmed(POLICE_STATION, NOON).told).await;
    assert_eq!(total(&world.table(township(), NOVEMBER).await, 2), 1);
    sqlx::query("UPDATE cell SET value = value + 1").execute(&world.db.pool).await.expect("somebody changed a figure");
    for of in [township(), county("371302"), city()] {
        let refused = world.try_table(CITY_OFFICE, of, NOVEMBER).await.expect_err("it does not cross-foot");
        assert_eq!(refused.code(), tonic::Code::Internal);
    }
    // Other months and units are not concerned.
    assert!(world.try_table(CITY_OFFICE, city(), "2026-10").await.is_ok());
}
