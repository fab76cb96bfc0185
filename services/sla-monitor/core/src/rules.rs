//! The clocks as a versioned data file: limit, owners, and which facts start, stop and cancel each. The file is checked as a whole; one that
//! has a hole or raises a limit of the document is refused, with all that is wrong with it.

mod check;
mod county;
mod no_disturb;
mod parse;
mod problem;
pub(crate) mod reader;

use dafei_kernel::{
    owner::Post,
    region::{Level, RegionPath},
    role::Role,
    time::Instant,
};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    duty::rules::DutyRule,
    fact::{Fact, FactKind, What},
    quiet::Quiet,
};

pub use county::CountyRules;
pub use problem::{Flaw, Problem, Problems};
use reader::Reader;

/// The rules that are shipped.
const BUILTIN: &str = include_str!("../../../../data/clocks/default.json");

/// How long a clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Minutes, day and night; the limit itself is in time.
    Minutes(u32),
    /// Hours, day and night; the limit itself is in time.
    Hours(u32),
    /// Natural days: the day of the start is not counted, until 24:00 of the last (民法典 201).
    Days(u32),
    /// Working days of the calendar, likewise (民法典 201-203).
    WorkingDays(u32),
}

/// When the yellow light comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warn {
    /// At this percentage of the time from the start to the limit.
    Percent(u8),
    /// At 24:00 of this counted working day, from 1.
    CountedDay(u32),
}

/// How a clock's runnings are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Legs {
    /// Each fact that starts it begins a running, until the next one.
    Start,
    /// One running for each instruction.
    Instruction,
}

/// A post as the rules name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerRef {
    /// The post that recorded the suspicion.
    Finder,
    /// The village's secretary.
    VillageSecretary,
    /// The township's centre.
    TownshipCentre,
    /// The county's office.
    CountyOffice,
    /// The agency or department that was instructed.
    Assignee,
}

impl OwnerRef {
    /// The post, as the fact that started the clock tells it. None when the region path does not go down so far.
    #[must_use]
    pub fn post(self, start: &Fact) -> Option<Post> {
        let at = |level: Level, role: Role| post(&start.path, level, role);
        match self {
            Self::VillageSecretary => at(Level::Village, Role::VillageSecretary),
            Self::TownshipCentre => at(Level::Township, Role::TownshipCentre),
            Self::CountyOffice => at(Level::County, Role::CountyOffice),
            Self::Assignee => start.what.assignment().map(|assignment| assignment.post.clone()),
            Self::Finder => match &start.what {
                What::SuspicionRecorded { finder: Some(finder), .. } => Some(finder.clone()),
                What::StepFound(step) => Some(step.owner.clone()),
                _ => at(Level::Village, Role::GridMember),
            },
        }
    }
}

impl OwnerRef {
    /// Who of the post's holders is meant, as the fact that started the clock tells it. None where it is all of them.
    #[must_use]
    pub const fn person(self, start: &Fact) -> Option<&String> {
        match (self, &start.what) {
            (Self::Finder, What::SuspicionRecorded { finder_person, .. }) => finder_person.as_ref(),
            _ => None,
        }
    }
}

/// The post of a role at a level of the path.
pub(crate) fn post(path: &RegionPath, level: Level, role: Role) -> Option<Post> {
    Some(Post { role, region: path.at(level)?.clone(), agency: None })
}

/// What is known of one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The clock.
    pub clock: Clock,
    /// Its name in Chinese.
    pub name: String,
    /// The clause it comes from.
    pub clause: String,
    /// The level of its owners.
    pub tier: Level,
    /// How long it runs.
    pub limit: Limit,
    /// When it turns yellow.
    pub warn: Warn,
    /// The document leaves the value open; it was set locally.
    pub local_default: bool,
    /// 直接责任.
    pub direct: OwnerRef,
    /// 闭环责任 (clause C15).
    pub loop_owner: OwnerRef,
    /// How its runnings are told apart.
    pub legs: Legs,
    /// Whether an agency's own finding starts it, too (clause C19).
    pub own_finding: bool,
    /// What starts it.
    pub start: Vec<FactKind>,
    /// What settles it.
    pub stop: Vec<FactKind>,
    /// What makes it fall away.
    pub cancel: Vec<FactKind>,
}

