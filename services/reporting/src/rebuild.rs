//! Rebuilds (clause F2): facts and cells are made again from the raw log alone, beside the tables that are served, and every cell is compared.
//!
//! The shadow is in unlogged tables and not in memory: which facts were told before, and which things were counted, grows with the facts, and
//! months do not bound it, since an event's month is known only when it is read. So the raw log is streamed in pages through the core's rules
//! into `shadow_fact` by COPY, and one statement makes cells of that, with sorts that PostgreSQL puts on disk when they are large. In memory are
//! a few pages, and the leaf units.

mod run;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use dafei_contracts::reporting::v1 as pb;
use dafei_kernel::{clock::SharedClock, ids};
use dafei_messaging::{requests::RequestKey, silence};
use dafei_runtime::{status::Fault, telemetry::metrics};
use dafei_shell::{
    faults,
    once::{Begun, Once},
};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{
    rebuilds::{self, Ending, ExampleRow, RebuildRow},
    shadow,
};

/// What a rebuild is noted to have failed of when its process is gone.
const BROKEN_OFF: &str = "broken off: the service was stopped";
/// How often is looked what the last rebuild has found.
const PAUSE: Duration = Duration::from_secs(60);
/// No rebuild was compared yet.
const UNKNOWN: i64 = i64::MIN;

/// Begins rebuilds and tells of them; cheap to clone.
#[derive(Clone)]
pub struct Rebuilds {
    pool: PgPool,
    clock: SharedClock,
    differences: Arc<AtomicI64>,
}

/// A rebuild with the first cells that differ.
#[derive(Debug)]
pub struct Found {
    /// The rebuild.
    pub row: RebuildRow,
    /// Cells that differ.
    pub examples: Vec<ExampleRow>,
}

