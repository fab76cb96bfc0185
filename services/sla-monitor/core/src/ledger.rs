//! From the set of a case's facts to its obligations. A function of the set alone: whatever the order, delay or repetition in which the facts
//! came, the ledger is the same.
//!
//! Facts of one publisher are ordered by their sequence; the order between publishers is told by instants alone, and where these leave it
//! open, by what favours the one who acted: a stop counts before a cancellation of the other publisher.
//!
//! What the reconciler found counts only where the publishers' facts say nothing: a step that it found begins a running until a fact that began it
//! comes in, and one that it found gone ends a running until a fact that ended it does.

use std::collections::BTreeMap;

use dafei_kernel::{ids, owner::Post, region::Level, role::Role, time::Instant, workdays::Calendar};
use uuid::Uuid;

use crate::{
    clock::Clock,
    deadline,
    fact::{CaseFacts, Fact, FactKind, FoundStep, Tier, What},
    obligation::{End, EndKind, Notice, Obligation},
    rules::{Legs, Rule, Rules, post},
    terms::Terms,
};

/// The obligations of a case, by their starts and clocks: each by the rules in force at its start.
#[must_use]
pub fn obligations(facts: &CaseFacts, terms: &Terms, calendar: &Calendar) -> Vec<Obligation> {
    let known: Vec<(&Fact, &Rules)> = facts.iter().map(|fact| (fact, terms.for_start(fact))).collect();
    let mut all: Vec<Obligation> = Clock::CASES
        .into_iter()
        .flat_map(|clock| {
            legs(clock, facts, &known, calendar)
                .into_iter()
                .zip(1_u32..)
                .filter_map(|(leg, number)| obligation(calendar, facts, &leg, number))
                .collect::<Vec<_>>()
        })
        .collect();
    all.sort_by_key(|one| (one.deadline.timing().started_at, one.clock, one.leg));
    all
}

/// One running of a clock.
struct Leg<'a> {
    /// What tells it apart within clock and case.
    key: String,
    start: &'a Fact,
    /// The rules in force at the start.
    rules: &'a Rules,
    /// That of this clock.
    rule: &'a Rule,
    /// No running of this clock began before it.
    is_first: bool,
    /// The start of the next running, which ends this one's reach.
    next: Option<&'a Fact>,
    /// Sequence of the fact that made it.
    born: i64,
    /// Working days by which it was extended (延期).
    extension: u32,
    /// The extension that was asked within it, and made another running of it.
    moved: Option<&'a Fact>,
    /// The step, where no known fact began it and the reconciler found it.
    found: Option<&'a FoundStep>,
    /// The obligation that stood for the one that was found, where one did.
    known_as: Option<Uuid>,
    /// A running that a fact began has come to be known for the one that was found.
    superseded: bool,
}

fn legs<'a>(clock: Clock, facts: &'a CaseFacts, known: &[(&'a Fact, &'a Rules)], calendar: &Calendar) -> Vec<Leg<'a>> {
    let mut legs = begun(clock, facts, known, calendar);
    // Behind those that facts began: what is numbered once keeps its number until one of these comes in late.
    let found = found(clock, facts, known, calendar, &legs);
    legs.extend(found);
    legs
}

/// The runnings that facts began.
fn begun<'a>(clock: Clock, facts: &'a CaseFacts, known: &[(&'a Fact, &'a Rules)], calendar: &Calendar) -> Vec<Leg<'a>> {
    let starts: Vec<(&Fact, &Rules)> = known
        .iter()
        .filter(|(fact, rules)| is_any(&rules.rule(clock).start, fact) && !comes_after_the_end(facts, fact))
        .copied()
        .collect();
    // All versions tell the runnings of a clock apart in the same way.
    let Some(kind) = starts.first().map(|(_, rules)| rules.rule(clock).legs) else { return Vec::new() };
    match kind {
        Legs::Start => starts
            .iter()
            .enumerate()
            .map(|(index, (start, rules))| Leg {
                key: format!("{}:{}", start.source.code(), start.sequence),
                start,
                rules,
                rule: rules.rule(clock),
                is_first: index == 0,
                next: starts.get(index + 1).map(|(next, _)| *next),
                born: start.sequence,
                extension: 0,
                moved: None,
                found: None,
                known_as: None,
                superseded: false,
            })
            .collect(),
        Legs::Instruction => {
            let mut first: BTreeMap<i64, (Uuid, &Fact, &Rules)> = BTreeMap::new();
            for (start, rules) in starts {
                let Some(assignment) = start.what.assignment() else { continue };
                if !rules.rule(clock).own_finding && was_found_by(facts, start, assignment.instruction) {
                    continue;
                }
                if !first.values().any(|(known, ..)| *known == assignment.instruction) {
                    first.insert(start.sequence, (assignment.instruction, start, rules));
                }
            }
            let mut legs: Vec<Leg<'_>> = first
                .into_values()
                .flat_map(|(instruction, start, rules)| {
                    of_instruction(clock, rules, facts, calendar, (instruction, start))
                })
                .collect();
            // Numbered in the order in which they came to be: what is numbered once keeps its number.
            legs.sort_by_key(|leg| leg.born);
            legs
        }
    }
}

