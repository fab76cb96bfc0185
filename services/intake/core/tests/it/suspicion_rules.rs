//! Each command in each state.

use dafei_intake_core::{
    device_time::DeviceTimes,
    suspicion::{Command, Context, Event, Outcome, Reason, Reporter, Route, Rules, StateKind, decide},
};

use crate::fixture::{
    Run, at, by_secretary, den, direct, enterprise, finding, now, outcome, persuade, publish, revisit, withdraw,
};

/// A suspicion in a state, by the shortest way.
fn in_state(kind: StateKind) -> Run {
    let run = Run::recorded("HC-3", den());
    let steps = match kind {
        StateKind::Recorded => vec![],
        StateKind::Notified => vec![Command::Notify],
        StateKind::Heeded => vec![Command::Notify, persuade(Outcome::Heeded)],
        StateKind::Refused => vec![Command::Notify, persuade(Outcome::Refused)],
        StateKind::ReportedUp => vec![direct()],
        StateKind::OutcomeAvailable => vec![direct(), outcome("已取缔")],
        StateKind::Published => vec![direct(), outcome("已取缔"), publish()],
        StateKind::ClosedAtVillage => vec![Command::Notify, persuade(Outcome::Heeded), revisit(true)],
        StateKind::Withdrawn => vec![withdraw()],
    };
    let run = run.after(steps);
    assert_eq!(run.suspicion.as_ref().expect("recorded").state.kind(), kind);
    run
}

/// What becomes of a command in each state, in the order of `StateKind::ALL`: the next state, or why not.
type Row = [Result<StateKind, Reason>; 9];

fn expect(command: &Command, row: Row) {
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
    AlreadyNotified, AlreadyPersuaded, AlreadyReportedUp, CaseClosed, CaseWithdrawn, NotHeeded, NotNotified,
    NotReportedUp, OutcomeNotAvailable, RevisitDue,
};
use StateKind::{ClosedAtVillage, Heeded, Notified, OutcomeAvailable, Published, Refused, ReportedUp, Withdrawn};

#[test]
fn the_secretary_is_told_once_and_before_it_goes_up() {
    expect(
        &Command::Notify,
        [
            Ok(Notified),
            Err(AlreadyNotified),
            Err(AlreadyNotified),
            Err(AlreadyNotified),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
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
            Ok(Withdrawn),
            Err(AlreadyReportedUp),
            Err(AlreadyReportedUp),
            Err(CaseClosed),
            Err(CaseClosed),
            Err(CaseWithdrawn),
        ],
    );
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
        ],
    );
}

#[test]
fn an_act_of_the_list_is_never_settled_by_persuasion() {
    for act in ["FW-1", "HC-2", "HC-8", "HC-13", "CE-1", "CE-99"] {
        let mut run = Run::recorded(act, den()).after([Command::Notify]);
        let rejection = run.give(&persuade(Outcome::Heeded)).expect_err("must go up");
        assert_eq!(rejection.reason, Reason::NeverByPersuasion, "{act}");
        run.must(persuade(Outcome::Refused));
        run.must(by_secretary());
    }
}

#[test]
fn the_list_is_configuration() {
    let mut run = Run { rules: Rules { never_by_persuasion: Default::default() }, ..Run::default() };
    run.must(Command::Record(Box::new(finding("FW-1", den()))));
    let run = run.after([Command::Notify, persuade(Outcome::Heeded)]);
    assert_eq!(run.suspicion.expect("there").state.kind(), Heeded);
}

#[test]
fn an_enterprise_s_case_is_at_the_centre_in_the_same_call() {
    let run = Run::recorded("HC-3", enterprise());
    assert!(matches!(run.history[..], [Event::Recorded(_), Event::ReportedUp { route: Route::Enterprise, .. }]));
    assert_eq!(run.suspicion.expect("there").version, 2);
}

#[test]
fn after_a_broken_promise_it_goes_up_and_is_not_persuaded_again() {
    let mut run = in_state(Heeded).after([revisit(false)]);
    assert_eq!(run.give(&persuade(Outcome::Refused)).expect_err("once").reason, AlreadyPersuaded);
    run.must(by_secretary());
}

#[test]
fn what_a_command_must_carry_is_asked_for_whatever_the_state() {
    let no_photo = Command::Publish { text: "已公开".to_owned(), evidence: vec![] };
    let no_reason = Command::ReportUp(Reporter::Member { direct_reason: "  ".to_owned() });
    for kind in StateKind::ALL {
        assert_eq!(in_state(kind).give(&no_photo).expect_err("photo").reason, Reason::PhotoRequired);
        assert_eq!(in_state(kind).give(&no_reason).expect_err("reason").reason, Reason::DirectReasonRequired);
    }
    let mut other = finding("HC-99", den());
    other.act_text = String::new();
    let mut plain = finding("HC-3", den());
    plain.act_text = "多余".to_owned();
    for (finding, reason) in [(other, Reason::ActTextRequired), (plain, Reason::ActTextNotAllowed)] {
        let rejection = Run::default().give(&Command::Record(Box::new(finding))).expect_err("act_text");
        assert_eq!((rejection.reason, rejection.reason.field()), (reason, Some("act_text")));
    }
}

#[test]
fn nothing_can_be_done_with_what_was_never_recorded() {
    for command in [Command::Notify, persuade(Outcome::Refused), direct(), withdraw(), outcome("无"), publish()] {
        let rejection = Run::default().give(&command).expect_err("absent");
        assert_eq!((rejection.reason, rejection.state), (Reason::NoSuchCase, None));
    }
    let again = Command::Record(Box::new(finding("HC-3", den())));
    assert_eq!(in_state(Notified).give(&again).expect_err("twice").reason, Reason::AlreadyRecorded);
}

#[test]
fn the_finding_is_dated_by_the_corrected_device_time() {
    let mut ahead = finding("HC-3", den());
    ahead.device = DeviceTimes { happened: Some(at("2026-11-23T02:50:00Z")), sent: Some(at("2026-11-23T03:00:00Z")) };
    let rules = Rules::default();
    let events = decide(None, &Command::Record(Box::new(ahead)), &Context { now: now(), rules: &rules });
    let Ok([Event::Recorded(facts)]) = events.as_deref() else { panic!("{events:?}") };
    assert_eq!(facts.found_at, at("2026-11-23T01:50:00Z"));
    assert_eq!(facts.claimed_at, Some(at("2026-11-23T02:50:00Z")));
    assert!(facts.skewed);
}

#[test]
fn every_reason_has_a_code_of_its_own_and_a_sentence() {
    let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    assert!(Reason::ALL.iter().all(|reason| !reason.zh().is_ascii()));
}
