//! Whose step a command is: the posts that the rules name for it, by the regions that the case had at its opening.

use dafei_kernel::{owner::Post, region::Level, role::Role};

use super::{
    Case, Source,
    command::{Command, Step},
    stage::{StageKind, Tier},
};

/// Why a command is not the actor's to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[error("{}", self.code())]
pub enum NotYours {
    /// The step is that of the same post of another region, or of nobody.
    Region,
    /// The step is another agency's.
    Agency,
    /// The step is the same agency's at another level.
    Level,
    /// The step is another role's.
    Role,
}

impl NotYours {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Region, Self::Agency, Self::Level, Self::Role];

    /// Stable code for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Region => "OUT_OF_SCOPE",
            Self::Agency => "WRONG_AGENCY",
            Self::Level => "WRONG_LEVEL",
            Self::Role => "WRONG_ROLE",
        }
    }

    /// What a clerk reads.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Region => "不在您的管辖范围内",
            Self::Agency => "不是派给本单位的，由其他部门办理",
            Self::Level => "不是本级的，由同一部门的其他层级办理",
            Self::Role => "不是您岗位的事项",
        }
    }
}

/// Whether this post may ask this of the case; whether the case is in a state for it is decided elsewhere.
///
/// # Errors
/// What of the post is not that of the step.
pub fn may(actor: &Post, case: &Case, command: &Command) -> Result<(), NotYours> {
    let posts = posts(case, command);
    if posts.contains(actor) {
        return Ok(());
    }
    let some = |same: &dyn Fn(&Post) -> bool| posts.iter().any(same);
    Err(if posts.is_empty() || some(&|post| post.role == actor.role && post.agency == actor.agency) {
        NotYours::Region
    } else if some(&|post| post.role == actor.role) {
        NotYours::Agency
    } else if actor.agency.is_some() && some(&|post| post.agency == actor.agency) {
        NotYours::Level
    } else {
        NotYours::Role
    })
}

/// The posts that may ask this of the case.
#[must_use]
pub fn posts(case: &Case, command: &Command) -> Vec<Post> {
    let (centre, office) = (case.facts.centre(), case.facts.office());
    match command {
        Command::InstructAgency { .. } | Command::Escalate { .. } | Command::AcceptResult { .. } => {
            centre.into_iter().collect()
        }
        Command::AssignDepartment { .. } | Command::FeedBack { .. } | Command::DecideExtension { .. } => vec![office],
        Command::OrderRework { .. } => match case.stage.kind() {
            StageKind::TownshipResult => centre.into_iter().collect(),
            StageKind::DepartmentResult => vec![office],
            StageKind::AtCentre
            | StageKind::WithTownshipAgency
            | StageKind::Declined
            | StageKind::AtOffice
            | StageKind::WithDepartment
            | StageKind::OutcomeAvailable
            | StageKind::Closed => centre.into_iter().chain([office]).collect(),
        },
        Command::Merge { .. } => vec![case.holder()],
        Command::TakeBack { .. } => case.facts.opened_by.clone().into_iter().collect(),
        Command::Urge { .. } => centre.into_iter().chain(above(case)).collect(),
        Command::Supervise { .. } | Command::Expose { .. } | Command::RetractExposure => above(case),
        Command::RequestReopening { .. } => {
            let secretary = |village| Post { role: Role::VillageSecretary, region: village, agency: None };
            case.facts.village.clone().map(secretary).into_iter().chain(centre).chain(above(case)).collect()
        }
        Command::DecideReopening { .. } => [case.holder(), office].into_iter().chain(city(case)).collect(),
        Command::RecordAccident(_) | Command::RecordAccessory(_) => {
            let working = case.instructions.iter().map(|instruction| instruction.post.clone());
            working.chain(centre).chain(above(case)).collect()
        }
        // Whoever ordered it, or the offices above.
        Command::Instruction { step: Step::Resend { .. }, id } => {
            let of_township = case.instruction(*id).is_some_and(|instruction| instruction.tier() == Tier::Township);
            centre.filter(|_| of_township).into_iter().chain(above(case)).collect()
        }
        Command::Instruction { id, .. } => {
            case.instruction(*id).map(|instruction| instruction.post.clone()).into_iter().collect()
        }
        // Not steps of a post: they come from intake's events, with another's step, or by the clock.
        Command::Open(_)
        | Command::Publish
        | Command::Withdraw
        | Command::Absorb { .. }
        | Command::HandOver { .. }
        | Command::AttachTips(_)
        | Command::EndVerification => Vec::new(),
    }
}

/// Whether posts of this level may learn that there are public tips: none below the township may (clause D2).
#[must_use]
pub const fn learns_of_tips(level: Level) -> bool {
    match level {
        Level::City | Level::County | Level::Township => true,
        Level::WorkArea | Level::Village => false,
    }
}

fn city(case: &Case) -> Option<Post> {
    let region = case.facts.path.at(Level::City)?.clone();
    Some(Post { role: Role::CityOffice, region, agency: None })
}

/// The county's office and commander, and the city's office.
fn above(case: &Case) -> Vec<Post> {
    let commander = |county| Post { role: Role::CountyCommander, region: county, agency: None };
    let commander = case.facts.county.clone().map(commander);
    [case.facts.office()].into_iter().chain(commander).chain(city(case)).collect()
}

impl Case {
    /// Whether this post may read in which words it came. Those of a public tip are for the posts that handle it
    /// (clause D2): its centre, its office, the city's office, and whoever has an instruction in it.
    #[must_use]
    pub fn shows_words(&self, reader: &Post) -> bool {
        self.facts.source != Source::PublicTip
            || [self.facts.centre(), Some(self.facts.office()), city(self)].iter().flatten().any(|post| post == reader)
            || self.instructions.iter().any(|instruction| instruction.post == *reader)
    }

    /// The level of the departments that its office assigns.
    #[must_use]
    pub const fn department_level(&self) -> Level {
        match self.facts.county {
            Some(_) => Level::County,
            None => Level::City,
        }
    }

    /// The role of the agencies at a tier.
    pub(crate) const fn agency_role(tier: Tier) -> Role {
        match tier {
            Tier::Township => Role::TownshipAgency,
            Tier::County => Role::CountyDepartment,
            Tier::City => Role::CityDepartment,
        }
    }
}