/// The runnings that the reconciler found. Of an instruction there is one, whoever told of it; of the others the one that was found falls away
/// as soon as the facts tell a running that was open then.
fn found<'a>(
    clock: Clock,
    facts: &'a CaseFacts,
    known: &[(&'a Fact, &'a Rules)],
    calendar: &Calendar,
    begun: &[Leg<'a>],
) -> Vec<Leg<'a>> {
    let mut legs: Vec<Leg<'a>> = Vec::new();
    for (fact, rules) in known.iter().copied() {
        let What::StepFound(step) = &fact.what else { continue };
        if step.clock != clock {
            continue;
        }
        let rule = rules.rule(clock);
        let id = |leg: &Leg<'_>| leg.id(facts.case(), rule.clock);
        if step.obligation.is_some_and(|known| begun.iter().chain(&legs).any(|leg| id(leg) == known)) {
            // Its own running is there.
            continue;
        }
        match (rule.legs, &step.assignment) {
            (Legs::Start, _) => {
                let next = begun.iter().map(|leg| leg.start);
                let next = next
                    .filter(|start| start.source == step.publisher && start.sequence > step.version)
                    .min_by_key(|next| next.sequence);
                legs.push(Leg {
                    key: format!("{}:{}", fact.source.code(), fact.sequence),
                    start: fact,
                    rules,
                    rule,
                    is_first: false,
                    next,
                    born: fact.sequence,
                    extension: 0,
                    moved: None,
                    found: Some(step),
                    known_as: step.obligation,
                    superseded: begun.iter().any(|leg| leg.was_open(rule, facts, step)),
                });
            }
            (Legs::Instruction, Some(assignment)) => {
                let found = of_instruction(clock, rules, facts, calendar, (assignment.instruction, fact));
                let known = |leg: &Leg<'_>| begun.iter().chain(&legs).any(|other| other.key == leg.key);
                let new: Vec<Leg<'a>> = found.into_iter().filter(|leg| !known(leg)).collect();
                legs.extend(new);
            }
            (Legs::Instruction, None) => {}
        }
    }
    legs
}

/// Whether nothing was instructed: its agency had found the act itself (clause C19).
fn was_found_by(facts: &CaseFacts, told: &Fact, instruction: Uuid) -> bool {
    facts.iter().any(|fact| {
        fact.source == told.source
            && fact.sequence <= told.sequence
            && matches!(&fact.what, What::InstructionDelivered { own: true, assignment, .. } if assignment.instruction == instruction)
    })
}

/// The runnings of a clock for one instruction: one, and another for each extension that was asked before the limit then in force. The one
/// that it ended falls away at the asking, so that a red light which came while the office thought is disproved.
fn of_instruction<'a>(
    clock: Clock,
    rules: &'a Rules,
    facts: &'a CaseFacts,
    calendar: &Calendar,
    (instruction, start): (Uuid, &'a Fact),
) -> Vec<Leg<'a>> {
    let rule = rules.rule(clock);
    let step = match &start.what {
        What::StepFound(step) => Some(&**step),
        _ => None,
    };
    let leg = |key: String, born: i64, extension| Leg {
        key,
        start,
        rules,
        rule,
        is_first: step.is_none(),
        next: None,
        born,
        extension,
        moved: None,
        found: step,
        known_as: None,
        superseded: false,
    };
    let mut legs = vec![leg(instruction.to_string(), start.sequence, 0)];
    if rule.clock != Clock::K3 {
        return legs;
    }
    for fact in facts.iter() {
        let What::ExtensionGranted { assignment, working_days, requested_at } = &fact.what else { continue };
        // Where the reconciler found it, the delivery that is missing came before whatever was granted.
        let ours = assignment.instruction == instruction && (step.is_some() || fact.sequence > start.sequence);
        let Some(last) = legs.last_mut().filter(|_| ours) else { continue };
        let due = deadline::of_rule(&rule.extended(last.extension), "", calendar, start.starts_at());
        if *working_days > last.extension && *requested_at < due.timing().late_from() {
            last.moved = Some(fact);
            let key = format!("{instruction}+{working_days}");
            legs.push(leg(key, fact.sequence, *working_days));
        }
    }
    legs
}

