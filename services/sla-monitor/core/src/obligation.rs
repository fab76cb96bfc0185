//! An obligation: one running of one clock in one case.

use dafei_kernel::{
    owner::Post,
    region::{Level, RegionPath},
    sector::Sector,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{clock::Clock, deadline::Deadline};

/// How an obligation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndKind {
    /// The act was done.
    Settled,
    /// It fell away.
    Cancelled,
    /// Its time ran out without the act, and nothing can be made up for: a weekly duty after its breach.
    Missed,
}

impl EndKind {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
        }
    }

    /// The kind of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Settled, Self::Cancelled, Self::Missed].into_iter().find(|kind| kind.code() == code)
    }
}

/// How an instruction reached the one who owes its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// It was delivered, or read.
    Delivered,
    /// Nothing shows that it was: an overdue obligation of this kind stands apart.
    Assumed,
}

impl Notice {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Assumed => "assumed",
        }
    }
}

/// The end of an obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct End {
    /// How.
    pub kind: EndKind,
    /// When the act counts as done, or the obligation fell away.
    pub at: Instant,
}

/// An obligation as it follows from the facts of its case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// Derived from case, clock and leg: the same in every computation.
    pub id: Uuid,
    /// The case.
    pub case_id: Uuid,
    /// The clock.
    pub clock: Clock,
    /// Which running of this clock in the case, from 1.
    pub leg: u32,
    /// Level of the clock's owners.
    pub tier: Level,
    /// Regions from the city down.
    pub path: RegionPath,
    /// 直接责任.
    pub direct: Post,
    /// Who of those who hold that post, where one of them alone answers for it: who found an act, of a village's grid members.
    pub person: Option<String>,
    /// 闭环责任.
    pub loop_owner: Post,
    /// Sector of the case, where known.
    pub sector: Option<Sector>,
    /// How the instruction came, where the clock starts with one.
    pub notice: Option<Notice>,
    /// The instruction, of a clock that runs for one.
    pub instruction: Option<Uuid>,
    /// The deadline with its instants.
    pub deadline: Deadline,
    /// How it ended; none while it runs.
    pub end: Option<End>,
}
