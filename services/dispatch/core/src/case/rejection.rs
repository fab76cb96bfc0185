//! Why a command is refused: a stable reason for programs, a sentence for clerks, and the state that stood in the way.

use std::fmt;

use super::{instruction::InstructionState, stage::StageKind};

/// A stable reason; one per kind of command and class of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The case was never opened.
    NoSuchCase,
    /// The case is closed.
    CaseClosed,
    /// A township agency has the case already.
    AlreadyInstructed,
    /// The result of the agency or department waits for a decision.
    ResultWaiting,
    /// The case has gone up to the county.
    AlreadyEscalated,
    /// The case has not gone up to the county.
    NotEscalated,
    /// Departments have the case already.
    AlreadyAssigned,
    /// There is no result yet.
    NoResultYet,
    /// There is no outcome to publish yet.
    NoOutcomeYet,
    /// The outcome is out already.
    OutcomeAvailable,
    /// The case has no such instruction.
    NoSuchInstruction,
    /// The case never had this tip.
    NoSuchTip,
    /// The instruction was declined or returned.
    InstructionDeclined,
    /// The instruction fell away.
    InstructionCancelled,
    /// The instruction has its result.
    InstructionDone,
    /// The instruction has its response.
    AlreadyResponded,
    /// A final result is there; only a final one with further facts may follow.
    ResultAlreadyFinal,
    /// The act lies outside the township's authority.
    OutsideAuthority,
    /// The township has no such agency.
    AgencyNotInTownship,
    /// The county has no such department.
    DepartmentNotInCounty,
    /// The lead is among the co-handlers, or one is named twice.
    DuplicateAssignee,
    /// Another lead than proposed needs a reason.
    DeviationReasonRequired,
    /// A department's return needs its legal basis.
    LegalBasisRequired,
    /// A measure lacks its id.
    MeasureIdRequired,
    /// The measure's id stands for another measure of the case.
    MeasureIdReused,
    /// A fine must be over zero.
    FineNotPositive,
    /// A fine must not be above 100 亿元: a slip of the hand that would spoil every table above it.
    FineTooLarge,
    /// Persons must be over zero.
    PersonsNotPositive,
    /// The time lies more than 5 minutes ahead.
    TimeInFuture,
    /// The table has no lead for it: only a table that was not checked.
    NoRoute,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 30] = [
        Self::NoSuchCase,
        Self::CaseClosed,
        Self::AlreadyInstructed,
        Self::ResultWaiting,
        Self::AlreadyEscalated,
        Self::NotEscalated,
        Self::AlreadyAssigned,
        Self::NoResultYet,
        Self::NoOutcomeYet,
        Self::OutcomeAvailable,
        Self::NoSuchInstruction,
        Self::NoSuchTip,
        Self::InstructionDeclined,
        Self::InstructionCancelled,
        Self::InstructionDone,
        Self::AlreadyResponded,
        Self::ResultAlreadyFinal,
        Self::OutsideAuthority,
        Self::AgencyNotInTownship,
        Self::DepartmentNotInCounty,
        Self::DuplicateAssignee,
        Self::DeviationReasonRequired,
        Self::LegalBasisRequired,
        Self::MeasureIdRequired,
        Self::MeasureIdReused,
        Self::FineNotPositive,
        Self::FineTooLarge,
        Self::PersonsNotPositive,
        Self::TimeInFuture,
        Self::NoRoute,
    ];

    /// Stable code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoSuchCase => "NO_SUCH_CASE",
            Self::CaseClosed => "CASE_CLOSED",
            Self::AlreadyInstructed => "ALREADY_INSTRUCTED",
            Self::ResultWaiting => "RESULT_WAITING",
            Self::AlreadyEscalated => "ALREADY_ESCALATED",
            Self::NotEscalated => "NOT_ESCALATED",
            Self::AlreadyAssigned => "ALREADY_ASSIGNED",
            Self::NoResultYet => "NO_RESULT_YET",
            Self::NoOutcomeYet => "NO_OUTCOME_YET",
            Self::OutcomeAvailable => "OUTCOME_AVAILABLE",
            Self::NoSuchInstruction => "UNKNOWN_INSTRUCTION",
            Self::NoSuchTip => "TIP_NOT_OF_CASE",
            Self::InstructionDeclined => "INSTRUCTION_DECLINED",
            Self::InstructionCancelled => "INSTRUCTION_CANCELLED",
            Self::InstructionDone => "INSTRUCTION_DONE",
            Self::AlreadyResponded => "ALREADY_RESPONDED",
            Self::ResultAlreadyFinal => "RESULT_ALREADY_FINAL",
            Self::OutsideAuthority => "OUTSIDE_AUTHORITY",
            Self::AgencyNotInTownship => "AGENCY_NOT_IN_TOWNSHIP",
            Self::DepartmentNotInCounty => "DEPARTMENT_NOT_IN_COUNTY",
            Self::DuplicateAssignee => "DUPLICATE_ASSIGNEE",
            Self::DeviationReasonRequired => "DEVIATION_REASON_REQUIRED",
            Self::LegalBasisRequired => "LEGAL_BASIS_REQUIRED",
            Self::MeasureIdRequired => "MEASURE_ID_REQUIRED",
            Self::MeasureIdReused => "MEASURE_ID_REUSED",
            Self::FineNotPositive => "FINE_NOT_POSITIVE",
            Self::FineTooLarge => "FINE_TOO_LARGE",
            Self::PersonsNotPositive => "PERSONS_NOT_POSITIVE",
            Self::TimeInFuture => "TIME_IN_FUTURE",
            Self::NoRoute => "NO_ROUTE",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::NoSuchCase => "没有这个案件",
            Self::CaseClosed => "案件已办结",
            Self::AlreadyInstructed => "案件已派给乡镇站所",
            Self::ResultWaiting => "结果已报，等待确认",
            Self::AlreadyEscalated => "案件已上报县打非办",
            Self::NotEscalated => "案件还没有上报县打非办",
            Self::AlreadyAssigned => "案件已派给部门",
            Self::NoResultYet => "还没有处置结果",
            Self::NoOutcomeYet => "处置结果还没有反馈，不能公开",
            Self::OutcomeAvailable => "结果已经反馈到村",
            Self::NoSuchInstruction => "没有这条指令",
            Self::NoSuchTip => "该案件不是由这条举报而来",
            Self::InstructionDeclined => "指令已经退回",
            Self::InstructionCancelled => "指令已经失效",
            Self::InstructionDone => "指令已经报过结果",
            Self::AlreadyResponded => "指令已经响应过",
            Self::ResultAlreadyFinal => "已报最终查处结果，只能补报新的行为或措施",
            Self::OutsideAuthority => "不在乡镇职权范围内，请上报县打非办",
            Self::AgencyNotInTownship => "本乡镇没有这个站所",
            Self::DepartmentNotInCounty => "本县没有这个部门，请派给代行部门",
            Self::DuplicateAssignee => "同一部门不能重复指派",
            Self::DeviationReasonRequired => "不按建议派单须说明理由",
            Self::LegalBasisRequired => "部门退回须写明法律依据",
            Self::MeasureIdRequired => "措施缺少编号",
            Self::MeasureIdReused => "措施编号已用于另一项措施",
            Self::FineNotPositive => "罚款金额必须大于零",
            Self::FineTooLarge => "罚款金额超过一百亿元，请核对单位（分）",
            Self::PersonsNotPositive => "人数必须大于零",
            Self::TimeInFuture => "时间晚于当前时间",
            Self::NoRoute => "派单表没有对应的牵头部门",
        }
    }
}

