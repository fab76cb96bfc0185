//! What may be asked of a suspicion, and what a decision is made with.

use std::collections::BTreeSet;

use dafei_kernel::{
    act::{Act, never_by_persuasion_default},
    agency::Agency,
    region::RegionPath,
    subject::Subject,
    time::Instant,
};
use uuid::Uuid;

use super::{
    event::Outcome,
    state::{DirectCause, Suspicion},
};
use crate::{device_time::DeviceTimes, duplicates::Likeness};

/// What is configured (local defaults of clause C3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Acts that persuasion never settles: they always go up.
    pub never_by_persuasion: BTreeSet<Act>,
    /// How many days after its closing in the village a report may be reopened because the act goes on.
    pub reopen_within_days: u32,
    /// When two reports are likely about one matter.
    pub likeness: Likeness,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            never_by_persuasion: Act::all().filter(|act| never_by_persuasion_default(*act)).collect(),
            reopen_within_days: 180,
            likeness: Likeness::default(),
        }
    }
}

impl Rules {
    /// Whether the suspicion always goes up: its act is of the list, or a crime is suspected (clause C3).
    #[must_use]
    pub fn must_go_up(&self, suspicion: &Suspicion) -> bool {
        suspicion.suspected_crime || self.never_by_persuasion.contains(&suspicion.facts.act)
    }
}

/// What a decision is made with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// When the suite received the command.
    pub now: Instant,
    /// What is configured.
    pub rules: &'a Rules,
    /// The other reports that a merge concerns.
    pub others: Others<'a>,
}

/// What a merge must know beside the report that is to end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Others<'a> {
    /// The report that is to go on; none when there is no such report.
    pub target: Option<&'a Suspicion>,
    /// Whether reports were merged into the one that is to end.
    pub absorbed: bool,
}

/// What is reported as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The case's new id.
    pub id: Uuid,
    /// The regions from the city down to the village.
    pub path: RegionPath,
    /// The suspected act.
    pub act: Act,
    /// What it is, for an act xx-99.
    pub act_text: String,
    /// Enterprise or den.
    pub subject: Subject,
    /// What was seen.
    pub description: String,
    /// What the device says of its times.
    pub device: DeviceTimes,
    /// Photos.
    pub evidence: Vec<Uuid>,
    /// 涉嫌犯罪: it always goes up (clause C3).
    pub suspected_crime: bool,
    /// The village secretary found it himself.
    pub by_secretary: bool,
}

/// Who reports to the centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reporter {
    /// The secretary (clause C4).
    Secretary,
    /// The grid member, past the secretary (clause C4b).
    Member {
        /// Why.
        cause: DirectCause,
        /// More about it; needed where the cause is another one.
        text: String,
    },
}

/// 协助查处: help given to the agency that handles the case (clause C5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Help {
    /// Id of this help.
    pub id: Uuid,
    /// Whom it was given to.
    pub agency: Agency,
    /// What it was.
    pub note: String,
    /// When it was given; the reception where the caller does not say.
    pub at: Instant,
    /// Photos.
    pub evidence: Vec<Uuid>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A suspected illegal act was found (疑似非法行为).
    Record(Box<Finding>),
    /// The secretary was told (clause C2).
    Notify,
    /// 教育劝导 was tried (clause C3).
    Persuade {
        /// How it ended.
        outcome: Outcome,
        /// What was said and promised.
        note: String,
    },
    /// 回访 after heeded persuasion (clause C3).
    Revisit {
        /// Whether the act has stopped.
        stopped: bool,
        /// What was seen.
        note: String,
        /// Photos, at least one.
        evidence: Vec<Uuid>,
    },
    /// A crime is suspected: it always goes up (clause C3).
    SuspectCrime {
        /// Why.
        reason: String,
    },
    /// What persuasion had settled goes on after all (clause C3).
    Reopen {
        /// What was found.
        reason: String,
        /// Photos, at least one.
        evidence: Vec<Uuid>,
    },
    /// To the township centre (clauses C4, C4b).
    ReportUp(Reporter),
    /// It was a mistake.
    Withdraw {
        /// Why.
        reason: String,
    },
    /// It is about the same matter as another report, which goes on in its place.
    Merge {
        /// The report that goes on.
        into: Uuid,
        /// Why they are the same.
        reason: String,
    },
    /// Help was given (clause C5).
    Help(Box<Help>),
    /// Dispatch tells the outcome (clause C5).
    LearnOutcome {
        /// Text for the notice board.
        public_text: String,
    },
    /// Dispatch tells that the case which it became ended in another one of the same matter.
    LearnMerging {
        /// The case that goes on; it need not have come from a village. None where the village may not know of it.
        into: Option<Uuid>,
        /// Why they are the same.
        reason: String,
    },
    /// Dispatch tells that the centre or the office withdrew the case.
    LearnWithdrawal {
        /// Why.
        reason: String,
    },
    /// Dispatch tells that the closed case is taken up again.
    LearnReopening,
    /// The result hangs on the notice board (clause C5).
    Publish {
        /// The text as posted.
        text: String,
        /// Photos of the board, at least one.
        evidence: Vec<Uuid>,
    },
}
