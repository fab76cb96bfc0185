//! The steps of a suspicion that is there: whether each may be taken where it stands.

use dafei_kernel::time::Instant;
use jiff::SignedDuration;
use uuid::Uuid;

use super::{
    command::{Command, Context, Reporter},
    event::{Event, Outcome},
    rejection::Reason,
    state::{DirectReport, Route, State, StateKind, Suspicion},
};

/// The events of a command to a suspicion that is there.
pub(super) fn step(suspicion: &Suspicion, command: &Command, context: &Context<'_>) -> Result<Vec<Event>, Reason> {
    let kind = suspicion.state.kind();
    match command {
        Command::Record(_) => Err(Reason::AlreadyRecorded),
        Command::Notify => once(suspicion, Event::Notified, || notify(kind)),
        Command::Persuade { outcome, note } => {
            let event = Event::Persuaded { outcome: *outcome, note: note.clone() };
            once(suspicion, event, || persuade(suspicion, *outcome, context))
        }
        Command::Revisit { stopped, note, evidence } => {
            let (note, evidence) = (note.clone(), evidence.clone());
            let event = Event::Revisited { stopped: *stopped, note, evidence, at: context.now };
            once(suspicion, event, || revisit(kind))
        }
        Command::SuspectCrime { reason } => suspect_crime(suspicion, reason),
        Command::Reopen { reason, evidence } => {
            let event = Event::Reopened { reason: reason.clone(), evidence: evidence.clone() };
            once(suspicion, event, || reopen(&suspicion.state, context))
        }
        Command::ReportUp(reporter) => once(suspicion, reported_up(reporter), || report_up(kind, reporter)),
        Command::Withdraw { reason } => {
            once(suspicion, Event::Withdrawn { reason: reason.clone() }, || withdraw(suspicion))
        }
        Command::Merge { into, reason } => {
            let event = Event::Merged { into: *into, reason: reason.clone() };
            once(suspicion, event, || merge(suspicion, *into, context))
        }
        Command::Help(help) => {
            given_help(suspicion, help.at)?;
            Ok(vec![Event::Helped(help.clone())])
        }
        Command::LearnOutcome { public_text } => learn_outcome(&suspicion.state, public_text),
        Command::LearnMerging { into, reason } => {
            above(kind, || Event::CaseMerged { into: *into, reason: reason.clone() })
        }
        Command::LearnWithdrawal { reason } => above(kind, || Event::CaseWithdrawn { reason: reason.clone() }),
        Command::LearnReopening => Ok(reopened_above(kind)),
        Command::Publish { text, evidence } => {
            let event = Event::Published { text: text.clone(), evidence: evidence.clone() };
            once(suspicion, event, || publish(kind))
        }
    }
}

/// A step that is taken once: taken again with the same content, as on two devices at once, it is done already.
fn once(
    suspicion: &Suspicion,
    event: Event,
    allowed: impl FnOnce() -> Result<(), Reason>,
) -> Result<Vec<Event>, Reason> {
    let fingerprint = event.fingerprint();
    if fingerprint.is_some() && fingerprint == suspicion.last_step {
        return Ok(Vec::new());
    }
    allowed().map(|()| vec![event])
}

const fn not_ended(kind: StateKind) -> Result<(), Reason> {
    match kind {
        StateKind::Published | StateKind::ClosedAtVillage => Err(Reason::CaseClosed),
        StateKind::Withdrawn => Err(Reason::CaseWithdrawn),
        StateKind::Merged => Err(Reason::CaseMerged),
        StateKind::Recorded
        | StateKind::Notified
        | StateKind::Heeded
        | StateKind::Refused
        | StateKind::ReportedUp
        | StateKind::OutcomeAvailable => Ok(()),
    }
}

/// The steps of the village end where the township's begin.
fn before_going_up(kind: StateKind) -> Result<(), Reason> {
    not_ended(kind)?;
    match kind {
        StateKind::ReportedUp | StateKind::OutcomeAvailable => Err(Reason::AlreadyReportedUp),
        _ => Ok(()),
    }
}

