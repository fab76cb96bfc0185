//! Streams of what is announced.

use dafei_contracts::sla::v1::{WatchBreachesRequest, WatchBreachesResponse};
use dafei_kernel::role::Role;
use tonic::{Code, Streaming};
use tonic_types::StatusExt as _;

use crate::{
    events::{COUNTY, Case, OTHER_COUNTY, OTHER_PATH, wire_region},
    world::{SOON, START, World},
};

async fn watch(world: &World, region: &str, token: &str) -> Result<Streaming<WatchBreachesResponse>, tonic::Status> {
    watch_as(world, Role::CountyOffice, region, token).await
}

pub(crate) async fn watch_as(
    world: &World,
    role: Role,
    region: &str,
    token: &str,
) -> Result<Streaming<WatchBreachesResponse>, tonic::Status> {
    let message = WatchBreachesRequest { region: Some(wire_region(region)), watch_token: token.to_owned() };
    Ok(world.breaches().watch_breaches(world.request(role, region, message)).await?.into_inner())
}

/// The next light; signs of life are passed over.
pub(crate) async fn next(stream: &mut Streaming<WatchBreachesResponse>) -> WatchBreachesResponse {
    loop {
        let next = tokio::time::timeout(SOON, stream.message()).await.expect("a message in time");
        let next = next.unwrap().expect("no end");
        if next.obligation.is_some() {
            return next;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_its_regions_lights_as_they_happen_and_goes_on_where_it_was_cut_off() {
    let world = World::start().await;
    world.tell(&Case::new(1).found(START).told).await;
    world.tell(&Case::at_path(2, OTHER_PATH).found(START).told).await;
    let mut stream = watch(&world, COUNTY, "").await.unwrap();
    world.go("2026-11-23T09:30:00+08:00").await;
    let yellow = next(&mut stream).await;
    assert_eq!(yellow.fact, "warned");
    drop(stream);
    // Something happens while nobody watches.
    world.go("2026-11-23T12:00:00+08:00").await;
    let mut stream = watch(&world, COUNTY, &yellow.watch_token).await.unwrap();
    let mut facts = Vec::new();
    for _ in 0..3 {
        facts.push(next(&mut stream).await.fact);
    }
    assert_eq!(facts, ["breached", "reminded", "reminded"]);
    // And goes on live; the other county's lights are not its own.
    let case = Case::new(3).found("2026-11-23T12:00:00+08:00").notified("2026-11-23T12:00:00+08:00");
    world.tell(&case.told).await;
    let settled = next(&mut stream).await;
    assert_eq!((settled.fact.as_str(), settled.obligation.unwrap().case_id), ("settled", case.id.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_regions_stream_is_refused() {
    let world = World::start().await;
    world.tell(&Case::new(1).found(START).told).await;
    let mut stream = watch(&world, COUNTY, "").await.unwrap();
    world.go("2026-11-23T08:45:00+08:00").await;
    let token = next(&mut stream).await.watch_token;
    let refused = watch(&world, OTHER_COUNTY, &token).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "watch_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_service_does() {
    let world = World::start().await;
    let mut stream = watch(&world, COUNTY, "").await.unwrap();
    world.ending.cancel();
    let mut last = stream.message().await.unwrap();
    while last.is_some() {
        last = tokio::time::timeout(SOON, stream.message()).await.expect("it ends in time").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_holds_up_nobody_and_gets_all_in_the_end() {
    let world = World::start().await;
    let mut slow = watch(&world, COUNTY, "").await.unwrap();
    for number in 0..300 {
        world.publish(&Case::new(number).found(START).told[0]).await;
    }
    world.caught_up().await;
    world.go("2026-11-23T08:45:00+08:00").await;
    let mut quick = watch(&world, COUNTY, "").await.unwrap();
    world.go("2026-11-23T09:30:00+08:00").await;
    // What was not yet published when it came is not new, but not lost either.
    let mut red = 0;
    while red < 300 {
        red += u32::from(next(&mut quick).await.fact == "breached");
    }
    let mut facts = Vec::new();
    for _ in 0..600 {
        facts.push(next(&mut slow).await.fact);
    }
    assert!(facts[..300].iter().all(|fact| fact == "warned") && facts[300..].iter().all(|fact| fact == "breached"));
}
