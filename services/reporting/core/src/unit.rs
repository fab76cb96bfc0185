//! Filing units (填报单位) and the rule which of them a fact belongs to (clause F1).

use std::fmt;

use dafei_kernel::{
    agency::Agency,
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
};

/// Kind of a filing unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnitKind {
    /// 乡镇（街道）: what it handled itself.
    Township,
    /// 县区部门: its own, and the cases that townships handed up to it.
    CountyDepartment,
    /// 县区安委会办公室: own facts, and the sum of its townships and departments.
    CountyOffice,
    /// 市直部门: its own level only.
    CityDepartment,
    /// 市安委会办公室: own facts, and the sum of the counties and the city departments.
    CityOffice,
}

impl UnitKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Township, Self::CountyDepartment, Self::CountyOffice, Self::CityDepartment, Self::CityOffice];

    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Township => "township",
            Self::CountyDepartment => "county-department",
            Self::CountyOffice => "county-office",
            Self::CityDepartment => "city-department",
            Self::CityOffice => "city-office",
        }
    }

    /// The kind of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Level of its region.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Township => Level::Township,
            Self::CountyDepartment | Self::CountyOffice => Level::County,
            Self::CityDepartment | Self::CityOffice => Level::City,
        }
    }

    /// Whether it is a department: one per agency.
    #[must_use]
    pub const fn is_department(self) -> bool {
        matches!(self, Self::CountyDepartment | Self::CityDepartment)
    }
}

/// A filing unit: as a leaf it has facts of its own, as an office it also sums what lies below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit {
    kind: UnitKind,
    region: Region,
    agency: Option<Agency>,
}

/// Parts that make no filing unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoUnit {
    /// The region is not of the kind's level.
    #[error("the region of a {} is not of level {}", .0.code(), .0.level().code())]
    Level(UnitKind),
    /// A department needs its agency.
    #[error("a {} needs an agency", .0.code())]
    AgencyMissing(UnitKind),
    /// Only departments have one.
    #[error("a {} has no agency", .0.code())]
    AgencyGiven(UnitKind),
}

impl Unit {
    /// A filing unit.
    ///
    /// # Errors
    /// When region or agency do not fit its kind.
    pub fn new(kind: UnitKind, region: Region, agency: Option<Agency>) -> Result<Self, NoUnit> {
        if region.level() != kind.level() {
            return Err(NoUnit::Level(kind));
        }
        match (kind.is_department(), agency.is_some()) {
            (true, false) => Err(NoUnit::AgencyMissing(kind)),
            (false, true) => Err(NoUnit::AgencyGiven(kind)),
            (true, true) | (false, false) => Ok(Self { kind, region, agency }),
        }
    }

    /// The unit that files what a post did: a township agency's acts are its township's, a department's its own, an office's (and its
    /// commander's) its own, and what the village and its grid do is the township's. None for posts that file nothing.
    #[must_use]
    pub fn of_post(post: &Post, path: &RegionPath) -> Option<Self> {
        let kind = match post.role {
            Role::GridMember
            | Role::VillageSecretary
            | Role::WorkAreaSecretary
            | Role::TownshipCentre
            | Role::TownshipAgency
            | Role::TownshipPrincipal => UnitKind::Township,
            Role::CountyOffice | Role::CountyCommander => UnitKind::CountyOffice,
            Role::CountyDepartment => UnitKind::CountyDepartment,
            Role::CityOffice => UnitKind::CityOffice,
            Role::CityDepartment => UnitKind::CityDepartment,
            Role::Bank | Role::HotlineClerk | Role::Auditor | Role::Service | Role::Admin => {
                return None;
            }
        };
        let region = match post.region.level() {
            // The township that administers the village or the work area.
            Level::Village | Level::WorkArea if kind == UnitKind::Township => path.at(Level::Township)?.clone(),
            Level::Village | Level::WorkArea | Level::Township | Level::County | Level::City => post.region.clone(),
        };
        let agency = if kind.is_department() { post.agency } else { None };
        Self::new(kind, region, agency).ok()
    }

    /// Kind.
    #[must_use]
    pub const fn kind(&self) -> UnitKind {
        self.kind
    }

    /// Region.
    #[must_use]
    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// Agency of a department.
    #[must_use]
    pub const fn agency(&self) -> Option<Agency> {
        self.agency
    }

    /// Whether its table sums the facts of a leaf. A county office's sums all of the county, the city office's all of the city.
    #[must_use]
    pub fn covers(&self, leaf: &LeafUnit) -> bool {
        match self.kind {
            UnitKind::Township | UnitKind::CountyDepartment | UnitKind::CityDepartment => leaf.unit == *self,
            UnitKind::CountyOffice => leaf.county.as_ref() == Some(&self.region),
            UnitKind::CityOffice => leaf.city == self.region,
        }
    }

    /// Its name as the form prints it (填报单位), from the names of its region and of the region above.
    #[must_use]
    pub fn printed(&self, name: &str, above: &str) -> String {
        match (self.kind, self.agency) {
            (UnitKind::CountyOffice | UnitKind::CityOffice, _) => format!("{name}安委会办公室"),
            (UnitKind::Township, _) | (UnitKind::CountyDepartment | UnitKind::CityDepartment, None) => {
                format!("{above}{name}")
            }
            (UnitKind::CountyDepartment | UnitKind::CityDepartment, Some(agency)) => {
                let agency = agency.name_zh();
                // 消防救援机构 says already what it is.
                let suffix = if agency.ends_with("机构") { "" } else { "部门" };
                format!("{name}{agency}{suffix}")
            }
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.code(), self.region.code())?;
        self.agency.map_or(Ok(()), |agency| write!(f, " {}", agency.code()))
    }
}

/// A leaf unit under the county and city that administered it at the time of a fact: every fact is in exactly one. A township that
/// moves to another county leaves its old facts in the old county's sum, and so does what it still does in cases that are open then: a case
/// stays in the county where it was opened, and its events say so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafUnit {
    unit: Unit,
    county: Option<Region>,
    city: Region,
}

impl LeafUnit {
    /// A unit under the regions of a path; none when the path does not lead through the unit's region.
    #[must_use]
    pub fn within(unit: Unit, path: &RegionPath) -> Option<Self> {
        if path.at(unit.region.level())? != &unit.region {
            return None;
        }
        let county = match unit.kind {
            UnitKind::Township | UnitKind::CountyDepartment | UnitKind::CountyOffice => {
                Some(path.at(Level::County)?.clone())
            }
            UnitKind::CityDepartment | UnitKind::CityOffice => None,
        };
        let city = path.at(Level::City)?.clone();
        Some(Self { unit, county, city })
    }

    /// The unit.
    #[must_use]
    pub const fn unit(&self) -> &Unit {
        &self.unit
    }

    /// The county that administers it; none for units of the city.
    #[must_use]
    pub const fn county(&self) -> Option<&Region> {
        self.county.as_ref()
    }

    /// The city.
    #[must_use]
    pub const fn city(&self) -> &Region {
        &self.city
    }
}
