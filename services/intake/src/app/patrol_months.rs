//! The months of patrols: partitions ahead of time, and those dropped that are older than what is kept.

use dafei_intake_core::retention::oldest_kept;
use dafei_kernel::time::Month;
use dafei_messaging::tx;
use dafei_runtime::status::Fault;
use dafei_shell::{faults, once};

use crate::{app::App, store::patrol_months as store};

/// How many months ahead there are partitions, the present one among them.
const AHEAD: i32 = 3;

/// Makes the partitions that are missing, and drops the months that are too old, each in a transaction of its own.
///
/// # Errors
/// When the database is away, or readers hold a month for too long; what was dropped before stays so.
pub(crate) async fn drop_old(app: &App) -> Result<Vec<Month>, Fault> {
    let now = app.clock.now();
    let mut conn = app.pool.acquire().await.map_err(faults::database)?;
    store::ensure(&mut conn, now, AHEAD).await.map_err(faults::database)?;
    let kept = oldest_kept(now, app.patrol_months);
    let mut dropped = Vec::new();
    for month in store::before(&mut conn, kept).await.map_err(faults::database)? {
        let mut tx = tx::begin_write(&app.pool).await.map_err(faults::database)?;
        store::lock(&mut tx).await.map_err(faults::database)?;
        // Another replica may have dropped it meanwhile.
        if !store::is_dropped(&mut tx, month).await.map_err(faults::database)? {
            store::bury(&mut tx, month, now).await.map_err(faults::database)?;
            tx::commit(tx).await.map_err(once::failed)?;
            dropped.push(month);
        }
    }
    Ok(dropped)
}
