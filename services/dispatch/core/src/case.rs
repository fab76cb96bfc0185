//! The case as an aggregate: [`decide`] says which events a command makes, [`evolve`] what a case becomes by an event.
//!
//! Everything that may happen to a case from the township centre up (clauses C6 to C13) goes through these two functions, whether
//! it comes by gRPC, from an agency's own system, or from the clock.

mod actor;
mod command;
mod decide;
mod ending;
mod event;
mod evolve;
mod extension;
mod instruction;
mod invariants;
mod open;
mod open_step;
mod record;
mod rejection;
mod result;
mod stage;
mod step;
mod tip;

use dafei_kernel::{
    act::Act,
    conduct::{Accessory, Accident},
    measure::{Compliance, WithoutException},
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
    subject::Subject,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub use actor::{NotYours, learns_of_tips, may, posts};
pub use command::{Choice, Command, Context, Limits, ResultReport, Step};
pub use dafei_kernel::measure::{Measure, MeasureKind};
pub use decide::decide;
pub use ending::{may_merge, may_tell};
pub use event::{Assignee, Cause, Event, Ground, Route};
pub use evolve::evolve;
pub use instruction::{
    Answer, Decline, Delivery, Extension, Given, Instruction, InstructionState, Means, Response, ResultKind,
};
pub use invariants::{Broken, check, check_at_rest};
pub use open_step::OpenStep;
pub use record::{Exposure, Reopening, Supervision, Urging, believed as accident_believed};
pub use rejection::{Obstacle, Reason, Rejection};
pub use stage::{Stage, StageKind, Tier};
pub use step::RESENT;
pub use tip::{Conclusion, Link, Tip, Verdict, link};

/// Where a case comes from (clause C16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// 网格上报.
    GridReport,
    /// 群众举报.
    PublicTip,
    /// 上级督办.
    SuperiorSupervision,
    /// 日常检查.
    DailyCheck,
    /// 事故.
    Accident,
}

/// What is known of a case when it opens, and does not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Minted by intake when the suspicion was recorded or the tip came, by dispatch where an office or agency opened it; the same from
    /// there to the closing.
    pub id: Uuid,
    /// Where it comes from.
    pub source: Source,
    /// The suspected act.
    pub act: Act,
    /// Text of an act xx-99, else empty.
    pub act_text: String,
    /// Enterprise or den (clause A3).
    pub subject: Subject,
    /// The village it comes from, if any.
    pub village: Option<Region>,
    /// The township whose centre has it; none where it was opened at an office or by a department: a township that may be accused learns
    /// nothing of it.
    pub township: Option<Region>,
    /// The county, by the roster; none where it was opened at the city office or by a city department.
    pub county: Option<Region>,
    /// Where it lies, where that is known and the case came from no village.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Region>,
    /// Regions from the city down to the village, township, county or city that has it, as the roster had them at the opening.
    pub path: RegionPath,
    /// What was seen.
    pub description: String,
    /// The finding.
    pub found_at: Instant,
    /// When it reached the centre, or the office where it was opened there: T1 or K1 starts here.
    pub reached_at: Instant,
    /// The public tip that opened it.
    pub tip: Option<Uuid>,
    /// The post that opened it here; none for what came from intake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<Post>,
    /// The agency that found it itself (clause C19): it has the case without an instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finder: Option<Finder>,
}

/// An agency that found an act itself (日常巡查发现, clause C19) and owns the loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finder {
    /// Stands for the instruction that nobody gave: its steps name it.
    pub instruction: Uuid,
    /// The agency at its level.
    pub post: Post,
}

impl Facts {
    /// The tier at which the case was opened.
    #[must_use]
    pub const fn start(&self) -> Tier {
        match (&self.township, &self.county) {
            (Some(_), _) => Tier::Township,
            (None, Some(_)) => Tier::County,
            (None, None) => Tier::City,
        }
    }

    /// The region of the office that assigns its departments: the county, or the city where no county has it.
    #[must_use]
    pub fn office_region(&self) -> &Region {
        // A path begins with its city; that of a case is checked when it is opened.
        self.county.as_ref().unwrap_or_else(|| self.path.at(Level::City).unwrap_or_else(|| self.path.leaf()))
    }

    /// The lowest region that has a part in it: what lies below it may not see it. Of a tip it is its township or its county, so that neither a
    /// village nor an accused township sees it.
    #[must_use]
    pub fn lowest(&self) -> &Region {
        self.village.as_ref().or(self.township.as_ref()).unwrap_or_else(|| self.office_region())
    }

    /// The office that assigns its departments.
    #[must_use]
    pub fn office(&self) -> Post {
        let role = if self.county.is_some() { Role::CountyOffice } else { Role::CityOffice };
        Post { role, region: self.office_region().clone(), agency: None }
    }

    /// Its township's centre, where one has a part in it.
    #[must_use]
    pub fn centre(&self) -> Option<Post> {
        let township = self.township.clone()?;
        Some(Post { role: Role::TownshipCentre, region: township, agency: None })
    }
}

