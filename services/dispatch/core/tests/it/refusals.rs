//! The table of docs/refusals.md: what every command is answered in every state, who may give it, and every reason. It is written by this test from
//! the rules themselves, and compared with the file.

use std::{env, fmt::Write as _, fs, path::Path};

use dafei_dispatch_core::case::{
    Command, Means, NotYours, Reason, Rejection, ResultKind, StageKind, Step, Tier, posts,
};
use dafei_kernel::{
    agency::Agency,
    conduct::{Accessory, AccessoryKind, Accident},
    measure::{Compliance, ComplianceOutcome},
};
use uuid::Uuid;

use crate::fixture::{Run, assign, den, facts, found_facts, instruct, office, opened_facts, result, start};

/// Set to write the file instead of comparing it.
const WRITE: &str = "DAFEI_WRITE_DOCS";

fn words() -> String {
    "说明".to_owned()
}

/// Every command of a post to a case, by the RPC that gives it.
fn commands(run: &Run) -> Vec<(&'static str, Command)> {
    let accident = Accident { happened_at: start(), deaths: 0, injured: 0, major_impact: true, description: words() };
    let accessory = Accessory { name: words(), kind: AccessoryKind::Other, note: words() };
    let lead = run.case().instructions.iter().rev().find(|one| one.lead).map_or(Uuid::nil(), |one| one.id);
    vec![
        ("InstructAgency", instruct(Agency::PublicSecurity)),
        ("Escalate", Command::Escalate { reason: words() }),
        ("AcceptResult", Command::AcceptResult { public_text: words() }),
        ("AssignDepartment", assign()),
        ("FeedBack", Command::FeedBack { text: words(), public_text: words() }),
        ("OrderRework", Command::OrderRework { reason: words() }),
        ("DecideExtension", Command::DecideExtension { instruction: lead, working_days: None, reason: words() }),
        ("UrgeCase", Command::Urge { by: office(Tier::City), instruction: None, text: words() }),
        ("SuperviseCase", Command::Supervise { by: office(Tier::City), text: words() }),
        ("MergeCase", Command::Merge { into: Uuid::from_u128(99), told: true, reason: words() }),
        ("WithdrawCase", Command::TakeBack { reason: words() }),
        ("RequestReopening", Command::RequestReopening { by: office(Tier::City), reason: words() }),
        ("DecideReopening", Command::DecideReopening { granted: true, reason: words() }),
        ("RecordAccident", Command::RecordAccident(Box::new(accident))),
        ("RecordAccessory", Command::RecordAccessory(Box::new(accessory))),
        ("ExposeCase", Command::Expose { text: words() }),
    ]
}

/// Every step of an agency with its instruction.
fn steps() -> Vec<(&'static str, Step)> {
    let compliance = Compliance { outcome: ComplianceOutcome::Complied, established_at: start(), note: String::new() };
    vec![
        ("AcceptInstruction", Step::Accept),
        ("Respond", Step::Respond { plan: words() }),
        ("SubmitResult (interim)", Step::SubmitResult(result(ResultKind::Interim))),
        ("SubmitResult (final)", Step::SubmitResult(result(ResultKind::Final))),
        ("SubmitResult (unfounded)", Step::SubmitResult(result(ResultKind::Unfounded))),
        ("DeclineInstruction", Step::Decline { reason: words(), legal_basis: words() }),
        ("RequestExtension", Step::RequestExtension { working_days: 1, reason: words(), overdue: false }),
        ("RecordCompliance", Step::RecordCompliance { measure: "罚1".to_owned(), compliance }),
    ]
}

