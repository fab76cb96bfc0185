//! Which event a command makes of an entry.

use std::collections::HashSet;

use dafei_kernel::{
    owner::Post,
    role::Role,
    time::{Instant, civil_date, end_of_day},
};
use jiff::ToSpan as _;

use super::{
    APPEAL_DAYS, Appeal, AppealDecision, Basis, Change, Command, Context, Decider, Decision, Entry, Event, Outcome,
    PERSONS, Part, Party, Reason, Rejection, State, Statement, Verdict, Who, decider_of, open::open,
};

/// The event that the command makes, or why not.
///
/// # Errors
/// When the post is not that of the step, a field does not fit, or the entry does not stand where the step belongs.
pub fn decide(entry: Option<&Entry>, command: &Command, context: &Context<'_>) -> Result<Event, Rejection> {
    let Some(entry) = entry else {
        return match command {
            Command::Open(draft) => open(draft, context),
            _ => Err(Rejection::absent(Reason::NoSuchEntry)),
        };
    };
    match command {
        Command::Open(_) => Err(Rejection::state(Reason::AlreadyOpened, entry.state)),
        Command::State { by, text } => state(entry, by, text, context.now),
        Command::Decide { by, grounds, persons } => ruled(entry, by, grounds, persons, context),
        Command::Appeal { by, text } => appeal(entry, by, text, context.now),
        Command::DecideAppeal { by, grounds, changes } => decide_appeal(entry, by, grounds, changes, context.now),
        Command::AnnulBasis => annul(entry, context.now),
        Command::AnnulCharge => annul_charge(entry, context.now),
    }
}

/// Nothing was decided yet, or it is to be decided anew.
fn undecided(entry: &Entry) -> Result<(), Rejection> {
    let reason = match entry.state {
        State::Opened | State::Stated | State::Reopened => return Ok(()),
        State::Decided | State::Appealed | State::AppealDecided => Reason::AlreadyDecided,
        State::Withdrawn => Reason::Withdrawn,
    };
    Err(Rejection::state(reason, entry.state))
}

/// A statement is taken as long as nothing is decided, also after the period.
fn state(entry: &Entry, by: &Post, text: &str, now: Instant) -> Result<Event, Rejection> {
    let party = entry.speaks_for(by).ok_or_else(|| Rejection::actor(Reason::NotCharged))?;
    undecided(entry)?;
    if party.statement.is_some() {
        return Err(Rejection::state(Reason::AlreadyStated, entry.state));
    }
    let statement = Statement { by: by.clone(), text: text.to_owned(), at: now };
    Ok(Event::Stated { part: party.part, statement })
}

fn ruled(
    entry: &Entry,
    by: &Post,
    grounds: &str,
    persons: &[Verdict],
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    office(&entry.decider, by, Reason::NotDecider)?;
    undecided(entry)?;
    verdicts(entry, persons, context)?;
    let parts: HashSet<Part> = persons.iter().map(|verdict| verdict.part).chain([Part::Direct]).collect();
    let unheard = |party: &&Party| parts.contains(&party.part) && !entry.heard(party, context.now);
    if entry.parties.iter().any(|party| unheard(&party)) {
        return Err(Rejection::state(Reason::NotHeard, entry.state));
    }
    Ok(Event::Decided(Decision {
        by: by.clone(),
        at: context.now,
        grounds: grounds.to_owned(),
        persons: persons.to_vec(),
        appeal_until: appeal_until(context.now),
        appeals: Vec::new(),
    }))
}

/// 24:00 of the last natural day; the day of the decision is not counted.
fn appeal_until(at: Instant) -> Instant {
    civil_date(at).checked_add(APPEAL_DAYS.days()).map_or(Instant::MAX, end_of_day)
}

fn office(decider: &Decider, by: &Post, reason: Reason) -> Result<(), Rejection> {
    match decider {
        Decider::AboveCity => Err(Rejection::actor(Reason::AboveCity)),
        Decider::Office(post) if post == by => Ok(()),
        Decider::Office(_) => Err(Rejection::actor(reason)),
    }
}

fn verdicts(entry: &Entry, persons: &[Verdict], context: &Context<'_>) -> Result<(), Rejection> {
    if persons.len() > PERSONS {
        return Err(Rejection::field(Reason::TooManyPersons, "persons"));
    }
    let mut seen = HashSet::new();
    for (place, verdict) in persons.iter().enumerate() {
        let at = |part: &str| format!("persons[{place}].{part}");
        let party = entry.party(verdict.part).ok_or_else(|| Rejection::field(Reason::NoSuchPart, at("part")))?;
        known(entry, party, verdict, context).map_err(|(reason, part)| Rejection::field(reason, at(part)))?;
        fits(entry, party, verdict).map_err(|(reason, part)| Rejection::field(reason, at(part)))?;
        if !seen.insert((verdict.part, verdict.person.as_str())) {
            return Err(Rejection::field(Reason::PersonTwice, at("person")));
        }
    }
    let direct = entry.party(Part::Direct).map_or(&[][..], |party| party.who.persons());
    if direct.iter().all(|person| seen.contains(&(Part::Direct, person.as_str()))) {
        Ok(())
    } else {
        Err(Rejection::field(Reason::PersonsMissing, "persons"))
    }
}

/// The person is one of those charged, and this office decides on him.
fn known(entry: &Entry, party: &Party, verdict: &Verdict, context: &Context<'_>) -> Result<(), (Reason, &'static str)> {
    if let (Part::Loop, Some(post)) = (party.part, party.who.post()) {
        // The owner of the loop may be a level higher than the one charged, up to this office itself. A county's rules for its villages are those
        // of the opening, which the decider shows.
        let of_village = super::open::of_village(post.role);
        let same = of_village || decider_of(post.role, &entry.path, context.village).as_ref() == Some(&entry.decider);
        if !same {
            return Err((Reason::NotYours, "part"));
        }
    }
    let persons = party.who.persons();
    // Where the roster named nobody, the office names who held the post.
    if persons.is_empty() || persons.contains(&verdict.person) { Ok(()) } else { Err((Reason::NotAHolder, "person")) }
}

