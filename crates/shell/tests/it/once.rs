//! A write in a transaction of its own: once for its request id, also when it is sent again before it has ended, or its end is not heard.

use std::{sync::Arc, time::Duration};

use dafei_contracts::types::v1::Region;
use dafei_kernel::clock::ControlledClock;
use dafei_messaging::{requests::RequestKey, sessions};
use dafei_runtime::status::Fault;
use dafei_shell::once::{Begun, Once};
use dafei_testkit::{TestDb, TestWay};
use sqlx::PgPool;

use crate::at;

const PATIENCE: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(300);

fn key() -> RequestKey {
    RequestKey { subject: "me".to_owned(), method: "Put".to_owned(), request_id: "a".to_owned() }
}

fn answer(code: &str) -> Region {
    Region { code: code.to_owned(), ..Region::default() }
}

async fn begin(pool: &PgPool, longest: Duration) -> Result<Begun<Region>, Fault> {
    let clock = Arc::new(ControlledClock::new(at("2026-03-02T08:00:00Z")));
    Once::begin_within(longest, pool, &*clock, key(), b"payload").await
}

fn new(begun: Begun<Region>) -> Once {
    match begun {
        Begun::New(once) => once,
        Begun::Answered(first) => panic!("answered before: {first:?}"),
    }
}

fn answered(begun: Begun<Region>) -> Region {
    match begun {
        Begun::Answered(first) => first,
        Begun::New(_) => panic!("it was done before"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_sent_again_before_the_first_is_committed_waits_for_its_answer() {
    let db = TestDb::new(&[&dafei_messaging::MIGRATOR]).await;
    let first = new(begin(&db.pool, PATIENCE).await.expect("begun"));
    let (again, done) = tokio::join!(begin(&db.pool, PATIENCE), async {
        db.until_waiting(1).await;
        first.finish(answer("371302")).await
    });
    done.expect("committed");
    assert_eq!(answered(again.expect("the first answer")), answer("371302"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_and_given_up_keeps_no_other_from_doing_it() {
    let db = TestDb::new(&[&dafei_messaging::MIGRATOR]).await;
    drop(new(begin(&db.pool, PATIENCE).await.expect("begun")));
    let again = new(begin(&db.pool, PATIENCE).await.expect("begun again"));
    again.finish(answer("371302")).await.expect("committed");
}

/// How long the end of a write is waited for. All that comes before its commit has to be through by then.
const UNHEARD: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn who_hears_nothing_of_the_commit_is_told_to_come_back_and_gets_the_answer_then() {
    let db = TestDb::new(&[&dafei_messaging::MIGRATOR]).await;
    let way = TestWay::to(&db.url).await;
    let options = sessions::options(way.url(), PATIENCE).expect("a URL");
    let pool = sessions::pool_asking(1, Duration::ZERO, SOON, SOON).acquire_timeout(PATIENCE);
    let pool = pool.connect_with(options).await.expect("the database answers");
    let first = new(begin(&pool, UNHEARD).await.expect("begun"));
    way.silence_at_the_next_commit();
    let unheard = tokio::time::timeout(PATIENCE, first.finish(answer("371302"))).await.expect("not for ever");
    assert!(matches!(unheard, Err(Fault::Unavailable { .. })), "{unheard:?}");
    let again = begin(&pool, PATIENCE).await.expect("the place in the pool is free");
    assert_eq!(answered(again), answer("371302"));
}
