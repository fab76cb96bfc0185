//! All SQL of the service.

mod accountability;
mod activity;
pub mod activity_read;
pub mod assessment;
pub mod briefing;
pub mod chain;
mod copy;
pub mod disclosure;
pub mod evaluation;
pub mod filing;
mod read;
mod rebuild;
pub mod rebuilds;
mod received;
pub mod shadow;
mod split;
pub mod spot_checks;
pub mod stays;
pub mod work;
mod write;

use dafei_kernel::{ids, region::Region, time::Month};
use dafei_reporting_core::LeafUnit;
use sqlx::migrate::Migrator;
use uuid::Uuid;

pub use accountability::secretaries;
pub use activity::take_activity;
pub use copy::{FactRows, NOTE};
pub use read::{Cells, Cursor, FactRow, cells, facts, unit_ids, verified_true};
pub use rebuild::clear;
pub use received::{Received, keep, page};
pub use split::{Part, split};
pub use write::{replace, take};

/// The service's own migrations, versions 400 to 499.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// The id of a leaf unit's row: derived, so that it needs no look-up and is the same after a rebuild.
#[must_use]
pub fn unit_id(leaf: &LeafUnit) -> Uuid {
    let unit = leaf.unit();
    ids::derived(&[
        "unit",
        unit.kind().code(),
        unit.region().code().as_str(),
        unit.agency().map_or("", |agency| agency.code()),
        &code(leaf.county()),
        leaf.city().code().as_str(),
    ])
}

/// A month as it is stored: 202611.
fn month(month: Month) -> i32 {
    i32::from(month.year()) * 100 + i32::from(month.month())
}

fn code(region: Option<&Region>) -> String {
    region.map(|region| region.code().to_string()).unwrap_or_default()
}