/// Who handles the case can be helped, also after its result was published.
fn given_help(suspicion: &Suspicion, at: Instant) -> Result<(), Reason> {
    if suspicion.state.ended_above() {
        return not_ended(suspicion.state.kind());
    }
    if suspicion.state.gone_up().is_none() {
        return not_ended(suspicion.state.kind()).and(Err(Reason::NotReportedUp));
    }
    if at < suspicion.facts.found_at { Err(Reason::HelpBeforeFinding) } else { Ok(()) }
}

fn notify(kind: StateKind) -> Result<(), Reason> {
    before_going_up(kind)?;
    match kind {
        StateKind::Recorded => Ok(()),
        _ => Err(Reason::AlreadyNotified),
    }
}

fn persuade(suspicion: &Suspicion, outcome: Outcome, context: &Context<'_>) -> Result<(), Reason> {
    let kind = suspicion.state.kind();
    before_going_up(kind)?;
    match kind {
        StateKind::Notified => {}
        StateKind::Recorded => return Err(Reason::NotNotified),
        _ => return Err(Reason::AlreadyPersuaded),
    }
    match outcome {
        Outcome::Heeded if suspicion.suspected_crime => Err(Reason::SuspectedCrime),
        Outcome::Heeded if context.rules.must_go_up(suspicion) => Err(Reason::NeverByPersuasion),
        Outcome::Heeded | Outcome::Refused => Ok(()),
    }
}

fn revisit(kind: StateKind) -> Result<(), Reason> {
    before_going_up(kind)?;
    if kind == StateKind::Heeded { Ok(()) } else { Err(Reason::NotHeeded) }
}

/// A suspected crime is not the village's to dismiss, nor is what was not heeded: that goes up (教育劝导不听的, clause C4), and who has it there may
/// withdraw or merge it.
fn withdraw(suspicion: &Suspicion) -> Result<(), Reason> {
    let kind = suspicion.state.kind();
    before_going_up(kind)?;
    if suspicion.suspected_crime {
        return Err(Reason::SuspectedCrime);
    }
    if kind == StateKind::Refused { Err(Reason::PersuasionRefused) } else { Ok(()) }
}

fn publish(kind: StateKind) -> Result<(), Reason> {
    not_ended(kind)?;
    if kind == StateKind::OutcomeAvailable { Ok(()) } else { Err(Reason::OutcomeNotAvailable) }
}

fn reported_up(reporter: &Reporter) -> Event {
    match reporter {
        Reporter::Secretary => Event::ReportedUp { route: Route::Secretary, direct: None },
        Reporter::Member { cause, text } => {
            let direct = Some(DirectReport { cause: *cause, text: text.clone() });
            Event::ReportedUp { route: Route::Direct, direct }
        }
    }
}

/// Only before it is settled or up: what is settled is reopened first, and goes up as a crime then.
fn suspect_crime(suspicion: &Suspicion, reason: &str) -> Result<Vec<Event>, Reason> {
    let kind = suspicion.state.kind();
    if suspicion.suspected_crime && !kind.is_terminal() {
        return Ok(Vec::new());
    }
    before_going_up(kind)?;
    if kind == StateKind::Heeded {
        return Err(Reason::ReopenFirst);
    }
    Ok(vec![Event::CrimeSuspected { reason: reason.to_owned() }])
}

/// What waits for its re-visit may be reopened at any time, what is closed within the window.
fn reopen(state: &State, context: &Context<'_>) -> Result<(), Reason> {
    match state {
        State::Heeded => Ok(()),
        State::ClosedAtVillage { at } if context.now <= days_after(*at, context.rules.reopen_within_days) => Ok(()),
        State::ClosedAtVillage { .. } => Err(Reason::ReopenWindowPassed),
        State::Recorded
        | State::Notified
        | State::Refused
        | State::ReportedUp { .. }
        | State::OutcomeAvailable { .. }
        | State::Published { .. }
        | State::Withdrawn { .. }
        | State::Merged { .. } => before_going_up(state.kind()).and(Err(Reason::NotSettled)),
    }
}

