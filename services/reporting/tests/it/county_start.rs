//! Cases that are opened at a county office, which no township is told of: they count at the county's units.

use dafei_contracts::events::v1 as pb;
use dafei_kernel::role::Role;

use crate::{
    events::{Case, EMERGENCY, fine, post},
    world::{World, total, unit},
};

const NOVEMBER: &str = "2026-11";
const NOON: &str = "2026-11-12T12:00:00+08:00";

#[tokio::test]
async fn what_comes_of_a_case_that_starts_at_the_county_counts_there_and_in_no_township() {
    let world = World::start().await;
    let mut case = Case::open_in(1, "HC-2", "city:371300/county:371302").confirmed(EMERGENCY, NOON);
    case = case.measure(EMERGENCY, "m", NOON, fine(7));
    let case_id = case.id.to_string();
    case.tell(pb::TipVerified {
        meta: None,
        case_id: case_id.clone(),
        tip_id: uuid::Uuid::from_u128(9).to_string(),
        verdict: pb::TipVerdict::True.into(),
        by: Some(post(EMERGENCY)),
        verified_at: Some(NOON.parse::<dafei_kernel::time::Instant>().expect("an instant").into()),
        sector: "hazardous-chemicals".to_owned(),
        act: "HC-2".to_owned(),
    });
    case.tell(pb::CaseClosed { meta: None, case_id, tier: pb::Tier::County.into(), ..Default::default() });
    world.tell(&case.told).await;
    let department = world.table(unit("county-department", "county:371302", "emergency-management"), NOVEMBER).await;
    assert_eq!([total(&department, 2), total(&department, 4)], [1, 7]);
    let township = || unit("township", "township:371302001", "");
    assert_eq!(total(&world.table(township(), NOVEMBER).await, 2), 0);
    let letters: i64 =
        sqlx::query_scalar("SELECT count(*) FROM dead_letter").fetch_one(&world.db.pool).await.expect("a count");
    assert_eq!((letters, world.parked().await), (0, 0));
    let centre = (Role::TownshipCentre, "township:371302001", None);
    let office = unit("county-office", "county:371302", "");
    assert!(world.try_table(centre, office, NOVEMBER).await.is_err(), "the county's table is not the township's");
}
