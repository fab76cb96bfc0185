//! Who owes duties: villages, townships, offices and departments. A filing unit is one of the roster's posts (clause C18).

use std::{fmt, str::FromStr};

use dafei_kernel::{
    agency::Agency,
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
    roster::{Holder, RosterIndex, RosterPart},
    time::Instant,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Kind of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnitKind {
    /// 村居.
    Village,
    /// 乡镇.
    Township,
    /// 县区办公室.
    County,
    /// 县区部门.
    CountyDepartment,
    /// 市办公室.
    City,
    /// 市直部门.
    CityDepartment,
}

/// A unit: a region, and for a department its agency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit {
    region: Region,
    agency: Option<Agency>,
}

/// The text is no unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no unit that owes duties")]
pub struct UnitError(String);

impl UnitKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Village, Self::Township, Self::County, Self::CountyDepartment, Self::City, Self::CityDepartment];

    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Village => "village",
            Self::Township => "township",
            Self::County => "county",
            Self::CountyDepartment => "county-department",
            Self::City => "city",
            Self::CityDepartment => "city-department",
        }
    }

    /// The kind of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    const fn role(self) -> Role {
        match self {
            Self::Village => Role::VillageSecretary,
            Self::Township => Role::TownshipCentre,
            Self::County => Role::CountyOffice,
            Self::CountyDepartment => Role::CountyDepartment,
            Self::City => Role::CityOffice,
            Self::CityDepartment => Role::CityDepartment,
        }
    }
}

impl Unit {
    /// A unit; none for a work area, or an agency of a village or township.
    #[must_use]
    pub fn new(region: Region, agency: Option<Agency>) -> Option<Self> {
        let fits = match region.level() {
            Level::City | Level::County => true,
            Level::Township | Level::Village => agency.is_none(),
            Level::WorkArea => false,
        };
        fits.then_some(Self { region, agency })
    }

    /// The unit whose work a post answers for; none for other posts.
    #[must_use]
    pub fn of_post(post: &Post) -> Option<Self> {
        let unit = Self::new(post.region.clone(), post.agency)?;
        (unit.kind().role() == post.role).then_some(unit)
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> UnitKind {
        match (self.region.level(), self.agency) {
            (Level::City, None) => UnitKind::City,
            (Level::City, Some(_)) => UnitKind::CityDepartment,
            (Level::County, None) => UnitKind::County,
            (Level::County, Some(_)) => UnitKind::CountyDepartment,
            (Level::Township, _) => UnitKind::Township,
            (Level::WorkArea | Level::Village, _) => UnitKind::Village,
        }
    }

    /// Its region.
    #[must_use]
    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// The post that answers for it.
    #[must_use]
    pub fn post(&self) -> Post {
        Post { role: self.kind().role(), region: self.region.clone(), agency: self.agency }
    }

    /// Since when a department's post is held, by its first holder. None for other units, which are there by their regions, and where no holder is
    /// known.
    #[must_use]
    pub fn first_held(&self, roster: &RosterIndex) -> Option<Instant> {
        self.holders(roster).map(|holder| holder.valid_from).min()
    }

    /// Whether nobody holds a department's post at any time from one instant to before another. Never for other units,
    /// nor where no holder is known.
    #[must_use]
    pub fn is_vacant(&self, from: Instant, until: Instant, roster: &RosterIndex) -> bool {
        let mut own = self.holders(roster).peekable();
        let away = |holder: &Holder| until <= holder.valid_from || holder.valid_until.is_some_and(|end| end <= from);
        own.peek().is_some() && own.all(away)
    }

    /// The holders of a department's post, of all times; none for other units.
    fn holders<'r>(&self, roster: &'r RosterIndex) -> impl Iterator<Item = &'r Holder> {
        let (role, agency) = (self.kind().role(), self.agency);
        let holders = roster.holders(&self.region).iter();
        holders.filter(move |holder| agency.is_some() && holder.role == role && holder.agency == agency)
    }

    /// The office that collects from it: the county's from townships and county departments, the city's from all others and for itself.
    /// None when the path names no such region.
    #[must_use]
    pub fn collecting_office(&self, path: &RegionPath) -> Option<Post> {
        let (level, role) = match self.kind() {
            UnitKind::Village | UnitKind::Township | UnitKind::CountyDepartment => (Level::County, Role::CountyOffice),
            UnitKind::County | UnitKind::City | UnitKind::CityDepartment => (Level::City, Role::CityOffice),
        };
        Some(Post { role, region: path.at(level)?.clone(), agency: None })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.region)?;
        self.agency.map_or(Ok(()), |agency| write!(f, "/{agency}"))
    }
}

impl FromStr for Unit {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError(text.chars().take(80).collect());
        let (region, agency) = text.split_once('/').map_or((text, None), |(region, agency)| (region, Some(agency)));
        let agency = agency.map(|agency| agency.parse().map_err(|_| wrong())).transpose()?;
        Self::new(region.parse().map_err(|_| wrong())?, agency).ok_or_else(wrong)
    }
}

impl Serialize for UnitKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for UnitKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code).ok_or_else(|| serde::de::Error::custom(format!("{code:?} is no kind of unit")))
    }
}

/// The units that a part of the roster names: itself, the villages of a township, the departments that have, had or will have a holder. None
/// when the part is gone.
#[must_use]
pub fn units_of(part: &RosterPart) -> Vec<Unit> {
    if part.regions.iter().all(|entry| entry.region != part.region) {
        return Vec::new();
    }
    let below = part.regions.iter().filter(|entry| entry.parent.as_ref() == Some(&part.region));
    let villages = below.filter(|entry| entry.region.level() == Level::Village);
    let departments = part.holders.iter().filter(|holder| {
        holder.region == part.region && matches!(holder.role, Role::CountyDepartment | Role::CityDepartment)
    });
    let mut units: Vec<Unit> = std::iter::once((part.region.clone(), None))
        .chain(villages.map(|entry| (entry.region.clone(), None)))
        .chain(departments.map(|holder| (holder.region.clone(), holder.agency)))
        .filter_map(|(region, agency)| Unit::new(region, agency))
        .collect();
    units.sort();
    units.dedup();
    units
}
