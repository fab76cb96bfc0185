//! Why a command to an entry is refused: a stable code for programs, a sentence for clerks, and what stood in the way.

use std::fmt;

use super::State;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $zh:literal;)+) => {
        /// Why a command is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $name,)+ }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Stable code for programs.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What a clerk reads.
            #[must_use]
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)+ }
            }
        }
    };
}

reasons! {
    /// There is no such entry.
    NoSuchEntry = "NO_SUCH_ENTRY", "没有这条问责记录";
    /// It was opened already.
    AlreadyOpened = "ALREADY_OPENED", "问责记录已经建立";
    /// Such a post is not charged here.
    NotChargeable = "ROLE_NOT_CHARGEABLE", "该岗位不在“打非”问责范围内";
    /// The path does not lead to the post's region.
    UnknownRegion = "UNKNOWN_REGION", "没有这个行政区划";
    /// Only the post charged speaks.
    NotCharged = "NOT_CHARGED", "只有被问责的岗位可以陈述申辩和申诉";
    /// Only the office one level above decides.
    NotDecider = "NOT_DECIDER", "应由被问责对象的上一级办公室决定";
    /// Only the office above the one that decided decides on appeals.
    NotAppealDecider = "NOT_APPEAL_DECIDER", "申诉应由作出决定单位的上一级办公室决定";
    /// It is decided above the city.
    AboveCity = "DECIDED_ABOVE_CITY", "由市级以上决定，本系统不作决定";
    /// A decision stands.
    AlreadyDecided = "ALREADY_DECIDED", "已经作出决定";
    /// The breach was disproved, or others held the post.
    Withdrawn = "ENTRY_WITHDRAWN", "问责依据已撤销或更正，问责记录已撤回";
    /// He has stated his case.
    AlreadyStated = "ALREADY_STATED", "已经提交过陈述申辩";
    /// He has said nothing yet, and the period runs.
    NotHeard = "NOT_HEARD", "尚未陈述申辩，且陈述期限未满，不得作出决定";
    /// More than can be decided at once.
    TooManyPersons = "TOO_MANY", "一次决定最多100人";
    /// Nobody is charged for that responsibility, or nobody appealed for it.
    NoSuchPart = "NO_SUCH_PART", "没有这一责任方";
    /// The persons for that responsibility are not this office's to decide on.
    NotYours = "PERSON_NOT_YOURS", "该责任方不由您决定";
    /// The person did not hold the post.
    NotAHolder = "NOT_A_HOLDER", "该人员当时不任此岗位";
    /// The person stands twice.
    PersonTwice = "DUPLICATE_PERSON", "人员重复";
    /// One who is directly responsible is left out.
    PersonsMissing = "PERSONS_MISSING", "直接责任人员必须逐人写明处理决定";
    /// The county's rules do not have this outcome.
    OutcomeNotAllowed = "OUTCOME_NOT_ALLOWED", "县区处理制度不允许此种处理";
    /// What was disproved blames nobody.
    BasisAnnulled = "BASIS_ANNULLED", "超期认定已撤销，只能不予追究或免责";
    /// Relief needs a reason.
    ReasonMissing = "REQUIRED", "免责、减责必须写明理由";
    /// Only relief has one.
    ReasonNotAllowed = "NOT_ALLOWED", "只有免责、减责填写理由";
    /// Members and secretaries of villages, and those outside, are no leading cadres.
    NoLeadingCadre = "NO_LEADING_CADRE", "村居人员和名册以外人员不计为领导干部";
    /// Nothing is decided that could be appealed.
    NotDecided = "NOT_DECIDED", "尚未作出决定，不能申诉";
    /// It was appealed already.
    AlreadyAppealed = "ALREADY_APPEALED", "已经提出过申诉";
    /// Nothing is held against those who appeal.
    NothingToAppeal = "NOTHING_TO_APPEAL", "决定没有追究责任，无须申诉";
    /// The period for appeals is over.
    AppealTooLate = "APPEAL_TOO_LATE", "申诉期限已过";
    /// No appeal waits.
    NotAppealed = "NOT_APPEALED", "没有待决定的申诉";
    /// The decision does not name the person.
    NotDecidedOn = "NOT_DECIDED_ON", "原决定没有这名人员";
    /// Nobody is worse off for having appealed.
    Graver = "GRAVER_THAN_DECIDED", "申诉不得加重处理";
    /// It rests on nothing that is disproved or corrected, or that was done before.
    NothingToAnnul = "NOTHING_TO_ANNUL", "没有可撤销的超期认定";
    /// An outcome stands twice.
    OutcomeTwice = "DUPLICATE_OUTCOME", "处理种类重复";
    /// Rules by which nobody could be cleared.
    NobodyCleared = "NOT_PURSUED_REQUIRED", "处理种类必须包含不予追究";
    /// A period of none, or too long.
    StatementPeriod = "INVALID_PERIOD", "陈述期限应为1至30个工作日";
}

/// What stood in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The post that asked.
    Actor,
    /// Where the entry stands.
    State(State),
    /// A field of the command, by its path in the API.
    Field(String),
    /// There is nothing of that id.
    Absent,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actor => f.write_str("not by this post"),
            Self::State(state) => write!(f, "the entry is {}", state.code()),
            Self::Field(field) => f.write_str(field),
            Self::Absent => f.write_str("there is none"),
        }
    }
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

    pub(super) const fn state(reason: Reason, state: State) -> Self {
        Self { reason, obstacle: Obstacle::State(state) }
    }

    pub(super) fn field(reason: Reason, field: impl Into<String>) -> Self {
        Self { reason, obstacle: Obstacle::Field(field.into()) }
    }

    pub(super) const fn absent(reason: Reason) -> Self {
        Self { reason, obstacle: Obstacle::Absent }
    }
}
