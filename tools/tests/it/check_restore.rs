//! Databases that were restored apart: who knows more than its publisher is named.

use std::process::Output;

use bytes::Bytes;
use dafei_messaging::{event::NewEvent, log};
use dafei_testkit::TestDb;
use uuid::Uuid;

use crate::fakes::{FakeSuite, instant};

const CASE: Uuid = Uuid::from_u128(1);

/// The databases of the four services; intake has published two events of a case.
struct Databases {
    suite: FakeSuite,
    intake: TestDb,
    dispatch: TestDb,
    sla: TestDb,
    reporting: TestDb,
}

impl Databases {
    async fn new() -> Self {
        let database = async || TestDb::new(&[&dafei_messaging::MIGRATOR]).await;
        let databases = Self {
            suite: FakeSuite::start("2026-11-23T08:00:00Z").await,
            intake: database().await,
            dispatch: database().await,
            sla: database().await,
            reporting: database().await,
        };
        let event = |sequence: i64| NewEvent {
            stream: "DAFEI_INTAKE",
            subject: "dafei.v1.village.371302.371302001.371302001001.reported-up".to_owned(),
            event_type: "dafei.events.v1.ReportedUp".to_owned(),
            source: "dafei/intake".to_owned(),
            aggregate_id: CASE,
            sequence,
            event_id: Uuid::from_u128(sequence.unsigned_abs().into()),
            recorded_at: instant("2026-11-23T08:00:00Z"),
            traceparent: None,
            payload: Bytes::from_static(b"{}"),
        };
        let mut tx = databases.intake.pool.begin().await.expect("a transaction");
        log::append(&mut tx, &[event(1), event(2)]).await.expect("logged");
        tx.commit().await.expect("committed");
        databases
    }

    async fn check(&self) -> Output {
        let mut command = self.suite.tool(&["check-restore"]);
        command
            .env("DAFEI_INTAKE_DATABASE_URL", &self.intake.url)
            .env("DAFEI_DISPATCH_DATABASE_URL", &self.dispatch.url)
            .env("DAFEI_SLA_MONITOR_DATABASE_URL", &self.sla.url)
            .env("DAFEI_REPORTING_DATABASE_URL", &self.reporting.url);
        command.output().await.expect("the binary runs")
    }
}

/// A service has taken intake's events of the case up to this one.
async fn taken(database: &TestDb, sequence: i64) {
    sqlx::query("INSERT INTO consumer_mark VALUES ('c', 'dafei/intake', $1, $2)")
        .bind(CASE)
        .bind(sequence)
        .execute(&database.pool)
        .await
        .expect("a mark");
}

#[tokio::test]
async fn a_service_that_is_behind_its_publisher_is_no_fault_of_a_restore() {
    let databases = Databases::new().await;
    taken(&databases.dispatch, 1).await;
    taken(&databases.sla, 2).await;
    let done = databases.check().await;
    assert!(done.status.success(), "{done:?}");
}

#[tokio::test]
async fn a_service_that_has_taken_what_its_publisher_has_lost_is_named() {
    let databases = Databases::new().await;
    taken(&databases.dispatch, 2).await;
    taken(&databases.reporting, 3).await;
    let done = databases.check().await;
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(!done.status.success(), "{done:?}");
    assert!(said.starts_with("reporting ") && said.contains(" intake ") && said.lines().count() == 1, "{said}");
}
