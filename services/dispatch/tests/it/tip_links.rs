//! Tips of one matter come together in the first tip's case, whatever comes first.

use dafei_contracts::{dispatch::v1::CaseState, events::v1::TipVerdict, types::v1::ResultKind};
use dafei_kernel::agency::Agency;
use uuid::Uuid;

use crate::{
    suite::Suite,
    tips::{Tip, events_of, verdicts},
};

/// The township's agency finds something, and the centre accepts it; answers which tips were verified, all of them as true.
async fn concluded(suite: &Suite, case: Uuid) -> Vec<String> {
    suite.centre().instruct(case, Agency::PublicSecurity).await.expect("instructed");
    let station = suite.station(Agency::PublicSecurity);
    let inbox = station.inbox().await;
    let own = inbox.iter().find(|one| one.case_id == case.to_string()).expect("its instruction");
    station.submit(&own.instruction_id, ResultKind::Interim, Vec::new()).await.expect("a result");
    suite.centre().accept_result(case).await.expect("accepted");
    verified(suite, case).await
}

async fn verified(suite: &Suite, case: Uuid) -> Vec<String> {
    let verdicts = verdicts(&events_of(suite, case).await);
    assert!(verdicts.iter().all(|(_, verdict, _)| *verdict == TipVerdict::True), "{verdicts:?}");
    verdicts.into_iter().map(|(tip, ..)| tip).collect()
}

fn ids(tips: &[&Tip]) -> Vec<String> {
    tips.iter().map(|tip| tip.id.to_string()).collect()
}

async fn waiting(suite: &Suite) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM tip_link").fetch_one(&suite.db.pool).await.expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_tips_case_ends_in_the_first_ones_which_verifies_both() {
    let suite = Suite::start().await;
    let (first, later) = (Tip::to_centre().opened(&suite).await, Tip::to_centre().opened(&suite).await);
    suite.centre().instruct(later.case, Agency::PublicSecurity).await.expect("instructed");
    let station = suite.station(Agency::PublicSecurity);
    let order = station.inbox().await[0].instruction_id.clone();
    later.linked_to(&suite, &first).await;
    let ended = suite.state(later.case, CaseState::Closed).await;
    assert!(station.inbox().await.is_empty(), "its instruction fell away");
    let late = station.submit(&order, ResultKind::Final, Vec::new()).await.expect_err("it counts in the other case");
    assert_eq!(crate::access::reason(&late), "INSTRUCTION_CANCELLED");
    assert_eq!(concluded(&suite, first.case).await, ids(&[&first, &later]));
    assert!(verified(&suite, later.case).await.is_empty(), "each once, in the case that went on");
    // Told again by an event of its own: nothing more happens.
    later.link(&suite, &first, 3).await;
    Tip::to_centre().opened(&suite).await;
    assert_eq!(suite.admin().case(later.case).await.expect("it").version, ended.version);
    assert_eq!(verified(&suite, first.case).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_comes_before_the_first_tips_case_waits_for_it_and_the_later_case_goes_on_meanwhile() {
    let suite = Suite::start().await;
    let (first, later) = (Tip::to_office(), Tip::to_centre().opened(&suite).await);
    later.linked_to(&suite, &first).await;
    Tip::to_centre().opened(&suite).await;
    assert_eq!(waiting(&suite).await, 1);
    suite.centre().instruct(later.case, Agency::PublicSecurity).await.expect("it is not held up");
    let first = first.opened(&suite).await;
    suite.state(later.case, CaseState::Closed).await;
    assert_eq!(waiting(&suite).await, 0);
    let assigned = suite.office().assign(first.case).await.expect("assigned");
    let lead = crate::suite::lead(&assigned);
    let department = suite.department(Agency::EmergencyManagement);
    department.submit(&lead.instruction_id, ResultKind::Final, Vec::new()).await.expect("a result");
    suite.office().feed_back(first.case).await.expect("settled");
    assert_eq!(verified(&suite, first.case).await, ids(&[&first, &later]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_linked_to_a_case_that_is_closed_is_verified_at_once_and_one_with_a_result_verifies_itself() {
    let suite = Suite::start().await;
    let first = Tip::to_centre().opened(&suite).await;
    assert_eq!(concluded(&suite, first.case).await, ids(&[&first]));
    let later = Tip::to_centre().opened(&suite).await;
    later.linked_to(&suite, &first).await;
    suite.state(later.case, CaseState::Closed).await;
    assert_eq!(verified(&suite, first.case).await, ids(&[&first, &later]));
    let own = Tip::to_centre().opened(&suite).await;
    assert_eq!(concluded(&suite, own.case).await, ids(&[&own]));
    own.linked_to(&suite, &first).await;
    Tip::to_centre().opened(&suite).await;
    assert_eq!(verified(&suite, first.case).await.len(), 2, "it has its verdict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_case_that_has_ended_in_another_leads_to_that_one() {
    let suite = Suite::start().await;
    let first = Tip::to_centre().opened(&suite).await;
    let second = Tip::to_centre().opened(&suite).await;
    let third = Tip::to_centre().opened(&suite).await;
    second.linked_to(&suite, &first).await;
    suite.state(second.case, CaseState::Closed).await;
    third.linked_to(&suite, &second).await;
    suite.state(third.case, CaseState::Closed).await;
    // A tip that went to the city has no case of its own here.
    let city = Tip::to_office();
    city.link(&suite, &third, 1).await;
    Tip::to_centre().opened(&suite).await;
    assert_eq!(concluded(&suite, first.case).await, ids(&[&first, &second, &third, &city]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_accuse_the_township_stays_at_the_county_though_it_is_linked() {
    let suite = Suite::start().await;
    let (first, accusing) = (Tip::to_centre().opened(&suite).await, Tip::to_office().opened(&suite).await);
    accusing.linked_to(&suite, &first).await;
    Tip::to_centre().opened(&suite).await;
    let case = suite.admin().case(accusing.case).await.expect("it");
    assert_eq!((case.state(), case.version), (CaseState::AtOffice, 1));
    assert_eq!(concluded(&suite, first.case).await, ids(&[&first]));
}