fn run_to(stage: StageKind) -> Run {
    let mut run = Run::new();
    run.must(Command::Open(Box::new(facts(den(), true))));
    let submit = |run: &mut Run| {
        let lead = run.lead();
        run.step(lead, Step::SubmitResult(result(ResultKind::Final))).expect("a result");
    };
    let township = [StageKind::WithTownshipAgency, StageKind::Declined, StageKind::TownshipResult];
    if township.contains(&stage) {
        run.must(instruct(Agency::PublicSecurity));
    }
    let above = [
        StageKind::AtOffice,
        StageKind::WithDepartment,
        StageKind::DepartmentResult,
        StageKind::OutcomeAvailable,
        StageKind::Closed,
    ];
    if above.contains(&stage) {
        run.must(Command::Escalate { reason: words() });
    }
    if above[1..].contains(&stage) {
        run.must(assign());
    }
    match stage {
        StageKind::Declined => {
            let lead = run.lead();
            run.step(lead, Step::Decline { reason: words(), legal_basis: String::new() }).expect("declined");
        }
        StageKind::TownshipResult | StageKind::DepartmentResult => submit(&mut run),
        StageKind::OutcomeAvailable | StageKind::Closed => {
            submit(&mut run);
            run.must(Command::FeedBack { text: words(), public_text: words() });
            if stage == StageKind::Closed {
                run.must(Command::Publish);
            }
        }
        StageKind::AtCentre | StageKind::WithTownshipAgency | StageKind::AtOffice | StageKind::WithDepartment => {}
    }
    assert_eq!(run.case().stage.kind(), stage);
    run
}

/// A department's instruction in each of its states.
fn instruction_in(state: &str) -> (Run, Uuid) {
    let mut run = Run::assigned();
    let lead = run.lead();
    let mut go = |step| run.step(lead, step).expect("a step");
    match state {
        "DELIVERED" => drop(go(Step::Deliver(Means::Rpc))),
        "ACCEPTED" => drop(go(Step::Accept)),
        "RESPONDED" => drop(go(Step::Respond { plan: words() })),
        "DONE" => drop(go(Step::SubmitResult(result(ResultKind::Final)))),
        "DECLINED" => drop(go(Step::Decline { reason: words(), legal_basis: words() })),
        "CANCELLED" => drop(run.must(Command::Withdraw)),
        _ => {}
    }
    assert_eq!(run.case().instruction(lead).expect("kept").state().code(), state);
    (run, lead)
}

fn cell<T>(answer: &Result<T, Rejection>) -> String {
    match answer {
        Ok(_) => "✓".to_owned(),
        Err(rejection) => format!("`{}`", rejection.reason.code()),
    }
}

fn row(text: &mut String, cells: impl IntoIterator<Item = String>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| {} |", cells.into_iter().collect::<Vec<_>>().join(" | "));
}

fn head(text: &mut String, title: &str, intro: &str, columns: &[String]) {
    let _ = writeln!(text, "\n## {title}\n\n{intro}\n");
    row(text, columns.iter().cloned());
    row(text, columns.iter().map(|_| "---".to_owned()));
}

fn by_stage(text: &mut String) {
    let columns: Vec<String> =
        ["RPC".to_owned()].into_iter().chain(StageKind::ALL.map(|stage| format!("`{}`", stage.code()))).collect();
    let intro = "A den's case that a village reported, and the post that may give the command. ✓: it is taken; \
                 nobody: no post may give it to such a case.";
    head(text, "By the state of the case", intro, &columns);
    let names: Vec<&str> = commands(&run_to(StageKind::AtCentre)).into_iter().map(|(name, _)| name).collect();
    for (place, name) in names.iter().enumerate() {
        let answers = StageKind::ALL.map(|stage| {
            let mut run = run_to(stage);
            let (_, command) = commands(&run).swap_remove(place);
            if posts(run.case(), &command).is_empty() { "nobody".to_owned() } else { cell(&run.go(&command)) }
        });
        row(text, [format!("`{name}`")].into_iter().chain(answers));
    }
}

fn by_instruction(text: &mut String) {
    let states = ["ISSUED", "DELIVERED", "ACCEPTED", "RESPONDED", "DONE", "DECLINED", "CANCELLED"];
    let columns: Vec<String> =
        ["RPC, and kind of feedback".to_owned()].into_iter().chain(states.map(|state| format!("`{state}`"))).collect();
    let intro = "The lead department's instruction; cancelled with a withdrawn case.";
    head(text, "By the state of the instruction", intro, &columns);
    for (name, step) in steps() {
        let answers = states.map(|state| {
            let (mut run, lead) = instruction_in(state);
            cell(&run.step(lead, step.clone()))
        });
        row(text, [format!("`{name}`")].into_iter().chain(answers));
    }
}

