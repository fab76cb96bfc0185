//! What alerts read of the calendar: deadlines that it does not cover yet, and how long it still reaches.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use dafei_kernel::time::civil_date;
use dafei_messaging::silence;
use dafei_runtime::telemetry::metrics;
use tokio_util::sync::CancellationToken;

use super::Calendars;
use crate::{SERVICE, store::calendars};

/// How often is counted.
const PAUSE: Duration = Duration::from_secs(60);
/// Not counted yet.
const UNKNOWN: i64 = i64::MIN;

/// Open provisional deadlines, and days until the calendar ends.
#[derive(Debug, Clone)]
pub(crate) struct Gauges {
    provisional: Arc<AtomicI64>,
    days_left: Arc<AtomicI64>,
}

impl Gauges {
    /// Registers both.
    pub(crate) fn register() -> Self {
        let gauges =
            Self { provisional: Arc::new(AtomicI64::new(UNKNOWN)), days_left: Arc::new(AtomicI64::new(UNKNOWN)) };
        let labels = [("service", SERVICE)];
        let read = |value: &Arc<AtomicI64>| {
            let value = Arc::clone(value);
            move || Some(value.load(Ordering::Relaxed)).filter(|value| *value != UNKNOWN).map(|value| value as f64)
        };
        metrics::gauge_callback(
            "dafei.sla.provisional",
            "{obligation}",
            "Open deadlines beyond the calendar's coverage",
            &labels,
            read(&gauges.provisional),
        );
        metrics::gauge_callback(
            "dafei.sla.calendar_days_left",
            "d",
            "Days until the last day that the calendar covers",
            &labels,
            read(&gauges.days_left),
        );
        gauges
    }

    /// Counts until `shutdown`.
    pub(crate) async fn follow(self, calendars: Calendars, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = silence::answer(silence::ANSWER, self.count(&calendars)).await {
                tracing::warn!(%error, "the calendar's figures are those of before");
            }
            let _ = tokio::time::timeout(PAUSE, shutdown.cancelled()).await;
        }
    }

    async fn count(&self, calendars: &Calendars) -> sqlx::Result<()> {
        let (provisional, days_left) = calendars.figures().await?;
        self.provisional.store(provisional, Ordering::Relaxed);
        self.days_left.store(days_left, Ordering::Relaxed);
        Ok(())
    }
}

impl Calendars {
    /// Open provisional deadlines, and the days from today to the last that is covered; below zero when that has passed.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn figures(&self) -> sqlx::Result<(i64, i64)> {
        let mut conn = self.pool.acquire().await?;
        let provisional = calendars::count_provisional(&mut *conn).await?;
        let covered = self.in_force(&mut conn).await?.calendar.covered_through();
        let left = civil_date(self.clock.now()).until(covered).map_or(0, |span| i64::from(span.get_days()));
        Ok((provisional, left))
    }
}
