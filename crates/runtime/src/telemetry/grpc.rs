//! A tower layer around all gRPC services: a span per call that carries on the caller's trace, and its duration by method
//! and code. Nothing of a message's content is recorded. Silent methods leave nothing at all: no span, no log line, no
//! metric; the informant's path is one of them.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use http::{HeaderMap, Request, Response};
use opentelemetry::{KeyValue, metrics::Histogram};
use tonic::{
    Code,
    body::Body,
    codegen::{Body as HttpBody, Bytes},
};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field::Empty, instrument::WithSubscriber, subscriber::NoSubscriber};

use super::{
    metrics,
    propagation::{Headers, adopt},
};
use crate::paths::Paths;

/// Puts [`GrpcService`] around a service.
#[derive(Clone, Debug)]
pub struct GrpcLayer {
    silent: Paths,
    durations: Histogram<f64>,
}

impl GrpcLayer {
    /// A layer under which the `silent` paths leave no trace. Make it after [`super::init`].
    pub fn new(silent: Paths) -> Self {
        Self { silent, durations: metrics::durations("rpc.server.duration", "Duration of a gRPC call.") }
    }
}

impl<S> Layer<S> for GrpcLayer {
    type Service = GrpcService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcService { inner, layer: self.clone() }
    }
}

/// A service whose calls are observed; see [`GrpcLayer`].
#[derive(Clone, Debug)]
pub struct GrpcService<S> {
    inner: S,
    layer: GrpcLayer,
}

impl<S, B> Service<Request<B>> for GrpcService<S>
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
        if self.layer.silent.contains(request.uri().path()) {
            return Box::pin(self.inner.call(request).with_subscriber(NoSubscriber::default()));
        }
        let call = Call::begin(&request, self.layer.durations.clone());
        let span = call.span.clone();
        // A handler may begin work while it is called, not only while it is polled.
        let answer = span.in_scope(|| self.inner.call(request));
        Box::pin(async move {
            let response = answer.instrument(span).await?;
            Ok(call.observe(response))
        })
    }
}

/// A call under way. When it is dropped without an end, the caller has gone: `CANCELLED`.
struct Call {
    span: Span,
    service: String,
    method: String,
    started: Instant,
    durations: Histogram<f64>,
    ended: bool,
}

impl Call {
    fn begin<B>(request: &Request<B>, durations: Histogram<f64>) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let (service, method) = path.split_once('/').unwrap_or((path, ""));
        let span = tracing::info_span!(
            "rpc",
            otel.name = path,
            otel.kind = "server",
            otel.status_code = Empty,
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.grpc.status_code = Empty,
        );
        adopt(&span, &Headers(request.headers()));
        let (service, method) = (service.to_owned(), method.to_owned());
        Self { span, service, method, started: Instant::now(), durations, ended: false }
    }

    fn observe(mut self, response: Response<Body>) -> Response<Body> {
        // A call that fails at once has its status in the headers, any other in the trailers.
        if let Some(code) = code(response.headers()) {
            self.end(code);
            return response;
        }
        response.map(|inner| Body::new(Observed { inner, call: self }))
    }

    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.span.record("rpc.grpc.status_code", code as i32);
        if is_our_fault(code) {
            self.span.record("otel.status_code", "ERROR");
        }
        // Whoever asks for methods that do not exist must not make up labels.
        let (service, method) = match code {
            Code::Unimplemented => ("other".to_owned(), "other".to_owned()),
            _ => (std::mem::take(&mut self.service), std::mem::take(&mut self.method)),
        };
        self.durations.record(
            self.started.elapsed().as_secs_f64(),
            &[
                KeyValue::new("rpc.service", service),
                KeyValue::new("rpc.method", method),
                KeyValue::new("rpc.grpc.status_code", i64::from(code as i32)),
            ],
        );
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// A response's body that ends its call.
struct Observed {
    inner: Body,
    call: Call,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let frame = {
            let _entered = this.call.span.enter();
            Pin::new(&mut this.inner).poll_frame(cx)
        };
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.call.end(code(trailers).unwrap_or(Code::Unknown));
                }
            }
            Poll::Ready(Some(Err(status))) => this.call.end(status.code()),
            Poll::Ready(None) => this.call.end(Code::Unknown),
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.inner.size_hint()
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|value| Code::from_bytes(value.as_bytes()))
}

fn is_our_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
