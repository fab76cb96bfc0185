//! What the use cases of dispatch stand on, and the use cases that are not gRPC calls.

mod anchor;
mod delivery;
mod directives;
pub(crate) mod routing;
mod rules;
mod systems;
mod verdicts;
mod writer;

use std::sync::Arc;

use dafei_dispatch_core::case::Limits;
use dafei_kernel::{clock::SharedClock, ids::IdSource, time::Instant};
use dafei_shell::roster::RosterView;
use sqlx::PgPool;

pub use crate::work::Refusal;
pub use anchor::Anchors;
pub(crate) use anchor::digest as anchor_digest;
pub use delivery::AssumedDelivery;
pub(crate) use directives::{NewDirective, change as change_directive, issue as issue_directive};
pub use rules::{Rules, RulesView};
pub use systems::AgencySystems;
pub use verdicts::LastVerdicts;
pub(crate) use writer::Action;
pub use writer::{Answer, Queue, Write, Writer};

/// What everything in the service shares.
pub struct App {
    /// Its database.
    pub pool: PgPool,
    /// The suite's clock.
    pub clock: SharedClock,
    /// Whether the clock is an exercise's: then the bus's own times are of another world.
    pub exercise: bool,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// The roster.
    pub roster: RosterView,
    /// The routing table and the townships' authority in force.
    pub rules: RulesView,
    /// Bounds that the document leaves open.
    pub limits: Limits,
}

impl App {
    /// The service's name: source of its events.
    pub const SERVICE: &str = "dispatch";

    /// The instant at which something counts that JetStream dated: its own time, never ahead of the suite's. In an exercise the
    /// suite's clock stands still until the bus has run dry, so what is on the bus is of now.
    pub(crate) fn instant_of_bus(&self, stamped: Instant, now: Instant) -> Instant {
        if self.exercise { now } else { stamped.min(now) }
    }
}
