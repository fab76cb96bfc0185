//! What happened to a case: dispatch's own events. The shell's publisher translates them into those of the catalogue.

use dafei_kernel::{act::Act, owner::Post, time::Instant};
use uuid::Uuid;

use super::{
    Facts, Measure,
    instruction::{Delivery, ResultKind},
    stage::Tier,
    tip::Verdict,
};
use serde::{Deserialize, Serialize};

/// One addressee of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignee {
    /// Id of the instruction to it.
    pub instruction: Uuid,
    /// The post: township-agency or county-department.
    pub post: Post,
    /// 牵头 or 配合.
    pub lead: bool,
}

/// How the routing table came to its proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The rule.
    pub rule: String,
    /// Version of the table.
    pub version: String,
}

/// Why a case is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The result hangs on the village's notice board (clause C5).
    Published,
    /// It came from no village: there is no notice board to hang it on.
    NoVillage,
    /// The report was withdrawn.
    Withdrawn,
    /// It is of the same matter as another case and ended in that one.
    Merged {
        /// The other case.
        into: Uuid,
    },
}

/// An event of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The report reached the centre, or the tip the centre or the office, and is a case.
    Opened(Box<Facts>),
    /// The centre instructed a township agency.
    AgencyInstructed {
        /// To whom.
        assignee: Assignee,
        /// Number of the assignment.
        leg: u32,
        /// The order's text.
        text: String,
        /// When.
        at: Instant,
    },
    /// An instruction was delivered for the first time.
    Delivered {
        /// Which.
        instruction: Uuid,
        /// When and how.
        delivery: Delivery,
    },
    /// 签收. Kept, not published: it moves no clock.
    Accepted {
        /// Which.
        instruction: Uuid,
        /// When.
        at: Instant,
    },
    /// 响应. Published for departments (clause C11 knows no other).
    Responded {
        /// Which.
        instruction: Uuid,
        /// What will be done.
        plan: String,
        /// When.
        at: Instant,
    },
    /// 结果: the first, or a later one with further facts.
    ResultSubmitted {
        /// Which.
        instruction: Uuid,
        /// 先期处置 or 最终查处.
        kind: ResultKind,
        /// What was done.
        text: String,
        /// When.
        at: Instant,
    },
    /// An act was confirmed, for the first time in this case.
    ActConfirmed {
        /// By whose instruction.
        instruction: Uuid,
        /// The act.
        act: Act,
        /// When.
        at: Instant,
    },
    /// A measure was taken, for the first time under its id.
    MeasureRecorded {
        /// By whose instruction.
        instruction: Uuid,
        /// The measure.
        measure: Measure,
        /// When it was reported.
        at: Instant,
    },
    /// The township agency lacks the authority.
    AuthorityDeclined {
        /// Which.
        instruction: Uuid,
        /// Why.
        reason: String,
        /// When.
        at: Instant,
    },
    /// The centre passed the case to the county office.
    Escalated {
        /// Why.
        reason: String,
        /// When.
        at: Instant,
    },
    /// The office assigned departments.
    DepartmentInstructed {
        /// The lead first, then the co-handlers.
        assignees: Vec<Assignee>,
        /// Number of the assignment.
        leg: u32,
        /// How the table came to its proposal.
        route: Route,
        /// Why another lead than proposed; empty when as proposed.
        deviation_reason: String,
        /// The order's text.
        text: String,
        /// When.
        at: Instant,
    },
    /// A department returned a wrong assignment. The lead's return sends the case back to the office.
    AssignmentReturned {
        /// Which.
        instruction: Uuid,
        /// Why.
        reason: String,
        /// Legal basis.
        legal_basis: String,
        /// When.
        at: Instant,
    },
    /// The office told the township centre the result; a case that was opened at the office has no centre to tell, and this alone
    /// settles what the office owed.
    FedBack {
        /// Number of the assignment.
        leg: u32,
        /// What the centre is told.
        text: String,
        /// When.
        at: Instant,
    },
    /// The outcome is there for the village to publish. Kept and not published where the case was opened at the county office.
    OutcomeAvailable {
        /// The tier that handled it.
        tier: Tier,
        /// Text for the notice board.
        public_text: String,
        /// When.
        at: Instant,
    },
    /// A tip of the same matter came over from another case. Kept, not published: what becomes of it is.
    TipAttached {
        /// Which.
        tip: Uuid,
        /// When.
        at: Instant,
    },
    /// The tips that were not verified went over to another case. Kept, not published.
    TipsHandedOver {
        /// The other case.
        into: Uuid,
        /// When.
        at: Instant,
    },
    /// A tip was verified.
    TipVerified {
        /// Which.
        tip: Uuid,
        /// What became of it.
        verdict: Verdict,
        /// The instruction whose result it was.
        instruction: Uuid,
        /// When.
        at: Instant,
    },
    /// The case is closed.
    Closed {
        /// The tier that handled it.
        tier: Tier,
        /// Why.
        cause: Cause,
        /// When.
        at: Instant,
    },
}

impl Event {
    /// The instant that counts for the clocks.
    #[must_use]
    pub const fn at(&self) -> Instant {
        match self {
            Self::Opened(facts) => facts.reached_at,
            Self::Delivered { delivery, .. } => delivery.at,
            Self::AgencyInstructed { at, .. }
            | Self::Accepted { at, .. }
            | Self::Responded { at, .. }
            | Self::ResultSubmitted { at, .. }
            | Self::ActConfirmed { at, .. }
            | Self::MeasureRecorded { at, .. }
            | Self::AuthorityDeclined { at, .. }
            | Self::Escalated { at, .. }
            | Self::DepartmentInstructed { at, .. }
            | Self::AssignmentReturned { at, .. }
            | Self::FedBack { at, .. }
            | Self::OutcomeAvailable { at, .. }
            | Self::TipAttached { at, .. }
            | Self::TipsHandedOver { at, .. }
            | Self::TipVerified { at, .. }
            | Self::Closed { at, .. } => *at,
        }
    }
}
