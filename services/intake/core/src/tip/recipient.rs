//! Whom a tip goes to (clause D2): the centre of the township that it names, or above every unit that it accuses; never a village or a work area.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
    roster::RosterIndex,
};
use serde::{Deserialize, Serialize};

/// Who handles a tip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The township's centre, the county's office or the city's.
    pub post: Post,
    /// The regions from the city down to the post's.
    pub path: RegionPath,
}

/// The city itself is accused: nobody in the suite stands above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("accuses the city itself, and nobody here stands above it")]
pub struct Accused;

impl Recipient {
    /// The post of a region that tips go to; none where they go to nobody.
    #[must_use]
    pub fn of(roster: &RosterIndex, region: &Region) -> Option<Self> {
        let role = match region.level() {
            Level::Township => Role::TownshipCentre,
            Level::County => Role::CountyOffice,
            Level::City => Role::CityOffice,
            Level::WorkArea | Level::Village => return None,
        };
        let path = roster.path(region)?;
        Some(Self { post: Post { role, region: region.clone(), agency: None }, path })
    }

    /// Its region.
    #[must_use]
    pub const fn region(&self) -> &Region {
        &self.post.region
    }

    /// Whether it stands above each of the units: none is the recipient's own, and all lie in its region.
    #[must_use]
    pub fn is_above(&self, roster: &RosterIndex, units: &[Region]) -> bool {
        units.iter().all(|unit| unit != self.region() && roster.contains(self.region(), unit))
    }

    /// Whether it is one of the units, or lies in one.
    #[must_use]
    pub fn is_of(&self, roster: &RosterIndex, units: &[Region]) -> bool {
        units.iter().any(|unit| roster.contains(unit, self.region()))
    }
}

/// Whom a tip goes to: the lowest of township, county and city that contains the place and stands above every accused unit.
///
/// # Errors
/// When nobody stands above the accused.
pub fn recipient(roster: &RosterIndex, place: &RegionPath, accused: &[Region]) -> Result<Recipient, Accused> {
    place
        .regions()
        .iter()
        .rev()
        .filter_map(|region| Recipient::of(roster, region))
        .find(|recipient| recipient.is_above(roster, accused))
        .ok_or(Accused)
}

/// The office of a county to which the city hands a tip; none when the county is no county of the roster, or is accused.
#[must_use]
pub fn forwarded(roster: &RosterIndex, county: &Region, accused: &[Region]) -> Option<Recipient> {
    let recipient = Recipient::of(roster, county).filter(|_| county.level() == Level::County)?;
    (!recipient.is_of(roster, accused)).then_some(recipient)
}
