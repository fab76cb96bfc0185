//! What may be asked of a suspicion, and what a decision is made with.

use std::collections::BTreeSet;

use dafei_kernel::{
    act::{Act, never_by_persuasion_default},
    region::RegionPath,
    subject::Subject,
    time::Instant,
};
use uuid::Uuid;

use super::event::Outcome;
use crate::device_time::DeviceTimes;

/// What is configured (local defaults of clause C3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Acts that persuasion never settles: they always go up.
    pub never_by_persuasion: BTreeSet<Act>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { never_by_persuasion: Act::all().filter(|act| never_by_persuasion_default(*act)).collect() }
    }
}

/// What a decision is made with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// When the suite received the command.
    pub now: Instant,
    /// What is configured.
    pub rules: &'a Rules,
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
}

/// Who reports to the centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reporter {
    /// The secretary (clause C4).
    Secretary,
    /// The grid member, past the secretary (clause C4b).
    Member {
        /// Why: the secretary cannot be reached, or is implicated.
        direct_reason: String,
    },
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
    /// To the township centre (clauses C4, C4b).
    ReportUp(Reporter),
    /// It was a mistake.
    Withdraw {
        /// Why.
        reason: String,
    },
    /// Dispatch tells the outcome (clause C5).
    LearnOutcome {
        /// Text for the notice board.
        public_text: String,
    },
    /// The result hangs on the notice board (clause C5).
    Publish {
        /// The text as posted.
        text: String,
        /// Photos of the board, at least one.
        evidence: Vec<Uuid>,
    },
}
