//! What happened to a case, as far as clocks are concerned: a set of facts, each known by its publisher and sequence, so that a fact that
//! comes twice is one.

use std::collections::BTreeMap;

use dafei_kernel::{
    owner::Post,
    region::{Level, RegionPath},
    role::Role,
    sector::Sector,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{clock::Clock, obligation::End};

/// Who published a fact. Sequences are counted per publisher and case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The village's steps.
    Intake,
    /// The case from the township centre up.
    Dispatch,
    /// What the reconciler found where an event's fact is missing.
    Reconciler,
}

impl Source {
    /// Stable code, which is the service's name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Dispatch => "dispatch",
            Self::Reconciler => "reconciler",
        }
    }

    /// The source of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Intake, Self::Dispatch, Self::Reconciler].into_iter().find(|source| source.code() == code)
    }
}

/// An instruction as facts name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Its id.
    pub instruction: Uuid,
    /// To whom.
    pub post: Post,
    /// 牵头 or 配合.
    pub lead: bool,
    /// Number of the assignment within the case: a lead and its co-handlers share it.
    pub leg: u32,
}

/// Tier of an instruction, or of the office where a case was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Township centre and its agencies.
    #[default]
    Township,
    /// County office and departments.
    County,
    /// City departments. The city's office has no clock.
    City,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum What {
    /// A suspected act was found; the fact's instant is the finding.
    SuspicionRecorded {
        /// The post that found it.
        finder: Option<Post>,
        /// Who of those who hold that post, where the event names him.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finder_person: Option<String>,
        /// Sector of the act.
        sector: Option<Sector>,
        /// The device's clock was off beyond the tolerance.
        skewed: bool,
    },
    /// The secretary was told.
    SecretaryNotified,
    /// Persuasion ended.
    PersuasionRecorded {
        /// 听劝 or 不听劝.
        heeded: bool,
    },
    /// The re-visit.
    RevisitRecorded {
        /// The act has stopped. Where it goes on, the report goes up.
        #[serde(default = "yes")]
        stopped: bool,
    },
    /// The report reached the centre.
    ReportedUp,
    /// The report was withdrawn.
    ReportWithdrawn,
    /// What persuasion had settled goes on after all.
    SuspicionReopened,
    /// Another report goes on in its place.
    ReportMerged,
    /// The result hangs on the notice board.
    ResultPublished,
    /// The report or tip is a case; the fact's instant is when it reached the centre or the county office.
    CaseOpened {
        /// Who has it. Facts kept from before cases could start at the county are the township's.
        #[serde(default)]
        tier: Tier,
        /// Sector of the act.
        sector: Option<Sector>,
        /// An agency found it itself (clause C19): neither the centre nor the office has to decide on it.
        #[serde(default)]
        own: bool,
    },
    /// The centre instructed a township agency.
    AgencyInstructed,
    /// An instruction was delivered.
    InstructionDelivered {
        /// Whose.
        tier: Tier,
        /// Which.
        assignment: Assignment,
        /// Nothing was delivered: the agency found the act itself and owns the loop (clause C19).
        #[serde(default)]
        own: bool,
        /// It orders work again that had been responded to (退回重办).
        #[serde(default)]
        rework: bool,
        /// Nothing shows the delivery: it is taken for granted after the longest time that one may take.
        #[serde(default)]
        assumed: bool,
    },
    /// A result came in: 先期处置 or 最终查处.
    ResultSubmitted {
        /// Whose.
        tier: Tier,
        /// Of which instruction.
        assignment: Assignment,
    },
    /// The township agency lacks the authority.
    AuthorityDeclined {
        /// Which instruction.
        assignment: Assignment,
    },
    /// The case went to the county office.
    Escalated,
    /// The office assigned departments.
    DepartmentInstructed,
    /// A department responded.
    DepartmentResponded {
        /// To which instruction.
        assignment: Assignment,
    },
    /// A department returned the assignment.
    AssignmentReturned {
        /// Which instruction.
        assignment: Assignment,
    },
    /// The result of an instruction was not taken, and the work is to be done again under another (退回重办).
    ReworkOrdered {
        /// The instruction whose result was not taken.
        assignment: Assignment,
    },
    /// The office granted more time. A refusal is no fact here.
    ExtensionGranted {
        /// To whom.
        assignment: Assignment,
        /// Working days beyond the limit, all extensions of this instruction together.
        working_days: u32,
        /// When it was asked: what was asked after the limit moves nothing.
        requested_at: Instant,
    },
    /// A closed case is taken up again.
    CaseReopened {
        /// By whom.
        tier: Tier,
    },
    /// The office told the centre the result.
    FedBack {
        /// Of which assignment.
        leg: u32,
    },
    /// The outcome is there.
    OutcomeAvailable {
        /// A village is to publish it.
        village: bool,
    },
    /// The case is closed.
    CaseClosed,
    /// A step that its service has open and no known fact started; the fact's instant is the start that the service names.
    StepFound(Box<FoundStep>),
    /// A running that its service has no open step for, and no known fact ended; the fact's instant is that of the finding, since nobody
    /// knows when it was done.
    StepGone {
        /// Whose steps were looked at.
        publisher: Source,
        /// Sequence of the last event that the publisher had told of the case then.
        version: i64,
        /// The obligation.
        obligation: Uuid,
        /// The end that was stored for it, of which the fact is missing.
        #[serde(default)]
        stored: Option<End>,
    },
}

