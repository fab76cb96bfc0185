//! Whether every open step has exactly one armed obligation, and the reverse: what intake and dispatch say of their open steps beside what the
//! ledger says of its clocks, and which fact mends what does not fit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dafei_kernel::{
    owner::Post,
    region::{Region, RegionPath},
    time::Instant,
    workdays::Calendar,
};
use uuid::Uuid;

use crate::{
    clock::Clock,
    fact::{Assignment, CaseFacts, Fact, FoundStep, Source, What},
    ledger::obligations,
    obligation::{End, Obligation},
    terms::Terms,
};

/// What a step and its obligation have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The case.
    pub case: Uuid,
    /// The clock.
    pub clock: Clock,
    /// The instruction, of a clock that runs for one.
    pub instruction: Option<Uuid>,
}

/// An open step as its service tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub key: Key,
    /// Sequence of the case's last event: the step is open as of it.
    pub version: i64,
    /// Who owes it.
    pub owner: Post,
    /// Number of the assignment; 0 where there is none.
    pub leg: u32,
    /// When the clock started, where the service knows.
    pub started_at: Option<Instant>,
}

/// On which side something is too few or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// An open step has no armed obligation.
    Missing,
    /// An armed obligation has no open step.
    Extra,
}

impl Side {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
        }
    }

    /// The side of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Missing, Self::Extra].into_iter().find(|side| side.code() == code)
    }
}

/// Something that does not fit, as far as one look can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// On which side.
    pub side: Side,
    /// What.
    pub key: Key,
    /// Sequence of the last event of the case that the consumer has taken.
    pub version: i64,
    /// The step of that key that is open, if one is.
    pub listed: Option<Listed>,
    /// All open steps of the case.
    pub steps: Vec<Listed>,
}

/// An obligation as it is stored, whatever the facts say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub obligation: Uuid,
    /// What it is for.
    pub key: Key,
    /// How it ended, if it did.
    pub end: Option<End>,
}

/// What a look at some cases came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Steps and obligations that were held against each other.
    pub compared: u64,
    /// Cases that could not be: their events are on the way, or one side was read after the other had moved on.
    pub in_flight: u64,
    /// What does not fit.
    pub differences: Vec<Difference>,
}

/// Whose steps a clock times. Periodic duties are nobody's steps: what is done for them is counted.
#[must_use]
pub const fn publisher(clock: Clock) -> Source {
    match clock {
        Clock::V1 | Clock::V2 | Clock::V3 | Clock::V4 => Source::Intake,
        _ => Source::Dispatch,
    }
}

/// Holds the open steps of some cases against the armed obligations of these cases. `marks` says up to which event the consumer has taken
/// each case: one whose service is at another is left alone.
#[must_use]
pub fn compare(steps: &[Listed], armed: &[Key], marks: &HashMap<Uuid, i64>) -> Compared {
    let mut listed: BTreeMap<Uuid, Vec<&Listed>> = BTreeMap::new();
    for step in steps {
        listed.entry(step.key.case).or_default().push(step);
    }
    let mut running: BTreeMap<Uuid, BTreeMap<Key, usize>> = BTreeMap::new();
    for key in armed {
        *running.entry(key.case).or_default().entry(*key).or_default() += 1;
    }
    let mut found = Compared::default();
    let cases: BTreeSet<Uuid> = listed.keys().chain(running.keys()).copied().collect();
    let (no_steps, no_clocks) = (Vec::new(), BTreeMap::new());
    for case in cases {
        let mark = marks.get(&case).copied().unwrap_or(0);
        let steps = listed.get(&case).unwrap_or(&no_steps);
        if steps.iter().any(|step| step.version != mark) {
            found.in_flight += 1;
            continue;
        }
        let clocks = running.get(&case).unwrap_or(&no_clocks);
        let of_step = |key: &Key| steps.iter().find(|step| step.key == *key).map(|step| (*step).clone());
        let keys: BTreeSet<Key> = steps.iter().map(|step| step.key).chain(clocks.keys().copied()).collect();
        for key in keys {
            found.compared += 1;
            let (step, count) = (of_step(&key), clocks.get(&key).copied().unwrap_or(0));
            let side = match (&step, count) {
                (Some(_), 1) => continue,
                (Some(_), 0) => Side::Missing,
                (Some(_) | None, _) => Side::Extra,
            };
            let steps = steps.iter().map(|step| (*step).clone()).collect();
            found.differences.push(Difference { side, key, version: mark, listed: step, steps });
        }
    }
    found
}

