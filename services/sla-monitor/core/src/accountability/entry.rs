//! An entry of the ledger.

use std::borrow::Cow;

use dafei_kernel::{
    owner::{Owner, Post},
    region::RegionPath,
    sector::Sector,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Conduct, Decider, Outcome, Part, State};
use crate::Clock;

/// An entry. Made by [`super::evolve`] alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id, derived from what it rests on.
    pub id: Uuid,
    /// What it rests on.
    pub basis: Basis,
    /// Regions from the city down to the post charged; of one outside the roster, to the office that decides.
    pub path: RegionPath,
    /// The case, where there is one.
    pub case_id: Option<Uuid>,
    /// Sector of the case; none for duties.
    pub sector: Option<Sector>,
    /// Those charged: 直接责任 first, 闭环责任 beside where another post has it.
    pub parties: Vec<Party>,
    /// Who decides.
    pub decider: Decider,
    /// Which outcomes a decision may have.
    pub outcomes: Vec<Outcome>,
    /// When it was opened.
    pub opened_at: Instant,
    /// Until when those charged may wait with their statements: exclusive. Nobody decides on one who is silent before that.
    pub statement_until: Instant,
    /// Where it stands.
    pub state: State,
    /// When its breach was disproved, or when a later record of its accident showed that others held the post.
    pub basis_annulled_at: Option<Instant>,
    /// All decisions, oldest first; the last counts.
    pub decisions: Vec<Decision>,
    /// Sequence of its last event, which is its version.
    pub sequence: i64,
}

/// What an entry rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum Basis {
    /// A limit that was not kept.
    Breach {
        /// The obligation.
        obligation: Uuid,
        /// Its clock.
        clock: Clock,
        /// When it started.
        started_at: Instant,
        /// Its limit.
        due: Instant,
    },
    /// Conduct (clause E4).
    Conduct {
        /// Which.
        kind: Conduct,
        /// What happened.
        text: String,
        /// When, as far as it is known.
        happened_at: Instant,
        /// Who reported it; none when a case recorded it.
        reported_by: Option<Post>,
        /// The event of the case that told it.
        event: Option<Uuid>,
        /// The order of the case that was defied; none of other conduct, and of what was opened before orders were told apart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Order>,
    },
    /// 生产安全事故或较大影响 (clause E5).
    Accident {
        /// What happened.
        text: String,
        /// When.
        happened_at: Instant,
        /// The event of the case that told it.
        event: Uuid,
        /// Sequence of that event in its case; 0 where it was not noted yet.
        #[serde(default)]
        sequence: i64,
    },
    /// A result of the quarterly evaluation that is below the mark (clause E1).
    Evaluation {
        /// The quarter, `2026-Q4`.
        quarter: String,
        /// When it ended: who held the post last before that is charged.
        ended_at: Instant,
        /// The result, in hundredths of a point.
        score: u32,
        /// The mark, likewise.
        mark: u32,
        /// The event that published it.
        event: Uuid,
    },
}

/// An order of a case, as far as it was told what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its measure, as its case names it.
    pub measure: String,
    /// Sequence, in the case, of the event that told it last.
    pub sequence: i64,
}

impl Basis {
    /// Stable code of its kind.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Breach { .. } => "breach",
            Self::Conduct { .. } => "conduct",
            Self::Accident { .. } => "accident",
            Self::Evaluation { .. } => "evaluation",
        }
    }

    /// The obligation of a breach.
    #[must_use]
    pub const fn obligation(&self) -> Option<Uuid> {
        match self {
            Self::Breach { obligation, .. } => Some(*obligation),
            Self::Conduct { .. } | Self::Accident { .. } | Self::Evaluation { .. } => None,
        }
    }

    /// The event that told it; none of a breach, and of conduct that an office reported.
    #[must_use]
    pub const fn event(&self) -> Option<Uuid> {
        match self {
            Self::Breach { .. } => None,
            Self::Conduct { event, .. } => *event,
            Self::Accident { event, .. } | Self::Evaluation { event, .. } => Some(*event),
        }
    }

    /// Sequence of that event in its case, of what a case may record again as it is known later; else 0.
    #[must_use]
    pub const fn sequence(&self) -> i64 {
        match self {
            Self::Accident { sequence, .. } | Self::Conduct { order: Some(Order { sequence, .. }), .. } => *sequence,
            Self::Breach { .. } | Self::Conduct { .. } | Self::Evaluation { .. } => 0,
        }
    }

    /// When it happened: the limit that was not kept, the conduct, the accident, the end of the quarter.
    #[must_use]
    pub const fn happened_at(&self) -> Instant {
        match self {
            Self::Breach { due, .. } => *due,
            Self::Conduct { happened_at, .. } | Self::Accident { happened_at, .. } => *happened_at,
            Self::Evaluation { ended_at, .. } => *ended_at,
        }
    }

    /// What happened, in Chinese; empty for breaches, which their clock tells.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Breach { .. } => Cow::Borrowed(""),
            Self::Conduct { text, .. } | Self::Accident { text, .. } => Cow::Borrowed(text),
            Self::Evaluation { quarter, score, mark, .. } => {
                let points = |hundredths: &u32| format!("{}.{:02}", hundredths / 100, hundredths % 100);
                Cow::Owned(format!("{quarter}季度双向评议得分{}分，低于{}分", points(score), points(mark)))
            }
        }
    }
}

