//! Whose step a command is: the post that the rules name for it, by the regions that the case had at its opening.

use dafei_kernel::{owner::Post, region::Level, role::Role};

use super::{
    Case,
    command::Command,
    stage::{StageKind, Tier},
};

/// Whether this post may ask this of the case; whether the case is in a state for it is decided elsewhere.
#[must_use]
pub fn may(actor: &Post, case: &Case, command: &Command) -> bool {
    match command {
        Command::InstructAgency { .. } | Command::Escalate { .. } | Command::AcceptResult { .. } => centre(actor, case),
        Command::AssignDepartment { .. } | Command::FeedBack { .. } | Command::DecideExtension { .. } => {
            office(actor, case)
        }
        Command::OrderRework { .. } => match case.stage.kind() {
            StageKind::TownshipResult => centre(actor, case),
            StageKind::DepartmentResult => office(actor, case),
            StageKind::AtCentre
            | StageKind::WithTownshipAgency
            | StageKind::Declined
            | StageKind::AtOffice
            | StageKind::WithDepartment
            | StageKind::OutcomeAvailable
            | StageKind::Closed => centre(actor, case) || office(actor, case),
        },
        Command::Merge { .. } => *actor == case.holder(),
        Command::TakeBack { .. } => case.facts.opened_by.as_ref() == Some(actor),
        Command::Urge { .. } => centre(actor, case) || above(actor, case),
        Command::Supervise { .. } | Command::Expose { .. } | Command::RetractExposure => above(actor, case),
        Command::RequestReopening { .. } => {
            let secretary = actor.role == Role::VillageSecretary && case.facts.village.as_ref() == Some(&actor.region);
            secretary || centre(actor, case) || above(actor, case)
        }
        Command::DecideReopening { .. } => *actor == case.holder() || office(actor, case) || city(actor, case),
        Command::RecordAccident(_) | Command::RecordAccessory(_) => {
            let works = case.instructions.iter().any(|instruction| instruction.post == *actor);
            works || centre(actor, case) || above(actor, case)
        }
        Command::Instruction { id, .. } => case.instruction(*id).is_some_and(|one| one.post == *actor),
        // Not steps of a post: they come from intake's events, or with another's step.
        Command::Open(_)
        | Command::Publish
        | Command::Withdraw
        | Command::Absorb { .. }
        | Command::HandOver { .. }
        | Command::AttachTips(_) => false,
    }
}

fn centre(actor: &Post, case: &Case) -> bool {
    case.facts.centre().as_ref() == Some(actor)
}

fn office(actor: &Post, case: &Case) -> bool {
    case.facts.office() == *actor
}

fn city(actor: &Post, case: &Case) -> bool {
    actor.role == Role::CityOffice && case.facts.path.at(Level::City) == Some(&actor.region)
}

/// The county's office and commander, and the city's office.
fn above(actor: &Post, case: &Case) -> bool {
    let commander = actor.role == Role::CountyCommander && case.facts.county.as_ref() == Some(&actor.region);
    office(actor, case) || commander || city(actor, case)
}

impl Case {
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
