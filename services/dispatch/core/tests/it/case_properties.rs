//! Random command sequences: the invariants hold after every event, and no case ends in a dead end.

use dafei_dispatch_core::case::{
    Case, Cause, Choice, Command, Event, Facts, Limits, Means, Measure, MeasureKind, ResultKind, ResultReport, Stage,
    StageKind, Step, Tier, Verdict, check_at_rest, evolve,
};
use dafei_kernel::{
    agency::Agency,
    conduct::{Accessory, AccessoryKind, Accident},
    measure::{Compliance, ComplianceOutcome},
    money::Fen,
};
use jiff::SignedDuration;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

use crate::agreement::same_clocks_run;
use crate::fixture::{
    Run, act, assign, den, enterprise, exemptions, facts, found_facts, instruct, office, opened_facts, result, start,
    tip, tip_facts,
};

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
    /// A command that needs nothing of the case.
    Turn(Command),
    DecideExtension {
        pick: usize,
        working_days: Option<u32>,
    },
    Step {
        pick: usize,
        step: Step,
        minutes_ago: i64,
    },
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
    (0..4_u8, kind).prop_map(|(id, kind)| Measure { id: format!("m{id}"), decided_at: start(), comply_by: None, kind })
}

fn report() -> impl Strategy<Value = ResultReport> {
    let acts = proptest::sample::subsequence(vec!["HC-3", "HC-14", "FW-1"], 0..3);
    let kind =
        prop_oneof![3 => Just(ResultKind::Interim), 3 => Just(ResultKind::Final), 1 => Just(ResultKind::Unfounded)];
    let exempted = proptest::sample::subsequence(exemptions(), 0..=3);
    (kind, acts, proptest::collection::vec(measure(), 0..3), exempted, any::<bool>()).prop_map(
        |(kind, acts, measures, exemptions, outside_scope)| ResultReport {
            kind,
            text: "已处置".to_owned(),
            confirmed_acts: acts.into_iter().map(act).collect(),
            outside_scope,
            measures,
            exemptions,
        },
    )
}

fn compliance() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![Just(ComplianceOutcome::Complied), Just(ComplianceOutcome::Refused)];
    (0..4_u8, outcome).prop_map(|(id, outcome)| Step::RecordCompliance {
        measure: format!("m{id}"),
        compliance: Compliance { outcome, established_at: start(), note: String::new() },
    })
}

