//! What the use cases of intake stand on, and the use cases.

pub mod evidence;
mod roster;
pub mod tips;
mod writer;

use std::sync::Arc;

use dafei_intake_core::suspicion::Rules;
use dafei_kernel::{clock::SharedClock, ids::IdSource};
use dafei_shell::roster::RosterView;
use sqlx::PgPool;

use crate::{app::tips::Tips, codes::Codes, photos::Photos};

pub use crate::work::Refusal;
pub(crate) use roster::{Upload, import};
pub use writer::Writer;
pub(crate) use writer::{Action, Answer, Queue, Write};

/// What everything in the service shares.
pub struct App {
    /// Its database.
    pub pool: PgPool,
    /// The suite's clock.
    pub clock: SharedClock,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// Photos: the store of their bytes and what makes their public copies.
    pub photos: Photos,
    /// Turns informants' codes into what may be kept.
    pub codes: Codes,
    /// The entrance of tips.
    pub tips: Tips,
    /// The roster.
    pub roster: RosterView,
    /// What is configured of the village's steps.
    pub rules: Rules,
}

impl App {
    /// The service's name: source of its events.
    pub const SERVICE: &str = "intake";
}
