//! What keeps the house in order and changes nothing that anybody waits for: partitions ahead of time and months that are too old, objects of
//! photos that were never finished, held photos of tips, spans of tries that are over.

use std::time::Duration;

use dafei_kernel::time::Instant;
use dafei_runtime::status::Fault;
use dafei_shell::faults;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::{evidence, patrol_months};
use crate::{app::App, store::throttle};

/// How often the house is looked at, by the machine's time.
const EVERY: Duration = Duration::from_mins(10);
/// The longest span of tries that can be configured: what began before it counts no more.
const LONGEST_SPAN: SignedDuration = SignedDuration::from_hours(24);
/// Spans of tries that are forgotten at a time.
const FORGOTTEN: i64 = 10_000;

/// Keeps the house in order until the token is cancelled. What cannot be done now is done the next time.
pub async fn keep(app: &App, token: CancellationToken) {
    while !token.is_cancelled() {
        match patrol_months::drop_old(app).await {
            Ok(dropped) => {
                for month in dropped {
                    tracing::info!(%month, "the patrols of a month were dropped");
                }
            }
            Err(fault) => later(&fault, "the months of patrols"),
        }
        match evidence::sweep(app).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "objects of photos that were never finished are removed"),
            Err(fault) => later(&fault, "unfinished photos"),
        }
        if let Err(fault) = evidence::settle(app).await {
            later(&fault, "photos that are held");
        }
        if let Err(fault) = forget_tries(app).await {
            later(&fault, "spans of tries");
        }
        // Running out is the usual end of the pause.
        let _ = tokio::time::timeout(EVERY, token.cancelled()).await;
    }
}

fn later(fault: &Fault, what: &str) {
    tracing::warn!(%fault, what, "left for later");
}

/// Forgets the spans of tries that are over: when somebody tried is not kept.
///
/// # Errors
/// When the database is away.
pub async fn forget_tries(app: &App) -> Result<u64, Fault> {
    let before = app.clock.now().checked_sub(LONGEST_SPAN).unwrap_or(Instant::MIN);
    let mut conn = app.pool.acquire().await.map_err(faults::database)?;
    throttle::forget(&mut conn, before, FORGOTTEN).await.map_err(faults::database)
}
