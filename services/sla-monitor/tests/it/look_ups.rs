//! How a batch finds what it needs, by the handler itself.

use std::collections::BTreeMap;

use dafei_kernel::workdays::Calendar;
use dafei_messaging::consumer::{Delivered, Handler as _};
use dafei_shell::{publish, roster::RosterView, start};
use dafei_sla_core::Rules;
use dafei_sla_monitor::{MIGRATOR, consumers::CaseEvents, terms::TermsView};
use dafei_testkit::TestDb;
use sqlx::PgConnection;

use crate::{
    events::{Case, Told, at},
    world::START,
};

/// Cases under way.
const CASES: u128 = 1_200;
/// Of which a batch tells something.
const BATCH: u128 = 20;

/// An event as a consumer gives it to its handler.
fn delivered(told: &Told) -> Delivered {
    Delivered {
        subject: told.event.subject().unwrap().to_string(),
        headers: BTreeMap::new(),
        event_id: told.id(),
        event_type: told.event.kind().event_type.to_owned(),
        source: publish::source(told.service),
        aggregate_id: told.aggregate,
        sequence: told.sequence,
        recorded_at: at(START),
        traceparent: None,
        payload: told.event.to_json().unwrap().into(),
        stream_sequence: 0,
        stored_at: at(START),
    }
}

/// How often this session has read one of the ledger's tables from its beginning to its end, since the session's figures were last sent.
async fn whole_reads(conn: &mut PgConnection) -> i64 {
    let reads =
        "SELECT sum(seq_scan)::bigint FROM pg_stat_xact_user_tables WHERE relname IN ('obligation', 'case_fact')";
    sqlx::query_scalar(reads).fetch_one(conn).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_looks_its_cases_up_by_index_also_in_a_database_that_was_never_analyzed() {
    let db = TestDb::new(&start::migrators(&MIGRATOR)).await;
    let never =
        "ALTER TABLE obligation SET (autovacuum_enabled = off); ALTER TABLE case_fact SET (autovacuum_enabled = off)";
    sqlx::raw_sql(never).execute(&db.pool).await.unwrap();
    let roster = RosterView::load(&db.pool).await.unwrap();
    let (rules, calendar) = (Rules::builtin_text(), Calendar::builtin_text());
    let terms = TermsView::open_with(&db.pool, at(START), rules, calendar).await.unwrap();
    let intake = CaseEvents::intake(terms, roster);
    let found: Vec<Delivered> = (0..CASES).map(|number| delivered(&Case::new(number).found(START).told[0])).collect();
    let mut tx = db.pool.begin().await.unwrap();
    intake.apply(&mut tx, &found).await.unwrap();
    tx.commit().await.unwrap();
    let notified = |number| delivered(&Case::new(number).found(START).notified("2026-11-23T08:10:00+08:00").told[1]);
    let batch: Vec<Delivered> = (0..BATCH).map(notified).collect();
    let mut tx = db.pool.begin().await.unwrap();
    let before = whole_reads(&mut tx).await;
    intake.apply(&mut tx, &batch).await.unwrap();
    assert_eq!(whole_reads(&mut tx).await, before);
    tx.commit().await.unwrap();
    let settled: i64 = sqlx::query_scalar("SELECT count(*) FROM obligation WHERE end_kind = 'settled'")
        .fetch_one(&db.pool)
        .await
        .unwrap();
    assert_eq!(settled, i64::try_from(BATCH).unwrap(), "and it has its effect");
}
