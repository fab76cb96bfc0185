//! What the SLA monitor shows: how deadlines come about, obligations, breaches.

mod accountability;
mod breaches;
mod calendars;
mod deadlines;
mod duties;
mod item;
mod reconciliation;
mod rules;
mod watch;

use dafei_kernel::{
    region::{Region, RegionPath},
    roster::RosterIndex,
};
use dafei_runtime::{identity::Principal, status::Fault};
use dafei_shell::scope;

pub use accountability::Accountability;
pub use breaches::Breaches;
pub use deadlines::Deadlines;
pub use reconciliation::Reconciliation;
pub use rules::RuleTexts;

/// Whether what lies at `path` lies in a region: by the path as it was recorded, and by the roster for work areas, which paths do not name.
fn lies_in(region: &Region, path: &RegionPath, roster: &RosterIndex) -> bool {
    path.is_within(region) || roster.contains(region, path.leaf())
}

/// The caller may see what lies at `path`.
fn may_see(principal: &Principal, path: &RegionPath, roster: &RosterIndex) -> Result<(), Fault> {
    if lies_in(&principal.region, path, roster) { Ok(()) } else { Err(scope::out_of_scope()) }
}
