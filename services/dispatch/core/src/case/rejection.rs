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
    /// The regions of a case do not fit together.
    PathDoesNotFit,
    /// There is a result already: it can no longer be merged or taken back.
    HasResult,
    /// Other cases ended in it: their reports would be lost.
    HasMergedCases,
    /// A case cannot end in itself.
    SameCase,
    /// The other case is another office's.
    OtherCounty,
    /// A case that was opened at an office does not end in one that a township has.
    MergeDownwards,
    /// Nothing ends in a closed case.
    MergeIntoClosed,
    /// The case has as many records of this kind as it can.
    TooManyRecords,
    /// The case is not closed.
    NotClosed,
    /// A case that was withdrawn or merged is not taken up again.
    NotReopenable,
    /// A request to take it up again waits already.
    ReopeningPending,
    /// The window for asking is over.
    ReopeningTooLate,
    /// Nobody has asked to take it up again.
    NoReopeningAsked,
    /// Nobody urges or supervises himself.
    OwnStep,
    /// No act was confirmed that could be exposed.
    NothingToExpose,
    /// It is not exposed.
    NotExposed,
    /// A township agency's four hours are not extended.
    NoExtensionForTownship,
    /// A request for more time waits already.
    ExtensionPending,
    /// As many extensions as allowed were granted.
    ExtensionsUsedUp,
    /// The limit has passed: it had to be asked before.
    ExtensionTooLate,
    /// So many working days are not allowed.
    ExtensionOutOfRange,
    /// There is no request for more time that waits.
    NoExtensionAsked,
    /// The case was returned too often: this assignment is binding.
    AssignmentBinding,
    /// Its result was not taken; another instruction orders the work again.
    InstructionSuperseded,
    /// Acts are confirmed: it cannot be unfounded.
    ActsAreConfirmed,
    /// What is unfounded names no act, measure or exemption.
    UnfoundedWithFacts,
    /// One of the four is exempted twice.
    ExemptionTwice,
    /// Each of the four needs its measure, or why it does not apply.
    MeasureOrExemptionRequired,
    /// There is no such measure by this instruction.
    NoSuchMeasure,
    /// Nothing is complied with before it was decided.
    ComplyBeforeDecision,
    /// The agency has seen the instruction.
    InstructionSeen,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 61] = [
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
        Self::PathDoesNotFit,
        Self::HasResult,
        Self::HasMergedCases,
        Self::SameCase,
        Self::OtherCounty,
        Self::MergeDownwards,
        Self::MergeIntoClosed,
        Self::TooManyRecords,
        Self::NotClosed,
        Self::NotReopenable,
        Self::ReopeningPending,
        Self::ReopeningTooLate,
        Self::NoReopeningAsked,
        Self::OwnStep,
        Self::NothingToExpose,
        Self::NotExposed,
        Self::NoExtensionForTownship,
        Self::ExtensionPending,
        Self::ExtensionsUsedUp,
        Self::ExtensionTooLate,
        Self::ExtensionOutOfRange,
        Self::NoExtensionAsked,
        Self::AssignmentBinding,
        Self::InstructionSuperseded,
        Self::ActsAreConfirmed,
        Self::UnfoundedWithFacts,
        Self::ExemptionTwice,
        Self::MeasureOrExemptionRequired,
        Self::NoSuchMeasure,
        Self::ComplyBeforeDecision,
        Self::InstructionSeen,
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
            Self::PathDoesNotFit => "PATH_DOES_NOT_FIT",
            Self::HasResult => "HAS_RESULT",
            Self::HasMergedCases => "HAS_MERGED_CASES",
            Self::SameCase => "SAME_CASE",
            Self::OtherCounty => "OTHER_COUNTY",
            Self::MergeDownwards => "MERGE_DOWNWARDS",
            Self::MergeIntoClosed => "MERGE_INTO_CLOSED",
            Self::TooManyRecords => "TOO_MANY_RECORDS",
            Self::NotClosed => "NOT_CLOSED",
            Self::NotReopenable => "NOT_REOPENABLE",
            Self::ReopeningPending => "REOPENING_PENDING",
            Self::ReopeningTooLate => "REOPENING_TOO_LATE",
            Self::NoReopeningAsked => "NO_REOPENING_ASKED",
            Self::OwnStep => "OWN_STEP",
            Self::NothingToExpose => "NOTHING_TO_EXPOSE",
            Self::NotExposed => "NOT_EXPOSED",
            Self::NoExtensionForTownship => "NO_EXTENSION_FOR_TOWNSHIP",
            Self::ExtensionPending => "EXTENSION_PENDING",
            Self::ExtensionsUsedUp => "EXTENSIONS_USED_UP",
            Self::ExtensionTooLate => "EXTENSION_TOO_LATE",
            Self::ExtensionOutOfRange => "EXTENSION_OUT_OF_RANGE",
            Self::NoExtensionAsked => "NO_EXTENSION_ASKED",
            Self::AssignmentBinding => "ASSIGNMENT_BINDING",
            Self::InstructionSuperseded => "INSTRUCTION_SUPERSEDED",
            Self::ActsAreConfirmed => "ACTS_ARE_CONFIRMED",
            Self::UnfoundedWithFacts => "UNFOUNDED_WITH_FACTS",
            Self::ExemptionTwice => "EXEMPTION_TWICE",
            Self::MeasureOrExemptionRequired => "MEASURE_OR_EXEMPTION_REQUIRED",
            Self::NoSuchMeasure => "NO_SUCH_MEASURE",
            Self::ComplyBeforeDecision => "COMPLY_BEFORE_DECISION",
            Self::InstructionSeen => "INSTRUCTION_SEEN",
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
            Self::PathDoesNotFit => "所属区划不一致",
            Self::HasResult => "已有处置结果，不能再并案或撤回",
            Self::HasMergedCases => "已有其他案件并入，不能撤回",
            Self::SameCase => "不能并入自身",
            Self::OtherCounty => "两个案件不属于同一县（市、区）",
            Self::MergeDownwards => "县级受理的案件不能并入乡镇案件",
            Self::MergeIntoClosed => "不能并入已办结的案件",
            Self::TooManyRecords => "此类记录已达上限",
            Self::NotClosed => "案件尚未办结",
            Self::NotReopenable => "已撤回或已并案的案件不能重新办理",
            Self::ReopeningPending => "已有重新办理申请待审",
            Self::ReopeningTooLate => "已超过申请重新办理的期限",
            Self::NoReopeningAsked => "没有待审的重新办理申请",
            Self::OwnStep => "本环节由本单位负责，不能催办、督办自己",
            Self::NothingToExpose => "没有查实的非法行为，不能曝光",
            Self::NotExposed => "案件未曝光",
            Self::NoExtensionForTownship => "乡镇站所的指令不能延期",
            Self::ExtensionPending => "已有延期申请待审",
            Self::ExtensionsUsedUp => "延期次数已用完",
            Self::ExtensionTooLate => "已超期，不能申请延期",
            Self::ExtensionOutOfRange => "延期天数超出允许范围",
            Self::NoExtensionAsked => "没有待审的延期申请",
            Self::AssignmentBinding => "退回次数已满，本次派单不得退回",
            Self::InstructionSuperseded => "结果已被退回重办，请按新指令办理",
            Self::ActsAreConfirmed => "已有查实的非法行为，不能报不实",
            Self::UnfoundedWithFacts => "报不实的结果不能再填行为、措施",
            Self::ExemptionTwice => "同一项不适用理由重复",
            Self::MeasureOrExemptionRequired => "“四个一律”须逐项填报措施或不适用的理由",
            Self::NoSuchMeasure => "本指令没有这项措施",
            Self::ComplyBeforeDecision => "时间早于决定时间",
            Self::InstructionSeen => "单位已经收到指令，不再重发",
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
