//! What a suspicion becomes by an event.

use super::{
    event::{Event, Outcome},
    state::{GoneUp, State, Suspicion},
};

/// Evolves a suspicion. An event that [`super::decide`] never makes in that state leaves it as it is.
#[must_use]
pub fn evolve(suspicion: Option<Suspicion>, event: &Event) -> Option<Suspicion> {
    let Some(Suspicion { facts, state, suspected_crime, last_step, version }) = suspicion else {
        return match event {
            Event::Recorded(facts) => Some(Suspicion {
                facts: (**facts).clone(),
                state: State::Recorded,
                suspected_crime: facts.suspected_crime,
                last_step: None,
                version: 1,
            }),
            _ => None,
        };
    };
    Some(Suspicion {
        facts,
        state: next(state, event),
        suspected_crime: suspected_crime || matches!(event, Event::CrimeSuspected { .. }),
        last_step: event.fingerprint().or(last_step),
        version: version + 1,
    })
}

fn next(state: State, event: &Event) -> State {
    match event {
        Event::Recorded(_) | Event::CrimeSuspected { .. } | Event::Helped(_) => state,
        Event::Notified => State::Notified,
        Event::Persuaded { outcome: Outcome::Heeded, .. } => State::Heeded,
        Event::Persuaded { outcome: Outcome::Refused, .. }
        | Event::Revisited { stopped: false, .. }
        | Event::Reopened { .. } => State::Refused,
        Event::Revisited { stopped: true, at, .. } => State::ClosedAtVillage { at: *at },
        Event::ReportedUp { route, direct } => {
            State::ReportedUp { up: GoneUp { route: *route, direct: direct.clone() } }
        }
        Event::Withdrawn { reason } | Event::CaseWithdrawn { reason } => {
            State::Withdrawn { reason: reason.clone(), up: gone_up(state) }
        }
        Event::Merged { into, reason } => {
            State::Merged { into: Some(*into), reason: reason.clone(), up: gone_up(state) }
        }
        Event::CaseMerged { into, reason } => State::Merged { into: *into, reason: reason.clone(), up: gone_up(state) },
        Event::CaseReopened => match state {
            State::Published { up, .. } => State::ReportedUp { up },
            other => other,
        },
        Event::OutcomeLearned { public_text } => match state {
            State::ReportedUp { up } | State::OutcomeAvailable { up, .. } => {
                State::OutcomeAvailable { up, public_text: public_text.clone() }
            }
            other => other,
        },
        Event::Published { text, .. } => match state {
            State::OutcomeAvailable { up, public_text } => State::Published { up, public_text, posted: text.clone() },
            other => other,
        },
    }
}

fn gone_up(state: State) -> Option<GoneUp> {
    match state {
        State::ReportedUp { up } | State::OutcomeAvailable { up, .. } | State::Published { up, .. } => Some(up),
        _ => None,
    }
}
