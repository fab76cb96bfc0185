//! What dispatch does with a case that came from a village's report: merged, withdrawn, taken up again.

use dafei_intake_core::suspicion::{Command, Event, Reason, StateKind};
use uuid::Uuid;

use crate::fixture::{Run, help, in_state, outcome, publish};

const INTO: Uuid = Uuid::from_u128(77);

fn merged() -> Command {
    Command::LearnMerging { into: Some(INTO), reason: "与信访件为同一处".to_owned() }
}

fn withdrawn() -> Command {
    Command::LearnWithdrawal { reason: "误立".to_owned() }
}

fn kind(run: &Run) -> StateKind {
    run.suspicion.as_ref().expect("recorded").state.kind()
}

#[test]
fn a_case_that_ended_above_ends_the_waiting_in_its_village() {
    for waiting in [StateKind::ReportedUp, StateKind::OutcomeAvailable] {
        let mut run = in_state(waiting).after([merged()]);
        let state = &run.suspicion.as_ref().expect("recorded").state;
        assert_eq!((state.kind(), state.merged_into()), (StateKind::Merged, Some(INTO)));
        assert_eq!((state.end_reason(), state.ended_above()), (Some("与信访件为同一处"), true));
        assert!(state.gone_up().is_some(), "why it went past the secretary is not forgotten");
        assert_eq!(run.give(&publish()).expect_err("over").reason, Reason::CaseMerged);
        assert_eq!(run.give(&help()).expect_err("over").reason, Reason::CaseMerged);
        let mut run = in_state(waiting).after([withdrawn()]);
        assert_eq!(kind(&run), StateKind::Withdrawn);
        assert_eq!(run.give(&publish()).expect_err("over").reason, Reason::CaseWithdrawn);
    }
}

#[test]
fn what_the_village_itself_ended_stays_as_it_is() {
    for ended in [StateKind::Published, StateKind::Withdrawn, StateKind::Merged] {
        for command in [merged(), withdrawn()] {
            assert_eq!(in_state(ended).give(&command), Ok(0), "{ended:?}");
        }
    }
    assert!(!in_state(StateKind::Withdrawn).suspicion.expect("recorded").state.ended_above());
    assert_eq!(in_state(StateKind::Notified).give(&withdrawn()).expect_err("not up").reason, Reason::NotReportedUp);
}

#[test]
fn a_case_taken_up_again_is_published_again_even_in_the_same_words() {
    let mut run = in_state(StateKind::Published);
    assert_eq!(run.give(&outcome("改正后的文字")), Ok(0), "nobody takes a published result down unasked");
    run.must(Command::LearnReopening);
    assert_eq!(kind(&run), StateKind::ReportedUp);
    assert_eq!(run.give(&Command::LearnReopening), Ok(0));
    let mut run = run.after([outcome("已取缔")]);
    assert_eq!(run.give(&publish()), Ok(1), "the same board and words, another publication");
    assert_eq!(kind(&run), StateKind::Published);
    let published = run.history.iter().filter(|event| matches!(event, Event::Published { .. })).count();
    assert_eq!(published, 2);
}

#[test]
fn only_a_published_case_is_taken_up_again() {
    for other in StateKind::ALL.into_iter().filter(|kind| *kind != StateKind::Published) {
        let mut run = in_state(other);
        assert_eq!(run.give(&Command::LearnReopening), Ok(0), "{other:?}");
        assert_eq!(kind(&run), other);
    }
}
