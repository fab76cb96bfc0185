//! 总指挥的指令 (统筹安排、协调指挥; clause C20): a county's commander, or the city's office, tells posts of its region what to do by when, and they answer.
//!
//! An aggregate of its own: a directive names cases and leaves them as they are; no clock depends on it. [`decide`] says which event a command makes,
//! [`evolve`] what a directive becomes by an event.

mod decide;
mod rejection;

use dafei_kernel::{
    owner::Post,
    region::{Region, RegionPath},
    roster::RosterIndex,
    time::Instant,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use decide::decide;
pub use rejection::{Obstacle, Reason, Rejection};

/// Most addressees of one directive.
pub const ADDRESSEES: usize = 100;
/// Most cases that one directive names.
pub const CASES: usize = 50;
/// Most answers of one addressee.
pub const ANSWERS: usize = 20;
/// How far ahead the due instant may lie.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// A directive. Made by [`evolve`] alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directive {
    /// Its id.
    pub id: Uuid,
    /// The post that gave it.
    pub commander: Post,
    /// Regions from the city down to the command's, as the roster had them.
    pub path: RegionPath,
    /// What is to be done.
    pub text: String,
    /// Who is to do it, as named.
    pub addressees: Vec<Addressee>,
    /// By when each of them is to have answered.
    pub due_at: Instant,
    /// Cases that it names.
    pub cases: Vec<Uuid>,
    /// When it was given.
    pub issued_at: Instant,
    /// Where it stands.
    pub state: State,
    /// Sequence of its last event.
    pub sequence: i64,
}

/// A post that is to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressee {
    /// Which.
    pub post: Post,
    /// What it answered, oldest first.
    pub answers: Vec<Answer>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// In words.
    pub text: String,
    /// Whether what was to be done is done.
    pub done: bool,
    /// When.
    pub at: Instant,
}

/// Where a directive stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is to be carried out.
    Open,
    /// 办结.
    Closed(End),
    /// 撤销.
    Withdrawn(End),
}

/// The end of a directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Why.
    pub reason: String,
    /// When.
    pub at: Instant,
}

impl State {
    /// The end, where there is one.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        match self {
            Self::Open => None,
            Self::Closed(end) | Self::Withdrawn(end) => Some(end),
        }
    }
}

impl Directive {
    /// Whether it is to be carried out.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// The addressee of this post.
    #[must_use]
    pub fn addressee(&self, post: &Post) -> Option<&Addressee> {
        self.addressees.iter().find(|addressee| addressee.post == *post)
    }

    /// Whether the addressee should have answered by now and has not.
    #[must_use]
    pub fn is_overdue(&self, addressee: &Addressee, now: Instant) -> bool {
        self.is_open() && self.due_at < now && addressee.answers.is_empty()
    }
}

/// A case as a directive names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCase {
    /// Its id.
    pub id: Uuid,
    /// The lowest region that has a part in it; none when there is no such case.
    pub place: Option<Region>,
}

/// A directive that is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The id it will have.
    pub id: Uuid,
    /// Who gives it.
    pub commander: Post,
    /// Regions from the city down to the command's, as the roster had them.
    pub path: RegionPath,
    /// What is to be done.
    pub text: String,
    /// To whom.
    pub addressees: Vec<Post>,
    /// By when.
    pub due_at: Instant,
    /// Which cases it names.
    pub cases: Vec<NamedCase>,
}

/// What is asked of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// To give it.
    Issue(Box<Draft>),
    /// To answer, or to add to the answer.
    Answer {
        /// Who answers.
        by: Post,
        /// In words.
        text: String,
        /// Whether it is done.
        done: bool,
    },
    /// To close it (办结).
    Close {
        /// Who asks.
        by: Post,
        /// Why.
        reason: String,
    },
    /// To take it back (撤销).
    Withdraw {
        /// Who asks.
        by: Post,
        /// Why.
        reason: String,
    },
}

/// What happened to a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was given.
    Issued(Box<Issued>),
    /// An addressee answered.
    Answered {
        /// Who.
        by: Post,
        /// What.
        answer: Answer,
    },
    /// It was closed.
    Closed(End),
    /// It was taken back.
    Withdrawn(End),
}

/// A directive as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its id.
    pub id: Uuid,
    /// Who gave it.
    pub commander: Post,
    /// Regions from the city down to the command's, as the roster had them.
    pub path: RegionPath,
    /// What is to be done.
    pub text: String,
    /// To whom.
    pub addressees: Vec<Post>,
    /// By when.
    pub due_at: Instant,
    /// Which cases it names.
    pub cases: Vec<Uuid>,
    /// When it was given.
    pub at: Instant,
}

/// What the rules look at beside the directive.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The instant.
    pub now: Instant,
    /// The roster.
    pub roster: &'a RosterIndex,
}

/// What the directive is after the event; none only where there was none and it was not given by the event.
#[must_use]
pub fn evolve(directive: Option<Directive>, event: &Event) -> Option<Directive> {
    let mut directive = match (directive, event) {
        (None, Event::Issued(issued)) => begun(issued),
        (directive, _) => directive?,
    };
    match event {
        Event::Issued(_) => {}
        Event::Answered { by, answer } => {
            let addressee = directive.addressees.iter_mut().find(|addressee| addressee.post == *by);
            if let Some(addressee) = addressee {
                addressee.answers.push(answer.clone());
            }
        }
        Event::Closed(end) => directive.state = State::Closed(end.clone()),
        Event::Withdrawn(end) => directive.state = State::Withdrawn(end.clone()),
    }
    directive.sequence += 1;
    Some(directive)
}

fn begun(issued: &Issued) -> Directive {
    let addressee = |post: &Post| Addressee { post: post.clone(), answers: Vec::new() };
    Directive {
        id: issued.id,
        commander: issued.commander.clone(),
        path: issued.path.clone(),
        text: issued.text.clone(),
        addressees: issued.addressees.iter().map(addressee).collect(),
        due_at: issued.due_at,
        cases: issued.cases.clone(),
        issued_at: issued.at,
        state: State::Open,
        sequence: 0,
    }
}
