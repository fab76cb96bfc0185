//! What the use cases of intake stand on, and the use cases.

pub mod evidence;
pub mod tips;

mod book;
mod broadcasts;
mod checklists;
mod claims;
mod coverage;
mod housekeeping;
mod inspections;
mod leaflets;
mod notices;
mod patrol_months;
mod payouts;
mod photos;
mod reward_data;
mod reward_events;
mod reward_timer;
mod rewards;
mod roster;
mod standings;
mod villages;
mod writer;

use std::sync::Arc;

use dafei_intake_core::{notices::Rules as NoticeRules, roster::Limits, suspicion::Rules};
use dafei_kernel::{claimed::Untimely, clock::SharedClock, ids::IdSource};
use dafei_runtime::status::Fault;
use dafei_shell::roster::RosterView;
use sqlx::PgPool;

use crate::{app::tips::Tips, codes::Codes, config::RewardSettings, photos::Photos};

pub use crate::work::{Recorded, Refusal};
pub(crate) use broadcasts::{NewBroadcast, record as record_broadcast};
pub(crate) use checklists::{NewVersion, put};
pub(crate) use claims::{Counter, reserve};
pub(crate) use coverage::coverage;
pub(crate) use inspections::{NewInspection, Reported, record as record_inspection, take as take_inspections};
pub(crate) use leaflets::{NewDistribution, distribute};
pub(crate) use notices::{
    NewNotice, Removal, post as post_notice, remove as remove_notice, standing as notice_standing,
};
pub(crate) use patrol_months::drop_old;
pub(crate) use payouts::{Step, cancel, confirm};
pub(crate) use reward_data::{Data, put as put_reward_data};
pub use reward_timer::RewardTimer;
pub(crate) use rewards::{Announce, Withdraw, announce, offices, withdraw};
pub(crate) use roster::{Asked, Upload, change, dry_run, import};
pub(crate) use standings::{Asked as AskedStandings, list as list_standings};
pub use writer::Writer;
pub(crate) use writer::{Action, Answer, Queue, Write};
pub use {
    checklists::load_builtin,
    housekeeping::{forget_tries, keep},
};

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
    /// What is configured of the roster.
    pub roster_limits: Limits,
    /// What is configured of the village's steps.
    pub rules: Rules,
    /// What is configured of the villages' notices (clause D5).
    pub notices: NoticeRules,
    /// Months of patrols that are kept, the present one among them.
    pub patrol_months: u32,
    /// What is configured of rewards.
    pub rewards: RewardSettings,
}

impl App {
    /// The service's name: source of its events.
    pub const SERVICE: &str = "intake";
}

/// A claimed time that is not believed.
fn untimely(field: &str, why: Untimely) -> Fault {
    Fault::field(field, why.code(), why.to_string(), why.zh())
}
