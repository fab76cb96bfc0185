//! Random command sequences: the invariants hold after every event, and no suspicion ends in a dead end.

use dafei_intake_core::{
    device_time::DeviceTimes,
    suspicion::{Command, DirectCause, Finding, Help, Outcome, Reporter, Rules, StateKind, Suspicion},
};
use dafei_kernel::{act::Act, agency::Agency, subject::Subject, time::Instant};
use jiff::SignedDuration;
use proptest::prelude::*;
use uuid::Uuid;

use crate::agreement::same_clocks_run;
use crate::fixture::{
    Run, TARGET, by_secretary, den, direct, enterprise, finding, now, outcome, persuade, publish, revisit,
};

fn photos() -> impl Strategy<Value = Vec<Uuid>> {
    proptest::collection::vec((1_u128..5).prop_map(Uuid::from_u128), 0..3)
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![4 => Just(den()), 1 => Just(enterprise())]
}

fn record() -> impl Strategy<Value = Command> {
    let acts: Vec<Act> = Act::all().collect();
    let offset = || proptest::option::of(-10_000_000_000_i64..10_000_000_000);
    let text = prop_oneof![Just(None), Just(Some(String::new())), Just(Some("说明".to_owned()))];
    let flags = (proptest::bool::weighted(0.2), any::<bool>());
    (proptest::sample::select(acts), subject(), text, offset(), offset(), flags).prop_map(
        |(act, subject, text, happened, sent, (suspected_crime, by_secretary))| {
            let mut finding = Finding { suspected_crime, by_secretary, ..finding(act.code(), subject) };
            if let Some(text) = text {
                finding.act_text = text;
            }
            let near = |offset: i64| Instant::from_microsecond(now().as_microsecond() + offset).expect("near now");
            finding.device = DeviceTimes { happened: happened.map(near), sent: sent.map(near) };
            Command::Record(Box::new(finding))
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    let text = prop_oneof![Just(String::new()), Just(" ".to_owned()), Just("有内容".to_owned())];
    let cause = prop_oneof![
        Just(DirectCause::SecretaryUnreachable),
        Just(DirectCause::SecretaryImplicated),
        Just(DirectCause::Other)
    ];
    prop_oneof![
        1 => record(),
        3 => Just(Command::Notify),
        3 => prop_oneof![Just(Outcome::Heeded), Just(Outcome::Refused)].prop_map(persuade),
        3 => (any::<bool>(), photos())
            .prop_map(|(stopped, evidence)| Command::Revisit { stopped, note: String::new(), evidence }),
        2 => Just(by_secretary()),
        2 => (cause, text.clone()).prop_map(|(cause, text)| Command::ReportUp(Reporter::Member { cause, text })),
        1 => text.clone().prop_map(|reason| Command::SuspectCrime { reason }),
        3 => (text.clone(), photos()).prop_map(|(reason, evidence)| Command::Reopen { reason, evidence }),
        1 => text.clone().prop_map(|reason| Command::Withdraw { reason }),
        1 => (7_u128..9, text.clone())
            .prop_map(|(into, reason)| Command::Merge { into: Uuid::from_u128(into), reason }),
        2 => (-2_i64..2, text.clone(), photos()).prop_map(|(hours, note, evidence)| {
            let at = now().checked_add(SignedDuration::from_hours(hours)).expect("near now");
            let agency = "fire-rescue".parse::<Agency>().expect("an agency");
            Command::Help(Box::new(Help { id: Uuid::from_u128(9), agency, note, at, evidence }))
        }),
        3 => text.clone().prop_map(|public_text| Command::LearnOutcome { public_text }),
        1 => (7_u128..9, text.clone())
            .prop_map(|(into, reason)| Command::LearnMerging { into: Some(Uuid::from_u128(into + 100)), reason }),
        1 => text.clone().prop_map(|reason| Command::LearnWithdrawal { reason }),
        2 => Just(Command::LearnReopening),
        3 => (text, photos()).prop_map(|(text, evidence)| Command::Publish { text, evidence }),
    ]
}

/// The report that a merge may go on in, in some state or not there at all.
fn other() -> impl Strategy<Value = Option<Suspicion>> {
    proptest::collection::vec(command(), 0..6).prop_map(|commands| {
        let mut run = Run::default();
        let _ = run.give(&Command::Record(Box::new(Finding { id: TARGET, ..finding("HC-3", den()) })));
        for command in &commands {
            let _ = run.give(command);
        }
        run.suspicion.filter(|_| commands.len() != 1)
    })
}

/// The command that leads on from a state, towards the end.
fn way_out(kind: StateKind) -> Option<Command> {
    match kind {
        StateKind::Recorded | StateKind::Notified | StateKind::Refused => Some(direct()),
        StateKind::Heeded => Some(revisit(true)),
        StateKind::ReportedUp => Some(outcome("已取缔")),
        StateKind::OutcomeAvailable => Some(publish()),
        StateKind::Published | StateKind::ClosedAtVillage | StateKind::Withdrawn | StateKind::Merged => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_commands_never_break_the_invariants(
        first in record(),
        commands in proptest::collection::vec((command(), 0_i64..100), 0..40),
        target in other(),
        absorbed in proptest::bool::weighted(0.1),
    ) {
        let mut run = Run { target, absorbed, ..Run::default() };
        for (command, days) in std::iter::once((first, 0)).chain(commands) {
            // Time goes on from command to command, beyond the window of a reopening.
            run.later += SignedDuration::from_hours(24 * days);
            let before = run.suspicion.clone();
            match run.give(&command) {
                Ok(0) => prop_assert_eq!(&run.suspicion, &before),
                Ok(_) => same_clocks_run(&run)?,
                Err(rejection) => {
                    prop_assert_eq!(&run.suspicion, &before);
                    prop_assert_eq!(rejection.state, before.map(|suspicion| suspicion.state.kind()));
                }
            }
        }
        // Wherever it stands, it can be brought to its end.
        for _ in 0..StateKind::ALL.len() {
            let Some(kind) = run.suspicion.as_ref().map(|suspicion| suspicion.state.kind()) else { break };
            if let Some(command) = way_out(kind) {
                run.must(command);
            }
        }
        let end = run.suspicion.map(|suspicion| suspicion.state.kind());
        prop_assert!(end.is_none_or(StateKind::is_terminal));
    }

    #[test]
    fn what_was_merged_goes_up_if_it_had_to(first in record(), commands in proptest::collection::vec(command(), 0..10), target in other()) {
        let mut run = Run { target, ..Run::default() };
        let rules = Rules::default();
        for command in std::iter::once(first).chain(commands) {
            let before = run.suspicion.clone();
            let _ = run.give(&command);
            let merged = run.suspicion.as_ref().is_some_and(|one| one.state.kind() == StateKind::Merged);
            // What is up already was merged above the village, if at all.
            let before = before.filter(|before| before.state.gone_up().is_none());
            if let (Some(before), true, Some(target)) = (before, merged, &run.target) {
                let target_goes_up = rules.must_go_up(target) || target.state.gone_up().is_some();
                prop_assert!(!rules.must_go_up(&before) || target_goes_up);
                prop_assert!(target.state.merged_into().is_none() && target.facts.id != before.facts.id);
            }
        }
    }

    #[test]
    fn a_command_given_twice_at_once_is_done_once(first in record(), commands in proptest::collection::vec(command(), 1..20)) {
        let mut run = Run::default();
        for command in std::iter::once(first).chain(commands) {
            let once = run.give(&command);
            let version = run.suspicion.as_ref().map(|suspicion| suspicion.version);
            let again = run.give(&command);
            let may_repeat = matches!(command, Command::Help(_) | Command::Record(_));
            prop_assert!(may_repeat || again.is_err() || again == Ok(0), "{:?} {:?} {:?}", command, once, again);
            prop_assert!(may_repeat || run.suspicion.as_ref().map(|suspicion| suspicion.version) == version);
            prop_assert!(may_repeat || once.is_err() || again.is_ok(), "what was done is done already");
        }
    }

    #[test]
    fn a_history_leads_back_to_its_suspicion(first in record(), commands in proptest::collection::vec(command(), 0..40)) {
        let mut run = Run::default();
        for command in std::iter::once(first).chain(commands) {
            let _ = run.give(&command);
        }
        let again = run.history.iter().fold(None, dafei_intake_core::suspicion::evolve);
        prop_assert_eq!(again, run.suspicion);
    }
}