/// Whether the case was closed when it came, by its publisher's order: a result that is submitted then is a further fact, for which nobody owes
/// anything.
fn comes_after_the_end(facts: &CaseFacts, fact: &Fact) -> bool {
    let before = facts.iter().filter(|other| other.source == fact.source && other.sequence < fact.sequence);
    let ends = |other: &&Fact| matches!(other.what, What::CaseClosed | What::CaseReopened { .. });
    before.filter(ends).last().is_some_and(|last| last.what == What::CaseClosed)
        && !matches!(fact.what, What::CaseReopened { .. })
}

fn is_any(kinds: &[FactKind], fact: &Fact) -> bool {
    kinds.iter().any(|kind| kind.is(&fact.what))
}

fn obligation(calendar: &Calendar, facts: &CaseFacts, leg: &Leg<'_>, number: u32) -> Option<Obligation> {
    let (case, rule) = (facts.case(), leg.rule);
    let mut deadline =
        deadline::of_rule(&rule.extended(leg.extension), leg.rules.version(), calendar, leg.start.starts_at());
    deadline.inputs.skewed = matches!(leg.start.what, What::SuspicionRecorded { skewed: true, .. });
    Some(Obligation {
        id: leg.id(case, rule.clock),
        case_id: case,
        clock: rule.clock,
        leg: number,
        tier: rule.tier,
        path: leg.start.path.clone(),
        direct: rule.direct.post(leg.start)?,
        person: rule.direct.person(leg.start).cloned(),
        loop_owner: loop_owner(rule, leg.start)?,
        sector: facts.sector(),
        notice: notice(leg.start),
        instruction: leg.start.what.assignment().filter(|_| rule.legs == Legs::Instruction).map(|own| own.instruction),
        end: end(rule, facts, leg, deadline.timing().late_from()),
        deadline,
    })
}

/// How the instruction came to its owner. What an agency found itself needed none.
const fn notice(start: &Fact) -> Option<Notice> {
    match &start.what {
        What::InstructionDelivered { own: false, assumed: true, .. } => Some(Notice::Assumed),
        What::InstructionDelivered { own: false, .. } => Some(Notice::Delivered),
        What::StepFound(step) if step.assignment.is_some() => Some(Notice::Delivered),
        _ => None,
    }
}

/// 闭环责任: of what an agency found itself the agency's (clause C19); of a city department's work the city's office, which has no clock itself.
fn loop_owner(rule: &Rule, start: &Fact) -> Option<Post> {
    match &start.what {
        What::InstructionDelivered { own: true, assignment, .. } => Some(assignment.post.clone()),
        What::InstructionDelivered { tier: Tier::City, .. } => post(&start.path, Level::City, Role::CityOffice),
        What::StepFound(step) if step.owner.region.level() == Level::City => {
            post(&start.path, Level::City, Role::CityOffice)
        }
        _ => rule.loop_owner.post(start),
    }
}

/// How a running ended: by the facts, or else as the reconciler found it.
fn end(rule: &Rule, facts: &CaseFacts, leg: &Leg<'_>, late_from: Instant) -> Option<End> {
    if leg.superseded {
        return Some(End { kind: EndKind::Cancelled, at: leg.start.at });
    }
    ended(rule, facts, leg, late_from).or_else(|| gone(rule, facts, leg))
}

/// The last that the reconciler found of a running that it names: gone, or going on after all.
fn gone(rule: &Rule, facts: &CaseFacts, leg: &Leg<'_>) -> Option<End> {
    let id = leg.id(facts.case(), rule.clock);
    let last = facts.iter().filter(|fact| match &fact.what {
        What::StepGone { obligation, .. } => *obligation == id,
        What::StepFound(step) => step.obligation == Some(id),
        _ => false,
    });
    let last = last.max_by_key(|fact| fact.sequence)?;
    match &last.what {
        What::StepGone { stored, .. } => Some(stored.unwrap_or(End { kind: EndKind::Cancelled, at: last.at })),
        _ => None,
    }
}

