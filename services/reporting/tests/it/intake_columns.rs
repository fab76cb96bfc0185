//! Columns that intake's events fill, and the tips that dispatch verified.

use dafei_contracts::{
    events::v1::{NoticeKind, TipVerdict},
    reporting::v1::{FilingUnit, ListCellFactsRequest},
};
use dafei_kernel::ids;

use crate::{
    events::{CENTRE, CITY_EMERGENCY, Case, EMERGENCY, OFFICE, POLICE_STATION, SECRETARY, close, criminal, fine, stop},
    intake_events::{Book, Inspection, TOWNSHIP, reward_paid},
    world::{World, row, total, unit, value},
};

const NOVEMBER: &str = "2026-11";
const NOON: &str = "2026-11-12T12:00:00+08:00";
const FACTORY: &str = "91371302MA3C000015";
const OTHER: &str = "91350100M000100Y43";

fn township() -> FilingUnit {
    unit("township", "township:371302001", "")
}

fn department() -> FilingUnit {
    unit("county-department", "county:371302", "emergency-management")
}

fn county() -> FilingUnit {
    unit("county-office", "county:371302", "")
}

fn city() -> FilingUnit {
    unit("city-office", "city:371300", "")
}

async fn figures(world: &World, of: FilingUnit, month: &str, columns: [usize; 6]) -> [i64; 6] {
    let table = world.table(of, month).await;
    columns.map(|column| total(&table, column))
}

#[tokio::test]
async fn inspected_enterprises_count_once_at_each_unit_that_inspected_them() {
    let world = World::start().await;
    let inspections = [
        Inspection::of_enterprise(1, EMERGENCY, NOON, FACTORY).told(),
        Inspection::of_enterprise(2, EMERGENCY, "2026-11-20T09:00:00+08:00", FACTORY).told(),
        Inspection::of_enterprise(3, EMERGENCY, NOON, OTHER).told(),
        Inspection::of_enterprise(4, POLICE_STATION, NOON, FACTORY).told(),
        Inspection::of_enterprise(5, CITY_EMERGENCY, NOON, FACTORY).told(),
        Inspection::of_enterprise(6, EMERGENCY, "2026-10-31T23:59:00+08:00", FACTORY).told(),
        // Neither a daily inspection nor a den counts.
        Inspection::of_enterprise(7, EMERGENCY, NOON, "91110000100001560D").daily().told(),
        Inspection::of_den(8, EMERGENCY, NOON).told(),
    ];
    world.tell(&inspections).await;
    assert_eq!(total(&world.table(department(), NOVEMBER).await, 1), 2);
    assert_eq!(total(&world.table(department(), "2026-10").await, 1), 1);
    assert_eq!(total(&world.table(township(), NOVEMBER).await, 1), 1);
    assert_eq!(total(&world.table(county(), NOVEMBER).await, 1), 3);
    let city = world.table(city(), NOVEMBER).await;
    assert_eq!(total(&city, 1), 4);
    assert_eq!(value(row(&city, "hazardous-chemicals"), 1), 4);
}

#[tokio::test]
async fn what_an_inspection_found_and_did_counts_at_the_inspector_and_what_became_a_case_there() {
    let world = World::start().await;
    let case = Case::open(1, "HC-2").confirmed(EMERGENCY, NOON);
    let december = "2026-12-01T00:00:00+08:00";
    let of_enterprise = Inspection::of_enterprise(1, POLICE_STATION, NOON, FACTORY)
        .act("HC-1", None)
        .act("HC-2", Some(case.id))
        .measure("a", NOON, fine(300_000))
        .measure("b", NOON, stop())
        .measure("c", december, fine(5));
    let of_den = Inspection::of_den(2, POLICE_STATION, NOON)
        .daily()
        .act("HC-3", None)
        .measure("a", NOON, close())
        .measure("b", NOON, criminal(2));
    world.tell(&case.told).await;
    world.tell(&[of_enterprise.told(), of_den.told()]).await;
    let columns = [1, 2, 3, 4, 5, 7];
    assert_eq!(figures(&world, township(), NOVEMBER, columns).await, [1, 2, 1, 300_000, 2, 1]);
    // The case's act is counted once, where the case is.
    assert_eq!(figures(&world, department(), NOVEMBER, columns).await, [0, 1, 0, 0, 0, 0]);
    assert_eq!(figures(&world, county(), NOVEMBER, columns).await, [1, 3, 1, 300_000, 2, 1]);
    world.clock.set(december.parse().expect("an instant"));
    assert_eq!(figures(&world, township(), "2026-12", columns).await, [0, 0, 0, 5, 0, 0]);
}

