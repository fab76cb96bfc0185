//! The notes below a filed form roll up as its figures do: 其中属实 is never more than what it is part of (clause F2).

use dafei_contracts::{
    events::v1::TipVerdict,
    reporting::v1::{Draft, ExportMonthlyTableRequest, FilingUnit, ListCellFactsRequest, RebuildState, TableFormat},
};
use dafei_kernel::ids;
use tonic::Code;

use crate::{
    accountability::{Entry, Person},
    events::{Case, EMERGENCY, OFFICE, POLICE_STATION, SECRETARY},
    export::{asked, export},
    filing::{CENTRE, COUNTY_OFFICE, city, correction, county, township},
    filing_refused::is,
    rebuild::rebuilt,
    world::{CITY_OFFICE, Caller, World, total},
};

const NOON: &str = "2026-11-12T12:00:00+08:00";

fn tip(number: u32) -> uuid::Uuid {
    ids::derived(&["tip", &number.to_string()])
}

/// Verified tips and true ones.
fn told(draft: &Draft) -> (i64, i64) {
    let total = draft.figures.as_ref().and_then(|body| body.total.as_ref()).expect("a total");
    (total.values[5], draft.verified_true)
}

async fn drafted(world: &World, caller: Caller<'_>, unit: FilingUnit) -> (i64, i64) {
    told(&world.draft(caller, unit).await.expect("a draft"))
}

#[tokio::test]
async fn an_office_s_note_is_of_the_tips_that_its_units_filed() {
    let world = World::start().await;
    let first = Case::open(1, "FW-1").verified(POLICE_STATION, tip(1), TipVerdict::True, NOON);
    let duplicate = Case::open(2, "FW-1").verified(POLICE_STATION, tip(2), TipVerdict::False, NOON);
    world.tell(&first.told).await;
    world.tell(&duplicate.told).await;
    world.december(2, "09:00:00");
    world.correct(CENTRE, correction(township(), "fireworks", 6, -1, "重复")).await.expect("corrected");
    world.file(CENTRE, township()).await;
    // What is true and came later is neither in the figure nor in the note.
    for number in 3..=4 {
        let late = Case::open(number, "FW-1").verified(POLICE_STATION, tip(number), TipVerdict::True, NOON);
        world.tell(&late.told).await;
    }
    assert_eq!(drafted(&world, COUNTY_OFFICE, county()).await, (1, 1));
    assert_eq!(drafted(&world, CITY_OFFICE, city()).await, (1, 1));
    world.file(COUNTY_OFFICE, county()).await;
    let request = ExportMonthlyTableRequest { version: 1, ..asked(county(), TableFormat::Html) };
    let page = export(&world, CITY_OFFICE, request).await.expect("a file").content;
    assert!(String::from_utf8_lossy(&page).contains("核实举报线索1条，其中属实1条。"));

    world.file(CENTRE, township()).await;
    assert_eq!(drafted(&world, COUNTY_OFFICE, county()).await, (3, 3));
    assert_eq!(drafted(&world, CITY_OFFICE, city()).await, (1, 1), "the county is as its office filed it");
}

#[tokio::test]
async fn secretaries_are_noted_as_the_units_filed_them() {
    let world = World::start().await;
    let path = "city:371300/county:371302/township:371302001";
    let person: Person = (SECRETARY, "孙支书", "warning-talk", false);
    world.tell(&[Entry::new(1, path, "fireworks").decided(OFFICE, "2026-11-12T12:00:00+08:00", &[person])]).await;
    world.december(2, "09:00:00");
    let of = async |caller, unit| world.draft(caller, unit).await.expect("a draft").secretaries_warned;
    let before = of(COUNTY_OFFICE, county()).await;
    assert_eq!(before, 1, "the office's own");
    world.file(COUNTY_OFFICE, county()).await;
    world.tell(&[Entry::new(2, path, "fireworks").decided(OFFICE, "2026-11-12T12:00:00+08:00", &[person])]).await;
    assert_eq!(of(COUNTY_OFFICE, county()).await, 2);
    assert_eq!(of(CITY_OFFICE, city()).await, 1, "as its office filed it");
}

#[tokio::test]
async fn no_correction_leaves_fewer_verified_tips_than_true_ones() {
    let world = World::start().await;
    let case = Case::open(1, "FW-1").verified(POLICE_STATION, tip(1), TipVerdict::True, NOON);
    let case = case.verified(POLICE_STATION, tip(2), TipVerdict::False, NOON);
    world.tell(&case.told).await;
    world.december(2, "09:00:00");
    for (caller, unit) in [(CENTRE, township()), (COUNTY_OFFICE, county())] {
        let refused = world.correct(caller, correction(unit.clone(), "fireworks", 6, -2, "重复")).await;
        is(&refused.expect_err("one was true"), Code::InvalidArgument, "amount", "BELOW_TRUE");
        assert_eq!(drafted(&world, caller, unit).await, (2, 1), "a refusal leaves nothing behind");
    }
    world.correct(CENTRE, correction(township(), "fireworks", 6, -1, "重复")).await.expect("the true one is left");
}

#[tokio::test]
async fn a_tip_that_turns_out_to_be_true_is_noted_in_the_month_and_unit_in_which_it_was_verified() {
    let world = World::start().await;
    let december = "2026-12-01T09:00:00+08:00";
    world.december(2, "09:00:00");
    // The one at once, in one batch of messages; the other when the first word on it has long been counted.
    let at_once = Case::open(1, "FW-1").verified(POLICE_STATION, tip(1), TipVerdict::False, NOON);
    world.tell(&at_once.verified(EMERGENCY, tip(1), TipVerdict::True, december).told).await;
    let later = Case::open(2, "FW-1").verified(POLICE_STATION, tip(2), TipVerdict::False, NOON);
    let first_word = later.told.len();
    world.tell(&later.told).await;
    let noted = async |unit, month| {
        let table = world.table(unit, month).await;
        (total(&table, 6), table.verified_true)
    };
    assert_eq!(noted(township(), "2026-11").await, (2, 1));
    let later = later.verified(EMERGENCY, tip(2), TipVerdict::True, december);
    world.tell(&later.told[first_word..]).await;
    // Told once more, it is the same.
    let later = later.verified(EMERGENCY, tip(2), TipVerdict::True, december);
    world.tell(&later.told[first_word + 1..]).await;
    assert_eq!(noted(township(), "2026-11").await, (2, 2));
    assert_eq!(noted(city(), "2026-11").await, (2, 2));
    assert_eq!(noted(city(), "2026-12").await, (0, 0), "nothing was verified for the first time");
    let request = ListCellFactsRequest {
        unit: Some(township()),
        month: "2026-11".to_owned(),
        column: 6,
        ..ListCellFactsRequest::default()
    };
    let facts = world.facts(request).await.expect("facts").facts;
    assert!(facts.len() == 2 && facts.iter().all(|fact| fact.verdict == "true"), "{facts:?}");
    let rebuild = rebuilt(&world, 1).await;
    assert_eq!(rebuild.state(), RebuildState::Equal, "{rebuild:?}");
}