/// Whether a step that has no obligation is one that the other publisher's facts have ended already, and its own service does not know yet:
/// the result hangs on the notice board, and dispatch has not heard of it.
#[must_use]
pub fn is_ahead(facts: &CaseFacts, terms: &Terms, calendar: &Calendar, difference: &Difference) -> bool {
    let alone = facts.of_publisher(publisher(difference.key.clock), difference.version);
    difference.side == Side::Missing
        && open(&obligations(&alone, terms, calendar), &difference.key).next().is_some()
        && open(&obligations(facts, terms, calendar), &difference.key).next().is_none()
}

/// Whether the facts give the key as many open obligations as it has open steps: then what was stored is wrong, and not what is known.
#[must_use]
pub fn is_settled_by(facts: &CaseFacts, terms: &Terms, calendar: &Calendar, difference: &Difference) -> bool {
    open(&obligations(facts, terms, calendar), &difference.key).count() == usize::from(difference.listed.is_some())
}

/// The facts that mend all that does not fit of a case, as far as facts of the reconciler's can: what was lost of a case is seldom one clock's alone.
/// `stored` is what is kept of the case, which tells the ends and the ids of what no fact tells any more; `path` gives the regions down to
/// a step's owner.
#[must_use]
pub fn mendings(
    facts: &CaseFacts,
    terms: &Terms,
    calendar: &Calendar,
    difference: &Difference,
    stored: &[Stored],
    path: impl Fn(Option<&Region>) -> Option<RegionPath>,
    now: Instant,
) -> Vec<Fact> {
    let (mut with, mut added) = (facts.clone(), Vec::new());
    let marks = HashMap::from([(difference.key.case, difference.version)]);
    // Each turn mends one clock; no case has more of them open.
    for _ in 0..MOST {
        let armed: Vec<Key> = obligations(&with, terms, calendar)
            .iter()
            .filter(|one| one.end.is_none() && publisher(one.clock) == publisher(difference.key.clock))
            .map(|one| Key { case: one.case_id, clock: one.clock, instruction: one.instruction })
            .collect();
        let left = compare(&difference.steps, &armed, &marks).differences;
        let next = left.iter().filter(|one| !is_ahead(&with, terms, calendar, one)).find_map(|one| {
            let path = path(one.listed.as_ref().map(|step| &step.owner.region))?;
            mending(&with, terms, calendar, one, stored, &path, now)
        });
        let Some(fact) = next else { break };
        with.add(fact.clone());
        added.push(fact);
    }
    added
}

