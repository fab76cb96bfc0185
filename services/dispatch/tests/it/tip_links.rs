//! Tips of one matter come together in the first tip's case, whatever comes first.

use dafei_contracts::{
    Event,
    dispatch::v1::{self as api, CaseState},
    events::v1::{self as ev, TipVerdict},
    types::v1::ResultKind,
};
use dafei_kernel::{agency::Agency, role::Role};
use uuid::Uuid;

use crate::{
    suite::{Suite, VILLAGE, WORK_AREA, new_id, wire_region},
    tips::{Tip, events_of, verdicts},
    turns::merge,
    watching::{listed_by, next, watch},
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

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_meets_a_merge_under_way_leads_to_where_its_case_ended() {
    let suite = Suite::start().await;
    let (first, other) = (Tip::to_centre().opened(&suite).await, Tip::to_centre().opened(&suite).await);
    let later = Tip::to_centre().opened(&suite).await;
    let held = suite.db.hold_answers().await;
    let centre = suite.centre();
    let (merged, ()) = tokio::join!(merge(&centre, first.case, other.case), async {
        suite.db.until_waiting(1).await;
        later.linked_to(&suite, &first).await;
        suite.db.until_waiting(2).await;
        held.rollback().await.expect("the merge may commit");
    });
    merged.expect("merged");
    suite.state(later.case, CaseState::Closed).await;
    assert_eq!(waiting(&suite).await, 0);
    assert_eq!(concluded(&suite, other.case).await, ids(&[&other, &first, &later]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_village_does_not_learn_that_a_tip_ended_in_its_report() {
    let suite = Suite::start().await;
    let (report, tip) = (suite.report().await, Tip::to_centre().opened(&suite).await);
    listed_by(&suite.centre()).await;
    let below = [(Role::GridMember, VILLAGE), (Role::VillageSecretary, VILLAGE), (Role::WorkAreaSecretary, WORK_AREA)];
    let mut screens = Vec::new();
    for (role, region) in below {
        screens.push(watch(&suite.caller(role, region, None), region, "").await.expect("a stream"));
    }
    let ended = merge(&suite.centre(), tip.case, report).await.expect("merged");
    assert_eq!(ended.merged_into, report.to_string(), "who sees the tip sees the report");
    assert_eq!(concluded(&suite, report).await, ids(&[&tip]));
    suite.intake(report, 2, ev::ResultPublished { case_id: report.to_string(), ..Default::default() }).await;
    suite.state(report, CaseState::Closed).await;
    for ((role, region), mut screen) in below.into_iter().zip(screens) {
        let caller = suite.caller(role, region, None);
        let kept: Vec<_> = caller.history(report).await.into_iter().map(|item| item.r#type).collect();
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last: &String| !last.ends_with(".CaseClosed")) {
            seen.push(next(&mut screen).await.0.r#type);
        }
        assert!(kept.ends_with(&seen), "{role}: {kept:?} {seen:?}");
        assert!(!kept.iter().any(|one| one.ends_with(".TipVerified")), "{role}: {kept:?}");
        let request = api::ListCasesRequest { region: Some(wire_region(region)), ..Default::default() };
        let listed = caller.cases().list_cases(request).await.expect("a page").into_inner().cases;
        for case in [listed, vec![caller.case(report).await.expect("its own")]].concat() {
            assert_eq!((case.case_id, case.duplicates), (report.to_string(), Vec::new()), "{role}");
        }
    }
    let ask = api::RequestReopeningRequest {
        request_id: new_id(),
        case_id: report.to_string(),
        reason: "又开工了".to_owned(),
        expected_version: 0,
    };
    let secretary = suite.caller(Role::VillageSecretary, VILLAGE, None);
    let asked = secretary.turns().request_reopening(ask).await.expect("asked").into_inner().case.expect("a case");
    assert!(asked.reopening.is_some() && asked.duplicates.is_empty());
    let known = suite.centre().case(report).await.expect("the centre's");
    assert_eq!(known.duplicates, [tip.case.to_string()], "the centre handles both");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_village_whose_report_ended_in_a_tips_case_is_told_no_id() {
    let suite = Suite::start().await;
    let (report, tip) = (suite.report().await, Tip::to_centre().opened(&suite).await);
    merge(&suite.centre(), report, tip.case).await.expect("merged");
    let secretary = suite.caller(Role::VillageSecretary, VILLAGE, None);
    let ended = secretary.case(report).await.expect("its own");
    assert_eq!((ended.state(), ended.merged_into.as_str()), (CaseState::Closed, ""));
    let last = events_of(&suite, report).await.pop().expect("an event");
    assert!(matches!(last, Event::CaseMerged(event) if event.into_case_id.is_empty()));
}
