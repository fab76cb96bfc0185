//! A write is sent under one request id until it is acknowledged: whatever became of the earlier tries, it has its effect once.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};

/// How long one try may take: what hangs on a stopped process is sent again.
const TRY: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Calls until it is acknowledged or refused for good, for `patience` at the most. Answers how often it was called.
pub(super) async fn insist<T, F>(
    what: &str,
    patience: Duration,
    mut call: impl FnMut() -> F,
) -> anyhow::Result<(T, u32)>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let end = Instant::now() + patience;
    let (mut tries, mut pause) = (0, FIRST_PAUSE);
    loop {
        tries += 1;
        let why = match timeout(TRY, call()).await {
            Ok(Ok(value)) => return Ok((value, tries)),
            Ok(Err(error)) if passes(&error) => format!("{error:#}"),
            Ok(Err(error)) => return Err(error).with_context(|| format!("{what}, try {tries}")),
            Err(_) => format!("no answer within {} s", TRY.as_secs()),
        };
        anyhow::ensure!(Instant::now() < end, "{what}: not done after {tries} tries; at last: {why}");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether another try may do better: the outcome is unknown or the service is not there. What was refused for good is not sent again.
fn passes(error: &anyhow::Error) -> bool {
    let Some(status) = error.downcast_ref::<Status>() else { return false };
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::ResourceExhausted
    )
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use anyhow::Context as _;
    use tonic::Status;

    use super::insist;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn an_unknown_outcome_is_tried_again_and_a_refusal_is_not() {
        let calls = Cell::new(0);
        let done = insist("a write", PATIENCE, || {
            calls.set(calls.get() + 1);
            let call = calls.get();
            async move { if call < 3 { Err(Status::unavailable("away")).context("step") } else { Ok(call) } }
        });
        assert_eq!(done.await.unwrap(), (3, 3));
        let refused = insist("a write", PATIENCE, || async { anyhow::Ok(Err::<(), _>(Status::not_found("no"))?) });
        assert!(refused.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_tried_again_until_the_patience_ends() {
        let calls = Cell::new(0);
        let never = insist("a write", Duration::from_secs(12), || {
            calls.set(calls.get() + 1);
            std::future::pending::<anyhow::Result<()>>()
        });
        assert!(never.await.is_err());
        assert_eq!(calls.get(), 3);
    }
}
