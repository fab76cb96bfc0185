//! What happened to a case: dispatch's own events. The shell's publisher translates them into those of the catalogue.

use dafei_kernel::{
    act::Act,
    conduct::{Accessory, Accident},
    measure::{Compliance, WithoutException},
    owner::Post,
    time::Instant,
};
use uuid::Uuid;

use super::{
    Facts, Measure,
    instruction::{Delivery, ResultKind},
    record::{Reopening, Supervision, Urging},
    stage::Tier,
    tip::Verdict,
};
use serde::{Deserialize, Serialize};

/// One addressee of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignee {
    /// Id of the instruction to it.
    pub instruction: Uuid,
    /// The post: township-agency, county-department or city-department.
    pub post: Post,
    /// 牵头 or 配合.
    pub lead: bool,
}

/// How the routing table came to its proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The rule.
    pub rule: String,
    /// Version of the table.
    pub version: String,
}

/// By what a township handles a case itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The entry of the townships' authority that covers the act.
    pub entry: String,
    /// Version of the authority.
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
    /// The agency that found it itself has its result (clause C19).
    OwnFinding,
    /// The report was withdrawn, or what was opened here in error was taken back.
    Withdrawn,
    /// It is of the same matter as another case and ended in that one.
    Merged {
        /// The other case.
        into: Uuid,
        /// Whether those who see this case may be told which: the other may be against their own township, or a
        /// public tip's.
        #[serde(default)]
        told: bool,
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
        /// By what it is the township's.
        ground: Ground,
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
    /// It arrived after its delivery had been assumed. Kept, not published: the clocks run already.
    Reached {
        /// Which.
        instruction: Uuid,
        /// When and how.
        delivery: Delivery,
    },
    /// It is sent once more to its agency. Not published beside that: nothing has happened to the case.
    Resent {
        /// Which.
        instruction: Uuid,
        /// Who asked for it.
        by: Post,
        /// When.
        at: Instant,
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
        /// 先期处置, 最终查处 or 不实.
        kind: ResultKind,
        /// What was done.
        text: String,
        /// Which of the four that are to be taken without exception do not apply, and why.
        exemptions: Vec<(WithoutException, String)>,
        /// When.
        at: Instant,
    },
    /// An act was confirmed, for the first time in this case.
    ActConfirmed {
        /// By whose instruction.
        instruction: Uuid,
        /// The act.
        act: Act,
        /// Done outside the registered or licensed scope (clause C17).
        outside_scope: bool,
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
    /// What became of a decision was established.
    ComplianceRecorded {
        /// By whose instruction the decision was taken.
        instruction: Uuid,
        /// Which measure.
        measure: String,
        /// What became of it.
        compliance: Compliance,
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
        /// It cannot be returned.
        binding: bool,
        /// When.
        at: Instant,
    },
    /// A department asked for more time.
    ExtensionRequested {
        /// By whose instruction.
        instruction: Uuid,
        /// Working days beyond the limit.
        working_days: u32,
        /// Why.
        reason: String,
        /// When.
        at: Instant,
    },
    /// The office answered.
    ExtensionDecided {
        /// Whom.
        instruction: Uuid,
        /// Working days granted; none when refused.
        working_days: Option<u32>,
        /// When it had been asked.
        asked_at: Instant,
        /// Why.
        reason: String,
        /// When.
        at: Instant,
    },
    /// 退回重办: a result was not taken, and the same post does its work again.
    ReworkOrdered {
        /// Whose result was not taken.
        rejected: Uuid,
        /// The new instruction to the same post.
        assignee: Assignee,
        /// Number of the assignment.
        leg: u32,
        /// Why.
        reason: String,
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
        /// Text for the notice board; empty for an agency's own finding, which is published to nobody.
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
    /// A tip was verified; a second time where an untrue one has proved true.
    TipVerified {
        /// Which.
        tip: Uuid,
        /// What became of it.
        verdict: Verdict,
        /// The lead's instruction on whose result it rests.
        instruction: Uuid,
        /// When.
        at: Instant,
    },
    /// Another case of the same matter ended in this one. Kept, not published: that it ended is.
    DuplicateAbsorbed {
        /// Which.
        case: Uuid,
        /// When.
        at: Instant,
    },
    /// 催办.
    Urged {
        /// The tier that has the case.
        tier: Tier,
        /// Who urged whom.
        urging: Urging,
    },
    /// 督办.
    Supervised {
        /// The tier that has the case.
        tier: Tier,
        /// Who demanded what.
        supervision: Supervision,
    },
    /// An accident or a major impact, for the first time or as known now (clause E5).
    AccidentRecorded {
        /// The tier that has the case.
        tier: Tier,
        /// What happened.
        accident: Box<Accident>,
        /// When it was reported.
        at: Instant,
    },
    /// Somebody helped (clause E4).
    AccessoryRecorded {
        /// The tier that has the case.
        tier: Tier,
        /// Who and how.
        accessory: Box<Accessory>,
        /// When it was reported.
        at: Instant,
    },
    /// 公开曝光 was ordered (clause F4).
    Exposed {
        /// The tier that handled the case.
        tier: Tier,
        /// What the public reads.
        text: String,
        /// When.
        at: Instant,
    },
    /// 公开曝光 was taken back.
    ExposureRetracted {
        /// The tier that handled the case.
        tier: Tier,
        /// When.
        at: Instant,
    },
    /// The case is closed.
    Closed {
        /// The tier that handled it.
        tier: Tier,
        /// Why.
        cause: Cause,
        /// Why in words, where somebody decided it.
        reason: String,
        /// When.
        at: Instant,
    },
    /// Somebody asked that it be taken up again.
    ReopeningRequested {
        /// The tier that handled it.
        tier: Tier,
        /// Who and why.
        request: Reopening,
    },
    /// It stays closed.
    ReopeningRefused {
        /// The tier that handled it.
        tier: Tier,
        /// Why.
        reason: String,
        /// When.
        at: Instant,
    },
    /// The tier that handled it has it again.
    Reopened {
        /// Which.
        tier: Tier,
        /// Why.
        reason: String,
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
            Self::Delivered { delivery, .. } | Self::Reached { delivery, .. } => delivery.at,
            Self::Urged { urging, .. } => urging.at,
            Self::Supervised { supervision, .. } => supervision.at,
            Self::ReopeningRequested { request, .. } => request.at,
            Self::AgencyInstructed { at, .. }
            | Self::Resent { at, .. }
            | Self::Accepted { at, .. }
            | Self::Responded { at, .. }
            | Self::ResultSubmitted { at, .. }
            | Self::ActConfirmed { at, .. }
            | Self::MeasureRecorded { at, .. }
            | Self::ComplianceRecorded { at, .. }
            | Self::ExtensionRequested { at, .. }
            | Self::ExtensionDecided { at, .. }
            | Self::ReworkOrdered { at, .. }
            | Self::DuplicateAbsorbed { at, .. }
            | Self::AccidentRecorded { at, .. }
            | Self::AccessoryRecorded { at, .. }
            | Self::Exposed { at, .. }
            | Self::ExposureRetracted { at, .. }
            | Self::ReopeningRefused { at, .. }
            | Self::Reopened { at, .. }
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
