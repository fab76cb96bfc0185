//! What a token says about its bearer, and the parsing of it into the domain's types.

use dafei_kernel::{
    agency::Agency,
    region::{Level, Region},
    role::Role,
    time::Instant,
};
use serde::{Deserialize, Serialize};

use super::Principal;

/// Longest subject or name, characters: they go into every history row.
const MAX_TEXT: usize = 200;

/// The claims of a token. Issuer, audience and signature are checked before they are used.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: serde_json::Value,
    pub(super) sub: String,
    /// Seconds since 1970; some issuers write fractions.
    pub(super) exp: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) role: String,
    pub(super) region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) work_area: Option<String>,
}

impl Claims {
    /// The principal, or the claim at fault.
    pub(super) fn principal(self) -> Result<Principal, &'static str> {
        let role: Role = self.role.parse().map_err(|_| "role")?;
        let region: Region = self.region.parse().map_err(|_| "region")?;
        let agency: Option<Agency> = self.agency.map(|code| code.parse()).transpose().map_err(|_| "agency")?;
        if role.level().is_some_and(|level| level != region.level()) {
            return Err("region");
        }
        if role.needs_agency() && agency.is_none() {
            return Err("agency");
        }
        let fits = |text: &str| {
            !text.trim().is_empty() && text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control)
        };
        if !fits(&self.sub) {
            return Err("sub");
        }
        if !self.name.as_deref().is_none_or(fits) {
            return Err("name");
        }
        // The region is what bounds a caller. A work area that it does not name would be taken for a bound that nobody keeps.
        if self.work_area.is_some_and(|code| Region::new(Level::WorkArea, &code).ok().as_ref() != Some(&region)) {
            return Err("work_area");
        }
        let (name, expires) = (self.name, instant(self.exp));
        Ok(Principal { subject: self.sub, name, role, region, agency, expires })
    }
}

/// The instant of a NumericDate; what lies outside the calendar becomes its first or last instant.
pub(super) fn instant(seconds: f64) -> Instant {
    // The cast saturates, and NaN cannot come out of JSON.
    let microseconds = (seconds * 1e6) as i64;
    let end = if microseconds < 0 { Instant::MIN } else { Instant::MAX };
    Instant::from_microsecond(microseconds).unwrap_or(end)
}
