//! What may be asked of a case.

use dafei_kernel::{
    act::Act,
    agency::Agency,
    conduct::{Accessory, Accident},
    ids::IdSource,
    measure::{Compliance, WithoutException},
    owner::Post,
    time::Instant,
};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{
    Facts, Measure,
    instruction::{Means, ResultKind},
};
use crate::{authority::Authority, routing::Table};

/// A command to one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The report reached the centre, or the tip the centre or the office.
    Open(Box<Facts>),
    /// The centre instructs a township agency (clause C6).
    InstructAgency {
        /// Which.
        agency: Agency,
        /// The order's text.
        text: String,
    },
    /// The centre passes the case up (clause C8).
    Escalate {
        /// Why.
        reason: String,
    },
    /// The centre accepts the agency's result.
    AcceptResult {
        /// Text for the notice board.
        public_text: String,
    },
    /// The office assigns departments (clause C10).
    AssignDepartment {
        /// Whom.
        choice: Choice,
        /// The order's text.
        text: String,
    },
    /// The office tells the township the result (clause C13).
    FeedBack {
        /// What the centre is told.
        text: String,
        /// Text for the notice board.
        public_text: String,
    },
    /// The result hangs on the notice board (clause C5).
    Publish,
    /// The report was withdrawn by its village.
    Withdraw,
    /// Whoever opened it here had opened it in error.
    TakeBack {
        /// Why.
        reason: String,
    },
    /// It is of the same matter as another case: it ends in that one. Asked after [`super::may_merge`].
    Merge {
        /// The other case.
        into: Uuid,
        /// Whether those who see this case may be told which: only where all of them see the other.
        told: bool,
        /// Why.
        reason: String,
    },
    /// A case of the same matter ends in this one and gives its tips.
    Absorb {
        /// The case that ends.
        case: Uuid,
        /// Its tips that were not verified.
        tips: Vec<Uuid>,
    },
    /// 退回重办: the result that waits is not taken; the same post does its work again.
    OrderRework {
        /// Why.
        reason: String,
    },
    /// The office decides on a department's request for more time.
    DecideExtension {
        /// Whose.
        instruction: Uuid,
        /// How many working days; none when refused.
        working_days: Option<u32>,
        /// Why.
        reason: String,
    },
    /// 催办.
    Urge {
        /// Who urges.
        by: Post,
        /// The instruction whose agency is urged, a co-handler's for example; where none, whoever owes the step of the stage.
        instruction: Option<Uuid>,
        /// What is said.
        text: String,
    },
    /// 督办.
    Supervise {
        /// Who supervises.
        by: Post,
        /// What is demanded.
        text: String,
    },
    /// Somebody asks that a closed case be taken up again.
    RequestReopening {
        /// Who asks.
        by: Post,
        /// Why.
        reason: String,
    },
    /// That is decided.
    DecideReopening {
        /// Taken up again, or not.
        granted: bool,
        /// Why.
        reason: String,
    },
    /// 生产安全事故或较大影响 (clause E5).
    RecordAccident(Box<Accident>),
    /// Somebody helped (clause E4).
    RecordAccessory(Box<Accessory>),
    /// 公开曝光 (clause F4).
    Expose {
        /// What the public reads.
        text: String,
    },
    /// The exposure is taken back.
    RetractExposure,
    /// Its tip is of the same matter as the first tip of another case: it ends in that one.
    HandOver {
        /// The other case.
        into: Uuid,
    },
    /// Tips of the same matter come from the cases that they had opened.
    AttachTips(Vec<Uuid>),
    /// It can no longer be taken up again and its tips wait for a final result: they get their verdict by what is known.
    EndVerification,
    /// A step of the agency that has an instruction, or of its delivery.
    Instruction {
        /// Which.
        id: Uuid,
        /// What.
        step: Step,
    },
}

/// Whom the office assigns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// 牵头; as proposed when none.
    pub lead: Option<Agency>,
    /// 配合; as proposed when empty and the lead is as proposed.
    pub co_handlers: Vec<Agency>,
    /// Why another lead than proposed; needed there.
    pub deviation_reason: String,
}

/// What happens to an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It was delivered.
    Deliver(Means),
    /// It is to be sent once more: nobody has seen it.
    Resend {
        /// Who asked for it.
        by: Post,
    },
    /// 签收: it was seen. Stops no clock.
    Accept,
    /// 响应 (clause C11).
    Respond {
        /// What will be done.
        plan: String,
    },
    /// 结果 (clauses C7, C12).
    SubmitResult(ResultReport),
    /// 退回: outside the authority (township agency, clause C8), or wrongly assigned (department).
    Decline {
        /// Why.
        reason: String,
        /// Legal basis; needed from a department.
        legal_basis: String,
    },
    /// 延期申请: a department asks for more time.
    RequestExtension {
        /// Working days beyond the limit.
        working_days: u32,
        /// Why.
        reason: String,
        /// The limit is known to have passed.
        overdue: bool,
    },
    /// What became of a decision by its date.
    RecordCompliance {
        /// Which measure.
        measure: String,
        /// What became of it.
        compliance: Compliance,
    },
}

/// A result as an agency gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultReport {
    /// 先期处置, 最终查处, or 不实.
    pub kind: ResultKind,
    /// What was done.
    pub text: String,
    /// Acts confirmed.
    pub confirmed_acts: Vec<Act>,
    /// They were done outside the registered or licensed scope (clause C17).
    pub outside_scope: bool,
    /// Measures taken.
    pub measures: Vec<Measure>,
    /// Which of the four that are to be taken without exception do not apply, and why.
    pub exemptions: Vec<(WithoutException, String)>,
}

/// Bounds that the document leaves open: local defaults, configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Returns of a case by its leads after which an assignment is binding.
    pub returns: u32,
    /// Extensions granted to one instruction.
    pub extensions: u32,
    /// Working days of one extension.
    pub extension_days: u32,
    /// How long after its closing a case can be asked to be taken up again.
    pub reopen_within: SignedDuration,
    /// How long after its issue an instruction counts as delivered at the latest.
    pub assumed_after: SignedDuration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            returns: 2,
            extensions: 1,
            extension_days: 10,
            reopen_within: SignedDuration::from_hours(30 * 24),
            assumed_after: SignedDuration::from_mins(30),
        }
    }
}

/// What a decision needs beside the case.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The instant that counts: when the suite received the step. Never in the future of `now`.
    pub at: Instant,
    /// The service's clock.
    pub now: Instant,
    /// By which means a step that comes before the delivery shows that the instruction arrived.
    pub means: Means,
    /// The routing table in force.
    pub routing: &'a Table,
    /// What lies within the townships' authority.
    pub authority: &'a Authority,
    /// Bounds in force.
    pub limits: Limits,
    /// Ids of new instructions.
    pub ids: &'a dyn IdSource,
}