/// Facts kept from before the re-visit's finding was kept: only one that found it stopped moved a clock.
const fn yes() -> bool {
    true
}

/// An open step as its service tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundStep {
    /// Whose step it is.
    pub publisher: Source,
    /// Sequence of the case's last event: the step is open as of it.
    pub version: i64,
    /// The clock.
    pub clock: Clock,
    /// Who owes it.
    pub owner: Post,
    /// The instruction, where it is one's.
    pub assignment: Option<Assignment>,
    /// The obligation that stands for it already: one that had been found gone, or one that is stored and whose fact is missing. None: a new one.
    #[serde(default)]
    pub obligation: Option<Uuid>,
}

impl What {
    /// The instruction it is about.
    #[must_use]
    pub const fn assignment(&self) -> Option<&Assignment> {
        match self {
            Self::InstructionDelivered { assignment, .. }
            | Self::ResultSubmitted { assignment, .. }
            | Self::AuthorityDeclined { assignment }
            | Self::DepartmentResponded { assignment }
            | Self::ReworkOrdered { assignment }
            | Self::ExtensionGranted { assignment, .. }
            | Self::AssignmentReturned { assignment } => Some(assignment),
            Self::StepFound(step) => step.assignment.as_ref(),
            Self::SuspicionRecorded { .. }
            | Self::SecretaryNotified
            | Self::PersuasionRecorded { .. }
            | Self::RevisitRecorded { .. }
            | Self::ReportedUp
            | Self::ReportWithdrawn
            | Self::SuspicionReopened
            | Self::ReportMerged
            | Self::ResultPublished
            | Self::CaseOpened { .. }
            | Self::AgencyInstructed
            | Self::Escalated
            | Self::DepartmentInstructed
            | Self::FedBack { .. }
            | Self::OutcomeAvailable { .. }
            | Self::CaseReopened { .. }
            | Self::CaseClosed
            | Self::StepGone { .. } => None,
        }
    }

    /// Whether it is the finding of a village's secretary himself, who then need not be told.
    #[must_use]
    pub fn is_found_by_the_secretary(&self) -> bool {
        let Self::SuspicionRecorded { finder: Some(finder), .. } = self else { return false };
        finder.role == Role::VillageSecretary
    }

