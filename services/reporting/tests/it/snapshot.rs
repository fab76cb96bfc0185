//! A draft is read while consumers commit.

use std::time::Duration;

use dafei_testkit::eventually;

use crate::{
    events::{Case, POLICE_STATION, fine},
    filing::{CENTRE, township},
    world::World,
};

#[tokio::test]
async fn a_draft_fits_its_totals_also_when_a_consumer_commits_while_it_is_read() {
    let world = World::start().await;
    let case = Case::open(1, "FS-2").measure(POLICE_STATION, "m1", "2026-11-12T12:00:00+08:00", fine(500_000));
    world.tell(&case.told).await;
    world.december(2, "09:00:00");
    // What a consumer does, and nobody comes to the totals before it has committed.
    let mut consumer = world.db.pool.begin().await.expect("a transaction");
    for statement in [
        "LOCK TABLE cell_total IN ACCESS EXCLUSIVE MODE",
        "UPDATE cell SET value = value + 7 WHERE col = 4",
        "UPDATE cell_total SET value = value + 7 WHERE col = 4",
    ] {
        sqlx::query(statement).execute(&mut *consumer).await.expect(statement);
    }
    let committed = async {
        let waits = async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'cell_total'::regclass
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .fetch_one(&world.db.pool)
            .await
            .expect("a count");
            (waiting > 0).then_some(())
        };
        eventually(Duration::from_secs(20), "the draft waits for the totals", waits).await;
        consumer.commit().await.expect("committed");
    };
    let (draft, ()) = tokio::join!(world.draft(CENTRE, township()), committed);
    let own = draft.expect("no alarm").own.expect("a table").total.expect("a total");
    assert_eq!(own.values[3], 500_007);
}
