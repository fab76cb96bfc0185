//! What happened to a suspicion: intake's own events. The shell's publisher translates them into those of the catalogue.

use dafei_kernel::{ids, time::Instant};
use uuid::Uuid;

use super::{
    command::Help,
    state::{DirectReport, Facts, Route},
};

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
        /// When the suite received it.
        at: Instant,
    },
    /// A crime is suspected. Kept, not published: what goes up says it.
    CrimeSuspected {
        /// Why.
        reason: String,
    },
    /// What persuasion had settled goes on after all. Cancels V4, starts V3 anew.
    Reopened {
        /// What was found.
        reason: String,
        /// Photos.
        evidence: Vec<Uuid>,
    },
    /// It reached the centre. Stops V1, V2, V3.
    ReportedUp {
        /// By which way.
        route: Route,
        /// Why past the secretary. Not published.
        direct: Option<DirectReport>,
    },
    /// It was withdrawn. Cancels V1 to V4.
    Withdrawn {
        /// Why.
        reason: String,
    },
    /// Another report goes on in its place. Cancels V1 to V4.
    Merged {
        /// The one that goes on.
        into: Uuid,
        /// Why they are the same.
        reason: String,
    },
    /// Help was given to the agency that handles the case.
    Helped(Box<Help>),
    /// Dispatch told the outcome. Kept, not published: it is dispatch's fact.
    OutcomeLearned {
        /// Text for the notice board.
        public_text: String,
    },
    /// Dispatch told that the case ended in another one. Kept, not published, as the next two: they are dispatch's facts.
    CaseMerged {
        /// The case that goes on; none where the village may not know of it.
        into: Option<Uuid>,
        /// Why they are the same.
        reason: String,
    },
    /// Dispatch told that the case was withdrawn.
    CaseWithdrawn {
        /// Why.
        reason: String,
    },
    /// Dispatch told that the case is taken up again: another outcome is to be waited for and to be published.
    CaseReopened,
    /// The result hangs on the board. Stops P1.
    Published {
        /// The text as posted.
        text: String,
        /// Photos of the board.
        evidence: Vec<Uuid>,
    },
}

impl Event {
    /// Whether nothing can follow it, but for a reopening of what was closed in the village or published, and for help in what was published.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Revisited { stopped: true, .. }
                | Self::Withdrawn { .. }
                | Self::Merged { .. }
                | Self::CaseMerged { .. }
                | Self::CaseWithdrawn { .. }
                | Self::Published { .. }
        )
    }

    /// Whether the bus gets to know it.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        !matches!(
            self,
            Self::OutcomeLearned { .. }
                | Self::CrimeSuspected { .. }
                | Self::CaseMerged { .. }
                | Self::CaseWithdrawn { .. }
                | Self::CaseReopened
        )
    }

    /// What tells a step apart from every other: its kind and what it says, not who took it or when. The same step taken on a second
    /// device has the same fingerprint, which is how it is known to be done already. None for what may happen any number of times.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Uuid> {
        Some(match self {
            Self::Notified => ids::derived(&["notified"]),
            Self::Persuaded { outcome: Outcome::Heeded, note } => ids::derived(&["persuaded", "heeded", note]),
            Self::Persuaded { outcome: Outcome::Refused, note } => ids::derived(&["persuaded", "refused", note]),
            Self::Revisited { stopped, note, evidence, .. } => {
                ids::derived(&["revisited", if *stopped { "stopped" } else { "goes-on" }, note, &joined(evidence)])
            }
            Self::Reopened { reason, evidence } => ids::derived(&["reopened", reason, &joined(evidence)]),
            Self::ReportedUp { route, direct: None } => ids::derived(&["reported-up", route.code()]),
            Self::ReportedUp { route, direct: Some(DirectReport { cause, text }) } => {
                ids::derived(&["reported-up", route.code(), cause.code(), text])
            }
            Self::Withdrawn { reason } => ids::derived(&["withdrawn", reason]),
            Self::Merged { into, reason } => ids::derived(&["merged", &into.to_string(), reason]),
            Self::Published { text, evidence } => ids::derived(&["published", text, &joined(evidence)]),
            // What was published before it says nothing of what is published after it, in the same words or in others.
            Self::CaseReopened => ids::derived(&["case-reopened"]),
            Self::CaseMerged { .. } | Self::CaseWithdrawn { .. } => return None,
            Self::Recorded(_) | Self::CrimeSuspected { .. } | Self::Helped(_) | Self::OutcomeLearned { .. } => {
                return None;
            }
        })
    }
}

fn joined(ids: &[Uuid]) -> String {
    ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",")
}
