//! Random command sequences: the invariants hold after every event, and no suspicion ends in a dead end.

use dafei_intake_core::{
    device_time::DeviceTimes,
    suspicion::{Command, Outcome, Reporter, StateKind},
};
use dafei_kernel::{act::Act, subject::Subject, time::Instant};
use proptest::prelude::*;
use uuid::Uuid;

use crate::fixture::{Run, by_secretary, den, direct, enterprise, finding, now, outcome, persuade, publish, revisit};

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
    (proptest::sample::select(acts), subject(), text, offset(), offset()).prop_map(
        |(act, subject, text, happened, sent)| {
            let mut finding = finding(act.code(), subject);
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
    prop_oneof![
        1 => record(),
        3 => Just(Command::Notify),
        3 => prop_oneof![Just(Outcome::Heeded), Just(Outcome::Refused)].prop_map(persuade),
        3 => (any::<bool>(), photos())
            .prop_map(|(stopped, evidence)| Command::Revisit { stopped, note: String::new(), evidence }),
        2 => Just(by_secretary()),
        2 => text.clone().prop_map(|direct_reason| Command::ReportUp(Reporter::Member { direct_reason })),
        1 => text.clone().prop_map(|reason| Command::Withdraw { reason }),
        3 => text.clone().prop_map(|public_text| Command::LearnOutcome { public_text }),
        3 => (text, photos()).prop_map(|(text, evidence)| Command::Publish { text, evidence }),
    ]
}

/// The command that leads on from a state, towards the end.
fn way_out(kind: StateKind) -> Option<Command> {
    match kind {
        StateKind::Recorded | StateKind::Notified | StateKind::Refused => Some(direct()),
        StateKind::Heeded => Some(revisit(true)),
        StateKind::ReportedUp => Some(outcome("已取缔")),
        StateKind::OutcomeAvailable => Some(publish()),
        StateKind::Published | StateKind::ClosedAtVillage | StateKind::Withdrawn => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_commands_never_break_the_invariants(first in record(), commands in proptest::collection::vec(command(), 0..40)) {
        let mut run = Run::default();
        for command in std::iter::once(first).chain(commands) {
            let before = run.suspicion.clone();
            match run.give(&command) {
                Ok(_) => {}
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
    fn a_history_leads_back_to_its_suspicion(first in record(), commands in proptest::collection::vec(command(), 0..40)) {
        let mut run = Run::default();
        for command in std::iter::once(first).chain(commands) {
            let _ = run.give(&command);
        }
        let again = run.history.iter().fold(None, dafei_intake_core::suspicion::evolve);
        prop_assert_eq!(again, run.suspicion);
    }
}
