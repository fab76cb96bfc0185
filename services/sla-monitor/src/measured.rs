//! What dashboards and alerts read of the obligations: how many run, how many fall due soon, how long the oldest light waits.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use dafei_kernel::clock::SharedClock;
use dafei_messaging::silence;
use dafei_runtime::telemetry::metrics;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::store::read::{self, Counts};

/// How often is counted.
const PAUSE: Duration = Duration::from_secs(60);

/// The last count; none as long as nothing was counted.
type Last = Arc<RwLock<Option<Counts>>>;

/// Counts until `shutdown`.
pub(crate) async fn run(pool: PgPool, clock: SharedClock, shutdown: CancellationToken) {
    let last = Last::default();
    for (name, unit, help, of) in gauges() {
        let last = Arc::clone(&last);
        metrics::gauge_callback(name, unit, help, &[], move || {
            last.read().ok().and_then(|counts| counts.as_ref().map(of))
        });
    }
    while !shutdown.is_cancelled() {
        match silence::answer(silence::ANSWER, read::counts(&pool, clock.now())).await {
            Ok(counts) => {
                if let Ok(mut last) = last.write() {
                    *last = Some(counts);
                }
            }
            Err(error) => tracing::warn!(%error, "obligations cannot be counted"),
        }
        let _ = tokio::time::timeout(PAUSE, shutdown.cancelled()).await;
    }
}

type Gauge = (&'static str, &'static str, &'static str, fn(&Counts) -> f64);

const fn gauges() -> [Gauge; 3] {
    [
        ("dafei.sla.open", "{obligation}", "Obligations of which a light is still to come", |counts| {
            counts.open as f64
        }),
        ("dafei.sla.due_next_hour", "{obligation}", "Obligations whose limit is within the next hour", |counts| {
            counts.due_next_hour as f64
        }),
        ("dafei.sla.oldest_due", "s", "How long the oldest light that is due waits to be told", |counts| {
            counts.oldest_due_seconds
        }),
    ]
}
