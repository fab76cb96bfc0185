//! Two-way evaluation (双向评议, clause E1): each quarter the townships of a county score its departments, and the departments the townships.
//!
//! A round has a sheet for each pair, in either direction. The pairs are those of the roster when the round is opened and stay as they are then.

pub mod criteria;
pub mod measured;
mod rejection;
pub mod results;

use dafei_kernel::{
    owner::Post,
    period::Period,
    region::Region,
    role::Role,
    roster::RosterIndex,
    time::{Instant, end_of_day},
};

use crate::unit::{Unit, UnitKind};

pub use criteria::{Criteria, Criterion, Points};
pub use rejection::Rejection;
pub use results::{Scored, Standing, standings};

/// The day of the month after the quarter at whose end the sheets are due (local default).
pub const DUE_DAY: i8 = 15;
/// The longest remark of a sheet, in characters.
pub const MAX_REMARK: usize = 500;

/// Who scores whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// 乡镇评部门.
    OfDepartments,
    /// 部门评乡镇.
    OfTownships,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OfDepartments, Self::OfTownships];

    /// The role of those who are scored.
    #[must_use]
    pub const fn evaluated(self) -> Role {
        match self {
            Self::OfDepartments => Role::CountyDepartment,
            Self::OfTownships => Role::TownshipCentre,
        }
    }

    /// The direction in which a post is scored; none when it is not.
    #[must_use]
    pub fn of(evaluated: &Post) -> Option<Self> {
        Self::ALL.into_iter().find(|direction| direction.evaluated() == evaluated.role)
    }

    /// The direction of a sheet.
    ///
    /// # Errors
    /// [`Rejection::NotEvaluator`], [`Rejection::Himself`] or [`Rejection::WrongDirection`].
    pub fn between(evaluator: &Post, evaluated: &Post) -> Result<Self, Rejection> {
        if Self::of(evaluator).is_none() {
            return Err(Rejection::NotEvaluator);
        }
        if evaluator == evaluated {
            return Err(Rejection::Himself);
        }
        Self::of(evaluated).filter(|direction| direction.evaluated() != evaluator.role).ok_or(Rejection::WrongDirection)
    }
}

/// One who scores and one who is scored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    /// Who scores.
    pub evaluator: Post,
    /// Who is scored.
    pub evaluated: Post,
}

/// The pairs of a county by the roster: each of its townships with each of its departments, in either direction. A department is there when its
/// post is or was held, as in [`Unit::collected`]. None when either side is missing.
#[must_use]
pub fn pairs(county: &Region, roster: &RosterIndex) -> Vec<Pair> {
    let Ok(office) = Unit::new(UnitKind::CountyOffice, county.clone(), None) else { return Vec::new() };
    let posts: Vec<Post> = office.collected(roster).iter().map(Unit::filer).collect();
    let each = posts.iter().flat_map(|evaluator| posts.iter().map(move |evaluated| (evaluator, evaluated)));
    let mut pairs: Vec<Pair> = each
        .filter(|(evaluator, evaluated)| Direction::between(evaluator, evaluated).is_ok())
        .map(|(evaluator, evaluated)| Pair { evaluator: evaluator.clone(), evaluated: evaluated.clone() })
        .collect();
    pairs.sort();
    pairs
}

/// The first instant at which sheets of a quarter are late: 24:00 of the 15th of the next month.
#[must_use]
pub fn due(quarter: Period) -> Instant {
    quarter.day_after().with().day(DUE_DAY).build().map_or(Instant::MAX, end_of_day)
}

/// How a round stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// 进行中: sheets come in.
    Open,
    /// 已收齐: all are there; they may still be replaced.
    Complete,
    /// 已公布: closed.
    Closed,
}

/// What the rules look at of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// When all sheets were there.
    pub completed_at: Option<Instant>,
    /// When it was closed.
    pub closed_at: Option<Instant>,
    /// Sheets that are asked for.
    pub expected: u32,
    /// Sheets that came in.
    pub submitted: u32,
}

impl Round {
    /// How it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        match (self.closed_at, self.completed_at) {
            (Some(_), _) => State::Closed,
            (None, Some(_)) => State::Complete,
            (None, None) => State::Open,
        }
    }

    /// Sheets that are missing.
    #[must_use]
    pub const fn missing(&self) -> u32 {
        self.expected.saturating_sub(self.submitted)
    }

    /// Whether the sheet that has just come in makes it complete: once, however often sheets are replaced afterwards.
    #[must_use]
    pub const fn completes(&self) -> bool {
        self.completed_at.is_none() && self.missing() == 0
    }
}

/// Only the county's own office opens and closes its rounds.
///
/// # Errors
/// [`Rejection::NotOwnOffice`].
pub fn may_run(by: &Post, county: &Region) -> Result<(), Rejection> {
    if by.role == Role::CountyOffice && by.region == *county { Ok(()) } else { Err(Rejection::NotOwnOffice) }
}

/// Whether a round of these pairs can be opened.
///
/// # Errors
/// [`Rejection::AlreadyOpened`] or [`Rejection::Nobody`].
pub fn may_open(round: Option<&Round>, pairs: &[Pair]) -> Result<(), Rejection> {
    match round {
        Some(_) => Err(Rejection::AlreadyOpened),
        None if pairs.is_empty() => Err(Rejection::Nobody),
        None => Ok(()),
    }
}

/// Whether a round takes a sheet: it was opened and is not closed. It takes sheets before the quarter ends and after its limit.
///
/// # Errors
/// [`Rejection::NotOpened`] or [`Rejection::Closed`].
pub fn may_submit(round: Option<Round>) -> Result<Round, Rejection> {
    let round = round.ok_or(Rejection::NotOpened)?;
    if round.state() == State::Closed { Err(Rejection::Closed) } else { Ok(round) }
}

/// Whether a round can be closed: after its quarter, and with missing sheets only after the limit and by express wish.
///
/// # Errors
/// As [`Rejection`] says.
pub fn may_close(
    round: Option<Round>,
    quarter: Period,
    without_missing: bool,
    now: Instant,
) -> Result<Round, Rejection> {
    let round = may_submit(round)?;
    if now < quarter.end() {
        return Err(Rejection::QuarterNotEnded(quarter));
    }
    match round.missing() {
        0 => Ok(round),
        missing if !without_missing => Err(Rejection::SheetsMissing(missing)),
        _ if now < due(quarter) => Err(Rejection::LimitNotPassed),
        _ => Ok(round),
    }
}

/// What a post may see of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// Everything: those who run or watch over rounds.
    All,
    /// What it handed in itself, and once the round is closed what is about it.
    Own,
    /// The results once the round is closed, and no sheets.
    Results,
}

/// What a role may see of the rounds in its scope.
#[must_use]
pub const fn sight(role: Role) -> Sight {
    match role {
        Role::CountyOffice | Role::CityOffice | Role::Auditor | Role::Admin => Sight::All,
        Role::TownshipCentre | Role::CountyDepartment => Sight::Own,
        _ => Sight::Results,
    }
}

impl Sight {
    /// Whether scores and places are shown.
    #[must_use]
    pub fn sees_scores(self, state: State) -> bool {
        self == Self::All || state == State::Closed
    }
}

#[cfg(test)]
mod tests;