    /// The lowest region that its region path must name, so that every owner of a clock it starts can be told.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::SuspicionRecorded { .. }
            | Self::SecretaryNotified
            | Self::PersuasionRecorded { .. }
            | Self::RevisitRecorded { .. }
            | Self::ReportedUp
            | Self::ReportWithdrawn
            | Self::SuspicionReopened
            | Self::ReportMerged
            | Self::ResultPublished
            | Self::OutcomeAvailable { village: true } => Level::Village,
            Self::AgencyInstructed | Self::AuthorityDeclined { .. } | Self::OutcomeAvailable { village: false } => {
                Level::Township
            }
            Self::CaseOpened { tier, .. }
            | Self::CaseReopened { tier }
            | Self::InstructionDelivered { tier, .. }
            | Self::ResultSubmitted { tier, .. } => tier.level(),
            Self::Escalated => Level::County,
            // At the county's office or the city's.
            Self::DepartmentInstructed
            | Self::DepartmentResponded { .. }
            | Self::AssignmentReturned { .. }
            | Self::ReworkOrdered { .. }
            | Self::ExtensionGranted { .. }
            | Self::FedBack { .. }
            | Self::CaseClosed
            | Self::StepGone { .. } => Level::City,
            Self::StepFound(step) => step.owner.region.level(),
        }
    }
}

impl Tier {
    /// The level of its posts.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Township => Level::Township,
            Self::County => Level::County,
            Self::City => Level::City,
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $zh:literal, $pattern:pat,)+) => {
        /// A kind of fact as the rules name it. One fact may be of several kinds: a lead's result is a county result, too.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FactKind { $($(#[$doc])* $name,)+ }

        impl FactKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its code in the rules.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Its name for clerks.
            #[must_use]
            pub const fn name_zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)+ }
            }

            /// Whether something is of this kind.
            #[must_use]
            pub const fn is(self, what: &What) -> bool {
                match self { $(Self::$name => matches!(what, $pattern),)+ }
            }
        }
    };
}

