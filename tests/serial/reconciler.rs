//! The monitor against the real intake and dispatch: whatever the tests before it did, their open steps and its obligations agree, and an obligation
//! that is taken away is there again after two looks, with a record.

use std::time::Duration;

use dafei_contracts::{
    events::v1::{HoleRepair, HoleSide},
    sla::v1::{
        ListHolesRequest, ReconcileRequest, ReconciliationHole, ReconciliationRun,
        reconciler_service_client::ReconcilerServiceClient,
    },
};
use dafei_kernel::{ids::IdSource as _, role::Role};
use dafei_tests::{World, den};
use dafei_tools::{
    client::{Authed, Service, setting},
    exercise::{self, Target},
};
use sqlx::{Connection as _, PgConnection};
use tonic::Code;

const VILLAGE: &str = "village:371311002009";
/// How long something may take.
const SOON: Duration = Duration::from_secs(60);

fn client(world: &World) -> ReconcilerServiceClient<Authed> {
    ReconcilerServiceClient::new(world.suite.with(Service::SlaMonitor, &world.keys.admin().expect("a token")))
}

/// A run of our own: the hourly one may be going on.
async fn reconcile(world: &World) -> ReconciliationRun {
    let run = async {
        loop {
            let request_id = dafei_kernel::ids::SystemIds.random().to_string();
            match client(world).reconcile(ReconcileRequest { request_id }).await {
                Ok(answer) => return answer.into_inner().run.expect("a run"),
                Err(status) if status.code() == Code::Aborted => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(status) => panic!("{status}"),
            }
        }
    };
    tokio::time::timeout(SOON, run).await.expect("in time")
}

async fn holes(world: &World, case_id: &str) -> Vec<ReconciliationHole> {
    let request = ListHolesRequest { case_id: case_id.to_owned(), ..Default::default() };
    client(world).list_holes(request).await.expect("a list").into_inner().holes
}

#[tokio::test]
async fn an_obligation_that_was_taken_away_is_there_again_after_two_looks() {
    let world = World::from_env().expect("the suite");
    let member = world.actor(Role::GridMember, VILLAGE).expect("a member");
    let id = member.suspect("HC-9", den("库房"), "充装").await.expect("a suspicion").case_id;
    let before = world.obligations(&id, |list| list.len() == 1).await.expect("its clock");
    // All that was published is in effect.
    exercise::run(&world.suite, &world.keys, Target::By(Duration::from_secs(60))).await.expect("a minute");
    let all = reconcile(&world).await;
    assert_eq!((all.error.as_str(), all.sighted, all.in_flight), ("", 0, 0), "the services agree in everything");
    assert!(all.compared > 0);

    let url = setting("DAFEI_SLA_MONITOR_DATABASE_URL").expect("a database");
    let mut database = PgConnection::connect(&url).await.expect("the database");
    let taken = sqlx::query("DELETE FROM obligation WHERE case_id = $1::text::uuid").bind(&id);
    let gone = taken.execute(&mut database).await;
    assert_eq!(gone.expect("deleted").rows_affected(), 1);
    let first = reconcile(&world).await;
    assert_eq!((first.error.as_str(), first.sighted, first.holes), ("", 1, 0), "seen once, it does not count");
    assert_eq!(holes(&world, &id).await, []);
    exercise::run(&world.suite, &world.keys, Target::By(Duration::from_secs(60))).await.expect("a minute");
    assert_eq!(reconcile(&world).await.error, "");
    let after = world.obligations(&id, |list| list.len() == 1).await.expect("its clock");
    assert_eq!(after, before);
    let [hole] = holes(&world, &id).await.try_into().expect("one hole");
    assert_eq!((hole.clock.as_str(), hole.side(), hole.repair()), ("V1", HoleSide::Missing, HoleRepair::Recomputed));
    assert!(hole.closed_at.is_some());
}
