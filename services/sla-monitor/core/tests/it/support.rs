//! A case of one village and words to tell its story with.

use std::sync::LazyLock;

use dafei_kernel::{owner::Post, sector::Sector, time::Instant, workdays::Calendar};
use dafei_sla_core::{
    CaseFacts, Clock, Fact, Obligation, Rules, Source, Terms, What,
    fact::{Assignment, Tier},
    obligations,
};
use uuid::Uuid;

pub(crate) const PATH: &str = "city:371300/county:371302/township:371302001/village:371302001001";
/// A Monday morning.
pub(crate) const MORNING: &str = "2026-11-23T08:00:00+08:00";

/// The shipped rules, read once.
pub(crate) fn rules() -> &'static Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(Rules::builtin);
    &RULES
}

/// The shipped rules, always and everywhere.
pub(crate) fn terms() -> &'static Terms {
    static TERMS: LazyLock<Terms> = LazyLock::new(Terms::builtin);
    &TERMS
}

/// The shipped calendar, read once.
pub(crate) fn calendar() -> &'static Calendar {
    static CALENDAR: LazyLock<Calendar> = LazyLock::new(Calendar::builtin);
    &CALENDAR
}

pub(crate) fn instant(text: &str) -> Instant {
    text.parse().unwrap()
}

pub(crate) fn minutes(n: i64) -> Instant {
    instant(MORNING).checked_add(jiff::SignedDuration::from_mins(n)).unwrap()
}

pub(crate) fn post(text: &str) -> Post {
    let (role, rest) = text.split_once('@').unwrap();
    let (region, agency) = rest.split_once('/').map_or((rest, None), |(region, agency)| (region, Some(agency)));
    Post {
        role: role.parse().unwrap(),
        region: region.parse().unwrap(),
        agency: agency.map(|agency| agency.parse().unwrap()),
    }
}

pub(crate) fn department(number: u128, agency: &str, lead: bool, leg: u32) -> Assignment {
    Assignment {
        instruction: Uuid::from_u128(number),
        post: post(&format!("county-department@county:371302/{agency}")),
        lead,
        leg,
    }
}

pub(crate) fn station(number: u128, leg: u32) -> Assignment {
    Assignment {
        instruction: Uuid::from_u128(number),
        post: post("township-agency@township:371302001/fire-rescue"),
        lead: true,
        leg,
    }
}

/// Facts in the order in which they happened; `at` is minutes after [`MORNING`].
#[derive(Debug, Clone)]
pub(crate) struct Story {
    path: &'static str,
    intake: i64,
    dispatch: i64,
    pub(crate) facts: Vec<Fact>,
}

impl Default for Story {
    fn default() -> Self {
        Self::at(PATH)
    }
}

impl Story {
    pub(crate) const fn at(path: &'static str) -> Self {
        Self { path, intake: 0, dispatch: 0, facts: Vec::new() }
    }

    pub(crate) fn tell(mut self, at: i64, what: What) -> Self {
        self.add(minutes(at), what);
        self
    }

    pub(crate) fn add(&mut self, at: Instant, what: What) {
        let source = source(&what);
        let count = if source == Source::Intake { &mut self.intake } else { &mut self.dispatch };
        *count += 1;
        let fact = Fact { source, sequence: *count, at, known_at: None, path: self.path.parse().unwrap(), what };
        fact.check().unwrap();
        self.facts.push(fact);
    }

    /// The last fact waited on the bus, and its publisher had it at this minute.
    pub(crate) fn known(mut self, at: i64) -> Self {
        self.facts.last_mut().unwrap().known_at = Some(minutes(at));
        self
    }

    pub(crate) fn found(self, at: i64) -> Self {
        self.tell(at, suspicion())
    }

    pub(crate) fn opened(self, at: i64) -> Self {
        self.tell(at, What::CaseOpened { tier: Tier::Township, sector: Some(Sector::FireSafety), own: false })
    }

    pub(crate) fn opened_at_county(self, at: i64) -> Self {
        self.tell(at, What::CaseOpened { tier: Tier::County, sector: Some(Sector::FireSafety), own: false })
    }

    pub(crate) fn delivered(self, at: i64, assignment: Assignment) -> Self {
        let tier = tier(&assignment);
        self.tell(at, What::InstructionDelivered { tier, assignment, own: false, rework: false, assumed: false })
    }

    pub(crate) fn result(self, at: i64, assignment: Assignment) -> Self {
        let tier = tier(&assignment);
        self.tell(at, What::ResultSubmitted { tier, assignment })
    }

    pub(crate) fn ledger(&self) -> Vec<Obligation> {
        ledger(&self.facts)
    }
}

pub(crate) fn suspicion() -> What {
    What::SuspicionRecorded {
        finder: Some(post("grid-member@village:371302001001")),
        finder_person: None,
        sector: Some(Sector::Fireworks),
        skewed: false,
    }
}

fn tier(assignment: &Assignment) -> Tier {
    if assignment.post.role == dafei_kernel::role::Role::TownshipAgency { Tier::Township } else { Tier::County }
}

fn source(what: &What) -> Source {
    match what {
        What::SuspicionRecorded { .. }
        | What::SecretaryNotified
        | What::PersuasionRecorded { .. }
        | What::RevisitRecorded { .. }
        | What::ReportedUp
        | What::ReportWithdrawn
        | What::SuspicionReopened
        | What::ReportMerged
        | What::ResultPublished => Source::Intake,
        _ => Source::Dispatch,
    }
}

pub(crate) fn ledger(facts: &[Fact]) -> Vec<Obligation> {
    let mut case = CaseFacts::new(Uuid::from_u128(7));
    for fact in facts {
        case.add(fact.clone());
    }
    obligations(&case, terms(), calendar())
}

/// The runnings of one clock, in their order.
pub(crate) fn of(ledger: &[Obligation], clock: Clock) -> Vec<&Obligation> {
    let mut found: Vec<_> = ledger.iter().filter(|one| one.clock == clock).collect();
    found.sort_by_key(|one| one.leg);
    found
}
