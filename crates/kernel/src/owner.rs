//! Posts and their owners: a breach names both.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    agency::Agency,
    region::{Level, Region},
    role::Role,
};

/// A post: a role of a region, and for agencies which of the 14.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Post {
    /// The role.
    pub role: Role,
    /// The region.
    pub region: Region,
    /// The agency, for posts of agencies and departments.
    pub agency: Option<Agency>,
}

/// A role, region and agency that make no post.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The region is not of the role's level.
    #[error("{role} is a role of a {level}, not of {region}")]
    Level {
        /// The role.
        role: Role,
        /// Its level.
        level: Level,
        /// The region given.
        region: Region,
    },
    /// The role is one of an agency, and none is named.
    #[error("{0} must name an agency")]
    AgencyMissing(Role),
    /// The role is none of an agency, and one is named.
    #[error("{0} names no agency")]
    AgencyNotAllowed(Role),
}

impl Post {
    /// A post whose region and agency fit its role.
    ///
    /// # Errors
    /// When the region is not of the role's level, or an agency is missing or too much.
    pub fn new(role: Role, region: Region, agency: Option<Agency>) -> Result<Self, PostError> {
        match role.level() {
            Some(level) if level != region.level() => {
                return Err(PostError::Level { role, level, region });
            }
            Some(_) | None => {}
        }
        match (role.needs_agency(), agency) {
            (true, None) => Err(PostError::AgencyMissing(role)),
            (false, Some(_)) => Err(PostError::AgencyNotAllowed(role)),
            (true, Some(_)) | (false, None) => Ok(Self { role, region, agency }),
        }
    }

    /// What the post is called in Chinese, without its region: `县区有关部门（应急管理）`.
    #[must_use]
    pub fn name_zh(&self) -> String {
        let role = self.role.name_zh();
        self.agency.map_or_else(|| role.to_owned(), |agency| format!("{role}（{}）", agency.name_zh()))
    }
}

impl fmt::Display for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.role, self.region)?;
        self.agency.map_or(Ok(()), |agency| write!(f, "/{agency}"))
    }
}

/// A post with the persons who held it at the instant that counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The post.
    pub post: Post,
    /// Names of its holders; empty when the roster names none.
    pub persons: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::{Post, PostError};
    use crate::{agency::Agency, region::Region, role::Role};

    fn region(text: &str) -> Region {
        text.parse().expect("a region")
    }

    #[test]
    fn a_post_is_written_with_its_region_and_agency() {
        let centre = Post::new(Role::TownshipCentre, region("township:371302001"), None);
        let centre = centre.expect("a post");
        assert_eq!(centre.to_string(), "township-centre@township:371302001");
        assert_eq!(centre.name_zh(), "乡镇网格化服务中心");
        let department = Post::new(Role::CountyDepartment, region("county:371302"), Some(Agency::EmergencyManagement))
            .expect("a post");
        assert_eq!(department.to_string(), "county-department@county:371302/emergency-management");
        assert_eq!(department.name_zh(), "县区有关部门（应急管理）");
    }

    #[test]
    fn a_post_whose_region_or_agency_does_not_fit_its_role_is_refused() {
        let county = region("county:371302");
        assert!(matches!(Post::new(Role::VillageSecretary, county.clone(), None), Err(PostError::Level { .. })));
        assert_eq!(
            Post::new(Role::CountyDepartment, county.clone(), None),
            Err(PostError::AgencyMissing(Role::CountyDepartment))
        );
        assert_eq!(
            Post::new(Role::CountyOffice, county.clone(), Some(Agency::Postal)),
            Err(PostError::AgencyNotAllowed(Role::CountyOffice))
        );
        assert!(Post::new(Role::Auditor, county, None).is_ok());
    }
}
