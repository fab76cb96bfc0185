//! Which events a command makes.

use dafei_kernel::act::Act;

use super::{
    command::{Command, Context, Finding, Reporter},
    event::{Event, Outcome},
    rejection::{Reason, Rejection},
    state::{Facts, Route, State, StateKind, Suspicion},
};
use crate::device_time;

/// Decides a command. No events: it is already so.
///
/// # Errors
/// When the rules stand against it; the suspicion stays as it is.
pub fn decide(
    suspicion: Option<&Suspicion>,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let kind = suspicion.map(|suspicion| suspicion.state.kind());
    let refuse = |reason| Rejection { reason, state: kind };
    fields(command).map_err(refuse)?;
    let Some(suspicion) = suspicion else {
        return match command {
            Command::Record(finding) => Ok(record(finding, context)),
            _ => Err(refuse(Reason::NoSuchCase)),
        };
    };
    step(suspicion, command, context).map_err(refuse)
}

/// What a command must carry, whatever the state.
fn fields(command: &Command) -> Result<(), Reason> {
    match command {
        Command::Record(finding) => act_text(finding.act, &finding.act_text),
        Command::Revisit { evidence, .. } | Command::Publish { evidence, .. } if evidence.is_empty() => {
            Err(Reason::PhotoRequired)
        }
        Command::ReportUp(Reporter::Member { direct_reason }) if direct_reason.trim().is_empty() => {
            Err(Reason::DirectReasonRequired)
        }
        Command::Notify
        | Command::Persuade { .. }
        | Command::Revisit { .. }
        | Command::ReportUp(_)
        | Command::Withdraw { .. }
        | Command::LearnOutcome { .. }
        | Command::Publish { .. } => Ok(()),
    }
}

fn act_text(act: Act, text: &str) -> Result<(), Reason> {
    match (act.needs_text(), text.trim().is_empty()) {
        (true, true) => Err(Reason::ActTextRequired),
        (false, false) => Err(Reason::ActTextNotAllowed),
        (true, false) | (false, true) => Ok(()),
    }
}

/// An enterprise's case is at the centre in the same call (clause A4).
fn record(finding: &Finding, context: &Context<'_>) -> Vec<Event> {
    let time = device_time::correct(finding.device, context.now);
    let facts = Facts {
        id: finding.id,
        path: finding.path.clone(),
        act: finding.act,
        act_text: finding.act_text.clone(),
        subject: finding.subject.clone(),
        description: finding.description.clone(),
        found_at: time.at,
        claimed_at: finding.device.happened,
        received_at: context.now,
        skewed: time.skewed,
        evidence: finding.evidence.clone(),
    };
    let up = facts
        .subject
        .is_enterprise()
        .then(|| Event::ReportedUp { route: Route::Enterprise, direct_reason: String::new() });
    std::iter::once(Event::Recorded(Box::new(facts))).chain(up).collect()
}

fn step(suspicion: &Suspicion, command: &Command, context: &Context<'_>) -> Result<Vec<Event>, Reason> {
    let kind = suspicion.state.kind();
    match command {
        Command::Record(_) => Err(Reason::AlreadyRecorded),
        Command::Notify => notify(kind),
        Command::Persuade { outcome, note } => persuade(suspicion, *outcome, note, context),
        Command::Revisit { stopped, note, evidence } => {
            before_going_up(kind)?;
            if kind != StateKind::Heeded {
                return Err(Reason::NotHeeded);
            }
            Ok(vec![Event::Revisited { stopped: *stopped, note: note.clone(), evidence: evidence.clone() }])
        }
        Command::ReportUp(reporter) => report_up(kind, reporter),
        Command::Withdraw { reason } => {
            before_going_up(kind)?;
            Ok(vec![Event::Withdrawn { reason: reason.clone() }])
        }
        Command::LearnOutcome { public_text } => learn_outcome(&suspicion.state, public_text),
        Command::Publish { text, evidence } => {
            not_ended(kind)?;
            if kind != StateKind::OutcomeAvailable {
                return Err(Reason::OutcomeNotAvailable);
            }
            Ok(vec![Event::Published { text: text.clone(), evidence: evidence.clone() }])
        }
    }
}

const fn not_ended(kind: StateKind) -> Result<(), Reason> {
    match kind {
        StateKind::Published | StateKind::ClosedAtVillage => Err(Reason::CaseClosed),
        StateKind::Withdrawn => Err(Reason::CaseWithdrawn),
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

fn notify(kind: StateKind) -> Result<Vec<Event>, Reason> {
    before_going_up(kind)?;
    match kind {
        StateKind::Recorded => Ok(vec![Event::Notified]),
        _ => Err(Reason::AlreadyNotified),
    }
}

fn persuade(suspicion: &Suspicion, outcome: Outcome, note: &str, context: &Context<'_>) -> Result<Vec<Event>, Reason> {
    let kind = suspicion.state.kind();
    before_going_up(kind)?;
    match kind {
        StateKind::Notified => {}
        StateKind::Recorded => return Err(Reason::NotNotified),
        _ => return Err(Reason::AlreadyPersuaded),
    }
    if outcome == Outcome::Heeded && context.rules.never_by_persuasion.contains(&suspicion.facts.act) {
        return Err(Reason::NeverByPersuasion);
    }
    Ok(vec![Event::Persuaded { outcome, note: note.to_owned() }])
}

/// The secretary once he was told, with or without persuasion; the member at any time but after persuasion was heeded (clause C4b).
fn report_up(kind: StateKind, reporter: &Reporter) -> Result<Vec<Event>, Reason> {
    before_going_up(kind)?;
    match (kind, reporter) {
        (StateKind::Heeded, _) => Err(Reason::RevisitDue),
        (StateKind::Recorded, Reporter::Secretary) => Err(Reason::NotNotified),
        (_, Reporter::Secretary) => {
            Ok(vec![Event::ReportedUp { route: Route::Secretary, direct_reason: String::new() }])
        }
        (_, Reporter::Member { direct_reason }) => {
            Ok(vec![Event::ReportedUp { route: Route::Direct, direct_reason: direct_reason.clone() }])
        }
    }
}

/// The same outcome twice is one; a corrected text replaces the first until the result is published.
fn learn_outcome(state: &State, public_text: &str) -> Result<Vec<Event>, Reason> {
    let learned = || vec![Event::OutcomeLearned { public_text: public_text.to_owned() }];
    match state {
        State::ReportedUp { .. } => Ok(learned()),
        State::OutcomeAvailable { public_text: known, .. } if known == public_text => Ok(Vec::new()),
        State::OutcomeAvailable { .. } => Ok(learned()),
        State::Published { .. } => Ok(Vec::new()),
        State::Recorded
        | State::Notified
        | State::Heeded
        | State::Refused
        | State::ClosedAtVillage
        | State::Withdrawn { .. } => Err(Reason::NotReportedUp),
    }
}
