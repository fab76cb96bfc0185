//! Random command sequences: the invariants hold after every event, and no case ends in a dead end.

use dafei_dispatch_core::case::{
    Case, Choice, Command, Event, Means, Measure, MeasureKind, ResultKind, ResultReport, StageKind, Step, Tier, check,
    evolve,
};
use dafei_kernel::{agency::Agency, money::Fen};
use jiff::SignedDuration;
use proptest::prelude::*;
use std::collections::BTreeSet;
use uuid::Uuid;

use crate::fixture::{Run, act, assign, den, enterprise, facts, instruct, result, start, tip, tip_facts};

/// A command without ids: instructions are picked among those that the case has when its turn comes.
#[derive(Debug, Clone)]
enum Draw {
    Open,
    Instruct(Agency),
    Escalate,
    AcceptResult,
    Assign(Choice),
    FeedBack,
    Publish,
    Withdraw,
    HandOver,
    AttachTips(Vec<u128>),
    Step { pick: usize, step: Step, minutes_ago: i64 },
}

fn agency() -> impl Strategy<Value = Agency> {
    proptest::sample::select(Agency::ALL)
}

fn choice() -> impl Strategy<Value = Choice> {
    let why = prop_oneof![Just(String::new()), Just("另有分工".to_owned())];
    (proptest::option::of(agency()), proptest::collection::vec(agency(), 0..3), why)
        .prop_map(|(lead, co_handlers, deviation_reason)| Choice { lead, co_handlers, deviation_reason })
}

fn measure() -> impl Strategy<Value = Measure> {
    let kind = prop_oneof![
        Just(MeasureKind::CloseDown { note: "已封".to_owned() }),
        (0_i64..3).prop_map(|fen| MeasureKind::Fine {
            amount: Fen::new(fen).expect("not below zero"),
            decision_number: String::new(),
            mitigation: String::new(),
        }),
        (0_u32..3).prop_map(|persons| MeasureKind::CriminalMeasure { persons }),
    ];
    (0..4_u8, kind).prop_map(|(id, kind)| Measure { id: format!("m{id}"), decided_at: start(), kind })
}

