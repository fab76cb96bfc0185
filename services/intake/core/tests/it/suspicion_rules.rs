//! Each command in each state.

use dafei_intake_core::{
    device_time::DeviceTimes,
    suspicion::{
        Command, Context, DirectCause, Event, Others, Outcome, Reason, Reporter, Route, Rules, StateKind, Suspicion,
        decide,
    },
};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::fixture::{
    Run, TARGET, at, by_secretary, den, direct, enterprise, finding, help, merge, now, outcome, persuade, publish,
    reopen, revisit, suspect_crime, withdraw,
};

/// The same step with other words, so that it is not done already.
fn in_other_words(command: &Command) -> Command {
    let words = || "换一种说法".to_owned();
    match command.clone() {
        Command::Persuade { outcome, .. } => Command::Persuade { outcome, note: words() },
        Command::Revisit { stopped, evidence, .. } => Command::Revisit { stopped, note: words(), evidence },
        Command::Reopen { evidence, .. } => Command::Reopen { reason: words(), evidence },
        Command::ReportUp(Reporter::Member { cause, .. }) => {
            Command::ReportUp(Reporter::Member { cause, text: words() })
        }
        Command::Withdraw { .. } => Command::Withdraw { reason: words() },
        Command::Merge { into, .. } => Command::Merge { into, reason: words() },
        Command::Publish { evidence, .. } => Command::Publish { text: words(), evidence },
        other => other,
    }
}

/// A report that may go on in the place of another.
fn target(steps: impl IntoIterator<Item = Command>) -> Suspicion {
    let mut run = Run::default();
    run.must(Command::Record(Box::new(dafei_intake_core::suspicion::Finding { id: TARGET, ..finding("HC-3", den()) })));
    run.after(steps).suspicion.expect("recorded")
}

/// A suspicion in a state, by the shortest way.
fn in_state(kind: StateKind) -> Run {
    let mut run = Run::recorded("HC-3", den());
    run.target = Some(target([]));
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
        StateKind::Merged => vec![merge()],
    };
    let run = run.after(steps);
    assert_eq!(run.suspicion.as_ref().expect("recorded").state.kind(), kind);
    run
}

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
    AlreadyNotified, AlreadyPersuaded, AlreadyReportedUp, CaseClosed, CaseMerged, CaseWithdrawn, NotHeeded,
    NotNotified, NotReportedUp, NotSettled, OutcomeNotAvailable, ReopenFirst, RevisitDue,
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
            Ok(Withdrawn),
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
            Ok(Merged),
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
fn the_step_that_was_taken_last_is_done_already_when_a_second_device_takes_it_again() {
    let merged = || in_state(Recorded).after([merge()]);
    let reopened = || in_state(Heeded).after([reopen()]);
    let broken = || in_state(Heeded).after([revisit(false)]);
    let steps = [
        (in_state(Notified), Command::Notify),
        (in_state(Heeded), persuade(Outcome::Heeded)),
        (in_state(Refused), persuade(Outcome::Refused)),
        (in_state(ClosedAtVillage), revisit(true)),
        (broken(), revisit(false)),
        (reopened(), reopen()),
        (in_state(ReportedUp), direct()),
        // What was learned or given since does not undo that it is done.
        (in_state(OutcomeAvailable).after([help()]), direct()),
        (in_state(Refused).after([by_secretary()]), by_secretary()),
        (in_state(Published), publish()),
        (in_state(Withdrawn), withdraw()),
        (merged(), merge()),
    ];
    for (mut run, command) in steps {
        let before = run.suspicion.clone();
        assert_eq!(run.give(&command), Ok(0), "{command:?}");
        assert_eq!(run.suspicion, before, "{command:?}");
        if command != Command::Notify && command != by_secretary() {
            run.give(&in_other_words(&command)).expect_err("said otherwise it is another step");
        }
    }
    let otherwise = in_state(Heeded).give(&persuade(Outcome::Refused)).expect_err("the other device was faster");
    assert_eq!((otherwise.reason, otherwise.state), (AlreadyPersuaded, Some(Heeded)));
}

#[test]
fn a_suspected_crime_is_neither_settled_by_persuasion_nor_withdrawn() {
    let mut by_finder = Run::default();
    by_finder.must(Command::Record(Box::new(dafei_intake_core::suspicion::Finding {
        suspected_crime: true,
        ..finding("HC-3", den())
    })));
    by_finder.must(Command::Notify);
    for mut run in [by_finder, in_state(Notified).after([suspect_crime()])] {
        for command in [persuade(Outcome::Heeded), withdraw()] {
            assert_eq!(run.give(&command).expect_err("goes up").reason, Reason::SuspectedCrime);
        }
        run.must(persuade(Outcome::Refused));
        run.must(by_secretary());
    }
}

