//! Who may do what where: by role, and by containment in the caller's region along the roster's parents, never by a code's prefix.

use dafei_kernel::{
    owner::Post,
    region::{Level, Region, RegionPath},
    role::Role,
    roster::RosterIndex,
};
use dafei_runtime::{identity::Principal, status::Fault};

/// Posts that may read cases, their reports and their clocks: all but the bank and the telephone's clerks, who must not learn what a reward or a
/// tip is about.
pub const CASE_READERS: [Role; 14] = [
    Role::GridMember,
    Role::VillageSecretary,
    Role::WorkAreaSecretary,
    Role::TownshipCentre,
    Role::TownshipAgency,
    Role::TownshipPrincipal,
    Role::CountyOffice,
    Role::CountyDepartment,
    Role::CountyCommander,
    Role::CityOffice,
    Role::CityDepartment,
    Role::Auditor,
    Role::Service,
    Role::Admin,
];

/// The caller has one of the roles.
///
/// # Errors
/// `ROLE_NOT_ALLOWED`.
pub fn require(principal: &Principal, roles: &[Role]) -> Result<(), Fault> {
    if roles.contains(&principal.role) {
        Ok(())
    } else {
        Err(Fault::denied("ROLE_NOT_ALLOWED", "您的岗位无权进行此操作"))
    }
}

/// The caller is of the city: what is asked for goes through all of it, and the roles that may ask are given to counties and townships, too.
///
/// # Errors
/// `OUT_OF_SCOPE`.
pub fn require_city(principal: &Principal) -> Result<(), Fault> {
    if principal.region.level() == Level::City { Ok(()) } else { Err(out_of_scope()) }
}

/// Whether the region is the caller's or lies in it. A service, auditor or admin of the city reaches all of the city.
#[must_use]
pub fn contains(principal: &Principal, roster: &RosterIndex, region: &Region) -> bool {
    roster.contains(&principal.region, region)
}

/// The region is in the roster and in the caller's scope; its path.
///
/// # Errors
/// `UNKNOWN_REGION` on the field, `OUT_OF_SCOPE`.
pub fn require_region(
    principal: &Principal,
    roster: &RosterIndex,
    field: &str,
    region: &Region,
) -> Result<RegionPath, Fault> {
    let path = roster.path(region).ok_or_else(|| {
        Fault::field(field, "UNKNOWN_REGION", format!("{region} is not in the roster"), "没有这个行政区划")
    })?;
    if contains(principal, roster, region) { Ok(path) } else { Err(out_of_scope()) }
}

/// What is asked for lies outside the caller's region.
#[must_use]
pub fn out_of_scope() -> Fault {
    Fault::denied("OUT_OF_SCOPE", "不在您的管辖范围内")
}

/// The caller's post, as events name the actor.
#[must_use]
pub fn post(principal: &Principal) -> Post {
    Post { role: principal.role, region: principal.region.clone(), agency: principal.agency }
}
