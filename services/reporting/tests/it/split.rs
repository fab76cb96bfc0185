//! A column by source and act.

use dafei_contracts::{
    events::v1 as pb,
    reporting::v1::{FilingUnit, SplitColumnRequest, SplitColumnResponse},
};
use dafei_kernel::role::Role;
use tonic::Code;

use crate::{
    events::{Case, EMERGENCY, POLICE_STATION, fine, stop},
    intake_events::Inspection,
    world::{CITY_OFFICE, Caller, World, total, unit},
};

const NOVEMBER: &str = "2026-11";
const NOON: &str = "2026-11-12T12:00:00+08:00";
const LATER: &str = "2026-11-20T12:00:00+08:00";
const FACTORY: &str = "91371302MA3C000015";
const OTHER: &str = "91350100M000100Y43";

fn city() -> FilingUnit {
    unit("city-office", "city:371300", "")
}

async fn ask(
    world: &World,
    caller: Caller<'_>,
    request: SplitColumnRequest,
) -> Result<SplitColumnResponse, tonic::Status> {
    Ok(world.tables().split_column(world.request(caller, request)).await?.into_inner())
}

fn request(of: FilingUnit, column: u32, sector: &str) -> SplitColumnRequest {
    SplitColumnRequest { unit: Some(of), month: NOVEMBER.to_owned(), column, sector: sector.to_owned() }
}

/// Source, act and value of each part; the column's figure; what is distinct over all.
async fn parts(world: &World, of: FilingUnit, column: u32, sector: &str) -> (Vec<(String, String, i64)>, i64, i64) {
    let split = ask(world, CITY_OFFICE, request(of, column, sector)).await.expect("a split");
    let parts = split.parts.into_iter().map(|part| (part.source, part.act, part.value)).collect();
    (parts, split.value, split.distinct_overall)
}

fn part(source: &str, act: &str, value: i64) -> (String, String, i64) {
    (source.to_owned(), act.to_owned(), value)
}

#[tokio::test]
async fn the_parts_of_a_column_add_up_to_its_figure() {
    let world = World::start().await;
    let fined = |number, act: &str, fen| Case::open(number, act).measure(EMERGENCY, "m", NOON, fine(fen));
    let supervised =
        Case::open(4, "HC-2").from(pb::CaseSource::SuperiorSupervision).measure(POLICE_STATION, "m", NOON, fine(40));
    for case in [fined(1, "HC-2", 1), fined(2, "HC-2", 2), fined(3, "FW-1", 7), supervised] {
        world.tell(&case.told).await;
    }
    world.tell(&[Inspection::of_enterprise(1, EMERGENCY, NOON, FACTORY).measure("m", NOON, fine(100)).told()]).await;
    let expected = vec![
        part("daily-check", "", 100),
        part("grid-report", "FW-1", 7),
        part("grid-report", "HC-2", 3),
        part("superior-supervision", "HC-2", 40),
    ];
    assert_eq!(parts(&world, city(), 4, "").await, (expected, 150, 0));
    assert_eq!(total(&world.table(city(), NOVEMBER).await, 4), 150);
    let fireworks = vec![part("grid-report", "FW-1", 7)];
    assert_eq!(parts(&world, city(), 4, "fireworks").await, (fireworks, 7, 0));
    assert_eq!(parts(&world, city(), 5, "").await, (Vec::new(), 0, 0));
}

#[tokio::test]
async fn what_counts_once_is_in_the_part_of_the_fact_that_counts_and_once_in_the_whole() {
    let world = World::start().await;
    let stopped =
        |number, act: &str, by, when, of| Case::open(number, act).of_enterprise(of).measure(by, "m", when, stop());
    let cases = [
        // The same factory, later and by another source: this one does not count.
        Case::open(1, "HC-1").from(pb::CaseSource::PublicTip).of_enterprise(FACTORY).measure(
            EMERGENCY,
            "m",
            LATER,
            stop(),
        ),
        stopped(2, "HC-2", EMERGENCY, NOON, FACTORY),
        // In another sector and at another unit it counts again, but it is the same factory.
        stopped(3, "FW-1", EMERGENCY, NOON, FACTORY),
        stopped(4, "HC-2", POLICE_STATION, NOON, FACTORY),
        stopped(5, "HC-2", EMERGENCY, NOON, OTHER),
    ];
    for case in cases {
        world.tell(&case.told).await;
    }
    let expected = vec![part("grid-report", "FW-1", 1), part("grid-report", "HC-2", 3)];
    assert_eq!(parts(&world, city(), 3, "").await, (expected, 4, 2));
    assert_eq!(total(&world.table(city(), NOVEMBER).await, 3), 4);
    let department = unit("county-department", "county:371302", "emergency-management");
    let expected = vec![part("grid-report", "HC-2", 2)];
    assert_eq!(parts(&world, department, 3, "hazardous-chemicals").await, (expected, 2, 2));
}

#[tokio::test]
async fn a_column_is_split_only_for_those_who_may_see_the_table() {
    let world = World::start().await;
    let centre = (Role::TownshipCentre, "township:371302001", None);
    let refused = ask(&world, centre, request(city(), 4, "")).await.expect_err("not its table");
    assert_eq!(refused.code(), Code::PermissionDenied);
    for wrong in [request(city(), 13, ""), request(city(), 4, "gardening"), request(city(), 0, "")] {
        let refused = ask(&world, CITY_OFFICE, wrong).await.expect_err("no such column or sector");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}
