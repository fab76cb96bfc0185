//! The log, the answers, the clock and the schema in PostgreSQL.

use std::time::Duration;

use bytes::Bytes;
use dafei_messaging::{
    MIGRATOR,
    batch::{Severity, severity},
    ensure_partitions,
    event::{MAX_PAYLOAD, NewEvent},
    exercise, log, migrate,
    pg::PgInstant,
    requests::{self, RequestKey, StoredRequest},
    sessions,
};
use dafei_testkit::{TestDb, eventually};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{at, event, start_of_tests};

async fn count(pool: &PgPool, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
        .fetch_one(pool)
        .await
        .expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_read_back_as_it_was_appended() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let mut connection = db.pool.acquire().await.expect("a connection");
    let events: Vec<NewEvent> = (1..=3).map(|sequence| event(1, sequence, start_of_tests())).collect();
    log::append(&mut connection, &events).await.expect("appended");
    let history = log::history(&mut connection, Uuid::from_u128(1), 1, 10).await.expect("the history");
    assert_eq!(history.iter().map(|event| event.sequence).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(history[0].payload, events[1].payload);
    assert_eq!(history[0].recorded_at, events[1].recorded_at);
    assert_eq!(history[0].traceparent, events[1].traceparent);
    assert!(history[0].position < history[1].position);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_transaction_leaves_neither_event_nor_outbox() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let mut tx = db.pool.begin().await.expect("a transaction");
    log::append(&mut tx, &[event(1, 1, start_of_tests())]).await.expect("appended");
    tx.rollback().await.expect("rolled back");
    assert_eq!((count(&db.pool, "event_log").await, count(&db.pool, "outbox").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_could_never_be_published_is_refused() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let mut connection = db.pool.acquire().await.expect("a connection");
    let huge = NewEvent { payload: Bytes::from(vec![b'x'; MAX_PAYLOAD + 1]), ..event(1, 1, start_of_tests()) };
    let refused = log::append(&mut connection, &[huge]).await;
    assert!(matches!(refused, Err(log::AppendError::TooLarge { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_message_can_carry_are_refused_and_a_trace_context_that_is_none_is_left_out() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let mut connection = db.pool.acquire().await.expect("a connection");
    let good = || event(1, 1, start_of_tests());
    let bad = [
        ("subject", NewEvent { subject: "t.intake.a b".to_owned(), ..good() }),
        ("subject", NewEvent { subject: "t..intake".to_owned(), ..good() }),
        ("subject", NewEvent { subject: "t.>".to_owned(), ..good() }),
        ("subject", NewEvent { subject: format!("t.{}", "x".repeat(70_000)), ..good() }),
        ("type", NewEvent { event_type: "t.\rHappened".to_owned(), ..good() }),
        ("type", NewEvent { event_type: "x".repeat(70_000), ..good() }),
        ("source", NewEvent { source: "a\0b".to_owned(), ..good() }),
    ];
    for (name, event) in bad {
        match log::append(&mut connection, &[good(), event]).await {
            Err(log::AppendError::Unpublishable { part, .. }) => assert_eq!(part, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    for trace in ["x".repeat(65_400), "00-none".to_owned(), "a\0b".to_owned()] {
        let sequence = count(&db.pool, "event_log").await + 1;
        let event = NewEvent { traceparent: Some(trace), ..event(1, sequence, start_of_tests()) };
        log::append(&mut connection, &[event]).await.expect("appended");
    }
    let history = log::history(&mut connection, Uuid::from_u128(1), 0, 10).await.expect("the history");
    assert_eq!(history.iter().map(|event| event.traceparent.as_deref()).collect::<Vec<_>>(), [None, None, None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_cannot_be_changed_or_shortened() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let mut connection = db.pool.acquire().await.expect("a connection");
    log::append(&mut connection, &[event(1, 1, start_of_tests())]).await.expect("appended");
    assert!(sqlx::query("UPDATE event_log SET subject = 'x'").execute(&mut *connection).await.is_err());
    assert!(sqlx::query("DELETE FROM event_log").execute(&mut *connection).await.is_err());
    assert_eq!(count(&db.pool, "event_log").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn months_get_partitions_once_and_never_one_over_rows_that_are_there() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let mut connection = db.pool.acquire().await.expect("a connection");
    log::append(&mut connection, &[event(1, 1, at("2026-04-30T23:59:59Z"))]).await.expect("appended");
    assert_eq!(ensure_partitions(&db.pool, start_of_tests(), 3).await.expect("made"), 2, "April has a row already");
    assert_eq!(ensure_partitions(&db.pool, start_of_tests(), 3).await.expect("made"), 0);
    log::append(&mut connection, &[event(1, 2, at("2026-05-01T00:00:00Z"))]).await.expect("appended");
    assert_eq!(count(&db.pool, "event_log_2026_05").await, 1);
    assert_eq!(count(&db.pool, "event_log_default").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_takes_longer_than_a_statement_of_the_pool_may() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let options = sessions::options(&db.url, Duration::from_millis(100)).expect("a URL");
    let pool = sessions::pool(2).connect_with(options).await.expect("the database answers");
    let mut other = db.pool.begin().await.expect("a transaction");
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('dafei event_log partitions', 0))")
        .execute(&mut *other)
        .await
        .expect("another replica makes some");
    let patiently = async {
        loop {
            match ensure_partitions(&pool, start_of_tests(), 3).await {
                // The test was held up for longer than the table is waited for.
                Err(error) if severity(&error) == Severity::Locked => {}
                made => return made,
            }
        }
    };
    let (made, ()) = tokio::join!(patiently, async {
        eventually(Duration::from_secs(30), "it waits longer than a statement may", async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND wait_event = 'advisory' AND clock_timestamp() - query_start > interval '300 ms'";
            let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&db.pool).await.expect("a count");
            (waiting == 1).then_some(())
        })
        .await;
        other.rollback().await.expect("it has ended");
    });
    assert_eq!(made.expect("made"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_may_be_run_by_several_replicas_and_again() {
    let db = TestDb::new(&[]).await;
    let migrators = [&MIGRATOR];
    let (first, second) = tokio::join!(migrate(&db.pool, &migrators), migrate(&db.pool, &migrators));
    first.expect("migrated");
    second.expect("migrated");
    migrate(&db.pool, &[&MIGRATOR]).await.expect("migrated again");
    assert_eq!(count(&db.pool, "event_log").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn instants_keep_their_microseconds() {
    let db = TestDb::new(&[]).await;
    for text in ["2026-03-02T08:00:00.123456Z", "1999-12-31T23:59:59.999999Z", "1960-01-01T00:00:00.000001Z"] {
        let (back, shown): (PgInstant, String) =
            sqlx::query_as("SELECT $1, to_char($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
                .bind(PgInstant(at(text)))
                .fetch_one(&db.pool)
                .await
                .expect("an instant");
        assert_eq!((back.0, shown.as_str()), (at(text), text));
    }
    let list = vec![PgInstant(start_of_tests()); 2];
    let back: Vec<PgInstant> =
        sqlx::query_scalar("SELECT UNNEST($1)").bind(&list).fetch_all(&db.pool).await.expect("instants");
    assert_eq!(back, list);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_found_by_its_request_until_it_is_purged() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let mut connection = db.pool.acquire().await.expect("a connection");
    let key = |id: &str| RequestKey { subject: "me".to_owned(), method: "M".to_owned(), request_id: id.to_owned() };
    let answer = |id: &str, at| StoredRequest { key: key(id), payload_hash: vec![1], answer: vec![2], recorded_at: at };
    let later = start_of_tests() + Duration::from_secs(60);
    requests::store(&mut connection, &[answer("a", start_of_tests()), answer("b", later)]).await.expect("stored");
    let found = requests::find(&mut connection, &[key("a"), key("b"), key("c")]).await.expect("found");
    assert_eq!(found.len(), 2);
    assert_eq!(found[&key("a")], answer("a", start_of_tests()));
    assert!(requests::store(&mut connection, &[answer("a", later)]).await.is_err(), "an answer is never replaced");
    assert_eq!(requests::purge(&db.pool, later, 10).await.expect("purged"), 1);
    assert_eq!(requests::find(&mut connection, &[key("a"), key("b")]).await.expect("found").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exercises_clock_is_kept() {
    let db = TestDb::new(&[&MIGRATOR]).await;
    let mut connection = db.pool.acquire().await.expect("a connection");
    assert_eq!(exercise::load(&mut connection).await.expect("loaded"), None);
    for text in ["2026-03-02T08:00:00Z", "2026-03-07T08:00:00Z"] {
        exercise::store(&mut connection, at(text)).await.expect("stored");
        assert_eq!(exercise::load(&mut connection).await.expect("loaded"), Some(at(text)));
    }
}
