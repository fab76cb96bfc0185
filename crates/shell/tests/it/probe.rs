//! The question that readiness asks, of a database that vanishes without a word.

use std::time::Duration;

use dafei_messaging::sessions;
use dafei_shell::probe::Probe;
use dafei_testkit::{TestDb, TestWay};
use tokio::time::timeout;

/// How long a question may take; a test's machine may be slow.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_question_that_nobody_answers_keeps_no_later_one_from_its_answer() {
    let db = TestDb::new(&[]).await;
    let way = TestWay::to(&db.url).await;
    let options = sessions::options(way.url(), Duration::from_secs(20)).expect("a URL");
    let probe = Probe::of(&sessions::pool(1).connect_lazy_with(options));
    assert!(timeout(PATIENCE, probe.answers()).await.expect("in time"));
    assert!(timeout(PATIENCE, probe.answers()).await.expect("in time"));
    assert_eq!(way.connections(), 1, "the session is kept");
    way.silence();
    timeout(Duration::from_millis(200), probe.answers()).await.expect_err("nobody answers");
    assert!(timeout(PATIENCE, probe.answers()).await.expect("in time"), "on a new session");
    assert_eq!(way.connections(), 2);
}

#[tokio::test]
async fn a_session_that_was_closed_meanwhile_is_replaced_within_the_question() {
    let db = TestDb::new(&[]).await;
    let way = TestWay::to(&db.url).await;
    let options = sessions::options(way.url(), Duration::from_secs(20)).expect("a URL");
    let probe = Probe::of(&sessions::pool(1).connect_lazy_with(options));
    assert!(timeout(PATIENCE, probe.answers()).await.expect("in time"));
    way.cut();
    assert!(timeout(PATIENCE, probe.answers()).await.expect("in time"));
    way.hold(true);
    way.cut();
    timeout(Duration::from_millis(200), probe.answers()).await.expect_err("there is no database");
}
