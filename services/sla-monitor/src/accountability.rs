//! The accountability ledger (问责台账, clauses C15, E4, E5): entries are opened for breaches, for what cases record and for
//! results of the quarterly evaluation below the mark (clause E1), and go on by what those
//! concerned say and decide. The rules are in `dafei_sla_core::accountability`.

pub(crate) mod evaluations;
pub(crate) mod events;
pub(crate) mod latest;
pub(crate) mod reports;
pub(crate) mod work;

mod timer;

use dafei_kernel::clock::SharedClock;
use dafei_shell::roster::RosterView;
use sqlx::PgPool;

use crate::terms::TermsView;

pub(crate) use timer::note;
pub use timer::{EntryTimer, each_note};

/// What the ledger works with.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) pool: PgPool,
    pub(crate) clock: SharedClock,
    pub(crate) roster: RosterView,
    pub(crate) terms: TermsView,
}

impl Ledger {
    /// A ledger in this database, by this clock.
    #[must_use]
    pub const fn new(pool: PgPool, clock: SharedClock, roster: RosterView, terms: TermsView) -> Self {
        Self { pool, clock, roster, terms }
    }
}
