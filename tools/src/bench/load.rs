//! A closed loop: so many calls under way at any time, for so long.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::task::JoinSet;

/// What came of a load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// Acknowledged calls per second.
    pub(super) per_second: f64,
    /// Calls that were refused.
    pub(super) refused: u64,
}

/// Keeps `in_flight` calls under way for `time`. `call` gets the number of its lane.
pub(super) async fn closed_loop<F, Fut>(in_flight: usize, time: Duration, call: F) -> anyhow::Result<Outcome>
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), tonic::Status>> + Send,
{
    let call = Arc::new(call);
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let refused = Arc::new(AtomicU64::new(0));
    let mut lanes = JoinSet::new();
    let begun = Instant::now();
    for lane in 0..in_flight {
        let (call, stop, done, refused) = (call.clone(), stop.clone(), done.clone(), refused.clone());
        lanes.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                match call(lane).await {
                    Ok(()) => done.fetch_add(1, Ordering::Relaxed),
                    Err(status) => {
                        if refused.fetch_add(1, Ordering::Relaxed) == 0 {
                            eprintln!("    first refusal: {status}");
                        }
                        0
                    }
                };
            }
        });
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(lane) = lanes.join_next().await {
        lane.context("a lane of the load")?;
    }
    let per_second = done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    Ok(Outcome { per_second, refused: refused.load(Ordering::Relaxed) })
}
