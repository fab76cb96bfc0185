//! A PostgreSQL server that vanishes without a word: nobody waits for it for ever, and it takes no place of the pool with it.

use std::time::Duration;

use dafei_messaging::{batch::BatchOptions, sessions, silence};
use dafei_testkit::TestWay;
use sqlx::{Executor as _, PgPool};
use tokio::time::timeout;

use crate::{
    batch::{add, bench_on, ledger_db},
    support::PATIENCE,
};

const SOON: Duration = Duration::from_millis(300);

/// A pool with one place, so that whoever keeps it is noticed.
async fn narrow_pool(way: &TestWay) -> PgPool {
    let options = sessions::options(way.url(), Duration::from_secs(20)).expect("a URL");
    let pool = sessions::pool_asking(1, Duration::ZERO, SOON, SOON).acquire_timeout(PATIENCE);
    pool.connect_with(options).await.expect("the database answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_whose_server_vanishes_at_the_commit_finds_the_answer_on_another_connection() {
    let db = ledger_db().await;
    let way = TestWay::to(&db.url).await;
    let pool = narrow_pool(&way).await;
    let bench = bench_on(db, pool, (1, 0), BatchOptions { longest: 4 * SOON, ..BatchOptions::default() });
    way.silence_at_the_next_commit();
    let answer = timeout(PATIENCE, bench.queue.submit(add(7, "a"))).await.expect("it does not wait for ever");
    // A try that a slow machine gave up before its commit has used up a number.
    let place: i32 = sqlx::query_scalar("SELECT place FROM ledger").fetch_one(&bench.db.pool).await.expect("one row");
    assert_eq!(answer.expect("the answer of the try that was committed"), place);
    assert_eq!(bench.numbers().await, [7]);
    assert!(way.connections() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_to_a_server_that_vanished_is_not_handed_out() {
    let db = ledger_db().await;
    let way = TestWay::to(&db.url).await;
    let pool = narrow_pool(&way).await;
    pool.execute("SELECT 1").await.expect("a connection that is idle then");
    way.silence();
    pool.execute("SELECT 1").await.expect("another one");
    assert!(way.connections() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_on_a_server_that_vanished_leaves_the_pool_its_place() {
    let db = ledger_db().await;
    let way = TestWay::to(&db.url).await;
    let pool = narrow_pool(&way).await;
    let mut tx = pool.begin().await.expect("a transaction");
    way.silence();
    let silent = silence::answer(SOON, tx.execute("SELECT 1")).await.expect_err("nothing comes");
    assert!(matches!(silent, sqlx::Error::Io(_)), "{silent}");
    drop(tx);
    pool.execute("SELECT 1").await.expect("another one");
}
