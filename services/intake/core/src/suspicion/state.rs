//! What a suspicion is: facts that never change, and where it stands.

use dafei_kernel::{
    act::Act,
    region::{Region, RegionPath},
    subject::Subject,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What was found. It does not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The case, from here to its closing.
    pub id: Uuid,
    /// The regions from the city down to the village, as the roster had them when it was recorded.
    pub path: RegionPath,
    /// The suspected act (附件1).
    pub act: Act,
    /// What it is, for an act xx-99; else empty.
    pub act_text: String,
    /// Enterprise or den (clause A3).
    pub subject: Subject,
    /// What was seen.
    pub description: String,
    /// The finding: the device's time corrected for its offset, never later than the reception. V1 starts here.
    pub found_at: Instant,
    /// The finding by the device's own clock, where it gave one.
    pub claimed_at: Option<Instant>,
    /// When the suite received it.
    pub received_at: Instant,
    /// Whether the device's clock was off beyond the tolerance.
    pub skewed: bool,
    /// Photos.
    pub evidence: Vec<Uuid>,
}

impl Facts {
    /// The village.
    #[must_use]
    pub fn village(&self) -> &Region {
        self.path.leaf()
    }
}

/// By which way a report reached the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// By the secretary (clause C4).
    Secretary,
    /// By the grid member directly (clause C4b).
    Direct,
    /// An enterprise's case, without persuasion (clause A4).
    Enterprise,
}

/// How a report went up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneUp {
    /// By which way.
    pub route: Route,
    /// Why the member reported directly; else empty. It stays here: it may accuse the secretary, who sees the village's events.
    pub direct_reason: String,
}

/// Where a suspicion stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Found; the secretary is to be told (V1).
    Recorded,
    /// The secretary is to persuade (V2, V3).
    Notified,
    /// Heeded; a re-visit is due (V4).
    Heeded,
    /// Refused, or not kept to: it is to go up (V3).
    Refused,
    /// At the township or above.
    ReportedUp {
        /// How it went up.
        up: GoneUp,
    },
    /// The outcome is there; it is to be published (P1).
    OutcomeAvailable {
        /// How it went up.
        up: GoneUp,
        /// Text for the notice board.
        public_text: String,
    },
    /// The result hangs on the notice board. The end.
    Published {
        /// How it went up.
        up: GoneUp,
        /// Text for the notice board.
        public_text: String,
    },
    /// The re-visit found that the act has stopped. The end.
    ClosedAtVillage,
    /// Withdrawn. The end.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

/// A state without what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateKind {
    /// [`State::Recorded`].
    Recorded,
    /// [`State::Notified`].
    Notified,
    /// [`State::Heeded`].
    Heeded,
    /// [`State::Refused`].
    Refused,
    /// [`State::ReportedUp`].
    ReportedUp,
    /// [`State::OutcomeAvailable`].
    OutcomeAvailable,
    /// [`State::Published`].
    Published,
    /// [`State::ClosedAtVillage`].
    ClosedAtVillage,
    /// [`State::Withdrawn`].
    Withdrawn,
}

impl StateKind {
    /// All states.
    pub const ALL: [Self; 9] = [
        Self::Recorded,
        Self::Notified,
        Self::Heeded,
        Self::Refused,
        Self::ReportedUp,
        Self::OutcomeAvailable,
        Self::Published,
        Self::ClosedAtVillage,
        Self::Withdrawn,
    ];

    /// Stable code, as in the API's `SuspicionState` without its prefix.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Recorded => "RECORDED",
            Self::Notified => "NOTIFIED",
            Self::Heeded => "HEEDED",
            Self::Refused => "REFUSED",
            Self::ReportedUp => "REPORTED_UP",
            Self::OutcomeAvailable => "OUTCOME_AVAILABLE",
            Self::Published => "PUBLISHED",
            Self::ClosedAtVillage => "CLOSED_AT_VILLAGE",
            Self::Withdrawn => "WITHDRAWN",
        }
    }

    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Published | Self::ClosedAtVillage | Self::Withdrawn)
    }
}

impl State {
    /// The state without what it carries.
    #[must_use]
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Recorded => StateKind::Recorded,
            Self::Notified => StateKind::Notified,
            Self::Heeded => StateKind::Heeded,
            Self::Refused => StateKind::Refused,
            Self::ReportedUp { .. } => StateKind::ReportedUp,
            Self::OutcomeAvailable { .. } => StateKind::OutcomeAvailable,
            Self::Published { .. } => StateKind::Published,
            Self::ClosedAtVillage => StateKind::ClosedAtVillage,
            Self::Withdrawn { .. } => StateKind::Withdrawn,
        }
    }

    /// The outcome's text for the notice board, once there is one.
    #[must_use]
    pub fn public_text(&self) -> Option<&str> {
        match self {
            Self::OutcomeAvailable { public_text, .. } | Self::Published { public_text, .. } => Some(public_text),
            Self::Recorded
            | Self::Notified
            | Self::Heeded
            | Self::Refused
            | Self::ReportedUp { .. }
            | Self::ClosedAtVillage
            | Self::Withdrawn { .. } => None,
        }
    }
}

/// A suspicion. Made by [`super::evolve`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// What was found.
    pub facts: Facts,
    /// Where it stands.
    pub state: State,
    /// How many events made it: grows with every change.
    pub version: i64,
}
