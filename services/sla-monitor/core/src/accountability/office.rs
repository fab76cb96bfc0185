//! Who decides: the office one level above the one charged.

use dafei_kernel::{
    owner::Post,
    region::{Level, RegionPath},
    role::Role,
};
use serde::{Deserialize, Serialize};

use super::{VillageDecider, VillageRules};

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decider {
    /// An office of the suite.
    Office(Post),
    /// Nobody in the suite: the city's office is decided on above the city.
    AboveCity,
}

impl Decider {
    /// The office.
    #[must_use]
    pub const fn office(&self) -> Option<&Post> {
        match self {
            Self::Office(post) => Some(post),
            Self::AboveCity => None,
        }
    }

    /// The next level above, which decides appeals.
    #[must_use]
    pub fn above(&self, path: &RegionPath) -> Self {
        match self {
            Self::Office(post) => above(post.role, path).unwrap_or(Self::AboveCity),
            Self::AboveCity => Self::AboveCity,
        }
    }
}

fn office(role: Role, level: Level, path: &RegionPath) -> Option<Decider> {
    let region = path.at(level)?.clone();
    Some(Decider::Office(Post { role, region, agency: None }))
}

/// The office above posts of the township and higher.
fn above(role: Role, path: &RegionPath) -> Option<Decider> {
    match role {
        Role::TownshipCentre | Role::TownshipAgency | Role::TownshipPrincipal => {
            office(Role::CountyOffice, Level::County, path)
        }
        Role::CountyOffice | Role::CountyDepartment | Role::CountyCommander | Role::CityDepartment => {
            office(Role::CityOffice, Level::City, path)
        }
        Role::CityOffice => Some(Decider::AboveCity),
        Role::GridMember
        | Role::VillageSecretary
        | Role::WorkAreaSecretary
        | Role::Bank
        | Role::HotlineClerk
        | Role::Auditor
        | Role::Service
        | Role::Admin => None,
    }
}

/// Who decides on a post whose regions from the city down are `path`; none when such a post is not charged here, or the path does not name
/// the office's region.
#[must_use]
pub fn decider_of(role: Role, path: &RegionPath, village: &VillageRules) -> Option<Decider> {
    match role {
        Role::GridMember | Role::VillageSecretary | Role::WorkAreaSecretary => match village.decider {
            VillageDecider::TownshipCentre => office(Role::TownshipCentre, Level::Township, path),
            VillageDecider::CountyOffice => office(Role::CountyOffice, Level::County, path),
        },
        other => above(other, path),
    }
}

/// Who decides on one outside the roster: the county's office, or the city's where no county is named.
pub(super) fn decider_of_outside(path: &RegionPath) -> Option<Decider> {
    office(Role::CountyOffice, Level::County, path).or_else(|| office(Role::CityOffice, Level::City, path))
}
