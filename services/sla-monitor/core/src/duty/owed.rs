//! Which periods of a duty are owed by the rules of all times: a period goes by those in force at its start, so that a text still to come
//! changes nothing of what starts before it.

use dafei_kernel::{
    roster::RosterIndex,
    time::{Instant, start_of_day},
};

use super::{
    deadline, first_period,
    period::Period,
    rules::{DutyRule, Span},
    unit::{Unit, UnitKind},
};
use crate::{clock::Clock, deadline::Inputs, terms::Terms};

/// A period that such units owe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed<'t> {
    /// The rule in force at its start.
    pub rule: &'t DutyRule,
    /// The period.
    pub period: Period,
    /// Its deadline.
    pub inputs: Inputs,
}

/// The first period, starting at or after an instant, that units of a kind owe by the rules in force at its start. None when no version from
/// then on lets them owe any, and for a standing duty.
#[must_use]
pub fn first_owed(terms: &Terms, clock: Clock, kind: UnitKind, since: Instant) -> Option<Owed<'_>> {
    terms.city_since(since).find_map(|(from, until, rules)| {
        let rule = rules.duty(clock).filter(|rule| rule.in_force)?;
        let period = first_period(rule, since.max(from))?;
        let inputs = deadline(rule, rules.version(), kind, period)?;
        (inputs.timing.started_at < until).then_some(Owed { rule, period, inputs })
    })
}

/// The first period that units owe which start at an instant, whether the duty was in force then or not: where the going through its periods
/// begins. None when they owe it by no version from then on.
#[must_use]
pub fn first_watched(terms: &Terms, clock: Clock, kind: UnitKind, since: Instant) -> Option<Period> {
    let owed = first_owed(terms, clock, kind, since)?;
    first_period(&DutyRule { from: None, ..owed.rule.clone() }, since)
}

/// As [`first_owed`], from a period on.
#[must_use]
pub fn owed_from(terms: &Terms, clock: Clock, kind: UnitKind, period: Period) -> Option<Owed<'_>> {
    let rule = terms.city_since(Instant::MIN).find_map(|(_, _, rules)| rules.duty(clock))?;
    first_owed(terms, clock, kind, rule.start(period)?)
}

impl Owed<'_> {
    /// Whether the rules in force when its yellow light comes leave it: turning a duty off, or off until a later day, has immediate effect.
    #[must_use]
    pub fn stays(&self, terms: &Terms) -> bool {
        let timing = &self.inputs.timing;
        terms.at(None, timing.warn_at).duty(self.rule.clock).is_some_and(|rule| rule.covers(timing.started_at))
    }

    /// Whether a unit that is in the roster does not owe it all the same: a department that came too late, or whose
    /// post nobody held at any time from the start of the period to the limit, as when it was dissolved before. A
    /// shorter vacancy frees nobody.
    #[must_use]
    pub fn spares(&self, unit: &Unit, roster: &RosterIndex) -> bool {
        let timing = &self.inputs.timing;
        self.rule.came_after(timing.started_at, unit, roster) || unit.is_vacant(self.period.start(), timing.due, roster)
    }
}

impl DutyRule {
    /// Whether the duty is in force for what starts at an instant: not before the day from which on it counts.
    #[must_use]
    pub fn covers(&self, start: Instant) -> bool {
        self.in_force && self.from.is_none_or(|from| start_of_day(from) <= start)
    }

    /// When the duty about a period starts. None when it has no periods like this one.
    #[must_use]
    pub fn start(&self, period: Period) -> Option<Instant> {
        match self.span {
            Span::Within(cycle) if cycle == period.cycle() => Some(period.start()),
            Span::After(cycle) if cycle == period.cycle() => Some(period.end()),
            Span::Within(_) | Span::After(_) | Span::Standing { .. } => None,
        }
    }

    /// Whether a unit came too late to owe a duty that starts at an instant. A department is in the roster as soon as a holder is entered, also one
    /// who takes the post later. What is owed after a period is of those who were there within it.
    #[must_use]
    pub fn came_after(&self, start: Instant, unit: &Unit, roster: &RosterIndex) -> bool {
        unit.first_held(roster).is_some_and(|first| match self.span {
            Span::After(_) => first >= start,
            Span::Within(_) | Span::Standing { .. } => first > start,
        })
    }
}
