//! The duties as data: who owes what in which period, until when.

mod parse;

use jiff::civil::Date;

use super::{
    period::Cycle,
    unit::{Unit, UnitKind},
};
use crate::clock::Clock;

pub(crate) use parse::{Entry, parse};

/// What is done to fulfil a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    /// A patrol that counts (巡查).
    Patrol,
    /// A broadcast (广播).
    Broadcast,
    /// Valid places of reward notices (有奖举报公告): they stand, and are not done once.
    Notices,
    /// A briefing was released to the principals or the commander (通报).
    Briefing,
    /// A monthly table was filed (报送).
    Filing,
    /// The sheets of both directions are complete (评议).
    Evaluation,
}

/// When a duty runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// From the start of the period that it is about.
    Within(Cycle),
    /// From the end of the period that it is about: a briefing on the week before, a table of the month before.
    After(Cycle),
    /// From the entry into the roster, and again from each shortfall, which has this many days.
    Standing {
        /// Natural days after a shortfall.
        again_days: u32,
    },
}

/// Who the rules name as responsible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DutyOwner {
    /// The post that answers for the unit.
    Unit,
    /// The office that collects from it.
    CollectingOffice,
}

/// The limit of one kind of unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnitRule {
    /// Which units.
    pub kind: UnitKind,
    /// Of a periodic duty: due at 24:00 of this day after the period, 0 for the period's own last day. Of a standing one: natural days after
    /// the entry.
    pub days: u32,
    /// The document leaves the value open; it was set locally.
    pub local_default: bool,
}

/// What is known of one duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DutyRule {
    /// Its clock.
    pub clock: Clock,
    /// Its name in Chinese.
    pub name: String,
    /// The clause it comes from.
    pub clause: String,
    /// Whether it is watched at all.
    pub in_force: bool,
    /// Not for what starts before this day.
    pub from: Option<Date>,
    /// When it runs.
    pub span: Span,
    /// How often it is to be done in a period; of N1 the valid places.
    pub count: u32,
    /// What fulfils it.
    pub act: Act,
    /// 直接责任.
    pub direct: DutyOwner,
    /// 闭环责任 (clause C15).
    pub loop_owner: DutyOwner,
    /// The yellow light, as a share of the time from start to limit; never later than the start of the last day.
    pub warn_percent: u8,
    /// Whether an open breach is reminded of; if not, the duty ends with its breach.
    pub reminders: bool,
    /// Who owes it.
    pub units: Vec<UnitRule>,
}

impl Act {
    const ALL: [Self; 6] =
        [Self::Patrol, Self::Broadcast, Self::Notices, Self::Briefing, Self::Filing, Self::Evaluation];

    /// Its code in the rules.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Patrol => "patrol",
            Self::Broadcast => "broadcast",
            Self::Notices => "notices",
            Self::Briefing => "briefing-released",
            Self::Filing => "table-filed",
            Self::Evaluation => "evaluation-complete",
        }
    }

    /// What is to be done, as a clerk reads it: `巡查3次`.
    #[must_use]
    pub fn task_zh(self, count: u32) -> String {
        match self {
            Self::Patrol => format!("巡查{count}次"),
            Self::Broadcast => format!("广播{count}次"),
            Self::Notices => format!("有奖举报公告有效张贴点{count}处"),
            Self::Briefing => "向负责同志发布通报".to_owned(),
            Self::Filing => "报送调度表".to_owned(),
            Self::Evaluation => "双向评议表齐全".to_owned(),
        }
    }

    /// Whether reporting tells of it; if not, intake does.
    #[must_use]
    pub const fn is_told_by_reporting(self) -> bool {
        matches!(self, Self::Briefing | Self::Filing | Self::Evaluation)
    }

    fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.code() == code)
    }
}

impl DutyRule {
    /// The limit of a kind of unit; none when such units do not owe it.
    #[must_use]
    pub fn unit(&self, kind: UnitKind) -> Option<&UnitRule> {
        self.units.iter().find(|unit| unit.kind == kind)
    }

    /// The cycle of its periods; none for a standing duty.
    #[must_use]
    pub const fn cycle(&self) -> Option<Cycle> {
        match self.span {
            Span::Within(cycle) | Span::After(cycle) => Some(cycle),
            Span::Standing { .. } => None,
        }
    }

    /// Whether an act of this kind, of such a unit, about a period of this cycle, counts.
    #[must_use]
    pub fn takes(&self, act: Act, unit: &Unit, cycle: Cycle) -> bool {
        self.act == act && self.cycle() == Some(cycle) && self.unit(unit.kind()).is_some()
    }
}
