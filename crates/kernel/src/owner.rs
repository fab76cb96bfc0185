//! Posts and their owners: a breach names both.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{agency::Agency, region::Region, role::Role};

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

impl fmt::Display for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.role, self.region)?;
        self.agency.map_or(Ok(()), |agency| write!(f, "/{agency}"))
    }
}

/// A post with the persons who held it at the instant that counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The post.
    pub post: Post,
    /// Names of its holders; empty when the roster names none.
    pub persons: Vec<String>,
}
