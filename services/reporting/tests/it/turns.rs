//! The turns of a case: what they add to the columns, and that most of them add nothing.

use dafei_contracts::{events::v1 as pb, types::v1 as types};
use uuid::Uuid;

use crate::{
    events::{CITY_EMERGENCY, Case, EMERGENCY, POLICE_STATION, at, fine, post},
    world::{World, total, unit},
};

const NOVEMBER: &str = "2026-11";
const NOON: &str = "2026-11-12T12:00:00+08:00";
const COUNTY: &str = "city:371300/county:371302";

async fn nothing_was_refused(world: &World) {
    let letters: i64 =
        sqlx::query_scalar("SELECT count(*) FROM dead_letter").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!((letters, world.parked().await), (0, 0));
}

#[tokio::test]
async fn a_city_departments_case_counts_at_that_department_and_below_no_county() {
    let world = World::start().await;
    let case = Case::open_in(1, "HC-2", COUNTY);
    let case = case.confirmed(CITY_EMERGENCY, NOON).measure(CITY_EMERGENCY, "m", NOON, fine(7));
    world.tell(&case.told).await;
    let city = world.table(unit("city-department", "city:371300", "emergency-management"), NOVEMBER).await;
    assert_eq!([total(&city, 2), total(&city, 4)], [1, 7]);
    let county = world.table(unit("county-office", "county:371302", ""), NOVEMBER).await;
    assert_eq!([total(&county, 2), total(&county, 4)], [0, 0]);
    nothing_was_refused(&world).await;
}

#[tokio::test]
async fn an_own_finding_counts_at_the_agency_that_found_it() {
    let world = World::start().await;
    let mut case = Case::open_in(1, "HC-2", COUNTY);
    case.tell(pb::InstructionDelivered {
        case_id: case.id.to_string(),
        assignee: Some(pb::Assignee {
            instruction_id: Uuid::from_u128(1).to_string(),
            post: Some(post(EMERGENCY)),
            lead: true,
        }),
        tier: pb::Tier::County.into(),
        leg: 1,
        delivered_at: Some(at(NOON).into()),
        means: pb::DeliveryMeans::OwnFinding.into(),
        ..Default::default()
    });
    let case = case.confirmed(EMERGENCY, NOON).measure(EMERGENCY, "m", NOON, fine(7));
    world.tell(&case.told).await;
    let finder = world.table(unit("county-department", "county:371302", "emergency-management"), NOVEMBER).await;
    assert_eq!([total(&finder, 2), total(&finder, 4)], [1, 7]);
    nothing_was_refused(&world).await;
}

#[tokio::test]
async fn of_merged_cases_the_surviving_one_counts_and_withdrawing_or_reopening_counts_nothing() {
    let world = World::start().await;
    let mut ended = Case::open(1, "HC-2");
    let survivor = Case::open(2, "HC-2").confirmed(POLICE_STATION, NOON);
    ended.tell(pb::CaseMerged {
        case_id: ended.id.to_string(),
        into_case_id: survivor.id.to_string(),
        tier: pb::Tier::Township.into(),
        ..Default::default()
    });
    let mut withdrawn = Case::open(3, "HC-2");
    let (case_id, tier) = (withdrawn.id.to_string(), pb::Tier::Township.into());
    withdrawn.tell(pb::CaseWithdrawn { case_id, tier, ..Default::default() });
    let mut reopened = Case::open(4, "HC-2").confirmed(POLICE_STATION, NOON);
    let case_id = reopened.id.to_string();
    reopened.tell(pb::CaseClosed { case_id: case_id.clone(), tier, ..Default::default() });
    reopened.tell(pb::CaseReopened { case_id, tier, ..Default::default() });
    for case in [&ended, &survivor, &withdrawn, &reopened] {
        world.tell(&case.told).await;
    }
    let township = world.table(unit("township", "township:371302001", ""), NOVEMBER).await;
    assert_eq!(total(&township, 2), 2, "the survivor's act and the one that had been confirmed before the reopening");
    nothing_was_refused(&world).await;
}

#[tokio::test]
async fn an_unfounded_report_counts_no_act_and_no_measure() {
    let world = World::start().await;
    let mut case = Case::open(1, "HC-2");
    case.tell(pb::ResultSubmitted {
        case_id: case.id.to_string(),
        assignee: Some(pb::Assignee {
            instruction_id: Uuid::from_u128(1).to_string(),
            post: Some(post(POLICE_STATION)),
            lead: true,
        }),
        tier: pb::Tier::Township.into(),
        leg: 1,
        kind: types::ResultKind::Unfounded.into(),
        submitted_at: Some(at(NOON).into()),
        ..Default::default()
    });
    world.tell(&case.told).await;
    let township = world.table(unit("township", "township:371302001", ""), NOVEMBER).await;
    assert_eq!([2, 3, 4, 5, 7].map(|column| total(&township, column)), [0; 5]);
    nothing_was_refused(&world).await;
}
