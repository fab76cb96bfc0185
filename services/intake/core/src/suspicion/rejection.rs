//! Why a command is refused: a stable reason for programs, a sentence for clerks, and the state that stood in the way.

use uuid::Uuid;

use super::state::StateKind;

/// A stable reason; one per kind of command and class of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// There is no such suspicion.
    NoSuchCase,
    /// It is recorded already.
    AlreadyRecorded,
    /// The result is published, or it was closed at village level.
    CaseClosed,
    /// It was withdrawn.
    CaseWithdrawn,
    /// The secretary was told already.
    AlreadyNotified,
    /// The secretary has not been told.
    NotNotified,
    /// Persuasion was tried already.
    AlreadyPersuaded,
    /// The act always goes up (clause C3).
    NeverByPersuasion,
    /// Persuasion has not been heeded: there is nothing to re-visit.
    NotHeeded,
    /// Persuasion was heeded: the re-visit comes first.
    RevisitDue,
    /// The report has reached the centre.
    AlreadyReportedUp,
    /// It has not gone up: no outcome can be there, and nobody to be helped.
    NotReportedUp,
    /// There is no outcome to publish yet.
    OutcomeNotAvailable,
    /// An act xx-99 needs its text.
    ActTextRequired,
    /// Only an act xx-99 has a text.
    ActTextNotAllowed,
    /// A photo is needed.
    PhotoRequired,
    /// A direct report for another cause needs its text.
    DirectReasonRequired,
    /// It was merged into another report, which goes on in its place.
    CaseMerged,
    /// A crime is suspected: it goes up, and nothing else (clause C3).
    SuspectedCrime,
    /// Persuasion was not heeded: it goes up, and nothing else (clause C4).
    PersuasionRefused,
    /// Persuasion was heeded: it is to be reopened first.
    ReopenFirst,
    /// Persuasion has settled nothing: there is nothing to reopen.
    NotSettled,
    /// It was closed too long ago to be reopened: what goes on is a new finding.
    ReopenWindowPassed,
    /// The report that is to go on was withdrawn.
    MergeTargetWithdrawn,
    /// The report that is to go on was itself merged: into the one that is named.
    MergeTargetMerged,
    /// The report that is to go on is over.
    MergeTargetClosed,
    /// It always goes up, and the report that is to go on need not: merged, it would be kept down.
    MergeLosesDuty,
    /// Reports were merged into it: the other way round there is no chain.
    HasMergedReports,
    /// A report is not merged into itself.
    MergeIntoItself,
    /// The report that is to go on does not exist.
    MergeTargetNotFound,
    /// Help is not given before the finding.
    HelpBeforeFinding,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 31] = [
        Self::NoSuchCase,
        Self::AlreadyRecorded,
        Self::CaseClosed,
        Self::CaseWithdrawn,
        Self::AlreadyNotified,
        Self::NotNotified,
        Self::AlreadyPersuaded,
        Self::NeverByPersuasion,
        Self::NotHeeded,
        Self::RevisitDue,
        Self::AlreadyReportedUp,
        Self::NotReportedUp,
        Self::OutcomeNotAvailable,
        Self::ActTextRequired,
        Self::ActTextNotAllowed,
        Self::PhotoRequired,
        Self::DirectReasonRequired,
        Self::CaseMerged,
        Self::SuspectedCrime,
        Self::PersuasionRefused,
        Self::ReopenFirst,
        Self::NotSettled,
        Self::ReopenWindowPassed,
        Self::MergeTargetWithdrawn,
        Self::MergeTargetMerged,
        Self::MergeTargetClosed,
        Self::MergeLosesDuty,
        Self::HasMergedReports,
        Self::MergeIntoItself,
        Self::MergeTargetNotFound,
        Self::HelpBeforeFinding,
    ];

    /// Stable code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoSuchCase => "NO_SUCH_CASE",
            Self::AlreadyRecorded => "ALREADY_RECORDED",
            Self::CaseClosed => "CASE_CLOSED",
            Self::CaseWithdrawn => "CASE_WITHDRAWN",
            Self::AlreadyNotified => "ALREADY_NOTIFIED",
            Self::NotNotified => "NOT_NOTIFIED",
            Self::AlreadyPersuaded => "ALREADY_PERSUADED",
            Self::NeverByPersuasion => "NEVER_BY_PERSUASION",
            Self::NotHeeded => "NOT_HEEDED",
            Self::RevisitDue => "REVISIT_DUE",
            Self::AlreadyReportedUp => "ALREADY_REPORTED_UP",
            Self::NotReportedUp => "NOT_REPORTED_UP",
            Self::OutcomeNotAvailable => "OUTCOME_NOT_AVAILABLE",
            Self::ActTextRequired => "ACT_TEXT_REQUIRED",
            Self::ActTextNotAllowed => "ACT_TEXT_NOT_ALLOWED",
            Self::PhotoRequired => "PHOTO_REQUIRED",
            Self::DirectReasonRequired => "DIRECT_REASON_REQUIRED",
            Self::CaseMerged => "CASE_MERGED",
            Self::SuspectedCrime => "SUSPECTED_CRIME",
            Self::PersuasionRefused => "PERSUASION_REFUSED",
            Self::ReopenFirst => "REOPEN_FIRST",
            Self::NotSettled => "NOT_SETTLED",
            Self::ReopenWindowPassed => "REOPEN_WINDOW_PASSED",
            Self::MergeTargetWithdrawn => "MERGE_TARGET_WITHDRAWN",
            Self::MergeTargetMerged => "MERGE_TARGET_MERGED",
            Self::MergeTargetClosed => "MERGE_TARGET_CLOSED",
            Self::MergeLosesDuty => "MERGE_LOSES_DUTY",
            Self::HasMergedReports => "HAS_MERGED_REPORTS",
            Self::MergeIntoItself => "MERGE_INTO_ITSELF",
            Self::MergeTargetNotFound => "MERGE_TARGET_NOT_FOUND",
            Self::HelpBeforeFinding => "HELP_BEFORE_FINDING",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::NoSuchCase => "没有这条线索",
            Self::AlreadyRecorded => "线索已经登记",
            Self::CaseClosed => "线索已办结",
            Self::CaseWithdrawn => "线索已撤回",
            Self::AlreadyNotified => "已经告知村支部书记",
            Self::NotNotified => "还没有告知村支部书记",
            Self::AlreadyPersuaded => "已经登记过劝导结果",
            Self::NeverByPersuasion => "该类行为不适用劝导结案，必须上报乡镇",
            Self::NotHeeded => "没有听劝的记录，不需要回访",
            Self::RevisitDue => "已听劝，请先回访",
            Self::AlreadyReportedUp => "线索已上报乡镇",
            Self::NotReportedUp => "线索还没有上报乡镇",
            Self::OutcomeNotAvailable => "处理结果还没有反馈到村，不能公开",
            Self::ActTextRequired => "选择“其他”须写明是什么行为",
            Self::ActTextNotAllowed => "只有选择“其他”才填写行为说明",
            Self::PhotoRequired => "至少上传一张照片",
            Self::DirectReasonRequired => "直接上报选择其他原因的，须写明理由",
            Self::CaseMerged => "线索已并入另一条线索",
            Self::SuspectedCrime => "涉嫌犯罪的线索必须上报乡镇",
            Self::PersuasionRefused => "教育劝导不听的线索必须上报乡镇，不能撤回",
            Self::ReopenFirst => "已听劝的线索请先重新启动",
            Self::NotSettled => "线索没有经劝导了结，不需要重新启动",
            Self::ReopenWindowPassed => "已超过重新启动的期限，请登记新线索",
            Self::MergeTargetWithdrawn => "要并入的线索已撤回",
            Self::MergeTargetMerged => "要并入的线索自身已并入另一条线索",
            Self::MergeTargetClosed => "要并入的线索已办结",
            Self::MergeLosesDuty => "该线索必须上报乡镇，不能并入可以劝导了结的线索",
            Self::HasMergedReports => "已有线索并入本线索，请反向合并",
            Self::MergeIntoItself => "线索不能并入自身",
            Self::MergeTargetNotFound => "没有要并入的线索",
            Self::HelpBeforeFinding => "协助时间不得早于发现时间",
        }
    }

    /// The field of the request that is at fault, whatever the state; none when the state is.
    #[must_use]
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::ActTextRequired | Self::ActTextNotAllowed => Some("act_text"),
            Self::PhotoRequired => Some("evidence_ids"),
            Self::DirectReasonRequired => Some("direct_reason"),
            Self::MergeIntoItself | Self::MergeTargetNotFound => Some("into_case_id"),
            Self::HelpBeforeFinding => Some("helped_at"),
            Self::NoSuchCase
            | Self::AlreadyRecorded
            | Self::CaseClosed
            | Self::CaseWithdrawn
            | Self::AlreadyNotified
            | Self::NotNotified
            | Self::AlreadyPersuaded
            | Self::NeverByPersuasion
            | Self::NotHeeded
            | Self::RevisitDue
            | Self::AlreadyReportedUp
            | Self::NotReportedUp
            | Self::OutcomeNotAvailable
            | Self::CaseMerged
            | Self::SuspectedCrime
            | Self::PersuasionRefused
            | Self::ReopenFirst
            | Self::NotSettled
            | Self::ReopenWindowPassed
            | Self::MergeTargetWithdrawn
            | Self::MergeTargetMerged
            | Self::MergeTargetClosed
            | Self::MergeLosesDuty
            | Self::HasMergedReports => None,
        }
    }
}

/// A command that was refused; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", .reason.code(), .state.map(|state| format!(": the suspicion is {}", state.code())).unwrap_or_default())]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// Where the suspicion stands; none when there is no suspicion.
    pub state: Option<StateKind>,
    /// The report that goes on in place of the one that was merged, where that is the reason.
    pub goes_on_as: Option<Uuid>,
}
