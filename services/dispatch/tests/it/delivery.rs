//! An instruction that nobody looks at counts as delivered 30 minutes after its issue.

use dafei_contracts::{Event, Stream, dispatch::v1 as api, events::v1 as ev};
use dafei_kernel::{agency::Agency, clock::Clock};
use dafei_testkit::eventually;
use jiff::SignedDuration;

use crate::{
    agency_systems::System,
    suite::{Options, PATIENCE, Suite, lead},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_instruction_is_assumed_delivered_half_an_hour_after_its_issue_and_not_before() {
    let suite = Suite::start().await;
    let case = suite.assigned().await;
    let issued = suite.clock.now();
    let due = issued + SignedDuration::from_mins(30);
    assert_eq!(suite.progress.next().await.expect("asked"), Some(due));
    let read = suite.department(Agency::PublicSecurity).inbox().await[0].instruction_id.clone();
    suite.advance(SignedDuration::from_mins(10));
    suite.department(Agency::PublicSecurity).read(&read).await.expect("read");
    suite.advance(SignedDuration::from_mins(20) - SignedDuration::from_micros(1));
    assert_eq!(suite.progress.through().await.expect("asked"), Some(suite.clock.now()));
    let before = suite.admin().case(case.case_id.parse().expect("an id")).await.expect("the case");
    assert!(lead(&before).delivered_at.is_none());
    // Later than due: what counts is the due instant.
    suite.advance(SignedDuration::from_mins(7));
    let after = eventually(PATIENCE, "both are assumed delivered", || async {
        let case = suite.admin().case(case.case_id.parse().expect("an id")).await.ok()?;
        case.instructions.iter().all(|one| one.delivered_at.is_some()).then_some(case)
    })
    .await;
    assert_eq!(lead(&after).delivered_at, Some(due.into()));
    assert_eq!(lead(&after).state(), api::InstructionState::Delivered);
    assert_eq!(suite.progress.next().await.expect("asked"), None);
    assert_eq!(suite.progress.through().await.expect("asked"), Some(suite.clock.now()));
    let events = suite.published(Stream::Dispatch, u64::try_from(after.version).expect("few")).await;
    let mut means: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::InstructionDelivered(event) => Some((event.means(), event.delivered_at)),
            _ => None,
        })
        .collect();
    means.sort_by_key(|(means, _)| *means as i32);
    let read_at = issued + SignedDuration::from_mins(10);
    assert_eq!(
        means,
        [
            (ev::DeliveryMeans::Rpc, Some(read_at.into())),
            (ev::DeliveryMeans::Assumed, Some(due.into())),
            (ev::DeliveryMeans::Assumed, Some(due.into())),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_instructions_fall_due_together_and_each_is_delivered_once() {
    let suite = Suite::start().await;
    let mut cases = Vec::new();
    for _ in 0..4 {
        cases.push(suite.report().await);
    }
    for case in &cases {
        suite.centre().instruct(*case, Agency::PublicSecurity).await.expect("instructed");
    }
    suite.advance(SignedDuration::from_mins(31));
    for case in &cases {
        eventually(PATIENCE, "it is delivered", || async {
            let case = suite.admin().case(*case).await.ok()?;
            lead(&case).delivered_at.map(|_| ())
        })
        .await;
        assert_eq!(suite.admin().case(*case).await.expect("the case").version, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_the_bus_goes_first_and_nothing_counts_as_delivered_later_than_half_an_hour_after_its_issue() {
    let suite = Suite::with(Options { feedback_later: true, ..Options::default() }).await;
    let system = System::register(&suite, Agency::EmergencyManagement).await;
    let case = suite.assigned().await;
    let id = lead(&case).instruction_id.clone();
    suite.advance(SignedDuration::from_mins(5));
    // Nobody acknowledges: the feedback alone shows that it arrived, and waits on the bus while the half hour passes.
    system.send("F-1", &id, "response", serde_json::json!({"plan": "今日到场"})).await;
    let late = suite.advance(SignedDuration::from_mins(30));
    suite.start_feedback();
    let responded = eventually(PATIENCE, "all is delivered", || async {
        let case = suite.admin().case(case.case_id.parse().expect("an id")).await.ok()?;
        case.instructions.iter().all(|one| one.delivered_at.is_some()).then_some(case)
    })
    .await;
    let due = late - SignedDuration::from_mins(5);
    assert!(responded.instructions.iter().all(|one| one.delivered_at == Some(due.into())), "{responded:?}");
    assert_eq!(lead(&responded).state(), api::InstructionState::Responded);
    // In an exercise the feedback is of now, and now is too late; its agency's turn came all the same before anything was assumed of others.
    let events = suite.published(Stream::Dispatch, u64::try_from(responded.version).expect("few")).await;
    let answered = events.iter().position(|event| matches!(event, Event::DepartmentResponded(_)));
    let delivered = events.iter().rposition(|event| matches!(event, Event::InstructionDelivered(_)));
    assert!(answered.is_some() && answered < delivered, "{events:?}");
}