impl Rebuilds {
    /// Over this database. Notes that what a stopped process was at has failed, and registers the metric `dafei.reporting.rebuild_differences`.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn open(pool: PgPool, clock: SharedClock) -> sqlx::Result<Self> {
        let differences = Arc::new(AtomicI64::new(UNKNOWN));
        let rebuilds = Self { pool, clock, differences };
        rebuilds.settle(&mut *rebuilds.pool.acquire().await?).await?;
        rebuilds.look().await?;
        let read = rebuilds.clone();
        metrics::gauge_callback(
            "dafei.reporting.rebuild_differences",
            "{cell}",
            "Cells that differed in the last rebuild that was compared",
            &[],
            move || read.differences().map(|cells| cells as f64),
        );
        Ok(rebuilds)
    }

    /// Keeps the metric in line until `shutdown`.
    pub async fn follow(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = silence::answer(silence::ANSWER, self.look()).await {
                tracing::warn!(%error, "what the last rebuild has found is what was known before");
            }
            let _ = tokio::time::timeout(PAUSE, shutdown.cancelled()).await;
        }
    }

    /// Reads what the last rebuild has found, of whatever replica: an alert must not go on ringing in the one that had found something before.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn look(&self) -> sqlx::Result<()> {
        if let Some(last) = rebuilds::last_differences(&self.pool).await? {
            self.differences.store(last, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The cells that differed in the last rebuild by the last look; none as long as none was compared.
    #[must_use]
    pub fn differences(&self) -> Option<i64> {
        Some(self.differences.load(Ordering::Relaxed)).filter(|cells| *cells != UNKNOWN)
    }

    /// Begins a rebuild, once for its request id; `answer` makes what is answered of it.
    ///
    /// # Errors
    /// `REBUILD_RUNS` while one runs, in whatever replica; `REQUEST_ID_REUSED`; `UNAVAILABLE` without the database.
    pub async fn begin(
        &self,
        key: RequestKey,
        hash: &[u8],
        answer: impl FnOnce(Found) -> pb::RebuildTablesResponse,
    ) -> Result<pb::RebuildTablesResponse, Fault> {
        let rebuild_id = ids::derived(&["rebuild", &key.subject, &key.request_id]);
        // The same call that comes again meanwhile waits for this one's answer, and is not told that the rebuild which it began runs.
        let mut once = match Once::begin(&self.pool, &*self.clock, key, hash).await? {
            Begun::Answered(first) => return Ok(first),
            Begun::New(once) => once,
        };
        // The lock before the row: whoever sees the row finds the lock held, and knows that it is going on. It is not waited for.
        let lock = shadow::lock(&self.pool).await.map_err(faults::database)?.ok_or_else(runs)?;
        let now = once.now;
        rebuilds::break_off(once.conn(), BROKEN_OFF, now).await.map_err(faults::database)?;
        rebuilds::begin(once.conn(), rebuild_id, now).await.map_err(faults::database)?;
        let found = self.read(once.conn(), Some(rebuild_id)).await?;
        let answer = once.finish(answer(found)).await?;
        // The caller does not wait for it, and one who goes away does not break it off.
        tokio::spawn(self.clone().run(rebuild_id, lock));
        Ok(answer)
    }

    /// A rebuild; the last one when none is named.
    ///
    /// # Errors
    /// `NOT_FOUND`; `UNAVAILABLE` without the database.
    pub async fn get(&self, rebuild_id: Option<Uuid>) -> Result<Found, Fault> {
        let mut conn = self.pool.acquire().await.map_err(faults::database)?;
        self.settle(&mut conn).await.map_err(faults::database)?;
        self.read(&mut conn, rebuild_id).await
    }

    async fn read(&self, conn: &mut PgConnection, rebuild_id: Option<Uuid>) -> Result<Found, Fault> {
        let found = rebuilds::find(conn, rebuild_id).await.map_err(faults::database)?;
        let missing = || {
            let id = rebuild_id.map(|id| id.to_string()).unwrap_or_default();
            Fault::not_found("rebuild", id, "没有这次重算")
        };
        let row = found.ok_or_else(missing)?;
        let examples = rebuilds::examples(conn, row.rebuild_id).await.map_err(faults::database)?;
        Ok(Found { row, examples })
    }

    /// A rebuild that is noted as running while nobody holds the lock was broken off. The row is looked at again after the lock: one that
    /// has begun or ended in between is left alone.
    async fn settle(&self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let last = rebuilds::find(conn, None).await?;
        let Some(running) = last.filter(|row| row.state == "running") else { return Ok(()) };
        if shadow::is_locked(conn).await? {
            return Ok(());
        }
        let ending = Ending::Failed(BROKEN_OFF.to_owned());
        rebuilds::end(&self.pool, running.rebuild_id, &ending, self.clock.now()).await
    }

    /// Does a rebuild to its end and notes what came of it; the session of `lock` holds the lock meanwhile.
    async fn run(self, rebuild_id: Uuid, lock: PgConnection) {
        let ending = match run::run(&self.pool, rebuild_id).await {
            Ok(cells) => Ending::Compared(cells),
            Err(error) => Ending::Failed(error.to_string()),
        };
        match &ending {
            Ending::Compared(0) => tracing::info!(%rebuild_id, "the rebuilt tables are as served"),
            Ending::Compared(cells) => {
                tracing::error!(%rebuild_id, cells, "the rebuilt tables differ from the served ones");
            }
            Ending::Failed(reason) => tracing::error!(%rebuild_id, reason, "the rebuild was broken off"),
        }
        if let Ending::Compared(cells) = ending {
            self.differences.store(cells, Ordering::Relaxed);
        }
        // Without the note it is shown as broken off, since the lock is gone with the session.
        if let Err(error) = rebuilds::end(&self.pool, rebuild_id, &ending, self.clock.now()).await {
            tracing::error!(%rebuild_id, %error, "what became of the rebuild is not noted");
        }
        drop(lock);
    }
}

fn runs() -> Fault {
    Fault::precondition("REBUILD_RUNS", "rebuild", "another rebuild is going on", "正在重算，须待其结束后再发起")
}
