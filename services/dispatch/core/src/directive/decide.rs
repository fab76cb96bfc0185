//! Which event a command makes of a directive.

use std::collections::HashSet;

use dafei_kernel::{
    owner::{Post, PostError},
    region::Level,
    role::Role,
};

use super::{
    ADDRESSEES, ANSWERS, Answer, CASES, Command, Context, Directive, Draft, End, Event, Issued, LONGEST, NamedCase,
    State,
    rejection::{Reason, Rejection},
};

/// Posts that a command has under it: all that work on cases. A bank, a telephone clerk or an auditor takes no orders of it.
const ADDRESSABLE: &[Role] = &[
    Role::VillageSecretary,
    Role::WorkAreaSecretary,
    Role::TownshipCentre,
    Role::TownshipAgency,
    Role::TownshipPrincipal,
    Role::CountyOffice,
    Role::CountyDepartment,
    Role::CountyCommander,
    Role::CityDepartment,
];

/// The event that the command makes, or why not.
///
/// # Errors
/// When the post is not that of the step, a field does not fit, or the directive has ended.
pub fn decide(directive: Option<&Directive>, command: &Command, context: &Context<'_>) -> Result<Event, Rejection> {
    let Some(directive) = directive else {
        return match command {
            Command::Issue(draft) => issue(draft, context),
            _ => Err(Rejection::absent(Reason::NoSuchDirective)),
        };
    };
    match command {
        Command::Issue(_) => Err(Rejection::state(Reason::AlreadyIssued, &directive.state)),
        Command::Answer { by, text, done } => {
            let addressee = directive.addressee(by).ok_or_else(|| Rejection::actor(Reason::NotAddressee))?;
            open(directive)?;
            if addressee.answers.len() >= ANSWERS {
                return Err(Rejection::state(Reason::TooManyAnswers, &directive.state));
            }
            let answer = Answer { text: text.clone(), done: *done, at: context.now };
            Ok(Event::Answered { by: by.clone(), answer })
        }
        Command::Close { by, reason } => Ok(Event::Closed(end(directive, by, reason, context)?)),
        Command::Withdraw { by, reason } => Ok(Event::Withdrawn(end(directive, by, reason, context)?)),
    }
}

fn open(directive: &Directive) -> Result<(), Rejection> {
    let reason = match directive.state {
        State::Open => return Ok(()),
        State::Closed(_) => Reason::Closed,
        State::Withdrawn(_) => Reason::Withdrawn,
    };
    Err(Rejection::state(reason, &directive.state))
}

/// Only the post that gave it ends it.
fn end(directive: &Directive, by: &Post, reason: &str, context: &Context<'_>) -> Result<End, Rejection> {
    if directive.commander != *by {
        return Err(Rejection::actor(Reason::NotIssuer));
    }
    open(directive)?;
    Ok(End { reason: reason.to_owned(), at: context.now })
}

fn issue(draft: &Draft, context: &Context<'_>) -> Result<Event, Rejection> {
    commands(&draft.commander)?;
    let ahead = draft.due_at.duration_since(context.now);
    if !ahead.is_positive() {
        return Err(Rejection::field(Reason::DueNotAhead, "due_at"));
    }
    if ahead > LONGEST {
        return Err(Rejection::field(Reason::DueTooFar, "due_at"));
    }
    addressees(draft, context)?;
    cases(draft, context)?;
    Ok(Event::Issued(Box::new(Issued {
        id: draft.id,
        commander: draft.commander.clone(),
        path: draft.path.clone(),
        text: draft.text.clone(),
        addressees: draft.addressees.clone(),
        due_at: draft.due_at,
        cases: draft.cases.iter().map(|case| case.id).collect(),
        at: context.now,
    })))
}

/// The commander of a county, or the office of the city.
fn commands(post: &Post) -> Result<(), Rejection> {
    match (post.role, post.region.level()) {
        (Role::CountyCommander, Level::County) | (Role::CityOffice, Level::City) => Ok(()),
        _ => Err(Rejection::actor(Reason::NotCommander)),
    }
}

fn addressees(draft: &Draft, context: &Context<'_>) -> Result<(), Rejection> {
    if draft.addressees.is_empty() {
        return Err(Rejection::field(Reason::NoAddressee, "addressees"));
    }
    if draft.addressees.len() > ADDRESSEES {
        return Err(Rejection::field(Reason::TooManyAddressees, "addressees"));
    }
    let mut seen = HashSet::new();
    for (place, post) in draft.addressees.iter().enumerate() {
        let at = |part: &str| format!("addressees[{place}]{part}");
        addressee(post, draft, context, &at)?;
        if !seen.insert(post) {
            return Err(Rejection::field(Reason::AddresseeTwice, at("")));
        }
    }
    Ok(())
}

fn addressee(post: &Post, draft: &Draft, context: &Context<'_>, at: &impl Fn(&str) -> String) -> Result<(), Rejection> {
    if *post == draft.commander {
        return Err(Rejection::field(Reason::OwnPost, at("")));
    }
    if !ADDRESSABLE.contains(&post.role) {
        return Err(Rejection::field(Reason::NotAddressable, at(".role")));
    }
    match Post::new(post.role, post.region.clone(), post.agency) {
        Ok(_) => {}
        Err(PostError::Level { .. }) => return Err(Rejection::field(Reason::WrongLevel, at(".region"))),
        Err(PostError::AgencyMissing(_)) => return Err(Rejection::field(Reason::AgencyMissing, at(".agency"))),
        Err(PostError::AgencyNotAllowed(_)) => return Err(Rejection::field(Reason::AgencyNotAllowed, at(".agency"))),
    }
    if context.roster.get(&post.region).is_none() {
        return Err(Rejection::field(Reason::UnknownRegion, at(".region")));
    }
    if context.roster.contains(&draft.commander.region, &post.region) {
        Ok(())
    } else {
        Err(Rejection::field(Reason::AddresseeElsewhere, at(".region")))
    }
}

/// Each case lies in the command's region, and each addressee may see it: a township that a case may accuse learns nothing of it here either.
fn cases(draft: &Draft, context: &Context<'_>) -> Result<(), Rejection> {
    if draft.cases.len() > CASES {
        return Err(Rejection::field(Reason::TooManyCases, "case_ids"));
    }
    let mut seen = HashSet::new();
    for (number, NamedCase { id, place }) in draft.cases.iter().enumerate() {
        let reason = match place {
            None => Reason::NoSuchCase,
            Some(place) if !context.roster.contains(&draft.commander.region, place) => Reason::CaseElsewhere,
            Some(place) if draft.addressees.iter().any(|post| !context.roster.contains(&post.region, place)) => {
                Reason::CaseHidden
            }
            Some(_) if !seen.insert(id) => Reason::CaseTwice,
            Some(_) => continue,
        };
        return Err(Rejection::field(reason, format!("case_ids[{number}]")));
    }
    Ok(())
}