fn by_post(text: &mut String) {
    let starts = [
        ("of a village's report", StageKind::ALL.map(run_to).into()),
        ("opened at a county's office", vec![opened(Tier::County)]),
        ("opened at the city's office", vec![opened(Tier::City)]),
    ];
    let columns: Vec<String> =
        ["RPC".to_owned()].into_iter().chain(starts.iter().map(|(title, _)| format!("Case {title}"))).collect();
    let intro = "The roles whose post, with the case's own region, may give the command. An agency's steps are its own unit's; \
                 each agency with an instruction may also record accidents and accessories. Of a report: in any of its states. Another post gets \
                 `PERMISSION_DENIED`, and what of it does not fit:";
    head(text, "By the post", intro, &columns);
    let names: Vec<&str> = commands(&starts[0].1[0]).into_iter().map(|(name, _)| name).collect();
    for (place, name) in names.iter().enumerate() {
        let roles = starts.iter().map(|(_, runs)| {
            let of = |run| posts(Run::case(run), &commands(run).swap_remove(place).1);
            let roles: Vec<&str> = runs.iter().flat_map(of).map(|post| post.role.code()).collect();
            if roles.is_empty() { "nobody".to_owned() } else { dedup(roles).join(", ") }
        });
        row(text, [format!("`{name}`")].into_iter().chain(roles));
    }
    let _ = writeln!(text);
    row(text, ["Reason", "For a clerk"].map(str::to_owned));
    row(text, ["---", "---"].map(str::to_owned));
    for why in NotYours::ALL {
        row(text, [format!("`{}`", why.code()), why.zh().to_owned()]);
    }
}

/// Each once, in the order in which it came first.
fn dedup(mut roles: Vec<&str>) -> Vec<&str> {
    let mut seen = std::collections::BTreeSet::new();
    roles.retain(|role| seen.insert(*role));
    roles
}

fn opened(tier: Tier) -> Run {
    let mut run = Run::new();
    run.must(Command::Open(Box::new(opened_facts(tier))));
    run
}

fn reasons(text: &mut String) {
    let columns = ["Reason", "For a clerk"].map(str::to_owned);
    head(
        text,
        "All reasons",
        "`FAILED_PRECONDITION` for a state, `INVALID_ARGUMENT` with the field for a value.",
        &columns,
    );
    for reason in Reason::ALL {
        row(text, [format!("`{}`", reason.code()), reason.zh().to_owned()]);
    }
}

#[test]
fn the_table_of_refusals_is_what_the_rules_say() {
    let mut text = "# What dispatch refuses, and why\n\nWritten by the test `refusals` of dispatch's core from the rules themselves: \
                    `DAFEI_WRITE_DOCS=1 cargo nextest run -p dafei-dispatch-core refusals`.\n"
        .to_owned();
    by_stage(&mut text);
    by_instruction(&mut text);
    by_post(&mut text);
    reasons(&mut text);
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/refusals.md"));
    if env::var_os(WRITE).is_some() {
        fs::write(path, &text).expect("written");
    }
    let kept = fs::read_to_string(path).expect("docs/refusals.md");
    assert!(kept == text, "docs/refusals.md is not what the rules say: run the test with {WRITE}=1");
}

#[test]
fn an_agencys_own_finding_has_the_same_steps() {
    for tier in [Tier::Township, Tier::County, Tier::City] {
        let mut run = Run::new();
        run.must(Command::Open(Box::new(found_facts(tier))));
        let own = run.lead();
        for step in [Step::Accept, Step::Respond { plan: words() }, Step::SubmitResult(result(ResultKind::Final))] {
            run.step(own, step).expect("a step");
        }
    }
}