/// A case. Made by [`evolve`] alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What does not change.
    pub facts: Facts,
    /// Where it stands.
    pub stage: Stage,
    /// All instructions, oldest first.
    pub instructions: Vec<Instruction>,
    /// Number of assignments so far.
    pub legs: u32,
    /// Acts confirmed so far; each counts once in a case.
    pub confirmed: BTreeSet<Act>,
    /// Measures so far by the id that their decider chose.
    pub measures: BTreeMap<String, Measure>,
    /// By whose instruction each measure was taken.
    #[serde(default)]
    pub taken_by: BTreeMap<String, Uuid>,
    /// What became of measures, by their ids (clauses F3 and E4).
    #[serde(default)]
    pub compliance: BTreeMap<String, Compliance>,
    /// Which of the four that are to be taken without exception do not apply, and why (clause F3): what the lead of the last assignment has said.
    #[serde(default)]
    pub exemptions: BTreeMap<WithoutException, String>,
    /// An act was confirmed that an enterprise did outside its registered or licensed scope (clause C17).
    #[serde(default)]
    pub outside_scope: bool,
    /// How the last assignment was routed: rule and version of the table.
    #[serde(default)]
    pub route: Option<Route>,
    /// By what its township last handled it itself: entry and version of the townships' authority. None where it never did, and in a case
    /// stored before that was kept.
    #[serde(default)]
    pub ground: Option<Ground>,
    /// Assignments that their lead returned; past the bound the next one is binding.
    #[serde(default)]
    pub returns: u32,
    /// 督办.
    #[serde(default)]
    pub supervisions: Vec<Supervision>,
    /// 催办.
    #[serde(default)]
    pub urgings: Vec<Urging>,
    /// Who helped (clause E4).
    #[serde(default)]
    pub accessories: Vec<Accessory>,
    /// What it caused (clause E5), as known last.
    #[serde(default)]
    pub accident: Option<Accident>,
    /// 公开曝光 (clause F4).
    #[serde(default)]
    pub exposure: Option<Exposure>,
    /// A request to take it up again that waits for its decision.
    #[serde(default)]
    pub reopening: Option<Reopening>,
    /// Times it was taken up again.
    #[serde(default)]
    pub reopened: u32,
    /// Cases of the same matter that ended in this one.
    #[serde(default)]
    pub duplicates: Vec<Uuid>,
    /// Since when it is in its stage; none in a case stored before that was kept.
    #[serde(default)]
    pub since: Option<Instant>,
    /// When it was closed; none while it is open.
    #[serde(default)]
    pub closed_at: Option<Instant>,
    /// Its public tips: the one that opened it, then those that were merged into it. A case stored before there were any has none.
    #[serde(default)]
    pub tips: Vec<Tip>,
    /// What the verification has come to; none before a result that decides was accepted or fed back, and none any more where an untrue one is looked
    /// into again.
    pub conclusion: Option<Conclusion>,
    /// Sequence of the last published event.
    pub sequence: i64,
}

impl Case {
    /// The instruction with this id.
    #[must_use]
    pub fn instruction(&self, id: Uuid) -> Option<&Instruction> {
        self.instructions.iter().find(|instruction| instruction.id == id)
    }

    /// The lead of the assignment that an instruction belongs to; where that lead returned it, the next assignment's. None while there is no
    /// such.
    #[must_use]
    pub fn lead_of(&self, instruction: &Instruction) -> Option<&Instruction> {
        self.instructions.iter().find(|one| one.lead && one.leg >= instruction.leg && one.declined.is_none())
    }

    pub(crate) fn instruction_mut(&mut self, id: Uuid) -> Option<&mut Instruction> {
        self.instructions.iter_mut().find(|instruction| instruction.id == id)
    }

    /// The tier that has it, or had it last.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        match self.stage.tier() {
            Tier::Township => Tier::Township,
            Tier::County | Tier::City if self.facts.county.is_none() => Tier::City,
            Tier::County | Tier::City => Tier::County,
        }
    }

    /// The post that decides on it in its tier: the centre, or the office.
    #[must_use]
    pub fn holder(&self) -> Post {
        let centre = if self.tier() == Tier::Township { self.facts.centre() } else { None };
        centre.unwrap_or_else(|| self.facts.office())
    }

    /// The posts that owe the next step: the stage's, then those of co-handlers who still work. Empty when closed.
    #[must_use]
    pub fn open_steps(&self) -> Vec<Post> {
        let mut posts: Vec<Post> = self.stage_owner().into_iter().collect();
        let working = |instruction: &&Instruction| !instruction.lead && instruction.is_open();
        posts.extend(self.instructions.iter().filter(working).map(|instruction| instruction.post.clone()));
        posts
    }

    /// The post that owes the step of the stage; none when the case is closed.
    #[must_use]
    pub fn stage_owner(&self) -> Option<Post> {
        let (centre, office) = (|| self.facts.centre(), || self.facts.office());
        match &self.stage {
            Stage::AtCentre | Stage::Declined { .. } | Stage::TownshipResult { .. } => centre(),
            Stage::AtOffice | Stage::DepartmentResult { .. } => Some(office()),
            Stage::WithTownshipAgency { instruction } | Stage::WithDepartment { lead: instruction } => {
                self.instruction(*instruction).map(|instruction| instruction.post.clone())
            }
            Stage::OutcomeAvailable { .. } => match &self.facts.village {
                Some(village) => Some(Post { role: Role::VillageSecretary, region: village.clone(), agency: None }),
                None => centre().or_else(|| Some(office())),
            },
            Stage::Closed { .. } => None,
        }
    }
}
