//! How long a call may take until its response begins: as long as the settings say, or as its caller does (`grpc-timeout`) if that is shorter.
//! tonic would answer `CANCELLED`, by which a caller takes it that somebody gave the call up, and outside of what is measured.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

/// The header in which a caller says how long it waits.
const HEADER: &str = "grpc-timeout";

/// Puts [`Deadline`] around a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadlineLayer {
    /// The longest that a call may take.
    pub(super) longest: Duration,
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, longest: self.longest }
    }
}

/// A service whose calls end by their deadlines; see [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub(super) struct Deadline<S> {
    inner: S,
    longest: Duration,
}

impl<S, B> Service<Request<B>> for Deadline<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let within = asked(request.headers()).map_or(self.longest, |asked| asked.min(self.longest));
        let answer = tokio::time::timeout(within, self.inner.call(request));
        Box::pin(async move {
            // What became of a write is not known: the same request id tells.
            answer.await.unwrap_or_else(|_| Ok(Status::deadline_exceeded("no answer in time").into_http()))
        })
    }
}

/// How long the caller waits, by the gRPC protocol: at most eight digits and a unit.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if count.len() > 8 {
        return None;
    }
    let count: u64 = count.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::Pending, task::Poll, time::Duration};

    use http::{HeaderMap, Request, Response};
    use tonic::{Code, Status, body::Body};
    use tower::{Layer as _, Service};

    use super::{Context, DeadlineLayer, HEADER, asked};

    /// Never answers.
    struct Silent;

    impl Service<Request<Body>> for Silent {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Pending<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            std::future::pending()
        }
    }

    #[tokio::test]
    async fn a_call_ends_by_its_callers_deadline_or_by_that_of_the_settings() {
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(3_600));
        for (header, longest) in [("20m", long), ("1H", short), ("nonsense", short)] {
            let request = Request::builder().header(HEADER, header).body(Body::empty()).unwrap();
            let answer = DeadlineLayer { longest }.layer(Silent).call(request);
            let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.expect("in time").unwrap();
            assert_eq!(Status::from_header_map(answer.headers()).unwrap().code(), Code::DeadlineExceeded, "{header}");
        }
    }

    fn of(text: &str) -> Option<Duration> {
        asked(&HeaderMap::from_iter([(HEADER.parse().unwrap(), text.parse().unwrap())]))
    }

    #[test]
    fn a_callers_deadline_is_read_as_the_protocol_writes_it() {
        assert_eq!(of("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(of("3M"), Some(Duration::from_secs(180)));
        assert_eq!(of("42S"), Some(Duration::from_secs(42)));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("10u"), Some(Duration::from_micros(10)));
        assert_eq!(of("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(asked(&HeaderMap::new()), None);
        for none in ["", "S", "5", "5x", "123456789S", "-1S", "1.5S"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
