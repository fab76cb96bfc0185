//! Directives as the API and the events carry them.

use dafei_contracts::{Event as Public, dispatch::v1 as api, events::v1 as ev};
use dafei_dispatch_core::directive::{Addressee, Directive, Event, State};
use dafei_kernel::{owner::Post, time::Instant};

/// A directive at an instant; of its addressees only this one, where one is given.
pub(crate) fn directive(directive: &Directive, only: Option<&Post>, now: Instant) -> api::Directive {
    let shown = directive.addressees.iter().filter(|one| only.is_none_or(|post| one.post == *post));
    let end = directive.state.end();
    api::Directive {
        directive_id: directive.id.to_string(),
        commander: Some((&directive.commander).into()),
        text: directive.text.clone(),
        addressees: shown.map(|one| addressee(directive, one, now)).collect(),
        due_at: Some(directive.due_at.into()),
        case_ids: directive.cases.iter().map(ToString::to_string).collect(),
        issued_at: Some(directive.issued_at.into()),
        state: state(&directive.state).into(),
        end_reason: end.map(|end| end.reason.clone()).unwrap_or_default(),
        ended_at: end.map(|end| end.at.into()),
        version: directive.sequence,
    }
}

fn addressee(directive: &Directive, addressee: &Addressee, now: Instant) -> api::DirectiveAddressee {
    let answers = addressee.answers.iter().map(|answer| api::DirectiveAnswer {
        text: answer.text.clone(),
        done: answer.done,
        answered_at: Some(answer.at.into()),
    });
    api::DirectiveAddressee {
        post: Some((&addressee.post).into()),
        answers: answers.collect(),
        overdue: directive.is_overdue(addressee, now),
    }
}

const fn state(state: &State) -> api::DirectiveState {
    match state {
        State::Open => api::DirectiveState::Open,
        State::Closed(_) => api::DirectiveState::Closed,
        State::Withdrawn(_) => api::DirectiveState::Withdrawn,
    }
}

/// The public event of a private one, without its `meta`; the directive is that after it.
pub(crate) fn event(directive: &Directive, event: &Event) -> Public {
    let directive_id = directive.id.to_string();
    let commander = Some((&directive.commander).into());
    let ended = |end: ev::DirectiveEnd, reason: &str, at: Instant| ev::DirectiveClosed {
        meta: None,
        directive_id: directive.id.to_string(),
        commander: Some((&directive.commander).into()),
        end: end.into(),
        reason: reason.to_owned(),
        closed_at: Some(at.into()),
    };
    match event {
        Event::Issued(issued) => ev::DirectiveIssued {
            meta: None,
            directive_id,
            commander,
            addressees: issued.addressees.iter().map(Into::into).collect(),
            text: issued.text.clone(),
            due_at: Some(issued.due_at.into()),
            case_ids: issued.cases.iter().map(ToString::to_string).collect(),
        }
        .into(),
        Event::Answered { by, answer } => ev::DirectiveAnswered {
            meta: None,
            directive_id,
            commander,
            by: Some(by.into()),
            text: answer.text.clone(),
            done: answer.done,
            answered_at: Some(answer.at.into()),
        }
        .into(),
        Event::Closed(end) => ended(ev::DirectiveEnd::Closed, &end.reason, end.at).into(),
        Event::Withdrawn(end) => ended(ev::DirectiveEnd::Withdrawn, &end.reason, end.at).into(),
    }
}
