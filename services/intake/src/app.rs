//! What the use cases of intake stand on, and the use cases.

mod claims;
mod evidence;
mod payouts;
mod reward_data;
mod reward_events;
mod reward_timer;
mod rewards;
mod roster;
mod writer;

use std::sync::Arc;

use dafei_intake_core::suspicion::Rules;
use dafei_kernel::{clock::SharedClock, ids::IdSource};
use dafei_shell::roster::RosterView;
use sqlx::PgPool;

pub use crate::work::Refusal;
use crate::{codes::Codes, config::RewardSettings};
pub(crate) use claims::{Counter, reserve};
pub(crate) use evidence::{Photo, keep};
pub(crate) use payouts::{Step, cancel, confirm};
pub(crate) use reward_data::{Data, put};
pub use reward_timer::RewardTimer;
pub(crate) use rewards::{Announce, Withdraw, announce, offices, withdraw};
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
    /// The roster.
    pub roster: RosterView,
    /// What is configured of the village's steps.
    pub rules: Rules,
    /// What makes hashes of informants' codes.
    pub codes: Codes,
    /// What is configured of rewards.
    pub rewards: RewardSettings,
}

impl App {
    /// The service's name: source of its events.
    pub const SERVICE: &str = "intake";
}
