//! Findings, and a suspicion that is driven by commands.

use dafei_intake_core::{
    device_time::DeviceTimes,
    suspicion::{
        Command, Context, DirectCause, Event, Finding, Help, Others, Outcome, Rejection, Reporter, Rules, StateKind,
        Suspicion, check, decide, evolve,
    },
};
use dafei_kernel::{
    act::Act, agency::Agency, credit_code::CreditCode, industry::Industry, subject::Subject, time::Instant,
};
use uuid::Uuid;

pub(crate) fn at(text: &str) -> Instant {
    text.parse().expect("an instant")
}

pub(crate) fn now() -> Instant {
    at("2026-11-23T02:00:00Z")
}

pub(crate) fn den() -> Subject {
    Subject::Den {
        place: "村东头仓库".to_owned(), position: None, industry: dafei_kernel::industry::Industry::General
    }
}

pub(crate) fn enterprise() -> Subject {
    Subject::Enterprise {
        credit_code: CreditCode::parse("91350100M000100Y43").expect("a code"),
        name: "某公司".to_owned(),
        regulator: None,
        industry: Industry::General,
    }
}

pub(crate) fn finding(act: &str, subject: Subject) -> Finding {
    let act = Act::parse(act).expect("an act");
    Finding {
        id: Uuid::from_u128(7),
        path: "city:371300/county:371302/township:371302001/village:371302001001".parse().expect("a path"),
        act,
        act_text: if act.needs_text() { "私自囤积".to_owned() } else { String::new() },
        subject,
        description: "夜间有车辆进出".to_owned(),
        device: DeviceTimes::default(),
        evidence: vec![Uuid::from_u128(1)],
        suspected_crime: false,
        by_secretary: false,
    }
}

/// A suspicion with its history; the invariants are checked after every command.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) rules: Rules,
    pub(crate) suspicion: Option<Suspicion>,
    pub(crate) history: Vec<Event>,
    /// How long after [`now`] the commands are given.
    pub(crate) later: jiff::SignedDuration,
    /// The report that a merge goes on in.
    pub(crate) target: Option<Suspicion>,
    /// Whether reports were merged into this one.
    pub(crate) absorbed: bool,
}

impl Run {
    pub(crate) fn recorded(act: &str, subject: Subject) -> Self {
        let mut run = Self::default();
        run.must(Command::Record(Box::new(finding(act, subject))));
        run
    }

    pub(crate) fn give(&mut self, command: &Command) -> Result<usize, Rejection> {
        let others = Others { target: self.target.as_ref(), absorbed: self.absorbed };
        let now = now().checked_add(self.later).expect("near now");
        let context = Context { now, rules: &self.rules, others };
        let events = decide(self.suspicion.as_ref(), command, &context)?;
        for event in &events {
            self.suspicion = evolve(self.suspicion.take(), event);
            self.history.push(event.clone());
            self.verify();
        }
        Ok(events.len())
    }

    fn verify(&self) {
        // An enterprise's case is recorded and goes up in one decision: between its two events nobody looks.
        let halfway =
            self.history.len() == 1 && self.suspicion.as_ref().is_some_and(|s| s.facts.subject.is_enterprise());
        if let (Some(suspicion), false) = (&self.suspicion, halfway)
            && let Err(broken) = check(suspicion, &self.history, &self.rules)
        {
            panic!("{broken}");
        }
    }

    pub(crate) fn must(&mut self, command: Command) {
        if let Err(rejection) = self.give(&command) {
            panic!("{command:?}: {rejection}");
        }
    }

    pub(crate) fn after(mut self, commands: impl IntoIterator<Item = Command>) -> Self {
        for command in commands {
            self.must(command);
        }
        self
    }
}

pub(crate) fn persuade(outcome: Outcome) -> Command {
    Command::Persuade { outcome, note: "已讲明危险".to_owned() }
}

pub(crate) fn revisit(stopped: bool) -> Command {
    Command::Revisit { stopped, note: "现场查看".to_owned(), evidence: vec![Uuid::from_u128(2)] }
}

pub(crate) fn direct() -> Command {
    Command::ReportUp(Reporter::Member { cause: DirectCause::SecretaryUnreachable, text: String::new() })
}

pub(crate) fn by_secretary() -> Command {
    Command::ReportUp(Reporter::Secretary)
}

pub(crate) fn withdraw() -> Command {
    Command::Withdraw { reason: "看错了".to_owned() }
}

pub(crate) fn suspect_crime() -> Command {
    Command::SuspectCrime { reason: "现场有管制刀具".to_owned() }
}

pub(crate) fn reopen() -> Command {
    Command::Reopen { reason: "夜间又开始加工".to_owned(), evidence: vec![Uuid::from_u128(4)] }
}

/// The report that [`merge`] merges into.
pub(crate) const TARGET: Uuid = Uuid::from_u128(8);

pub(crate) fn merge() -> Command {
    Command::Merge { into: TARGET, reason: "同一处窝点".to_owned() }
}

pub(crate) fn help() -> Command {
    Command::Help(Box::new(Help {
        id: Uuid::from_u128(9),
        agency: "fire-rescue".parse::<Agency>().expect("an agency"),
        note: "带路并清点现场".to_owned(),
        at: now(),
        evidence: vec![],
    }))
}

pub(crate) fn outcome(text: &str) -> Command {
    Command::LearnOutcome { public_text: text.to_owned() }
}

pub(crate) fn publish() -> Command {
    Command::Publish { text: "已依法取缔".to_owned(), evidence: vec![Uuid::from_u128(3)] }
}

/// The same step with other words, so that it is not done already.
pub(crate) fn in_other_words(command: &Command) -> Command {
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
pub(crate) fn target(steps: impl IntoIterator<Item = Command>) -> Suspicion {
    let mut run = Run::default();
    run.must(Command::Record(Box::new(Finding { id: TARGET, ..finding("HC-3", den()) })));
    run.after(steps).suspicion.expect("recorded")
}

/// A suspicion in a state, by the shortest way.
pub(crate) fn in_state(kind: StateKind) -> Run {
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
