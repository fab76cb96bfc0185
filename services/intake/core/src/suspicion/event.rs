//! What happened to a suspicion: intake's own events. The shell's publisher translates them into those of the catalogue.

use uuid::Uuid;

use super::state::{Facts, Route};

/// How persuasion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// 听劝.
    Heeded,
    /// 不听劝.
    Refused,
}

/// An event of a suspicion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was found. Starts V1.
    Recorded(Box<Facts>),
    /// The secretary was told. Stops V1, starts V2 and V3.
    Notified,
    /// Persuasion was tried. Stops V2; heeded also V3, and starts V4.
    Persuaded {
        /// How it ended.
        outcome: Outcome,
        /// What was said and promised.
        note: String,
    },
    /// The re-visit. Stops V4.
    Revisited {
        /// Whether the act has stopped: then the report closes at village level.
        stopped: bool,
        /// What was seen.
        note: String,
        /// Photos.
        evidence: Vec<Uuid>,
    },
    /// It reached the centre. Stops V1, V2, V3.
    ReportedUp {
        /// By which way.
        route: Route,
        /// Why directly; else empty. Not published.
        direct_reason: String,
    },
    /// It was withdrawn. Cancels V1 to V4.
    Withdrawn {
        /// Why.
        reason: String,
    },
    /// Dispatch told the outcome. Kept, not published: it is dispatch's fact.
    OutcomeLearned {
        /// Text for the notice board.
        public_text: String,
    },
    /// The result hangs on the board. Stops P1.
    Published {
        /// The text as posted.
        text: String,
        /// Photos of the board.
        evidence: Vec<Uuid>,
    },
}

impl Event {
    /// Whether nothing can follow it.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Revisited { stopped: true, .. } | Self::Withdrawn { .. } | Self::Published { .. })
    }

    /// Whether the bus gets to know it.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        !matches!(self, Self::OutcomeLearned { .. })
    }
}
