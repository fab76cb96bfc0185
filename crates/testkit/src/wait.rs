//! Waiting for something to become true, with a deadline.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// How long to pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks `look` again and again until it answers `Some`.
///
/// # Panics
/// When `deadline` has passed; the message names `what` was waited for.
pub async fn eventually<T, F, Fut>(deadline: Duration, what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
