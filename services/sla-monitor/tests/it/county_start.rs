//! Cases that are opened at the county office (a tip that names no township, or may accuse one): K1 from the start, seen by the county alone.

use dafei_contracts::sla::v1::{ListBreachesRequest, ListObligationsRequest, ObligationState};
use dafei_kernel::role::Role;
use tonic_types::StatusExt as _;

use crate::{
    events::{CITY, COUNTY, Case, TOWNSHIP, VILLAGE, department, wire_region},
    watched::{next, watch_as},
    world::{START, World, owner, said},
};

const PATH: &str = "city:371300/county:371302";

#[tokio::test(flavor = "multi_thread")]
async fn the_office_owes_k1_from_the_opening_and_nobody_owes_t1() {
    let world = World::start().await;
    let case = Case::at_path(1, PATH).opened(START);
    world.tell(&case.told).await;
    world.go("2026-11-23T12:30:00+08:00").await;
    let lights = world.announced(&case, &["T1", "K1"]).await;
    let expected =
        [said("K1", 1, "warned", "2026-11-23T11:00:00+08:00"), said("K1", 1, "breached", "2026-11-23T12:00:00+08:00")];
    assert_eq!(lights, expected);
    let item = world.obligations(case.id).await.remove(0);
    assert_eq!(owner(item.obligation.unwrap().loop_owner.as_ref()), "county-office@county:371302 陈主任");
    let lead = department(1, "emergency-management", true);
    let case = case
        .assigned("2026-11-23T12:30:00+08:00", std::slice::from_ref(&lead))
        .delivered("2026-11-23T12:31:00+08:00", lead.clone())
        .result("2026-11-23T12:32:00+08:00", lead)
        .settled("2026-11-23T12:33:00+08:00");
    world.tell(&case.told).await;
    world.go("2026-11-23T12:40:00+08:00").await;
    let ends: Vec<_> = world
        .obligations(case.id)
        .await
        .into_iter()
        .map(|item| (item.state(), item.obligation.unwrap().clock))
        .collect();
    let settled = ["K1", "K2", "K3", "K4"].map(|clock| (ObligationState::Settled, clock.to_owned()));
    assert_eq!(ends, settled, "fed back means settled here, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_ended_in_another_owes_nothing_more() {
    let world = World::start().await;
    let case = Case::at_path(1, PATH).opened(START).closed("2026-11-23T09:00:00+08:00");
    world.tell(&case.told).await;
    world.go("2026-11-23T13:00:00+08:00").await;
    let lights = world.announced(&case, &["K1"]).await;
    assert_eq!(lights, [said("K1", 1, "cancelled", "2026-11-23T09:00:00+08:00")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_township_that_may_be_accused_sees_no_clock_of_it_in_any_list_or_stream() {
    let world = World::start().await;
    let mut stream = watch_as(&world, Role::TownshipCentre, TOWNSHIP, "").await.unwrap();
    let accusing = Case::at_path(1, PATH).opened(START);
    world.tell(&accusing.told).await;
    world.go("2026-11-23T12:30:00+08:00").await;
    let list = async |role, region: &str| {
        let request = world.request(role, region, ListObligationsRequest { case_id: accusing.id.to_string() });
        world.deadlines().list_obligations(request).await.map(|answer| answer.into_inner().obligations.len())
    };
    assert_eq!(list(Role::CountyOffice, COUNTY).await.unwrap(), 1);
    let area = "work-area:371302001-east";
    let blind = [
        (Role::TownshipCentre, TOWNSHIP),
        (Role::TownshipPrincipal, TOWNSHIP),
        (Role::WorkAreaSecretary, area),
        (Role::VillageSecretary, VILLAGE),
        (Role::GridMember, VILLAGE),
    ];
    for (role, region) in blind {
        let refused = list(role, region).await.unwrap_err();
        assert_eq!(refused.get_error_details().error_info().unwrap().reason, "OUT_OF_SCOPE", "{role}");
        assert!(world.standing(role, region).await.unwrap().is_empty(), "{role}");
        let above = ListBreachesRequest { region: Some(wire_region(COUNTY)), ..Default::default() };
        let above = world.breaches().list_breaches(world.request(role, region, above)).await.unwrap_err();
        assert_eq!(above.get_error_details().error_info().unwrap().reason, "OUT_OF_SCOPE", "{role}");
    }
    assert_eq!(world.standing(Role::CountyOffice, COUNTY).await.unwrap().len(), 1);
    assert_eq!(world.standing(Role::CityOffice, CITY).await.unwrap().len(), 1);
    // The first that the township's stream brings is of a case of its own.
    let own = Case::new(2).opened("2026-11-23T12:30:00+08:00");
    world.tell(&own.told).await;
    world.go("2026-11-23T12:55:00+08:00").await;
    assert_eq!(next(&mut stream).await.obligation.unwrap().case_id, own.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_at_the_centre_shows_its_clocks_to_the_township_and_to_no_village() {
    let world = World::start().await;
    let case = Case::at_path(1, "city:371300/county:371302/township:371302001").opened(START);
    world.tell(&case.told).await;
    world.go("2026-11-23T08:31:00+08:00").await;
    assert_eq!(world.standing(Role::TownshipCentre, TOWNSHIP).await.unwrap().len(), 1, "T1 of 30 minutes");
    for (role, region) in [(Role::VillageSecretary, VILLAGE), (Role::WorkAreaSecretary, "work-area:371302001-east")] {
        assert!(world.standing(role, region).await.unwrap().is_empty(), "{role}");
        let request = world.request(role, region, ListObligationsRequest { case_id: case.id.to_string() });
        let refused = world.deadlines().list_obligations(request).await.unwrap_err();
        assert_eq!(refused.get_error_details().error_info().unwrap().reason, "OUT_OF_SCOPE", "{role}");
    }
}
