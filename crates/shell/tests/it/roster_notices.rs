//! Who follows the roster reads also what was changed while nobody could tell it.

use std::time::Duration;

use dafei_shell::roster::RosterView;
use dafei_testkit::{TestDb, TestWay, eventually};
use sqlx::postgres::PgPoolOptions;

use crate::{fresh, region, secretary, take, township, upper};

/// Longer than a reading that falls silent is waited for, and what follows it.
const PATIENCE: Duration = Duration::from_secs(90);
const NEVER: Duration = Duration::from_secs(3_600);

/// Somebody waits for notices.
async fn listening(db: &TestDb) {
    eventually(PATIENCE, "it listens", async || {
        let count = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN%'";
        let count: i64 = sqlx::query_scalar(count).fetch_one(&db.pool).await.ok()?;
        (count > 0).then_some(())
    })
    .await;
}

async fn known(view: &RosterView, village: &str) {
    eventually(PATIENCE, "the village is known", async || view.current().get(&region(village)).map(drop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_the_connection_of_the_notices_was_lost_is_read() {
    let (db, changed) = fresh().await;
    take(&db, &changed, &upper()).await;
    let way = TestWay::to(&db.url).await;
    let pool = PgPoolOptions::new().connect(way.url()).await.expect("the database answers");
    let view = RosterView::load(&pool).await.expect("loads");
    let (follower, following) = (view.clone(), pool.clone());
    // As the services do: it ends when a reading of its own was on the connections that are cut.
    let follow = tokio::spawn(async move {
        loop {
            let _ = follower.follow(&following, NEVER).await;
        }
    });
    listening(&db).await;
    take(&db, &changed, &[township(&["village:371302001001"], Vec::new())]).await;
    known(&view, "village:371302001001").await;
    way.hold(true);
    way.cut();
    let villages = ["village:371302001001", "village:371302001002"];
    take(&db, &changed, &[township(&villages, vec![secretary(villages[1], "李")])]).await;
    way.hold(false);
    known(&view, villages[1]).await;
    follow.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_which_no_notice_comes_is_read_all_the_same() {
    let (db, changed) = fresh().await;
    take(&db, &changed, &upper()).await;
    let way = TestWay::to(&db.url).await;
    // The way of the notices is silent, and the pool makes its connections anew.
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1)).connect_lazy(way.url()).expect("a URL");
    let view = RosterView::load(&db.pool).await.expect("loads");
    let (follower, following) = (view.clone(), pool.clone());
    let follow = tokio::spawn(async move {
        loop {
            let _ = follower.follow(&following, Duration::from_millis(200)).await;
        }
    });
    listening(&db).await;
    take(&db, &changed, &[township(&["village:371302001001"], Vec::new())]).await;
    known(&view, "village:371302001001").await;
    way.silence();
    take(&db, &changed, &[township(&["village:371302001002"], Vec::new())]).await;
    known(&view, "village:371302001002").await;
    follow.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_roster_leaves_a_pool_of_one_its_connection() {
    let (db, changed) = fresh().await;
    take(&db, &changed, &upper()).await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&db.url).await.expect("the database answers");
    let view = RosterView::load(&pool).await.expect("loads");
    let (follower, following) = (view.clone(), pool.clone());
    let follow = tokio::spawn(async move { follower.follow(&following, NEVER).await });
    listening(&db).await;
    take(&db, &changed, &[township(&["village:371302001001"], Vec::new())]).await;
    known(&view, "village:371302001001").await;
    follow.abort();
}