/// All clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    version: String,
    /// Where a clock does not name its own yellow light.
    percent: u8,
    no_disturb: Option<Quiet>,
    rules: Vec<Rule>,
    duties: Vec<DutyRule>,
}

impl Rules {
    /// Reads and checks a rules file as it is kept.
    ///
    /// # Errors
    /// All that is wrong, with line and clock; nothing of the file is used then.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        parse::parse(Reader::new(text))
    }

    /// As [`Self::parse`], of a text that an office hands in: of control characters what is kept may have some that an older release took.
    ///
    /// # Errors
    /// As there, and for a name or clause with control characters other than tabs and line feeds.
    pub fn parse_new(text: &str) -> Result<Self, Problems> {
        parse::parse(Reader::of_office(text))
    }

    /// The rules that are shipped with the suite.
    ///
    /// # Panics
    /// Never: a test reads the shipped file.
    #[must_use]
    pub fn builtin() -> Self {
        Self::parse(BUILTIN).expect("the shipped rules are tested")
    }

    /// The text of the rules that are shipped.
    #[must_use]
    pub const fn builtin_text() -> &'static str {
        BUILTIN
    }

    /// Their version, kept in every obligation; of a county that has set something itself both versions, with a plus between.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The rule of a case's clock; a duty's is [`Self::duty`].
    ///
    /// # Panics
    /// For a duty's clock. Not for another: a file without one of the clocks is refused.
    #[must_use]
    pub fn rule(&self, clock: Clock) -> &Rule {
        self.rules.iter().find(|rule| rule.clock == clock).expect("a rules file without a clock is refused")
    }

    /// The hours in which people are not to be disturbed; the usual ones where the file names none.
    #[must_use]
    pub fn quiet(&self) -> Quiet {
        self.no_disturb.unwrap_or(Quiet::DEFAULT)
    }

    /// The rule of a periodic duty; none for a case's clock.
    #[must_use]
    pub fn duty(&self, clock: Clock) -> Option<&DutyRule> {
        self.duties.iter().find(|rule| rule.clock == clock)
    }

    /// The periodic duties, in force or not, in the order of the table.
    #[must_use]
    pub fn duties(&self) -> &[DutyRule] {
        &self.duties
    }

    /// All rules of cases' clocks, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}

impl Rule {
    /// The same clock with more working days (延期); the yellow light goes with its end.
    #[must_use]
    pub fn extended(&self, working_days: u32) -> Self {
        let mut rule = self.clone();
        if let Limit::WorkingDays(days) = rule.limit {
            rule.limit = Limit::WorkingDays(days.saturating_add(working_days));
            if let Warn::CountedDay(day) = rule.warn {
                rule.warn = Warn::CountedDay(day.saturating_add(working_days));
            }
        }
        rule
    }
}

impl Limit {
    /// The number of its unit.
    #[must_use]
    pub const fn amount(self) -> u32 {
        match self {
            Self::Minutes(n) | Self::Hours(n) | Self::Days(n) | Self::WorkingDays(n) => n,
        }
    }

    /// As a clerk reads it: `5个工作日`.
    #[must_use]
    pub fn name_zh(self) -> String {
        let unit = match self {
            Self::Minutes(_) => "分钟",
            Self::Hours(_) => "小时",
            Self::Days(_) => "日",
            Self::WorkingDays(_) => "个工作日",
        };
        format!("{}{unit}", self.amount())
    }

    /// Whether an act at the very instant of the limit is in time.
    #[must_use]
    pub const fn is_inclusive(self) -> bool {
        matches!(self, Self::Minutes(_) | Self::Hours(_))
    }

    /// Twice as long, in the same unit.
    #[must_use]
    pub const fn doubled(self) -> Self {
        match self {
            Self::Minutes(n) => Self::Minutes(n.saturating_mul(2)),
            Self::Hours(n) => Self::Hours(n.saturating_mul(2)),
            Self::Days(n) => Self::Days(n.saturating_mul(2)),
            Self::WorkingDays(n) => Self::WorkingDays(n.saturating_mul(2)),
        }
    }
}

/// An instant some microseconds later; the end of time instead of an overflow.
pub(crate) fn later(at: Instant, micros: i64) -> Instant {
    at.checked_add(jiff::SignedDuration::from_micros(micros)).unwrap_or(Instant::MAX)
}
