//! Sessions beside those of a service's pool.

use std::time::Duration;

use dafei_messaging::sessions;
use dafei_testkit::TestDb;
use sqlx::Executor as _;
use tokio::time::timeout;

use crate::support::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_leaves_a_pool_of_one_its_connection() {
    let db = TestDb::new(&[]).await;
    let options = sessions::options(&db.url, Duration::from_secs(20)).expect("a URL");
    let pool = sessions::pool(1).connect_with(options).await.expect("the database answers");
    let mut listener = sessions::listener(&pool, "told").await.expect("it listens");
    pool.execute("SELECT pg_notify('told', 'a')").await.expect("the pool's only connection");
    let notice = timeout(PATIENCE, listener.recv()).await.expect("in time").expect("a notice");
    assert_eq!(notice.payload(), "a");
}