/// The fact that mends a difference which the known facts leave; none when no fact of the reconciler's would. `path` goes down to the owner of a
/// missing step.
#[must_use]
pub fn mending(
    facts: &CaseFacts,
    terms: &Terms,
    calendar: &Calendar,
    difference: &Difference,
    stored: &[Stored],
    path: &RegionPath,
    now: Instant,
) -> Option<Fact> {
    let fact = |at: Instant, what: What| Fact {
        known_at: None,
        source: Source::Reconciler,
        sequence: facts.next_finding(),
        at,
        path: path.clone(),
        what,
    };
    let tried = match (difference.side, &difference.listed) {
        (Side::Missing, None) => Vec::new(),
        (Side::Missing, Some(step)) => {
            let at = step.started_at.unwrap_or(now);
            let found = |obligation| fact(at, What::StepFound(Box::new(found_step(step, obligation))));
            let again = cancelled(facts, terms, calendar, &difference.key);
            let kept = unknown(facts, terms, calendar, stored, &difference.key);
            again.into_iter().chain(kept).map(Some).chain([None]).map(found).collect()
        }
        (Side::Extra, listed) => {
            let known = obligations(facts, terms, calendar);
            let version = difference.version;
            let publisher = publisher(difference.key.clock);
            let end = |id| stored.iter().find(|one| one.obligation == id).and_then(|one| one.end);
            let gone = |one: &Obligation| {
                fact(now, What::StepGone { publisher, version, obligation: one.id, stored: end(one.id) })
            };
            surplus(&known, &difference.key, listed.as_ref()).map(gone).into_iter().collect()
        }
    };
    tried.into_iter().find(|fact| fact.check().is_ok() && helps(facts, fact, terms, calendar, difference))
}

/// The most facts of one repair.
const MOST: usize = 64;

/// The open obligation of a key that is stored, and that no fact tells of.
fn unknown(facts: &CaseFacts, terms: &Terms, calendar: &Calendar, stored: &[Stored], key: &Key) -> Option<Uuid> {
    let ledger = obligations(facts, terms, calendar);
    let told = |id: Uuid| ledger.iter().any(|one| one.id == id);
    stored.iter().find(|one| one.key == *key && one.end.is_none() && !told(one.obligation)).map(|one| one.obligation)
}

fn found_step(step: &Listed, obligation: Option<Uuid>) -> FoundStep {
    let assignment = |instruction| Assignment { instruction, post: step.owner.clone(), lead: false, leg: step.leg };
    FoundStep {
        publisher: publisher(step.key.clock),
        version: step.version,
        clock: step.key.clock,
        owner: step.owner.clone(),
        assignment: step.key.instruction.map(assignment),
        obligation,
    }
}

/// Whether a fact brings the key closer to its one obligation, or to none.
fn helps(facts: &CaseFacts, fact: &Fact, terms: &Terms, calendar: &Calendar, difference: &Difference) -> bool {
    let mut with = facts.clone();
    with.add(fact.clone());
    let count = |facts: &CaseFacts| open(&obligations(facts, terms, calendar), &difference.key).count();
    match difference.side {
        Side::Missing => count(&with) == 1,
        Side::Extra => count(&with) < count(facts),
    }
}

/// The open obligations of a key.
fn open<'a>(ledger: &'a [Obligation], key: &'a Key) -> impl Iterator<Item = &'a Obligation> {
    ledger.iter().filter(|one| {
        one.end.is_none() && one.case_id == key.case && one.clock == key.clock && one.instruction == key.instruction
    })
}

/// The last obligation of a key that the reconciler had found gone.
fn cancelled(facts: &CaseFacts, terms: &Terms, calendar: &Calendar, key: &Key) -> Option<Uuid> {
    let gone =
        |id: Uuid| facts.iter().any(|fact| matches!(fact.what, What::StepGone { obligation, .. } if obligation == id));
    let ledger = obligations(facts, terms, calendar);
    let of_key = |one: &&Obligation| one.clock == key.clock && one.instruction == key.instruction && gone(one.id);
    ledger.iter().rev().find(of_key).map(|one| one.id)
}

/// The open obligation of a key that has no step: of several the oldest that did not start when the step did.
fn surplus<'a>(ledger: &'a [Obligation], key: &'a Key, listed: Option<&Listed>) -> Option<&'a Obligation> {
    let mut open: Vec<&Obligation> = open(ledger, key).collect();
    if listed.is_some() && open.len() < 2 {
        return None;
    }
    let start = listed.and_then(|step| step.started_at);
    open.sort_by_key(|one| {
        (Some(one.deadline.timing().started_at) == start, one.deadline.timing().started_at, one.leg)
    });
    open.into_iter().next()
}
