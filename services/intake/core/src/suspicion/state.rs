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
    /// Whether the finder suspects a crime (涉嫌犯罪).
    #[serde(default)]
    pub suspected_crime: bool,
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

impl Route {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Secretary => "secretary",
            Self::Direct => "direct",
            Self::Enterprise => "enterprise",
        }
    }
}

/// Why a member reports past the secretary (clause C4b).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectCause {
    /// 联系不上支部书记.
    SecretaryUnreachable,
    /// 支部书记涉及其中.
    SecretaryImplicated,
    /// Another one, which its text says.
    Other,
}

impl DirectCause {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SecretaryUnreachable => "secretary-unreachable",
            Self::SecretaryImplicated => "secretary-implicated",
            Self::Other => "other",
        }
    }
}

/// A report past the secretary. It may accuse the secretary, who sees the village's events and reads: neither of them carries it, whatever
/// the cause, for what is missing only where it accuses would tell as much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectReport {
    /// Why.
    pub cause: DirectCause,
    /// More about it; may be empty.
    pub text: String,
}

/// How a report went up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneUp {
    /// By which way.
    pub route: Route,
    /// Why past the secretary, for [`Route::Direct`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<DirectReport>,
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
    /// Refused, not kept to or reopened: it is to go up (V3).
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
    /// The result hangs on the notice board. The end, unless the case is taken up again.
    Published {
        /// How it went up.
        up: GoneUp,
        /// Text for the notice board, as dispatch told it.
        public_text: String,
        /// The text as it was posted, which may differ.
        #[serde(default)]
        posted: String,
    },
    /// The re-visit found that the act has stopped. The end, unless it turns out that it goes on.
    ClosedAtVillage {
        /// When it was closed.
        at: Instant,
    },
    /// Withdrawn. The end.
    Withdrawn {
        /// Why.
        reason: String,
        /// How it had gone up, where the centre or the office withdrew it; none where the village did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up: Option<GoneUp>,
    },
    /// Another report or case goes on in its place. The end.
    Merged {
        /// The one that goes on; none where the village may not know of it.
        into: Option<Uuid>,
        /// Why they are the same.
        reason: String,
        /// How it had gone up, where its case ended in another; none where the reports were merged before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up: Option<GoneUp>,
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
    /// [`State::Merged`].
    Merged,
}

impl StateKind {
    /// All states.
    pub const ALL: [Self; 10] = [
        Self::Recorded,
        Self::Notified,
        Self::Heeded,
        Self::Refused,
        Self::ReportedUp,
        Self::OutcomeAvailable,
        Self::Published,
        Self::ClosedAtVillage,
        Self::Withdrawn,
        Self::Merged,
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
            Self::Merged => "MERGED",
        }
    }

    /// Codes of the clocks that run in it (V1 to V4): what the monitor must have armed.
    #[must_use]
    pub const fn clocks(self) -> &'static [&'static str] {
        match self {
            Self::Recorded => &["V1"],
            Self::Notified => &["V2", "V3"],
            Self::Heeded => &["V4"],
            Self::Refused => &["V3"],
            Self::ReportedUp
            | Self::OutcomeAvailable
            | Self::Published
            | Self::ClosedAtVillage
            | Self::Withdrawn
            | Self::Merged => &[],
        }
    }

    /// Whether nothing is to follow. What was closed in the village may be reopened all the same.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Published | Self::ClosedAtVillage | Self::Withdrawn | Self::Merged)
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
            Self::ClosedAtVillage { .. } => StateKind::ClosedAtVillage,
            Self::Withdrawn { .. } => StateKind::Withdrawn,
            Self::Merged { .. } => StateKind::Merged,
        }
    }

    /// How it went up, once it has.
    #[must_use]
    pub const fn gone_up(&self) -> Option<&GoneUp> {
        match self {
            Self::ReportedUp { up } | Self::OutcomeAvailable { up, .. } | Self::Published { up, .. } => Some(up),
            Self::Withdrawn { up, .. } | Self::Merged { up, .. } => up.as_ref(),
            Self::Recorded | Self::Notified | Self::Heeded | Self::Refused | Self::ClosedAtVillage { .. } => None,
        }
    }

    /// The report that goes on in its place, once it is merged.
    #[must_use]
    pub const fn merged_into(&self) -> Option<Uuid> {
        if let Self::Merged { into, .. } = self { *into } else { None }
    }

    /// Why it was withdrawn or merged, once it is.
    #[must_use]
    pub const fn end_reason(&self) -> Option<&str> {
        match self {
            Self::Withdrawn { reason, .. } | Self::Merged { reason, .. } => Some(reason.as_str()),
            _ => None,
        }
    }

    /// Whether the centre or an office ended it, not the village.
    #[must_use]
    pub const fn ended_above(&self) -> bool {
        matches!(self, Self::Withdrawn { up: Some(_), .. } | Self::Merged { up: Some(_), .. })
    }

    /// The text as it was posted, once it is.
    #[must_use]
    pub const fn posted_text(&self) -> Option<&str> {
        if let Self::Published { posted, .. } = self { Some(posted.as_str()) } else { None }
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
            | Self::ClosedAtVillage { .. }
            | Self::Withdrawn { .. }
            | Self::Merged { .. } => None,
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
    /// 涉嫌犯罪, by the finder's word or the secretary's: it always goes up (clause C3).
    pub suspected_crime: bool,
    /// Fingerprint of the step that was taken last: the same one again is done already.
    pub last_step: Option<Uuid>,
    /// How many events made it: grows with every change.
    pub version: i64,
}
