//! What is true of every suspicion and its history at every moment, written once.

use super::{
    command::Rules,
    event::{Event, Outcome},
    state::{DirectCause, Route, Suspicion},
};

/// An invariant that does not hold, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// Checks a suspicion and the events that made it.
///
/// # Errors
/// The first invariant that does not hold.
pub fn check(suspicion: &Suspicion, history: &[Event], rules: &Rules) -> Result<(), Broken> {
    let holds = [
        (versions_have_no_holes(suspicion, history), "the version is the number of events"),
        (recorded_once(suspicion, history), "it is recorded once, first, with its facts"),
        (nothing_after_the_end(suspicion, history), "one end, and nothing after it"),
        (each_step_once(history), "each step of the village is taken at most once"),
        (in_order(history), "each step follows the one that it needs"),
        (forbidden_acts_go_up(suspicion, history, rules), "acts of the list are never settled by persuasion"),
        (crimes_go_up(suspicion, history), "a suspected crime is neither settled by persuasion nor withdrawn"),
        (last_step_is_kept(suspicion, history), "the last step is known, so that the same one again is done already"),
        (help_is_for_what_went_up(history), "help is given to whom the case went up to"),
        (merged_into_another(suspicion), "a report is not merged into itself"),
        (enterprises_skip_persuasion(suspicion, history), "an enterprise's case is up at once, a den's never so"),
        (proofs_are_there(history), "photos and reasons are there where they are needed"),
        (suspicion.facts.found_at <= suspicion.facts.received_at, "nothing is found after its reception"),
    ];
    match holds.into_iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(Broken(format!("case {}: {what}: {history:?}", suspicion.facts.id))),
        None => Ok(()),
    }
}

fn versions_have_no_holes(suspicion: &Suspicion, history: &[Event]) -> bool {
    usize::try_from(suspicion.version) == Ok(history.len())
}

fn recorded_once(suspicion: &Suspicion, history: &[Event]) -> bool {
    let recorded = |event: &&Event| matches!(event, Event::Recorded(_));
    matches!(history.first(), Some(Event::Recorded(facts)) if **facts == suspicion.facts)
        && history.iter().filter(recorded).count() == 1
}

/// What follows an end: a reopening follows a closing in the village or a publication, help a publication; nothing else follows anything.
fn nothing_after_the_end(suspicion: &Suspicion, history: &[Event]) -> bool {
    let mut end: Option<&Event> = None;
    for event in history {
        match (end, event) {
            (None, _) | (Some(Event::Published { .. }), Event::Helped(_)) => {}
            (Some(Event::Revisited { .. }), Event::Reopened { .. })
            | (Some(Event::Published { .. }), Event::CaseReopened) => end = None,
            (Some(_), _) => return false,
        }
        if event.is_terminal() {
            end = Some(event);
        }
    }
    suspicion.state.kind().is_terminal() == end.is_some()
}

/// Place of the first event of a kind.
fn first(history: &[Event], wanted: impl Fn(&Event) -> bool) -> Option<usize> {
    history.iter().position(wanted)
}

fn each_step_once(history: &[Event]) -> bool {
    let kinds: [fn(&Event) -> bool; 8] = [
        |event| matches!(event, Event::Notified),
        |event| matches!(event, Event::Persuaded { .. }),
        |event| matches!(event, Event::Revisited { .. }),
        |event| matches!(event, Event::ReportedUp { .. }),
        |event| matches!(event, Event::Withdrawn { .. }),
        |event| matches!(event, Event::CrimeSuspected { .. }),
        |event| matches!(event, Event::Reopened { .. }),
        |event| matches!(event, Event::Merged { .. }),
    ];
    let count = |kind: fn(&Event) -> bool| history.iter().filter(|event| kind(event)).count();
    let published = count(|event| matches!(event, Event::Published { .. }));
    // Once for each time that the case was closed.
    published <= 1 + count(|event| matches!(event, Event::CaseReopened)) && kinds.iter().all(|kind| count(*kind) <= 1)
}

