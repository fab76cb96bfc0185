//! The roster's projection: regions with their parents, posts with their holders, enterprises (clause B1). Intake owns the tables'
//! content; the other services take its snapshots. An index in memory answers scope checks and owners without a query.
//!
//! What follows a change is as large as the change: each city, county and township has a revision in the tables, and the index reads
//! those that are newer than what it knows.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use dafei_contracts::{convert::ConvertError, events::v1 as pb};
use dafei_kernel::{region::Region, roster::RosterIndex};
use dafei_messaging::{
    sessions,
    silence::{self, Loan},
};
use sqlx::{PgConnection, PgPool};
use tokio::{
    sync::Mutex,
    time::{MissedTickBehavior, interval},
};

mod read;
mod store;

pub use dafei_kernel::roster::RosterPart;
pub use store::{MIGRATOR, lock, replace};

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
    /// Whoever changes the index holds it.
    known: Arc<Mutex<Known>>,
}

/// What of the tables is in the index.
#[derive(Debug, Default)]
struct Known {
    /// The last revision that was read as committed.
    revision: i64,
    /// Parts that a transaction has put into the index before it ended, with its id.
    ahead: HashMap<Region, String>,
}

impl RosterView {
    /// Reads the whole roster.
    ///
    /// # Errors
    /// When PostgreSQL is away or the rows make no roster.
    pub async fn load(pool: &PgPool) -> Result<Self, RosterError> {
        let view = Self::for_test(RosterIndex::new());
        view.reload(pool).await?;
        Ok(view)
    }

    /// A view of a given roster, for tests.
    #[must_use]
    pub fn for_test(index: RosterIndex) -> Self {
        Self { index: Arc::new(ArcSwap::from_pointee(index)), known: Arc::default() }
    }

    /// The roster of now.
    #[must_use]
    pub fn current(&self) -> Arc<RosterIndex> {
        self.index.load_full()
    }

    /// Reads what has changed since the last time, after a notification on [`CHANNEL`].
    ///
    /// # Errors
    /// When PostgreSQL is away or the rows make no roster.
    pub async fn reload(&self, pool: &PgPool) -> Result<(), RosterError> {
        // The connection first: who waits for the index holds one already.
        let mut conn = pool.acquire().await?;
        self.refresh(&mut conn).await.map(drop)
    }

    /// Reads the roster now, at each notice of a change, after each loss of the connection that brings them, and `every` so often: a
    /// connection that is silent brings nothing and says nothing. It only reads, so that it may be dropped anywhere.
    ///
    /// # Errors
    /// As [`Self::reload`]; it ends in no other way.
    pub async fn follow(&self, pool: &PgPool, every: Duration) -> Result<Infallible, RosterError> {
        let mut listener = sessions::listener(pool, CHANNEL).await?;
        let mut again = interval(every);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // None: the connection was lost and made anew. What came meanwhile was told to nobody.
                notice = listener.try_recv() => drop(notice?),
                // The first is at once.
                _ = again.tick() => {}
            }
            // What was changed meanwhile is read at once, however many notices there are of it.
            while listener.next_buffered().is_some() {}
            let mut connection = Loan::of(pool).await?;
            silence::answer(silence::ANSWER, self.refresh(&mut connection)).await?;
            connection.give_back();
        }
    }

    /// As [`Self::reload`], on a connection. In a transaction, before its own changes and under [`lock`], it is the roster that the tables
    /// hold until the transaction ends. Answers with it and its revision.
    ///
    /// # Errors
    /// As [`Self::reload`].
    pub async fn refresh(&self, conn: &mut PgConnection) -> Result<(Arc<RosterIndex>, i64), RosterError> {
        let mut known = self.known.lock().await;
        let ended = read::ended(conn, &known.ahead).await?;
        let newer = read::newer(conn, known.revision).await?;
        let revision = newer.iter().map(|(_, newer)| *newer).fold(known.revision, i64::max);
        // What a transaction has put into the index is newer than what the tables show until it ends. Then it is
        // read, however it ended: of one that was committed a savepoint may have been rolled back, and no revision
        // tells of that.
        let is_ahead = |region: &Region| known.ahead.get(region).is_some_and(|id| !ended.contains(id));
        let changed = known.ahead.keys().cloned().chain(newer.into_iter().map(|(region, _)| region));
        let stale: BTreeSet<Region> = changed.filter(|region| !is_ahead(region)).collect();
        if !stale.is_empty() {
            let stale: Vec<Region> = stale.into_iter().collect();
            let mut index = RosterIndex::clone(&self.index.load());
            for chunk in stale.chunks(read::CHUNK) {
                put(&mut index, read::parts(conn, chunk).await?);
            }
            self.index.store(Arc::new(index));
        }
        known.revision = revision;
        known.ahead.retain(|_, transaction| !ended.contains(transaction));
        Ok((self.index.load_full(), revision))
    }

    /// Takes the roster that this process has made of revision `from` and committed as revision `to`. Had the view moved on meanwhile, it
    /// reads the change as any other process does.
    pub async fn advance(&self, from: i64, to: i64, index: RosterIndex) {
        let mut known = self.known.lock().await;
        if known.revision == from {
            self.index.store(Arc::new(index));
            known.revision = to;
        }
    }

    /// Takes snapshots, in their order, into the tables, in the caller's transaction, and into the index at once, so that later events of
    /// the same batch see them. Of several of one region the last counts. Should the transaction, or a
    /// savepoint of it, be rolled back, the index is ahead until the first reload after the transaction's end or until
    /// the same snapshots come again.
    ///
    /// # Errors
    /// When a snapshot is malformed or PostgreSQL refuses.
    pub async fn apply(&self, conn: &mut PgConnection, snapshots: &[&pb::RosterSnapshot]) -> Result<(), RosterError> {
        let parts = snapshots.iter().map(|snapshot| RosterPart::try_from(*snapshot)).collect::<Result<Vec<_>, _>>()?;
        let last: HashMap<_, _> = parts.iter().enumerate().map(|(at, part)| (part.region.clone(), at)).collect();
        let parts: Vec<RosterPart> = parts
            .into_iter()
            .enumerate()
            .filter(|(at, part)| last.get(&part.region) == Some(at))
            .map(|(_, part)| part)
            .collect();
        if parts.is_empty() {
            return Ok(());
        }
        lock(conn).await?;
        replace(conn, &parts).await?;
        let transaction = read::transaction(conn).await?;
        let mut known = self.known.lock().await;
        known.ahead.extend(parts.iter().map(|part| (part.region.clone(), transaction.clone())));
        let mut index = RosterIndex::clone(&self.index.load());
        put(&mut index, parts);
        self.index.store(Arc::new(index));
        Ok(())
    }
}

fn put(index: &mut RosterIndex, parts: Vec<RosterPart>) {
    for part in parts {
        let region = part.region.clone();
        if let Err(error) = index.put_part(part) {
            tracing::warn!(%region, %error, "a part of the roster is not as it should be");
        }
    }
}
