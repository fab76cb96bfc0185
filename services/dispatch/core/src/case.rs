//! The case as an aggregate: [`decide`] says which events a command makes, [`evolve`] what a case becomes by an event.
//!
//! Everything that may happen to a case from the township centre up (clauses C6 to C13) goes through these two functions, whether
//! it comes by gRPC, from an agency's own system, or from the clock.

mod command;
mod decide;
mod event;
mod evolve;
mod instruction;
mod invariants;
mod rejection;
mod result;
mod stage;
mod step;
mod tip;

use dafei_kernel::{
    act::Act,
    owner::Post,
    region::{Region, RegionPath},
    role::Role,
    subject::Subject,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub use command::{Choice, Command, Context, ResultReport, Step};
pub use dafei_kernel::measure::{Measure, MeasureKind};
pub use decide::decide;
pub use event::{Assignee, Cause, Event, Route};
pub use evolve::evolve;
pub use instruction::{Decline, Delivery, Given, Instruction, InstructionState, Means, Response, ResultKind};
pub use invariants::{Broken, check};
pub use rejection::{Obstacle, Reason, Rejection};
pub use stage::{Stage, StageKind, Tier};
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
    /// Minted by intake when the suspicion was recorded or the tip came; the same from there to the closing.
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
    /// The township whose centre has it; none where it was opened at the county office: a township that may be accused learns
    /// nothing of it.
    pub township: Option<Region>,
    /// The county, by the roster.
    pub county: Region,
    /// Regions from the city down to the village, township or county, as the roster had them at the opening.
    pub path: RegionPath,
    /// What was seen.
    pub description: String,
    /// The finding.
    pub found_at: Instant,
    /// When it reached the centre, or the office where it was opened there: T1 or K1 starts here.
    pub reached_at: Instant,
    /// The public tip that opened it.
    pub tip: Option<Uuid>,
}

impl Facts {
    /// The tier at which the case was opened.
    #[must_use]
    pub const fn start(&self) -> Tier {
        if self.township.is_some() { Tier::Township } else { Tier::County }
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
    /// Its public tips: the one that opened it, then those that were merged into it. A case stored before there were any has none.
    #[serde(default)]
    pub tips: Vec<Tip>,
    /// How the verification ended; none before a result was accepted or fed back.
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

    pub(crate) fn instruction_mut(&mut self, id: Uuid) -> Option<&mut Instruction> {
        self.instructions.iter_mut().find(|instruction| instruction.id == id)
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
        let post = |role, region: &Region| Post { role, region: region.clone(), agency: None };
        let centre = || self.facts.township.as_ref().map(|township| post(Role::TownshipCentre, township));
        let office = || post(Role::CountyOffice, &self.facts.county);
        match &self.stage {
            Stage::AtCentre | Stage::Declined { .. } | Stage::TownshipResult { .. } => centre(),
            Stage::AtOffice | Stage::DepartmentResult { .. } => Some(office()),
            Stage::WithTownshipAgency { instruction } | Stage::WithDepartment { lead: instruction } => {
                self.instruction(*instruction).map(|instruction| instruction.post.clone())
            }
            Stage::OutcomeAvailable { .. } => match &self.facts.village {
                Some(village) => Some(post(Role::VillageSecretary, village)),
                None => centre().or_else(|| Some(office())),
            },
            Stage::Closed { .. } => None,
        }
    }
}