fn days_after(at: Instant, days: u32) -> Instant {
    at.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Instant::MAX)
}

/// The secretary once he was told, with or without persuasion; the member at any time but after persuasion was heeded (clause C4b).
fn report_up(kind: StateKind, reporter: &Reporter) -> Result<(), Reason> {
    before_going_up(kind)?;
    match (kind, reporter) {
        (StateKind::Heeded, _) => Err(Reason::RevisitDue),
        (StateKind::Recorded, Reporter::Secretary) => Err(Reason::NotNotified),
        (_, Reporter::Secretary | Reporter::Member { .. }) => Ok(()),
    }
}

/// Into one that goes on, without a chain; and never so that what always goes up is kept down.
fn merge(suspicion: &Suspicion, into: Uuid, context: &Context<'_>) -> Result<(), Reason> {
    if into == suspicion.facts.id {
        return Err(Reason::MergeIntoItself);
    }
    before_going_up(suspicion.state.kind())?;
    let target = context.others.target.ok_or(Reason::MergeTargetNotFound)?;
    match target.state.kind() {
        StateKind::Withdrawn => return Err(Reason::MergeTargetWithdrawn),
        StateKind::Merged => return Err(Reason::MergeTargetMerged),
        StateKind::Published | StateKind::ClosedAtVillage => return Err(Reason::MergeTargetClosed),
        _ => {}
    }
    if context.others.absorbed {
        return Err(Reason::HasMergedReports);
    }
    // What goes up by its act alone may still be withdrawn; a suspected crime may not.
    let goes_up = |one: &Suspicion| context.rules.must_go_up(one) || one.state.kind() == StateKind::Refused;
    let held = if suspicion.suspected_crime { target.suspected_crime } else { goes_up(target) };
    let target_goes_up = target.state.gone_up().is_some() || held;
    if goes_up(suspicion) && !target_goes_up { Err(Reason::MergeLosesDuty) } else { Ok(()) }
}

/// The same outcome twice is one; a corrected text replaces the first until the result is published.
fn learn_outcome(state: &State, public_text: &str) -> Result<Vec<Event>, Reason> {
    let learned = || vec![Event::OutcomeLearned { public_text: public_text.to_owned() }];
    match state {
        State::ReportedUp { .. } => Ok(learned()),
        State::OutcomeAvailable { public_text: known, .. } if known == public_text => Ok(Vec::new()),
        State::OutcomeAvailable { .. } => Ok(learned()),
        // A repeat; a case that is taken up again says so first.
        State::Published { .. } => Ok(Vec::new()),
        State::Recorded
        | State::Notified
        | State::Heeded
        | State::Refused
        | State::ClosedAtVillage { .. }
        | State::Withdrawn { .. }
        | State::Merged { .. } => Err(Reason::NotReportedUp),
    }
}

/// The case ended above the village: in another one, or withdrawn. What the village itself had ended stays as it is.
fn above(kind: StateKind, event: impl FnOnce() -> Event) -> Result<Vec<Event>, Reason> {
    match kind {
        StateKind::ReportedUp | StateKind::OutcomeAvailable => Ok(vec![event()]),
        StateKind::Published | StateKind::Withdrawn | StateKind::Merged => Ok(Vec::new()),
        StateKind::Recorded
        | StateKind::Notified
        | StateKind::Heeded
        | StateKind::Refused
        | StateKind::ClosedAtVillage => Err(Reason::NotReportedUp),
    }
}

/// Only what was published waits for nothing; in every other state the outcome is still to come, or never will.
fn reopened_above(kind: StateKind) -> Vec<Event> {
    if kind == StateKind::Published { vec![Event::CaseReopened] } else { Vec::new() }
}