#[tokio::test]
async fn a_tip_counts_once_at_who_verified_it_and_a_note_says_how_many_were_true() {
    let world = World::start().await;
    let tip = |number: u32| ids::derived(&["tip", &number.to_string()]);
    let own = Case::open(1, "FW-1")
        .verified(POLICE_STATION, tip(1), TipVerdict::True, NOON)
        // Merged into this one.
        .verified(POLICE_STATION, tip(2), TipVerdict::True, NOON)
        // The case was reopened: told again.
        .verified(POLICE_STATION, tip(1), TipVerdict::False, "2026-11-20T09:00:00+08:00");
    let handed_up = Case::open(2, "HC-2").verified(EMERGENCY, tip(3), TipVerdict::False, NOON);
    world.tell(&own.told).await;
    world.tell(&handed_up.told).await;
    let table = world.table(township(), NOVEMBER).await;
    assert_eq!((total(&table, 6), table.verified_true), (2, 2));
    let table = world.table(department(), NOVEMBER).await;
    assert_eq!((total(&table, 6), table.verified_true), (1, 0));
    let table = world.table(city(), NOVEMBER).await;
    assert_eq!((total(&table, 6), table.verified_true), (3, 2));
    assert_eq!(value(row(&table, "fireworks"), 6), 2);
    let request = ListCellFactsRequest {
        unit: Some(department()),
        month: NOVEMBER.to_owned(),
        column: 6,
        ..ListCellFactsRequest::default()
    };
    let facts = world.facts(request).await.expect("facts").facts;
    let verdicts: Vec<&str> = facts.iter().map(|fact| fact.verdict.as_str()).collect();
    assert_eq!(verdicts, ["false"]);
}

#[tokio::test]
async fn a_paid_reward_counts_at_the_unit_that_accepted_the_tip_in_the_month_of_its_payment() {
    let world = World::start().await;
    let county_path = "city:371300/county:371302";
    let paid = [
        reward_paid(1, CENTRE, TOWNSHIP, "2026-11-30T23:00:00+08:00", 500_000),
        reward_paid(2, OFFICE, county_path, NOON, 1_000_000),
        reward_paid(3, CENTRE, TOWNSHIP, "2026-10-01T00:00:00+08:00", 7),
    ];
    world.tell(&paid).await;
    assert_eq!(total(&world.table(township(), NOVEMBER).await, 8), 500_000);
    assert_eq!(total(&world.table(township(), "2026-10").await, 8), 7);
    let table = world.table(county(), NOVEMBER).await;
    assert_eq!(total(&table, 8), 1_500_000);
    assert_eq!(row(&table, "fireworks").texts[7], "1.50");
    // Which case it was must not be known here either.
    let request = ListCellFactsRequest {
        unit: Some(township()),
        month: NOVEMBER.to_owned(),
        column: 8,
        ..ListCellFactsRequest::default()
    };
    let facts = world.facts(request).await.expect("facts").facts;
    assert_eq!(facts[0].case_id, "");
}

#[tokio::test]
async fn notices_and_leaflets_count_at_the_village_s_township_and_in_no_sector() {
    let world = World::start().await;
    let book = Book::default()
        .notice(SECRETARY, NoticeKind::Reward, 3, NOON)
        .notice(SECRETARY, NoticeKind::Work, 9, NOON)
        .notice(CENTRE, NoticeKind::Reward, 2, NOON)
        .leaflets(SECRETARY, 250, NOON)
        .leaflets(SECRETARY, 50, "2026-10-31T23:59:59+08:00");
    world.tell(&book.told).await;
    let table = world.table(township(), NOVEMBER).await;
    assert_eq!([total(&table, 11), total(&table, 12)], [5, 250]);
    let note = table.without_sector.as_ref().expect("a note");
    assert_eq!([value(note, 11), value(note, 12)], [5, 250]);
    assert!(table.rows.iter().all(|row| value(row, 11) == 0 && value(row, 12) == 0));
    assert_eq!(total(&world.table(city(), NOVEMBER).await, 12), 250);
    assert_eq!(total(&world.table(township(), "2026-10").await, 12), 50);
}