fn in_order(history: &[Event]) -> bool {
    let notified = first(history, |event| matches!(event, Event::Notified));
    let persuaded = first(history, |event| matches!(event, Event::Persuaded { .. }));
    let heeded = first(history, |event| matches!(event, Event::Persuaded { outcome: Outcome::Heeded, .. }));
    let revisited = first(history, |event| matches!(event, Event::Revisited { .. }));
    let up = first(history, |event| matches!(event, Event::ReportedUp { .. }));
    let by_secretary = first(history, |event| matches!(event, Event::ReportedUp { route: Route::Secretary, .. }));
    let outcome = first(history, |event| matches!(event, Event::OutcomeLearned { .. }));
    let published = first(history, |event| matches!(event, Event::Published { .. }));
    let follows = |later: Option<usize>, earlier: Option<usize>| {
        later.is_none_or(|later| earlier.is_some_and(|earlier| earlier < later))
    };
    let reopened = first(history, |event| matches!(event, Event::Reopened { .. }));
    let goes_on = first(history, |event| matches!(event, Event::Revisited { stopped: false, .. }));
    // After heeded persuasion it goes up only when the act was found to go on.
    let after_heeding = heeded.is_none() || follows(up, reopened) || follows(up, goes_on);
    follows(persuaded, notified)
        && follows(revisited, heeded)
        && follows(reopened, heeded)
        && follows(by_secretary, notified)
        && follows(outcome, up)
        && follows(published, outcome)
        && after_heeding
}

fn forbidden_acts_go_up(suspicion: &Suspicion, history: &[Event], rules: &Rules) -> bool {
    let heeded = |event: &Event| matches!(event, Event::Persuaded { outcome: Outcome::Heeded, .. });
    !rules.never_by_persuasion.contains(&suspicion.facts.act) || !history.iter().any(heeded)
}

fn crimes_go_up(suspicion: &Suspicion, history: &[Event]) -> bool {
    let flagged = first(history, |event| match event {
        Event::Recorded(facts) => facts.suspected_crime,
        event => matches!(event, Event::CrimeSuspected { .. }),
    });
    let kept_down =
        |event: &Event| matches!(event, Event::Persuaded { outcome: Outcome::Heeded, .. } | Event::Withdrawn { .. });
    let after = flagged.map_or(&history[..0], |at| &history[at..]);
    suspicion.suspected_crime == flagged.is_some() && !after.iter().any(kept_down)
}

fn last_step_is_kept(suspicion: &Suspicion, history: &[Event]) -> bool {
    suspicion.last_step == history.iter().rev().find_map(Event::fingerprint)
}

fn help_is_for_what_went_up(history: &[Event]) -> bool {
    let helped = first(history, |event| matches!(event, Event::Helped(_)));
    let up = first(history, |event| matches!(event, Event::ReportedUp { .. }));
    helped.is_none_or(|helped| up.is_some_and(|up| up < helped))
}

fn merged_into_another(suspicion: &Suspicion) -> bool {
    suspicion.state.merged_into() != Some(suspicion.facts.id)
}

fn enterprises_skip_persuasion(suspicion: &Suspicion, history: &[Event]) -> bool {
    let at_once = matches!(history.get(1), Some(Event::ReportedUp { route: Route::Enterprise, .. }));
    let ever = history.iter().any(|event| matches!(event, Event::ReportedUp { route: Route::Enterprise, .. }));
    let persuaded = history.iter().any(|event| matches!(event, Event::Notified | Event::Persuaded { .. }));
    if suspicion.facts.subject.is_enterprise() { at_once && !persuaded } else { !ever }
}

fn proofs_are_there(history: &[Event]) -> bool {
    history.iter().all(|event| match event {
        Event::Revisited { evidence, .. } | Event::Published { evidence, .. } | Event::Reopened { evidence, .. } => {
            !evidence.is_empty()
        }
        Event::ReportedUp { route: Route::Direct, direct: Some(direct) } => {
            direct.cause != DirectCause::Other || !direct.text.trim().is_empty()
        }
        Event::ReportedUp { route, direct } => *route != Route::Direct && direct.is_none(),
        Event::Recorded(facts) => facts.act.needs_text() != facts.act_text.is_empty(),
        Event::Notified
        | Event::Persuaded { .. }
        | Event::CrimeSuspected { .. }
        | Event::Withdrawn { .. }
        | Event::Merged { .. }
        | Event::Helped(_)
        | Event::CaseMerged { .. }
        | Event::CaseWithdrawn { .. }
        | Event::CaseReopened
        | Event::OutcomeLearned { .. } => true,
    })
}