kinds! {
    /// V1 starts.
    SuspicionRecorded = "suspicion-recorded", "发现疑似非法行为", What::SuspicionRecorded { .. },
    /// The secretary was told.
    SecretaryNotified = "secretary-notified", "村支部书记接到告知", What::SecretaryNotified,
    /// 听劝.
    PersuasionHeeded = "persuasion-heeded", "劝导听劝", What::PersuasionRecorded { heeded: true },
    /// 不听劝.
    PersuasionRefused = "persuasion-refused", "劝导不听劝", What::PersuasionRecorded { heeded: false },
    /// 回访.
    RevisitRecorded = "revisit-recorded", "已回访", What::RevisitRecorded { .. },
    /// 回访发现仍在继续: the report is to go up.
    RevisitGoesOn = "revisit-goes-on", "回访发现行为仍在继续", What::RevisitRecorded { stopped: false },
    /// 上报乡镇.
    ReportedUp = "reported-up", "已上报乡镇中心", What::ReportedUp,
    /// 撤回.
    ReportWithdrawn = "report-withdrawn", "报告已撤回", What::ReportWithdrawn,
    /// 重新启动.
    SuspicionReopened = "suspicion-reopened", "线索重新启动", What::SuspicionReopened,
    /// 并案.
    ReportMerged = "report-merged", "已并入另一条线索", What::ReportMerged,
    /// 村居公开.
    ResultPublished = "result-published", "结果已在村居公开", What::ResultPublished,
    /// The centre has it.
    CaseOpened = "case-opened", "报告到达乡镇中心", What::CaseOpened { tier: Tier::Township, own: false, .. },
    /// The office has it from the start.
    CountyCaseOpened = "county-case-opened", "举报到达县区办公室", What::CaseOpened { tier: Tier::County, own: false, .. },
    /// 指令到站所.
    AgencyInstructed = "agency-instructed", "已指令乡镇机构", What::AgencyInstructed,
    /// T2 starts.
    TownshipInstructionDelivered = "township-instruction-delivered", "指令送达乡镇机构", What::InstructionDelivered { tier: Tier::Township, .. },
    /// T2 stops.
    TownshipResultSubmitted = "township-result-submitted", "乡镇机构已报结果", What::ResultSubmitted { tier: Tier::Township, .. },
    /// 超出权限退回.
    AuthorityDeclined = "authority-declined", "乡镇机构以超出权限退回", What::AuthorityDeclined { .. },
    /// 上报县区.
    Escalated = "escalated", "已上报县区办公室", What::Escalated,
    /// 派单.
    DepartmentInstructed = "department-instructed", "已派单到部门", What::DepartmentInstructed,
    /// K3 starts.
    CountyInstructionDelivered = "county-instruction-delivered", "指令送达部门", What::InstructionDelivered { tier: Tier::County, .. },
    /// K2 starts: not with what a department found itself, nor with work that is to be done again.
    ResponseOwed = "response-owed", "指令送达部门，待响应",
        What::InstructionDelivered { tier: Tier::County, own: false, rework: false, .. },
    /// K3 of a city department starts.
    CityInstructionDelivered = "city-instruction-delivered", "指令送达市直部门", What::InstructionDelivered { tier: Tier::City, .. },
    /// K3 of a city department stops.
    CityResultSubmitted = "city-result-submitted", "市直部门已报结果", What::ResultSubmitted { tier: Tier::City, .. },
    /// 退回重办.
    ReworkOrdered = "rework-ordered", "结果退回重办", What::ReworkOrdered { .. },
    /// The centre has it again.
    CaseReopened = "case-reopened", "案件重新由乡镇中心办理", What::CaseReopened { tier: Tier::Township },
    /// The office has it again.
    CountyCaseReopened = "county-case-reopened", "案件重新由县区办公室办理", What::CaseReopened { tier: Tier::County },
    /// 响应.
    DepartmentResponded = "department-responded", "部门已响应", What::DepartmentResponded { .. },
    /// K3 stops.
    CountyResultSubmitted = "county-result-submitted", "部门已报结果", What::ResultSubmitted { tier: Tier::County, .. },
    /// K4 starts.
    LeadResultSubmitted = "lead-result-submitted", "牵头部门已报结果",
        What::ResultSubmitted { tier: Tier::County, assignment: Assignment { lead: true, .. } },
    /// 退回.
    AssignmentReturned = "assignment-returned", "部门退回派单", What::AssignmentReturned { .. },
    /// The lead's return sends the case back to the office.
    LeadAssignmentReturned = "lead-assignment-returned", "牵头部门退回派单",
        What::AssignmentReturned { assignment: Assignment { lead: true, .. } },
    /// 反馈乡镇.
    FedBack = "fed-back", "结果已反馈乡镇中心", What::FedBack { .. },
    /// P1 starts.
    VillageOutcomeAvailable = "village-outcome-available", "结果到达村居", What::OutcomeAvailable { village: true },
    /// 办结.
    Closed = "closed", "已办结", What::CaseClosed,
}

impl FactKind {
    /// The kind of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

/// Something that happened to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Who published it.
    pub source: Source,
    /// Its number within (source, case).
    pub sequence: i64,
    /// The instant that counts for the clocks: it stops what was owed.
    pub at: Instant,
    /// When its publisher recorded it, where it was told by way of the bus and the publisher had it only then: nobody could see it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<Instant>,
    /// Regions from the city down.
    pub path: RegionPath,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// A fact whose region path does not name the level that its owners need.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the region path {path} names no {level}")]
pub struct PathError {
    /// The path.
    pub path: RegionPath,
    /// The level that is missing.
    pub level: Level,
}

impl Fact {
    /// When the clocks that it starts begin to run: not before the one who owes what follows could know of it. An outage of the publisher makes
    /// nobody late, neither who had done his part before it was over nor who could not begin with his.
    #[must_use]
    pub fn starts_at(&self) -> Instant {
        self.known_at.map_or(self.at, |known| known.max(self.at))
    }

