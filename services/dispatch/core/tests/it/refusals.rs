//! The table of docs/refusals.md: what every command is answered in every state, who may give it, and every reason. It is written by this test from
//! the rules themselves, and compared with the file.

use std::{env, fmt::Write as _, fs, path::Path};

use dafei_dispatch_core::{
    case::{Command, Means, NotYours, Reason, Rejection, ResultKind, StageKind, Step, Tier, may, posts},
    directive,
};
use dafei_kernel::{
    agency::Agency,
    conduct::{Accessory, AccessoryKind, Accident},
    measure::{Compliance, ComplianceOutcome},
    owner::Post,
    region::Level,
    role::Role,
};
use uuid::Uuid;

use crate::{
    directives,
    fixture::{
        Run, agency_post, assign, den, facts, found_facts, instruct, office, opened_facts, region, result, start,
    },
};

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
        ("ExposeCase (retract)", Command::RetractExposure),
    ]
}

/// Every step of an agency with its instruction, and an office's sending it once more.
fn steps() -> Vec<(&'static str, Step)> {
    let compliance = Compliance { outcome: ComplianceOutcome::Complied, established_at: start(), note: String::new() };
    vec![
        ("RetryDelivery", Step::Resend { by: office(Tier::County) }),
        ("ReadInstruction", Step::Deliver(Means::Rpc)),
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

/// The stages that a case of an office goes through.
const OF_OFFICE: [StageKind; 4] =
    [StageKind::AtOffice, StageKind::WithDepartment, StageKind::DepartmentResult, StageKind::Closed];

/// A case that a county's office opened, in a stage. Without a village its result closes it.
fn of_office(stage: StageKind) -> Run {
    let mut run = opened(Tier::County);
    if stage != StageKind::AtOffice {
        run.must(assign());
    }
    if matches!(stage, StageKind::DepartmentResult | StageKind::Closed) {
        let lead = run.lead();
        run.step(lead, Step::SubmitResult(result(ResultKind::Final))).expect("a result");
    }
    if stage == StageKind::Closed {
        run.must(Command::FeedBack { text: words(), public_text: words() });
    }
    assert_eq!(run.case().stage.kind(), stage);
    run
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

const STATES: [&str; 7] = ["ISSUED", "DELIVERED", "ACCEPTED", "RESPONDED", "DONE", "DECLINED", "CANCELLED"];

/// Whose instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Department,
    Binding,
    Township,
    Superseded,
    Own,
}

/// A case with such an instruction.
fn instructed(whose: Whose) -> Run {
    match whose {
        Whose::Department | Whose::Superseded => Run::assigned(),
        Whose::Binding => {
            let mut run = Run::assigned();
            while !run.case().instruction(run.lead()).expect("kept").binding {
                let lead = run.lead();
                run.step(lead, Step::Decline { reason: words(), legal_basis: words() }).expect("returned");
                run.must(assign());
            }
            run
        }
        Whose::Township => {
            let mut run = Run::opened(den(), true);
            run.must(instruct(Agency::PublicSecurity));
            run
        }
        Whose::Own => {
            let mut run = Run::new();
            run.must(Command::Open(Box::new(found_facts(Tier::County))));
            run
        }
    }
}

/// An instruction in a state; none where it cannot be in it.
fn instruction_in(whose: Whose, state: &str) -> Option<(Run, Uuid)> {
    let mut run = instructed(whose);
    let lead = run.lead();
    let decline = Step::Decline { reason: words(), legal_basis: words() };
    let steps = match state {
        "DELIVERED" => vec![Step::Deliver(Means::Rpc)],
        "ACCEPTED" => vec![Step::Accept],
        "RESPONDED" => vec![Step::Respond { plan: words() }],
        "DONE" => vec![Step::SubmitResult(result(ResultKind::Final))],
        "DECLINED" => vec![decline],
        _ => Vec::new(),
    };
    for step in steps {
        run.step(lead, step).ok()?;
    }
    match (whose, state) {
        (_, "CANCELLED") => drop(run.must(Command::Withdraw)),
        (Whose::Superseded, _) => drop(run.go(&Command::OrderRework { reason: words() }).ok()?),
        _ => {}
    }
    let instruction = run.case().instruction(lead)?;
    let fits = instruction.state().code() == state && instruction.superseded == (whose == Whose::Superseded);
    fits.then_some((run, lead))
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
    let intro = "A den's case that a village reported, and the post that may give the command. ✓: it is taken; \
                 nobody: no post may give it to such a case.";
    head(text, "By the state of the case", intro, &stages(&StageKind::ALL));
    stage_rows(text, &StageKind::ALL, run_to);
    head(text, "By the state of a case that a county's office opened", "As above.", &stages(&OF_OFFICE));
    stage_rows(text, &OF_OFFICE, of_office);
}

fn stages(stages: &[StageKind]) -> Vec<String> {
    ["RPC".to_owned()].into_iter().chain(stages.iter().map(|stage| format!("`{}`", stage.code()))).collect()
}

fn stage_rows(text: &mut String, stages: &[StageKind], run_to: fn(StageKind) -> Run) {
    let names: Vec<&str> = commands(&run_to(StageKind::AtOffice)).into_iter().map(|(name, _)| name).collect();
    for (place, name) in names.iter().enumerate() {
        let answers = stages.iter().map(|stage| {
            let mut run = run_to(*stage);
            let (_, command) = commands(&run).swap_remove(place);
            if posts(run.case(), &command).is_empty() { "nobody".to_owned() } else { cell(&run.go(&command)) }
        });
        row(text, [format!("`{name}`")].into_iter().chain(answers));
    }
}

fn by_instruction(text: &mut String) {
    let columns: Vec<String> =
        ["RPC, and kind of feedback".to_owned()].into_iter().chain(STATES.map(|state| format!("`{state}`"))).collect();
    let tables = [
        (
            Whose::Department,
            "By the state of the instruction",
            "The lead department's instruction; cancelled with a withdrawn case.",
        ),
        (Whose::Binding, "A binding assignment", "After too many returns. —: it cannot be in that state."),
        (Whose::Township, "A township agency's instruction", "Cancelled with a withdrawn case."),
        (Whose::Superseded, "An instruction whose result was sent back (退回重办)", "—: it cannot be in that state."),
        (
            Whose::Own,
            "What stands for the instruction of an agency's own finding",
            "A county department's finding. —: it cannot be in that state.",
        ),
    ];
    for (whose, title, intro) in tables {
        head(text, title, intro, &columns);
        for (name, step) in steps() {
            let answers = STATES.map(|state| {
                instruction_in(whose, state)
                    .map_or("—".to_owned(), |(mut run, lead)| cell(&run.step(lead, step.clone())))
            });
            row(text, [format!("`{name}`")].into_iter().chain(answers));
        }
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

/// Another post than the one that may: of another role, another level, another region, another agency; none where it has no such.
fn others(post: &Post) -> [Option<Post>; 4] {
    let tier = match post.region.level() {
        Level::City => Tier::City,
        Level::County => Tier::County,
        Level::Township | Level::WorkArea | Level::Village => Tier::Township,
    };
    let (level, elsewhere) = match tier {
        Tier::Township => (Tier::County, region(Level::Township, "371302002")),
        Tier::County => (Tier::City, region(Level::County, "371311")),
        Tier::City => (Tier::County, region(Level::City, "370100")),
    };
    let role = match post.agency {
        Some(_) => Post { role: Role::Auditor, agency: None, ..post.clone() },
        None => agency_post(tier, Agency::Postal),
    };
    let other_level = post.agency.map_or_else(|| office(level), |agency| agency_post(level, agency));
    let agency = post.agency.map(|_| Post { agency: Some(Agency::Postal), ..post.clone() });
    [Some(role), Some(other_level), Some(Post { region: elsewhere, ..post.clone() }), agency]
}

fn by_wrong_post(text: &mut String) {
    let columns = ["RPC", "Another role", "The same at another level", "Of another region", "Another agency"];
    let intro = "Of a village's report that departments have: what is answered to another than the first post above that may give the command, before \
                 the state is looked at. ✓: that post may, too; —: there is no such. A role to which a method is closed whatever the case gets \
                 `ROLE_NOT_ALLOWED` before any of this.";
    head(text, "By what of the post does not fit", intro, &columns.map(str::to_owned));
    let run = run_to(StageKind::WithDepartment);
    let id = run.lead();
    let steps = steps().into_iter().map(|(name, step)| (name, Command::Instruction { id, step }));
    for (name, command) in commands(&run).into_iter().chain(steps) {
        let Some(first) = posts(run.case(), &command).into_iter().next() else { continue };
        let answers = others(&first).map(|other| match other.map(|other| may(&other, run.case(), &command)) {
            None => "—".to_owned(),
            Some(Ok(())) => "✓".to_owned(),
            Some(Err(why)) => format!("`{}`", why.code()),
        });
        row(text, [format!("`{name}`")].into_iter().chain(answers));
    }
}

/// What the opening of a case is refused for: by its fields, as no case is there yet.
fn openings(text: &mut String) {
    let intro = "There is no case yet that could stand in the way: a field does, with `INVALID_ARGUMENT`, or the role.";
    head(text, "What opens a case", intro, &["RPC", "Roles", "Reasons"].map(str::to_owned));
    let fields = "`REQUIRED`, `TOO_LONG`, `UNKNOWN_ACT`, `UNKNOWN_REGION`, `OUT_OF_REGION`, `TIME_IN_FUTURE`";
    let office = format!("{fields}, `NOT_YOURS`, `NOT_ALLOWED`");
    row(text, ["`OpenCase`".to_owned(), "township-centre, county-office, city-office".to_owned(), office]);
    let agencies = "township-agency, county-department, city-department";
    row(text, ["`ReportFinding`, and daily-work by feedback".to_owned(), agencies.to_owned(), fields.to_owned()]);
}

fn directives(text: &mut String) {
    let intro = "The commander's directive (指令), asked by the post whose step it is, by another post, and once it is closed or taken back.";
    let columns = ["RPC", "None there", "Open", "Open, by another post", "Closed", "Withdrawn"];
    head(text, "Directives", intro, &columns.map(str::to_owned));
    for (name, answers) in directives::answers() {
        row(text, [format!("`{name}`")].into_iter().chain(answers));
    }
    let _ = writeln!(text);
    row(text, ["Reason", "For a clerk"].map(str::to_owned));
    row(text, ["---", "---"].map(str::to_owned));
    for reason in directive::Reason::ALL {
        row(text, [format!("`{}`", reason.code()), reason.zh().to_owned()]);
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
    by_wrong_post(&mut text);
    openings(&mut text);
    directives(&mut text);
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
