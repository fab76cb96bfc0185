//! A replayed request gets the first answer; another payload under its id is refused.

use dafei_contracts::dispatch::v1 as api;
use dafei_kernel::role::Role;

use crate::{
    access::reason,
    suite::{Suite, TOWNSHIP, new_id},
};

fn escalate(request_id: &str, case: uuid::Uuid, why: &str) -> api::EscalateRequest {
    api::EscalateRequest {
        request_id: request_id.to_owned(),
        case_id: case.to_string(),
        reason: why.to_owned(),
        expected_version: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_id_gets_the_first_answer_and_changes_nothing() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    let mut centre = suite.centre().township();
    let id = new_id();
    let first = centre.escalate(escalate(&id, case, "超出职权")).await.expect("escalated").into_inner();
    suite.office().assign(case).await.expect("assigned meanwhile");
    let again = centre.escalate(escalate(&id, case, "超出职权")).await.expect("the first answer").into_inner();
    assert_eq!(again, first);
    let other = centre.escalate(escalate(&id, case, "另一个理由")).await.expect_err("another payload");
    assert_eq!((other.code(), reason(&other).as_str()), (tonic::Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let colleague = suite.named("a colleague", Role::TownshipCentre, TOWNSHIP, None);
    let own = colleague.township().escalate(escalate(&id, case, "超出职权")).await.expect_err("its own id");
    assert_eq!(reason(&own), "ALREADY_ESCALATED", "request ids are the caller's");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_under_one_id_one_is_done_and_all_get_its_answer() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    let (caller, id) = (suite.centre(), new_id());
    let calls = (0..20).map(|_| {
        let (mut centre, request) = (caller.township(), escalate(&id, case, "超出职权"));
        tokio::spawn(async move { centre.escalate(request).await })
    });
    let calls: Vec<_> = calls.collect();
    for call in calls {
        let answer = call.await.expect("no panic").expect("the answer").into_inner();
        assert_eq!(answer.case.expect("a case").version, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_again_to_another_replica_before_its_commit_gets_the_first_answer() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    let (here, there) = (suite.centre(), suite.at_another_replica(&suite.centre()).await);
    let request = api::EscalateRequest { expected_version: 1, ..escalate(&new_id(), case, "超出职权") };
    let held = suite.db.hold_answers().await;
    let (mut here, mut there) = (here.township(), there.township());
    let (first, again) = tokio::join!(here.escalate(request.clone()), async {
        suite.db.until_waiting(1).await;
        let (again, ()) = tokio::join!(there.escalate(request.clone()), async {
            suite.db.until_waiting(2).await;
            held.rollback().await.expect("the first may commit");
        });
        again
    });
    let first = first.expect("escalated").into_inner();
    assert_eq!(again.expect("the first answer").into_inner(), first);
    assert_eq!(first.case.expect("a case").version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_wins_and_the_other_is_told_the_state() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    let (one, two) = (suite.centre(), suite.named("a colleague", Role::TownshipCentre, TOWNSHIP, None));
    let (first, second) = tokio::join!(one.escalate(case), two.escalate(case));
    let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
    assert_eq!(won.expect("one wins").version, 2);
    let lost = lost.expect_err("one loses");
    assert_eq!((lost.code(), reason(&lost).as_str()), (tonic::Code::FailedPrecondition, "ALREADY_ESCALATED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_report_twice_opens_one_case() {
    let suite = Suite::start().await;
    let case = suite.report().await;
    suite.centre().escalate(case).await.expect("escalated");
    suite.report_again(case, 2, crate::suite::den()).await;
    // What comes behind it has been taken, so it has.
    suite.report().await;
    let found = suite.admin().case(case).await.expect("the case");
    assert_eq!((found.version, found.state()), (2, api::CaseState::AtOffice));
}