fn report() -> impl Strategy<Value = ResultReport> {
    let acts = proptest::sample::subsequence(vec!["HC-3", "HC-14", "FW-1"], 0..3);
    let kind = prop_oneof![Just(ResultKind::Interim), Just(ResultKind::Final)];
    (kind, acts, proptest::collection::vec(measure(), 0..3)).prop_map(|(kind, acts, measures)| ResultReport {
        kind,
        text: "已处置".to_owned(),
        confirmed_acts: acts.into_iter().map(act).collect(),
        measures,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let basis = prop_oneof![1 => Just(String::new()), 3 => Just("职责分工规定".to_owned())];
    prop_oneof![
        2 => prop_oneof![Just(Means::Consumer), Just(Means::Rpc), Just(Means::Assumed)].prop_map(Step::Deliver),
        1 => Just(Step::Accept),
        2 => Just(Step::Respond { plan: "到场".to_owned() }),
        4 => report().prop_map(Step::SubmitResult),
        3 => basis.prop_map(|legal_basis| Step::Decline { reason: "不属职责".to_owned(), legal_basis }),
    ]
}

fn draw() -> impl Strategy<Value = Draw> {
    prop_oneof![
        1 => Just(Draw::Open),
        3 => agency().prop_map(Draw::Instruct),
        2 => Just(Draw::Escalate),
        2 => Just(Draw::AcceptResult),
        4 => choice().prop_map(Draw::Assign),
        2 => Just(Draw::FeedBack),
        1 => Just(Draw::Publish),
        1 => prop_oneof![9 => Just(Draw::Publish), 1 => Just(Draw::Withdraw)],
        1 => prop_oneof![3 => Just(Draw::Escalate), 1 => Just(Draw::HandOver)],
        1 => proptest::collection::vec(0..5_u128, 0..3).prop_map(Draw::AttachTips),
        12 => (0..4_usize, step(), 0..90_i64)
            .prop_map(|(pick, step, minutes_ago)| Draw::Step { pick, step, minutes_ago }),
    ]
}

fn command(draw: Draw, case: Option<&Case>, subject: u8) -> (Command, i64) {
    let command = match draw {
        Draw::Open => Command::Open(Box::new(opening(subject))),
        Draw::Instruct(agency) => instruct(agency),
        Draw::Escalate => Command::Escalate { reason: "超出职权".to_owned() },
        Draw::AcceptResult => Command::AcceptResult { public_text: "已取缔".to_owned() },
        Draw::Assign(choice) => Command::AssignDepartment { choice, text: "依法查处".to_owned() },
        Draw::FeedBack => Command::FeedBack { text: "已办".to_owned(), public_text: "已取缔".to_owned() },
        Draw::Publish => Command::Publish,
        Draw::Withdraw => Command::Withdraw,
        Draw::HandOver => Command::HandOver { into: Uuid::from_u128(99) },
        Draw::AttachTips(numbers) => Command::AttachTips(numbers.into_iter().map(tip).collect()),
        Draw::Step { pick, step, minutes_ago } => {
            let instructions = case.map_or(&[][..], |case| &case.instructions);
            // The latest are picked most: they are where things happen.
            let id = instructions.iter().rev().nth(pick).map_or(Uuid::nil(), |instruction| instruction.id);
            return (Command::Instruction { id, step }, minutes_ago);
        }
    };
    (command, 0)
}

fn opening(subject: u8) -> dafei_dispatch_core::case::Facts {
    match subject {
        0 => facts(den(), true),
        1 => facts(den(), false),
        2 => facts(enterprise(None), true),
        3 => tip_facts(0, Tier::Township),
        4 => tip_facts(0, Tier::County),
        _ => facts(enterprise(Some(Agency::Energy)), true),
    }
}

/// The way out of any stage.
fn onward(run: &Run) -> Command {
    let submit = |id| Command::Instruction { id, step: Step::SubmitResult(result(ResultKind::Final)) };
    match run.case().stage.kind() {
        StageKind::AtCentre | StageKind::Declined => Command::Escalate { reason: "超出职权".to_owned() },
        StageKind::WithTownshipAgency | StageKind::WithDepartment => submit(run.lead()),
        StageKind::TownshipResult => Command::AcceptResult { public_text: "已取缔".to_owned() },
        StageKind::AtOffice => assign(),
        StageKind::DepartmentResult => {
            Command::FeedBack { text: "已办".to_owned(), public_text: "已取缔".to_owned() }
        }
        StageKind::OutcomeAvailable | StageKind::Closed => Command::Publish,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn any_command_sequence_keeps_the_invariants(
        subject in 0..6_u8,
        draws in proptest::collection::vec(draw(), 1..60),
    ) {
        let mut run = Run::new();
        run.must(Command::Open(Box::new(opening(subject))));
        for draw in draws {
            let (command, minutes_ago) = command(draw, run.case.as_ref(), subject);
            let before = run.case.clone();
            run.now += SignedDuration::from_mins(1);
            let at = run.now - SignedDuration::from_mins(minutes_ago);
            // `go_at` checks the invariants and the sequence after every event.
            match run.go_at(&command, at) {
                Err(_) => prop_assert_eq!(&run.case, &before, "a refused command changes nothing"),
                Ok(events) => {
                    let before = before.expect("opened");
                    if before.stage.kind() == StageKind::Closed {
                        prop_assert_eq!(&before.stage, &run.case().stage);
                        let later = |event: &Event| matches!(event,
                            Event::ResultSubmitted { .. } | Event::ActConfirmed { .. } | Event::MeasureRecorded { .. }
                                | Event::TipAttached { .. } | Event::TipsHandedOver { .. } | Event::TipVerified { .. });
                        prop_assert!(events.iter().all(later), "closed, and yet {:?}", events);
                    }
                }
            }
        }
        facts_count_once(&run)?;
        tips_are_verified_once(&run)?;
        history_leads_to_the_same_case(&run)?;
        for _ in 0..8 {
            if run.case().stage.kind() == StageKind::Closed {
                break;
            }
            let next = onward(&run);
            run.must(next);
        }
        prop_assert_eq!(run.case().stage.kind(), StageKind::Closed, "no stage is a dead end");
        tips_are_verified_once(&run)?;
    }
}

fn facts_count_once(run: &Run) -> Result<(), TestCaseError> {
    let (mut acts, mut measures, mut delivered) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for event in &run.events {
        match event {
            Event::ActConfirmed { act, .. } => prop_assert!(acts.insert(*act), "{} twice", act),
            Event::MeasureRecorded { measure, .. } => {
                prop_assert!(measures.insert(measure.id.clone()), "{} twice", measure.id);
            }
            Event::Delivered { instruction, .. } => {
                prop_assert!(delivered.insert(*instruction), "{} delivered twice", instruction);
            }
            _ => {}
        }
    }
    prop_assert_eq!(acts, run.case().confirmed.clone());
    Ok(())
}

/// Whatever happened: no tip has two verdicts, none one before a result, none one that the case does not have; and a case that ran its
/// course leaves none without.
fn tips_are_verified_once(run: &Run) -> Result<(), TestCaseError> {
    let (mut known, mut verified, mut results) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for event in &run.events {
        match event {
            Event::Opened(facts) => known.extend(facts.tip),
            Event::TipAttached { tip, .. } => prop_assert!(known.insert(*tip) || !verified.contains(tip)),
            Event::ResultSubmitted { instruction, .. } => {
                results.insert(*instruction);
            }
            Event::TipVerified { tip, verdict, instruction, .. } => {
                prop_assert!(verified.insert(*tip), "{} twice", tip);
                prop_assert!(results.contains(instruction), "no result yet");
                prop_assert_eq!(Some(*verdict), run.case().conclusion.map(|conclusion| conclusion.verdict));
                known.insert(*tip);
            }
            _ => {}
        }
    }
    let kept: BTreeSet<Uuid> = run.case().tips.iter().map(|tip| tip.id).collect();
    prop_assert!(kept.is_subset(&known));
    if run.case().stage.kind() == StageKind::Closed && run.case().conclusion.is_some() {
        prop_assert_eq!(verified, kept);
    }
    Ok(())
}

fn history_leads_to_the_same_case(run: &Run) -> Result<(), TestCaseError> {
    let replayed = run.events.iter().fold(None, evolve);
    prop_assert_eq!(replayed.as_ref(), run.case.as_ref());
    let text = serde_json::to_string(run.case()).expect("a case is JSON");
    let read: Case = serde_json::from_str(&text).expect("and reads back");
    prop_assert_eq!(&read, run.case());
    prop_assert!(check(&read).is_ok());
    Ok(())
}
