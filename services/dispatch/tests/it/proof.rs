//! What was changed, cut or removed is found; open steps are what the clocks say.

use std::sync::Arc;

use dafei_contracts::{
    Event,
    dispatch::v1::{self as api, CaseState},
    types::v1 as types,
};
use dafei_dispatch::app::Anchors;
use dafei_kernel::{agency::Agency, role::Role, time::civil_date};
use dafei_shell::timer::{Due, Round};
use jiff::SignedDuration;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    access::reason,
    caller::{Caller, lead},
    suite::{CITY, COUNTY, OTHER_COUNTY, Suite, TOWNSHIP},
    tips::Tip,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Somebody with the superuser's rights, who gets past the append-only trigger.
async fn tamper(suite: &Suite, statement: &'static str, case: Uuid) {
    let mut tx = suite.db.pool.begin().await.expect("a transaction");
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("a superuser");
    let done = sqlx::query(statement).bind(case).execute(&mut *tx).await.expect("done");
    assert!(done.rows_affected() > 0, "{statement}");
    tx.commit().await.expect("committed");
}

pub(crate) async fn verify(caller: &Caller, case: Uuid) -> Result<api::VerifyCaseHistoryResponse, Status> {
    let request = api::VerifyCaseHistoryRequest { case_id: case.to_string() };
    Ok(caller.proof().verify_case_history(request).await?.into_inner())
}

pub(crate) fn flaw(answer: &api::VerifyCaseHistoryResponse) -> Option<(api::Flaw, i64)> {
    answer.finding.as_ref().map(|finding| (finding.flaw(), finding.sequence))
}