/// What is asked of a case beside its way through the tiers, and what ends it or takes it up again.
fn turn() -> impl Strategy<Value = Command> {
    let tier = || prop_oneof![Just(Tier::Township), Just(Tier::County), Just(Tier::City)];
    let words = || "说明".to_owned();
    let accident = (0..3_u32).prop_map(|deaths| Accident {
        happened_at: start(),
        deaths,
        injured: 0,
        major_impact: true,
        description: "燃爆".to_owned(),
    });
    let accessory = (0..3_u8).prop_map(|number| Accessory {
        name: format!("某供电所{number}"),
        kind: AccessoryKind::Power,
        note: "明知违法仍供电".to_owned(),
    });
    prop_oneof![
        4 => Just(Command::OrderRework { reason: words() }),
        2 => tier().prop_map(move |tier| Command::Urge { by: office(tier), instruction: None, text: words() }),
        2 => tier().prop_map(move |tier| Command::Supervise { by: office(tier), text: words() }),
        2 => tier().prop_map(move |tier| Command::RequestReopening { by: office(tier), reason: words() }),
        2 => any::<bool>().prop_map(move |granted| Command::DecideReopening { granted, reason: words() }),
        1 => Just(Command::TakeBack { reason: words() }),
        1 => Just(Command::Merge { into: Uuid::from_u128(98), told: true, reason: words() }),
        1 => (0..3_u128).prop_map(|number| Command::Absorb { case: Uuid::from_u128(200 + number), tips: vec![tip(number)] }),
        1 => accident.prop_map(|accident| Command::RecordAccident(Box::new(accident))),
        1 => accessory.prop_map(|accessory| Command::RecordAccessory(Box::new(accessory))),
        1 => Just(Command::Expose { text: "某窝点被取缔".to_owned() }),
        1 => Just(Command::RetractExposure),
        1 => Just(Command::EndVerification),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let basis = prop_oneof![1 => Just(String::new()), 3 => Just("职责分工规定".to_owned())];
    prop_oneof![
        2 => prop_oneof![Just(Means::Consumer), Just(Means::Rpc), Just(Means::Assumed)].prop_map(Step::Deliver),
        1 => Just(Step::Accept),
        1 => Just(Step::Resend { by: office(Tier::County) }),
        2 => Just(Step::Respond { plan: "到场".to_owned() }),
        4 => report().prop_map(Step::SubmitResult),
        2 => (0..12_u32).prop_map(|working_days| Step::RequestExtension {
            working_days,
            reason: "案情复杂".to_owned(),
            overdue: working_days == 11,
        }),
        1 => compliance(),
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
        6 => turn().prop_map(Draw::Turn),
        1 => (0..3_usize, proptest::option::of(0..12_u32))
            .prop_map(|(pick, working_days)| Draw::DecideExtension { pick, working_days }),
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
        Draw::Turn(command) => command,
        Draw::DecideExtension { pick, working_days } => {
            let reason = "准予".to_owned();
            Command::DecideExtension { instruction: picked(case, pick), working_days, reason }
        }
        Draw::Step { pick, step, minutes_ago } => {
            return (Command::Instruction { id: picked(case, pick), step }, minutes_ago);
        }
    };
    (command, 0)
}

/// An instruction of the case. The latest are picked most: they are where things happen.
fn picked(case: Option<&Case>, pick: usize) -> Uuid {
    let instructions = case.map_or(&[][..], |case| &case.instructions);
    instructions.iter().rev().nth(pick).map_or(Uuid::nil(), |instruction| instruction.id)
}

fn opening(subject: u8) -> Facts {
    match subject {
        6 => opened_facts(Tier::Township),
        7 => opened_facts(Tier::County),
        8 => opened_facts(Tier::City),
        9 => found_facts(Tier::Township),
        10 => found_facts(Tier::County),
        11 => found_facts(Tier::City),
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
        subject in 0..12_u8,
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
                    same_clocks_run(&run)?;
                    let before = before.expect("opened");
                    if before.stage.kind() == StageKind::Closed {
                        closed_cases_take_only_what_they_may(&before, run.case(), &events)?;
                    }
                }
            }
        }
        facts_count_once(&run)?;
        tips_are_verified(&run)?;
        only_a_last_word_makes_a_tip_untrue(&run)?;
        notices_are_counted(&run)?;
        open_steps_fit_the_case(&run)?;
        history_leads_to_the_same_case(&run)?;
        for _ in 0..8 {
            if run.case().stage.kind() == StageKind::Closed {
                break;
            }
            let next = onward(&run);
            run.must(next);
        }
        prop_assert_eq!(run.case().stage.kind(), StageKind::Closed, "no stage is a dead end");
        tips_are_verified(&run)?;
        only_a_last_word_makes_a_tip_untrue(&run)?;
        no_tip_waits_for_ever(&mut run)?;
    }
}

/// Later facts and what became of decisions; a merged or withdrawn case takes less, and is never taken up again.
fn closed_cases_take_only_what_they_may(before: &Case, after: &Case, events: &[Event]) -> Result<(), TestCaseError> {
    let reopened = events.iter().any(|event| matches!(event, Event::Reopened { .. }));
    if reopened {
        prop_assert!(before.merged_into().is_none(), "merged, and yet taken up again");
        prop_assert!(before.reopening.is_some(), "nobody had asked");
        prop_assert_ne!(after.stage.kind(), StageKind::Closed);
        return Ok(());
    }
    prop_assert_eq!(&before.stage, &after.stage);
    // It would count twice: what happens is said of the case in which it ended.
    prop_assert!(before.merged_into().is_none() || events.is_empty(), "merged, and yet {:?}", events);
    let later = |event: &Event| {
        matches!(
            event,
            Event::ResultSubmitted { .. }
                | Event::ActConfirmed { .. }
                | Event::MeasureRecorded { .. }
                | Event::ComplianceRecorded { .. }
                | Event::TipAttached { .. }
                | Event::TipsHandedOver { .. }
                | Event::TipVerified { .. }
                | Event::AccidentRecorded { .. }
                | Event::AccessoryRecorded { .. }
                | Event::Exposed { .. }
                | Event::ExposureRetracted { .. }
                | Event::ReopeningRequested { .. }
                | Event::ReopeningRefused { .. }
        )
    };
    prop_assert!(events.iter().all(later), "closed, and yet {:?}", events);
    Ok(())
}

