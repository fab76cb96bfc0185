//! The whole time of a case (G0): from the finding to the closing.

use dafei_sla_core::{CaseFacts, What};
use uuid::Uuid;

use crate::support::{Story, minutes};

fn closed_at(story: &Story) -> Option<i64> {
    let mut case = CaseFacts::new(Uuid::from_u128(7));
    for fact in &story.facts {
        case.add(fact.clone());
    }
    let total = case.total();
    assert_eq!(total.found_at, Some(minutes(0)));
    total.closed_at.map(|at| at.duration_since(minutes(0)).as_mins())
}

#[test]
fn a_reopening_takes_the_closing_back_in_the_village_and_above() {
    let stopped = Story::default().found(0).tell(10, What::RevisitRecorded { stopped: true });
    assert_eq!(closed_at(&stopped), Some(10));
    let reopened = stopped.tell(60, What::SuspicionReopened);
    assert_eq!(closed_at(&reopened), None, "it goes on");
    assert_eq!(closed_at(&reopened.clone().tell(90, What::ReportWithdrawn)), Some(90));
    let case = reopened.opened(70).tell(80, What::CaseClosed);
    assert_eq!(closed_at(&case), Some(80));
    let tier = dafei_sla_core::fact::Tier::Township;
    assert_eq!(closed_at(&case.tell(100, What::CaseReopened { tier })), None);
}
