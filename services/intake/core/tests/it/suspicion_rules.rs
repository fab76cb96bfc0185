//! Each command in each state.

use dafei_intake_core::suspicion::{Command, Outcome, Reason, StateKind};
use jiff::SignedDuration;

use crate::fixture::{
    by_secretary, direct, help, in_other_words, in_state, merge, now, outcome, persuade, publish, reopen, revisit,
    suspect_crime, withdraw,
};

/// What becomes of a command in each state, in the order of `StateKind::ALL`: the next state, or why not.
type Row = [Result<StateKind, Reason>; 10];

fn expect(command: &Command, row: Row) {
    let command = &in_other_words(command);
    for (kind, expected) in StateKind::ALL.into_iter().zip(row) {
        let mut run = in_state(kind);
        let before = run.suspicion.clone();
        match (run.give(command), expected) {
            (Ok(_), Ok(next)) => {
                assert_eq!(run.suspicion.expect("there").state.kind(), next, "{command:?} in {kind:?}")
            }
            (Err(rejection), Err(reason)) => {
                assert_eq!((rejection.reason, rejection.state), (reason, Some(kind)), "{command:?} in {kind:?}");
                assert_eq!(run.suspicion, before, "a refused command changes nothing");
            }
            (got, expected) => panic!("{command:?} in {kind:?}: {got:?}, expected {expected:?}"),
        }
    }
}

use Reason::{
    AlreadyNotified, AlreadyPersuaded, AlreadyReportedUp, CaseClosed, CaseMerged, CaseWithdrawn, MergeLosesDuty,
    NotHeeded, NotNotified, NotReportedUp, NotSettled, OutcomeNotAvailable, PersuasionRefused, ReopenFirst, RevisitDue,
};
use StateKind::{
    ClosedAtVillage, Heeded, Merged, Notified, OutcomeAvailable, Published, Recorded, Refused, ReportedUp, Withdrawn,
};

#[test]
fn the_secretary_is_told_once_and_before_it_goes_up() {
    expect(
        &Command::Notify,
        [
            Ok(Notified),
            // Told twice is told.
            Ok(Notified),
            Err(AlreadyNotified),
            Err(AlreadyNotified),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
}

#[test]
fn the_secretary_persuades_once_and_only_when_told() {
    for (result, next) in [(Outcome::Heeded, Heeded), (Outcome::Refused, Refused)] {
        expect(
            &persuade(result),
            [
                Err(NotNotified),
                Ok(next),
                Err(AlreadyPersuaded),
                Err(AlreadyPersuaded),
                Err(AlreadyReportedUp),
                Err(AlreadyReportedUp),
                Err(CaseClosed),
                Err(CaseClosed),
                Err(CaseWithdrawn),
                Err(CaseMerged),
            ],
        );
    }
}

#[test]
fn a_revisit_follows_heeded_persuasion_and_closes_or_sends_up() {
    for (stopped, next) in [(true, ClosedAtVillage), (false, Refused)] {
        expect(
            &revisit(stopped),
            [
                Err(NotHeeded),
                Err(NotHeeded),
                Ok(next),
                Err(NotHeeded),
                Err(AlreadyReportedUp),
                Err(AlreadyReportedUp),
                Err(CaseClosed),
                Err(CaseClosed),
                Err(CaseWithdrawn),
                Err(CaseMerged),
            ],
        );
    }
}

#[test]
fn the_secretary_reports_up_once_told_with_or_without_persuasion() {
    expect(
        &by_secretary(),
        [
            Err(NotNotified),
            Ok(ReportedUp),
            Err(RevisitDue),
            Ok(ReportedUp),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
}

#[test]
fn the_member_reports_up_directly_also_past_the_secretary() {
    expect(
        &direct(),
        [
            Ok(ReportedUp),
            Ok(ReportedUp),
            Err(RevisitDue),
            Ok(ReportedUp),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
}

#[test]
fn a_suspicion_is_withdrawn_only_before_it_goes_up() {
    expect(
        &withdraw(),
        [
            Ok(Withdrawn),
            Ok(Withdrawn),
            Ok(Withdrawn),
            Err(PersuasionRefused),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
}

#[test]
fn a_suspicion_is_merged_only_before_it_goes_up() {
    expect(
        &merge(),
        [
            Ok(Merged),
            Ok(Merged),
            Ok(Merged),
            // Into one that may still be settled in the village.
            Err(MergeLosesDuty),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
}

#[test]
fn what_persuasion_had_settled_is_reopened_and_is_to_go_up() {
    expect(
        &reopen(),
        [
            Err(NotSettled),
            Err(NotSettled),
            Ok(Refused),
            Err(NotSettled),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Ok(Refused),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
}

#[test]
fn a_crime_is_suspected_before_it_is_settled_or_up() {
    expect(
        &suspect_crime(),
        [
            Ok(Recorded),
            Ok(Notified),
            Err(ReopenFirst),
            Ok(Refused),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
    let mut run = in_state(Notified).after([suspect_crime()]);
    assert_eq!(run.give(&suspect_crime()), Ok(0), "it is suspected already");
}

#[test]
fn help_is_given_to_whom_it_went_up_to_any_number_of_times() {
    expect(
        &help(),
        [
            Err(NotReportedUp),
            Err(NotReportedUp),
            Err(NotReportedUp),
            Err(NotReportedUp),
            Ok(ReportedUp),
            Ok(OutcomeAvailable),
            Ok(Published),
            Err(CaseClosed),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
    let mut run = in_state(ReportedUp);
    assert_eq!((run.give(&help()), run.give(&help())), (Ok(1), Ok(1)));
    let Command::Help(mut early) = help() else { panic!("help") };
    early.at = now().checked_sub(SignedDuration::from_secs(1)).expect("near now");
    let rejection = run.give(&Command::Help(early)).expect_err("before the finding");
    assert_eq!((rejection.reason, rejection.reason.field()), (Reason::HelpBeforeFinding, Some("helped_at")));
}

#[test]
fn an_outcome_comes_to_what_went_up_and_repeats_change_nothing() {
    expect(
        &outcome("已取缔"),
        [
            Err(NotReportedUp),
            Err(NotReportedUp),
            Err(NotReportedUp),
            Err(NotReportedUp),
            Ok(OutcomeAvailable),
            Ok(OutcomeAvailable),
            Ok(Published),
            Err(NotReportedUp),
            Err(NotReportedUp),
            Err(NotReportedUp),
        ],
    );
    let mut run = in_state(OutcomeAvailable);
    assert_eq!(run.give(&outcome("已取缔")), Ok(0));
    assert_eq!(run.give(&outcome("已取缔，并处罚款")), Ok(1));
    assert_eq!(run.suspicion.expect("there").state.public_text(), Some("已取缔，并处罚款"));
}

#[test]
fn a_result_is_published_once_and_only_when_its_outcome_is_there() {
    expect(
        &publish(),
        [
            Err(OutcomeNotAvailable),
            Err(OutcomeNotAvailable),
            Err(OutcomeNotAvailable),
            Err(OutcomeNotAvailable),
            Err(OutcomeNotAvailable),
            Ok(Published),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
            Err(CaseMerged),
        ],
    );
}