/// Who is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// A post, with its holders of the instant that counts.
    Post(Owner),
    /// A person or unit that the roster does not know. The office that decides takes down what it says.
    Outside {
        /// Its name.
        name: String,
    },
}

/// One who is charged, with his statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// For which responsibility.
    pub part: Part,
    /// Who.
    pub who: Who,
    /// 陈述申辩.
    pub statement: Option<Statement>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Who made it, or took it down.
    pub by: Post,
    /// What was said.
    pub text: String,
    /// When.
    pub at: Instant,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The office.
    pub by: Post,
    /// When.
    pub at: Instant,
    /// What it rests on.
    pub grounds: String,
    /// What becomes of each person, appeals included.
    pub persons: Vec<Verdict>,
    /// Until when it can be appealed: exclusive.
    pub appeal_until: Instant,
    /// Appeals against it.
    pub appeals: Vec<Appeal>,
}

/// What becomes of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// For which responsibility.
    pub part: Part,
    /// Who.
    pub person: String,
    /// What.
    pub outcome: Outcome,
    /// Why he is relieved; else empty.
    pub reason: String,
    /// Whether he is a leading cadre (领导干部).
    pub leading: bool,
    /// What was decided at first, where an appeal has changed it.
    #[serde(default)]
    pub before_appeal: Option<Outcome>,
}

/// An appeal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appeal {
    /// For which responsibility.
    pub part: Part,
    /// Who made it, or took it down.
    pub by: Post,
    /// Why.
    pub text: String,
    /// When.
    pub at: Instant,
    /// The decision on it.
    pub decision: Option<AppealDecision>,
}

/// The decision on appeals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppealDecision {
    /// The office.
    pub by: Post,
    /// When.
    pub at: Instant,
    /// What it rests on.
    pub grounds: String,
    /// Whether it changed an outcome.
    pub changed: bool,
}

impl Who {
    /// Its post.
    #[must_use]
    pub const fn post(&self) -> Option<&Post> {
        match self {
            Self::Post(owner) => Some(&owner.post),
            Self::Outside { .. } => None,
        }
    }

    /// The names; empty when the roster named nobody.
    #[must_use]
    pub fn persons(&self) -> &[String] {
        match self {
            Self::Post(owner) => &owner.persons,
            Self::Outside { name } => std::slice::from_ref(name),
        }
    }
}

impl Entry {
    /// The one who is charged for a responsibility.
    #[must_use]
    pub fn party(&self, part: Part) -> Option<&Party> {
        self.parties.iter().find(|party| party.part == part)
    }

    /// For which responsibility a post speaks: its own, or that of one outside the roster if the post decides on him.
    #[must_use]
    pub fn speaks_for(&self, post: &Post) -> Option<&Party> {
        self.parties.iter().find(|party| match party.who.post() {
            Some(own) => own == post,
            None => self.decider.office() == Some(post),
        })
    }

    /// Whether the post is charged.
    #[must_use]
    pub fn charges(&self, post: &Post) -> bool {
        self.parties.iter().any(|party| party.who.post() == Some(post))
    }

    /// Whether it stands and nothing was decided on it yet.
    #[must_use]
    pub const fn is_undecided(&self) -> bool {
        matches!(self.state, State::Opened | State::Stated)
    }

    /// Whether one charged was heard or has let the time for it pass.
    #[must_use]
    pub fn heard(&self, party: &Party, now: Instant) -> bool {
        party.statement.is_some() || now >= self.statement_until
    }

    /// The office whose turn it is; none when nobody's in the suite is.
    #[must_use]
    pub fn awaits(&self) -> Option<Post> {
        match self.state {
            State::Opened | State::Stated | State::Reopened => self.decider.office().cloned(),
            State::Appealed => self.decider.above(&self.path).office().cloned(),
            State::Decided | State::AppealDecided | State::Withdrawn => None,
        }
    }

    /// The instant whose month counts: that of the first decision, also where a later one corrects it.
    #[must_use]
    pub fn counted_at(&self) -> Option<Instant> {
        self.decisions.first().map(|decision| decision.at)
    }
}
