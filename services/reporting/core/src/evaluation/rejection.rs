//! Why nothing is opened, scored or closed.

use dafei_kernel::period::Period;

use super::DUE_DAY;

/// Why nothing is opened, scored or closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Only the county's own office opens and closes.
    #[error("only the office of the county opens and closes its rounds")]
    NotOwnOffice,
    /// There is a round already.
    #[error("the round of this county and quarter is opened already")]
    AlreadyOpened,
    /// No township or no department in the roster.
    #[error("the county has no townships, or no departments whose posts are held")]
    Nobody,
    /// The post scores nobody.
    #[error("only township centres and county departments of the round score")]
    NotEvaluator,
    /// Nobody scores himself.
    #[error("nobody scores himself")]
    Himself,
    /// A township scores departments, a department townships.
    #[error("a township scores departments, a department townships")]
    WrongDirection,
    /// The post is not scored in this round.
    #[error("is not scored in this round")]
    NotEvaluated,
    /// A criterion that the direction does not have.
    #[error("{1:?} is no criterion of this direction")]
    UnknownCriterion(usize, String),
    /// A criterion twice.
    #[error("criterion {1} stands twice")]
    DoubleCriterion(usize, String),
    /// More points than the criterion has.
    #[error("at most {1} points")]
    TooManyPoints(usize, u32),
    /// A criterion without points.
    #[error("criterion {0} has no points")]
    CriterionMissing(String),
    /// A total below the mark without a word.
    #[error("a total below the mark needs a remark")]
    RemarkMissing,
    /// There is no round yet.
    #[error("the round of this county and quarter is not opened")]
    NotOpened,
    /// The round is closed.
    #[error("the round is closed")]
    Closed,
    /// The quarter goes on.
    #[error("{0} has not ended")]
    QuarterNotEnded(Period),
    /// Sheets are missing, and nobody said that it is to be closed without them.
    #[error("{0} sheets are missing")]
    SheetsMissing(u32),
    /// Sheets are missing, and there is time left for them.
    #[error("sheets may still come in until the end of the {DUE_DAY}th")]
    LimitNotPassed,
}
