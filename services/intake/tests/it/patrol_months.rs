//! Months of patrols are dropped when they are too old, and leave a tombstone.

use dafei_contracts::intake::v1 as api;
use dafei_kernel::role::Role;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::{
    patrols::{get, patrol, record},
    world::{ADMIN, MEMBER, SECRETARY, VILLAGE, World, new_id, refused, wire},
};

async fn drop_old(world: &World) -> Vec<String> {
    let request = world.request(ADMIN, api::DropOldPatrolsRequest {});
    world.patrols().drop_old_patrols(request).await.expect("done").into_inner().months
}

#[tokio::test]
async fn a_month_that_is_too_old_is_dropped_and_leaves_counts_times_and_a_hash() {
    let world = World::start().await;
    assert!(drop_old(&world).await.is_empty(), "partitions are made, nothing is old");
    let key = new_id();
    let old = api::RecordPatrolRequest { patrol_key: key.clone(), ..patrol("十一月") };
    let first = record(&world, old.clone()).await;
    world.clock.advance(SignedDuration::from_mins(5));
    record(&world, patrol("十一月之二")).await;
    let rows: Vec<String> = sqlx::query_scalar("SELECT to_jsonb(p)::text FROM patrol_2026_11 p ORDER BY id")
        .fetch_all(&world.db.pool)
        .await
        .expect("the rows");
    let mut hash = Sha256::new();
    for row in &rows {
        hash.update(row);
        hash.update("\n");
    }
    let sha256: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    // Three months are kept: in January November still is one of them, in February it is not.
    world.clock.set("2027-01-31T23:59:59+08:00".parse().expect("an instant"));
    assert!(drop_old(&world).await.is_empty());
    record(&world, patrol("一月")).await;
    world.clock.set("2027-02-01T00:00:00+08:00".parse().expect("an instant"));
    assert_eq!(drop_old(&world).await, ["2026-11"]);
    assert!(drop_old(&world).await.is_empty(), "once");

    let list = api::ListPatrolTombstonesRequest { region: Some(wire(VILLAGE)), ..Default::default() };
    let list = world.patrols().list_patrol_tombstones(world.request(SECRETARY, list)).await.expect("listed");
    let tombstone = list.into_inner().tombstones.remove(0);
    assert_eq!((tombstone.month.as_str(), tombstone.patrols, tombstone.villages), ("2026-11", 2, 1));
    assert_eq!((tombstone.patrols_of_region, tombstone.first_at), (2, first.patrolled_at));
    assert_eq!(tombstone.sha256, sha256, "over the rows as they were");

    let list = api::ListPatrolsRequest { region: Some(wire(VILLAGE)), ..Default::default() };
    let page = world.patrols().list_patrols(world.request(SECRETARY, list)).await.expect("a page").into_inner();
    let objects: Vec<&str> = page.patrols.iter().map(|patrol| patrol.object.as_str()).collect();
    assert_eq!((objects, page.dropped_months), (vec!["一月"], vec!["2026-11".to_owned()]));
    let gone = get(&world, MEMBER, &first.patrol_id).await;
    assert_eq!(refused(gone), (Code::FailedPrecondition, "PATROL_DROPPED".to_owned()));

    // Its key is known for ever, and its week is still counted.
    let again = api::RecordPatrolRequest { request_id: new_id(), ..old };
    let again = record(&world, again).await;
    assert_eq!((again.patrol_id, again.patrols_this_week), (first.patrol_id, 2));
}

#[tokio::test]
async fn only_the_citys_administrator_drops_months() {
    let world = World::start().await;
    let request = world.request(SECRETARY, api::DropOldPatrolsRequest {});
    assert_eq!(refused(world.patrols().drop_old_patrols(request).await).1, "ROLE_NOT_ALLOWED");
    let of_county = world.request((Role::Admin, "county:371302"), api::DropOldPatrolsRequest {});
    assert_eq!(refused(world.patrols().drop_old_patrols(of_county).await).1, "OUT_OF_SCOPE");
}