/// How the facts end a running: by the earliest stop that no cancellation came before. Between publishers a stop counts however the instants lie,
/// but for one that came too late where the running had fallen away in time: nobody is late with what was no longer asked.
fn ended(rule: &Rule, facts: &CaseFacts, leg: &Leg<'_>, late_from: Instant) -> Option<End> {
    if rule.clock == Clock::V1 && leg.start.what.is_found_by_the_secretary() {
        // 告知村支部书记 (clause C2): he who found it knows of it then, however late his device could send it.
        return Some(End { kind: EndKind::Settled, at: leg.start.at });
    }
    let reached = |kinds: &[FactKind]| -> Vec<&Fact> {
        facts.iter().filter(|fact| is_any(kinds, fact) && leg.reaches(fact) && leg.concerns(rule.legs, fact)).collect()
    };
    let earliest = |facts: Vec<&Fact>| -> Option<Fact> {
        facts.into_iter().min_by_key(|fact| (fact.at, fact.source, fact.sequence)).cloned()
    };
    let mut stops = reached(&rule.stop);
    let moved = leg.moved.and_then(|fact| match &fact.what {
        What::ExtensionGranted { requested_at, .. } => Some(Fact { at: *requested_at, ..fact.clone() }),
        _ => None,
    });
    let cancel = moved.or_else(|| earliest(reached(&rule.cancel)));
    if let Some(cancel) = &cancel {
        stops.retain(|stop| stop.source != cancel.source || stop.sequence < cancel.sequence);
    }
    let stop = earliest(stops);
    let settled = stop.as_ref().map(|stop| End { kind: EndKind::Settled, at: stop.at });
    let cancelled = cancel.as_ref().map(|cancel| End { kind: EndKind::Cancelled, at: cancel.at });
    match (&stop, &cancel) {
        (Some(stop), Some(cancel)) if stop.source != cancel.source && stop.at >= late_from && cancel.at < late_from => {
            cancelled
        }
        _ => settled.or(cancelled),
    }
}

impl Leg<'_> {
    fn id(&self, case: Uuid, clock: Clock) -> Uuid {
        self.known_as.unwrap_or_else(|| ids::derived(&["obligation", &case.to_string(), clock.code(), &self.key]))
    }

    /// Whether its publisher's own facts, up to the event that a step was found at, leave it open.
    fn was_open(&self, rule: &Rule, facts: &CaseFacts, step: &FoundStep) -> bool {
        let known = |fact: &Fact| fact.source == step.publisher && fact.sequence <= step.version;
        let ends = |fact: &Fact| {
            (is_any(&rule.stop, fact) || is_any(&rule.cancel, fact))
                && self.reaches(fact)
                && self.concerns(rule.legs, fact)
        };
        known(self.start) && !self.next.is_some_and(known) && !facts.iter().any(|fact| known(fact) && ends(fact))
    }

    /// Whether a fact lies between this start and the next.
    fn reaches(&self, fact: &Fact) -> bool {
        let after_start = if let Some(step) = self.found.filter(|step| step.publisher == fact.source) {
            fact.sequence > step.version
        } else if fact.source == self.start.source {
            fact.sequence > self.start.sequence
        } else {
            // The first running takes what another publisher's clock puts before its start: there is nothing else it could mean.
            self.is_first || fact.at >= self.start.at
        };
        let before_next = self.next.is_none_or(|next| {
            if fact.source == next.source { fact.sequence < next.sequence } else { fact.at < next.at }
        });
        after_start && before_next
    }

    /// Whether a fact is about this running's instruction, where runnings go by instructions. The lead's return takes the whole assignment
    /// with it, and what is left of those before: co-handlers go on while the lead's work is done again.
    fn concerns(&self, legs: Legs, fact: &Fact) -> bool {
        let Some(own) = self.start.what.assignment().filter(|_| legs == Legs::Instruction) else { return true };
        match (&fact.what, fact.what.assignment()) {
            (What::AssignmentReturned { assignment }, _) if assignment.lead => own.leg <= assignment.leg,
            (_, Some(other)) => other.instruction == own.instruction,
            (What::FedBack { leg }, None) => *leg == own.leg,
            (_, None) => true,
        }
    }
}