/// Every clock that runs has an owner who owes the step; a closed case has none, and none runs twice for one instruction.
fn open_steps_fit_the_case(run: &Run) -> Result<(), TestCaseError> {
    let case = run.case();
    let clocks = case.clocks();
    if case.stage.kind() == StageKind::Closed {
        prop_assert!(clocks.is_empty(), "closed, and yet {:?}", clocks);
    }
    let owners = case.open_steps();
    let mut seen = BTreeSet::new();
    for step in &clocks {
        prop_assert!(owners.contains(&step.owner), "{} is owed by {:?}, who owes nothing", step.clock, step.owner);
        prop_assert!(seen.insert((step.clock, step.instruction)), "{} runs twice", step.clock);
        prop_assert!(step.since.is_some_and(|since| since <= run.now), "{} starts in the future", step.clock);
    }
    Ok(())
}

/// Each instruction that fell away, was urged, supervised or answered has told its agency as often.
fn notices_are_counted(run: &Run) -> Result<(), TestCaseError> {
    for instruction in &run.case().instructions {
        let answered = instruction.extensions.iter().filter(|extension| extension.answer.is_some()).count();
        let least = answered + usize::from(instruction.cancelled);
        prop_assert!(usize::try_from(instruction.notices).expect("few") >= least, "{:?}", instruction);
    }
    Ok(())
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

/// Whatever happened: no tip has a verdict before a result, none two but true after untrue, none is true without an act; and where the
/// verification has come to something no tip is without it.
fn tips_are_verified(run: &Run) -> Result<(), TestCaseError> {
    let (mut known, mut results) = (BTreeSet::new(), BTreeSet::new());
    let mut verified: BTreeMap<Uuid, Verdict> = BTreeMap::new();
    for event in &run.events {
        match event {
            Event::Opened(facts) => known.extend(facts.tip),
            Event::TipAttached { tip, .. } => prop_assert!(known.insert(*tip) || !verified.contains_key(tip)),
            Event::ResultSubmitted { instruction, .. } => {
                results.insert(*instruction);
            }
            Event::TipVerified { tip, verdict, instruction, .. } => {
                let before = verified.insert(*tip, *verdict);
                let once = before.is_none() || (before, *verdict) == (Some(Verdict::False), Verdict::True);
                prop_assert!(once, "{} was {:?} and is {:?}", tip, before, verdict);
                prop_assert!(results.contains(instruction), "no result yet");
                known.insert(*tip);
            }
            _ => {}
        }
    }
    let kept: BTreeSet<Uuid> = run.case().tips.iter().map(|tip| tip.id).collect();
    prop_assert!(kept.is_subset(&known));
    for tip in &run.case().tips {
        prop_assert_eq!(tip.verdict.as_ref(), verified.get(&tip.id), "as it was told");
        prop_assert!(tip.verdict != Some(Verdict::True) || !run.case().confirmed.is_empty(), "true without an act");
    }
    if run.case().stage.kind() == StageKind::Closed && run.case().conclusion.is_some() {
        prop_assert_eq!(verified.into_keys().collect::<BTreeSet<_>>(), kept);
    }
    Ok(())
}

/// An interim result makes no tip untrue.
fn only_a_last_word_makes_a_tip_untrue(run: &Run) -> Result<(), TestCaseError> {
    let mut kinds: BTreeMap<Uuid, ResultKind> = BTreeMap::new();
    for event in &run.events {
        match event {
            Event::ResultSubmitted { instruction, kind, .. } => {
                kinds.insert(*instruction, *kind);
            }
            Event::TipVerified { verdict: Verdict::False, instruction, .. } => {
                prop_assert_ne!(kinds.get(instruction), Some(&ResultKind::Interim));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where a case has run its course, its tips have their verdict at the latest when it can no longer be taken up again.
fn no_tip_waits_for_ever(run: &mut Run) -> Result<(), TestCaseError> {
    if run.case().reopening.is_some() {
        run.must(Command::DecideReopening { granted: false, reason: "不予受理".to_owned() });
    }
    run.now += Limits::default().reopen_within;
    run.must(Command::EndVerification);
    let ran_its_course = matches!(
        run.case().stage,
        Stage::Closed { cause: Cause::Published | Cause::NoVillage | Cause::OwnFinding, .. }
    );
    let waiting = run.case().tips.iter().filter(|tip| tip.verdict.is_none()).count();
    prop_assert!(!ran_its_course || waiting == 0, "{} tips wait", waiting);
    tips_are_verified(run)
}

fn history_leads_to_the_same_case(run: &Run) -> Result<(), TestCaseError> {
    let replayed = run.events.iter().fold(None, evolve);
    prop_assert_eq!(replayed.as_ref(), run.case.as_ref());
    let text = serde_json::to_string(run.case()).expect("a case is JSON");
    let read: Case = serde_json::from_str(&text).expect("and reads back");
    prop_assert_eq!(&read, run.case());
    prop_assert!(check_at_rest(&read).is_ok());
    Ok(())
}
