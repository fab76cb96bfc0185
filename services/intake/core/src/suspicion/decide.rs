//! Which events a command makes.

use dafei_kernel::act::Act;
use uuid::Uuid;

use super::{
    command::{Command, Context, Finding, Reporter},
    event::Event,
    rejection::{Reason, Rejection},
    state::{DirectCause, Facts, Route, Suspicion},
    steps,
};
use crate::device_time;

/// Decides a command. No events: it is already so. A step that is taken again with the same content, say on a second device, is so.
///
/// # Errors
/// When the rules stand against it; the suspicion stays as it is.
pub fn decide(
    suspicion: Option<&Suspicion>,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let refuse = |reason| Rejection {
        reason,
        state: suspicion.map(|suspicion| suspicion.state.kind()),
        goes_on_as: goes_on_as(reason, suspicion, context),
    };
    fields(command).map_err(refuse)?;
    let Some(suspicion) = suspicion else {
        return match command {
            Command::Record(finding) => Ok(record(finding, context)),
            _ => Err(refuse(Reason::NoSuchCase)),
        };
    };
    steps::step(suspicion, command, context).map_err(refuse)
}

/// Where the matter goes on, when a merge is what stands in the way.
fn goes_on_as(reason: Reason, suspicion: Option<&Suspicion>, context: &Context<'_>) -> Option<Uuid> {
    let merged = match reason {
        Reason::CaseMerged => suspicion,
        Reason::MergeTargetMerged => context.others.target,
        _ => None,
    };
    merged?.state.merged_into()
}

/// What a command must carry, whatever the state.
fn fields(command: &Command) -> Result<(), Reason> {
    match command {
        Command::Record(finding) => act_text(finding.act, &finding.act_text),
        Command::Revisit { evidence, .. } | Command::Publish { evidence, .. } | Command::Reopen { evidence, .. }
            if evidence.is_empty() =>
        {
            Err(Reason::PhotoRequired)
        }
        Command::ReportUp(Reporter::Member { cause: DirectCause::Other, text }) if text.trim().is_empty() => {
            Err(Reason::DirectReasonRequired)
        }
        Command::Notify
        | Command::Persuade { .. }
        | Command::Revisit { .. }
        | Command::SuspectCrime { .. }
        | Command::Reopen { .. }
        | Command::ReportUp(_)
        | Command::Withdraw { .. }
        | Command::Merge { .. }
        | Command::Help(_)
        | Command::LearnOutcome { .. }
        | Command::LearnMerging { .. }
        | Command::LearnWithdrawal { .. }
        | Command::LearnReopening
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

/// An enterprise's case is at the centre in the same call (clause A4). A secretary who finds a den himself knows of it: he has nobody to tell,
/// and his hours for persuasion and for the report to the centre run from then (clauses C3 and C4).
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
        suspected_crime: finding.suspected_crime,
    };
    let next = if facts.subject.is_enterprise() {
        Some(Event::ReportedUp { route: Route::Enterprise, direct: None })
    } else {
        finding.by_secretary.then_some(Event::Notified)
    };
    std::iter::once(Event::Recorded(Box::new(facts))).chain(next).collect()
}