/// What stood in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The case's stage.
    Stage(StageKind),
    /// The instruction's state.
    Instruction(InstructionState),
    /// A field of the command, by its path in the API.
    Field(String),
    /// There is nothing of that id.
    Absent,
}

/// A command that was refused; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {obstacle}", .reason.code())]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// By what.
    pub obstacle: Obstacle,
}

impl Rejection {
    /// Refused because of the case's stage.
    #[must_use]
    pub const fn stage(reason: Reason, stage: StageKind) -> Self {
        Self { reason, obstacle: Obstacle::Stage(stage) }
    }

    /// Refused because of the instruction's state.
    #[must_use]
    pub const fn instruction(reason: Reason, state: InstructionState) -> Self {
        Self { reason, obstacle: Obstacle::Instruction(state) }
    }

    /// Refused because of a field.
    #[must_use]
    pub fn field(reason: Reason, field: impl Into<String>) -> Self {
        Self { reason, obstacle: Obstacle::Field(field.into()) }
    }

    /// There is no such case or instruction.
    #[must_use]
    pub const fn absent(reason: Reason) -> Self {
        Self { reason, obstacle: Obstacle::Absent }
    }
}

impl InstructionState {
    /// Stable code, as in the API's `InstructionState` without its prefix.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Issued => "ISSUED",
            Self::Delivered => "DELIVERED",
            Self::Accepted => "ACCEPTED",
            Self::Responded => "RESPONDED",
            Self::Done => "DONE",
            Self::Declined => "DECLINED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(stage) => write!(f, "the case is {}", stage.code()),
            Self::Instruction(state) => write!(f, "the instruction is {}", state.code()),
            Self::Field(field) => write!(f, "field {field}"),
            Self::Absent => f.write_str("there is none"),
        }
    }
}