    /// Says whether the ledger can use it.
    ///
    /// # Errors
    /// When its region path does not go down to the level of the posts concerned.
    pub fn check(&self) -> Result<(), PathError> {
        let level = self.what.level();
        if self.path.at(level).is_some() { Ok(()) } else { Err(PathError { path: self.path.clone(), level }) }
    }
}

/// The facts of one case. A set: order and repetition of what is added do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFacts {
    case: Uuid,
    facts: BTreeMap<(Source, i64), Fact>,
}

impl CaseFacts {
    /// A case of which nothing is known yet.
    #[must_use]
    pub const fn new(case: Uuid) -> Self {
        Self { case, facts: BTreeMap::new() }
    }

    /// Adds a fact; says whether it is new.
    pub fn add(&mut self, fact: Fact) -> bool {
        let key = (fact.source, fact.sequence);
        match self.facts.entry(key) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(fact);
                true
            }
            std::collections::btree_map::Entry::Occupied(_) => false,
        }
    }

    /// The case.
    #[must_use]
    pub const fn case(&self) -> Uuid {
        self.case
    }

    /// The case as one publisher tells it, up to an event of its own: what that publisher knew then of what it did itself.
    #[must_use]
    pub fn of_publisher(&self, publisher: Source, version: i64) -> Self {
        let told = self.facts.iter().filter(|((source, sequence), _)| *source == publisher && *sequence <= version);
        Self { case: self.case, facts: told.map(|(key, fact)| (*key, fact.clone())).collect() }
    }

    /// The number of the next fact that the reconciler adds.
    #[must_use]
    pub fn next_finding(&self) -> i64 {
        let last = self.facts.keys().rev().find(|(source, _)| *source == Source::Reconciler);
        last.map_or(1, |(_, sequence)| sequence + 1)
    }

    /// All facts, by source and sequence.
    pub fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values()
    }

    /// Sector of the case: the township's word before the finder's.
    #[must_use]
    pub fn sector(&self) -> Option<Sector> {
        let of = |pick: fn(&What) -> Option<Sector>| self.iter().find_map(|fact| pick(&fact.what));
        of(|what| if let What::CaseOpened { sector, .. } = what { *sector } else { None })
            .or_else(|| of(|what| if let What::SuspicionRecorded { sector, .. } = what { *sector } else { None }))
    }

    /// 总时长 (G0): from the finding to the closing. A reopening takes the closing back, in the village as well; nothing starts it again.
    #[must_use]
    pub fn total(&self) -> Total {
        let first = |pick: fn(&What) -> bool| self.iter().filter(|fact| pick(&fact.what)).map(|fact| fact.at).min();
        let found = first(|what| matches!(what, What::SuspicionRecorded { .. }))
            .or_else(|| first(|what| matches!(what, What::CaseOpened { .. })));
        let ends = self.iter().filter(|fact| {
            matches!(
                fact.what,
                What::CaseClosed
                    | What::CaseReopened { .. }
                    | What::SuspicionReopened
                    | What::ReportWithdrawn
                    | What::ReportMerged
                    | What::RevisitRecorded { stopped: true }
            )
        });
        let last = ends.max_by_key(|fact| (fact.source, fact.sequence));
        let opened = self.iter().any(|fact| matches!(fact.what, What::CaseOpened { .. }));
        // What is a case ends by its closing alone.
        let closed = last.filter(|fact| match fact.what {
            What::CaseReopened { .. } | What::SuspicionReopened => false,
            What::CaseClosed => true,
            _ => !opened,
        });
        Total { found_at: found, closed_at: closed.map(|fact| fact.at) }
    }
}

/// The whole time of a case (G0). It has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// The finding; none when it is not known.
    pub found_at: Option<Instant>,
    /// The closing; none while it is open.
    pub closed_at: Option<Instant>,
}

impl Total {
    /// Whole seconds, until `now` while the case is open; 0 when the finding is not known.
    #[must_use]
    pub fn seconds(&self, now: Instant) -> i64 {
        let end = self.closed_at.unwrap_or(now);
        self.found_at.map_or(0, |found| end.duration_since(found).as_secs().max(0))
    }
}