#[test]
fn a_closed_report_is_reopened_within_the_window_alone() {
    let mut run = in_state(ClosedAtVillage);
    run.later = SignedDuration::from_hours(180 * 24) + SignedDuration::from_micros(1);
    assert_eq!(run.give(&reopen()).expect_err("too late").reason, Reason::ReopenWindowPassed);
    run.later = SignedDuration::from_hours(180 * 24);
    run.must(reopen());
    // What waits for its re-visit is open: there is no window.
    let mut waiting = in_state(Heeded);
    waiting.later = SignedDuration::from_hours(400 * 24);
    waiting.must(reopen());
    assert_eq!(waiting.give(&revisit(true)).expect_err("it goes up").reason, NotHeeded);
    assert_eq!(waiting.give(&persuade(Outcome::Heeded)).expect_err("it goes up").reason, AlreadyPersuaded);
    waiting.must(by_secretary());
}

#[test]
fn a_report_is_merged_only_into_one_that_goes_on() {
    let cases = [
        (None, Reason::MergeTargetNotFound),
        (Some(target([withdraw()])), Reason::MergeTargetWithdrawn),
        (Some(target([direct(), outcome("已取缔"), publish()])), Reason::MergeTargetClosed),
        (Some(target([Command::Notify, persuade(Outcome::Heeded), revisit(true)])), Reason::MergeTargetClosed),
    ];
    for (target, reason) in cases {
        let mut run = in_state(Recorded);
        run.target = target;
        assert_eq!(run.give(&merge()).expect_err("refused").reason, reason);
    }
    for state in [vec![Command::Notify], vec![direct()], vec![direct(), outcome("已取缔")]] {
        let mut run = in_state(Recorded);
        run.target = Some(target(state));
        run.must(merge());
    }
    let itself = Command::Merge { into: Uuid::from_u128(7), reason: "同一处".to_owned() };
    assert_eq!(in_state(Recorded).give(&itself).expect_err("itself").reason, Reason::MergeIntoItself);
}

#[test]
fn merges_make_no_chains_and_name_where_the_matter_goes_on() {
    let mut elsewhere = Run::default();
    elsewhere.must(Command::Record(Box::new(dafei_intake_core::suspicion::Finding {
        id: TARGET,
        ..finding("HC-3", den())
    })));
    elsewhere.target = in_state(Notified).suspicion;
    elsewhere.must(Command::Merge { into: Uuid::from_u128(7), reason: "同一处".to_owned() });
    let mut run = in_state(Recorded);
    run.target = elsewhere.suspicion.take();
    let rejection = run.give(&merge()).expect_err("a chain");
    assert_eq!((rejection.reason, rejection.goes_on_as), (Reason::MergeTargetMerged, Some(Uuid::from_u128(7))));

    let merged = in_state(Merged).give(&Command::Notify).expect_err("over");
    assert_eq!((merged.reason, merged.goes_on_as), (CaseMerged, Some(TARGET)));

    let mut absorbed = in_state(Recorded);
    absorbed.absorbed = true;
    assert_eq!(absorbed.give(&merge()).expect_err("a chain").reason, Reason::HasMergedReports);
}

#[test]
fn what_always_goes_up_is_not_kept_down_by_a_merge() {
    let mut run = Run::recorded("FW-1", den());
    run.target = Some(target([]));
    assert_eq!(run.give(&merge()).expect_err("kept down").reason, Reason::MergeLosesDuty);
    run.target = Some(target([suspect_crime()]));
    run.must(merge());
    let mut crime = in_state(Recorded).after([suspect_crime()]);
    assert_eq!(crime.give(&merge()).expect_err("kept down").reason, Reason::MergeLosesDuty);
    crime.target = Some(target([direct()]));
    crime.must(merge());
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
    let mut run =
        Run { rules: Rules { never_by_persuasion: Default::default(), ..Rules::default() }, ..Run::default() };
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
    let no_reason = Command::ReportUp(Reporter::Member { cause: DirectCause::Other, text: "  ".to_owned() });
    let no_proof = Command::Reopen { reason: "又开工了".to_owned(), evidence: vec![] };
    for kind in StateKind::ALL {
        assert_eq!(in_state(kind).give(&no_photo).expect_err("photo").reason, Reason::PhotoRequired);
        assert_eq!(in_state(kind).give(&no_proof).expect_err("photo").reason, Reason::PhotoRequired);
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
    let all = [
        Command::Notify,
        persuade(Outcome::Refused),
        revisit(true),
        suspect_crime(),
        reopen(),
        direct(),
        withdraw(),
        merge(),
        help(),
        outcome("无"),
        publish(),
    ];
    for command in all {
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
    let events = decide(
        None,
        &Command::Record(Box::new(ahead)),
        &Context { now: now(), rules: &rules, others: Others::default() },
    );
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
