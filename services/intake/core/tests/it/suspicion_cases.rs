//! What the rules come to beside the order of the steps: acts that always go up, second devices, reopenings, merges.

use dafei_intake_core::{
    device_time::DeviceTimes,
    suspicion::{
        Command, Context, DirectCause, Event, Finding, Others, Outcome,
        Reason::{self, AlreadyPersuaded, CaseMerged, NotHeeded},
        Reporter, Route, Rules,
        StateKind::{
            self, ClosedAtVillage, Heeded, Merged, Notified, OutcomeAvailable, Published, Recorded, Refused,
            ReportedUp, Withdrawn,
        },
        decide,
    },
};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::fixture::{
    Run, TARGET, at, by_secretary, den, direct, enterprise, finding, help, in_other_words, in_state, merge, now,
    outcome, persuade, publish, reopen, revisit, suspect_crime, target, withdraw,
};

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
    by_finder.must(Command::Record(Box::new(Finding { suspected_crime: true, ..finding("HC-3", den()) })));
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
    elsewhere.must(Command::Record(Box::new(Finding { id: TARGET, ..finding("HC-3", den()) })));
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
fn what_was_not_heeded_is_kept_down_neither_by_a_merge_nor_by_a_withdrawal() {
    let mut refused = in_state(Refused);
    assert_eq!(refused.give(&withdraw()).expect_err("it goes up").reason, Reason::PersuasionRefused);
    for kept_down in [vec![], vec![Command::Notify], vec![Command::Notify, persuade(Outcome::Heeded)]] {
        refused.target = Some(target(kept_down));
        assert_eq!(refused.give(&merge()).expect_err("kept down").reason, Reason::MergeLosesDuty);
    }
    for goes_up in [vec![Command::Notify, persuade(Outcome::Refused)], vec![suspect_crime()], vec![direct()]] {
        let mut refused = in_state(Refused);
        refused.target = Some(target(goes_up));
        refused.must(merge());
    }
    refused.must(by_secretary());
}

#[test]
fn a_suspected_crime_is_not_merged_into_what_may_be_withdrawn() {
    let mut listed = Run::default();
    listed.must(Command::Record(Box::new(Finding { id: TARGET, ..finding("FW-1", den()) })));
    let mut crime = in_state(Recorded).after([suspect_crime()]);
    crime.target = listed.suspicion.clone();
    assert_eq!(crime.give(&merge()).expect_err("it could be withdrawn there").reason, Reason::MergeLosesDuty);
    let mut of_one_act = Run::recorded("FW-1", den());
    of_one_act.target = listed.suspicion.clone();
    of_one_act.must(merge());
    listed.must(suspect_crime());
    assert_eq!(listed.give(&withdraw()).expect_err("goes up").reason, Reason::SuspectedCrime);
    crime.target = listed.suspicion;
    crime.must(merge());
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
fn a_secretary_who_finds_a_den_himself_has_been_told_and_an_enterprise_s_case_goes_up_whoever_found_it() {
    let by_secretary = |subject| Finding { by_secretary: true, ..finding("HC-3", subject) };
    let mut run = Run::default();
    run.must(Command::Record(Box::new(by_secretary(den()))));
    assert!(matches!(run.history.as_slice(), [Event::Recorded(_), Event::Notified]), "{:?}", run.history);
    assert_eq!(run.give(&Command::Notify), Ok(0), "told again, it is done already");
    run.must(persuade(Outcome::Refused));
    assert_eq!(run.give(&Command::Notify).expect_err("later").reason, Reason::AlreadyNotified);
    let mut run = Run::default();
    run.must(Command::Record(Box::new(by_secretary(enterprise()))));
    assert!(matches!(run.history.as_slice(), [Event::Recorded(_), Event::ReportedUp { .. }]), "{:?}", run.history);
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
