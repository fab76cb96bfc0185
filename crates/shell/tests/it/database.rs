//! A database that is there and has no time: what callers hear, and that all is as before once it has.

use std::time::Duration;

use dafei_messaging::sessions;
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use dafei_testkit::{TestDb, eventually};
use sqlx::{Connection as _, Executor as _, PgPool};

const PATIENCE: Duration = Duration::from_secs(30);

/// A pool as a service has it.
async fn pool(db: &TestDb, connections: u32, statement: Duration) -> PgPool {
    let options = sessions::options(&db.url, statement).expect("a URL");
    let pool = sessions::pool(connections).acquire_timeout(PATIENCE);
    pool.connect_with(options).await.expect("the database answers")
}

fn told_to_come_back(error: sqlx::Error) -> bool {
    let shown = error.to_string();
    match faults::database(error) {
        Fault::Unavailable { retry_after } => retry_after > Duration::ZERO,
        fault => panic!("{shown}: {fault:?}"),
    }
}

#[tokio::test]
async fn who_gets_no_connection_in_time_is_told_to_come_back_and_then_gets_one() {
    let db = TestDb::new(&[]).await;
    let options = sessions::options(&db.url, Duration::from_secs(20)).expect("a URL");
    let pool = sessions::pool(1).acquire_timeout(Duration::from_secs(2)).connect_lazy_with(options);
    let held = eventually(PATIENCE, "the only connection", async || pool.acquire().await.ok()).await;
    let late = pool.acquire().await.expect_err("none is left");
    assert!(matches!(late, sqlx::Error::PoolTimedOut), "{late}");
    assert!(told_to_come_back(late));
    drop(held);
    eventually(PATIENCE, "a connection that came free", async || pool.execute("SELECT 1").await.ok()).await;
}

#[tokio::test]
async fn a_statement_that_waits_for_a_lock_is_ended_and_its_caller_told_to_come_back() {
    let db = TestDb::new(&[]).await;
    db.pool.execute("CREATE TABLE counted (n bigint)").await.expect("a table");
    // The wait for a lock ends a second before the statement would.
    let pool = pool(&db, 2, Duration::from_secs(4)).await;
    let mut lock = db.pool.begin().await.expect("a transaction");
    lock.execute("LOCK TABLE counted IN ACCESS EXCLUSIVE MODE").await.expect("the lock");
    let late = pool.execute("INSERT INTO counted VALUES (1)").await.expect_err("the table is locked");
    assert_eq!(late.as_database_error().and_then(|error| error.code()).as_deref(), Some("55P03"));
    assert!(told_to_come_back(late));
    lock.rollback().await.expect("the lock is given back");
    pool.execute("INSERT INTO counted VALUES (2)").await.expect("the table is free");
    let kept: Vec<i64> = sqlx::query_scalar("SELECT n FROM counted").fetch_all(&pool).await.expect("the rows");
    assert_eq!(kept, [2], "nothing was done by the one that was ended");
}

#[tokio::test]
async fn of_two_transactions_in_each_others_way_one_is_told_to_come_back() {
    let db = TestDb::new(&[]).await;
    db.pool.execute("CREATE TABLE a (n bigint); CREATE TABLE b (n bigint)").await.expect("tables");
    let (mut one, mut other) = (db.pool.begin().await.expect("one"), db.pool.begin().await.expect("the other"));
    one.execute("LOCK TABLE a").await.expect("the first lock");
    other.execute("LOCK TABLE b").await.expect("the second lock");
    let (first, second) = tokio::join!(one.execute("LOCK TABLE b"), async {
        let got = other.execute("LOCK TABLE a").await;
        // Whoever won the other's lock gives both back.
        drop(other);
        got
    });
    let lost = first.err().or(second.err()).expect("one of them is a deadlock's victim");
    assert!(told_to_come_back(lost));
}

#[tokio::test]
async fn the_server_bounds_a_services_sessions_but_not_those_that_rebuild_and_migrate() {
    let db = TestDb::new(&[]).await;
    let pool = pool(&db, 1, Duration::from_secs(20)).await;
    let mut long = sessions::long(&pool).await.expect("a session of its own");
    let mut pooled = pool.acquire().await.expect("a session of the pool");
    for (setting, bound) in [
        ("statement_timeout", "20s"),
        ("lock_timeout", "15s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("tcp_keepalives_idle", "30"),
    ] {
        let ask = || sqlx::query_scalar::<_, String>("SELECT current_setting($1)").bind(setting);
        assert_eq!(ask().fetch_one(&mut *pooled).await.expect("a setting"), bound, "{setting}");
        let unbounded = if setting.starts_with("tcp") { bound } else { "0" };
        assert_eq!(ask().fetch_one(&mut long).await.expect("a setting"), unbounded, "{setting}");
    }
    long.close().await.expect("it ends");
}
