//! What a service keeps in order while it runs.

use std::{
    sync::Arc,
    time::{Duration, Instant as Monotonic},
};

use dafei_kernel::clock::ControlledClock;
use dafei_messaging::requests::{self, RequestKey, StoredRequest};
use dafei_shell::upkeep::{Untaken, Upkeep};
use dafei_testkit::{TestDb, TestWay, eventually};
use sqlx::{Executor as _, PgPool, postgres::PgPoolOptions};
use tokio::time::timeout;

use crate::at;

const KEY: &str = "intake/DAFEI_DISPATCH";
/// Longer than an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

async fn fresh() -> TestDb {
    TestDb::new(&[&dafei_messaging::MIGRATOR]).await
}

async fn partitions(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE 'event_log_2%' ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .expect("the partitions")
}

#[tokio::test]
async fn answers_are_forgotten_after_thirty_days_and_younger_ones_are_kept() {
    let db = fresh().await;
    let key = |id: String| RequestKey { subject: "me".to_owned(), method: "M".to_owned(), request_id: id };
    let answer = |id, at| StoredRequest { key: key(id), payload_hash: vec![1], answer: vec![2], recorded_at: at };
    // More than are forgotten by one statement.
    let mut answers: Vec<_> = (0..5_003).map(|n| answer(format!("old {n}"), at("2026-03-01T08:00:00Z"))).collect();
    answers.push(answer("young".to_owned(), at("2026-03-02T08:00:00Z")));
    let mut conn = db.pool.acquire().await.expect("a connection");
    requests::store(&mut conn, &answers).await.expect("stored");
    let clock = ControlledClock::new(at("2026-03-31T07:59:59Z"));
    let mut upkeep = Upkeep::new(db.pool.clone(), Arc::new(clock.clone()), Untaken::default());
    let start = Monotonic::now();
    let left = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM request").fetch_one(&db.pool).await.expect("a count")
    };
    upkeep.look(start).await;
    assert_eq!(left().await, 5_004, "thirty days have not passed");
    clock.set(at("2026-03-31T08:00:01Z"));
    upkeep.look(start + Duration::from_mins(1)).await;
    assert_eq!(left().await, 5_004, "not at each look");
    upkeep.look(start + Duration::from_mins(10)).await;
    assert_eq!(left().await, 1);
    let found = requests::find(&mut conn, &[key("young".to_owned())]).await.expect("found");
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_service_that_runs_for_months_has_partitions_of_its_log_ahead_of_time() {
    let db = fresh().await;
    let clock = ControlledClock::new(at("2026-03-02T08:00:00Z"));
    let mut upkeep = Upkeep::new(db.pool.clone(), Arc::new(clock.clone()), Untaken::default());
    let start = Monotonic::now();
    upkeep.look(start).await;
    assert_eq!(partitions(&db.pool).await, ["event_log_2026_03", "event_log_2026_04", "event_log_2026_05"]);
    clock.set(at("2026-05-01T08:00:00Z"));
    upkeep.look(start + Duration::from_hours(23)).await;
    assert_eq!(partitions(&db.pool).await.len(), 3, "once a day");
    upkeep.look(start + Duration::from_hours(24)).await;
    assert_eq!(partitions(&db.pool).await[3..], ["event_log_2026_06", "event_log_2026_07"]);
}

#[tokio::test]
async fn months_that_could_not_be_made_because_the_log_was_read_are_made_soon_after() {
    let db = fresh().await;
    let clock = ControlledClock::new(at("2026-03-02T08:00:00Z"));
    let mut upkeep = Upkeep::new(db.pool.clone(), Arc::new(clock), Untaken::default());
    let mut reader = db.pool.begin().await.expect("a transaction");
    reader.execute("SELECT 1 FROM event_log").await.expect("it reads for long");
    let start = Monotonic::now();
    upkeep.look(start).await;
    assert!(partitions(&db.pool).await.is_empty(), "it did not wait for the reader");
    reader.rollback().await.expect("it ends");
    upkeep.look(start + Duration::from_mins(10)).await;
    assert_eq!(partitions(&db.pool).await.len(), 3);
}

#[tokio::test]
async fn the_figures_of_what_could_not_take_effect_are_those_of_the_database_and_fall_with_a_replay() {
    let db = fresh().await;
    db.pool
        .execute(
            "INSERT INTO dead_letter (consumer, stream, stream_sequence, stored_at, subject, headers, payload, reason,
                                      first_failed_at, last_failed_at)
             SELECT 'intake/DAFEI_DISPATCH', 'DAFEI_DISPATCH', n, now(), 's', '{}', '', 'r', now(), now()
             FROM generate_series(1, 2) n;
             INSERT INTO parked_event (consumer, source, aggregate_id, sequence, stream, stream_sequence, stored_at, subject, headers,
                                       payload)
             SELECT 'intake/DAFEI_DISPATCH', 'dispatch', gen_random_uuid(), 2, 'DAFEI_DISPATCH', n, now(), 's', '{}', ''
             FROM generate_series(1, 3) n",
        )
        .await
        .expect("letters and parked events of an earlier process");
    let untaken = Untaken::default();
    let clock = ControlledClock::new(at("2026-03-02T08:00:00Z"));
    let mut upkeep = Upkeep::new(db.pool.clone(), Arc::new(clock), untaken.clone());
    let start = Monotonic::now();
    assert_eq!((untaken.dead_letters(KEY), untaken.parked(KEY)), (None, None), "nobody has looked");
    upkeep.look(start).await;
    assert_eq!((untaken.dead_letters(KEY), untaken.parked(KEY)), (Some(2), Some(3)));
    assert_eq!((untaken.dead_letters("other/S"), untaken.parked("other/S")), (Some(0), Some(0)));
    db.pool.execute("UPDATE dead_letter SET replayed_at = now(); DELETE FROM parked_event").await.expect("replayed");
    upkeep.look(start + Duration::from_secs(30)).await;
    assert_eq!((untaken.dead_letters(KEY), untaken.parked(KEY)), (Some(0), Some(0)));
    db.pool.close().await;
    upkeep.look(start + Duration::from_secs(60)).await;
    assert_eq!(
        (untaken.dead_letters(KEY), untaken.parked(KEY)),
        (None, None),
        "no old figures of a database that is away"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_falls_silent_while_the_figures_are_read_leaves_no_old_ones_and_the_pool_its_place() {
    let db = fresh().await;
    let way = TestWay::to(&db.url).await;
    // Handed out without a question: silence is met only when the figures are asked for.
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    let pool = pool.connect(way.url()).await.expect("the database answers");
    let untaken = Untaken::default();
    untaken.read(&pool).await.expect("the figures");
    assert_eq!(untaken.dead_letters(KEY), Some(0));
    eventually(PATIENCE, "the connection is back", async || (pool.num_idle() == 1).then_some(())).await;
    way.silence();
    let silent = timeout(PATIENCE, untaken.read(&pool)).await.expect("it does not wait for ever");
    assert!(matches!(silent, Err(sqlx::Error::Io(_))), "{silent:?}");
    assert_eq!(untaken.dead_letters(KEY), None);
    untaken.read(&pool).await.expect("on another connection");
    assert_eq!(untaken.dead_letters(KEY), Some(0));
}
