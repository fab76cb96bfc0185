//! An instruction to one agency: what was ordered, and what the agency has said to it.

use dafei_kernel::{owner::Post, region::Level, time::Instant};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{event::Assignee, stage::Tier};

/// How an instruction was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// The agency's consumer acknowledged it, or its feedback came.
    Consumer,
    /// It was read by gRPC.
    Rpc,
    /// Taken as delivered some time after its issue (30 minutes, local default).
    Assumed,
    /// There is no instruction: the agency found the act itself.
    OwnFinding,
}

/// The first delivery: T2, K2 and K3 start here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Instant,
    /// How.
    pub means: Means,
}

/// 响应: taken on, with a plan (clause C11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// When it counts as received.
    pub at: Instant,
    /// What will be done.
    pub plan: String,
}

/// Kind of a result (clause C12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultKind {
    /// 先期处置: what was stopped and how. Stops the clock.
    Interim,
    /// 最终查处: the penalty is decided.
    Final,
    /// 不实: there is no illegal act.
    Unfounded,
}

/// 结果: what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// When the first result counts as received: it is what stops the clock.
    pub first_at: Instant,
    /// Kind of the latest.
    pub kind: ResultKind,
    /// Text of the latest.
    pub text: String,
}

/// 退回: why it was not taken on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// When it counts as received.
    pub at: Instant,
    /// Why.
    pub reason: String,
    /// Legal basis; always there from a department.
    pub legal_basis: String,
}

/// 延期申请: a department's request for more time, and the office's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// When it counts as asked.
    pub asked_at: Instant,
    /// Working days beyond the limit that were asked for.
    pub working_days: u32,
    /// Why.
    pub reason: String,
    /// The office's answer; none while it waits.
    pub answer: Option<Answer>,
}

/// The office's answer to a request for more time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When.
    pub at: Instant,
    /// Working days granted; none when refused.
    pub working_days: Option<u32>,
    /// Why.
    pub reason: String,
}

/// An instruction as a case keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// Its id.
    pub id: Uuid,
    /// To whom.
    pub post: Post,
    /// 牵头 or 配合.
    pub lead: bool,
    /// Number of the assignment within the case, from 1.
    pub leg: u32,
    /// The order's text.
    pub text: String,
    /// When it was issued.
    pub issued_at: Instant,
    /// The first delivery.
    pub delivery: Option<Delivery>,
    /// The arrival, where the delivery had been assumed before it.
    #[serde(default)]
    pub reached: Option<Delivery>,
    /// Each time it was sent once more: when, and who asked for it.
    #[serde(default)]
    pub resent: Vec<(Instant, Post)>,
    /// 签收.
    pub accepted_at: Option<Instant>,
    /// 响应.
    pub response: Option<Response>,
    /// 结果.
    pub result: Option<Given>,
    /// 退回.
    pub declined: Option<Decline>,
    /// Fell away: with its assignment, or when the case closed.
    pub cancelled: bool,
    /// It fell away when the case closed.
    #[serde(default)]
    pub fell_at_closing: bool,
    /// The agency found the act itself: nobody instructed it (clause C19).
    #[serde(default)]
    pub own: bool,
    /// It cannot be returned: the case was, too often.
    #[serde(default)]
    pub binding: bool,
    /// The instruction whose result was not taken: this one orders the work again.
    #[serde(default)]
    pub rework_of: Option<Uuid>,
    /// Its result was not taken; another instruction orders the work again.
    #[serde(default)]
    pub superseded: bool,
    /// 延期申请, oldest first.
    #[serde(default)]
    pub extensions: Vec<Extension>,
    /// Notices to its agency so far.
    #[serde(default)]
    pub notices: u32,
}

/// Where an instruction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InstructionState {
    /// Issued.
    Issued,
    /// Delivered.
    Delivered,
    /// 签收: seen.
    Accepted,
    /// 响应: taken on with a plan.
    Responded,
    /// 结果: done.
    Done,
    /// 退回: declined or returned.
    Declined,
    /// Fell away.
    Cancelled,
}

impl Instruction {
    pub(crate) fn new(assignee: &Assignee, leg: u32, text: &str, issued_at: Instant) -> Self {
        Self {
            id: assignee.instruction,
            post: assignee.post.clone(),
            lead: assignee.lead,
            leg,
            text: text.to_owned(),
            issued_at,
            delivery: None,
            reached: None,
            resent: Vec::new(),
            accepted_at: None,
            response: None,
            result: None,
            declined: None,
            cancelled: false,
            fell_at_closing: false,
            own: false,
            binding: false,
            rework_of: None,
            superseded: false,
            extensions: Vec::new(),
            notices: 0,
        }
    }

    /// When and how it arrived in truth; none as long as that was only assumed.
    #[must_use]
    pub fn arrival(&self) -> Option<Delivery> {
        self.reached.or(self.delivery.filter(|delivery| delivery.means != Means::Assumed))
    }

    /// Whether the agency has shown that it saw it: it read or accepted it, or answered.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        let read = self.arrival().is_some_and(|arrival| matches!(arrival.means, Means::Rpc | Means::OwnFinding));
        read || self.accepted_at.is_some()
            || self.response.is_some()
            || self.result.is_some()
            || self.declined.is_some()
    }

    /// The request for more time that waits for its answer.
    #[must_use]
    pub fn asked_extension(&self) -> Option<&Extension> {
        self.extensions.last().filter(|extension| extension.answer.is_none())
    }

    /// Extensions granted, and the working days that they come to.
    #[must_use]
    pub fn granted_extensions(&self) -> (usize, u32) {
        let days = self.extensions.iter().filter_map(|extension| extension.answer.as_ref()?.working_days);
        (days.clone().count(), days.sum())
    }

    /// Where it stands: the furthest of what happened to it.
    #[must_use]
    pub const fn state(&self) -> InstructionState {
        if self.declined.is_some() {
            InstructionState::Declined
        } else if self.result.is_some() {
            InstructionState::Done
        } else if self.cancelled {
            InstructionState::Cancelled
        } else if self.response.is_some() {
            InstructionState::Responded
        } else if self.accepted_at.is_some() {
            InstructionState::Accepted
        } else if self.delivery.is_some() {
            InstructionState::Delivered
        } else {
            InstructionState::Issued
        }
    }

    /// Whether the agency still owes its result.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match self.state() {
            InstructionState::Issued
            | InstructionState::Delivered
            | InstructionState::Accepted
            | InstructionState::Responded => true,
            InstructionState::Done | InstructionState::Declined | InstructionState::Cancelled => false,
        }
    }

    /// The tier of its addressee.
    #[must_use]
    pub fn tier(&self) -> Tier {
        match self.post.region.level() {
            Level::City => Tier::City,
            Level::County => Tier::County,
            Level::Township | Level::WorkArea | Level::Village => Tier::Township,
        }
    }

    /// Its addressee as events name it.
    #[must_use]
    pub fn assignee(&self) -> Assignee {
        Assignee { instruction: self.id, post: self.post.clone(), lead: self.lead }
    }
}
