//! Who calls. A bearer JWT is checked once at the door (algorithm pinned per key, issuer, audience, expiry in real time)
//! and becomes a [`Principal`] in the request; what the principal may do is decided by the use cases.

mod cache;
mod claims;
mod fetch;
mod keys;
mod layer;
pub mod mint;
mod verifier;

pub use keys::KeyError;
pub use layer::{AuthLayer, AuthService};
pub use verifier::{IdentityError, TokenFault, Verifier};

use std::sync::Arc;

use dafei_kernel::{agency::Agency, region::Region, role::Role, time::Instant};
use tonic::{Request, Status};

use crate::status::Fault;

/// The caller, as its token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Stable id of the person or system: the token's `sub`.
    pub subject: String,
    /// Name for lists and histories, when the token has one.
    pub name: Option<String>,
    /// What the caller is.
    pub role: Role,
    /// Where; what lies inside is decided by the roster's parents.
    pub region: Region,
    /// For which agency, where the role needs one.
    pub agency: Option<Agency>,
    /// Until when its token is good, in real time: what goes on longer ends then.
    pub expires: Instant,
}

/// The caller of a request that passed the door.
///
/// # Errors
/// `UNAUTHENTICATED` when there is none, which is the case for public methods.
pub fn principal<T>(request: &Request<T>) -> Result<&Principal, Status> {
    match request.extensions().get::<Arc<Principal>>() {
        Some(principal) => Ok(principal),
        None => Err(TokenFault::Missing.into()),
    }
}

/// Demands that the caller has one of the roles.
///
/// # Errors
/// [`Fault::PermissionDenied`] with the reason `ROLE_NOT_ALLOWED`.
pub fn require_role(principal: &Principal, allowed: &[Role]) -> Result<(), Fault> {
    if allowed.contains(&principal.role) {
        Ok(())
    } else {
        Err(Fault::denied("ROLE_NOT_ALLOWED", "您的岗位无权进行此操作"))
    }
}
