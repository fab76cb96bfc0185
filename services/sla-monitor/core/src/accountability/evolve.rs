//! What an entry becomes by an event.

use super::{Change, Decision, Entry, Event, Part, State};

/// What the entry is after the event; none only where there was none and the event did not open it.
#[must_use]
pub fn evolve(entry: Option<Entry>, event: &Event) -> Option<Entry> {
    let mut entry = match (entry, event) {
        (None, Event::Opened(opened)) => (**opened).clone(),
        (entry, _) => entry?,
    };
    match event {
        Event::Opened(_) => {}
        Event::Stated { part, statement } => {
            if let Some(party) = entry.parties.iter_mut().find(|party| party.part == *part) {
                party.statement = Some(statement.clone());
            }
            // One that is to be decided anew stays so.
            if entry.state == State::Opened {
                entry.state = State::Stated;
            }
        }
        Event::Decided(decision) => {
            entry.decisions.push(decision.clone());
            entry.state = State::Decided;
        }
        Event::Appealed(appeal) => {
            if let Some(decision) = entry.decisions.last_mut() {
                decision.appeals.push(appeal.clone());
            }
            entry.state = State::Appealed;
        }
        Event::AppealDecided { decision, changes } => {
            if let Some(last) = entry.decisions.last_mut() {
                for appeal in last.appeals.iter_mut().filter(|appeal| appeal.decision.is_none()) {
                    appeal.decision = Some(decision.clone());
                }
                change(last, changes);
            }
            entry.state = State::AppealDecided;
        }
        Event::Withdrawn { at } => {
            entry.basis_annulled_at = Some(*at);
            entry.state = State::Withdrawn;
        }
        Event::Reopened { at } => {
            entry.basis_annulled_at = Some(*at);
            entry.state = State::Reopened;
        }
    }
    entry.sequence += 1;
    Some(entry)
}

fn change(decision: &mut Decision, changes: &[Change]) {
    for Change { part, person, outcome } in changes {
        let of = |one: &(Part, &str)| *one == (*part, person.as_str());
        if let Some(verdict) = decision.persons.iter_mut().find(|verdict| of(&(verdict.part, &verdict.person))) {
            verdict.before_appeal.get_or_insert(verdict.outcome);
            verdict.outcome = *outcome;
        }
    }
}
