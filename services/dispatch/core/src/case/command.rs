//! What may be asked of a case.

use dafei_kernel::{act::Act, agency::Agency, ids::IdSource, time::Instant};
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
    /// The report was withdrawn.
    Withdraw,
    /// Its tip is of the same matter as the first tip of another case: it ends in that one.
    HandOver {
        /// The other case.
        into: Uuid,
    },
    /// Tips of the same matter come from the cases that they had opened.
    AttachTips(Vec<Uuid>),
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
}

/// A result as an agency gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultReport {
    /// 先期处置 or 最终查处.
    pub kind: ResultKind,
    /// What was done.
    pub text: String,
    /// Acts confirmed.
    pub confirmed_acts: Vec<Act>,
    /// Measures taken.
    pub measures: Vec<Measure>,
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
    /// Ids of new instructions.
    pub ids: &'a dyn IdSource,
}
