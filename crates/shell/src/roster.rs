//! The roster's projection: regions with their parents, posts with their holders, enterprises (clause B1). Intake owns the tables'
//! content; the other services take its snapshots. An index in memory answers scope checks and owners without a query.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dafei_contracts::{convert::ConvertError, events::v1 as pb};
use dafei_kernel::roster::RosterIndex;
use sqlx::{PgConnection, PgPool};

mod index;
mod store;

pub use index::{RosterPart, RosterRegion};
pub use store::MIGRATOR;

/// Name of the notification that says that the roster has changed.
pub const CHANNEL: &str = "dafei_roster";

/// The roster cannot be read or taken.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// PostgreSQL.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A snapshot that does not hold what the catalogue says.
    #[error("roster snapshot: {0}")]
    Snapshot(#[from] ConvertError),
    /// Rows that do not make a roster.
    #[error("roster: {0}")]
    Index(String),
}

/// The roster as this process sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RosterView {
    index: Arc<ArcSwap<RosterIndex>>,
}

impl RosterView {
    /// Reads the whole roster.
    ///
    /// # Errors
    /// When PostgreSQL is away or the rows make no roster.
    pub async fn load(pool: &PgPool) -> Result<Self, RosterError> {
        Ok(Self { index: Arc::new(ArcSwap::from_pointee(store::read(&mut *pool.acquire().await?).await?)) })
    }

    /// A view of a given roster, for tests.
    #[must_use]
    pub fn for_test(index: RosterIndex) -> Self {
        Self { index: Arc::new(ArcSwap::from_pointee(index)) }
    }

    /// The roster of now.
    #[must_use]
    pub fn current(&self) -> Arc<RosterIndex> {
        self.index.load_full()
    }

    /// Reads the whole roster again, after a notification on [`CHANNEL`].
    ///
    /// # Errors
    /// When PostgreSQL is away or the rows make no roster.
    pub async fn reload(&self, pool: &PgPool) -> Result<(), RosterError> {
        self.index.store(Arc::new(store::read(&mut *pool.acquire().await?).await?));
        Ok(())
    }

    /// Takes snapshots into the tables, in the caller's transaction, and into the index at once, so that later events of the same
    /// batch see them. Should the transaction be rolled back, the index is ahead until the same snapshots come again.
    ///
    /// # Errors
    /// When a snapshot is malformed or PostgreSQL refuses.
    pub async fn apply(&self, conn: &mut PgConnection, snapshots: &[&pb::RosterSnapshot]) -> Result<(), RosterError> {
        if snapshots.is_empty() {
            return Ok(());
        }
        let parts = snapshots.iter().map(|snapshot| RosterPart::try_from(*snapshot)).collect::<Result<Vec<_>, _>>()?;
        store::replace(conn, &parts).await?;
        // Read anew in the same transaction, not patched: a reload that began earlier may have put an older index in place.
        self.index.store(Arc::new(store::read(conn).await?));
        Ok(())
    }
}

/// Replaces parts of the roster in the tables: what intake's import writes.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn replace(conn: &mut PgConnection, parts: &[RosterPart]) -> Result<(), RosterError> {
    store::replace(conn, parts).await
}
