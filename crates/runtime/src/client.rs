//! How everything in the suite calls gRPC: every connection is made in time and asked whether it lives, every call has a deadline, and what
//! failed for a while is tried again, ever less often and not by all at once.

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use tonic::{
    Code, Status,
    transport::{Endpoint, Error},
};
use tonic_types::StatusExt as _;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a connection is asked whether it lives, also while nothing is called, and how long it may take to answer. Not more often than
/// servers bear.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Calls at the same time over one connection; more wait here and not at the server.
const CONCURRENCY: usize = 512;
/// Tries after the first, within about ten seconds.
const TRIES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(4))
    .with_max_times(5)
    .with_jitter();
/// The longest wait that a server can ask for; who is told to wait longer gives up.
const LONGEST: Duration = Duration::from_secs(15);

/// A server's address with the bounds of every client. `answer` is how long a call may take until its response begins.
///
/// # Errors
/// When it is no address.
pub fn endpoint(address: &str, answer: Duration) -> Result<Endpoint, Error> {
    Ok(Endpoint::from_shared(address.to_owned())?
        .connect_timeout(CONNECT)
        .timeout(answer)
        .concurrency_limit(CONCURRENCY)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE.0))
        .http2_keep_alive_interval(KEEPALIVE.0)
        .keep_alive_timeout(KEEPALIVE.1)
        .keep_alive_while_idle(true))
}

/// Does a call, and again when the server was away or had too much to do. Only for calls that may be done twice: reads, and writes with a
/// request id.
///
/// # Errors
/// The last answer.
pub async fn retried<T, F>(call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let told = |status: &Status| status.get_details_retry_info().and_then(|info| info.retry_delay);
    call.retry(TRIES)
        .when(|status: &Status| matches!(status.code(), Code::Unavailable | Code::ResourceExhausted))
        .adjust(|status, pause| match (told(status), pause) {
            (Some(told), _) if told > LONGEST => None,
            (Some(told), Some(pause)) => Some(pause.max(told)),
            (_, pause) => pause,
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Instant,
    };

    use super::*;
    use crate::status::Fault;

    async fn answers(fault: impl Fn() -> Option<Fault>) -> (Result<u32, Status>, u32) {
        let calls = AtomicU32::new(0);
        let answer = retried(|| async {
            let nth = calls.fetch_add(1, Ordering::Relaxed);
            match fault() {
                Some(fault) if nth < 1 => Err(Status::from(fault)),
                _ => Ok(nth),
            }
        });
        (answer.await, calls.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_call_that_was_shed_is_done_again_and_not_before_it_was_told_to() {
        let retry_after = Duration::from_millis(600);
        let begun = Instant::now();
        let (answer, calls) = answers(|| Some(Fault::ResourceExhausted { retry_after })).await;
        assert_eq!((answer.unwrap(), calls), (1, 2));
        assert!(begun.elapsed() >= retry_after, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_call_that_is_wrong_is_not_done_again() {
        let (answer, calls) = answers(|| Some(Fault::field("village", "REQUIRED", "is required", "必填"))).await;
        assert_eq!((answer.unwrap_err().code(), calls), (Code::InvalidArgument, 1));
    }

    #[tokio::test]
    async fn who_is_told_to_wait_for_long_gives_up() {
        let retry_after = Duration::from_secs(3_600);
        let (answer, calls) = answers(|| Some(Fault::Unavailable { retry_after })).await;
        assert_eq!((answer.unwrap_err().code(), calls), (Code::Unavailable, 1));
    }
}
