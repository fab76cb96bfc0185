//! Why a command to a directive is refused: a stable code for programs, a sentence for clerks, and what stood in the way.

use std::fmt;

use super::State;

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// There is no such directive.
    NoSuchDirective,
    /// It was given already.
    AlreadyIssued,
    /// Only a county's commander and the city's office give directives.
    NotCommander,
    /// Only the post that gave it ends it.
    NotIssuer,
    /// Only an addressee answers.
    NotAddressee,
    /// It is closed.
    Closed,
    /// It was taken back.
    Withdrawn,
    /// The addressee has answered as often as he can.
    TooManyAnswers,
    /// Nobody is named.
    NoAddressee,
    /// More than [`super::ADDRESSEES`].
    TooManyAddressees,
    /// The same post twice.
    AddresseeTwice,
    /// Nobody gives himself a directive.
    OwnPost,
    /// The role takes no directives.
    NotAddressable,
    /// The region is not of the role's level.
    WrongLevel,
    /// A department or agency must be named.
    AgencyMissing,
    /// The role is none of a department or agency.
    AgencyNotAllowed,
    /// The roster has no such region.
    UnknownRegion,
    /// The addressee lies outside the command's region.
    AddresseeElsewhere,
    /// The due instant has passed.
    DueNotAhead,
    /// The due instant lies more than a year ahead.
    DueTooFar,
    /// More than [`super::CASES`].
    TooManyCases,
    /// The same case twice.
    CaseTwice,
    /// There is no such case.
    NoSuchCase,
    /// The case lies outside the command's region.
    CaseElsewhere,
    /// An addressee may not see the case.
    CaseHidden,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 25] = [
        Self::NoSuchDirective,
        Self::AlreadyIssued,
        Self::NotCommander,
        Self::NotIssuer,
        Self::NotAddressee,
        Self::Closed,
        Self::Withdrawn,
        Self::TooManyAnswers,
        Self::NoAddressee,
        Self::TooManyAddressees,
        Self::AddresseeTwice,
        Self::OwnPost,
        Self::NotAddressable,
        Self::WrongLevel,
        Self::AgencyMissing,
        Self::AgencyNotAllowed,
        Self::UnknownRegion,
        Self::AddresseeElsewhere,
        Self::DueNotAhead,
        Self::DueTooFar,
        Self::TooManyCases,
        Self::CaseTwice,
        Self::NoSuchCase,
        Self::CaseElsewhere,
        Self::CaseHidden,
    ];

    /// Stable code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoSuchDirective => "NO_SUCH_DIRECTIVE",
            Self::AlreadyIssued => "ALREADY_ISSUED",
            Self::NotCommander => "NOT_COMMANDER",
            Self::NotIssuer => "NOT_ISSUER",
            Self::NotAddressee => "NOT_ADDRESSEE",
            Self::Closed => "DIRECTIVE_CLOSED",
            Self::Withdrawn => "DIRECTIVE_WITHDRAWN",
            Self::TooManyAnswers => "TOO_MANY_ANSWERS",
            Self::NoAddressee => "REQUIRED",
            Self::TooManyAddressees | Self::TooManyCases => "TOO_MANY",
            Self::AddresseeTwice => "DUPLICATE_ADDRESSEE",
            Self::OwnPost => "OWN_POST",
            Self::NotAddressable => "ROLE_NOT_ADDRESSABLE",
            Self::WrongLevel => "WRONG_LEVEL",
            Self::AgencyMissing => "AGENCY_REQUIRED",
            Self::AgencyNotAllowed => "AGENCY_NOT_ALLOWED",
            Self::UnknownRegion => "UNKNOWN_REGION",
            Self::AddresseeElsewhere => "OUT_OF_REGION",
            Self::DueNotAhead => "DUE_NOT_AHEAD",
            Self::DueTooFar => "DUE_TOO_FAR",
            Self::CaseTwice => "DUPLICATE_CASE",
            Self::NoSuchCase => "NO_SUCH_CASE",
            Self::CaseElsewhere => "CASE_OUT_OF_REGION",
            Self::CaseHidden => "CASE_HIDDEN_FROM_ADDRESSEE",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::NoSuchDirective => "没有这条指令",
            Self::AlreadyIssued => "指令已经下达",
            Self::NotCommander => "只有县区总指挥和市安委会办公室可以下达指令",
            Self::NotIssuer => "不是您下达的指令",
            Self::NotAddressee => "指令不是下达给您的",
            Self::Closed => "指令已办结",
            Self::Withdrawn => "指令已撤销",
            Self::TooManyAnswers => "回复次数已达上限",
            Self::NoAddressee => "至少填写一个接收单位",
            Self::TooManyAddressees => "接收单位最多100个",
            Self::AddresseeTwice => "接收单位重复",
            Self::OwnPost => "不能给自己下达指令",
            Self::NotAddressable => "该岗位不接收指令",
            Self::WrongLevel => "区划级别与岗位不符",
            Self::AgencyMissing => "须写明是哪个部门",
            Self::AgencyNotAllowed => "该岗位不填部门",
            Self::UnknownRegion => "名册中没有该区划",
            Self::AddresseeElsewhere => "接收单位不在您的辖区内",
            Self::DueNotAhead => "办理期限须晚于当前时间",
            Self::DueTooFar => "办理期限不得超过一年",
            Self::TooManyCases => "涉及案件最多50个",
            Self::CaseTwice => "涉及案件重复",
            Self::NoSuchCase => "没有这个案件",
            Self::CaseElsewhere => "案件不在您的辖区内",
            Self::CaseHidden => "有接收单位无权查看该案件",
        }
    }
}

/// What stood in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The post that asked.
    Actor,
    /// Where the directive stands: its code.
    State(&'static str),
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
    pub(super) const fn actor(reason: Reason) -> Self {
        Self { reason, obstacle: Obstacle::Actor }
    }

    pub(super) const fn state(reason: Reason, state: &State) -> Self {
        Self { reason, obstacle: Obstacle::State(state.code()) }
    }

    pub(super) fn field(reason: Reason, field: impl Into<String>) -> Self {
        Self { reason, obstacle: Obstacle::Field(field.into()) }
    }

    pub(super) const fn absent(reason: Reason) -> Self {
        Self { reason, obstacle: Obstacle::Absent }
    }
}

impl State {
    /// Stable code, as in the API's `DirectiveState` without its prefix.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Closed(_) => "CLOSED",
            Self::Withdrawn(_) => "WITHDRAWN",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actor => f.write_str("it is another post's"),
            Self::State(state) => write!(f, "the directive is {state}"),
            Self::Field(field) => write!(f, "field {field}"),
            Self::Absent => f.write_str("there is none"),
        }
    }
}