/// The outcome is one that this person can have here.
fn fits(entry: &Entry, party: &Party, verdict: &Verdict) -> Result<(), (Reason, &'static str)> {
    if !entry.outcomes.contains(&verdict.outcome) {
        return Err((Reason::OutcomeNotAllowed, "outcome"));
    }
    // What was disproved blames nobody.
    if entry.basis_annulled_at.is_some() && verdict.outcome.blames() {
        return Err((Reason::BasisAnnulled, "outcome"));
    }
    match (verdict.outcome.needs_reason(), verdict.reason.is_empty()) {
        (true, true) => return Err((Reason::ReasonMissing, "reason")),
        (false, false) => return Err((Reason::ReasonNotAllowed, "reason")),
        (true, false) | (false, true) => {}
    }
    let cadre = match &party.who {
        Who::Post(owner) => !matches!(owner.post.role, Role::GridMember | Role::VillageSecretary),
        Who::Outside { .. } => false,
    };
    if verdict.leading && !cadre { Err((Reason::NoLeadingCadre, "leading_cadre")) } else { Ok(()) }
}

fn appeal(entry: &Entry, by: &Post, text: &str, now: Instant) -> Result<Event, Rejection> {
    let party = entry.speaks_for(by).ok_or_else(|| Rejection::actor(Reason::NotCharged))?;
    let decision = match (entry.state, entry.decisions.last()) {
        (State::Decided | State::Appealed | State::AppealDecided, Some(decision)) => decision,
        (State::Withdrawn, _) => return Err(Rejection::state(Reason::Withdrawn, entry.state)),
        _ => return Err(Rejection::state(Reason::NotDecided, entry.state)),
    };
    if decision.appeals.iter().any(|appeal| appeal.part == party.part) {
        return Err(Rejection::state(Reason::AlreadyAppealed, entry.state));
    }
    let blamed = |verdict: &&Verdict| verdict.part == party.part && verdict.outcome.blames();
    if !decision.persons.iter().any(|verdict| blamed(&verdict)) {
        return Err(Rejection::state(Reason::NothingToAppeal, entry.state));
    }
    if now >= decision.appeal_until {
        return Err(Rejection::state(Reason::AppealTooLate, entry.state));
    }
    Ok(Event::Appealed(Appeal { part: party.part, by: by.clone(), text: text.to_owned(), at: now, decision: None }))
}

fn decide_appeal(
    entry: &Entry,
    by: &Post,
    grounds: &str,
    changes: &[Change],
    now: Instant,
) -> Result<Event, Rejection> {
    office(&entry.decider.above(&entry.path), by, Reason::NotAppealDecider)?;
    let decision = match (entry.state, entry.decisions.last()) {
        (State::Appealed, Some(decision)) => decision,
        _ => return Err(Rejection::state(Reason::NotAppealed, entry.state)),
    };
    let mut seen = HashSet::new();
    for (place, change) in changes.iter().enumerate() {
        let at = |part: &str| format!("changes[{place}].{part}");
        let waits = decision.appeals.iter().any(|appeal| appeal.part == change.part && appeal.decision.is_none());
        if !waits {
            return Err(Rejection::field(Reason::NoSuchPart, at("part")));
        }
        let of = |verdict: &&Verdict| verdict.part == change.part && verdict.person == change.person;
        let current = outcome_of(decision.persons.iter().find(of));
        let current = current.ok_or_else(|| Rejection::field(Reason::NotDecidedOn, at("person")))?;
        // 申诉不加重: nobody is worse off for having appealed.
        if change.outcome > current {
            return Err(Rejection::field(Reason::Graver, at("outcome")));
        }
        if !seen.insert((change.part, change.person.as_str())) {
            return Err(Rejection::field(Reason::PersonTwice, at("person")));
        }
    }
    let changes: Vec<Change> = changes.iter().filter(|change| differs(decision, change)).cloned().collect();
    let changed = !changes.is_empty();
    let decision = AppealDecision { by: by.clone(), at: now, grounds: grounds.to_owned(), changed };
    Ok(Event::AppealDecided { decision, changes })
}

fn outcome_of(verdict: Option<&Verdict>) -> Option<Outcome> {
    verdict.map(|verdict| verdict.outcome)
}

fn differs(decision: &Decision, change: &Change) -> bool {
    let same = |verdict: &Verdict| {
        verdict.part == change.part && verdict.person == change.person && verdict.outcome == change.outcome
    };
    !decision.persons.iter().any(same)
}

/// A breach that was disproved: what nobody decided on falls away, what was decided is to be decided anew.
fn annul(entry: &Entry, now: Instant) -> Result<Event, Rejection> {
    if entry.basis.obligation().is_none() || entry.basis_annulled_at.is_some() {
        return Err(Rejection::state(Reason::NothingToAnnul, entry.state));
    }
    Ok(if entry.decisions.is_empty() { Event::Withdrawn { at: now } } else { Event::Reopened { at: now } })
}

/// Others held the post: as long as nobody decided, those who are charged are charged no longer. What was decided is for an appeal to correct.
fn annul_charge(entry: &Entry, now: Instant) -> Result<Event, Rejection> {
    undecided(entry)?;
    if !matches!(entry.basis, Basis::Accident { .. }) {
        return Err(Rejection::state(Reason::NothingToAnnul, entry.state));
    }
    Ok(Event::Withdrawn { at: now })
}
