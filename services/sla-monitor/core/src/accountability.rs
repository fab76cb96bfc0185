//! 问责台账 (clauses C15, E1, E4, E5): an entry charges a post with a breach, with conduct or with a result of the quarterly evaluation that is below
//! the mark; its owners are heard (陈述申辩), the office one level above decides for each person, who may appeal (申诉) to the next level above.
//!
//! [`decide`] says which event a command makes, [`evolve`] what an entry becomes by an event.

mod codes;
mod decide;
mod entry;
mod evolve;
mod office;
mod open;
mod rejection;
mod village;

use dafei_kernel::{owner::Post, time::Instant, workdays::Calendar};

use crate::Clock;

pub use codes::{Conduct, Outcome, Part, State};
pub use decide::decide;
pub use entry::{Appeal, AppealDecision, Basis, Decision, Entry, Order, Party, Statement, Verdict, Who};
pub use evolve::evolve;
pub use office::{Decider, decider_of};
pub use open::{Charge, Draft};
pub use rejection::{Obstacle, Reason, Rejection};
pub use village::{LONGEST_STATEMENT, VillageDecider, VillageRules};

/// Working days in which those charged may state their case (local default).
pub const STATEMENT_WORKING_DAYS: u32 = 3;
/// Natural days in which they may appeal; the day of the decision is not counted (local default).
pub const APPEAL_DAYS: i64 = 15;
/// Most persons of one decision.
pub const PERSONS: usize = 100;

/// Whether each breach of a clock opens an entry by itself. Of the weekly and standing duties of a village (W1, W2, N1) the office opens those that
/// it means to follow up: a week's end may bring hundreds of thousands.
#[must_use]
pub fn opens_by_itself(clock: Clock) -> bool {
    !matches!(clock.code(), "W1" | "W2" | "N1")
}

/// What is asked of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// To open it; those charged are told by it (告知).
    Open(Box<Draft>),
    /// To state one's case.
    State {
        /// Who.
        by: Post,
        /// What.
        text: String,
    },
    /// To decide.
    Decide {
        /// Who.
        by: Post,
        /// What it rests on.
        grounds: String,
        /// What becomes of each person.
        persons: Vec<Verdict>,
    },
    /// To appeal the last decision.
    Appeal {
        /// Who.
        by: Post,
        /// Why.
        text: String,
    },
    /// To decide the appeals that wait.
    DecideAppeal {
        /// Who.
        by: Post,
        /// What it rests on.
        grounds: String,
        /// Whose outcome becomes which; the others stand.
        changes: Vec<Change>,
    },
    /// The breach was disproved.
    AnnulBasis,
    /// The accident happened when others held the post, as a later record of it shows.
    AnnulCharge,
}

/// A new outcome of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// For which responsibility.
    pub part: Part,
    /// Who.
    pub person: String,
    /// What becomes of him.
    pub outcome: Outcome,
}

/// What happened to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was opened.
    Opened(Box<Entry>),
    /// One charged stated his case.
    Stated {
        /// For which responsibility.
        part: Part,
        /// What he said.
        statement: Statement,
    },
    /// It was decided.
    Decided(Decision),
    /// The last decision was appealed.
    Appealed(Appeal),
    /// The appeals that waited were decided.
    AppealDecided {
        /// The decision on them.
        decision: AppealDecision,
        /// What it changes; empty when all stands.
        changes: Vec<Change>,
    },
    /// Its breach was disproved, or others were found to have held the post, before anyone decided.
    Withdrawn {
        /// When.
        at: Instant,
    },
    /// Its breach was disproved after a decision: what was decided stays readable, and is to be decided anew.
    Reopened {
        /// When.
        at: Instant,
    },
}

/// What the rules look at beside the entry.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The instant.
    pub now: Instant,
    /// The working days.
    pub calendar: &'a Calendar,
    /// How the county handles its villages' posts; only opening looks at it.
    pub village: &'a VillageRules,
}
