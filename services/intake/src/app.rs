//! What the use cases of intake stand on, and the use cases.

mod checklists;
mod evidence;
mod patrol_months;
mod roster;
mod writer;

use std::sync::Arc;

use dafei_intake_core::suspicion::Rules;
use dafei_kernel::{clock::SharedClock, ids::IdSource};
use dafei_shell::roster::RosterView;
use sqlx::PgPool;

pub use crate::work::{Recorded, Refusal};
pub(crate) use checklists::{NewVersion, put};
pub(crate) use evidence::{Photo, keep};
pub(crate) use patrol_months::drop_old;
pub(crate) use roster::{Upload, import};
pub use writer::Writer;
pub(crate) use writer::{Action, Answer, Queue, Write};
pub use {checklists::load_builtin, patrol_months::tend};

/// What everything in the service shares.
pub struct App {
    /// Its database.
    pub pool: PgPool,
    /// The suite's clock.
    pub clock: SharedClock,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// The roster.
    pub roster: RosterView,
    /// What is configured of the village's steps.
    pub rules: Rules,
    /// Months of patrols that are kept, the present one among them.
    pub patrol_months: u32,
}

impl App {
    /// The service's name: source of its events.
    pub const SERVICE: &str = "intake";
}
