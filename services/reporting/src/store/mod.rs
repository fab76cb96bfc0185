//! All SQL of the service.

mod read;
mod rebuild;
mod write;

use dafei_kernel::region::Region;
use dafei_reporting_core::LeafUnit;
use sqlx::migrate::Migrator;
use uuid::Uuid;

pub use read::{Cursor, FactRow, cells, facts, unit_ids};
pub use rebuild::clear;
pub use write::take;

/// The service's own migrations, versions 400 to 499.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Name space of unit ids.
const UNITS: Uuid = Uuid::from_u128(0x0f7d_25b2_10a4_5c7e_8d3b_6e2a_41c9_5f10);

/// The id of a leaf unit's row: derived, so that it needs no look-up and is the same after a rebuild.
fn unit_id(leaf: &LeafUnit) -> Uuid {
    let unit = leaf.unit();
    let agency = unit.agency().map_or("", |agency| agency.code());
    let name = format!(
        "{}|{}|{agency}|{}|{}",
        unit.kind().code(),
        unit.region().code(),
        code(leaf.county()),
        leaf.city().code()
    );
    Uuid::new_v5(&UNITS, name.as_bytes())
}

fn code(region: Option<&Region>) -> String {
    region.map(|region| region.code().to_string()).unwrap_or_default()
}
