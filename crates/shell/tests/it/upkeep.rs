//! What a service keeps in order while it runs.

use std::{
    sync::Arc,
    time::{Duration, Instant as Monotonic},
};

use dafei_kernel::clock::ControlledClock;
use dafei_messaging::requests::{self, RequestKey, StoredRequest};
use dafei_shell::upkeep::Upkeep;
use dafei_testkit::TestDb;

use crate::at;

async fn fresh() -> TestDb {
    TestDb::new(&[&dafei_messaging::MIGRATOR]).await
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
    let mut upkeep = Upkeep::new(db.pool.clone(), Arc::new(clock.clone()));
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