/// What an anchor's check finds in all buckets, page by page.
async fn check_anchor(suite: &Suite, day: &str) -> Vec<(api::Flaw, String)> {
    let mut client = suite.caller(Role::Auditor, CITY, None).proof();
    let mut found = Vec::new();
    for bucket in 0..256 {
        let mut page_token = String::new();
        loop {
            let request = api::VerifyAnchorRequest { day: day.to_owned(), bucket, page_size: 1, page_token };
            let page = client.verify_anchor(request).await.expect("checked").into_inner();
            found.extend(page.findings.iter().map(|finding| (finding.flaw(), finding.case_id.clone())));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
    }
    found
}

/// An anchor over the day that ends now.
async fn anchor(suite: &Suite) -> String {
    let anchors = Anchors::new(Arc::clone(&suite.app));
    let now = suite.advance(DAY);
    assert_eq!(anchors.round(now).await.expect("an anchor"), Round::Done);
    civil_date(now).yesterday().expect("a day").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_a_cut_tail_and_a_missing_event_are_found_in_a_case() {
    let suite = Suite::start().await;
    let auditor = suite.caller(Role::Auditor, CITY, None);
    let mut cases = Vec::new();
    for _ in 0..3 {
        let case = suite.escalated().await;
        suite.office().assign(case).await.expect("assigned");
        let intact = verify(&auditor, case).await.expect("checked");
        assert_eq!((flaw(&intact), intact.events), (None, 3));
        cases.push(case);
    }
    let [changed, cut, missing] = cases.try_into().expect("three");
    let word = "UPDATE event_log SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '超出乡镇职权', '未出乡镇职权'), 'UTF8')
                WHERE aggregate_id = $1 AND sequence = 2";
    tamper(&suite, word, changed).await;
    assert_eq!(flaw(&verify(&auditor, changed).await.expect("checked")), Some((api::Flaw::Changed, 2)));
    tamper(&suite, "DELETE FROM event_log WHERE aggregate_id = $1 AND sequence = 3", cut).await;
    assert_eq!(flaw(&verify(&auditor, cut).await.expect("checked")), Some((api::Flaw::Cut, 3)));
    tamper(&suite, "DELETE FROM event_log WHERE aggregate_id = $1 AND sequence = 2", missing).await;
    assert_eq!(flaw(&verify(&auditor, missing).await.expect("checked")), Some((api::Flaw::Missing, 2)));
    let elsewhere = suite.caller(Role::CountyOffice, OTHER_COUNTY, None);
    let refused = verify(&elsewhere, cut).await.expect_err("not its case");
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "OUT_OF_SCOPE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anchor_of_a_day_holds_every_case_as_it_stood_and_what_moved_on_is_no_fault() {
    let suite = Suite::start().await;
    let (moves, stays) = (suite.escalated().await, suite.report().await);
    let first = anchor(&suite).await;
    assert_eq!(check_anchor(&suite, &first).await, []);
    suite.office().assign(moves).await.expect("assigned");
    suite.centre().escalate(stays).await.expect("escalated");
    assert_eq!(check_anchor(&suite, &first).await, [], "they only went on");
    let second = anchor(&suite).await;
    assert_eq!(check_anchor(&suite, &second).await, []);
    let listed = suite.admin().proof().list_anchors(api::ListAnchorsRequest::default()).await.expect("a list");
    let listed = listed.into_inner().anchors;
    let days: Vec<_> = listed.iter().map(|anchor| anchor.day.clone()).collect();
    assert_eq!((days, listed[0].cases), (vec![second, first], 2));
    let again = Anchors::new(Arc::clone(&suite.app));
    assert_eq!(again.round(suite.app.clock.now()).await.expect("nothing to do"), Round::Done);
    // Beside 5 steps of the cases; the deliveries that the day's end assumes may come before the second anchor.
    let mut digests = Vec::new();
    for count in 7.. {
        let told = suite.published(dafei_contracts::Stream::Dispatch, count).await;
        let anchored = told.iter().filter_map(|event| match event {
            Event::CasesAnchored(event) => Some(event.digest.clone()),
            _ => None,
        });
        digests = anchored.collect();
        if digests.len() == 2 {
            break;
        }
    }
    assert!(listed.iter().rev().map(|anchor| &anchor.digest).eq(&digests), "the bus was told the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_or_removed_without_a_trace_in_its_own_chain_is_found_by_the_anchor() {
    let suite = Suite::start().await;
    let (back, removed, whole) = (suite.escalated().await, suite.report().await, suite.report().await);
    let day = anchor(&suite).await;
    // Whoever cuts the tail and sets the row back, too, leaves a chain that fits in itself.
    tamper(&suite, "DELETE FROM event_log WHERE aggregate_id = $1 AND sequence = 2", back).await;
    let head = "UPDATE case_file SET version = 1, body = jsonb_set(body, '{sequence}', '1'),
                    chain_head = (SELECT encode(sha256(payload), 'hex') FROM event_log WHERE aggregate_id = $1)
                WHERE id = $1";
    tamper(&suite, head, back).await;
    tamper(&suite, "DELETE FROM event_log WHERE aggregate_id = $1", removed).await;
    tamper(&suite, "DELETE FROM case_file WHERE id = $1", removed).await;
    let mut found = check_anchor(&suite, &day).await;
    found.sort();
    let (back, removed) = (back.to_string(), removed.to_string());
    let mut expected = vec![
        (api::Flaw::Cut, back.clone()),
        (api::Flaw::Removed, back),
        (api::Flaw::Removed, removed.clone()),
        (api::Flaw::Removed, removed.clone()),
    ];
    expected.sort();
    assert_eq!(found, expected, "and nothing of {whole}");
    // Who takes it out of what was kept, too, is found by the digest that the bus has.
    tamper(&suite, "DELETE FROM case_leaf WHERE case_id = $1", removed.parse().expect("an id")).await;
    let found = check_anchor(&suite, &day).await;
    assert!(found.contains(&(api::Flaw::Anchor, String::new())), "{found:?}");
    assert!(!found.iter().any(|(_, case)| *case == removed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_through_all_cases_is_not_for_the_roles_of_a_county_or_township() {
    let suite = Suite::start().await;
    for role in [Role::Service, Role::Auditor, Role::Admin] {
        for region in [COUNTY, TOWNSHIP] {
            let caller = suite.caller(role, region, None);
            let digest = caller.proof().digest_open_steps(api::DigestOpenStepsRequest {}).await.expect_err("of a part");
            let steps =
                caller.proof().list_open_steps(api::ListOpenStepsRequest::default()).await.expect_err("of a part");
            let anchors = caller.proof().list_anchors(api::ListAnchorsRequest::default()).await.expect_err("of a part");
            for status in [digest, steps, anchors] {
                assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "OUT_OF_SCOPE"));
            }
        }
    }
    for role in [Role::Auditor, Role::Admin] {
        let verify = api::VerifyAnchorRequest { day: "2026-11-23".to_owned(), ..Default::default() };
        let refused = suite.caller(role, COUNTY, None).proof().verify_anchor(verify).await.expect_err("of a part");
        assert_eq!(reason(&refused), "OUT_OF_SCOPE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_steps_are_the_clocks_that_run_and_their_digest_moves_with_them() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let id: Uuid = case.case_id.parse().expect("an id");
    let bucket = u32::from(*id.as_bytes().last().expect("16 bytes"));
    let service = suite.caller(Role::Service, CITY, None);
    let steps = |suite: &Suite| {
        let mut client = suite.caller(Role::Service, CITY, None).proof();
        async move {
            let request = api::ListOpenStepsRequest { bucket, ..Default::default() };
            let steps = client.list_open_steps(request).await.expect("steps").into_inner().steps;
            steps.into_iter().map(|step| (step.clock, step.version)).collect::<Vec<_>>()
        }
    };
    let digest = || async {
        let answer = service.proof().digest_open_steps(api::DigestOpenStepsRequest {}).await.expect("digests");
        answer.into_inner().buckets.into_iter().find(|one| one.bucket == bucket).map(|one| (one.steps, one.digest))
    };
    assert_eq!(steps(&suite).await, [], "issued, and not delivered");
    let before = digest().await.expect("an open case");
    assert_eq!(before.0, 0);
    let department = suite.department(Agency::EmergencyManagement);
    department.read(&lead(&case).instruction_id).await.expect("read");
    assert_eq!(steps(&suite).await, [("K2".to_owned(), 4), ("K3".to_owned(), 4)]);
    let delivered = digest().await.expect("an open case");
    assert_ne!(delivered, before);
    assert_eq!(digest().await.expect("an open case"), delivered, "the same steps have the same digest");
    department.respond(&lead(&case).instruction_id).await.expect("responded");
    assert_eq!(steps(&suite).await, [("K3".to_owned(), 5)]);
    department.submit(&lead(&case).instruction_id, types::ResultKind::Interim, Vec::new()).await.expect("a result");
    assert_eq!(steps(&suite).await, [("K4".to_owned(), 7)]);
    suite.office().feed_back(id).await.expect("fed back");
    assert_eq!(steps(&suite).await, [("P1".to_owned(), 9)]);
    suite.state(id, CaseState::OutcomeAvailable).await;
    let outside = api::ListOpenStepsRequest { bucket: 256, ..Default::default() };
    let refused = service.proof().list_open_steps(outside).await.expect_err("no bucket");
    assert_eq!(reason(&refused), "OUT_OF_RANGE");
    let office = suite.office().proof().digest_open_steps(api::DigestOpenStepsRequest {}).await.expect_err("not its");
    assert_eq!(reason(&office), "ROLE_NOT_ALLOWED");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_is_due_at_midnight_and_not_before_there_is_a_case() {
    let suite = Suite::start().await;
    let anchors = Anchors::new(Arc::clone(&suite.app));
    assert_eq!(anchors.next_due().await.expect("asked"), None);
    let tip = Tip::to_centre();
    tip.told(&suite, suite.app.clock.now()).await;
    suite.state(tip.case, CaseState::AtCentre).await;
    let due = anchors.next_due().await.expect("asked").expect("tonight");
    assert_eq!(due.to_string(), "2026-03-02T16:00:00Z");
    anchor(&suite).await;
    assert_eq!(anchors.next_due().await.expect("asked").expect("tomorrow night").to_string(), "2026-03-03T16:00:00Z");
}
