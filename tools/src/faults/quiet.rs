//! Waiting until the suite has got over a fault.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    client::{Keys, Suite},
    exercise, health,
};

/// Pause between two looks at a suite that is not yet back.
const PAUSE: Duration = Duration::from_millis(100);

/// Returns when all four serve, have nothing to publish and nothing to take.
pub(super) async fn run(suite: &Suite, keys: &Keys, within: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + within;
    loop {
        let why = match timeout_at(end, look(suite, keys)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if Instant::now() >= end {
            return match why {
                Some(error) => Err(error).with_context(|| format!("not quiet after {within:?}")),
                None => anyhow::bail!("not quiet after {within:?}"),
            };
        }
        sleep(PAUSE).await;
    }
}

async fn look(suite: &Suite, keys: &Keys) -> anyhow::Result<()> {
    health::run(suite, Duration::ZERO).await?;
    exercise::settle_system(suite, keys).await
}
